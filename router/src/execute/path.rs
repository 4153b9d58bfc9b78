//! Places in the response data: where a plan says that entities are, and where errors happened.

use super::plan::Types;
use super::value::{Object, Value};
use hive_router_query_planner::planner::plan_nodes::{FlattenNodePath, FlattenNodePathSegment};
use hive_router_query_planner::state::supergraph_state::SupergraphState;

/// A path of a plan, such as `topProducts.@.reviews.@|[Review].author`.
#[derive(Debug)]
pub(super) struct Path(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Field(String),
    Types(Types),
    List,
}

/// One element of an error's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element<'a> {
    Key(&'a str),
    Index(usize),
}

impl Element<'_> {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Element::Key(key) => (*key).into(),
            Element::Index(index) => (*index).into(),
        }
    }
}

/// A path as errors carry it.
pub(super) fn to_json(path: &[Element<'_>]) -> Vec<serde_json::Value> {
    path.iter().map(Element::to_json).collect()
}

impl Path {
    pub(super) fn compile(path: &FlattenNodePath, schema: &SupergraphState) -> Self {
        let segments = path.as_slice().iter().map(|segment| match segment {
            FlattenNodePathSegment::Field(name) => Segment::Field(name.clone()),
            FlattenNodePathSegment::TypeCondition(names) => Segment::Types(Types::of(names.iter(), schema)),
            FlattenNodePathSegment::List => Segment::List,
        });
        Self(segments.collect())
    }

    /// Its field names alone, for an error that concerns every place the path leads to.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.0.iter().filter_map(|segment| match segment {
            Segment::Field(name) => Some(name.clone()),
            Segment::Types(_) | Segment::List => None,
        });
        keys.collect()
    }

    /// Calls `found` with each object that the path leads to and the list indices on the way to it.
    pub(super) fn visit<'v, 'a>(&self, root: &'v Value<'a>, found: &mut dyn FnMut(&'v Object<'a>, &[usize])) {
        visit(&self.0, root, &mut Vec::new(), found);
    }

    /// The value at a place that [`Path::visit`] found.
    pub(super) fn locate<'v, 'a>(&self, root: &'v mut Value<'a>, indices: &[usize]) -> Option<&'v mut Value<'a>> {
        locate(&self.0, root, indices)
    }

    /// The error path of a place that [`Path::visit`] found.
    pub(super) fn elements<'p>(&'p self, root: &Value<'_>, indices: &[usize]) -> Vec<Element<'p>> {
        let mut elements = Vec::with_capacity(self.0.len());
        let (mut value, mut segments, mut indices) = (Some(root), self.0.as_slice(), indices.iter());
        while let Some(at) = value {
            if let Value::List(items) = at {
                let Some(&index) = indices.next() else { break };
                elements.push(Element::Index(index));
                value = items.get(index);
                if let Some((Segment::List, rest)) = segments.split_first() {
                    segments = rest;
                }
                continue;
            }
            let Some((segment, rest)) = segments.split_first() else { break };
            segments = rest;
            if let Segment::Field(name) = segment {
                elements.push(Element::Key(name));
                value = if let Value::Object(object) = at { object.get(name) } else { None };
            }
        }
        elements
    }
}

/// Lists are entered whether or not the path says so: it names one `@` for lists of any depth.
fn visit<'v, 'a>(
    segments: &[Segment],
    value: &'v Value<'a>,
    indices: &mut Vec<usize>,
    found: &mut dyn FnMut(&'v Object<'a>, &[usize]),
) {
    match value {
        Value::List(items) => {
            let rest = after_list(segments);
            for (index, item) in items.iter().enumerate() {
                indices.push(index);
                visit(rest, item, indices, found);
                indices.pop();
            }
        }
        Value::Object(object) => match segments.split_first() {
            None => found(object, indices),
            Some((Segment::List, rest)) => visit(rest, value, indices, found),
            Some((Segment::Field(name), rest)) => {
                if let Some(value) = object.get(name) {
                    visit(rest, value, indices, found);
                }
            }
            Some((Segment::Types(types), rest)) => {
                if object.typename().is_none_or(|name| types.contains(name)) {
                    visit(rest, value, indices, found);
                }
            }
        },
        _ => {}
    }
}

fn locate<'v, 'a>(segments: &[Segment], value: &'v mut Value<'a>, indices: &[usize]) -> Option<&'v mut Value<'a>> {
    if let Value::List(items) = value {
        let (&index, indices) = indices.split_first()?;
        return locate(after_list(segments), items.get_mut(index)?, indices);
    }
    match segments.split_first() {
        None => Some(value),
        Some((Segment::List | Segment::Types(_), rest)) => locate(rest, value, indices),
        Some((Segment::Field(name), rest)) => match value {
            Value::Object(object) => locate(rest, object.get_mut(name)?, indices),
            _ => None,
        },
    }
}

fn after_list(segments: &[Segment]) -> &[Segment] {
    match segments.split_first() {
        Some((Segment::List, rest)) => rest,
        _ => segments,
    }
}
