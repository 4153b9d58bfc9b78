//! Password hashing and strength, on threads of their own.
//!
//! A hash takes tens of milliseconds of one core on purpose. Only as many run at once as there are cores, and only so many
//! wait: a storm of logins is turned away instead of starving everything else.

use super::Password;
use crate::Error;
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version, password_hash::SaltString,
};
use hansa_kit::codes::{UserError, UserErrorCode};
use std::sync::Arc;
use tokio::sync::Semaphore;
use zxcvbn::Score;

/// Callers that wait for each core.
const WAITING_PER_CORE: usize = 50;
const MIN_SCORE: Score = Score::Two;
/// What the password of an unknown login is compared with, so that it takes as long as that of a known one. Nobody knows
/// a password with this hash.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Argon2id with the first parameters of the OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
fn argon2() -> Argon2<'static> {
    // The default of the crate, by name, lest another version changes it.
    let params = Params::new(19_456, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes and checks passwords, within bounds.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    cores: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::with_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Passwords {
    fn with_cores(cores: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(cores * (1 + WAITING_PER_CORE))),
            cores: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The hash of a password, in PHC string format with a new salt.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when too many callers wait already.
    pub async fn hash(&self, password: Password) -> Result<String, Error> {
        self.run(move || {
            let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())?;
            Ok(argon2().hash_password(password.as_str().as_bytes(), &salt)?.to_string())
        })
        .await
    }

    /// Whether `password` is that of `hash`; without a hash it is not, after the same time.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when too many callers wait already.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, Error> {
        self.run(move || {
            let expected = hash.as_deref().unwrap_or(NOBODY);
            match argon2().verify_password(password.as_str().as_bytes(), &PasswordHash::new(expected)?) {
                Ok(()) => Ok(hash.is_some()),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// What is wrong with a new password of somebody who is known by `names`; `None` when it is strong enough.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when too many callers wait already.
    pub async fn weakness(
        &self,
        password: Password,
        names: Vec<String>,
        field: &'static [&'static str],
    ) -> Result<Option<UserError>, Error> {
        self.run(move || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let estimate = zxcvbn::zxcvbn(password.as_str(), &names);
            let advice = estimate.feedback().map(ToString::to_string).unwrap_or_default();
            let is_weak = estimate.score() < MIN_SCORE;
            Ok(is_weak.then(|| {
                let message = format!("this password is too easy to guess. {advice}");
                UserError::at(UserErrorCode::Invalid, field, message.trim_end())
            }))
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let busy = || UserError::at(UserErrorCode::LimitExceeded, &[], "too many people sign in right now; try again");
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let core = self.cores.clone().acquire_owned().await.map_err(|_| busy())?;
        // The permits move along: a caller that goes away does not stop the work.
        tokio::task::spawn_blocking(move || {
            let _permits = (place, core);
            work()
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashes_verify() {
        let passwords = Passwords::default();
        let right = Password::new("correct horse battery staple");
        let hash = passwords.hash(right.clone()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(passwords.hash(right.clone()).await.unwrap(), hash);
        assert!(passwords.verify(right.clone(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(Password::new("wrong"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(right, None).await.unwrap());
    }

    #[test]
    fn nobody_costs_what_everybody_costs() {
        let params = Params::try_from(&PasswordHash::new(NOBODY).unwrap()).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
        assert_eq!(params.output_len(), Some(argon2().params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)));
    }

    #[tokio::test]
    async fn strength_knows_the_owner() {
        let passwords = Passwords::default();
        let weakness = async |text: &str, names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            passwords.weakness(Password::new(text), names, &["input", "password"]).await.unwrap()
        };
        assert!(weakness("correct horse battery staple", &[]).await.is_none());
        let flaw = weakness("password123", &[]).await.unwrap();
        assert_eq!(flaw.code, UserErrorCode::Invalid);
        assert!(flaw.message.len() > "this password is too easy to guess.".len(), "{}", flaw.message);
        assert!(weakness("annabellelee1", &["annabellelee", "annabellelee@example.org"]).await.is_some());
    }

    #[tokio::test]
    async fn a_storm_is_turned_away() {
        let passwords = Passwords::with_cores(1);
        let held = passwords.places.clone().acquire_many_owned(51).await.unwrap();
        let refused = passwords.verify(Password::new("x"), None).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(errors) if errors[0].code == UserErrorCode::LimitExceeded));
        drop(held);
        assert!(!passwords.verify(Password::new("x"), None).await.unwrap());
    }
}
