//! Which objects no plan can tell apart: whatever it asks for one of them, it asks for the others. Where their text is the
//! same they may be one object, so that it is read, asked for and written once.
//!
//! Places are compared as states of an automaton are: two are alike when the objects there look the same, and the same
//! fetches go on from them by the same paths.

use super::names::Name;
use super::path::{Path, Paths, Segment};
use super::plan::{Entities, Fetch, Node, Target};
use super::shape::{Form, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// A number that places share which are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class(u32);

/// What a fetch asks for: the number of the fetch and that of its entities.
type Want = (usize, usize);

/// What is asked below a place, and by which ways.
type Future<'p> = BTreeSet<(Want, &'p [Segment])>;

/// What an object looks like.
type Looks = Vec<(Name, Look)>;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Leaf,
    Any,
    Object(Option<Class>),
}

/// Finds out for all shapes of a plan which are alike. If a type on the way decides what is asked below, none is.
pub(super) fn classify(root: &mut Node, subscription: Option<&mut Fetch>) {
    let mut paths = Vec::new();
    collect(root, &mut paths);
    if paths.iter().any(|(_, path)| path.branches()) {
        return;
    }
    let whole = paths.iter().map(|(want, path)| (*want, path.segments())).collect();
    let mut classes = Classes { whole, known: BTreeMap::new() };
    subscription.into_iter().for_each(|fetch| classes.fetch(fetch));
    classes.node(root);
}

/// All paths of a plan.
fn collect(node: &Node, paths: &mut Vec<(Want, Path)>) {
    match node {
        Node::Fetch(fetch) => match &fetch.target {
            Target::Fields { at, .. } => {
                paths.extend(at.iter().flat_map(Paths::iter).map(|path| ((fetch.index, 0), path.clone())))
            }
            Target::Entities(all) => {
                for (nth, entities) in all.iter().enumerate() {
                    paths.extend(entities.at.iter().map(|path| ((fetch.index, nth), path.clone())));
                }
            }
        },
        Node::Sequence(nodes) | Node::Parallel(nodes) => nodes.iter().for_each(|node| collect(node, paths)),
        Node::Condition(_, met, unmet) => met.iter().chain(unmet).for_each(|node| collect(node, paths)),
    }
}

struct Classes<'p> {
    /// What is asked below the root.
    whole: Future<'p>,
    known: BTreeMap<(Future<'p>, Looks), Class>,
}

impl<'p> Classes<'p> {
    fn node(&mut self, node: &mut Node) {
        match node {
            Node::Fetch(fetch) => self.fetch(fetch),
            Node::Sequence(nodes) | Node::Parallel(nodes) => nodes.iter_mut().for_each(|node| self.node(node)),
            Node::Condition(_, met, unmet) => met.iter_mut().chain(unmet).for_each(|node| self.node(node)),
        }
    }

    /// What is to be renamed may depend on types, so it is left alone.
    fn fetch(&mut self, fetch: &mut Fetch) {
        match &mut fetch.target {
            Target::Fields { at, renames, shares, .. } => {
                *shares = true;
                if renames.is_empty() {
                    let futures = at.as_ref().map_or_else(|| [self.whole.clone()].into(), |paths| self.below(paths));
                    self.shape(&mut fetch.shape, &futures);
                }
            }
            Target::Entities(all) => all.iter_mut().for_each(|entities| self.entities(entities, &mut fetch.shape)),
        }
    }

    fn entities(&mut self, entities: &mut Entities, shape: &mut Shape) {
        let futures = self.below(&entities.at);
        entities.shares |= futures.len() == 1;
        if let Some(shape) = shape.below(&entities.key)
            && entities.renames.is_empty()
        {
            self.shape(shape, &futures);
        }
    }

    /// What is asked below the objects that paths lead to.
    fn below(&self, paths: &Paths) -> BTreeSet<Future<'p>> {
        paths.iter().map(|path| path.names().fold(self.whole.clone(), |future, name| after(&future, name))).collect()
    }

    /// Objects of a shape that stands at several places are alike if these are.
    fn shape(&mut self, shape: &mut Shape, futures: &BTreeSet<Future<'p>>) -> Option<Class> {
        let mut looks = Looks::new();
        for (name, form) in shape.forms() {
            let look = match form {
                Form::Leaf => Look::Leaf,
                Form::Any => Look::Any,
                Form::Object(shape) => {
                    let below = futures.iter().map(|future| after(future, name)).collect();
                    Look::Object(self.shape(shape, &below))
                }
            };
            looks.push((name, look));
        }
        let mut futures = futures.iter();
        let (Some(future), None) = (futures.next(), futures.next()) else { return None };
        let next = Class(u32::try_from(self.known.len()).ok()?);
        let class = *self.known.entry((future.clone(), looks)).or_insert(next);
        shape.class = Some(class);
        Some(class)
    }
}

/// What is asked further on when a field has been entered.
fn after<'p>(future: &Future<'p>, field: Name) -> Future<'p> {
    let rest = future.iter().filter_map(|(want, path)| match path {
        [Segment::Field(name, _), rest @ ..] if *name == field => Some((*want, rest)),
        _ => None,
    });
    rest.collect()
}
