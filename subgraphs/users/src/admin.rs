//! The first administrator, and others made from the command line.

use crate::{
    Error,
    account::{Email, Locale, Password, Passwords, Username, registration, store},
    entity::account::Model,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hansa_kit::{Clock, database, ids, lease};
use sea_orm::DatabaseConnection;

/// The login of the first administrator.
pub const FIRST_ADMIN: &str = "admin";
/// An address that nothing can be delivered to (RFC 2606), until the administrator changes it.
const FIRST_ADMIN_EMAIL: &str = "admin@hansa.invalid";
const LOCK: &str = "first administrator";

/// How a new administrator signs in. To be shown once.
#[derive(Clone)]
pub struct AdminLogin {
    /// The login name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// 144 random bits, in base64url.
    pub password: String,
}

impl std::fmt::Debug for AdminLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Makes an administrator if there is none; of processes that do so at once, one makes it.
///
/// # Errors
/// When the database fails, or somebody else has the name [`FIRST_ADMIN`].
pub async fn ensure_admin(database: &DatabaseConnection) -> Result<Option<AdminLogin>, Error> {
    if store::has_admin(database).await? {
        return Ok(None);
    }
    create(database, FIRST_ADMIN, FIRST_ADMIN_EMAIL, true).await
}

/// Makes an administrator with a random password.
///
/// # Errors
/// [`Error::Refused`] when the name or the address is malformed or taken.
pub async fn create_admin(database: &DatabaseConnection, username: &str, email: &str) -> Result<AdminLogin, Error> {
    match create(database, username, email, false).await? {
        Some(login) => Ok(login),
        None => Err(Error::Refused(Vec::new())),
    }
}

async fn create(
    database: &DatabaseConnection,
    username: &str,
    email: &str,
    only_the_first: bool,
) -> Result<Option<AdminLogin>, Error> {
    let (username, email) = (Username::parse(username, &["username"])?, Email::parse(email, &["email"])?);
    let password = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
    let password_hash = Passwords::default().hash(Password::new(&password)).await?;
    let now = Clock::System.now();
    let account = Model {
        password_hash,
        is_admin: true,
        ..registration::new_account(&username, &email, &Locale::default(), now)
    };
    let transaction = database::begin(database).await?;
    if only_the_first {
        // Whoever holds the lease: its row is locked until this transaction ends.
        lease::acquire(&transaction, LOCK, ids::new(), now).await?;
        if store::has_admin(&transaction).await? {
            return Ok(None);
        }
    }
    registration::insert(&transaction, &username, &email, &account).await?;
    transaction.commit().await?;
    Ok(Some(AdminLogin { username: account.username, email: account.email, password }))
}
