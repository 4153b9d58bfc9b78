//! How clients select and order lists, the same in every subgraph.

use async_graphql::{Enum, InputObject};
use chrono::{DateTime, Utc};

/// A range of times, half-open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, InputObject)]
pub struct DateTimeRange {
    /// Not before this; no bound when omitted.
    pub from: Option<DateTime<Utc>>,
    /// Before this; no bound when omitted.
    pub to: Option<DateTime<Utc>>,
}

/// Which way a list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum SortDirection {
    /// Smallest or oldest first.
    Asc,
    /// Greatest or newest first.
    Desc,
}
