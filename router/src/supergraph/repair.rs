//! What the composer leaves out of a supergraph, put back from the subgraphs:
//! - an interface field that every subgraph of its interface has loses what they say of it (`@external`, `@requires`,
//!   `@provides`), so that `@interfaceObject` would be asked for what it only requires;
//! - a field that one subgraph returns as a union or interface and another as a member of it keeps the type of the
//!   first, which need not be the widest.

use super::sdl::{Composite, Subgraph, argument, composites, named};
use graphql_core::{Argument, Definition, Directive, Document, FieldDefinition, Type, Value, print};
use std::collections::{BTreeMap, BTreeSet};

/// A field in one of the subgraphs that define it.
struct InSubgraph<'s> {
    /// The subgraph's value of `join__Graph`.
    graph: &'s str,
    field: &'s FieldDefinition,
}

/// Repairs a supergraph; nothing when there is nothing to repair.
pub(super) fn repair(mut supergraph: Document, subgraphs: &[Subgraph]) -> Option<Document> {
    let graphs = graphs(&supergraph);
    let fields = fields(subgraphs, &graphs);
    let possible_types = possible_types(&supergraph);
    let mut repaired = false;
    for definition in &mut supergraph.definitions {
        let (name, own, is_interface) = match definition {
            Definition::ObjectTypeDefinition(object) => (&object.name.value, &mut object.fields, false),
            Definition::InterfaceTypeDefinition(interface) => (&interface.name.value, &mut interface.fields, true),
            _ => continue,
        };
        for field in own {
            let of_type = fields.get(name.as_str());
            let Some(everywhere) = of_type.and_then(|fields| fields.get(field.name.value.as_str())) else { continue };
            if is_interface && !field.directives.iter().any(is_join_field) {
                let joins: Vec<_> = everywhere.iter().map(join_field).collect();
                if joins.iter().any(|join| join.arguments.len() > 1) {
                    field.directives.extend(joins);
                    repaired = true;
                }
            }
            repaired |= widen(field, everywhere, &possible_types);
        }
    }
    repaired.then_some(supergraph)
}

/// Gives a field the widest of the types that the subgraphs return; tells whether that changed anything.
fn widen(field: &mut FieldDefinition, everywhere: &[InSubgraph<'_>], possible_types: &PossibleTypes) -> bool {
    let names: BTreeSet<&str> = everywhere.iter().map(|here| named(&here.field.ty)).collect();
    let possible = |name: &str| possible_types.get(name).cloned().unwrap_or_else(|| [name.to_owned()].into());
    let all: BTreeSet<String> = names.iter().copied().flat_map(possible).collect();
    let Some(widest) = names.iter().find(|name| possible(name) == all).filter(|_| names.len() > 1) else {
        return false;
    };
    let types: Vec<&Type> = everywhere.iter().map(|here| &here.field.ty).collect();
    field.ty = merged(&types, widest);
    if !field.directives.iter().any(is_join_field) {
        field.directives.extend(everywhere.iter().map(join_field));
    }
    let merged = print(&field.ty);
    for join in field.directives.iter_mut().filter(|directive| is_join_field(directive)) {
        let graph = argument(join, "graph").map(print);
        let here = everywhere.iter().find(|here| Some(here.graph) == graph.as_deref());
        join.arguments.retain(|argument| argument.name.value != "type");
        if let Some(ty) = here.map(|here| print(&here.field.ty)).filter(|ty| *ty != merged) {
            join.arguments.push(Argument::new("type", Value::string(ty)));
        }
    }
    true
}

/// The type that all these are, with this name: null wherever one of them may be.
fn merged(types: &[&Type], name: &str) -> Type {
    let nullable: Vec<&Type> = types
        .iter()
        .map(|ty| match ty {
            Type::NonNull(of) => &*of.ty,
            other => other,
        })
        .collect();
    let items: Option<Vec<&Type>> = nullable
        .iter()
        .map(|ty| match ty {
            Type::List(list) => Some(&*list.ty),
            _ => None,
        })
        .collect();
    let merged = match items {
        Some(items) => Type::list(merged(&items, name)),
        None => Type::named(name),
    };
    if types.iter().all(|ty| matches!(ty, Type::NonNull(_))) { Type::non_null(merged) } else { merged }
}

/// `@join__field` with what a subgraph says of the field (join specification v0.3). Where it is needed, composition lets
/// nothing be overridden.
fn join_field(here: &InSubgraph<'_>) -> Directive {
    let said = |name: &str| here.field.directives.iter().find(|directive| directive.name.value == name);
    let mut arguments = vec![Argument::new("graph", Value::enum_value(here.graph))];
    for name in ["requires", "provides"] {
        if let Some(fields) = said(name).and_then(|directive| argument(directive, "fields")) {
            arguments.push(Argument::new(name, fields.clone()));
        }
    }
    if said("external").is_some() {
        arguments.push(Argument::new("external", Value::boolean(true)));
    }
    Directive::new("join__field", arguments)
}

fn is_join_field(directive: &Directive) -> bool {
    directive.name.value == "join__field"
}

/// The subgraphs' values of `join__Graph` by their names.
fn graphs(supergraph: &Document) -> BTreeMap<String, String> {
    let graphs = supergraph.definitions.iter().find_map(|definition| match definition {
        Definition::EnumTypeDefinition(graphs) if graphs.name.value == "join__Graph" => Some(&graphs.values),
        _ => None,
    });
    let named = graphs.into_iter().flatten().filter_map(|graph| {
        let said = graph.directives.iter().find(|directive| directive.name.value == "join__graph")?;
        match argument(said, "name")? {
            Value::String(name) => Some((name.value.clone(), graph.name.value.clone())),
            _ => None,
        }
    });
    named.collect()
}

/// Who defines which field of an object or interface, by type and field.
fn fields<'s>(
    subgraphs: &'s [Subgraph],
    graphs: &'s BTreeMap<String, String>,
) -> BTreeMap<&'s str, BTreeMap<&'s str, Vec<InSubgraph<'s>>>> {
    let mut everywhere: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for subgraph in subgraphs {
        let Some(graph) = graphs.get(&subgraph.name) else { continue };
        for Composite { name, fields, .. } in composites(&subgraph.document) {
            let of_type = everywhere.entry(subgraph.root(name)).or_default();
            for field in fields {
                let here = InSubgraph { graph, field };
                of_type.entry(field.name.value.as_str()).or_default().push(here);
            }
        }
    }
    everywhere
}

type PossibleTypes = BTreeMap<String, BTreeSet<String>>;

/// The object types that a value of each interface and union can have.
fn possible_types(supergraph: &Document) -> PossibleTypes {
    let mut possible = PossibleTypes::new();
    for definition in &supergraph.definitions {
        match definition {
            Definition::ObjectTypeDefinition(object) => {
                for interface in &object.interfaces {
                    possible.entry(interface.name.value.clone()).or_default().insert(object.name.value.clone());
                }
            }
            Definition::UnionTypeDefinition(union) => {
                possible.insert(
                    union.name.value.clone(),
                    union.types.iter().map(|member| member.name.value.clone()).collect(),
                );
            }
            _ => {}
        }
    }
    possible
}
