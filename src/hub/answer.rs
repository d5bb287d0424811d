//! How the hub's answers look in HTTP: JSON, and every refusal with its code, its status and words a developer understands.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::signaling::protocol::{ErrorBody, ErrorCode, Refusal, to_json};

/// A value as JSON, never kept by anybody on the way: it may hold a credential.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(to_json(&self.0)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// A picture, never kept by anybody on the way.
#[derive(Debug)]
pub struct Jpeg(pub Vec<u8>);

impl IntoResponse for Jpeg {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.0));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// It is done, and there is nothing to tell.
#[derive(Debug)]
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response()
    }
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refused(Refusal, StatusCode);

impl Refused {
    /// With a status other than the code's own.
    #[must_use]
    pub const fn with_status(refusal: Refusal, status: StatusCode) -> Self {
        Self(refusal, status)
    }

    /// A body, header or address that is not what the protocol says.
    #[must_use]
    pub fn bad(message: impl Into<String>) -> Self {
        Refusal::new(ErrorCode::ErrBadRequest, message).into()
    }

    /// What was refused.
    #[must_use]
    pub const fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.code.http_status());
        Self(refusal, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(error, status) = self;
        let (code, retry_after) = (error.code, error.details.retry_after);
        let mut response = Json(ErrorBody { error }).into_response();
        *response.status_mut() = status;
        // For whoever counts refusals.
        response.extensions_mut().insert(code);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Too many requests: come back after this time.
#[must_use]
pub fn too_many(message: &str, wait: std::time::Duration) -> Refusal {
    let mut refusal = Refusal::new(ErrorCode::ErrRateLimited, message);
    refusal.details.retry_after = Some(wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
    refusal
}
