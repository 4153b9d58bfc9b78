//! How accounts come to be.

use super::{
    AccountStatus, Email, Locale, Password, Username,
    domain::{known_names, valid},
    service::{EMAIL_KEY, USERNAME_KEY, taken},
    store,
};
use crate::{
    Error, Service,
    entity::account::Model,
    keys,
    session::{self, service::SignedIn},
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    codes::{UserError, UserErrorCode},
    database,
    idempotency::{self, Claim, KeyError},
    ids, outbox,
    viewer::Client,
};
use hansa_schema::{
    mail::{MailRequested, Message},
    users::AccountRegistered,
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

/// The scope of idempotency keys. All who register are the same nobody: whoever repeats one also has to know the password.
const SCOPE: &str = "accountRegister";

/// What somebody registers with.
pub(crate) struct Registration {
    pub username: String,
    pub email: String,
    pub password: String,
    pub locale: Option<String>,
    pub idempotency_key: Option<String>,
}

struct Draft {
    username: Username,
    email: Email,
    password: Password,
    locale: Locale,
}

/// Makes an account and signs its owner in.
pub(crate) async fn register(service: &Service, input: Registration, client: &Client) -> Result<SignedIn, Error> {
    let draft = draft(service, &input).await?;
    let password_hash = service.passwords.hash(draft.password.clone()).await?;
    let now = service.clock.now();
    let signer = keys::signer(&service.database, now).await?;
    let account = Model { password_hash, ..new_account(&draft.username, &draft.email, &draft.locale, now) };
    let transaction = database::begin(&service.database).await?;
    if let Some(key) = &input.idempotency_key {
        // Not the password: a fast hash of it must not lie about. A replay proves it knows it.
        let request = (&input.username, &input.email, &input.locale);
        match idempotency::claim(&transaction, SCOPE, key, &request, account.id, now).await? {
            Claim::Fresh => {}
            Claim::Replay(id) => {
                transaction.rollback().await?;
                return replay(service, id, draft.password, client).await;
            }
            Claim::Reused => return Err(key_reused()),
        }
    }
    insert(&transaction, &draft.username, &draft.email, &account).await?;
    let welcome = Message::Welcome { display_name: account.display_name.clone(), username: account.username.clone() };
    let mail = MailRequested {
        recipient_id: account.id,
        to: account.email.clone(),
        locale: account.locale.clone(),
        message: welcome,
    };
    outbox::write(&transaction, now, mail).await?;
    let signed_in = session::service::open(service, &transaction, &signer, account, client, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(signed_in)
}

/// Checks all that was entered, to tell all that is wrong at once.
async fn draft(service: &Service, input: &Registration) -> Result<Draft, Error> {
    const PASSWORD: &[&str] = &["input", "password"];
    let mut errors = Vec::new();
    let username = valid(Username::parse(&input.username, &["input", "username"]), &mut errors);
    let email = valid(Email::parse(&input.email, &["input", "email"]), &mut errors);
    let locale = valid(Locale::parse(input.locale.as_deref(), &["input", "locale"]), &mut errors);
    let password = valid(Password::parse(&input.password, PASSWORD), &mut errors);
    if let Some(password) = password.clone() {
        let names = known_names(&input.username, &input.email);
        errors.extend(service.passwords.weakness(password, names, PASSWORD).await?);
    }
    if let Some(key) = &input.idempotency_key {
        errors.extend(idempotency::check_key(key).err().map(UserError::from));
    }
    match (username, email, password, locale) {
        (Some(username), Some(email), Some(password), Some(locale)) if errors.is_empty() => {
            Ok(Draft { username, email, password, locale })
        }
        _ => Err(Error::Refused(errors)),
    }
}

fn key_reused() -> Error {
    UserError::from(KeyError::Reused).into()
}

/// An account without a password or roles.
pub(crate) fn new_account(username: &Username, email: &Email, locale: &Locale, now: DateTime<Utc>) -> Model {
    Model {
        id: ids::new(),
        username: username.as_str().to_owned(),
        username_key: username.key(),
        email: email.as_str().to_owned(),
        email_key: email.key(),
        password_hash: String::new(),
        display_name: username.as_str().to_owned(),
        first_name: None,
        last_name: None,
        gender: None,
        birthday: None,
        bio: None,
        locale: locale.as_str().to_owned(),
        time_zone: "UTC".to_owned(),
        is_manager: false,
        is_staff: false,
        is_admin: false,
        status: AccountStatus::Active,
        created_at: now,
        updated_at: now,
    }
}

/// The same registration again: the account is there, its owner gets a session.
async fn replay(service: &Service, id: Uuid, password: Password, client: &Client) -> Result<SignedIn, Error> {
    let account = store::by_id(&service.database, id).await?.ok_or_else(key_reused)?;
    if !service.passwords.verify(password, Some(account.password_hash.clone())).await? {
        return Err(key_reused());
    }
    session::service::sign_in(service, account, false, client).await
}

/// Adds an account and says so to other services.
pub(crate) async fn insert<C: ConnectionTrait>(
    transaction: &C,
    username: &Username,
    email: &Email,
    account: &Model,
) -> Result<(), Error> {
    if !store::insert(transaction, account).await? {
        return Err(match store::taken(transaction, username, email).await? {
            (true, true) => Error::Refused(vec![taken(USERNAME_KEY), taken(EMAIL_KEY)]),
            (true, false) => taken(USERNAME_KEY).into(),
            (false, true) => taken(EMAIL_KEY).into(),
            // Whoever had it is gone meanwhile.
            (false, false) => UserError::at(UserErrorCode::Conflict, &[], "please try again").into(),
        });
    }
    let event = AccountRegistered {
        user_id: account.id,
        username: account.username.clone(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        locale: account.locale.clone(),
    };
    Ok(outbox::write(transaction, account.created_at, event).await?)
}
