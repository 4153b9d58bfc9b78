//! Merging: what an answer says of an object that is known already.
//!
//! An entity becomes a part of the objects that it was asked for. Only when a part brings a field that its object has already
//! are the two merged, field by field. What others hold as well is copied first.

use super::{Data, Field, List, Moment, Name, Object, ObjectId, Part, PartId, Value, narrow};
use std::collections::HashSet;
use std::num::NonZero;

/// Where a field is.
enum Place {
    Own(usize),
    InPart(usize),
}

impl Data {
    /// Another object with the same values, and so on below. It has no parts yet.
    pub(in crate::execute) fn duplicate(&mut self, object: ObjectId) -> ObjectId {
        let Object { len, names, .. } = self.objects[object.index()];
        let start = self.fields.len();
        self.fields.extend_from_within(self.objects[object.index()].fields());
        for index in start..start + len as usize {
            self.fields[index].value = self.duplicate_value(self.fields[index].value);
        }
        // What is below has been added behind: the fields stand together.
        self.push(Object { start: narrow(start), len, part: None, shared: false, names })
    }

    fn duplicate_value(&mut self, value: Value) -> Value {
        match value {
            Value::Object(object) => Value::Object(self.duplicate(object)),
            Value::List(list) => {
                let copy = self.add_list_like(list);
                for index in copy.range() {
                    self.items[index] = self.duplicate_value(self.items[index]);
                }
                Value::List(copy)
            }
            Value::Null | Value::Scalar { .. } => value,
        }
    }

    /// Gives a field another name; the field that had this name is no more.
    pub(in crate::execute) fn rename(&mut self, object: ObjectId, from: Name, to: Name) {
        let Some(index) = self.own(object, from) else { return };
        match self.own(object, to) {
            Some(known) => self.fields[known].value = self.fields[index].value,
            None => {
                self.fields[index].name = to;
                self.objects[object.index()].names |= to.bit();
            }
        }
    }

    /// Adds what `source` knows to `target`: fields of objects by name, items of lists by position. A null never
    /// replaces a value. `interfaces` are the names that an `@interfaceObject` gives as `__typename`: they never replace
    /// the name of an object type, which another subgraph knows. The target was found at that `moment`: what was copied
    /// of it since gets the same.
    pub(in crate::execute) fn absorb(
        &mut self,
        target: ObjectId,
        source: ObjectId,
        interfaces: &HashSet<String>,
        moment: Moment,
    ) {
        if self.copies.len() == moment.0 {
            return self.merge(target, source, interfaces);
        }
        let mut targets = vec![target];
        for (original, copy) in &self.copies[moment.0..] {
            if targets.contains(original) {
                targets.push(*copy);
            }
        }
        for target in targets {
            self.merge(target, source, interfaces);
        }
    }

    fn merge(&mut self, target: ObjectId, source: ObjectId, interfaces: &HashSet<String>) {
        let Object { shared: lent, names, .. } = self.objects[source.index()];
        // Most often an answer brings nothing that is known.
        let mut brings = self.objects[target.index()].names & names == 0;
        let fields = if brings { 0..0 } else { self.objects[source.index()].fields() };
        for index in fields {
            let Field { name, value } = self.fields[index];
            let Some(place) = self.place(target, name) else {
                brings = true;
                continue;
            };
            if self.changes(name, self.fields[place.index()].value, value, interfaces) {
                let slot = match place {
                    Place::Own(slot) => slot,
                    Place::InPart(_) => {
                        self.flatten(target);
                        let Some(slot) = self.own(target, name) else { continue };
                        slot
                    }
                };
                let shared = self.objects[target.index()].shared;
                self.fields[slot].value = self.merged(self.fields[slot].value, value, shared, lent, interfaces);
                self.objects[target.index()].shared |= lent;
            }
        }
        if brings {
            let Object { part: older, .. } = self.objects[target.index()];
            self.parts.push(Part { object: source, older });
            let target = &mut self.objects[target.index()];
            target.part = NonZero::new(narrow(self.parts.len())).map(PartId);
            target.names |= names;
        }
    }

    /// Whether a value adds something to what is known.
    fn changes(&self, name: Name, known: Value, value: Value, interfaces: &HashSet<String>) -> bool {
        match (known, value) {
            (_, Value::Null) => false,
            (Value::Scalar { .. }, Value::Scalar { .. }) if self.json(known) == self.json(value) => false,
            (Value::Scalar { .. }, Value::Scalar { .. }) if name == Name::TYPENAME => {
                self.string(value).is_some_and(|name| !interfaces.contains(name))
            }
            _ => true,
        }
    }

    /// `shared` and `lent` say whether others hold the known value and the other one too.
    fn merged(&mut self, known: Value, value: Value, shared: bool, lent: bool, interfaces: &HashSet<String>) -> Value {
        match (known, value) {
            (known, Value::Null) => known,
            (Value::Object(known), Value::Object(other)) if known != other => {
                let known = if shared || self.is_shared(known) { self.copy(known) } else { known };
                self.objects[other.index()].shared |= lent;
                self.merge(known, other, interfaces);
                Value::Object(known)
            }
            (Value::List(known), Value::List(list)) if known.len == list.len && known != list => {
                let into = if shared { self.add_list_like(known) } else { known };
                for ((known, other), into) in known.range().zip(list.range()).zip(into.range()) {
                    let (item, value) = (self.items[known], self.items[other]);
                    self.items[into] = self.merged(item, value, shared, lent, interfaces);
                }
                Value::List(into)
            }
            (_, value) => value,
        }
    }

    fn copy(&mut self, object: ObjectId) -> ObjectId {
        let copy = Object { shared: true, ..self.objects[object.index()] };
        let start = narrow(self.fields.len());
        self.fields.extend_from_within(copy.fields());
        let copy = self.push(Object { start, ..copy });
        self.copies.push((object, copy));
        copy
    }

    fn add_list_like(&mut self, list: List) -> List {
        let start = narrow(self.items.len());
        self.items.extend_from_within(list.range());
        List { start, len: list.len }
    }

    /// Makes the fields of its parts an object's own.
    fn flatten(&mut self, object: ObjectId) {
        let parts: Vec<_> = self.parts(object).collect();
        let start = self.fields.len();
        self.fields.extend_from_within(self.objects[object.index()].fields());
        for part in parts {
            for index in self.objects[part.index()].fields() {
                let field = self.fields[index];
                if self.fields[start..].iter().all(|known| known.name != field.name) {
                    self.fields.push(field);
                }
            }
            self.objects[object.index()].shared |= self.objects[part.index()].shared;
        }
        let len = narrow(self.fields.len() - start);
        let whole = &mut self.objects[object.index()];
        *whole = Object { start: narrow(start), len, part: None, ..*whole };
    }

    fn place(&self, object: ObjectId, name: Name) -> Option<Place> {
        let own = self.own(object, name).map(Place::Own);
        own.or_else(|| self.parts(object).find_map(|part| self.own(part, name)).map(Place::InPart))
    }

    fn own(&self, object: ObjectId, name: Name) -> Option<usize> {
        let range = self.objects[object.index()].fields();
        let start = range.start;
        self.fields[range].iter().position(|field| field.name == name).map(|nth| start + nth)
    }

    /// The parts of an object, the newest first. They have no parts themselves.
    fn parts(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> {
        let newest = self.objects[object.index()].part;
        std::iter::successors(newest, |part| self.parts[part.index()].older).map(|part| self.parts[part.index()].object)
    }
}

impl Place {
    fn index(&self) -> usize {
        match self {
            Self::Own(index) | Self::InPart(index) => *index,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::names::Names;
    use super::*;

    fn object(data: &mut Data, fields: &[(Name, Value)]) -> ObjectId {
        data.add_object(&fields.iter().map(|&(name, value)| Field { name, value }).collect::<Vec<_>>())
    }

    fn absorb(data: &mut Data, target: ObjectId, source: ObjectId) {
        data.absorb(target, source, &HashSet::from(["Node".to_owned()]), data.moment());
    }

    fn scalar(data: &mut Data, text: &'static str) -> Value {
        data.add_text(text.into()).unwrap().piece(0, text.len())
    }

    fn names<const N: usize>(keys: [&str; N]) -> [Name; N] {
        let mut names = Names::default();
        keys.map(|key| names.intern(key))
    }

    #[test]
    fn merging_adds_and_never_nulls() {
        let [a, b, p, q] = names(["a", "b", "p", "q"]);
        let mut data = Data::default();
        let [one, two] = ["1", "2"].map(|text| scalar(&mut data, text));
        let (first, second) = (object(&mut data, &[(p, one)]), object(&mut data, &[(q, one), (p, Value::Null)]));
        let known = data.add_list(&[Value::Object(first), Value::Null]);
        let other = data.add_list(&[Value::Object(second), two]);
        let source = object(&mut data, &[(a, Value::List(known)), (b, Value::Null)]);
        absorb(&mut data, Data::ROOT, source);
        let source = object(&mut data, &[(a, Value::List(other)), (b, two)]);
        absorb(&mut data, Data::ROOT, source);
        assert_eq!(data.get(Data::ROOT, b), Some(two));
        let Some(Value::List(list)) = data.get(Data::ROOT, a) else { panic!("a list") };
        let &[Value::Object(item), last] = data.items(list) else { panic!("two items") };
        assert_eq!((data.get(item, p), data.get(item, q), last), (Some(one), Some(one), two));
    }

    #[test]
    fn an_interface_name_gives_way_to_a_type_name() {
        let mut data = Data::default();
        for name in ["\"Node\"", "\"User\"", "\"Node\""] {
            let name = scalar(&mut data, name);
            let source = object(&mut data, &[(Name::TYPENAME, name)]);
            absorb(&mut data, Data::ROOT, source);
        }
        assert_eq!(data.typename(Data::ROOT), Some("User"));
    }

    #[test]
    fn what_is_merged_into_one_place_of_an_entity_stays_out_of_its_others() {
        let [nested, x, y, z] = names(["nested", "x", "y", "z"]);
        let mut data = Data::default();
        let [one, two] = ["1", "2"].map(|text| scalar(&mut data, text));
        let (here, there) = (object(&mut data, &[]), object(&mut data, &[]));
        let inner = object(&mut data, &[(x, one)]);
        let entity = object(&mut data, &[(nested, Value::Object(inner))]);
        data.share(entity);
        absorb(&mut data, here, entity);
        absorb(&mut data, there, entity);
        // Somebody found the inner object before it was copied.
        let moment = data.moment();
        let more = object(&mut data, &[(y, two)]);
        let source = object(&mut data, &[(nested, Value::Object(more))]);
        absorb(&mut data, here, source);
        let late = object(&mut data, &[(z, two)]);
        data.absorb(inner, late, &HashSet::new(), moment);

        let at = |object, name| match data.get(object, nested) {
            Some(Value::Object(inner)) => data.get(inner, name),
            _ => None,
        };
        assert_eq!([x, y, z].map(|name| at(here, name)), [Some(one), Some(two), Some(two)]);
        assert_eq!([x, y, z].map(|name| at(there, name)), [Some(one), None, Some(two)]);
    }

    #[test]
    fn equal_items_of_a_list_are_merged_by_position() {
        let [list, a, b] = names(["list", "a", "b"]);
        let mut data = Data::default();
        let [zero, one, two] = ["0", "1", "2"].map(|text| scalar(&mut data, text));
        let item = object(&mut data, &[(a, zero)]);
        data.share(item);
        let known = data.add_list(&[Value::Object(item); 2]);
        let source = object(&mut data, &[(list, Value::List(known))]);
        absorb(&mut data, Data::ROOT, source);
        let others = [one, two].map(|value| Value::Object(object(&mut data, &[(b, value)])));
        let other = data.add_list(&others);
        let source = object(&mut data, &[(list, Value::List(other))]);
        absorb(&mut data, Data::ROOT, source);
        let Some(Value::List(merged)) = data.get(Data::ROOT, list) else { panic!("a list") };
        let items = data.items(merged).iter().map(|item| match item {
            Value::Object(item) => (data.get(*item, a), data.get(*item, b)),
            _ => (None, None),
        });
        assert_eq!(items.collect::<Vec<_>>(), [(Some(zero), Some(one)), (Some(zero), Some(two))]);
    }

    #[test]
    fn a_duplicate_shares_nothing() {
        let [list, inner, x] = names(["list", "inner", "x"]);
        let mut data = Data::default();
        let [one, two] = ["1", "2"].map(|text| scalar(&mut data, text));
        let below = object(&mut data, &[(x, one)]);
        let items = data.add_list(&[Value::Object(below), Value::Null]);
        let original = object(&mut data, &[(list, Value::List(items)), (inner, Value::Object(below))]);
        let copy = data.duplicate(original);
        let more = object(&mut data, &[(x, two)]);
        absorb(&mut data, below, more);
        let Some(Value::Object(copied)) = data.get(copy, inner) else { panic!("an object") };
        let Some(Value::List(copied_items)) = data.get(copy, list) else { panic!("a list") };
        assert_eq!(data.get(copied, x), Some(one));
        let &[Value::Object(first), Value::Null] = data.items(copied_items) else { panic!("two items") };
        assert_eq!(data.get(first, x), Some(one));
        assert_eq!(data.get(below, x), Some(two));
    }

    #[test]
    fn a_renamed_field_replaces_the_one_that_had_its_name() {
        let [from, to] = names(["from", "to"]);
        let mut data = Data::default();
        let one = scalar(&mut data, "1");
        let renamed = object(&mut data, &[(to, Value::Null), (from, one)]);
        data.rename(renamed, from, to);
        assert_eq!(data.get(renamed, to), Some(one));
    }
}
