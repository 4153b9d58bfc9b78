//! Response data: what subgraphs answered, merged.
//!
//! All values of a request lie in one arena. The fields of an object stand together in one list, and so do the items of
//! a list in another; an object or a list is a range of these, and scalars are pieces of the texts that came. An entity is
//! merged into the objects it was asked for by becoming a *part* of them: nothing is copied, and an entity that stands
//! in many places is there once. So the data is not a tree but a graph without cycles, and whoever walks it for more than
//! writing it out goes through each object once.
//!
//! Objects whose text is the same are there once, too, where no plan can tell them apart (see `likeness`).

mod merge;

use super::names::Name;
use super::page::Piece;
use super::path::Met;
use bytes::Bytes;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// A JSON value. Those of lists and objects are equal when they are the same list or object, those of scalars when they
/// are the same piece of the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Null,
    /// A scalar, or any value of a custom scalar: where the subgraph's text has it, so that nothing of it is lost.
    Scalar {
        text: u16,
        start: u32,
        len: u32,
    },
    List(List),
    Object(ObjectId),
}

/// A list in [`Data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct List {
    start: u32,
    len: u32,
}

/// An object in [`Data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(u32);

/// A text that scalars are pieces of.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextId(u16);

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Name,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    /// Where its own fields begin, and how many they are.
    start: u32,
    len: u32,
    /// The newest of its parts.
    part: Option<PartId>,
    /// Whether others hold its values too: then they are copied before anything is merged into them.
    shared: bool,
    /// A bit for each field of its own and of its parts; some have the same. Perhaps more.
    names: u32,
}

/// An object whose fields belong to another object too.
#[derive(Clone, Copy, Debug)]
struct Part {
    object: ObjectId,
    older: Option<PartId>,
}

impl Value {
    /// A number that few values of a request have in common.
    pub(super) fn number(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Scalar { start, .. } => start as usize,
            Self::List(list) => list.start as usize,
            Self::Object(object) => object.index(),
        }
    }
}

/// The number of a part, from 1 on.
#[derive(Clone, Copy, Debug)]
struct PartId(NonZero<u32>);

/// A list has room for so many at least.
const AT_ONCE: usize = 64;

/// Has room for so many more; and for some that come later, if the list has to be moved at all.
fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve((more + more / 4).max(AT_ONCE));
    }
}

/// Half as wide as an index, to keep what waits for subgraphs small. An arena of so many would not fit into memory.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The response data of one request.
#[derive(Debug)]
pub(super) struct Data {
    /// What subgraphs sent, or as much of it as is needed. UTF-8.
    texts: Vec<Bytes>,
    fields: Vec<Field>,
    items: Vec<Value>,
    objects: Vec<Object>,
    parts: Vec<Part>,
    /// Objects and the copies that merging made of them: what is asked for the first goes to the second too.
    copies: Vec<(ObjectId, ObjectId)>,
    /// Whether any object is in more than one place.
    shares: bool,
    /// For walks along paths.
    pub(super) met: Met,
}

/// How much was added at one point of a plan the last time. The next time there is room for as much.
#[derive(Debug, Default)]
pub(super) struct Room {
    fields: AtomicUsize,
    items: AtomicUsize,
    objects: AtomicUsize,
}

/// The most that there is room for before it is needed, in each list of the arena.
const MAX_ROOM: usize = 1 << 14;

/// Where the last object had some field: in its how manieth part, from the newest on (0 is itself), and there in which
/// place. Most objects that are written one after another are alike.
#[derive(Debug, Default)]
pub(super) struct LastPlace(AtomicU32);

impl LastPlace {
    #[inline]
    fn load(&self) -> (u16, u16) {
        let place = self.0.load(Ordering::Relaxed);
        ((place >> 16) as u16, place as u16)
    }

    fn store(&self, depth: usize, index: usize) {
        if let (Ok(depth), Ok(index)) = (u16::try_from(depth), u16::try_from(index)) {
            self.0.store(u32::from(depth) << 16 | u32::from(index), Ordering::Relaxed);
        }
    }
}

/// There is room for so many bytes of scalars at most before it is needed, when a text is forgotten.
const MAX_CONDENSED: usize = 1 << 14;

/// How much there is of some [`Data`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    fields: usize,
    items: usize,
    objects: usize,
}

/// A moment in the life of some [`Data`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment(usize);

impl Default for Data {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            fields: Vec::new(),
            items: Vec::new(),
            objects: vec![Object { start: 0, len: 0, part: None, shared: false, names: 0 }],
            parts: Vec::new(),
            copies: Vec::new(),
            shares: false,
            met: Met::default(),
        }
    }
}

impl Data {
    /// The object that everything is below.
    pub(super) const ROOT: ObjectId = ObjectId(0);

    /// Has something added, with room for as much as it was the last time. What is allocated only now is likely to be in
    /// the caches: much else has run since the request began.
    pub(super) fn extend<T>(&mut self, room: &Room, add: impl FnOnce(&mut Self) -> T) -> T {
        let last = [&room.fields, &room.items, &room.objects];
        let [fields, items, objects] = last.map(|last| last.load(Ordering::Relaxed));
        make_room(&mut self.fields, fields);
        make_room(&mut self.items, items);
        make_room(&mut self.objects, objects);
        let before = self.extent();
        let added = add(self);
        let now = self.extent();
        let grown = [now.fields - before.fields, now.items - before.items, now.objects - before.objects];
        for (last, size) in last.into_iter().zip(grown) {
            let size = size.min(MAX_ROOM);
            // What is written is taken from the caches of other cores.
            if last.load(Ordering::Relaxed) != size {
                last.store(size, Ordering::Relaxed);
            }
        }
        added
    }

    /// The JSON text of a scalar.
    pub(super) fn json(&self, value: Value) -> Option<&[u8]> {
        let Value::Scalar { text, start, len } = value else { return None };
        self.texts[usize::from(text)].get(start as usize..start as usize + len as usize)
    }

    /// The same, with what stands behind it.
    #[inline]
    pub(super) fn piece(&self, value: Value) -> Option<Piece<'_>> {
        let Value::Scalar { text, start, len } = value else { return None };
        Some(Piece::of(self.texts[usize::from(text)].get(start as usize..)?, len as usize))
    }

    /// The text of a string that holds no escapes.
    pub(super) fn string(&self, value: Value) -> Option<&str> {
        let json = self.json(value)?;
        std::str::from_utf8(json.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
    }

    /// A field's value.
    pub(super) fn get(&self, object: ObjectId, name: Name) -> Option<Value> {
        self.get_shared(object, name).map(|(value, _)| value)
    }

    /// A field's value, and whether other objects have the very same.
    pub(super) fn get_shared(&self, object: ObjectId, name: Name) -> Option<(Value, bool)> {
        let object = &self.objects[object.index()];
        if let Some(field) = self.fields[object.fields()].iter().find(|field| field.name == name) {
            return Some((field.value, false));
        }
        let mut next = object.part;
        while let Some(part) = next {
            let Part { object, older } = self.parts[part.index()];
            let object = &self.objects[object.index()];
            if let Some(field) = self.fields[object.fields()].iter().find(|field| field.name == name) {
                return Some((field.value, object.shared));
            }
            next = older;
        }
        None
    }

    /// As [`Data::get`]; faster if the field is where it was the last time.
    #[inline]
    pub(super) fn get_near(&self, object: ObjectId, name: Name, last: &LastPlace) -> Option<Value> {
        self.get_shared_near(object, name, last).map(|(value, _)| value)
    }

    /// As [`Data::get_shared`]; faster if the field is where it was the last time.
    #[inline]
    pub(super) fn get_shared_near(&self, object: ObjectId, name: Name, last: &LastPlace) -> Option<(Value, bool)> {
        let (depth, index) = last.load();
        let (mut holder, mut is_part) = (&self.objects[object.index()], false);
        let mut next = holder.part;
        for _ in 0..depth {
            let Some(part) = next else { return self.find(object, name, last) };
            let Part { object, older } = self.parts[part.index()];
            (holder, is_part, next) = (&self.objects[object.index()], true, older);
        }
        match self.fields[holder.fields()].get(usize::from(index)) {
            Some(field) if field.name == name => Some((field.value, is_part && holder.shared)),
            _ => self.find(object, name, last),
        }
    }

    /// As [`Data::get_shared`]; remembers the place.
    #[inline(never)]
    fn find(&self, object: ObjectId, name: Name, last: &LastPlace) -> Option<(Value, bool)> {
        let (mut holder, mut depth) = (&self.objects[object.index()], 0);
        let mut next = holder.part;
        loop {
            if let Some(index) = self.fields[holder.fields()].iter().position(|field| field.name == name) {
                last.store(depth, index);
                return Some((self.fields[holder.fields()][index].value, depth > 0 && holder.shared));
            }
            let Part { object, older } = self.parts[next?.index()];
            (holder, depth, next) = (&self.objects[object.index()], depth + 1, older);
        }
    }

    /// The type that an object says it has.
    pub(super) fn typename(&self, object: ObjectId) -> Option<&str> {
        self.string(self.get(object, Name::TYPENAME)?)
    }

    /// The items of a list.
    pub(super) fn items(&self, list: List) -> &[Value] {
        &self.items[list.range()]
    }

    /// How many objects there are; [`ObjectId::index`] is below it.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// For how many objects there is room.
    pub(super) fn capacity(&self) -> usize {
        self.objects.capacity()
    }

    /// Whether any object is in more than one place.
    pub(super) fn shares(&self) -> bool {
        self.shares
    }

    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.copies.len())
    }

    /// Adds a text; nothing if there are too many, or it is too long.
    pub(super) fn add_text(&mut self, text: Bytes) -> Option<TextId> {
        let number = u16::try_from(self.texts.len()).ok();
        let number = number.filter(|_| u32::try_from(text.len()).is_ok())?;
        self.texts.push(text);
        Some(TextId(number))
    }

    /// Forgets all of a text but the scalars of what was added since. They stand close together then, and the memory of the
    /// answer can take the next one.
    pub(super) fn condense(&mut self, text: TextId, since: Extent) {
        let fields = self.fields[since.fields..].iter_mut().map(|field| &mut field.value);
        let values = fields.chain(&mut self.items[since.items..]).filter_map(|value| match value {
            Value::Scalar { text: of, start, len } if *of == text.0 => Some((start, *len as usize)),
            _ => None,
        });
        let whole = &self.texts[usize::from(text.0)];
        let mut kept = Vec::with_capacity(MAX_CONDENSED.min(whole.len() / 4));
        for (start, len) in values {
            let piece = Piece::of(&whole[*start as usize..], len);
            *start = narrow(kept.len());
            piece.append(&mut kept);
        }
        self.texts[usize::from(text.0)] = kept.into();
    }

    /// How much there is.
    pub(super) fn extent(&self) -> Extent {
        Extent { fields: self.fields.len(), items: self.items.len(), objects: self.objects.len() }
    }

    /// Adds an object.
    pub(super) fn add_object(&mut self, fields: &[Field]) -> ObjectId {
        let start = narrow(self.fields.len());
        self.fields.extend_from_slice(fields);
        let names = fields.iter().fold(0, |names, field| names | field.name.bit());
        self.push(Object { start, len: narrow(fields.len()), part: None, shared: false, names })
    }

    fn push(&mut self, object: Object) -> ObjectId {
        self.objects.push(object);
        ObjectId(narrow(self.objects.len() - 1))
    }

    /// Adds a list.
    pub(super) fn add_list(&mut self, items: &[Value]) -> List {
        let start = narrow(self.items.len());
        self.items.extend_from_slice(items);
        List { start, len: narrow(items.len()) }
    }

    /// Whether an object is in more than one place.
    pub(super) fn is_shared(&self, object: ObjectId) -> bool {
        self.objects[object.index()].shared
    }

    /// Says that an object is going to be in more than one place.
    pub(super) fn share(&mut self, object: ObjectId) {
        self.objects[object.index()].shared = true;
        self.shares = true;
    }

    /// Makes room for so many objects to get parts.
    pub(super) fn expect_parts(&mut self, parts: usize) {
        make_room(&mut self.parts, parts);
    }
}

impl ObjectId {
    /// Its number among the objects.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl PartId {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl List {
    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

impl Object {
    fn fields(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

impl TextId {
    /// The piece of it from `start` to `end`, which must lie within.
    pub(super) fn piece(self, start: usize, end: usize) -> Value {
        Value::Scalar { text: self.0, start: narrow(start), len: narrow(end - start) }
    }
}
