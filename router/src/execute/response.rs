//! A subgraph's answer, parsed once.

use super::failure::Reported;
use super::value::{Key, Shape, Value};
use hive_router_query_planner::planner::plan_nodes::CustomScalarPaths;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// A GraphQL answer (GraphQL spec, "Response Format"), borrowed from its bytes.
#[derive(Debug)]
pub(super) struct Response<'a> {
    /// Null when absent.
    pub(super) data: Value<'a>,
    pub(super) errors: Vec<Reported>,
}

/// Reads an answer. Anything but an object with `data` or `errors` is refused.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    custom_scalars: Option<&CustomScalarPaths>,
) -> Result<Response<'a>, sonic_rs::Error> {
    let mut deserializer = sonic_rs::Deserializer::from_slice(bytes);
    let response = Seed(Shape(custom_scalars)).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(response)
}

struct Seed<'p>(Shape<'p>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Response<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Response<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Response<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a GraphQL response")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Response<'de>, A::Error> {
        let (mut data, mut errors) = (None, None);
        while let Some(Key(key)) = entries.next_key()? {
            match &*key {
                "data" => data = Some(entries.next_value_seed(self.0)?),
                "errors" => errors = entries.next_value::<Option<Vec<Reported>>>()?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        if data.is_none() && errors.is_none() {
            return Err(serde::de::Error::custom("neither data nor errors"));
        }
        Ok(Response { data: data.unwrap_or(Value::Null), errors: errors.unwrap_or_default() })
    }
}
