//! The objects of the API, and what lists take.

use super::service;
use crate::{
    account::{
        AccountRole, AccountStatus, Gender, lookup_key,
        service::require_privy,
        store::{Filter, Sort, SortField},
    },
    entity,
    session::{self, Tokens, service::SignedIn},
};
use async_graphql::{Context, Enum, ID, InputObject, Interface, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Viewer as Caller,
    codes::{Code, Denied},
    filter::{DateTimeRange, SortDirection},
    ids,
    paging::{self, KeysetConnection, Page, TotalCount},
    scalars::{Date, EmailAddress, LocaleTag, Markdown, TimeZone},
    viewer::{SESSION_PREFIX, USER_PREFIX},
};
use uuid::Uuid;

/// What has a globally unique id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Globally unique and opaque."))]
pub enum Node {
    /// A user.
    User(User),
    /// A session.
    Session(Session),
}

/// A user, as others see them.
pub struct User(pub(crate) entity::account::Model);

/// A person with an account.
#[Object]
impl User {
    /// Globally unique and opaque.
    pub async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.0.id)
    }

    /// The login name, as its owner writes it. Unique, whatever its case.
    async fn username(&self) -> &str {
        &self.0.username
    }

    /// What to call them.
    async fn display_name(&self) -> &str {
        &self.0.display_name
    }

    /// Their given name, if they tell it.
    async fn first_name(&self) -> Option<&str> {
        self.0.first_name.as_deref()
    }

    /// Their family name, if they tell it.
    async fn last_name(&self) -> Option<&str> {
        self.0.last_name.as_deref()
    }

    /// Their gender, if they tell it.
    async fn gender(&self) -> Option<Gender> {
        self.0.gender
    }

    /// The day that they were born, if they tell it.
    async fn birthday(&self) -> Option<Date> {
        self.0.birthday.map(|day| Date(day.to_string()))
    }

    /// What they write about themselves.
    async fn bio(&self) -> Option<Markdown> {
        self.0.bio.clone().map(Markdown)
    }

    /// What they are allowed to do.
    async fn roles(&self) -> Vec<AccountRole> {
        self.0.roles().iter().collect()
    }

    /// The e-mail address. Seen by administrators and staff; one's own is in `Viewer.email`.
    #[graphql(requires_scopes = "admin", requires_scopes = "staff")]
    async fn email(&self, context: &Context<'_>) -> Result<Option<EmailAddress>> {
        require_privy(Caller::in_context(context))?;
        Ok(Some(EmailAddress(self.0.email.clone())))
    }

    /// Whether the account can be used. Seen by administrators and staff.
    #[graphql(requires_scopes = "admin", requires_scopes = "staff")]
    async fn status(&self, context: &Context<'_>) -> Result<Option<AccountStatus>> {
        require_privy(Caller::in_context(context))?;
        Ok(Some(self.0.status))
    }

    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// The caller. Made only for the owner of `account`.
pub struct Viewer {
    account: entity::account::Model,
    session_id: Uuid,
    scopes: Vec<String>,
}

impl Viewer {
    /// The signed-in caller.
    pub(crate) fn of(account: entity::account::Model, identity: &hansa_kit::viewer::Identity) -> Self {
        let scopes = identity.claims.scopes().map(str::to_owned).collect();
        Self { account, session_id: identity.session_id, scopes }
    }

    /// The caller who has just signed in.
    pub(crate) fn signed_in(signed_in: &SignedIn) -> Self {
        let account = signed_in.account.clone();
        let scopes = account.roles().scopes().map(str::to_owned).collect();
        Self { account, session_id: signed_in.session.id, scopes }
    }
}

/// The signed-in caller: what only they may see.
#[Object]
impl Viewer {
    /// The id of the caller's user.
    async fn id(&self) -> ID {
        ids::encode(USER_PREFIX, self.account.id)
    }

    /// The caller, as others see them.
    async fn user(&self) -> User {
        User(self.account.clone())
    }

    /// The caller's e-mail address.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.account.email.clone())
    }

    /// Whether the profile tells first and last name, gender and birthday. Nothing depends on it; a front end may ask
    /// for what is missing after the registration.
    async fn is_profile_complete(&self) -> bool {
        let account = &self.account;
        account.first_name.is_some()
            && account.last_name.is_some()
            && account.gender.is_some()
            && account.birthday.is_some()
    }

    /// What the caller's access token grants.
    async fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The language that the caller reads.
    async fn locale(&self) -> LocaleTag {
        LocaleTag(self.account.locale.clone())
    }

    /// The time zone that the caller lives in.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.account.time_zone.clone())
    }

    /// Where the caller is signed in, the latest sign-in first.
    async fn sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, at most 100.", default_with = "super::default_page()")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<SessionConnection>> {
        let (service, account_id) = (service(context), self.account.id);
        let page = Page::new(first, after)?;
        let slice = session::service::list(service, account_id, &page).await?;
        let count = session::service::count(service, account_id);
        let total = TotalCount::when_selected(context, count).await?;
        let node = |session| Session::of(session, self.session_id);
        Ok(Some(paging::connection(slice, page.after.is_some(), total, |session| session.id, node)))
    }
}

/// A session, as its owner sees it.
pub struct Session {
    session: entity::session::Model,
    is_current: bool,
}

impl Session {
    pub(crate) fn of(session: entity::session::Model, current: Uuid) -> Self {
        Self { is_current: session.id == current, session }
    }
}

/// A place where its owner is signed in.
#[Object]
impl Session {
    /// Globally unique and opaque.
    pub async fn id(&self) -> ID {
        ids::encode(SESSION_PREFIX, self.session.id)
    }

    /// Whether it is the session of this request.
    async fn is_current(&self) -> bool {
        self.is_current
    }

    /// The program that signed in, as it calls itself.
    async fn user_agent(&self) -> Option<&str> {
        self.session.user_agent.as_deref()
    }

    /// The network address that the sign-in came from.
    async fn ip_address(&self) -> Option<&str> {
        self.session.ip_address.as_deref()
    }

    /// When the sign-in happened.
    async fn created_at(&self) -> DateTime<Utc> {
        self.session.created_at
    }

    /// When its tokens were last refreshed.
    async fn last_used_at(&self) -> DateTime<Utc> {
        self.session.last_used_at
    }

    /// When it ends, unless its tokens are refreshed before.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.session.expires_at
    }
}

/// A page of a user's sessions.
pub(crate) type SessionConnection = KeysetConnection<Uuid, Session>;

/// What proves a session.
#[derive(SimpleObject)]
pub struct AuthTokens {
    /// A JWT: send it as `Authorization: Bearer …` with every request.
    access_token: String,
    /// When the access token expires.
    access_token_expires_at: DateTime<Utc>,
    /// Exchanged for new tokens by `sessionRefresh`, once.
    refresh_token: String,
    /// When the refresh token expires.
    refresh_token_expires_at: DateTime<Utc>,
}

impl From<Tokens> for AuthTokens {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            access_token_expires_at: tokens.access_token_expires_at,
            refresh_token: tokens.refresh_token,
            refresh_token_expires_at: tokens.refresh_token_expires_at,
        }
    }
}

/// What users can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserSortField {
    /// The username, whatever its case.
    Username,
    /// When the account was made.
    CreatedAt,
}

/// How users are ordered.
#[derive(InputObject)]
pub struct UserSort {
    /// By what.
    pub(super) field: UserSortField,
    /// Which way.
    #[graphql(default_with = "SortDirection::Asc")]
    pub(super) direction: SortDirection,
}

/// Which users are listed: those that meet every condition given.
#[derive(Default, InputObject)]
pub struct UserFilter {
    /// Part of the username or the e-mail address, whatever its case.
    pub(super) search: Option<String>,
    /// A role that they have.
    pub(super) role: Option<AccountRole>,
    /// The state of their account.
    pub(super) status: Option<AccountStatus>,
    /// When the account was made.
    pub(super) created_at: Option<DateTimeRange>,
}

impl TryFrom<UserFilter> for Filter {
    type Error = Denied;

    fn try_from(filter: UserFilter) -> Result<Self, Denied> {
        let denied = || Denied::new(Code::BadUserInput, "`search` is no part of a name or an address");
        let search = filter.search.filter(|search| !search.is_empty());
        let search = search.map(|search| lookup_key(&search).ok_or_else(denied)).transpose()?;
        let created_at = filter.created_at.unwrap_or_default();
        Ok(Self { search, role: filter.role, status: filter.status, created_at })
    }
}

impl Default for UserSort {
    fn default() -> Self {
        Self { field: UserSortField::Username, direction: SortDirection::Asc }
    }
}

impl From<UserSort> for Sort {
    fn from(UserSort { field, direction }: UserSort) -> Self {
        let field = match field {
            UserSortField::Username => SortField::Username,
            UserSortField::CreatedAt => SortField::CreatedAt,
        };
        Self { field, direction }
    }
}
