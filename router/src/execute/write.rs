//! Writes the client's JSON in one pass, with null propagation (GraphQL spec, "Handling Field Errors"): what was
//! written of an object that turns out to be null is cut off again.

use super::failure::{Failure, Failures};
use super::path::Element;
use super::projection::{Kind, Part, Selection, Slot, Wrapping};
use super::value::{self, Object, Value, write_plain};
use crate::error::{Code, GraphQLError};
use crate::operation::Variables;
use serde_json::value::RawValue;

pub(super) struct Writer<'w> {
    pub(super) out: Vec<u8>,
    pub(super) variables: &'w Variables,
    pub(super) failures: &'w mut Failures,
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
        let empty = self.out.len();
        for (nth, selection) in selections.iter().enumerate() {
            for slot in &selection.slots {
                if nth > 0 && selections[..nth].iter().any(|earlier| earlier.has(slot, typename, self.variables)) {
                    continue;
                }
                let same: Vec<&'w Slot>;
                // Almost always there is one selection, and no need to look for the same key in another.
                let slots = if selections.len() == 1 {
                    std::slice::from_ref(&slot)
                } else {
                    same = selections.iter().filter_map(|selection| selection.find(&slot.key)).collect();
                    &same
                };
                let variables = self.variables;
                let mut parts =
                    slots.iter().flat_map(|slot| &slot.parts).filter(|part| part.applies(typename, variables));
                let Some(part) = parts.next() else { continue };
                let others: Vec<&Part> = parts.collect();
                if self.out.len() > empty {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(&slot.prefix);
                self.path.push(Element::Key(&slot.key));
                let written = self.field(object, slot, part, &others, typename);
                self.path.pop();
                if written.is_err() {
                    self.out.truncate(start);
                    return Err(Nulled);
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn field(
        &mut self,
        object: &Object<'_>,
        slot: &'w Slot,
        part: &'w Part,
        others: &[&'w Part],
        typename: Option<&str>,
    ) -> Written {
        match &part.kind {
            Kind::Typename => {
                match typename {
                    Some(name) => write_plain(name, &mut self.out),
                    None => return self.null(false),
                }
                Ok(())
            }
            Kind::Introspection => {
                let answer = self.introspection.iter().find_map(|(key, answer)| (*key == slot.key).then_some(answer));
                self.out.extend_from_slice(answer.map_or("null", |answer| answer.get()).as_bytes());
                Ok(())
            }
            kind => {
                let value = object.get(&slot.key).unwrap_or(&Value::Null);
                if others.is_empty() {
                    self.value(value, &part.wrapping, kind, &[&part.children])
                } else {
                    let children: Vec<_> =
                        std::iter::once(&part.children).chain(others.iter().map(|part| &part.children)).collect();
                    self.value(value, &part.wrapping, kind, &children)
                }
            }
        }
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
            (Kind::Abstract(possible), Value::Object(object)) => match object.typename() {
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
            (Kind::Scalar | Kind::Typename | Kind::Introspection, _) => return self.leaf(value),
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
        let error = GraphQLError::new(Code::SubgraphError, format!("Invalid value from a subgraph: {what}."));
        self.failures.push(Failure::at(error, &self.path));
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

impl Selection {
    /// Whether it writes this slot's key for an object of this type.
    fn has(&self, slot: &Slot, typename: Option<&str>, variables: &Variables) -> bool {
        self.find(&slot.key).is_some_and(|same| same.parts.iter().any(|part| part.applies(typename, variables)))
    }
}
