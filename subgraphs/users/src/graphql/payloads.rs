//! What mutations take, and what they answer.

use super::types::{AuthTokens, Session, User, Viewer};
use crate::account::{AccountStatus, Gender, profile};
use async_graphql::{ID, InputObject, MaybeUndefined, SimpleObject};
use hansa_kit::{
    codes::UserError,
    scalars::{Date, LocaleTag, TimeZone},
};

/// What somebody registers with.
#[derive(InputObject)]
pub struct AccountRegisterInput {
    /// 3 to 30 of the letters a to z, digits, `_`, `.` and `-`; unique, whatever its case.
    pub(super) username: String,
    /// Where mail goes; unique, whatever its case.
    pub(super) email: String,
    /// 10 to 128 characters that are not easy to guess.
    #[graphql(secret)]
    pub(super) password: String,
    /// The language to write in; English without it.
    pub(super) locale: Option<LocaleTag>,
    /// Any text, best a random one, that makes the same registration sent again within 24 hours a sign-in.
    pub(super) idempotency_key: Option<String>,
}

/// What somebody signs in with.
#[derive(InputObject)]
pub struct SessionCreateInput {
    /// The username or the e-mail address.
    pub(super) login: String,
    /// The password.
    #[graphql(secret)]
    pub(super) password: String,
    /// Whether this sign-in ends the user's other sessions.
    #[graphql(default)]
    pub(super) revoke_other_sessions: bool,
}

/// The old password and the new one.
#[derive(InputObject)]
pub struct PasswordChangeInput {
    /// The password until now.
    #[graphql(secret)]
    pub(super) current_password: String,
    /// 10 to 128 characters that are not easy to guess.
    #[graphql(secret)]
    pub(super) new_password: String,
    /// Whether the user's other sessions end.
    #[graphql(default = true)]
    pub(super) revoke_other_sessions: bool,
}

/// What changes; what is left out stays as it is.
#[derive(InputObject)]
pub struct ProfileUpdateInput {
    /// 3 to 30 of the letters a to z, digits, `_`, `.` and `-`; unique, whatever its case. Null leaves it as it is.
    username: Option<String>,
    /// What to call the caller, 1 to 64 characters. Null leaves it as it is.
    display_name: Option<String>,
    /// The given name, at most 64 characters. Null takes it away.
    first_name: MaybeUndefined<String>,
    /// The family name, at most 64 characters. Null takes it away.
    last_name: MaybeUndefined<String>,
    /// The gender. Null takes it away.
    gender: MaybeUndefined<Gender>,
    /// The day of birth, between 1900 and today. Null takes it away.
    birthday: MaybeUndefined<Date>,
    /// About the caller, CommonMark of at most 1000 characters. Null takes it away.
    bio: MaybeUndefined<String>,
    /// The language to write in. Null leaves it as it is.
    locale: Option<LocaleTag>,
    /// The time zone that the caller lives in. Null leaves it as it is.
    time_zone: Option<TimeZone>,
}

impl From<ProfileUpdateInput> for profile::Changes {
    fn from(input: ProfileUpdateInput) -> Self {
        Self {
            username: input.username,
            display_name: input.display_name,
            first_name: input.first_name,
            last_name: input.last_name,
            gender: input.gender,
            birthday: input.birthday.map_value(|day| day.0),
            bio: input.bio,
            locale: input.locale.map(|locale| locale.0),
            time_zone: input.time_zone.map(|zone| zone.0),
        }
    }
}

/// What changes; what is left out stays as it is.
#[derive(InputObject)]
pub struct UserUpdateInput {
    /// The e-mail address.
    pub(super) email: Option<String>,
    /// The username.
    pub(super) username: Option<String>,
    /// Whether the account can be used. Locking it ends its sessions.
    pub(super) status: Option<AccountStatus>,
}

/// The outcome of `accountRegister`.
#[derive(SimpleObject)]
pub struct AccountRegisterPayload {
    /// The new user, signed in.
    pub(super) viewer: Option<Viewer>,
    /// What proves the session.
    pub(super) tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `sessionCreate`.
#[derive(SimpleObject)]
pub struct SessionCreatePayload {
    /// The new session.
    pub(super) session: Option<Session>,
    /// Who is signed in.
    pub(super) viewer: Option<Viewer>,
    /// What proves the session.
    pub(super) tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `sessionRefresh`.
#[derive(SimpleObject)]
pub struct SessionRefreshPayload {
    /// The session, prolonged.
    pub(super) session: Option<Session>,
    /// What proves the session from now on.
    pub(super) tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `sessionRevoke`.
#[derive(SimpleObject)]
pub struct SessionRevokePayload {
    /// The session that has ended.
    pub(super) revoked_session_id: Option<ID>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `sessionsRevokeAll`.
#[derive(SimpleObject)]
pub struct SessionsRevokeAllPayload {
    /// How many sessions have ended.
    pub(super) revoked_count: Option<i32>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `passwordChange`.
#[derive(SimpleObject)]
pub struct PasswordChangePayload {
    /// The caller.
    pub(super) viewer: Option<Viewer>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `profileUpdate`.
#[derive(SimpleObject)]
pub struct ProfileUpdatePayload {
    /// The caller, changed.
    pub(super) viewer: Option<Viewer>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `userUpdate`.
#[derive(SimpleObject)]
pub struct UserUpdatePayload {
    /// The user, changed.
    pub(super) user: Option<User>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `userDelete`.
#[derive(SimpleObject)]
pub struct UserDeletePayload {
    /// The user who is gone.
    pub(super) deleted_user_id: Option<ID>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}

/// The outcome of `userRolesSet`.
#[derive(SimpleObject)]
pub struct UserRolesSetPayload {
    /// The user, with these roles.
    pub(super) user: Option<User>,
    /// Why nothing was done; empty on success.
    pub(super) user_errors: Vec<UserError>,
}
