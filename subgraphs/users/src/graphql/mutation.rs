//! Root fields that write.

use super::{
    client,
    payloads::{
        AccountRegisterInput, AccountRegisterPayload, PasswordChangeInput, PasswordChangePayload, ProfileUpdateInput,
        ProfileUpdatePayload, SessionCreateInput, SessionCreatePayload, SessionRefreshPayload, SessionRevokePayload,
        SessionsRevokeAllPayload, UserDeletePayload, UserRolesSetPayload, UserUpdateInput, UserUpdatePayload,
    },
    service, session_key,
    types::{AuthTokens, Session, User, Viewer as SignedInViewer},
    user_key,
};
use crate::{
    account::{
        self, AccountRole,
        registration::Registration,
        service::{Changes, PasswordChange},
    },
    session::{
        self,
        service::{Credentials, SignedIn},
    },
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{
    Viewer,
    codes::payload,
    ids,
    viewer::{SESSION_PREFIX, USER_PREFIX},
};

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
        let viewer = signed_in.as_ref().map(SignedInViewer::signed_in);
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
        let viewer = signed_in.as_ref().map(SignedInViewer::signed_in);
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
        let (revoked, user_errors) =
            payload(session::service::revoke(service(context), Viewer::in_context(context), id).await)?;
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
        let revoked = session::service::revoke_all(service(context), Viewer::in_context(context), user_id).await;
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
        let viewer = Viewer::in_context(context);
        let (account, user_errors) =
            payload(account::service::change_password(service(context), viewer, change).await)?;
        let viewer = account.zip(viewer.identity()).map(|(account, identity)| SignedInViewer::of(account, identity));
        Ok(Some(PasswordChangePayload { viewer, user_errors }))
    }

    /// Changes the caller's own profile: what they are called, what they tell of themselves, their language and time
    /// zone.
    async fn profile_update(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What changes.")] input: ProfileUpdateInput,
    ) -> Result<Option<ProfileUpdatePayload>> {
        let viewer = Viewer::in_context(context);
        let (account, user_errors) = payload(account::profile::update(service(context), viewer, input.into()).await)?;
        let viewer = account.zip(viewer.identity()).map(|(account, identity)| SignedInViewer::of(account, identity));
        Ok(Some(ProfileUpdatePayload { viewer, user_errors }))
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
        let updated =
            account::service::update(service(context), Viewer::in_context(context), user_key(&id), changes).await;
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
        let deleted = account::service::delete(service(context), Viewer::in_context(context), user_key(&id)).await;
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
        #[graphql(desc = "All roles that the user is to have.")] roles: Vec<AccountRole>,
    ) -> Result<Option<UserRolesSetPayload>> {
        let roles = roles.into_iter().collect();
        let set =
            account::service::set_roles(service(context), Viewer::in_context(context), user_key(&id), roles).await;
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
