//! What happens to sessions: sign-in, refresh, sign-out.

use super::{
    Tokens, store,
    token::{RefreshToken, hash},
};
use crate::{
    Error, Service,
    account::{self, AccountStatus, Password, lookup_key},
    entity::{
        account::Model as Account,
        session::{Column, Model},
    },
    keys::{self, Signer},
};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{
    Viewer,
    codes::{UserError, UserErrorCode},
    database, ids,
    paging::{Page, Slice},
    signals::Signal,
    viewer::{Client, Identity, SESSION_PREFIX},
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait};
use uuid::Uuid;

/// Beyond the lifetime of an access token, for clocks that differ and transactions that wait.
const REVOCATION_MARGIN: Duration = Duration::seconds(60);

/// Somebody who has just signed in.
pub(crate) struct SignedIn {
    pub account: Account,
    pub session: Model,
    pub tokens: Tokens,
}

/// What somebody signs in with.
pub(crate) struct Credentials {
    /// Username or e-mail address.
    pub login: String,
    pub password: String,
    pub revoke_other_sessions: bool,
}

/// Sessions that ended in a transaction, to be announced once it is committed.
pub(crate) struct Ended {
    ids: Vec<Uuid>,
    until: DateTime<Utc>,
}

impl Ended {
    pub fn none(now: DateTime<Utc>) -> Self {
        Self { ids: Vec::new(), until: now }
    }
}

fn wrong_credentials() -> Error {
    UserError::at(UserErrorCode::InvalidCredentials, &[], "login or password is wrong").into()
}

/// Signs in. Whether login or password was wrong cannot be told, not even by the time it takes.
pub(crate) async fn create(service: &Service, input: Credentials, client: &Client) -> Result<SignedIn, Error> {
    let account = match lookup_key(&input.login) {
        Some(login) => account::store::by_login(&service.database, &login).await?,
        None => None,
    };
    let expected = account.as_ref().map(|account| account.password_hash.clone());
    let is_right = service.passwords.verify(Password::new(&input.password), expected).await?;
    let account = account.filter(|_| is_right).ok_or_else(wrong_credentials)?;
    sign_in(service, account, input.revoke_other_sessions, client).await
}

/// Opens a session for the owner of `account`, who has proven to be that.
pub(crate) async fn sign_in(
    service: &Service,
    account: Account,
    revoke_other_sessions: bool,
    client: &Client,
) -> Result<SignedIn, Error> {
    let now = service.clock.now();
    let signer = keys::signer(&service.database, now).await?;
    let transaction = database::begin(&service.database).await?;
    // As it is now: it may have been deleted, locked or given another password meanwhile.
    let account = account::store::lock(&transaction, account.id)
        .await?
        .filter(|current| current.password_hash == account.password_hash)
        .ok_or_else(wrong_credentials)?;
    if account.status == AccountStatus::Locked {
        return Err(UserError::at(UserErrorCode::AccountLocked, &[], "this account is locked").into());
    }
    let ended = match revoke_other_sessions {
        true => end_all(service, &transaction, account.id, now).await?,
        false => Ended::none(now),
    };
    let signed_in = open(service, &transaction, &signer, account, client, now).await?;
    transaction.commit().await?;
    announce(service, &ended);
    Ok(signed_in)
}

/// Adds a session of `account`.
pub(crate) async fn open<C: ConnectionTrait>(
    service: &Service,
    transaction: &C,
    signer: &Signer,
    account: Account,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<SignedIn, Error> {
    let refresh_token = RefreshToken::generate();
    let session = Model {
        id: ids::new(),
        account_id: account.id,
        refresh_hash: refresh_token.hash(),
        user_agent: client.user_agent.clone(),
        ip_address: client.ip_address.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: now + service.refresh_token_lifetime(),
        revoked_at: None,
    };
    let session = store::insert(transaction, session).await?;
    let refresh = (refresh_token, session.expires_at);
    let tokens = Tokens::issue(service, signer, &account, session.id, refresh, now)?;
    Ok(SignedIn { account, session, tokens })
}

/// Exchanges a refresh token for new tokens, once. A token that was exchanged before has been copied: its session ends,
/// whoever holds it now (RFC 9700 §4.14.2).
pub(crate) async fn refresh(service: &Service, refresh_token: &str) -> Result<SignedIn, Error> {
    let now = service.clock.now();
    let signer = keys::signer(&service.database, now).await?;
    let (used, next) = (hash(refresh_token), RefreshToken::generate());
    let expires_at = now + service.refresh_token_lifetime();
    let transaction = database::begin(&service.database).await?;
    if let Some(session) = store::rotate(&transaction, &used, next.hash(), expires_at, now).await? {
        let account =
            account::store::by_id(&transaction, session.account_id).await?.ok_or_else(|| refused(None, now))?;
        let tokens = Tokens::issue(service, &signer, &account, session.id, (next, expires_at), now)?;
        transaction.commit().await?;
        return Ok(SignedIn { account, session, tokens });
    }
    if let Some(id) = store::of_used_token(&transaction, &used).await? {
        let ended = end(service, &transaction, Condition::all().add(Column::Id.eq(id)), now).await?;
        transaction.commit().await?;
        announce(service, &ended);
        tracing::warn!(session = %id, "a refresh token was used again; its session has ended");
        return Err(refused(None, now));
    }
    Err(refused(store::of_token(&transaction, &used).await?.as_ref(), now))
}

fn refused(session: Option<&Model>, now: DateTime<Utc>) -> Error {
    let (code, message) = match session {
        Some(session) if session.revoked_at.is_none() && session.expires_at <= now => {
            (UserErrorCode::TokenExpired, "the refresh token has expired")
        }
        _ => (UserErrorCode::TokenInvalid, "the refresh token is not valid"),
    };
    UserError::at(code, &["refreshToken"], message).into()
}

/// Ends one of the viewer's own sessions: that of the request unless another one is named.
pub(crate) async fn revoke(service: &Service, viewer: &Viewer, id: Option<Option<Uuid>>) -> Result<Uuid, Error> {
    let not_found = || UserError::at(UserErrorCode::NotFound, &["id"], "you have no such session");
    let identity = viewer.require()?;
    let id = id.unwrap_or(Some(identity.session_id)).ok_or_else(not_found)?;
    let own = Condition::all().add(Column::Id.eq(id)).add(Column::AccountId.eq(identity.user_id));
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    let ended = end(service, &transaction, own, now).await?;
    if ended.ids.is_empty() {
        return Err(not_found().into());
    }
    transaction.commit().await?;
    announce(service, &ended);
    Ok(id)
}

/// Ends all sessions of the viewer or, for administrators, of anybody. Returns how many.
pub(crate) async fn revoke_all(
    service: &Service,
    viewer: &Viewer,
    user_id: Option<Option<Uuid>>,
) -> Result<usize, Error> {
    let identity = viewer.require()?;
    let user_id = user_id.unwrap_or(Some(identity.user_id));
    if !user_id.is_some_and(|id| viewer.is(id)) {
        viewer.require_any_scope(&["admin"])?;
    }
    let not_found = || UserError::at(UserErrorCode::NotFound, &["userId"], "there is no such user");
    let user_id = user_id.ok_or_else(not_found)?;
    let now = service.clock.now();
    let transaction = database::begin(&service.database).await?;
    account::store::lock(&transaction, user_id).await?.ok_or_else(not_found)?;
    let ended = end_all(service, &transaction, user_id, now).await?;
    transaction.commit().await?;
    announce(service, &ended);
    Ok(ended.ids.len())
}

/// One page of the sessions of `account_id`, to their owner.
pub(crate) async fn list(service: &Service, account_id: Uuid, page: &Page<Uuid>) -> Result<Slice<Model>, Error> {
    Ok(store::page(&service.database, account_id, page, service.clock.now()).await?)
}

/// Counts them.
pub(crate) async fn count(service: &Service, account_id: Uuid) -> Result<u64, Error> {
    Ok(store::count(&service.database, account_id, service.clock.now()).await?)
}

/// Ends all sessions of an account whose row the transaction has locked, so that none opens meanwhile.
pub(crate) async fn end_all<C: ConnectionTrait>(
    service: &Service,
    transaction: &C,
    account_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Ended, Error> {
    end(service, transaction, Condition::all().add(Column::AccountId.eq(account_id)), now).await
}

/// Ends all sessions of the viewer but that of the request.
pub(crate) async fn end_others<C: ConnectionTrait>(
    service: &Service,
    transaction: &C,
    viewer: &Identity,
    now: DateTime<Utc>,
) -> Result<Ended, Error> {
    let others = Condition::all().add(Column::AccountId.eq(viewer.user_id)).add(Column::Id.ne(viewer.session_id));
    end(service, transaction, others, now).await
}

async fn end<C: ConnectionTrait>(
    service: &Service,
    transaction: &C,
    which: Condition,
    now: DateTime<Utc>,
) -> Result<Ended, Error> {
    let until = now + service.access_token_lifetime() + service.leeway() + REVOCATION_MARGIN;
    let ids = store::revoke(transaction, which, until, now).await?;
    Ok(Ended { ids, until })
}

/// Has the tokens of ended sessions refused: by this process from now on, by the others as soon as they hear of it.
pub(crate) fn announce(service: &Service, ended: &Ended) {
    for &id in &ended.ids {
        let sid = ids::encode(SESSION_PREFIX, id).to_string();
        service.verifier.revocations().revoke(&sid, ended.until);
        service.signals.send(Signal::Revoked { sid, until: ended.until });
    }
}

/// Sessions that have ended while access tokens of theirs may still be unexpired: their global ids, and until when.
pub(crate) async fn revocations<C: ConnectionTrait>(
    database: &C,
    now: DateTime<Utc>,
) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
    let rows = store::revocations(database, now).await?;
    Ok(rows.into_iter().map(|row| (ids::encode(SESSION_PREFIX, row.session_id).to_string(), row.until)).collect())
}
