//! A door station's first words with its hub: a one-time token for a credential of its own. Used once, by the installer.

use std::time::Duration;

use super::client::{ClientError, http_client};
use super::identity::{Admission, EnrolBody};
use super::protocol::{ErrorBody, Refusal, to_json};
use crate::redacted::Redacted;

/// An installer waits for this, and wants to know.
const DEADLINE: Duration = Duration::from_secs(15);

/// Why a station was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] ClientError),
    /// The hub was not reached, or answered nonsense.
    #[error("the hub at {address} was not reached: {message}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What happened.
        message: String,
    },
    /// The hub refused.
    #[error("the hub refused: {} ({:?})", .0.message, .0.code)]
    Refused(Refusal),
}

/// Redeems an enrolment token at the hub of this address.
///
/// # Errors
/// The hub is not there, or the token is wrong, used or expired.
pub async fn enrol(
    address: &str,
    authority: Option<&[u8]>,
    token: Redacted<String>,
) -> Result<Admission, EnrolmentError> {
    let unreachable = |error: reqwest::Error| EnrolmentError::Unreachable {
        address: address.to_owned(),
        message: root_cause(&error.without_url()),
    };
    let response = http_client(authority)?
        .post(format!("{}/v1/enrol", address.trim_end_matches('/')))
        .header("content-type", "application/json")
        .body(to_json(&EnrolBody { token }))
        .timeout(DEADLINE)
        .send()
        .await
        .map_err(unreachable)?;
    if response.status().is_success() {
        return response.json().await.map_err(unreachable);
    }
    let refused: ErrorBody = response.json().await.map_err(unreachable)?;
    Err(EnrolmentError::Refused(refused.error))
}

/// What an installer can act on stands at the end of the chain: refused, unknown name, untrusted certificate.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
