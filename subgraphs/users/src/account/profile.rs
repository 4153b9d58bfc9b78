//! What people tell of themselves.

use super::{
    Locale, Username,
    domain::valid,
    service::{announce_update, or_taken, rename},
    store,
};
use crate::{
    Error, Service,
    entity::account::{ActiveModel, Model},
};
use async_graphql::{Enum, MaybeUndefined};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use hansa_kit::{
    Viewer,
    codes::{UserError, UserErrorCode},
    database,
};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    DeriveActiveEnum, EnumIter,
};
use unicode_normalization::UnicodeNormalization;

/// In characters (Unicode scalar values), as the next.
const MAX_NAME: usize = 64;
const MAX_BIO: usize = 1_000;
const FIRST_YEAR: i32 = 1900;
/// Where the day begins first: UTC+14:00.
const EARLIEST_ZONE: TimeDelta = TimeDelta::hours(14);

/// What somebody says of their gender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Neither of the two.
    Other,
    /// They would rather not say.
    Undisclosed,
}

/// What somebody changes of their own profile, as they entered it. `None` and `Undefined` leave a fact as it is, `Null`
/// takes it away.
#[derive(Debug)]
pub(crate) struct Changes {
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub first_name: MaybeUndefined<String>,
    pub last_name: MaybeUndefined<String>,
    pub gender: MaybeUndefined<Gender>,
    pub birthday: MaybeUndefined<String>,
    pub bio: MaybeUndefined<String>,
    pub locale: Option<String>,
    pub time_zone: Option<String>,
}

/// Changes that follow the rules.
struct Checked {
    username: Option<Username>,
    /// All but the username.
    row: ActiveModel,
}

/// Changes the viewer's own profile.
pub(crate) async fn update(service: &Service, viewer: &Viewer, changes: Changes) -> Result<Model, Error> {
    let identity = viewer.require()?;
    let now = service.clock.now();
    let Checked { username, mut row } = check(changes, now).map_err(Error::Refused)?;
    let transaction = database::begin(&service.database).await?;
    let gone = || UserError::at(UserErrorCode::NotFound, &[], "the account is gone");
    let account = store::lock(&transaction, identity.user_id).await?.ok_or_else(gone)?;
    row.id = Unchanged(account.id);
    row.updated_at = Set(now);
    if let Some(username) = username {
        rename(&account, &username, &mut row);
    }
    let account = store::update(&transaction, row).await.map_err(or_taken)?;
    announce_update(&transaction, &account, now).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(account)
}

/// Checks all that was entered, to tell all that is wrong at once.
fn check(changes: Changes, now: DateTime<Utc>) -> Result<Checked, Vec<UserError>> {
    let mut errors = Vec::new();
    let username = changes.username.map(|name| Username::parse(&name, &["input", "username"]));
    let username = username.and_then(|name| valid(name, &mut errors));
    let display_name = changes.display_name.map(|name| required_name(&name, "displayName"));
    let locale = changes.locale.map(|tag| Locale::parse(Some(&tag), &["input", "locale"]));
    let time_zone = changes.time_zone.map(|name| time_zone(&name));
    let row = ActiveModel {
        display_name: set(display_name, &mut errors),
        first_name: set(fact(changes.first_name, |name| optional_name(&name, "firstName")), &mut errors),
        last_name: set(fact(changes.last_name, |name| optional_name(&name, "lastName")), &mut errors),
        gender: set(fact(changes.gender, |gender| Ok(Some(gender))), &mut errors),
        birthday: set(fact(changes.birthday, |day| birthday(&day, now).map(Some)), &mut errors),
        bio: set(fact(changes.bio, |text| bio(&text)), &mut errors),
        locale: set(locale.map(|locale| locale.map(|locale| locale.as_str().to_owned())), &mut errors),
        time_zone: set(time_zone, &mut errors),
        ..Default::default()
    };
    if errors.is_empty() { Ok(Checked { username, row }) } else { Err(errors) }
}

/// A column's new value, if there is one and it is right.
fn set<T: Into<sea_orm::Value>>(
    parsed: Option<Result<T, UserError>>,
    errors: &mut Vec<UserError>,
) -> sea_orm::ActiveValue<T> {
    parsed.and_then(|parsed| valid(parsed, errors)).map_or(NotSet, Set)
}

/// A fact that may be taken away.
fn fact<T, U>(
    entered: MaybeUndefined<T>,
    parse: impl FnOnce(T) -> Result<Option<U>, UserError>,
) -> Option<Result<Option<U>, UserError>> {
    match entered {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Ok(None)),
        MaybeUndefined::Value(value) => Some(parse(value)),
    }
}

fn required_name(text: &str, field: &str) -> Result<String, UserError> {
    let blank = || UserError::at(UserErrorCode::Blank, &["input", field], "a name is required");
    optional_name(text, field)?.ok_or_else(blank)
}

/// A name of one line, in one Unicode form; none when it is blank.
fn optional_name(text: &str, field: &str) -> Result<Option<String>, UserError> {
    let path = ["input", field];
    let name: String = text.trim().nfc().collect();
    if name.chars().any(|c| c.is_control() || is_direction(c)) {
        return Err(UserError::at(UserErrorCode::Invalid, &path, "a name has no control characters"));
    }
    if name.chars().nth(MAX_NAME).is_some() {
        return Err(UserError::at(UserErrorCode::TooLong, &path, format!("a name has at most {MAX_NAME} characters")));
    }
    Ok((!name.is_empty()).then_some(name))
}

/// Characters that turn the text around them, with which one name can be made to look like another (Unicode Standard
/// Annex #9, §2).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn bio(text: &str) -> Result<Option<String>, UserError> {
    let text = text.trim();
    if text.chars().nth(MAX_BIO).is_some() {
        let message = format!("a biography has at most {MAX_BIO} characters");
        return Err(UserError::at(UserErrorCode::TooLong, &["input", "bio"], message));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A day that has come, somewhere on Earth, and that somebody alive may be born on.
fn birthday(text: &str, now: DateTime<Utc>) -> Result<NaiveDate, UserError> {
    let invalid = |message| UserError::at(UserErrorCode::Invalid, &["input", "birthday"], message);
    let day: NaiveDate = text.parse().map_err(|_| invalid("this is not a day like `1990-12-31`"))?;
    if day.year() < FIRST_YEAR || day > (now + EARLIEST_ZONE).date_naive() {
        return Err(invalid("a birthday is between 1900 and today"));
    }
    Ok(day)
}

fn time_zone(name: &str) -> Result<String, UserError> {
    let zone: Result<Tz, _> = name.parse();
    zone.map(|zone| zone.name().to_owned()).map_err(|_| {
        UserError::at(UserErrorCode::Invalid, &["input", "timeZone"], "this is not a time zone like `Europe/Berlin`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use UserErrorCode::{Blank, Invalid, TooLong};

    #[test]
    fn names() {
        assert_eq!(optional_name(" Zoe\u{308} ", "firstName").unwrap().unwrap(), "Zo\u{eb}");
        assert_eq!(optional_name("Анна-Мария", "firstName").unwrap().unwrap(), "Анна-Мария");
        assert_eq!(optional_name(" \u{3000}", "firstName").unwrap(), None);
        assert_eq!(required_name(" ", "displayName").unwrap_err().code, Blank);
        assert_eq!(optional_name(&"ж".repeat(MAX_NAME), "lastName").unwrap().unwrap().chars().count(), MAX_NAME);
        for (bad, code) in [("a\nb", Invalid), ("a\u{202e}b", Invalid), (&"ж".repeat(MAX_NAME + 1), TooLong)] {
            assert_eq!(optional_name(bad, "lastName").unwrap_err().code, code, "{bad:?}");
        }
    }

    #[test]
    fn birthdays() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        for good in ["1900-01-01", "2000-02-29", "2026-03-01", "2026-03-02"] {
            assert_eq!(birthday(good, now).unwrap().to_string(), good);
        }
        for bad in ["", "1899-12-31", "2026-03-03", "2025-02-29", "01.02.1990", "1990-12-31T00:00:00Z", "+262142-12-31"]
        {
            assert_eq!(birthday(bad, now).unwrap_err().code, Invalid, "{bad:?}");
        }
    }

    #[test]
    fn time_zones() {
        assert_eq!(time_zone("Europe/Berlin").unwrap(), "Europe/Berlin");
        for bad in ["", "Berlin", "UTC+3", "europe/berlin"] {
            assert_eq!(time_zone(bad).unwrap_err().code, Invalid, "{bad:?}");
        }
    }
}
