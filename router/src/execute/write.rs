//! Writes the client's JSON in one pass, with null propagation (GraphQL spec, "Handling Field Errors"): what was
//! written of an object that turns out to be null is cut off again.

use super::failure::{Failure, Failures};
use super::path::Element;
use super::projection::{Field, Kind, Selection, Wrapping};
use super::value::{self, Object, Value, write_plain};
use crate::error::{Code, GraphQLError};
use crate::operation::Variables;
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashSet};

pub(super) struct Writer<'w> {
    pub(super) out: Vec<u8>,
    pub(super) variables: &'w Variables,
    pub(super) failures: &'w mut Failures,
    /// Names that tell nothing of an object's type.
    pub(super) interfaces: &'w HashSet<String>,
    /// The fields that the caller may not see, by their keys from the root. They are null even where the data holds
    /// them, because another field needed them.
    pub(super) denied: Vec<(Vec<String>, &'w BTreeSet<String>)>,
    /// The answers to `__schema` and `__type`.
    pub(super) introspection: &'w [(String, Box<RawValue>)],
    /// Where the value at hand is.
    pub(super) path: Vec<Element<'w>>,
}

/// The value must not be null, but is: nothing was written of it.
pub(super) struct Nulled;

type Written = Result<(), Nulled>;

impl<'w> Writer<'w> {
    /// Writes an object with the fields of these selections.
    pub(super) fn object(
        &mut self,
        object: &Object<'_>,
        selections: &[&'w Selection],
        typename: Option<&str>,
    ) -> Written {
        let start = self.out.len();
        self.out.push(b'{');
        for (nth, selection) in selections.iter().enumerate() {
            for (index, field) in selection.fields.iter().enumerate() {
                if !field.applies(typename, self.variables) {
                    continue;
                }
                // Almost always a key is there once.
                let written = if selections.len() == 1 && !field.repeated {
                    self.field(object, field, &[&field.children], typename)
                } else {
                    match self.together(selections, nth, index, typename) {
                        Some(children) => self.field(object, field, &children, typename),
                        None => continue,
                    }
                };
                if written.is_err() {
                    self.out.truncate(start);
                    return Err(Nulled);
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The children of all fields that apply and have the key of the field at this position; `None` if an earlier
    /// field has it, and so has written them.
    fn together(
        &self,
        selections: &[&'w Selection],
        nth: usize,
        index: usize,
        typename: Option<&str>,
    ) -> Option<Vec<&'w Selection>> {
        let field = &selections[nth].fields[index];
        let mut same = selections
            .iter()
            .flat_map(|selection| &selection.fields)
            .filter(|other| other.key == field.key && other.applies(typename, self.variables))
            .peekable();
        let first = same.peek().is_some_and(|first| std::ptr::eq(*first, field));
        first.then(|| same.map(|other| &other.children).collect())
    }

    fn field(
        &mut self,
        object: &Object<'_>,
        field: &'w Field,
        children: &[&'w Selection],
        typename: Option<&str>,
    ) -> Written {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(&field.prefix);
        self.path.push(Element::Key(&field.key));
        let written = match (&field.kind, typename) {
            (Kind::Typename, Some(name)) => {
                write_plain(name, &mut self.out);
                Ok(())
            }
            (Kind::Typename, None) => self.null(false),
            (Kind::Introspection, _) => {
                let answer = self.introspection.iter().find_map(|(key, answer)| (*key == field.key).then_some(answer));
                self.out.extend_from_slice(answer.map_or("null", |answer| answer.get()).as_bytes());
                Ok(())
            }
            _ if self.is_denied(typename) => self.null(field.wrapping.is_nullable()),
            (kind, _) => {
                let value = object.get(&field.key).unwrap_or(&Value::Null);
                self.value(value, &field.wrapping, kind, children)
            }
        };
        self.path.pop();
        written
    }

    fn value(&mut self, value: &Value<'_>, wrapping: &Wrapping, kind: &Kind, children: &[&'w Selection]) -> Written {
        match (wrapping, value) {
            (Wrapping::List { nullable, .. } | Wrapping::Named { nullable }, Value::Null) => self.null(*nullable),
            (Wrapping::List { nullable, of }, Value::List(items)) => match self.list(items, of, kind, children) {
                Err(Nulled) => self.nulled(*nullable),
                written => written,
            },
            // A list of a custom scalar is the text that the subgraph sent.
            (Wrapping::List { .. }, Value::Raw(_)) => self.leaf(value),
            (Wrapping::List { nullable, .. }, _) => self.misfit("a list was expected", *nullable),
            (Wrapping::Named { nullable }, _) => self.named(value, *nullable, kind, children),
        }
    }

    fn list(&mut self, items: &[Value<'_>], wrapping: &Wrapping, kind: &Kind, children: &[&'w Selection]) -> Written {
        let start = self.out.len();
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.path.push(Element::Index(index));
            let written = self.value(item, wrapping, kind, children);
            self.path.pop();
            if written.is_err() {
                self.out.truncate(start);
                return Err(Nulled);
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn named(&mut self, value: &Value<'_>, nullable: bool, kind: &Kind, children: &[&'w Selection]) -> Written {
        let written = match (kind, value) {
            (Kind::Object(name), Value::Object(object)) => self.object(object, children, Some(name)),
            (Kind::Abstract(possible), Value::Object(object)) => match typename(object, children) {
                Some(name) if self.interfaces.contains(name) => self.object(object, children, None),
                Some(name) if !possible.contains(name) => {
                    return self.misfit("an object of a type that is not part of the schema was given", nullable);
                }
                typename => self.object(object, children, typename),
            },
            (Kind::Object(_) | Kind::Abstract(_), _) => return self.misfit("an object was expected", nullable),
            (Kind::Enum(values), Value::String(name)) if values.contains(&**name) => return self.leaf(value),
            (Kind::Enum(_), _) => {
                return self.misfit("an enum value that is not part of the schema was given", nullable);
            }
            (Kind::BuiltIn, Value::List(_) | Value::Object(_)) => {
                return self.misfit("a scalar was expected", nullable);
            }
            (Kind::BuiltIn | Kind::Scalar | Kind::Typename | Kind::Introspection, _) => return self.leaf(value),
        };
        match written {
            Err(Nulled) => self.nulled(nullable),
            written => written,
        }
    }

    fn leaf(&mut self, value: &Value<'_>) -> Written {
        value::write(value, &mut self.out);
        Ok(())
    }

    fn is_denied(&self, typename: Option<&str>) -> bool {
        self.denied.iter().any(|(keys, types)| {
            let path = self.path.iter().filter_map(|element| match element {
                Element::Key(key) => Some(*key),
                Element::Index(_) => None,
            });
            typename.is_none_or(|name| types.contains(name)) && path.eq(keys.iter().map(String::as_str))
        })
    }

    /// A null at this place. If it may not be, and no error says why it is there, one is added.
    fn null(&mut self, nullable: bool) -> Written {
        if !nullable && !self.failures.explain(&self.path) {
            let error = GraphQLError::new(Code::SubgraphError, "Cannot return null for a non-nullable field.");
            self.failures.push(Failure::at(error, &self.path));
        }
        self.nulled(nullable)
    }

    /// A value that the schema does not allow at this place: it becomes null, and an error says so.
    fn misfit(&mut self, what: &str, nullable: bool) -> Written {
        if !self.failures.explain(&self.path) {
            let error = GraphQLError::new(Code::SubgraphError, format!("Invalid value from a subgraph: {what}."));
            self.failures.push(Failure::at(error, &self.path));
        }
        self.nulled(nullable)
    }

    fn nulled(&mut self, nullable: bool) -> Written {
        if !nullable {
            return Err(Nulled);
        }
        self.out.extend_from_slice(b"null");
        Ok(())
    }
}

/// The type that an object says it has; perhaps only by the name that the client asked it by.
fn typename<'o>(object: &'o Object<'_>, selections: &[&Selection]) -> Option<&'o str> {
    object.typename().or_else(|| {
        let mut fields = selections.iter().flat_map(|selection| &selection.fields);
        fields.find_map(|field| match (&field.kind, object.get(&field.key)) {
            (Kind::Typename, Some(Value::String(name))) => Some(&**name),
            _ => None,
        })
    })
}
