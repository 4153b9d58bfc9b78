//! What an access token says.

use serde::{Deserialize, Serialize};

/// The claims of an access token (RFC 7519 §4, `scope` by RFC 8693 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Said")]
pub struct Claims {
    /// The user's global id.
    pub sub: String,
    /// The session's global id; revocation goes by it. Empty if the issuer knows none.
    pub sid: String,
    /// The user's roles when the token was issued.
    pub roles: Vec<String>,
    /// Granted scopes, separated by spaces.
    pub scope: String,
    /// Issued at, in seconds since the epoch; 0 if that is not said.
    pub iat: i64,
    /// Expires at, in seconds since the epoch.
    pub exp: i64,
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: Vec<String>,
}

/// The claims as issuers write them: numbers with fractions, lists or a single text, scopes as `scp`.
#[derive(Deserialize)]
struct Said {
    sub: String,
    #[serde(default)]
    sid: String,
    #[serde(default)]
    roles: Texts,
    scope: Option<Texts>,
    scp: Option<Texts>,
    #[serde(default)]
    iat: NumericDate,
    exp: NumericDate,
    iss: String,
    aud: Texts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        }
    }
}

/// Seconds since the epoch, whole or not (RFC 7519 §2).
#[derive(Deserialize)]
#[serde(untagged)]
enum NumericDate {
    Whole(i64),
    Fraction(f64),
}

impl Default for NumericDate {
    fn default() -> Self {
        Self::Whole(0)
    }
}

impl From<NumericDate> for i64 {
    fn from(date: NumericDate) -> Self {
        match date {
            NumericDate::Whole(seconds) => seconds,
            #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second, or an eternity")]
            NumericDate::Fraction(seconds) => seconds as i64,
        }
    }
}

impl From<Said> for Claims {
    fn from(said: Said) -> Self {
        let Said { sub, sid, roles, scope, scp, iat, exp, iss, aud } = said;
        let scope = Vec::from(scope.or(scp).unwrap_or_default()).join(" ");
        Self { sub, sid, roles: roles.into(), scope, iat: iat.into(), exp: exp.into(), iss, aud: aud.into() }
    }
}

impl Claims {
    /// The granted scopes, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }

    /// Whether `scope` was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn issuers_write_them_in_several_ways() {
        let read = |claims| serde_json::from_value::<Claims>(claims).unwrap();
        let plain = json!({
            "sub": "u", "sid": "s", "roles": ["r"], "scope": "a b", "iat": 1, "exp": 2, "iss": "i", "aud": ["x"],
        });
        let claims = read(plain.clone());
        assert!(claims.has_scope("a") && claims.has_scope("b") && !claims.has_scope("a b"));
        assert_eq!(serde_json::to_value(&claims).unwrap(), plain);
        let foreign = json!({ "sub": "u", "scp": ["a", "b"], "exp": 2.9, "iss": "i", "aud": "x", "roles": "r" });
        assert_eq!(read(foreign), Claims { sid: String::new(), iat: 0, ..claims });
        assert!(serde_json::from_value::<Claims>(json!({ "sub": "u", "exp": "2", "iss": "i", "aud": "x" })).is_err());
    }
}
