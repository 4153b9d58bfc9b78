//! Names, addresses, passwords and roles, and the rules they follow.

use async_graphql::Enum;
use email_address::{EmailAddress, Options};
use hansa_kit::codes::{UserError, UserErrorCode};
use icu_locale_core::LanguageIdentifier;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

const USERNAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=30;
/// RFC 5321 §4.5.3.1.3, without the angle brackets.
const MAX_EMAIL_LENGTH: usize = 254;
/// In characters. NIST SP 800-63B asks for at least 8, and 15 where nothing else is checked; strength is checked as well.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 10..=128;
/// RFC 5646 §4.4.1.
const MAX_LOCALE_LENGTH: usize = 35;
const DEFAULT_LOCALE: &str = "en";

/// What an account is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enum, Deserialize, Serialize)]
#[graphql(name = "Role")]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountRole {
    /// Everybody who has an account.
    User,
    /// Handles orders.
    Manager,
    /// Works for the operator: support, moderation.
    Staff,
    /// Administers accounts and roles; may do all that staff and managers may.
    Admin,
}

impl AccountRole {
    /// Its name in the API and in access tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Manager => "MANAGER",
            Self::Staff => "STAFF",
            Self::Admin => "ADMIN",
        }
    }
}

/// The roles of an account; that of a user is implied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// [`AccountRole::Manager`].
    pub manager: bool,
    /// [`AccountRole::Staff`].
    pub staff: bool,
    /// [`AccountRole::Admin`].
    pub admin: bool,
}

impl Roles {
    /// The roles, one by one.
    pub fn iter(self) -> impl Iterator<Item = AccountRole> {
        let granted = [
            (true, AccountRole::User),
            (self.manager, AccountRole::Manager),
            (self.staff, AccountRole::Staff),
            (self.admin, AccountRole::Admin),
        ];
        granted.into_iter().filter_map(|(is_granted, role)| is_granted.then_some(role))
    }

    /// The scopes that access tokens of these roles grant.
    pub fn scopes(self) -> impl Iterator<Item = &'static str> {
        let granted = [
            (true, "user"),
            (self.manager || self.admin, "manager"),
            (self.staff || self.admin, "staff"),
            (self.admin, "admin"),
        ];
        granted.into_iter().filter_map(|(is_granted, scope)| is_granted.then_some(scope))
    }
}

impl FromIterator<AccountRole> for Roles {
    fn from_iter<I: IntoIterator<Item = AccountRole>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), |roles, role| match role {
            AccountRole::User => roles,
            AccountRole::Manager => Self { manager: true, ..roles },
            AccountRole::Staff => Self { staff: true, ..roles },
            AccountRole::Admin => Self { admin: true, ..roles },
        })
    }
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// It can.
    Active,
    /// An administrator has locked it: nobody can sign in.
    Locked,
}

/// The value, or none and one more reason to refuse: so that all reasons are told at once.
pub(super) fn valid<T>(parsed: Result<T, UserError>, errors: &mut Vec<UserError>) -> Option<T> {
    parsed.map_err(|error| errors.push(error)).ok()
}

/// What uniqueness and login go by.
fn folded(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}

/// What a username, an address or part of one is looked up by; none for what cannot be either.
pub(crate) fn lookup_key(text: &str) -> Option<String> {
    (text.len() <= MAX_EMAIL_LENGTH).then(|| folded(text))
}

/// What a password must not be made of.
pub(super) fn known_names(username: &str, email: &str) -> Vec<String> {
    let local_part = email.split('@').next().unwrap_or_default();
    [username, email, local_part].into_iter().filter_map(lookup_key).collect()
}

/// A login name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    /// Reads the username at `field` of the input.
    pub fn parse(text: &str, field: &[&str]) -> Result<Self, UserError> {
        let invalid = |message: &str| UserError::at(UserErrorCode::Invalid, field, message);
        if text.is_empty() {
            return Err(UserError::at(UserErrorCode::Blank, field, "a username is required"));
        }
        // Other scripts are refused: too many of their letters look like another one.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            return Err(invalid("a username consists of the letters a to z, digits, `_`, `.` and `-`"));
        }
        if text.len() > *USERNAME_LENGTH.end() {
            return Err(UserError::at(UserErrorCode::TooLong, field, "a username has at most 30 characters"));
        }
        if !USERNAME_LENGTH.contains(&text.len()) {
            return Err(invalid("a username has at least 3 characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must be unique.
    pub fn key(&self) -> String {
        folded(&self.0)
    }
}

/// An e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Reads the address at `field` of the input.
    pub fn parse(text: &str, field: &[&str]) -> Result<Self, UserError> {
        if text.is_empty() {
            return Err(UserError::at(UserErrorCode::Blank, field, "an e-mail address is required"));
        }
        if text.len() > MAX_EMAIL_LENGTH {
            return Err(UserError::at(UserErrorCode::TooLong, field, "an e-mail address has at most 254 characters"));
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(text, options) {
            // A quoted local part (RFC 5321 §4.1.2) is legal, and refused by most of what mail passes through.
            Ok(address) if !address.local_part().starts_with('"') => Ok(Self(address.into())),
            _ => Err(UserError::at(UserErrorCode::Invalid, field, "this is not an e-mail address")),
        }
    }

    /// As its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must be unique.
    pub fn key(&self) -> String {
        folded(&self.0)
    }
}

/// A language to write in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locale(String);

impl Locale {
    /// Reads the language tag at `field` of the input; English without one.
    pub fn parse(tag: Option<&str>, field: &[&str]) -> Result<Self, UserError> {
        let Some(tag) = tag else { return Ok(Self::default()) };
        let invalid =
            || UserError::at(UserErrorCode::Invalid, field, "this is not a language tag like `en` or `pt-BR`");
        if tag.len() > MAX_LOCALE_LENGTH {
            return Err(invalid());
        }
        LanguageIdentifier::try_from_str(tag).map(|tag| Self(tag.to_string())).map_err(|_| invalid())
    }

    /// The tag in its canonical case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self(DEFAULT_LOCALE.to_owned())
    }
}

/// A password in the clear. It is neither printed nor kept.
#[derive(Clone)]
pub(crate) struct Password(String);

impl Password {
    /// Any password, to be compared. Normalised, so that it is the same from every keyboard (NIST SP 800-63B §5.1.1.2).
    /// Of one that is too long, only so much is kept that it still is: sign-ins that wait hold their passwords.
    pub fn new(text: &str) -> Self {
        Self(text.nfkc().take(PASSWORD_LENGTH.end() + 1).collect())
    }

    /// Reads a new password at `field` of the input. Whether it is strong is a question for [`super::Passwords`].
    pub fn parse(text: &str, field: &[&str]) -> Result<Self, UserError> {
        if text.is_empty() {
            return Err(UserError::at(UserErrorCode::Blank, field, "a password is required"));
        }
        let password = Self::new(text);
        let length = password.0.chars().count();
        if length > *PASSWORD_LENGTH.end() {
            return Err(UserError::at(UserErrorCode::TooLong, field, "a password has at most 128 characters"));
        }
        if !PASSWORD_LENGTH.contains(&length) {
            return Err(UserError::at(UserErrorCode::Invalid, field, "a password has at least 10 characters"));
        }
        Ok(password)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UserErrorCode::{Blank, Invalid, TooLong};

    #[test]
    fn usernames() {
        for good in ["ann", "Ann-Lee_1.2", "abcdefghijklmnopqrstuvwxyz0123"] {
            assert_eq!(Username::parse(good, &[]).unwrap().key(), good.to_ascii_lowercase());
        }
        for (bad, code) in [
            ("", Blank),
            ("an", Invalid),
            ("abcdefghijklmnopqrstuvwxyz01234", TooLong),
            ("ann lee", Invalid),
            ("ann@lee", Invalid),
            ("аnn", Invalid), // a Cyrillic а
            ("ann\n", Invalid),
        ] {
            assert_eq!(Username::parse(bad, &[]).unwrap_err().code, code, "{bad:?}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["ann@example.org", "Ann.Lee+tag@sub.example.org", "почта@пример.рф"] {
            assert_eq!(Email::parse(good, &[]).unwrap().as_str(), good);
        }
        assert_eq!(Email::parse("Ann@Example.ORG", &[]).unwrap().key(), "ann@example.org");
        let long = format!("{}@{}.example.org", "a".repeat(64), "b".repeat(200));
        for (bad, code) in [
            ("", Blank),
            ("ann", Invalid),
            ("ann@localhost", Invalid),
            ("Ann <ann@example.org>", Invalid),
            ("ann@[127.0.0.1]", Invalid),
            ("ann@example.org\r\nBcc: bob@example.org", Invalid),
            ("ann@example.org ", Invalid),
            (&long, TooLong),
        ] {
            assert_eq!(Email::parse(bad, &[]).unwrap_err().code, code, "{bad:?}");
        }
    }

    #[test]
    fn locales() {
        assert_eq!(Locale::parse(None, &[]).unwrap().as_str(), "en");
        assert_eq!(Locale::parse(Some("PT-br"), &[]).unwrap().as_str(), "pt-BR");
        for bad in ["", "english please", "e", "en-US-", "a\0"] {
            assert_eq!(Locale::parse(Some(bad), &[]).unwrap_err().code, Invalid, "{bad:?}");
        }
    }

    #[test]
    fn passwords() {
        assert_eq!(Password::parse("", &[]).unwrap_err().code, Blank);
        assert_eq!(Password::parse("123456789", &[]).unwrap_err().code, Invalid);
        assert_eq!(Password::parse(&"x".repeat(129), &[]).unwrap_err().code, TooLong);
        // Length is counted in characters, and one character has one form.
        assert!(Password::parse(&"ж".repeat(128), &[]).is_ok());
        assert_eq!(Password::new("cafe\u{301}").as_str(), Password::new("caf\u{e9}").as_str());
        assert_eq!(format!("{:?}", Password::new("secret")), "Password(…)");
        // One ligature of Arabic is eighteen letters.
        assert_eq!(Password::new(&"\u{fdfa}".repeat(700_000)).as_str().chars().count(), 129);
    }

    #[test]
    fn scopes() {
        let scopes = |roles: &[AccountRole]| roles.iter().copied().collect::<Roles>().scopes().collect::<Vec<_>>();
        assert_eq!(scopes(&[]), ["user"]);
        assert_eq!(scopes(&[AccountRole::Manager]), ["user", "manager"]);
        assert_eq!(scopes(&[AccountRole::Staff, AccountRole::User]), ["user", "staff"]);
        assert_eq!(scopes(&[AccountRole::Admin]), ["user", "manager", "staff", "admin"]);
    }
}
