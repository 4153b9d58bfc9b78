//! Whether the fields that share a response name can share it (GraphQL spec, "Field Selection Merging"). The library's
//! rule passes over what fragments in fragments hold. Here all fields are gathered place by place of the answer, whatever
//! fragments they stand in, so that each pair is compared once: with a limit on how often one name may stand in one
//! place, that takes time in proportion to the fields.

use super::document::{self, location};
use crate::error::{Code, GraphQLError};
use crate::supergraph::ApiSchema;
use graphql_tools::static_graphql::query::{self, Selection, SelectionSet, Value};
use graphql_tools::static_graphql::schema::{self, Type, TypeDefinition};
use std::collections::HashMap;

/// How often one response name may stand in one place, fragments written out. Generated clients with a fragment per
/// component reach some dozens.
const MAX_REPEATS: usize = 100;

/// More conflicts than this tell a client nothing new.
const MOST: usize = 20;

/// Checks every operation of a document that is valid otherwise and whose size is within the limits.
///
/// # Errors
/// The first conflicts; `OPERATION_TOO_COMPLEX` alone if some name repeats too often.
pub(super) fn check(api: &ApiSchema, document: &query::Document) -> Result<(), Vec<GraphQLError>> {
    let fragments = document::fragments(document).map(|fragment| (fragment.name.as_str(), fragment)).collect();
    let typename = Type::NonNullType(Box::new(Type::NamedType("String".into())));
    let mut merging = Merging { api, fragments, typename: &typename, conflicts: Vec::new() };
    for operation in document::operations(document) {
        let root = Owner { set: operation.selection_set(), type_name: root_name(api, operation) };
        if merging.place(&[root], &Exclusive::none(1)).is_err() {
            let message = format!("The document selects one response name more than {MAX_REPEATS} times in one place.");
            return Err(vec![GraphQLError::new(Code::OperationTooComplex, message)]);
        }
    }
    if merging.conflicts.is_empty() { Ok(()) } else { Err(merging.conflicts) }
}

fn root_name<'d>(api: &'d ApiSchema, operation: &query::OperationDefinition) -> Option<&'d str> {
    match operation {
        query::OperationDefinition::Mutation(_) => api.document.mutation_type().map(|root| root.name.as_str()),
        query::OperationDefinition::Subscription(_) => api.document.subscription_type().map(|root| root.name.as_str()),
        query::OperationDefinition::SelectionSet(_) | query::OperationDefinition::Query(_) => {
            api.document.query_type_name().map(String::as_str)
        }
    }
}

struct Merging<'d> {
    api: &'d ApiSchema,
    fragments: HashMap<&'d str, &'d query::FragmentDefinition>,
    /// The type of `__typename`.
    typename: &'d Type,
    conflicts: Vec<GraphQLError>,
}

/// What selects from the objects of a place, and the type that it takes them for.
#[derive(Clone, Copy)]
struct Owner<'d> {
    set: &'d SelectionSet,
    type_name: Option<&'d str>,
}

/// A field in its place.
#[derive(Clone, Copy)]
struct Placed<'d> {
    field: &'d query::Field,
    /// The number of the owner that it is from.
    owner: usize,
    parent: Option<&'d TypeDefinition>,
    of: Option<&'d Type>,
}

/// A response name is in one place too often.
struct Repeats;

/// Which pairs of owners select from different objects always.
struct Exclusive {
    owners: usize,
    pairs: Vec<bool>,
}

impl Exclusive {
    fn none(owners: usize) -> Self {
        Self { owners, pairs: vec![false; owners * owners] }
    }

    fn get(&self, a: usize, b: usize) -> bool {
        self.pairs[a * self.owners + b]
    }

    fn set(&mut self, a: usize, b: usize) {
        self.pairs[a * self.owners + b] = true;
        self.pairs[b * self.owners + a] = true;
    }
}

impl<'d> Merging<'d> {
    /// Compares the fields of one place and of all below it.
    fn place(&mut self, owners: &[Owner<'d>], exclusive: &Exclusive) -> Result<(), Repeats> {
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<Vec<Placed<'d>>> = Vec::new();
        let mut put = |placed: Placed<'d>| {
            let key = placed.field.alias.as_ref().unwrap_or(&placed.field.name);
            let group = *names.entry(key).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(placed);
            if groups[group].len() > MAX_REPEATS { Err(Repeats) } else { Ok(()) }
        };
        for (owner, Owner { set, type_name }) in owners.iter().enumerate() {
            self.gather(set, *type_name, owner, &mut put)?;
        }
        groups.iter().try_for_each(|group| self.group(group, exclusive))
    }

    fn gather(
        &self,
        set: &'d SelectionSet,
        type_name: Option<&'d str>,
        owner: usize,
        put: &mut impl FnMut(Placed<'d>) -> Result<(), Repeats>,
    ) -> Result<(), Repeats> {
        let parent = type_name.and_then(|name| self.api.type_by_name(name));
        for selection in &set.items {
            match selection {
                Selection::Field(field) => put(Placed { field, owner, parent, of: self.type_of(parent, &field.name) })?,
                Selection::InlineFragment(fragment) => {
                    let on = fragment.type_condition.as_ref().map(|on| on.as_ref().as_str()).or(type_name);
                    self.gather(&fragment.selection_set, on, owner, put)?;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(spread.fragment_name.as_str()) {
                        let on = Some(fragment.type_condition.as_ref().as_str());
                        self.gather(&fragment.selection_set, on, owner, put)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares the fields of one name, and what is below them.
    fn group(&mut self, group: &[Placed<'d>], around: &Exclusive) -> Result<(), Repeats> {
        let mut exclusive = Exclusive::none(group.len());
        for (nth, b) in group.iter().enumerate() {
            for (index, a) in group[..nth].iter().enumerate() {
                let apart = around.get(a.owner, b.owner) || are_different_objects(a.parent, b.parent);
                if apart {
                    exclusive.set(index, nth);
                }
                if let Some(why) = self.conflict(a, b, apart) {
                    self.report(a.field, b.field, &why);
                    return Ok(());
                }
            }
        }
        let below = group
            .iter()
            .map(|placed| Owner { set: &placed.field.selection_set, type_name: placed.of.map(|of| of.inner_type()) });
        let below: Vec<_> = below.collect();
        if below.iter().all(|owner| owner.set.items.is_empty()) { Ok(()) } else { self.place(&below, &exclusive) }
    }

    fn conflict(&self, a: &Placed<'d>, b: &Placed<'d>, apart: bool) -> Option<String> {
        let (one, other) = (&a.field.name, &b.field.name);
        if !apart && one != other {
            return Some(format!("\"{one}\" and \"{other}\" are different fields"));
        }
        let is_one = std::ptr::eq(a.field, b.field); // spread twice
        if !apart && !is_one && !are_same(&a.field.arguments, &b.field.arguments) {
            return Some("they have differing arguments".into());
        }
        let (one, other) = (a.of?, b.of?);
        let have_one_shape = self.have_one_shape(one, other);
        (!have_one_shape).then(|| format!("they return conflicting types \"{one}\" and \"{other}\""))
    }

    /// Whether what is of these types looks the same, the fields of objects apart (GraphQL spec, "SameResponseShape").
    fn have_one_shape(&self, a: &Type, b: &Type) -> bool {
        match (a, b) {
            (Type::NonNullType(a), Type::NonNullType(b)) | (Type::ListType(a), Type::ListType(b)) => {
                self.have_one_shape(a, b)
            }
            (Type::NamedType(a), Type::NamedType(b)) => a == b || !self.is_leaf(a) && !self.is_leaf(b),
            _ => false,
        }
    }

    fn is_leaf(&self, name: &str) -> bool {
        matches!(self.api.type_by_name(name), None | Some(TypeDefinition::Scalar(_) | TypeDefinition::Enum(_)))
    }

    fn type_of(&self, parent: Option<&'d TypeDefinition>, field: &str) -> Option<&'d Type> {
        if field == "__typename" {
            return Some(self.typename);
        }
        let fields: &[schema::Field] = match parent? {
            TypeDefinition::Object(object) => &object.fields,
            TypeDefinition::Interface(interface) => &interface.fields,
            _ => &[],
        };
        fields.iter().find(|known| known.name == field).map(|known| &known.field_type)
    }

    fn report(&mut self, a: &query::Field, b: &query::Field, why: &str) {
        let key = a.alias.as_ref().unwrap_or(&a.name);
        let message = format!(
            "Fields \"{key}\" conflict because {why}. Use different aliases on the fields to fetch both if this was \
             intentional."
        );
        let mut error = GraphQLError::new(Code::GraphqlValidationFailed, message);
        error.locations = vec![location(a.position), location(b.position)];
        // What is in a fragment is met wherever that is spread.
        if self.conflicts.len() < MOST && !self.conflicts.iter().any(|known| known.locations == error.locations) {
            self.conflicts.push(error);
        }
    }
}

fn are_different_objects(a: Option<&TypeDefinition>, b: Option<&TypeDefinition>) -> bool {
    match (a, b) {
        (Some(TypeDefinition::Object(a)), Some(TypeDefinition::Object(b))) => a.name != b.name,
        _ => false,
    }
}

/// Whether these arguments, or fields of input objects, are the same in whatever order.
fn are_same(a: &[(String, Value)], b: &[(String, Value)]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let known: HashMap<&str, &Value> = b.iter().map(|(name, value)| (name.as_str(), value)).collect();
    a.iter().all(|(name, value)| known.get(name.as_str()).is_some_and(|known| is_same(value, known)))
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => are_same(a, b),
        (a, b) => a == b,
    }
}
