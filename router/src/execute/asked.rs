//! Which entities a fetch asks for, and where they belong.

use super::data::{Data, Moment, ObjectId, Value};
use super::path::Paths;
use super::plan::Entities;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::{SmallVec, smallvec};
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// There is room for so much text at most before it is needed, in bytes.
const MAX_TEXT: usize = 1 << 16;

/// So many entities are given away without room being asked for.
const AT_ONCE: usize = 32;

/// There is room for at most so many representations before they are written.
const MAX_GUESS: usize = 256;

/// The objects that the representations of one `_entities` field stand for. A fetch of root fields for objects deep in the
/// data asks for one thing, which stands for them all.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// How many entities are asked for.
    entities: usize,
    /// The objects, in the order of the data, and which entity each gets.
    objects: Vec<(ObjectId, usize)>,
    /// When the objects were found.
    moment: Moment,
}

impl Asked {
    /// Appends the representations of all objects that the paths lead to, as JSON with commas between. Those that are
    /// equal, byte for byte, are asked for once.
    pub(super) fn for_entities(entities: &Entities, data: &mut Data, text: &mut Vec<u8>) -> Self {
        let (first, mut asked) = (text.len(), Self { moment: data.moment(), ..Self::default() });
        let hashes = DefaultHashBuilder::default();
        let objects = entities.at.objects(data);
        let mut known: HashTable<(Range<usize>, usize)> = HashTable::with_capacity(objects.len().min(MAX_GUESS));
        asked.objects.reserve(objects.len());
        for object in objects {
            let end = text.len();
            if end > first {
                text.push(b',');
            }
            let start = text.len();
            if !entities.representation.write(data, object, text) {
                text.truncate(end);
                continue;
            }
            let hash = hashes.hash_one(&text[start..]);
            let entity = match known.find(hash, |(known, _)| text[known.clone()] == text[start..]) {
                Some((_, entity)) => {
                    text.truncate(end);
                    *entity
                }
                None => {
                    let all: &[u8] = text;
                    let rehash = |(known, _): &(Range<usize>, usize)| hashes.hash_one(&all[known.clone()]);
                    known.insert_unique(hash, (start..all.len(), asked.entities), rehash);
                    asked.entities += 1;
                    asked.entities - 1
                }
            };
            asked.objects.push((object, entity));
        }
        let size = (text.len() - first).min(MAX_TEXT);
        // What is written is taken from the caches of other cores.
        if entities.last_size.load(Ordering::Relaxed) != size {
            entities.last_size.store(size, Ordering::Relaxed);
        }
        asked
    }

    /// Every object that the paths lead to.
    pub(super) fn for_objects(at: &Paths, data: &mut Data) -> Self {
        let objects = at.objects(data).into_iter().map(|object| (object, 0)).collect();
        Self { entities: 1, objects, moment: data.moment() }
    }

    /// Whether there is nobody to ask for.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// How many entities are asked for.
    pub(super) fn entities(&self) -> usize {
        self.entities
    }

    /// The objects, each with the number of its entity.
    pub(super) fn objects(&self) -> impl Iterator<Item = (ObjectId, usize)> {
        self.objects.iter().copied()
    }

    /// Gives each object its entity; those that are no objects are passed over. `shares` says whether several objects may
    /// have the same one; otherwise they get copies.
    pub(super) fn distribute(&self, found: &[Value], data: &mut Data, interfaces: &HashSet<String>, shares: bool) {
        let mut uses: SmallVec<[usize; AT_ONCE]> = smallvec![0; found.len()];
        for (_, entity) in &self.objects {
            if let Some(uses) = uses.get_mut(*entity) {
                *uses += 1;
            }
        }
        for (value, uses) in found.iter().zip(&uses) {
            if let Value::Object(entity) = value
                && shares
                && *uses > 1
            {
                data.share(*entity);
            }
        }
        data.expect_parts(self.objects.len());
        for (object, number) in &self.objects {
            if let Some(Value::Object(entity)) = found.get(*number) {
                uses[*number] -= 1;
                let entity = if shares || uses[*number] == 0 { *entity } else { data.duplicate(*entity) };
                data.absorb(*object, entity, interfaces, self.moment);
            }
        }
    }
}
