//! Places in the response data: where a plan says that entities are, and where errors happened.

use super::data::{Data, LastPlace, List, ObjectId, Value};
use super::names::{Name, Names};
use super::plan::Types;
use hive_router_query_planner::planner::plan_nodes::{FlattenNodePath, FlattenNodePathSegment};
use hive_router_query_planner::state::supergraph_state::SupergraphState;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};

/// There is room for so many objects at least, and for so many at most before it is needed.
const AT_ONCE: usize = 32;
const MAX_ROOM: usize = 1 << 14;

/// A path of a plan, such as `topProducts.@.reviews.@|[Review].author`. The lists on the way are not written down: a
/// plan names one `@` for lists of any depth, so that every list is entered anyway.
#[derive(Clone, Debug)]
pub(super) struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
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

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The numbers of its fields' names.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Field(name, _) => Some(*name),
            Segment::Types(_) => None,
        })
    }

    /// Its field names alone, for an error that concerns every place the path leads to.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Field(_, key) => Some(key.clone()),
            Segment::Types(_) => None,
        });
        keys.collect()
    }

    /// Calls `found` with each place that it leads to until that breaks; an object may be in many.
    pub(super) fn places<'p>(
        &'p self,
        data: &Data,
        found: &mut dyn FnMut(&[Element<'p>], ObjectId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        places(&self.0, data, Value::Object(Data::ROOT), &mut Vec::new(), found)
    }
}

/// Several paths that lead to what is asked for at once. They are walked together where they are the same, at their
/// beginning or at their end.
#[derive(Debug)]
pub(super) struct Paths {
    all: Vec<Path>,
    /// Every place on the way, behind those that it is reached from.
    stops: Vec<Stop>,
    /// How many objects were met the last time.
    last: AtomicUsize,
}

/// A place on the way of some paths.
#[derive(Debug)]
struct Stop {
    /// From which other stops it is reached, and how. The root is reached from none.
    from: Vec<(usize, Segment, LastPlace)>,
    /// Whether one of the paths ends here.
    ends: bool,
}

impl Paths {
    /// The stops are the states of the smallest automaton that follows the paths.
    pub(super) fn new(all: Vec<Path>) -> Self {
        let mut stops: Vec<Stop> = Vec::new();
        let mut ahead = BTreeMap::from([(rest(all.iter().map(Path::segments).collect()), Vec::new())]);
        // What is ahead of others has more left of its longest path.
        while let Some(((_, paths), from)) = ahead.pop_first() {
            let mut on: BTreeMap<&Segment, BTreeSet<&[Segment]>> = BTreeMap::new();
            for (segment, rest) in paths.iter().filter_map(|path| path.split_first()) {
                on.entry(segment).or_default().insert(rest);
            }
            for (segment, paths) in on {
                ahead.entry(rest(paths)).or_default().push((stops.len(), segment.clone(), LastPlace::default()));
            }
            stops.push(Stop { from, ends: paths.contains(&[][..]) });
        }
        Self { all, stops, last: AtomicUsize::new(0) }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Path> {
        self.all.iter()
    }

    /// The objects that they lead to, each once.
    pub(super) fn objects(&self, data: &mut Data) -> Vec<ObjectId> {
        let mut met = std::mem::take(&mut data.met);
        if data.shares() {
            met.stops.reserve_exact(data.capacity() - met.stops.len());
            met.stops.resize(data.len(), 0);
        }
        let last = self.last.load(Ordering::Relaxed);
        let mut walk = Walk { data, objects: Vec::with_capacity(last.max(AT_ONCE)), met };
        let mut reached: SmallVec<[Range<usize>; AT_ONCE]> = SmallVec::new();
        for stop in &self.stops {
            let start = walk.objects.len();
            walk.arrive(stop, &reached);
            reached.push(start..walk.objects.len());
        }
        let Walk { objects, met, .. } = walk;
        data.met = met;
        if objects.len() != last {
            self.last.store(objects.len().min(MAX_ROOM), Ordering::Relaxed);
        }
        let ends = reached.iter().zip(&self.stops).filter(|(_, stop)| stop.ends).map(|(range, _)| range.clone());
        let mut found = Vec::with_capacity(ends.clone().map(|range| range.len()).sum());
        ends.for_each(|range| found.extend_from_slice(&objects[range]));
        if self.stops.iter().filter(|stop| stop.ends).count() > 1 {
            let mut taken = vec![false; data.len()];
            found.retain(|object| !std::mem::replace(&mut taken[object.index()], true));
        }
        found
    }
}

/// What is left of some paths, and by its longest one in which order.
type Rest<'p> = (Reverse<Option<usize>>, BTreeSet<&'p [Segment]>);

fn rest(paths: BTreeSet<&[Segment]>) -> Rest<'_> {
    (Reverse(paths.iter().map(|path| path.len()).max()), paths)
}

/// A walk along some paths.
struct Walk<'d> {
    data: &'d Data,
    /// The objects at all stops so far.
    objects: Vec<ObjectId>,
    met: Met,
}

/// Where objects were met last.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// The number of the stop, by [`ObjectId::index`]; empty while no object can be met twice.
    stops: Vec<u32>,
    /// How many stops there were in all walks.
    stop: u32,
}

impl Walk<'_> {
    /// Finds the objects at the next stop.
    fn arrive(&mut self, stop: &Stop, reached: &[Range<usize>]) {
        self.met.stop += 1;
        if stop.from.is_empty() {
            self.objects.push(Data::ROOT);
        }
        for (before, segment, place) in &stop.from {
            for index in reached[*before].clone() {
                let object = self.objects[index];
                match segment {
                    Segment::Field(name, _) => {
                        if let Some(value) = self.data.get_near(object, *name, place) {
                            self.add(value);
                        }
                    }
                    Segment::Types(types) if types.allow(self.data, object) => self.add(Value::Object(object)),
                    Segment::Types(_) => {}
                }
            }
        }
    }

    /// Adds the objects of a value, each once.
    #[inline]
    fn add(&mut self, value: Value) {
        match value {
            Value::Object(object) => self.meet(object),
            Value::List(list) => self.add_items(list),
            Value::Null | Value::Scalar { .. } => {}
        }
    }

    fn add_items(&mut self, list: List) {
        let data = self.data;
        for item in data.items(list) {
            match item {
                Value::Object(object) => self.meet(*object),
                Value::List(list) => self.add_items(*list),
                Value::Null | Value::Scalar { .. } => {}
            }
        }
    }

    #[inline]
    fn meet(&mut self, object: ObjectId) {
        let met = self.met.stops.get_mut(object.index());
        if met.is_none_or(|met| std::mem::replace(met, self.met.stop) != self.met.stop) {
            self.objects.push(object);
        }
    }
}

fn places<'p>(
    segments: &'p [Segment],
    data: &Data,
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
