//! The hub's no: every code it can answer with, and what travels with it. Nothing here decides when to say it.

use serde::{Deserialize, Serialize};

use super::Call;

/// Every error the hub can answer. Part of the protocol: a code is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// 400: the body, a header or a frame is not what the protocol says.
    ErrBadRequest,
    /// 409: another device answered first.
    ErrCallAnsweredElsewhere,
    /// 409: the caller is in a call already; it is in `details.call`.
    ErrCallBusySelf,
    /// 409: the one called is calling the caller; that call is in `details.call` and can be accepted.
    ErrCallBusyUser,
    /// 400: exactly one party of a call is a door.
    ErrCallInvalidParties,
    /// 403: not a party of this call, or not allowed to call this receiver.
    ErrCallNotAPart,
    /// 409: not answered yet, so it cannot be ended; cancel or reject it.
    ErrCallNotStarted,
    /// 409: answered already, so it cannot be rejected or cancelled; end it.
    ErrCallOngoingToInvalid,
    /// 404: no call of this id.
    ErrCallSessionNotFound,
    /// 409: the call is over; it is in `details.call`.
    ErrCallTerminated,
    /// 400: nobody calls themselves.
    ErrCallingSelf,
    /// 401: no credential, or one that is not known (any more).
    ErrUnauthorized,
    /// 403: known, but this is not for them.
    ErrForbidden,
    /// 500: the hub failed.
    ErrInternal,
    /// 404: nothing at this address.
    ErrNotFound,
    /// 413: larger than [`MAX_FRAME`](super::MAX_FRAME).
    ErrPayloadTooLarge,
    /// 410: the pairing code or enrolment token is wrong, used or expired.
    ErrPairingCodeInvalid,
    /// 429: too many requests; `details.retryAfter` has the seconds.
    ErrRateLimited,
    /// 404: no user or group of this id that the caller could know of.
    ErrReceiverNotFound,
    /// 409: as many viewers as the door can serve.
    ErrSessionFull,
    /// 401: the session token is wrong, expired, or of another device or call.
    ErrSessionTokenInvalid,
    /// 503: the hub is starting or stopping.
    ErrUnavailable,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::ErrBadRequest | Self::ErrCallInvalidParties | Self::ErrCallingSelf => 400,
            Self::ErrUnauthorized | Self::ErrSessionTokenInvalid => 401,
            Self::ErrCallNotAPart | Self::ErrForbidden => 403,
            Self::ErrCallSessionNotFound | Self::ErrNotFound | Self::ErrReceiverNotFound => 404,
            Self::ErrCallAnsweredElsewhere
            | Self::ErrCallBusySelf
            | Self::ErrCallBusyUser
            | Self::ErrCallNotStarted
            | Self::ErrCallOngoingToInvalid
            | Self::ErrCallTerminated
            | Self::ErrSessionFull => 409,
            Self::ErrPairingCodeInvalid => 410,
            Self::ErrPayloadTooLarge => 413,
            Self::ErrRateLimited => 429,
            Self::ErrInternal => 500,
            Self::ErrUnavailable => 503,
        }
    }
}

/// Why a verb was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For developers: what was found and what is allowed, in English.
    pub message: String,
    /// What a program may need besides.
    #[serde(default, skip_serializing_if = "RefusalDetails::is_empty")]
    pub details: RefusalDetails,
}

/// What a program may need to know of a refusal besides its code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalDetails {
    /// The call that stands in the way, or the call as it now stands.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<Box<Call>>,
    /// Seconds to wait before the next try.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after: Option<u64>,
}

impl RefusalDetails {
    fn is_empty(&self) -> bool {
        self.call.is_none() && self.retry_after.is_none()
    }
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: RefusalDetails::default() }
    }

    /// The same, with the call it is about.
    #[must_use]
    pub fn with_call(mut self, call: Call) -> Self {
        self.details.call = Some(Box::new(call));
        self
    }
}

/// Body of every answer with an HTTP status of 400 and above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The refusal.
    pub error: Refusal,
}
