//! Keyset pagination: Relay connections over an ordered key.
//!
//! A store reads one row more than the page holds, in the order of the key and after the cursor's key, as [`keyset`] has
//! it; [`Slice::of`] cuts the surplus row off and [`connection`] makes the GraphQL type of it.

use crate::{
    clock::is_storable,
    codes::{Code, Denied},
    filter::SortDirection,
};
use async_graphql::{
    Context, ObjectType, OutputType, SimpleObject,
    connection::{
        Connection, ConnectionNameType, CursorType, DefaultConnectionName, DefaultEdgeName, Edge, EdgeNameType,
        EmptyFields, OpaqueCursor,
    },
};
use chrono::{DateTime, Utc};
use sea_orm::{
    Condition, Order, QueryOrder, QuerySelect, Value,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Entries on a page when the client does not say.
pub const DEFAULT_PAGE: i32 = 20;
/// Most entries on a page.
pub const MAX_PAGE: i32 = 100;

/// Which entries a client asks for. `K` is the key that orders the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// How many, at most.
    pub limit: u64,
    /// Only those behind this key.
    pub after: Option<K>,
}

impl<K: Serialize + DeserializeOwned + Send + Sync> Page<K> {
    /// Reads the arguments `first` and `after`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when `first` is out of bounds or `after` is not a cursor of this list.
    pub fn new(first: Option<i32>, after: Option<String>) -> Result<Self, Denied> {
        Ok(Self { limit: limit("first", first.unwrap_or(DEFAULT_PAGE))?, after: key("after", after)? })
    }
}

/// Which end of a list a window is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Its beginning.
    First,
    /// Its end.
    Last,
}

/// Which entries a client asks for of a list that is read from both ends. The order is ascending from either.
///
/// Source: Relay's GraphQL Cursor Connections Specification, "Pagination algorithm".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window<K> {
    /// How many, at most.
    pub limit: u64,
    /// From which end of what lies between `after` and `before`.
    pub from: End,
    /// Only those behind this key.
    pub after: Option<K>,
    /// Only those in front of this key.
    pub before: Option<K>,
}

impl<K: Serialize + DeserializeOwned + Send + Sync> Window<K> {
    /// Reads the arguments `first`, `after`, `last` and `before`. Without a number of entries it is [`DEFAULT_PAGE`] from
    /// the end `otherwise`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when both `first` and `last` are given, one is out of bounds, or a cursor is not one of this list.
    pub fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        otherwise: End,
    ) -> Result<Self, Denied> {
        let (name, number, from) = match (first, last) {
            (Some(_), Some(_)) => return Err(Denied::new(Code::BadUserInput, "use either `first` or `last`")),
            (Some(first), None) => ("first", first, End::First),
            (None, Some(last)) => ("last", last, End::Last),
            (None, None) => ("first", DEFAULT_PAGE, otherwise),
        };
        let limit = limit(name, number)?;
        Ok(Self { limit, from, after: key("after", after)?, before: key("before", before)? })
    }
}

impl<K> Window<K> {
    /// Of `rows`, which [`window`] has found, those of the window in the order of the list; and whether others come before
    /// them. The entry that a cursor stands for counts as being there.
    pub fn slice<T>(&self, rows: Vec<T>) -> (Slice<T>, bool) {
        let mut slice = Slice::of(rows, self.limit);
        match self.from {
            End::First => {
                slice.has_next |= self.before.is_some();
                (slice, self.after.is_some())
            }
            End::Last => {
                let has_previous = slice.has_next || self.after.is_some();
                slice.items.reverse();
                slice.has_next = self.before.is_some();
                (slice, has_previous)
            }
        }
    }
}

fn limit(name: &str, number: i32) -> Result<u64, Denied> {
    u64::try_from(number)
        .ok()
        .filter(|_| number <= MAX_PAGE)
        .ok_or_else(|| Denied::new(Code::BadUserInput, format!("`{name}` must be between 0 and {MAX_PAGE}")))
}

fn key<K: Serialize + DeserializeOwned + Send + Sync>(name: &str, cursor: Option<String>) -> Result<Option<K>, Denied> {
    cursor
        .map(|cursor| OpaqueCursor::<K>::decode_cursor(&cursor).map(|cursor| cursor.0))
        .transpose()
        .map_err(|_| Denied::new(Code::BadUserInput, format!("`{name}` is not a cursor of this list")))
}

/// The place of an entry in a list ordered by a time; entries of the same time are ordered by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "(DateTime<Utc>, Uuid)", into = "(DateTime<Utc>, Uuid)")]
pub struct Position {
    /// The time it is ordered by.
    pub time: DateTime<Utc>,
    /// The entry's key.
    pub id: Uuid,
}

impl From<Position> for (DateTime<Utc>, Uuid) {
    fn from(Position { time, id }: Position) -> Self {
        (time, id)
    }
}

/// Cursors come from clients: one may hold a time that no database takes.
impl TryFrom<(DateTime<Utc>, Uuid)> for Position {
    type Error = &'static str;

    fn try_from((time, id): (DateTime<Utc>, Uuid)) -> Result<Self, Self::Error> {
        if is_storable(&time) { Ok(Self { time, id }) } else { Err("an impossible time") }
    }
}

impl From<Position> for Vec<Value> {
    fn from(Position { time, id }: Position) -> Self {
        vec![time.into(), id.into()]
    }
}

/// `entries` in the order of `columns`, which are unique together: those behind the entry with the values `after`, and one
/// more than the page holds. An index over the columns serves both.
pub fn keyset<E: EntityTrait>(
    entries: Select<E>,
    columns: &[E::Column],
    direction: SortDirection,
    after: Option<Vec<Value>>,
    limit: u64,
) -> Select<E> {
    let is_behind = after.map(|after| is_behind::<E>(columns, direction, after));
    let order = Order::from(direction);
    let behind = entries.filter(Condition::all().add_option(is_behind));
    columns.iter().fold(behind, |entries, column| entries.order_by(*column, order.clone())).limit(limit + 1)
}

/// The entries of `window`, and one more than it holds, beginning at its end: [`Window::slice`] puts them in order. The
/// columns are unique together; an index over them serves either end.
pub fn window<E: EntityTrait, K: Into<Vec<Value>> + Clone>(
    entries: Select<E>,
    columns: &[E::Column],
    window: &Window<K>,
) -> Select<E> {
    let (direction, start, end) = match window.from {
        End::First => (SortDirection::Asc, &window.after, &window.before),
        End::Last => (SortDirection::Desc, &window.before, &window.after),
    };
    let reverse = match direction {
        SortDirection::Asc => SortDirection::Desc,
        SortDirection::Desc => SortDirection::Asc,
    };
    let is_inside = end.clone().map(|end| is_behind::<E>(columns, reverse, end.into()));
    let entries = entries.filter(Condition::all().add_option(is_inside));
    keyset(entries, columns, direction, start.clone().map(Into::into), window.limit)
}

/// Whether an entry comes behind the one with the values `key`.
fn is_behind<E: EntityTrait>(columns: &[E::Column], direction: SortDirection, key: Vec<Value>) -> Expr {
    let place = Expr::tuple(columns.iter().map(|column| Expr::col(column.as_column_ref())));
    let key = Expr::tuple(key.into_iter().map(Expr::val));
    match direction {
        SortDirection::Asc => place.gt(key),
        SortDirection::Desc => place.lt(key),
    }
}

/// The entries of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The entries, at most the page's limit.
    pub items: Vec<T>,
    /// Whether more follow.
    pub has_next: bool,
}

impl<T> Slice<T> {
    /// Cuts `rows`, read with a limit of `limit + 1`, to `limit`.
    pub fn of(mut rows: Vec<T>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        Self { items: rows, has_next }
    }
}

/// The number of all entries, beside a connection's page.
#[derive(Clone, Copy, Debug, Default, SimpleObject)]
#[graphql(name = "TotalCountField", visible = false)]
pub struct TotalCount {
    /// How many entries there are over all pages.
    pub total_count: Option<i32>,
}

impl TotalCount {
    /// Counts only when the client selected `totalCount`.
    ///
    /// # Errors
    /// Whatever `count` fails with.
    pub async fn when_selected<E>(
        context: &Context<'_>,
        count: impl Future<Output = Result<u64, E>>,
    ) -> Result<Self, E> {
        if !context.look_ahead().field("totalCount").exists() {
            return Ok(Self::default());
        }
        Ok(Self { total_count: Some(i32::try_from(count.await?).unwrap_or(i32::MAX)) })
    }
}

/// A connection over entries whose nodes are of type `N`, ordered by key `K`. Edges may have fields of their own, `E`, and
/// then the types need names of their own, for several lists may have nodes of one type.
pub type KeysetConnection<K, N, E = EmptyFields, Name = DefaultConnectionName, EdgeName = DefaultEdgeName> =
    Connection<OpaqueCursor<K>, N, TotalCount, E, Name, EdgeName>;

/// Makes a connection of a page. `key` gives an entry's key, `node` its GraphQL object.
pub fn connection<K, T, N>(
    slice: Slice<T>,
    has_previous: bool,
    total: TotalCount,
    key: impl Fn(&T) -> K,
    node: impl Fn(T) -> N,
) -> KeysetConnection<K, N>
where
    K: Serialize + DeserializeOwned + Send + Sync,
    N: OutputType,
{
    connection_of_edges(slice, has_previous, total, |item| (key(&item), node(item), EmptyFields))
}

/// Makes a connection of a page. `edge` gives an entry's key, its GraphQL object, and the edge's own fields.
pub fn connection_of_edges<K, T, N, E, Name, EdgeName>(
    slice: Slice<T>,
    has_previous: bool,
    total: TotalCount,
    edge: impl Fn(T) -> (K, N, E),
) -> KeysetConnection<K, N, E, Name, EdgeName>
where
    K: Serialize + DeserializeOwned + Send + Sync,
    N: OutputType,
    E: ObjectType,
    Name: ConnectionNameType,
    EdgeName: EdgeNameType,
{
    let mut connection = Connection::with_additional_fields(has_previous, slice.has_next, total);
    connection.edges.extend(slice.items.into_iter().map(|item| {
        let (key, node, fields) = edge(item);
        Edge::with_additional_fields(OpaqueCursor(key), node, fields)
    }));
    connection
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_round_trip(name in ".*", number in any::<i64>()) {
            let cursor = OpaqueCursor((name.clone(), number)).encode_cursor();
            let page = Page::<(String, i64)>::new(Some(1), Some(cursor)).unwrap();
            prop_assert_eq!(page.after, Some((name, number)));
        }

        #[test]
        fn foreign_cursors_are_refused(cursor in ".*") {
            if let Ok(page) = Page::<(String, i64)>::new(None, Some(cursor.clone())) {
                prop_assert_eq!(OpaqueCursor(page.after.unwrap()).encode_cursor(), cursor);
            }
        }

        #[test]
        fn page_size_is_bounded(number in any::<i32>()) {
            let is_allowed = (0..=MAX_PAGE).contains(&number);
            prop_assert_eq!(Page::<i64>::new(Some(number), None).is_ok(), is_allowed);
            let window = |first, last| Window::<i64>::new(first, None, last, None, End::Last);
            prop_assert_eq!(window(Some(number), None).is_ok(), is_allowed);
            prop_assert_eq!(window(None, Some(number)).is_ok(), is_allowed);
            prop_assert!(window(Some(number), Some(1)).is_err());
        }

        /// Relay's pagination algorithm, over a list of numbers.
        #[test]
        fn a_window_is_what_the_specification_says(
            all in 0..12_i64,
            after in proptest::option::of(0..12_i64),
            before in proptest::option::of(0..12_i64),
            number in 0..12_u64,
            from in prop_oneof![Just(End::First), Just(End::Last)],
        ) {
            let inside = |one: &i64| after.is_none_or(|after| *one > after) && before.is_none_or(|before| *one < before);
            let mut rows: Vec<_> = (0..all).filter(inside).collect();
            let skipped = rows.len().saturating_sub(usize::try_from(number).unwrap());
            let expected: Vec<_> = match from {
                End::First => rows.iter().copied().take(rows.len() - skipped).collect(),
                End::Last => rows.iter().copied().skip(skipped).collect(),
            };
            if from == End::Last {
                rows.reverse();
            }
            rows.truncate(usize::try_from(number).unwrap() + 1); // as the database would
            let (slice, has_previous) = Window { limit: number, from, after, before }.slice(rows);
            prop_assert_eq!(slice.items, expected);
            prop_assert_eq!(has_previous, after.is_some() || (from == End::Last && skipped > 0));
            prop_assert_eq!(slice.has_next, before.is_some() || (from == End::First && skipped > 0));
        }
    }

    #[test]
    fn impossible_times_are_refused() {
        let page = |time: &str| {
            let cursor = OpaqueCursor((time.to_owned(), Uuid::nil())).encode_cursor();
            Page::<Position>::new(None, Some(cursor))
        };
        assert!(page("2026-03-01T12:00:00Z").is_ok());
        for time in ["-200000-01-01T00:00:00Z", "+200000-01-01T00:00:00Z", "noon"] {
            assert_eq!(page(time).unwrap_err().code, Code::BadUserInput, "{time}");
        }
    }

    #[test]
    fn surplus_row_becomes_has_next() {
        assert_eq!(Slice::of(vec![1, 2, 3], 2), Slice { items: vec![1, 2], has_next: true });
        assert_eq!(Slice::of(vec![1, 2], 2), Slice { items: vec![1, 2], has_next: false });
    }
}
