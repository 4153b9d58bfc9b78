//! Root fields that write.

use super::{
    client, service, session_key,
    types::{AuthTokens, Session, User, Viewer},
    user_key, viewer,
};
use crate::{
    account::{
        self, AccountStatus, Role,
        registration::Registration,
        service::{Changes, PasswordChange},
    },
    session::{
        self,
        service::{Credentials, SignedIn},
    },
};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use hansa_kit::{
    codes::{UserError, payload},
    ids,
    scalars::LocaleTag,
    viewer::{SESSION_PREFIX, USER_PREFIX},
};

/// What somebody registers with.
#[derive(InputObject)]
pub struct AccountRegisterInput {
    /// 3 to 30 of the letters a to z, digits, `_`, `.` and `-`; unique, whatever its case.
    username: String,
    /// Where mail goes; unique, whatever its case.
    email: String,
    /// 10 to 128 characters that are not easy to guess.
    #[graphql(secret)]
    password: String,
    /// The language to write in; English without it.
    locale: Option<LocaleTag>,
    /// Any text, best a random one, that makes the same registration sent again within 24 hours a sign-in.
    idempotency_key: Option<String>,
}

/// What somebody signs in with.
#[derive(InputObject)]
pub struct SessionCreateInput {
    /// The username or the e-mail address.
    login: String,
    /// The password.
    #[graphql(secret)]
    password: String,
    /// Whether this sign-in ends the user's other sessions.
    #[graphql(default)]
    revoke_other_sessions: bool,
}

/// The old password and the new one.
#[derive(InputObject)]
pub struct PasswordChangeInput {
    /// The password until now.
    #[graphql(secret)]
    current_password: String,
    /// 10 to 128 characters that are not easy to guess.
    #[graphql(secret)]
    new_password: String,
    /// Whether the user's other sessions end.
    #[graphql(default = true)]
    revoke_other_sessions: bool,
}

/// What changes; what is left out stays as it is.
#[derive(InputObject)]
pub struct UserUpdateInput {
    /// The e-mail address.
    email: Option<String>,
    /// The username.
    username: Option<String>,
    /// Whether the account can be used. Locking it ends its sessions.
    status: Option<AccountStatus>,
}

/// The outcome of `accountRegister`.
#[derive(SimpleObject)]
pub struct AccountRegisterPayload {
    /// The new user, signed in.
    viewer: Option<Viewer>,
    /// What proves the session.
    tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `sessionCreate`.
#[derive(SimpleObject)]
pub struct SessionCreatePayload {
    /// The new session.
    session: Option<Session>,
    /// Who is signed in.
    viewer: Option<Viewer>,
    /// What proves the session.
    tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `sessionRefresh`.
#[derive(SimpleObject)]
pub struct SessionRefreshPayload {
    /// The session, prolonged.
    session: Option<Session>,
    /// What proves the session from now on.
    tokens: Option<AuthTokens>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `sessionRevoke`.
#[derive(SimpleObject)]
pub struct SessionRevokePayload {
    /// The session that has ended.
    revoked_session_id: Option<ID>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `sessionsRevokeAll`.
#[derive(SimpleObject)]
pub struct SessionsRevokeAllPayload {
    /// How many sessions have ended.
    revoked_count: Option<i32>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `passwordChange`.
#[derive(SimpleObject)]
pub struct PasswordChangePayload {
    /// The caller.
    viewer: Option<Viewer>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `userUpdate`.
#[derive(SimpleObject)]
pub struct UserUpdatePayload {
    /// The user, changed.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `userDelete`.
#[derive(SimpleObject)]
pub struct UserDeletePayload {
    /// The user who is gone.
    deleted_user_id: Option<ID>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

/// The outcome of `userRolesSet`.
#[derive(SimpleObject)]
pub struct UserRolesSetPayload {
    /// The user, with these roles.
    user: Option<User>,
    /// Why nothing was done; empty on success.
    user_errors: Vec<UserError>,
}

pub struct Mutation;

/// All that can be changed.
#[Object]
impl Mutation {
    /// Makes an account and signs its owner in. A welcome goes out by mail.
    async fn account_register(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who registers.")] input: AccountRegisterInput,
    ) -> Result<Option<AccountRegisterPayload>> {
        let registration = Registration {
            username: input.username,
            email: input.email,
            password: input.password,
            locale: input.locale.map(|locale| locale.0),
            idempotency_key: input.idempotency_key,
        };
        let registered = account::registration::register(service(context), registration, &client(context)).await;
        let (signed_in, user_errors) = payload(registered)?;
        let viewer = signed_in.as_ref().map(Viewer::signed_in);
        let tokens = signed_in.map(|signed_in| signed_in.tokens.into());
        Ok(Some(AccountRegisterPayload { viewer, tokens, user_errors }))
    }

    /// Signs in.
    async fn session_create(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: SessionCreateInput,
    ) -> Result<Option<SessionCreatePayload>> {
        let credentials = Credentials {
            login: input.login,
            password: input.password,
            revoke_other_sessions: input.revoke_other_sessions,
        };
        let created = session::service::create(service(context), credentials, &client(context)).await;
        let (signed_in, user_errors) = payload(created)?;
        let viewer = signed_in.as_ref().map(Viewer::signed_in);
        let (session, tokens) = session_and_tokens(signed_in);
        Ok(Some(SessionCreatePayload { session, viewer, tokens, user_errors }))
    }

    /// Exchanges a refresh token for new tokens. Each is good for one exchange: used again, it ends its session.
    async fn session_refresh(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The refresh token of the last exchange or sign-in.", secret)] refresh_token: String,
    ) -> Result<Option<SessionRefreshPayload>> {
        let refreshed = session::service::refresh(service(context), &refresh_token).await;
        let (signed_in, user_errors) = payload(refreshed)?;
        let (session, tokens) = session_and_tokens(signed_in);
        Ok(Some(SessionRefreshPayload { session, tokens, user_errors }))
    }

    /// Signs out: ends one of the caller's sessions. Its tokens are refused from then on.
    async fn session_revoke(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which session; that of this request without it.")] id: Option<ID>,
    ) -> Result<Option<SessionRevokePayload>> {
        let id = id.map(|id| session_key(&id));
        let (revoked, user_errors) = payload(session::service::revoke(service(context), viewer(context), id).await)?;
        let revoked_session_id = revoked.map(|id| ids::encode(SESSION_PREFIX, id));
        Ok(Some(SessionRevokePayload { revoked_session_id, user_errors }))
    }

    /// Signs out everywhere: ends all of the caller's sessions, that of this request among them.
    async fn sessions_revoke_all(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose sessions; for administrators. One's own without it.")] user_id: Option<ID>,
    ) -> Result<Option<SessionsRevokeAllPayload>> {
        let user_id = user_id.map(|id| user_key(&id));
        let revoked = session::service::revoke_all(service(context), viewer(context), user_id).await;
        let (revoked, user_errors) = payload(revoked)?;
        let revoked_count = revoked.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        Ok(Some(SessionsRevokeAllPayload { revoked_count, user_errors }))
    }

    /// Gives the caller another password.
    async fn password_change(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The old password and the new one.")] input: PasswordChangeInput,
    ) -> Result<Option<PasswordChangePayload>> {
        let change = PasswordChange {
            current: input.current_password,
            new: input.new_password,
            revoke_other_sessions: input.revoke_other_sessions,
        };
        let viewer = viewer(context);
        let (account, user_errors) =
            payload(account::service::change_password(service(context), viewer, change).await)?;
        let viewer = account.zip(viewer.identity()).map(|(account, identity)| Viewer::of(account, identity));
        Ok(Some(PasswordChangePayload { viewer, user_errors }))
    }

    /// Changes a user's account; for administrators.
    #[graphql(requires_scopes = "admin")]
    async fn user_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose.")] id: ID,
        #[graphql(desc = "What changes.")] input: UserUpdateInput,
    ) -> Result<Option<UserUpdatePayload>> {
        let changes = Changes { username: input.username, email: input.email, status: input.status };
        let updated = account::service::update(service(context), viewer(context), user_key(&id), changes).await;
        let (account, user_errors) = payload(updated)?;
        Ok(Some(UserUpdatePayload { user: account.map(User), user_errors }))
    }

    /// Deletes a user's account and all that belongs to it, but never an administrator's; for administrators.
    #[graphql(requires_scopes = "admin")]
    async fn user_delete(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose.")] id: ID,
    ) -> Result<Option<UserDeletePayload>> {
        let deleted = account::service::delete(service(context), viewer(context), user_key(&id)).await;
        let (deleted, user_errors) = payload(deleted)?;
        Ok(Some(UserDeletePayload { deleted_user_id: deleted.map(|id| ids::encode(USER_PREFIX, id)), user_errors }))
    }

    /// Gives a user exactly these roles, besides `USER`, and ends their sessions if that changes anything; for
    /// administrators.
    #[graphql(requires_scopes = "admin")]
    async fn user_roles_set(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose.")] id: ID,
        #[graphql(desc = "All roles that the user is to have.")] roles: Vec<Role>,
    ) -> Result<Option<UserRolesSetPayload>> {
        let roles = roles.into_iter().collect();
        let set = account::service::set_roles(service(context), viewer(context), user_key(&id), roles).await;
        let (account, user_errors) = payload(set)?;
        Ok(Some(UserRolesSetPayload { user: account.map(User), user_errors }))
    }
}

fn session_and_tokens(signed_in: Option<SignedIn>) -> (Option<Session>, Option<AuthTokens>) {
    signed_in
        .map(|SignedIn { session, tokens, .. }| {
            let id = session.id;
            (Session::of(session, id), tokens.into())
        })
        .unzip()
}
