//! Tells the client what went wrong with a fetch: subgraphs' errors with the paths of the client's own answer.

use super::asked::Asked;
use super::data::{Data, ObjectId, Value};
use super::failure::{Failure, Failures, MOST, Place, Reported, misfit};
use super::names::Names;
use super::path::{Element, Paths, to_json};
use super::plan::{Entities, Fetch, Rename, Target};
use super::projection::{Projection, Selection};
use crate::error::{Code, GraphQLError};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

/// What is needed to report on one fetch.
pub(super) struct Report<'r> {
    pub(super) fetch: &'r Fetch,
    pub(super) asked: &'r [Asked],
    /// What is known so far.
    pub(super) data: &'r Data,
    pub(super) names: &'r Names,
    pub(super) projection: &'r Projection,
    pub(super) failures: &'r mut Failures,
}

/// Where an error of an answer belongs.
enum Origin {
    /// Nobody knows.
    Unknown,
    /// At this path of the client's answer.
    Path(Vec<Json>),
    /// At this path below every object that an entity belongs to: the entity's number, and whose of [`Report::asked`].
    Entity(usize, usize, Vec<Json>),
}

impl Report<'_> {
    /// Reports the error of a fetch that brought nothing: once for each root field, or once for all entities.
    pub(super) fn failure(self, mut error: GraphQLError) {
        if let Target::Fields { at: None, keys, .. } = &self.fetch.target {
            for key in keys {
                self.failures.push_from(self.fetch.index, Failure::at(error.clone(), &[Element::Key(key)]));
            }
            return;
        }
        let first = (0..self.asked.len()).find_map(|of| {
            let objects = self.asked[of].objects().map(|(object, _)| object).collect();
            self.places(of, &objects, 1).pop()
        });
        error.path = first.map(|(_, path)| visible(self.projection, path));
        self.failures.push_from(self.fetch.index, Failure::of(error, places(self.fetch)));
    }

    /// Reports the errors that a subgraph gave along with `answer`.
    pub(super) fn errors(mut self, errors: &[Reported], answer: Value) {
        let errors = &errors[..errors.len().min(MOST)];
        let origins: Vec<_> = (0..errors.len()).map(|nth| self.origin(errors, nth, answer)).collect();
        let places = self.places_of(&origins);
        for (reported, origin) in errors.iter().zip(origins) {
            let paths = match origin {
                Origin::Unknown => Vec::new(),
                Origin::Path(path) => vec![path],
                Origin::Entity(entity, of, rest) => places
                    .get(&(entity, of))
                    .into_iter()
                    .flatten()
                    .map(|path| [path.as_slice(), &rest].concat())
                    .collect(),
            };
            self.add(reported.to_error(&self.fetch.service), paths);
        }
    }

    /// Reports those of the entities found that are neither objects nor null.
    pub(super) fn strangers(mut self, of: usize, found: &[Value]) {
        let strange = found.iter().enumerate().filter(|(_, value)| !matches!(value, Value::Object(_) | Value::Null));
        let origins: Vec<_> = strange.map(|(entity, _)| Origin::Entity(entity, of, Vec::new())).collect();
        for path in self.places_of(&origins).into_values() {
            let error = GraphQLError::new(Code::SubgraphError, misfit("an object was expected"));
            self.add(error, path);
        }
    }

    fn add(&mut self, error: GraphQLError, paths: Vec<Vec<Json>>) {
        if paths.is_empty() {
            self.failures.push_from(self.fetch.index, Failure::of(error.clone(), places(self.fetch)));
        }
        for path in paths {
            let failure = Failure::at_path(error.clone(), visible(self.projection, path));
            self.failures.push_from(self.fetch.index, failure);
        }
    }

    fn origin(&self, errors: &[Reported], nth: usize, answer: Value) -> Origin {
        let path = errors[nth].path.as_deref().unwrap_or_default();
        let Some(key) = path.first() else { return Origin::Unknown };
        match &self.fetch.target {
            Target::Fields { at: None, renames, .. } => Origin::Path(rename(path, renames)),
            Target::Fields { at: Some(_), renames, .. } => Origin::Entity(0, 0, rename(path, renames)),
            Target::Entities(all) => {
                let Some(of) = all.iter().position(|entities| *key == *entities.key) else { return Origin::Unknown };
                match path.get(1).and_then(Json::as_u64) {
                    Some(entity) => Origin::Entity(entity as usize, of, rename(&path[2..], &all[of].renames)),
                    None => {
                        let same = |errors: &[Reported]| {
                            errors.iter().filter(|other| other.path.as_deref() == Some(path)).count()
                        };
                        self.some_entity(of, &all[of], &path[1..], answer, (same(&errors[..nth]), same(errors)))
                    }
                }
            }
        }
    }

    /// Some servers (async-graphql among them) leave the index out: `["_entities", "name"]`. If as many entities are
    /// null there as there are such errors, the nth error is the nth null's; otherwise it is somewhere below what their
    /// paths have in common.
    fn some_entity(
        &self,
        of: usize,
        entities: &Entities,
        rest: &[Json],
        answer: Value,
        (nth, all): (usize, usize),
    ) -> Origin {
        let found = match answer {
            Value::Object(answer) => self.data.get(answer, entities.name),
            _ => None,
        };
        let nulls: Vec<_> = (0..self.asked[of].entities())
            .filter(|index| self.is_null(found.and_then(|found| self.item(found, *index)), rest))
            .collect();
        if nulls.len() == all {
            return Origin::Entity(nulls[nth], of, rename(rest, &entities.renames));
        }
        let objects = self.asked[of].objects().map(|(object, _)| object).collect();
        let paths = self.places(of, &objects, MOST).into_iter().map(|(_, path)| path);
        let common = paths.reduce(|common, path| {
            let shared = common.into_iter().zip(path).take_while(|(a, b)| a == b);
            shared.map(|(element, _)| element).collect()
        });
        common.map_or(Origin::Unknown, Origin::Path)
    }

    fn item(&self, value: Value, index: usize) -> Option<Value> {
        match value {
            Value::List(list) => self.data.items(list).get(index).copied(),
            _ => None,
        }
    }

    /// Whether there is nothing at this path of a value.
    fn is_null(&self, mut value: Option<Value>, path: &[Json]) -> bool {
        for element in path {
            value = match (value, element.as_str(), element.as_u64()) {
                (Some(Value::Object(object)), Some(key), _) => {
                    self.names.get(key).and_then(|name| self.data.get(object, name))
                }
                (Some(list), _, Some(index)) => self.item(list, index as usize),
                _ => None,
            };
        }
        matches!(value, None | Some(Value::Null))
    }

    /// The paths of the objects that these entities belong to.
    fn places_of(&self, origins: &[Origin]) -> BTreeMap<(usize, usize), Vec<Vec<Json>>> {
        let mut paths: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (of, asked) in self.asked.iter().enumerate() {
            let wanted: HashSet<_> = origins
                .iter()
                .filter_map(|origin| match origin {
                    Origin::Entity(entity, whose, _) if *whose == of => Some(*entity),
                    _ => None,
                })
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let entities: HashMap<_, _> = asked.objects().filter(|(_, entity)| wanted.contains(entity)).collect();
            for (object, path) in self.places(of, &entities.keys().copied().collect(), MOST) {
                paths.entry((entities[&object], of)).or_default().push(path);
            }
        }
        paths
    }

    /// The places of these objects, at most so many.
    fn places(&self, of: usize, objects: &HashSet<ObjectId>, most: usize) -> Vec<(ObjectId, Vec<Json>)> {
        let paths = match &self.fetch.target {
            Target::Fields { at, .. } => at.as_ref(),
            Target::Entities(all) => all.get(of).map(|entities| &entities.at),
        };
        let mut places = Vec::new();
        let _ = paths.into_iter().flat_map(Paths::iter).try_for_each(|path| {
            path.places(self.data, &mut |path, object| {
                if objects.contains(&object) {
                    places.push((object, to_json(path)));
                }
                if places.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        });
        places
    }
}

/// Gives a path of an answer the client's names.
fn rename(path: &[Json], renames: &[Rename]) -> Vec<Json> {
    let mut renamed = path.to_vec();
    let mut keys = Vec::new();
    for (element, name) in path.iter().zip(&mut renamed) {
        if let Some(key) = element.as_str() {
            keys.push(key);
            if let Some(to) = renames.iter().find_map(|rename| rename.renamed(&keys)) {
                *name = to.into();
            }
        }
    }
    renamed
}

/// Everywhere that a fetch has something to give.
fn places(fetch: &Fetch) -> Vec<Place> {
    match &fetch.target {
        Target::Fields { at: None, keys, .. } => keys.iter().map(|key| Place::Everywhere(vec![key.clone()])).collect(),
        Target::Fields { at: Some(paths), .. } => everywhere(paths).collect(),
        Target::Entities(all) => all.iter().flat_map(|entities| everywhere(&entities.at)).collect(),
    }
}

fn everywhere(paths: &Paths) -> impl Iterator<Item = Place> {
    paths.iter().map(|path| Place::Everywhere(path.keys()))
}

/// The part of a path that the client asked for: below it are fields that only the plan needed.
fn visible(projection: &Projection, mut path: Vec<Json>) -> Vec<Json> {
    let mut selections: Vec<&Selection> = vec![&projection.root];
    let known = path.iter().take_while(|element| {
        let Some(key) = element.as_str() else { return element.is_u64() };
        selections =
            selections.iter().flat_map(|selection| selection.with_key(key)).map(|field| &field.children).collect();
        !selections.is_empty()
    });
    let known = known.count();
    path.truncate(known);
    path
}
