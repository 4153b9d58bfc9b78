//! Places in the response data: where a plan says that entities are, and where errors happened.

use super::data::{Data, ObjectId, Value};
use super::names::{Name, Names};
use super::plan::Types;
use hive_router_query_planner::planner::plan_nodes::{FlattenNodePath, FlattenNodePathSegment};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use std::ops::ControlFlow;

/// So many objects are found before more room is needed.
const AT_ONCE: usize = 32;

/// A path of a plan, such as `topProducts.@.reviews.@|[Review].author`. The lists on the way are not written down: a
/// plan names one `@` for lists of any depth, so that every list is entered anyway.
#[derive(Debug)]
pub(super) struct Path(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Field(Name, String),
    Types(Types),
}

/// One element of an error's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element<'a> {
    Key(&'a str),
    Index(usize),
}

impl Element<'_> {
    fn to_json(self) -> serde_json::Value {
        match self {
            Element::Key(key) => key.into(),
            Element::Index(index) => index.into(),
        }
    }
}

/// A path as errors carry it.
pub(super) fn to_json(path: &[Element<'_>]) -> Vec<serde_json::Value> {
    path.iter().map(|element| element.to_json()).collect()
}

impl Path {
    pub(super) fn compile(path: &FlattenNodePath, schema: &SupergraphState, names: &mut Names) -> Self {
        let segments = path.as_slice().iter().filter_map(|segment| match segment {
            FlattenNodePathSegment::Field(name) => Some(Segment::Field(names.intern(name), name.clone())),
            FlattenNodePathSegment::TypeCondition(names) => Some(Segment::Types(Types::of(names.iter(), schema))),
            FlattenNodePathSegment::List => None,
        });
        Self(segments.collect())
    }

    /// Whether what it leads to depends on the types of objects on the way, so that equal objects may be told apart.
    pub(super) fn branches(&self) -> bool {
        let types = self.0.iter().position(|segment| matches!(segment, Segment::Types(_)));
        types.is_some_and(|types| self.0[types..].iter().any(|segment| matches!(segment, Segment::Field(..))))
    }

    /// Its field names alone, for an error that concerns every place the path leads to.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Field(_, key) => Some(key.clone()),
            Segment::Types(_) => None,
        });
        keys.collect()
    }

    /// The objects that it leads to, each once, in the order of the data.
    pub(super) fn objects(&self, data: &Data<'_>) -> Vec<ObjectId> {
        let mut objects = Vec::with_capacity(AT_ONCE);
        let mut below = Below { data, objects: Vec::with_capacity(AT_ONCE), seen: Vec::new() };
        objects.push(Data::ROOT);
        for segment in &self.0 {
            match segment {
                Segment::Field(name, _) => {
                    below.begin();
                    objects.iter().filter_map(|object| data.get(*object, *name)).for_each(|value| below.add(value));
                    std::mem::swap(&mut objects, &mut below.objects);
                }
                Segment::Types(types) => objects.retain(|object| types.allow(data, *object)),
            }
        }
        objects
    }

    /// Calls `found` with each place that it leads to until that breaks; an object may be in many.
    pub(super) fn places<'p>(
        &'p self,
        data: &Data<'_>,
        found: &mut dyn FnMut(&[Element<'p>], ObjectId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        places(&self.0, data, Value::Object(Data::ROOT), &mut Vec::new(), found)
    }
}

/// The objects below some fields, each once.
struct Below<'d, 'a> {
    data: &'d Data<'a>,
    objects: Vec<ObjectId>,
    /// By [`ObjectId::index`]; empty while no object can be met twice.
    seen: Vec<bool>,
}

impl Below<'_, '_> {
    /// Forgets the objects.
    fn begin(&mut self) {
        self.objects.clear();
        if self.data.shares() {
            self.seen.clear();
            self.seen.resize(self.data.len(), false);
        }
    }

    fn add(&mut self, value: Value) {
        match value {
            Value::Object(object) => {
                let seen = self.seen.get_mut(object.index());
                if !seen.is_some_and(|seen| std::mem::replace(seen, true)) {
                    self.objects.push(object);
                }
            }
            Value::List(list) => self.data.items(list).iter().for_each(|item| self.add(*item)),
            Value::Null | Value::Scalar { .. } => {}
        }
    }
}

fn places<'p>(
    segments: &'p [Segment],
    data: &Data<'_>,
    value: Value,
    path: &mut Vec<Element<'p>>,
    found: &mut dyn FnMut(&[Element<'p>], ObjectId) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match (value, segments.split_first()) {
        (Value::List(list), _) => {
            for (index, item) in data.items(list).iter().enumerate() {
                path.push(Element::Index(index));
                places(segments, data, *item, path, found)?;
                path.pop();
            }
        }
        (Value::Object(object), None) => found(path, object)?,
        (Value::Object(object), Some((Segment::Field(name, key), rest))) => {
            if let Some(value) = data.get(object, *name) {
                path.push(Element::Key(key));
                places(rest, data, value, path, found)?;
                path.pop();
            }
        }
        (Value::Object(object), Some((Segment::Types(types), rest))) => {
            if types.allow(data, object) {
                places(rest, data, value, path, found)?;
            }
        }
        (Value::Null | Value::Scalar { .. }, _) => {}
    }
    ControlFlow::Continue(())
}
