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
    // The deserializer trusts its input to be UTF-8.
    let text = std::str::from_utf8(bytes).map_err(serde::de::Error::custom)?;
    let mut deserializer = sonic_rs::Deserializer::from_str(text);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_are_read() {
        let mut custom = CustomScalarPaths::default();
        custom.insert_path(["x"]);
        for (bytes, good) in [
            (&br#"{"data":{"x":{"a":[1.00]}},"extensions":{}}"#[..], true),
            (br#"{"errors":[{"message":"no","path":["x",0]}],"data":null}"#, true),
            (br#"{"data":{"x":{a:1}}}"#, false),
            (br#"{"data":{"x":[1,]}}"#, false),
            (b"{\"data\":{\"x\":\"\xff\"}}", false),
            (b"{\"data\":{\"x\":\"\n\"}}", false),
            (br#"{"data":{"x":1}"#, false),
            (br#"{"data":{}}{}"#, false),
            (br#"{"extensions":{}}"#, false),
            (br#"{"errors":{}}"#, false),
            (b"null", false),
        ] {
            let read = parse(bytes, Some(&custom));
            assert_eq!(read.is_ok(), good, "{:?} {read:?}", String::from_utf8_lossy(bytes));
        }
    }
}
