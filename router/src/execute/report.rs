//! Tells the client what went wrong with a fetch: subgraphs' errors with the paths of the client's own answer.

use super::asked::{Asked, Spot};
use super::failure::{Failure, Failures, MOST, Place, Reported};
use super::path::{Element, Path, to_json};
use super::plan::{Entities, Fetch, Rename, Target};
use super::projection::{Projection, Selection};
use super::value::Value;
use crate::error::GraphQLError;
use serde_json::Value as Json;

/// What is needed to report on one fetch.
pub(super) struct Report<'r, 'a> {
    pub(super) fetch: &'r Fetch,
    pub(super) asked: &'r [Asked],
    /// What is known so far.
    pub(super) data: &'r Value<'a>,
    pub(super) projection: &'r Projection,
    pub(super) failures: &'r mut Failures,
}

impl Report<'_, '_> {
    /// Reports the error of a fetch that brought nothing: once for each root field, or once for all entities.
    pub(super) fn failure(self, mut error: GraphQLError) {
        if let Target::Fields { at: None, keys, .. } = &self.fetch.target {
            for key in keys {
                self.failures.push_from(self.fetch.index, Failure::at(error.clone(), &[Element::Key(key)]));
            }
            return;
        }
        error.path = self.first_spot().map(|path| visible(self.projection, path));
        self.failures.push_from(self.fetch.index, Failure::of(error, places(self.fetch)));
    }

    /// Reports the errors that a subgraph gave along with `answer`.
    pub(super) fn errors(mut self, errors: &[Reported], answer: &Value<'_>) {
        let errors = &errors[..errors.len().min(MOST)];
        for (nth, reported) in errors.iter().enumerate() {
            let path = reported.path.as_deref().unwrap_or_default();
            let paths = match &self.fetch.target {
                _ if path.is_empty() => Vec::new(),
                Target::Fields { at: None, renames, .. } => vec![rename(path, renames)],
                Target::Fields { at: Some(at), renames, .. } => {
                    let rest = rename(path, renames);
                    let spots = self.asked.iter().flat_map(Asked::spots).take(MOST);
                    spots.map(|spot| below(std::slice::from_ref(at), spot, self.data, &rest)).collect()
                }
                Target::Entities(all) => {
                    let field = all.iter().zip(self.asked).find(|(entities, _)| path[0] == *entities.key);
                    field.map_or_else(Vec::new, |(entities, asked)| match path.get(1).and_then(Json::as_u64) {
                        Some(index) => self.entity(entities, asked, index as usize, &path[2..]),
                        None => {
                            let earlier = errors[..nth].iter().filter(|other| other.path == reported.path).count();
                            let all = errors.iter().filter(|other| other.path == reported.path).count();
                            self.some_entity(entities, asked, &path[1..], answer, earlier, all)
                        }
                    })
                }
            };
            self.add(reported.to_error(&self.fetch.service), paths);
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

    /// The paths of an error in the entity at this index of the answer.
    fn entity(&self, entities: &Entities, asked: &Asked, index: usize, rest: &[Json]) -> Vec<Vec<Json>> {
        let rest = rename(rest, &entities.renames);
        let spots = asked.spots().filter(|spot| spot.entity == index).take(MOST);
        spots.map(|spot| below(&entities.at, spot, self.data, &rest)).collect()
    }

    /// Some servers (async-graphql among them) leave the index out: `["_entities", "name"]`. If as many entities are
    /// null there as there are such errors, the nth error is the nth null's; otherwise it is somewhere below what their
    /// paths have in common.
    fn some_entity(
        &self,
        entities: &Entities,
        asked: &Asked,
        rest: &[Json],
        answer: &Value<'_>,
        nth: usize,
        of: usize,
    ) -> Vec<Vec<Json>> {
        let answer = if let Value::Object(answer) = answer { answer.get(&entities.key) } else { None };
        let is_null = |index: &usize| is_null(item(answer, *index), rest);
        let nulls: Vec<_> = (0..asked.entities()).filter(is_null).collect();
        if nulls.len() == of {
            return self.entity(entities, asked, nulls[nth], rest);
        }
        let common = asked.spots().map(|spot| below(&entities.at, spot, self.data, &[])).reduce(|common, path| {
            let shared = common.into_iter().zip(path).take_while(|(a, b)| a == b);
            shared.map(|(element, _)| element).collect()
        });
        common.into_iter().collect()
    }

    /// The path of the first spot that something was asked for.
    fn first_spot(&self) -> Option<Vec<Json>> {
        let paths: Vec<&[Path]> = match &self.fetch.target {
            Target::Fields { at, .. } => at.iter().map(std::slice::from_ref).collect(),
            Target::Entities(all) => all.iter().map(|entities| entities.at.as_slice()).collect(),
        };
        paths
            .iter()
            .zip(self.asked)
            .find_map(|(paths, asked)| Some(below(paths, asked.spots().next()?, self.data, &[])))
    }
}

fn item<'v, 'a>(list: Option<&'v Value<'a>>, index: usize) -> Option<&'v Value<'a>> {
    match list {
        Some(Value::List(items)) => items.get(index),
        _ => None,
    }
}

/// Whether there is nothing at this path of a value.
fn is_null(mut value: Option<&Value<'_>>, path: &[Json]) -> bool {
    for element in path {
        value = match (value, element.as_str(), element.as_u64()) {
            (Some(Value::Object(object)), Some(key), _) => object.get(key),
            (list, _, Some(index)) => item(list, index as usize),
            _ => None,
        };
    }
    matches!(value, None | Some(Value::Null))
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

/// The path of something below a spot.
fn below(paths: &[Path], spot: Spot<'_>, data: &Value<'_>, rest: &[Json]) -> Vec<Json> {
    let mut path = to_json(&paths[spot.path].elements(data, spot.indices));
    path.extend_from_slice(rest);
    path
}

/// Everywhere that a fetch has something to give.
fn places(fetch: &Fetch) -> Vec<Place> {
    match &fetch.target {
        Target::Fields { at: None, keys, .. } => keys.iter().map(|key| Place::Everywhere(vec![key.clone()])).collect(),
        Target::Fields { at: Some(path), .. } => vec![Place::Everywhere(path.keys())],
        Target::Entities(all) => {
            all.iter().flat_map(|entities| &entities.at).map(|path| Place::Everywhere(path.keys())).collect()
        }
    }
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
