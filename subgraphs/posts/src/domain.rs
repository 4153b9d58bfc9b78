//! What a post is: its ids, its text, who may read it and from when on, the orders it is listed in.

use async_graphql::Enum;
use hansa_kit::filter::{DateTimeRange, SortDirection};
use sea_orm::{DeriveActiveEnum, EnumIter, prelude::StringLen};
use serde::Serialize;
use uuid::Uuid;

/// The TypeID prefix of posts.
pub(crate) const POST_PREFIX: &str = "post";
/// The longest text, in characters (Unicode scalar values).
pub(crate) const MAX_BODY: usize = 10_000;

/// The text of a post: CommonMark, without white space around it, neither empty nor too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body(String);

/// Why a text is not one of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing but white space.
    #[error("a post needs a text")]
    Blank,
    /// Longer than 10 000 characters.
    #[error("a post has at most {MAX_BODY} characters")]
    TooLong,
}

impl Body {
    /// Reads a text as a client sent it.
    pub(crate) fn parse(text: &str) -> Result<Self, BodyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BodyError::Blank);
        }
        if text.chars().nth(MAX_BODY).is_some() {
            return Err(BodyError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who may read a published post, besides its author. Nobody whom the author blocks or who blocks the author ever does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Enum, EnumIter, DeriveActiveEnum,
)]
#[graphql(name = "PostVisibility")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Visibility {
    /// The author alone.
    Private,
    /// The author's friends.
    Friends,
    /// The author's followers and friends.
    Followers,
    /// Everybody, signed in or not.
    #[default]
    Public,
}

/// How far a post has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[graphql(name = "PostStatus")]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::None)", rename_all = "snake_case")]
pub enum Status {
    /// Not published; its author alone sees it.
    Draft,
    /// Going to be published at `publishAt`; until then its author alone sees it.
    Scheduled,
    /// Read by whom its visibility says.
    Published,
    /// Taken down by a moderator; its author alone sees it, and why.
    Hidden,
}

/// Who reads: a user, or nobody in particular.
pub(crate) type Reader = Option<Uuid>;

/// What posts are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "PostSortField")]
pub(crate) enum SortField {
    /// When the post was created.
    CreatedAt,
    /// When the post was last edited; one that never was counts as edited when it was created.
    EditedAt,
    /// When the post was published.
    PublishedAt,
}

/// An order of posts. Posts of the same time are ordered by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sort {
    pub(crate) field: SortField,
    pub(crate) direction: SortDirection,
}

impl Default for Sort {
    fn default() -> Self {
        Self { field: SortField::PublishedAt, direction: SortDirection::Desc }
    }
}

/// Which posts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) author_id: Option<Uuid>,
    pub(crate) visibility: Option<Visibility>,
    pub(crate) created_at: DateTimeRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_trimmed_and_bounded() {
        assert_eq!(Body::parse(" \n text\t").unwrap().as_str(), "text");
        assert_eq!(Body::parse(" \u{3000}\n"), Err(BodyError::Blank));
        let longest = "я".repeat(MAX_BODY);
        assert_eq!(Body::parse(&format!("  {longest}  ")).unwrap().as_str(), longest);
        assert_eq!(Body::parse(&format!("{longest}!")), Err(BodyError::TooLong));
    }
}
