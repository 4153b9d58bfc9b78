//! What a post is: its ids, its text, who may read it and from when on, the orders it is listed in.

use async_graphql::{Enum, MaybeUndefined};
use chrono::{DateTime, Duration, SubsecRound, Utc};
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

    pub(crate) fn into_string(self) -> String {
        self.0
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

/// How far ahead a post may be scheduled.
const MAX_AHEAD: Duration = Duration::days(366);

/// Where a post stands on its way to its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is not published.
    Draft,
    /// It is going to be published at this time.
    Scheduled(DateTime<Utc>),
    /// It is published, be it hidden again.
    Published,
}

/// Why a post cannot be published when its author wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// A draft was given a time of publication.
    #[error("a draft is not published at any time")]
    DraftWithTime,
    /// The time is too far ahead.
    #[error("a post is scheduled for a time within a year")]
    TooFar,
    /// The post has been published already.
    #[error("the post has been published already")]
    Published,
}

impl Stage {
    /// That of a new post. A time that is not ahead means now.
    pub(crate) fn of_new(
        is_draft: bool,
        publish_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, StageError> {
        match (is_draft, publish_at) {
            (true, Some(_)) => Err(StageError::DraftWithTime),
            (true, None) => Ok(Self::Draft),
            (false, Some(time)) => Self::at(time, now),
            (false, None) => Ok(Self::Published),
        }
    }

    /// That of a post in this stage after its author's change. Without a time of publication a post is a draft, unless it
    /// is said that it is none.
    pub(crate) fn changed(
        self,
        is_draft: Option<bool>,
        publish_at: MaybeUndefined<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Self, StageError> {
        use MaybeUndefined::{Null, Undefined, Value};
        match (self, is_draft, publish_at) {
            (Self::Published, Some(true), _) | (Self::Published, _, Value(_)) => Err(StageError::Published),
            (_, Some(true), Value(_)) => Err(StageError::DraftWithTime),
            (Self::Published, ..) | (_, Some(false), Null) | (Self::Draft, Some(false), Undefined) => {
                Ok(Self::Published)
            }
            (_, Some(true), _) | (_, None, Null) => Ok(Self::Draft),
            (_, _, Value(time)) => Self::at(time, now),
            (Self::Draft | Self::Scheduled(_), _, Undefined) => Ok(self),
        }
    }

    fn at(time: DateTime<Utc>, now: DateTime<Utc>) -> Result<Self, StageError> {
        let time = time.trunc_subsecs(6);
        if time > now + MAX_AHEAD {
            return Err(StageError::TooFar);
        }
        Ok(if time > now { Self::Scheduled(time) } else { Self::Published })
    }
}

/// The longest reason for taking a post down, in characters.
const MAX_REASON: usize = 500;

/// Why a moderator takes a post down: without white space around it, neither empty nor too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(String);

/// Why a text is not such a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing but white space.
    #[error("say why")]
    Blank,
    /// Longer than 500 characters.
    #[error("a reason has at most {MAX_REASON} characters")]
    TooLong,
}

impl Reason {
    /// Reads a text as a client sent it.
    pub(crate) fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReasonError::Blank);
        }
        if text.chars().nth(MAX_REASON).is_some() {
            return Err(ReasonError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// One emoji, fully qualified as Unicode has it, so that equal ones are equal strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emoji(&'static str);

impl Emoji {
    /// Reads an emoji as a client sent it; `None` when the text is none, or more than one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        emojis::get(text).map(|emoji| Self(emoji.as_str()))
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }
}

/// Who reads: a user, or nobody in particular.
pub(crate) type Reader = Option<Uuid>;

/// What posts are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "PostSortField")]
#[expect(clippy::enum_variant_names, reason = "they are called as their fields are")]
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
    use MaybeUndefined::{Null, Undefined, Value};

    #[test]
    fn the_stage_is_what_the_author_wants() {
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let (past, later, latest) = (now - Duration::hours(1), now + Duration::hours(1), now + Duration::hours(2));
        let too_far = now + Duration::days(367);
        for (is_draft, publish_at, stage) in [
            (false, None, Ok(Stage::Published)),
            (true, None, Ok(Stage::Draft)),
            (false, Some(later), Ok(Stage::Scheduled(later))),
            (false, Some(past), Ok(Stage::Published)),
            (false, Some(now), Ok(Stage::Published)),
            (false, Some(too_far), Err(StageError::TooFar)),
            (true, Some(later), Err(StageError::DraftWithTime)),
        ] {
            assert_eq!(Stage::of_new(is_draft, publish_at, now), stage, "{is_draft} {publish_at:?}");
        }
        let (draft, scheduled, published) = (Stage::Draft, Stage::Scheduled(later), Stage::Published);
        for (before, is_draft, publish_at, after) in [
            (draft, None, Undefined, Ok(draft)),
            (draft, Some(true), Null, Ok(draft)),
            (draft, Some(false), Undefined, Ok(published)),
            (draft, None, Value(later), Ok(scheduled)),
            (draft, Some(false), Value(later), Ok(scheduled)),
            (draft, None, Value(past), Ok(published)),
            (draft, Some(true), Value(later), Err(StageError::DraftWithTime)),
            (draft, None, Value(too_far), Err(StageError::TooFar)),
            (scheduled, None, Undefined, Ok(scheduled)),
            (scheduled, Some(false), Undefined, Ok(scheduled)),
            (scheduled, None, Value(latest), Ok(Stage::Scheduled(latest))),
            (scheduled, None, Null, Ok(draft)),
            (scheduled, Some(true), Undefined, Ok(draft)),
            (scheduled, Some(false), Null, Ok(published)),
            (published, None, Undefined, Ok(published)),
            (published, Some(false), Null, Ok(published)),
            (published, Some(true), Undefined, Err(StageError::Published)),
            (published, None, Value(later), Err(StageError::Published)),
        ] {
            assert_eq!(before.changed(is_draft, publish_at, now), after, "{before:?} {is_draft:?} {publish_at:?}");
        }
    }

    #[test]
    fn an_emoji_is_one_and_qualified() {
        assert_eq!(Emoji::parse("\u{2764}"), Emoji::parse("\u{2764}\u{fe0f}"));
        assert!(Emoji::parse("👩‍👩‍👧‍👦").is_some() && Emoji::parse("👍🏽").is_some());
        for text in ["", "x", "👍👍", " 👍", ":+1:", "\u{fe0f}", "1"] {
            assert_eq!(Emoji::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_body_is_trimmed_and_bounded() {
        assert_eq!(Body::parse(" \n text\t").unwrap().as_str(), "text");
        assert_eq!(Body::parse(" \u{3000}\n"), Err(BodyError::Blank));
        let longest = "я".repeat(MAX_BODY);
        assert_eq!(Body::parse(&format!("  {longest}  ")).unwrap().as_str(), longest);
        assert_eq!(Body::parse(&format!("{longest}!")), Err(BodyError::TooLong));
    }
}
