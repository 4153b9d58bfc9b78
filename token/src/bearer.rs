//! Where a token is in a request.

use crate::Error;

/// The access token in a request's `Authorization` headers (RFC 6750 §2.1), none when there is no such header.
///
/// # Errors
/// [`Error::Invalid`] for another scheme or no token, and for several headers: which one a server believes would be a
/// matter of luck.
pub fn bearer<'a>(authorization: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a str>, Error> {
    let mut headers = authorization.into_iter();
    let value = match (headers.next(), headers.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Error::Invalid),
    };
    let (scheme, token) =
        std::str::from_utf8(value).ok().and_then(|value| value.split_once(' ')).ok_or(Error::Invalid)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Error::Invalid);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_or_none() {
        let read = |headers: &[&'static str]| bearer(headers.iter().map(|header| header.as_bytes()));
        assert_eq!(read(&[]), Ok(None));
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(read(&[header]), Ok(Some("a.b.c")), "{header}");
        }
        for headers in [&["Basic YTpi"][..], &["Bearer"], &["Bearer "], &["a.b.c"], &[""], &["Bearer a", "Bearer a"]] {
            assert_eq!(read(headers), Err(Error::Invalid), "{headers:?}");
        }
        assert_eq!(bearer([&b"Bearer \xff"[..]]), Err(Error::Invalid));
    }
}
