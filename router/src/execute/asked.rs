//! Which entities a fetch asks for, and where they belong.

use super::path::Path;
use super::plan::Entities;
use super::value::Value;
use std::collections::HashMap;

/// The representations of one `_entities` field, each once, and the spots that they stand for. A fetch of root fields
/// for objects deep in the data asks for one thing, which stands for them all.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// JSON, comma-separated.
    pub(super) representations: Vec<u8>,
    /// How many entities are asked for.
    entities: usize,
    /// In the order of the data.
    spots: Vec<Entry>,
    /// The list indices of all spots, one after the other.
    indices: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    entity: usize,
    path: usize,
    /// Where its indices end; they start where those of the spot before end.
    end: usize,
}

/// Where an entity belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'s> {
    /// Which of the entities asked for.
    pub(super) entity: usize,
    /// Which of the paths of [`Entities::at`] leads there.
    pub(super) path: usize,
    /// The list indices along that path.
    pub(super) indices: &'s [usize],
}

impl Asked {
    /// Collects the representations of all objects that the paths lead to. Those that are equal, byte for byte, are
    /// asked for once.
    pub(super) fn for_entities(entities: &Entities, data: &Value<'_>) -> Self {
        let mut asked = Self::default();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut representation = Vec::new();
        for (path, at) in entities.at.iter().enumerate() {
            at.visit(data, &mut |object, indices| {
                representation.clear();
                if !entities.representation.write(object, &mut representation) {
                    return;
                }
                let entity = known.get(&representation).copied().unwrap_or_else(|| {
                    if asked.entities > 0 {
                        asked.representations.push(b',');
                    }
                    asked.representations.extend_from_slice(&representation);
                    asked.entities += 1;
                    known.insert(representation.clone(), asked.entities - 1);
                    asked.entities - 1
                });
                asked.add(entity, path, indices);
            });
        }
        asked
    }

    /// Every object that the path leads to.
    pub(super) fn for_objects(at: &Path, data: &Value<'_>) -> Self {
        let mut asked = Self { entities: 1, ..Self::default() };
        at.visit(data, &mut |_, indices| asked.add(0, 0, indices));
        asked
    }

    fn add(&mut self, entity: usize, path: usize, indices: &[usize]) {
        self.indices.extend_from_slice(indices);
        self.spots.push(Entry { entity, path, end: self.indices.len() });
    }

    /// Whether there is nobody to ask for.
    pub(super) fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    /// How many entities are asked for.
    pub(super) fn entities(&self) -> usize {
        self.entities
    }

    /// All spots, in the order of the data.
    pub(super) fn spots(&self) -> impl Iterator<Item = Spot<'_>> {
        let mut start = 0;
        self.spots.iter().map(move |entry| {
            let indices = &self.indices[start..entry.end];
            start = entry.end;
            Spot { entity: entry.entity, path: entry.path, indices }
        })
    }

    /// Gives each spot its entity, the last one the original and those before it copies.
    pub(super) fn distribute<'v>(&self, found: Vec<Value<'v>>, mut give: impl FnMut(Spot<'_>, Value<'v>)) {
        let mut uses = vec![0_usize; self.entities];
        for entry in &self.spots {
            uses[entry.entity] += 1;
        }
        let mut found: Vec<_> = found.into_iter().map(Some).collect();
        for spot in self.spots() {
            uses[spot.entity] -= 1;
            let Some(entity) = found.get_mut(spot.entity) else { continue };
            let value = if uses[spot.entity] == 0 { entity.take() } else { entity.clone() };
            if let Some(value) = value {
                give(spot, value);
            }
        }
    }
}
