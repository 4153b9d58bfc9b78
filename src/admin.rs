//! Administrators.

use crate::config::Config;
use hansa_users::AdminLogin;

/// Creates the first administrator where there is none.
///
/// # Errors
/// When the users database cannot be reached.
pub async fn ensure(config: &Config) -> anyhow::Result<Option<AdminLogin>> {
    let database = hansa_users::connect(&config.subgraphs.users).await?;
    Ok(hansa_users::ensure_admin(&database).await?)
}

/// Creates an administrator and prints the login.
///
/// # Errors
/// When the database cannot be reached, or the name or address is taken.
pub async fn create(config: &Config, username: &str, email: &str) -> anyhow::Result<()> {
    config.create_data_folder()?;
    let database = hansa_users::connect(&config.subgraphs.users).await?;
    let login = hansa_users::create_admin(&database, username, email).await?;
    println!("username  {}\npassword  {}", login.username, login.password);
    Ok(())
}
