//! The residents' app, embedded in the binary: files by their names, with the headers that keep a page from doing anything
//! but what it is for. No path of a request ever reaches a file system (in a development build it does, below `app/` only).

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::HEXLOWER;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::answer::Refused;
use crate::signaling::protocol::{ErrorCode, Refusal};

#[derive(RustEmbed)]
#[folder = "app/"]
#[include = "*.html"]
#[include = "*.css"]
#[include = "*.js"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.ico"]
#[include = "*.woff2"]
#[include = "*.webmanifest"]
#[exclude = "node_modules/*"]
#[exclude = "panel/*"]
struct Files;

const POLICIES: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
         object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"),
];
const PERMISSIONS: (HeaderName, &str) =
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(self), geolocation=(), payment=(), usb=()");

/// The file of this path.
pub async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let name = match uri.path() {
        "/" => "index.html",
        // The page asks for its files below this path.
        "/admin" => return Redirect::permanent("/admin/").into_response(),
        "/admin/" => "admin/index.html",
        path => path.trim_start_matches('/'),
    };
    match Files::get(name) {
        None => Refused::from(Refusal::new(ErrorCode::ErrNotFound, "there is nothing at this address")).into_response(),
        Some(_) if method != Method::GET && method != Method::HEAD => {
            let refusal =
                Refusal::new(ErrorCode::ErrBadRequest, format!("{method} is not allowed here; allowed: GET, HEAD"));
            let mut refused = Refused::with_status(refusal, StatusCode::METHOD_NOT_ALLOWED).into_response();
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        }
        Some(found) => answer(&found, &headers),
    }
}

fn answer(file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", HEXLOWER.encode(&file.metadata.sha256_hash()[..16]));
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let unchanged = known.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data.to_vec()))
    };
    let mime = file.metadata.mimetype();
    let mime = if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
    let headers = response.headers_mut();
    for (name, value) in POLICIES.into_iter().chain([PERMISSIONS]) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [(ETAG, tag), (CONTENT_TYPE, mime)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}
