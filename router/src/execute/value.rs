//! Response data: parsed once, borrowed from the bytes that subgraphs sent, merged in place.

use hive_router_query_planner::planner::plan_nodes::CustomScalarPaths;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use sonic_rs::LazyValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// The name of the meta field that tells an object's type.
pub(super) const TYPENAME: &str = "__typename";

/// Marks the key of a field whose name the client gave to another field. No GraphQL name begins with it.
const OWN: char = '\0';

/// A JSON value. Values of custom scalars stay the JSON text that the subgraph sent, so that nothing of them is lost.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    String(Cow<'a, str>),
    Raw(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Object<'a>),
}

/// An object's fields in the order they came; looked up in turn, as response objects are small.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.0.iter_mut().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The type that the object says it has.
    pub(super) fn typename(&self) -> Option<&str> {
        match self.get(TYPENAME) {
            Some(Value::String(name)) => Some(name),
            _ => None,
        }
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Gives a field the name that the client asked for. The field that has this name in its own right, which the plan
    /// needs, is from then on found by [`Object::own`] only.
    pub(super) fn rename(&mut self, from: &str, to: &'a str) {
        if let Some(value) = self.take(from) {
            if let Some((name, _)) = self.0.iter_mut().find(|(name, _)| name == to) {
                *name = Cow::Owned(format!("{OWN}{to}"));
            }
            self.0.push((Cow::Borrowed(to), value));
        }
    }

    /// The field that has this name in the subgraphs' schemas, even where the client calls another field so.
    pub(super) fn own(&self, name: &str) -> Option<&Value<'a>> {
        let own = self.0.iter().find(|(known, _)| known.strip_prefix(OWN) == Some(name));
        own.map(|(_, value)| value).or_else(|| self.get(name))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

/// Adds what `source` knows to `target`: fields of objects by name, items of lists by position. A null never replaces a
/// value. `interfaces` are the names that an `@interfaceObject` gives as `__typename`: they never replace the name of
/// an object type, which another subgraph knows.
pub(super) fn merge<'a>(target: &mut Value<'a>, source: Value<'a>, interfaces: &HashSet<String>) {
    match (target, source) {
        (_, Value::Null) => {}
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source.0 {
                match target.get_mut(&key) {
                    Some(known) if key == TYPENAME => {
                        let vague = matches!(&value, Value::String(name) if interfaces.contains(&**name));
                        if !vague {
                            *known = value;
                        }
                    }
                    Some(known) => merge(known, value, interfaces),
                    None => target.0.push((key, value)),
                }
            }
        }
        (Value::List(target), Value::List(source)) if target.len() == source.len() => {
            for (known, value) in target.iter_mut().zip(source) {
                merge(known, value, interfaces);
            }
        }
        (target, source) => *target = source,
    }
}

/// How to read a value: which parts of it are custom scalars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape<'p>(pub(super) Option<&'p CustomScalarPaths>);

impl<'p> Shape<'p> {
    fn field(self, key: &str) -> Self {
        Shape(self.0.and_then(|paths| paths.children.get(key)))
    }

    fn is_custom_scalar(self) -> bool {
        self.0.is_some_and(|paths| paths.terminal)
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        if !self.is_custom_scalar() {
            return deserializer.deserialize_any(self);
        }
        match LazyValue::deserialize(deserializer)?.as_raw_cow() {
            raw if raw == "null" => Ok(Value::Null),
            raw => Ok(Value::Raw(raw)),
        }
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::UInt(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some(Key(key)) = entries.next_key()? {
            let value = entries.next_value_seed(self.field(&key))?;
            fields.push((key, value));
        }
        Ok(Value::Object(Object(fields)))
    }
}

/// An object's key, borrowed where it holds no escapes.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Writes a value as JSON.
pub(super) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => write_plain(number, out),
        Value::UInt(number) => write_plain(number, out),
        Value::Float(number) => write_plain(number, out),
        Value::String(text) => write_plain(text, out),
        Value::Raw(raw) => out.extend_from_slice(raw.as_bytes()),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(object) => {
            out.push(b'{');
            for (index, (key, item)) in object.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_plain(key, out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}

/// Writes a number, a string, or anything else that always has a JSON form.
pub(super) fn write_plain(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    let start = out.len();
    if sonic_rs::to_writer(&mut *out, value).is_err() {
        // Nothing that is written here can fail; were that wrong, null keeps the document whole.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Value<'_> {
        parse_as(json, Shape::default())
    }

    fn parse_as<'a>(json: &'a str, shape: Shape<'_>) -> Value<'a> {
        let mut deserializer = sonic_rs::Deserializer::from_str(json);
        shape.deserialize(&mut deserializer).unwrap()
    }

    fn print(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_read_is_written() {
        let json = r#"{"a":[1,-2,18446744073709551615,1.5,true,null,"é\n\"",[]],"b":{"c":{}}}"#;
        assert_eq!(print(&parse(json)), json);
    }

    #[test]
    fn custom_scalars_keep_their_text() {
        let mut paths = CustomScalarPaths::default();
        paths.insert_path(["list", "money"]);
        let json = r#"{"list":[{"money":1.00},{"money":{"a" : 123456789012345678901234567890}},{"money":null}]}"#;
        let value = parse_as(json, Shape(Some(&paths)));
        assert_eq!(print(&value), json);
    }

    #[test]
    fn merging_adds_and_never_nulls() {
        let mut target = parse(r#"{"a":{"x":1,"l":[{"p":1},null]},"b":null}"#);
        merge(&mut target, parse(r#"{"a":{"y":2,"x":null,"l":[{"q":2},{"q":3}]},"b":3,"c":null}"#), &HashSet::new());
        assert_eq!(print(&target), r#"{"a":{"x":1,"l":[{"p":1,"q":2},{"q":3}],"y":2},"b":3,"c":null}"#);
    }

    #[test]
    fn an_interface_name_gives_way_to_a_type_name() {
        let interfaces = HashSet::from(["Node".to_owned()]);
        let mut target = parse(r#"{"__typename":"Node"}"#);
        merge(&mut target, parse(r#"{"__typename":"User"}"#), &interfaces);
        merge(&mut target, parse(r#"{"__typename":"Node"}"#), &interfaces);
        assert_eq!(print(&target), r#"{"__typename":"User"}"#);
    }
}
