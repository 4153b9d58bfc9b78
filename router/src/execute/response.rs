//! A subgraph's answer, read once: straight into the arena of the response data, by the shape that the fetch asked for.
//! What it did not ask for is left out.

use super::data::{Data, Field, ObjectId, TextId, Value};
use super::failure::Reported;
use super::likeness::Class;
use super::shape::{Expected, Form, Shape};
use bytes::Bytes;
use hashbrown::DefaultHashBuilder;
use sonic_rs::Read as Json;
use sonic_rs::parser::{ParseStatus, Parser};
use sonic_rs::reader::Reader as _;
use std::hash::BuildHasher;
use std::num::NonZero;

/// How deep an answer may be nested.
const MAX_DEPTH: usize = 255;

/// Objects are taken for equal, to be compared, by the first bytes of their text: so many, or what there is up to the
/// first brace that closes.
const BEGINNING: usize = 96;

/// After so many objects it is decided whether it is worth it to look for equal ones.
const TRIAL: usize = 64;

/// There is room for so many fields and items before it is needed.
const AT_ONCE: usize = 32;

/// Equal objects are not looked for in answers that are smaller, in bytes.
const SMALL: usize = 1024;

/// There is room for one known object in so many bytes, and for so many at most.
const OBJECT: usize = 128;
const MAX_KNOWN: usize = 4096;

/// A GraphQL answer (GraphQL spec, "Response Format").
#[derive(Debug)]
pub(super) struct Response {
    /// Null when absent.
    pub(super) data: Value,
    pub(super) errors: Vec<Reported>,
}

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Utf8(#[from] simdutf8::basic::Utf8Error),
    // The error itself would quote the answer, which is nothing for the log.
    #[error("it is no JSON from byte {} on", .0.offset())]
    Json(#[from] sonic_rs::Error),
    #[error("it ends too soon")]
    Cut,
    #[error("unexpected {0:?} at byte {1}")]
    Unexpected(char, usize),
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("there are too many texts, or it is too long")]
    TooLong,
    #[error("neither data nor errors")]
    Empty,
}

/// Errors are rare, and values small enough to be handed over in registers.
type Read<T> = Result<T, Box<Malformed>>;

impl From<sonic_rs::Error> for Box<Malformed> {
    fn from(error: sonic_rs::Error) -> Self {
        Self::new(error.into())
    }
}

/// The errors of an answer, whatever they are in.
fn reported(errors: serde_json::Value) -> Option<Vec<Reported>> {
    match errors {
        serde_json::Value::Null => None,
        serde_json::Value::Array(errors) => Some(errors.into_iter().map(Reported::from).collect()),
        error => Some(vec![Reported::from(error)]),
    }
}

/// An object that was read.
#[derive(Clone, Copy, Debug)]
struct Known {
    class: Class,
    object: ObjectId,
    /// Where the text has it, and how long it is.
    start: u32,
    len: NonZero<u32>,
}

impl Known {
    fn new(class: Class, object: ObjectId, start: usize, end: usize) -> Option<Self> {
        let len = u32::try_from(end - start).ok().and_then(NonZero::new)?;
        Some(Self { class, object, start: u32::try_from(start).ok()?, len })
    }

    fn text(self, whole: &str) -> &[u8] {
        &whole.as_bytes()[self.start as usize..][..self.len.get() as usize]
    }
}

/// Reads an answer. Anything but an object with `data` or `errors` is refused; what was added of it to `data` is then
/// not to be reached from anywhere.
pub(super) fn parse(bytes: &Bytes, shape: &Shape, data: &mut Data) -> Read<Response> {
    let before = data.extent();
    let text = simdutf8::basic::from_utf8(bytes).map_err(Malformed::from)?;
    // Half a surrogate pair is JSON, too, and passes as it came.
    let parser = Parser::new(Json::from(text)).utf8_lossy();
    let id = data.add_text(bytes.clone()).ok_or(Malformed::TooLong)?;
    let mut reader = Reader {
        text,
        id,
        parser,
        data,
        fields: Vec::with_capacity(AT_ONCE),
        items: Vec::with_capacity(AT_ONCE),
        unescaped: Vec::new(),
        known: vec![
            None;
            if bytes.len() < SMALL { 0 } else { (bytes.len() / OBJECT).min(MAX_KNOWN).next_power_of_two() }
        ],
        hashes: DefaultHashBuilder::default(),
        looked: 0,
        found: 0,
        skipped: 0,
        depth: 0,
    };
    let response = reader.response(shape)?;
    if reader.skipped > text.len() / 2 {
        data.condense(id, before);
    }
    Ok(response)
}

struct Reader<'a, 'd> {
    text: &'a str,
    /// Its number in the data.
    id: TextId,
    /// Finds the tokens.
    parser: Parser<Json<'a>>,
    data: &'d mut Data,
    /// The fields of the objects that are not complete yet.
    fields: Vec<Field>,
    /// The items of the lists that are not complete yet.
    items: Vec<Value>,
    /// The last string that held escapes, without them.
    unescaped: Vec<u8>,
    /// The last object whose class and beginning have a hash that ends like this. Where two get in each other's way, one is
    /// read again.
    known: Vec<Option<Known>>,
    hashes: DefaultHashBuilder,
    /// How often a known object was looked for, and found.
    looked: usize,
    found: usize,
    /// How much of the text belongs to objects that were known.
    skipped: usize,
    depth: usize,
}

impl<'a> Reader<'a, '_> {
    fn response(&mut self, shape: &Shape) -> Read<Response> {
        let (mut data, mut errors) = (None, None);
        let first = self.token()?;
        self.expect(first, b'{')?;
        let mut next = self.token()?;
        while next != b'}' {
            self.expect(next, b'"')?;
            let key = self.parser.parse_str(&mut self.unescaped)?;
            let (is_data, is_errors) = (&*key == "data", &*key == "errors");
            let first = self.after_colon()?;
            if is_data {
                data = Some(self.composite(first, shape)?);
            } else {
                let start = self.parser.offset() - 1;
                self.any(first)?;
                if is_errors {
                    errors = reported(sonic_rs::from_str(&self.text[start..self.parser.offset()])?);
                }
            }
            next = self.next_or(b'}')?;
        }
        if self.parser.skip_space().is_some() {
            return Err(self.unexpected());
        }
        if data.is_none() && errors.is_none() {
            return Err(Malformed::Empty.into());
        }
        Ok(Response { data: data.unwrap_or(Value::Null), errors: errors.unwrap_or_default() })
    }

    /// A value whose objects have this shape.
    fn composite(&mut self, first: u8, shape: &Shape) -> Read<Value> {
        match first {
            b'{' => self.object(shape),
            b'[' => self.list(|reader, first| reader.composite(first, shape)),
            _ => self.scalar(first),
        }
    }

    /// A value that should hold no objects.
    fn leaf(&mut self, first: u8) -> Read<Value> {
        match first {
            b'{' => self.any(first),
            b'[' => self.list(Self::leaf),
            _ => self.scalar(first),
        }
    }

    /// An object: one that is known already, if it has the same text.
    fn object(&mut self, shape: &Shape) -> Read<Value> {
        let is_worth_it = !self.known.is_empty() && (self.looked <= TRIAL || self.found >= self.looked / 8);
        let class = shape.class.filter(|_| is_worth_it);
        let Some(class) = class else { return self.new_object(shape).map(Value::Object) };
        let start = self.parser.offset() - 1;
        let rest = &self.text.as_bytes()[start..];
        let beginning = &rest[..rest.len().min(BEGINNING)];
        let beginning = memchr::memchr(b'}', beginning).map_or(beginning, |end| &beginning[..=end]);
        let hash = self.hashes.hash_one((class, beginning));
        // There are as many places as a power of two.
        let place = usize::try_from(hash).unwrap_or_default() & (self.known.len() - 1);
        self.looked += 1;
        if let Some(known) = self.known[place]
            && known.class == class
            && rest.starts_with(known.text(self.text))
        {
            let len = known.len.get() as usize;
            self.found += 1;
            self.skipped += len;
            self.parser.read.eat(len - 1);
            self.data.share(known.object);
            return Ok(Value::Object(known.object));
        }
        let object = self.new_object(shape)?;
        self.known[place] = Known::new(class, object, start, self.parser.offset());
        Ok(Value::Object(object))
    }

    fn new_object(&mut self, shape: &Shape) -> Read<ObjectId> {
        self.enter()?;
        let start = self.fields.len();
        let (mut next, mut is_first) = (0, true);
        loop {
            self.expected(shape, &mut next, &mut is_first)?;
            let mut first = self.token()?;
            if first == b'}' {
                break;
            }
            if !is_first {
                self.expect(first, b',')?;
                first = self.token()?;
            }
            is_first = false;
            self.expect(first, b'"')?;
            let key = self.parser.parse_str(&mut self.unescaped)?;
            let field = shape.find(&key, &mut next);
            let first = self.after_colon()?;
            match field {
                Some(field) => self.field(field, first)?,
                None => drop(self.any(first)?),
            }
        }
        self.depth -= 1;
        let object = self.data.add_object(&self.fields[start..]);
        self.fields.truncate(start);
        Ok(object)
    }

    /// Reads the fields of an object from `next` on while they are there as they were asked for, and as most servers write
    /// them.
    fn expected(&mut self, shape: &Shape, next: &mut usize, is_first: &mut bool) -> Read<()> {
        for field in shape.from(*next) {
            // What stands before the first field is a brace, no comma.
            let from = self.text.as_bytes().get(self.parser.offset() - usize::from(*is_first)..).unwrap_or_default();
            if !(field.begins(from) && (*is_first || from[0] == b',')) {
                break;
            }
            self.parser.read.eat(field.prefix.len() - usize::from(*is_first));
            (*next, *is_first) = (*next + 1, false);
            match (&field.form, from.get(field.prefix.len())) {
                (Form::Leaf, Some(b'"' | b'0'..=b'9' | b'-' | b't' | b'f')) => {
                    let value = self.simple()?;
                    self.fields.push(Field { name: field.name, value });
                }
                _ => {
                    let first = self.token()?;
                    self.field(field, first)?;
                }
            }
        }
        Ok(())
    }

    /// A scalar that is not null.
    fn simple(&mut self) -> Read<Value> {
        let (text, status) = self.parser.skip_one(true)?;
        if status == ParseStatus::HasEscaped {
            // What stands behind the backslashes was passed over.
            self.parser.read.backward(text.len() - 1);
            self.parser.parse_str(&mut self.unescaped)?;
        }
        let end = self.parser.offset();
        Ok(self.id.piece(end - text.len(), end))
    }

    fn field(&mut self, field: &Expected, first: u8) -> Read<()> {
        let value = match &field.form {
            Form::Leaf => self.leaf(first)?,
            Form::Object(shape) => self.composite(first, shape)?,
            Form::Any if first == b'n' => self.scalar(first)?,
            Form::Any => self.any(first)?,
        };
        self.fields.push(Field { name: field.name, value });
        Ok(())
    }

    fn list(&mut self, item: impl Fn(&mut Self, u8) -> Read<Value>) -> Read<Value> {
        self.enter()?;
        let start = self.items.len();
        let mut next = self.token()?;
        while next != b']' {
            let value = item(self, next)?;
            self.items.push(value);
            next = self.next_or(b']')?;
        }
        self.depth -= 1;
        let list = self.data.add_list(&self.items[start..]);
        self.items.truncate(start);
        Ok(Value::List(list))
    }

    fn scalar(&mut self, first: u8) -> Read<Value> {
        let start = self.parser.offset() - 1;
        match first {
            b'"' => {
                self.parser.parse_str(&mut self.unescaped)?;
            }
            b'-' | b'0'..=b'9' => {
                self.parser.skip_number(first)?;
            }
            b't' => self.parser.parse_literal("rue")?,
            b'f' => self.parser.parse_literal("alse")?,
            b'n' => {
                self.parser.parse_literal("ull")?;
                return Ok(Value::Null);
            }
            _ => return Err(self.unexpected()),
        }
        Ok(self.id.piece(start, self.parser.offset()))
    }

    /// Any value as a scalar.
    fn any(&mut self, first: u8) -> Read<Value> {
        let start = self.parser.offset() - 1;
        match first {
            b'{' => {
                self.enter()?;
                let mut next = self.token()?;
                while next != b'}' {
                    self.expect(next, b'"')?;
                    self.parser.parse_str(&mut self.unescaped)?;
                    let first = self.after_colon()?;
                    self.any(first)?;
                    next = self.next_or(b'}')?;
                }
                self.depth -= 1;
            }
            b'[' => {
                self.enter()?;
                let mut next = self.token()?;
                while next != b']' {
                    self.any(next)?;
                    next = self.next_or(b']')?;
                }
                self.depth -= 1;
            }
            _ => {
                self.scalar(first)?;
            }
        }
        Ok(self.id.piece(start, self.parser.offset()))
    }

    fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Malformed::TooDeep.into()) } else { Ok(()) }
    }

    /// The first byte of the next token.
    #[inline]
    fn token(&mut self) -> Read<u8> {
        match self.text.as_bytes().get(self.parser.offset()).copied() {
            Some(byte) if byte > b' ' => {
                self.parser.read.eat(1);
                Ok(byte)
            }
            _ => self.token_after_space(),
        }
    }

    #[inline(never)]
    fn token_after_space(&mut self) -> Read<u8> {
        Ok(self.parser.skip_space().ok_or(Malformed::Cut)?)
    }

    /// The first byte of the value after a colon.
    fn after_colon(&mut self) -> Read<u8> {
        let colon = self.token()?;
        self.expect(colon, b':')?;
        self.token()
    }

    /// What follows a comma; or the end, which a comma must not precede.
    fn next_or(&mut self, end: u8) -> Read<u8> {
        match self.token()? {
            b',' => match self.token()? {
                next if next == end => Err(self.unexpected()),
                next => Ok(next),
            },
            next if next == end => Ok(end),
            _ => Err(self.unexpected()),
        }
    }

    fn expect(&self, found: u8, expected: u8) -> Read<()> {
        if found == expected { Ok(()) } else { Err(self.unexpected()) }
    }

    #[cold]
    fn unexpected(&self) -> Box<Malformed> {
        let at = self.parser.offset() - 1;
        let found = self.text.get(at..).and_then(|text| text.chars().next());
        Malformed::Unexpected(found.unwrap_or(char::REPLACEMENT_CHARACTER), at).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;
    use graphql_tools::static_graphql::query::Definition;
    use hive_router_query_planner::planner::plan_nodes::CustomScalarPaths;
    use hive_router_query_planner::utils::parsing::parse_operation;

    fn shape(query: &str, names: &mut Names) -> Shape {
        let mut custom = CustomScalarPaths::default();
        custom.insert_path(["any"]);
        let document = parse_operation(query);
        let Some(Definition::Operation(operation)) = document.definitions.into_iter().next() else { panic!("one") };
        Shape::compile(&operation.selection_set().clone().into(), &[], Some(&custom), names)
    }

    #[test]
    fn only_whole_answers_are_read() {
        let shape = shape("{ any x }", &mut Names::default());
        let deep = format!(r#"{{"data":{{"any":{}1{}}}}}"#, "[".repeat(300), "]".repeat(300));
        for (bytes, good) in [
            (&br#"{"data":{"any":{"a":[1.00]}},"extensions":{}}"#[..], true),
            (br#" { "errors" : [{"message":"no","path":["x",0]}] , "data" : null } "#, true),
            (br#"{"data":{"x":[],"any":{},"y":[{"z":{}},"\ud83d"]}}"#, true),
            (br#"{"data":{"x":{a:1}}}"#, false),
            (br#"{"data":{"x":[1,]}}"#, false),
            (br#"{"data":{"x":1,}}"#, false),
            (br#"{"data":{"x":[1 2]}}"#, false),
            (br#"{"data":{"x":[,1]}}"#, false),
            (br#"{"data":{"x" 1}}"#, false),
            (br#"{"data":{"x":01}}"#, false),
            (br#"{"data":{"x":tru}}"#, false),
            (br#"{"data":{"x":"\u12"}}"#, false),
            (br#"{"data":{"any":"\u12zz"}}"#, false),
            (br#"{"data":{"y":[}}}"#, false),
            (b"{\"data\":{\"x\":\"\xff\"}}", false),
            (b"{\"data\":{\"x\":\"\n\"}}", false),
            (br#"{"data":{"x":1}"#, false),
            (br#"{"data":{}}{}"#, false),
            (br#"{"extensions":{}}"#, false),
            (br#"{"errors":{}}"#, true),
            (br#"{"errors":null}"#, false),
            (b"null", false),
            (b"", false),
            (deep.as_bytes(), false),
        ] {
            let read = parse(&Bytes::copy_from_slice(bytes), &shape, &mut Data::default());
            assert_eq!(read.is_ok(), good, "{:?} {read:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn values_keep_their_text() {
        let mut names = Names::default();
        let shape = shape("{ any x y { x } }", &mut names);
        let mut data = Data::default();
        let json =
            r#"{"data":{"z":[{}],"y":[{"x":"a\u00e9\"","w":1},null],"x":1.00,"any":{"a" : 12345678901234567890123}}}"#;
        let Value::Object(root) = parse(&json.to_owned().into(), &shape, &mut data).unwrap().data else {
            panic!("an object")
        };
        let [x, y, any] = ["x", "y", "any"].map(|key| names.get(key).unwrap());
        let json = |object, name| data.json(data.get(object, name).unwrap());
        assert_eq!(json(root, x), Some(&b"1.00"[..]));
        assert_eq!(json(root, any), Some(&br#"{"a" : 12345678901234567890123}"#[..]));
        let Some(Value::List(list)) = data.get(root, y) else { panic!("a list") };
        let &[Value::Object(item), Value::Null] = data.items(list) else { panic!("two items") };
        assert_eq!(json(item, x), Some(&br#""a\u00e9\"""#[..]));
        assert_eq!(names.get("z"), None);
    }
}
