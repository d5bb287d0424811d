//! Whether the hub lives (`/healthz`), whether it can do its work (`/readyz`), and its figures (`/metrics`). The figures have a
//! listener of their own, for the machine that watches over this one.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::time::timeout;
use tower::Service as _;

use super::answer::{Json, Refused};
use super::interface::Interface;
use super::log::QUEUE;
use super::metrics;
use super::orders::Order;
use crate::signaling::protocol::{ErrorCode, Refusal};

/// A loop that takes longer to answer rings nobody in time.
const BEAT: Duration = Duration::from_secs(1);

/// The paths of the listener for monitoring.
pub fn router(interface: Interface) -> Router {
    Router::new()
        .route("/metrics", get(figures))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(interface)
}

/// Answers by these paths.
pub async fn answer(mut paths: Router, request: Request) -> Response {
    let Ok(response) = paths.call(request).await;
    response
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// `GET /healthz`: the process is there and its loop is not gone.
pub async fn healthz(State(interface): State<Interface>) -> Response {
    match interface.handle.is_served() {
        true => Json(Health { status: "ok" }).into_response(),
        false => unready("the hub is stopping").into_response(),
    }
}

/// `GET /readyz`: the loop answers, and the disk keeps up with it.
pub async fn readyz(State(interface): State<Interface>) -> Response {
    let beat = timeout(BEAT, interface.handle.ask(|answer| Order::Beat { answer })).await;
    if !matches!(beat, Ok(Ok(()))) {
        return unready("the loop does not answer").into_response();
    }
    if interface.history.unwritten() > QUEUE / 2 {
        return unready("the log waits for the disk").into_response();
    }
    Json(Health { status: "ready" }).into_response()
}

async fn figures(State(interface): State<Interface>) -> Response {
    interface.metrics.waiting("orders", interface.handle.waiting());
    interface.metrics.waiting("log", interface.history.unwritten());
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
    (headers, interface.metrics.text()).into_response()
}

fn unready(why: &str) -> Refused {
    Refusal::new(ErrorCode::ErrUnavailable, why).into()
}
