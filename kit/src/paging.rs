//! Keyset pagination: Relay connections over an ordered key.
//!
//! A store reads one row more than the page holds, in the order of the key and after the cursor's key; [`Slice::of`] cuts
//! the surplus row off and [`connection`] makes the GraphQL type of it.

use crate::codes::{Code, Rejection};
use async_graphql::{
    Context, OutputType, SimpleObject,
    connection::{Connection, CursorType, Edge, EmptyFields, OpaqueCursor},
};
use serde::{Serialize, de::DeserializeOwned};

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
    pub fn new(first: Option<i32>, after: Option<String>) -> Result<Self, Rejection> {
        let first = first.unwrap_or(DEFAULT_PAGE);
        let limit = u64::try_from(first).ok().filter(|_| first <= MAX_PAGE).ok_or_else(|| {
            Rejection::Coded(Code::BadUserInput, format!("`first` must be between 0 and {MAX_PAGE}"))
        })?;
        let after = after
            .map(|cursor| OpaqueCursor::<K>::decode_cursor(&cursor).map(|cursor| cursor.0))
            .transpose()
            .map_err(|_| Rejection::Coded(Code::BadUserInput, "`after` is not a cursor of this list".into()))?;
        Ok(Self { limit, after })
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

/// A connection over entries whose nodes are of type `N`, ordered by key `K`.
pub type KeysetConnection<K, N> = Connection<OpaqueCursor<K>, N, TotalCount, EmptyFields>;

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
    let mut connection = Connection::with_additional_fields(has_previous, slice.has_next, total);
    connection.edges.extend(slice.items.into_iter().map(|item| Edge::new(OpaqueCursor(key(&item)), node(item))));
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
        fn page_size_is_bounded(first in any::<i32>()) {
            let page = Page::<i64>::new(Some(first), None);
            prop_assert_eq!(page.is_ok(), (0..=MAX_PAGE).contains(&first));
        }
    }

    #[test]
    fn surplus_row_becomes_has_next() {
        assert_eq!(Slice::of(vec![1, 2, 3], 2), Slice { items: vec![1, 2], has_next: true });
        assert_eq!(Slice::of(vec![1, 2], 2), Slice { items: vec![1, 2], has_next: false });
    }
}
