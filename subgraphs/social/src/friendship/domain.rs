//! What a friendship is: its id, its states, and what leads from one to another.

use async_graphql::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};

/// The TypeID prefix of friendships.
pub(crate) const FRIENDSHIP_PREFIX: &str = "friendship";

/// How far a friendship has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[graphql(name = "FriendshipStatus")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Status {
    /// Asked for, not answered yet.
    Pending,
    /// The two are friends.
    Accepted,
    /// Who was asked does not want it.
    Declined,
    /// Who asked has thought better of it.
    Cancelled,
}

/// Who asked whom, as one of the two sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "FriendshipDirection")]
pub enum Direction {
    /// The other asked.
    Incoming,
    /// One asked oneself.
    Outgoing,
}

/// Which friendships are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) status: Option<Status>,
    pub(crate) direction: Option<Direction>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    Decline,
    Cancel,
}

impl Answer {
    /// As whose the request is answered.
    pub(crate) fn side(self) -> Direction {
        match self {
            Self::Accept | Self::Decline => Direction::Incoming,
            Self::Cancel => Direction::Outgoing,
        }
    }

    /// What it is then.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Accept => Status::Accepted,
            Self::Decline => Status::Declined,
            Self::Cancel => Status::Cancelled,
        }
    }
}
