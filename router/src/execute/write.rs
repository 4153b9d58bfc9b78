//! Writes the client's JSON in one pass, with null propagation (GraphQL spec, "Handling Field Errors"): what was
//! written of an object that turns out to be null is cut off again. What stands in many places of the data is written
//! out once, and copied after that.

use super::data::{Data, List, ObjectId, Value};
use super::failure::{Failure, Failures, misfit};
use super::page::Page;
use super::path::Element;
use super::projection::{Definition, Field, Kind, Selection, Wrapping};
use crate::error::{Code, GraphQLError};
use crate::operation::Denied;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// So many written values are remembered at most.
const MAX_COPIES: usize = 4096;

pub(super) struct Writer<'w> {
    pub(super) out: Page,
    /// How large it may become, in bytes.
    pub(super) max_size: usize,
    pub(super) data: &'w Data,
    /// Which conditions of the projection hold.
    pub(super) holds: Vec<bool>,
    pub(super) failures: &'w mut Failures,
    /// Names that tell nothing of an object's type.
    pub(super) interfaces: &'w HashSet<String>,
    /// The fields that the caller may not see. They are null even where the data holds them, because another field
    /// needed them.
    pub(super) denied: Vec<&'w Denied>,
    /// The answers to `__schema` and `__type`.
    pub(super) introspection: &'w [(String, Box<RawValue>)],
    /// Where the value at hand is.
    path: Vec<Element<'w>>,
    /// Where shared values were written, by the end of [`Value::number`]: of two that get in each other's way, the last one.
    written: Vec<Option<Copied>>,
    /// How many bytes were written and cut off again.
    cut: usize,
    /// How many nulls there were that needed an explanation, which depends on where they are.
    explained: usize,
}

/// How a value is written: as by every field of one number, or as by one field alone, in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Manner(u64);

impl Manner {
    fn alike(number: usize) -> Self {
        Self(2 * number as u64)
    }

    /// No type lies at an odd address.
    fn here(kind: &Kind) -> Self {
        Self(std::ptr::from_ref(kind).addr() as u64 | 1)
    }
}

/// A value that was written, for others to copy. Kept small: many are looked up.
#[derive(Clone, Copy)]
struct Copied {
    value: Value,
    manner: Manner,
    /// Where it stands, unless something was cut off since: how much had been by then is `cut`.
    start: u32,
    len: u32,
    cut: u32,
}

/// What a field writes.
#[derive(Clone, Copy)]
struct Target<'s, 'w> {
    kind: &'w Kind,
    children: &'s [&'w Selection],
    manner: Manner,
}

/// Why a value was not written. Nothing is left of it.
pub(super) enum Stop {
    /// It must not be null, but is.
    Nulled,
    /// The answer is larger than it may be.
    TooLarge,
}

type Written = Result<(), Stop>;

impl<'w> Writer<'w> {
    /// A writer of this data, for this page.
    pub(super) fn new(out: Page, data: &'w Data, failures: &'w mut Failures, interfaces: &'w HashSet<String>) -> Self {
        Self {
            out,
            max_size: usize::MAX,
            data,
            holds: Vec::new(),
            failures,
            interfaces,
            denied: Vec::new(),
            introspection: &[],
            path: Vec::with_capacity(32),
            written: vec![None; if data.shares() { data.len().min(MAX_COPIES).next_power_of_two() } else { 0 }],
            cut: 0,
            explained: 0,
        }
    }

    /// Writes an object with the fields of these selections.
    pub(super) fn object(&mut self, object: ObjectId, selections: &[&'w Selection], typename: Option<&str>) -> Written {
        let start = self.out.len();
        self.out.push(b'{');
        let mut is_first = true;
        let is_simple = selections.len() == 1 && self.denied.is_empty();
        for (nth, selection) in selections.iter().enumerate() {
            for (index, field) in selection.fields.iter().enumerate() {
                if is_simple
                    && field.is_plain
                    && let Some(value) = self.data.get_near(object, field.name, &field.place)
                    && let Some(json) = self.data.piece(value)
                    && is_leaf(&Kind::BuiltIn, json.text())
                {
                    self.out.pieces(field.prefix.piece(is_first), json);
                    is_first = false;
                    continue;
                }
                if !field.applies(typename, &self.holds) {
                    continue;
                }
                // Almost always a key is there once.
                let together = if selections.len() == 1 && !field.repeated {
                    None
                } else {
                    match self.together(selections, nth, index, typename) {
                        None => continue,
                        together => together,
                    }
                };
                // The comma before the first field is left out.
                self.out.piece(field.prefix.piece(is_first));
                is_first = false;
                let alone = [&field.children];
                let children = together.as_deref().unwrap_or(&alone);
                if let Err(stop) = self.field(object, field, children, typename) {
                    self.cut(start);
                    return Err(stop);
                }
            }
        }
        self.out.push(b'}');
        self.fits(0)
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
            .filter(|other| other.name == field.name && other.applies(typename, &self.holds))
            .peekable();
        let first = same.peek().is_some_and(|first| std::ptr::eq(*first, field));
        first.then(|| same.map(|other| &other.children).collect())
    }

    fn field(
        &mut self,
        object: ObjectId,
        field: &'w Field,
        children: &[&'w Selection],
        typename: Option<&str>,
    ) -> Written {
        let Definition { wrapping, kind } = field.definition(typename);
        match kind {
            Kind::Typename => {
                if let Some(name) = typename {
                    // It is a name, so that nothing of it has to be escaped.
                    self.out.push(b'"');
                    self.out.text(name.as_bytes());
                    self.out.push(b'"');
                    return Ok(());
                }
                self.at(field, |writer| writer.null(false))
            }
            Kind::Introspection => {
                let answer = self.introspection.iter().find_map(|(key, answer)| (*key == field.key).then_some(answer));
                self.out.text(answer.map_or("null", |answer| answer.get()).as_bytes());
                Ok(())
            }
            _ => {
                if !self.denied.is_empty()
                    && let Some(denied) = self.denied(field, typename)
                {
                    return self.at(field, |writer| writer.deny(denied, wrapping.is_nullable()));
                }
                let found = self.data.get_shared_near(object, field.name, &field.place);
                if let (Some((value, _)), Wrapping::Named { .. }) = (found, wrapping)
                    && let Some(json) = self.data.json(value).filter(|json| is_leaf(kind, json))
                {
                    return self.leaf(json);
                }
                match (found, wrapping) {
                    (None | Some((Value::Null, _)), _) => self.at(field, |writer| writer.null(wrapping.is_nullable())),
                    (Some((value, shared)), _) => {
                        let target = Target { kind, children, manner: self.manner(field, kind) };
                        self.at(field, |writer| {
                            let write = |writer: &mut Self| writer.value(value, wrapping, target);
                            // An object that is shared itself is looked for below.
                            let shared = shared && !matches!(value, Value::Object(of) if writer.data.is_shared(of));
                            if shared { writer.again(value, target, write) } else { write(writer) }
                        })
                    }
                }
            }
        }
    }

    /// How a field writes a value of this type. What is denied is denied in its place.
    fn manner(&self, field: &Field, kind: &Kind) -> Manner {
        if self.denied.is_empty() && !field.narrows() { Manner::alike(field.manner) } else { Manner::here(kind) }
    }

    /// Writes something at the place of a field.
    fn at(&mut self, field: &'w Field, write: impl FnOnce(&mut Self) -> Written) -> Written {
        self.path.push(Element::Key(&field.key));
        let written = write(self);
        self.path.pop();
        written
    }

    /// Writes a value that is in more than one place; or copies what was written of it before in the same manner.
    fn again(&mut self, value: Value, target: Target<'_, 'w>, write: impl FnOnce(&mut Self) -> Written) -> Written {
        // Several selections are several fields together, which are others for another type.
        if target.children.len() != 1 || self.written.is_empty() {
            return write(self);
        }
        // There are as many places as a power of two.
        let place = value.number() & (self.written.len() - 1);
        if let Some(Copied { value: known, manner, start, len, cut }) = self.written[place]
            && (known, manner, cut as usize) == (value, target.manner, self.cut)
        {
            let (start, len) = (start as usize, len as usize);
            self.fits(len)?;
            self.out.again(start..start + len);
            return Ok(());
        }
        let (start, explained) = (self.out.len(), self.explained);
        write(self)?;
        if self.explained == explained {
            let (len, cut) = (self.out.len() - start, self.cut);
            // What is so large is refused sooner or later.
            if let (Ok(start), Ok(len), Ok(cut)) = (start.try_into(), len.try_into(), cut.try_into()) {
                self.written[place] = Some(Copied { value, manner: target.manner, start, len, cut });
            }
        }
        Ok(())
    }

    fn value(&mut self, value: Value, wrapping: &Wrapping, target: Target<'_, 'w>) -> Written {
        match (wrapping, value) {
            (Wrapping::List { nullable, .. } | Wrapping::Named { nullable }, Value::Null) => self.null(*nullable),
            (Wrapping::List { nullable, of }, Value::List(list)) => {
                match self.list(self.data.items(list), of, target) {
                    Err(Stop::Nulled) => self.nulled(*nullable),
                    written => written,
                }
            }
            // A list of a custom scalar is the text that the subgraph sent.
            (Wrapping::List { nullable, .. }, _) => match self.data.json(value) {
                Some(json) if matches!(target.kind, Kind::Scalar) => self.leaf(json),
                _ => self.misfit("a list was expected", *nullable),
            },
            (Wrapping::Named { nullable }, Value::Object(object)) if self.data.is_shared(object) => {
                self.again(value, target, |writer| writer.named(value, *nullable, target))
            }
            (Wrapping::Named { nullable }, _) => self.named(value, *nullable, target),
        }
    }

    fn list(&mut self, items: &[Value], wrapping: &Wrapping, target: Target<'_, 'w>) -> Written {
        let start = self.out.len();
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.path.push(Element::Index(index));
            let written = self.value(*item, wrapping, target);
            self.path.pop();
            if let Err(stop) = written {
                self.cut(start);
                return Err(stop);
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn named(&mut self, value: Value, nullable: bool, target: Target<'_, 'w>) -> Written {
        let Target { kind, children, .. } = target;
        let written = match (kind, value) {
            (Kind::Object(name), Value::Object(object)) => self.object(object, children, Some(name)),
            (Kind::Abstract(possible), Value::Object(object)) => match self.typename(object, children) {
                Some(name) if self.interfaces.contains(name) => self.object(object, children, None),
                Some(name) if !possible.contains(name) => {
                    return self.misfit("an object of a type that is not part of the schema was given", nullable);
                }
                typename => self.object(object, children, typename),
            },
            (Kind::Object(_) | Kind::Abstract(_), _) => return self.misfit("an object was expected", nullable),
            (Kind::Enum(values), _) => {
                return match (self.data.string(value), self.data.json(value)) {
                    (Some(name), Some(json)) if values.contains(name) => self.leaf(json),
                    _ => self.misfit("an enum value that is not part of the schema was given", nullable),
                };
            }
            (Kind::Scalar, Value::List(list)) => return self.plain_list(list),
            (Kind::BuiltIn | Kind::Scalar | Kind::Typename | Kind::Introspection, _) => {
                return match self.data.json(value) {
                    Some(json) if is_leaf(kind, json) => self.leaf(json),
                    _ => self.misfit("a scalar was expected", nullable),
                };
            }
        };
        match written {
            Err(Stop::Nulled) => self.nulled(nullable),
            written => written,
        }
    }

    fn leaf(&mut self, json: &[u8]) -> Written {
        self.out.text(json);
        Ok(())
    }

    /// A list that is the value of a custom scalar which, on another type, is something else.
    fn plain_list(&mut self, list: List) -> Written {
        self.out.push(b'[');
        for (index, item) in self.data.items(list).iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            match (item, self.data.json(*item)) {
                (_, Some(json)) => self.leaf(json)?,
                (Value::List(list), _) => self.plain_list(*list)?,
                _ => self.nulled(true)?,
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Takes back what was written from here on.
    fn cut(&mut self, start: usize) {
        self.cut += self.out.len() - start;
        self.out.cut(start);
    }

    /// The type that an object says it has; perhaps only by the name that the client asked it by.
    fn typename(&self, object: ObjectId, selections: &[&Selection]) -> Option<&'w str> {
        self.data.typename(object).or_else(|| {
            let mut fields = selections.iter().flat_map(|selection| &selection.fields);
            fields.find_map(|field| match &field.definition(None).kind {
                Kind::Typename => self.data.string(self.data.get(object, field.name)?),
                _ => None,
            })
        })
    }

    /// Why the caller may not see this field of the object at hand.
    fn denied(&self, field: &Field, typename: Option<&str>) -> Option<&'w Denied> {
        let keys = || {
            let outer = self.path.iter().filter_map(|element| match element {
                Element::Key(key) => Some(*key),
                Element::Index(_) => None,
            });
            outer.chain([field.key.as_str()])
        };
        let concerns = |denied: &&&'w Denied| {
            let path = denied.error.path.iter().flatten();
            typename.is_none_or(|name| denied.types.contains(name)) && path.filter_map(|key| key.as_str()).eq(keys())
        };
        self.denied.iter().find(concerns).copied()
    }

    fn deny(&mut self, denied: &Denied, nullable: bool) -> Written {
        self.explained += 1;
        self.failures.push(Failure::at(denied.error.clone(), &self.path));
        self.nulled(nullable)
    }

    /// A null at this place. If it may not be, and no error says why it is there, one is added.
    fn null(&mut self, nullable: bool) -> Written {
        if !nullable {
            self.explain(|| "Cannot return null for a non-nullable field.".into());
        }
        self.nulled(nullable)
    }

    /// A value that the schema does not allow at this place: it becomes null, and an error says so.
    fn misfit(&mut self, what: &str, nullable: bool) -> Written {
        self.explain(|| misfit(what));
        self.nulled(nullable)
    }

    /// Adds an error at this place, unless some error says already why there is null.
    fn explain(&mut self, why: impl FnOnce() -> String) {
        self.explained += 1;
        if !self.failures.explain(&self.path) {
            self.failures.push(Failure::at(GraphQLError::new(Code::SubgraphError, why()), &self.path));
        }
    }

    fn nulled(&mut self, nullable: bool) -> Written {
        if !nullable {
            return Err(Stop::Nulled);
        }
        self.out.text(b"null");
        self.fits(0)
    }

    /// Whether so many bytes more are allowed. Asked for each object and null, as what a subgraph sent once may stand in
    /// many places. What was cut off again counts, so that the work is bounded too.
    fn fits(&self, more: usize) -> Written {
        if self.out.len() + self.cut + more > self.max_size { Err(Stop::TooLarge) } else { Ok(()) }
    }
}

/// Whether this JSON text may be the value of such a field: lists and objects are values of custom scalars only.
fn is_leaf(kind: &Kind, json: &[u8]) -> bool {
    match kind {
        Kind::BuiltIn => !matches!(json.first(), Some(b'{' | b'[')),
        Kind::Scalar => true,
        _ => false,
    }
}

/// Writes a string, or anything else that always has a JSON form.
pub(super) fn write_plain(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    let start = out.len();
    if sonic_rs::to_writer(&mut *out, value).is_err() {
        // Nothing that is written here can fail; were that wrong, null keeps the document whole.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}
