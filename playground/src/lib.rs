//! GraphiQL, embedded and served without the internet.
//!
//! `dist/` is the bundle that `playground/build` makes. All of it but `index.html` is stored compressed with gzip, and
//! sent so to every client that accepts it.

use std::io::{self, Read};

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderName, StatusCode, header};
use rust_embed::RustEmbed;

/// Monaco adds its styles while it runs, hence `'unsafe-inline'` for styles. `ws:` and `wss:` are there because not
/// every browser takes `'self'` to cover sockets.
const CONTENT_SECURITY_POLICY: &str = include_str!("../content-security-policy.txt");

/// Files in this folder have a hash of their content in their names.
const HASHED: &str = "assets/";

#[derive(RustEmbed)]
#[folder = "dist"]
struct Dist;

/// Serves the page at `/` and everything it loads under `/playground/`.
///
/// The page sends GraphQL to `/graphql` (HTTP and WebSocket) and links to `/mail`, all on the same origin.
pub fn routes() -> Router {
    Router::new().route("/", get(async |headers: HeaderMap| respond("index.html", &headers))).route(
        "/playground/{*path}",
        get(async |Path(path): Path<String>, headers: HeaderMap| respond(&path, &headers)),
    )
}

/// The file at `path` of the bundle, or 404.
fn respond(path: &str, request: &HeaderMap) -> Response {
    let plain = Dist::get(path).map(|stored| (stored, false));
    let Some((stored, is_compressed)) = plain.or_else(|| Some((Dist::get(&format!("{path}.gz"))?, true))) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = headers(path, &stored.metadata.sha256_hash());
    if names(request, header::IF_NONE_MATCH, &headers[0].1) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if !is_compressed {
        return (headers, stored.data).into_response();
    }
    if names(request, header::ACCEPT_ENCODING, "gzip") {
        return (headers, [(header::CONTENT_ENCODING, "gzip")], stored.data).into_response();
    }
    match decompress(&stored.data) {
        Ok(data) => (headers, data).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn headers(path: &str, sha256: &[u8; 32]) -> [(HeaderName, String); 7] {
    let etag = sha256[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let content_type = mime_guess::from_path(path).first_or_octet_stream();
    let cache_control = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    [
        // Weak: the same for both encodings.
        (header::ETAG, format!("W/\"{etag}\"")),
        (header::CONTENT_TYPE, content_type.to_string()),
        (header::CACHE_CONTROL, cache_control.to_owned()),
        (header::VARY, "accept-encoding".to_owned()),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY.trim_end().to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ]
}

/// Whether a comma-separated request header has `element` without a weight of zero.
fn names(request: &HeaderMap, header: HeaderName, element: &str) -> bool {
    let values = request.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|candidate| {
        let (name, weight) = candidate.split_once(';').unwrap_or((candidate, ""));
        name.trim() == element && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn decompress(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(data).read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str, headers: &[(HeaderName, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn body(response: Response) -> Vec<u8> {
        response.into_body().collect().await.unwrap().to_bytes().into()
    }

    /// The path of the script that the page loads.
    async fn script() -> String {
        let page = String::from_utf8(body(get("/", &[]).await).await).unwrap();
        let path = page.split('"').find(|part| part.starts_with("/playground/assets/") && part.ends_with(".js"));
        path.expect("the page loads a script").to_owned()
    }

    #[tokio::test]
    async fn page_is_revalidated_and_guarded() {
        let response = get("/", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/html");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");

        let etag = headers[header::ETAG].to_str().unwrap();
        let again = get("/", &[(header::IF_NONE_MATCH, etag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(body(again).await.is_empty());
    }

    #[tokio::test]
    async fn page_names_no_other_origin() {
        let page = String::from_utf8(body(get("/", &[]).await).await).unwrap();
        assert!(!page.contains("://") && !page.contains("\"//"), "{page}");
    }

    #[tokio::test]
    async fn hashed_assets_are_immutable_and_compressed() {
        let path = script().await;
        let compressed = get(&path, &[(header::ACCEPT_ENCODING, "br;q=1.0, gzip;q=0.8")]).await;
        assert_eq!(compressed.headers()[header::CONTENT_TYPE], "text/javascript");
        assert_eq!(compressed.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(compressed.headers()[header::VARY], "accept-encoding");

        let expected = decompress(&body(compressed).await).unwrap();
        for coding in ["identity", "gzip;q=0"] {
            let plain = get(&path, &[(header::ACCEPT_ENCODING, coding)]).await;
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            assert!(body(plain).await == expected, "{coding}");
        }
    }

    #[tokio::test]
    async fn unknown_and_outside_paths_are_not_found() {
        for path in ["/playground/absent.js", "/playground/../Cargo.toml", "/playground/%2e%2e/Cargo.toml", "/other"] {
            assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
