//! How clients select and order lists, the same in every subgraph.

use crate::{clock::is_storable, codes::Code};
use async_graphql::{Enum, InputObject, InputValueError};
use chrono::{DateTime, Utc};
use sea_orm::Order;

/// A range of times, half-open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, InputObject)]
pub struct DateTimeRange {
    /// Not before this; no bound when omitted.
    #[graphql(validator(custom = "storable"))]
    pub from: Option<DateTime<Utc>>,
    /// Before this; no bound when omitted.
    #[graphql(validator(custom = "storable"))]
    pub to: Option<DateTime<Utc>>,
}

/// Validates a time that a client sends, `#[graphql(validator(custom = "storable"))]`.
///
/// # Errors
/// `BAD_USER_INPUT` for one that no database takes.
pub fn storable(time: &DateTime<Utc>) -> Result<(), InputValueError<DateTime<Utc>>> {
    if is_storable(time) {
        return Ok(());
    }
    Err(InputValueError::custom("the year is out of range").with_extension("code", Code::BadUserInput.as_str()))
}

/// Which way a list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum SortDirection {
    /// Smallest or oldest first.
    Asc,
    /// Greatest or newest first.
    Desc,
}

impl From<SortDirection> for Order {
    fn from(direction: SortDirection) -> Self {
        match direction {
            SortDirection::Asc => Self::Asc,
            SortDirection::Desc => Self::Desc,
        }
    }
}
