//! What a device asks of the hub, and what it is answered when it is not refused: the verbs of the workflow as they stand in
//! the REST interface. Nothing here decides whether a verb is allowed.

use serde::{Deserialize, Serialize};

use super::{Call, CallType, DoorReport, EndReason, Metadata, Receiver, RejectStatus, Role, Still, Trace, to_json};
use crate::ids::{Nonce, RequestKey, SessionId};
use crate::redacted::Redacted;

/// A verb of the workflow, as a device asks for it. See [`VerbRequest::path`] for its place in the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Answer a ringing call, or join a joinable one.
    Accept {
        /// Which call.
        session_id: SessionId,
    },
    /// Hang up.
    End {
        /// Which call.
        session_id: SessionId,
        /// Why, where it is not simply hanging up.
        reason: Option<EndReason>,
    },
    /// Ask for the token with which the media session is started.
    GenerateToken {
        /// Which call.
        session_id: SessionId,
    },
    /// Call somebody.
    Initiate {
        /// Whom.
        receiver: Receiver,
        /// With picture or without.
        call_type: CallType,
        /// Words for the callee.
        metadata: Metadata,
    },
    /// From the door: keep a copy of these lines of its audit log.
    KeepAudit {
        /// As they stand there.
        lines: Vec<String>,
    },
    /// From the door: when what happened in a call that is over.
    KeepTrace {
        /// In which call.
        session_id: SessionId,
        /// When what happened.
        trace: Trace,
    },
    /// Ask the door to open, in a conversation with it.
    Open {
        /// In which call.
        session_id: SessionId,
        /// What the door gave for this.
        nonce: Redacted<Nonce>,
    },
    /// Tell the residents of this call that a visitor pressed another button.
    PressWaiting {
        /// The call that is going on.
        session_id: SessionId,
        /// Words about the press: `button`, `buttonLabel`.
        metadata: Metadata,
    },
    /// Refuse a ringing call, or, by its caller, cancel it.
    Reject {
        /// Which call.
        session_id: SessionId,
        /// How.
        status: RejectStatus,
    },
    /// From the door: what its release did, and what its contact says.
    ReportDoor {
        /// To the parties of which call.
        session_id: SessionId,
        /// What.
        report: DoorReport,
    },
    /// From the door: what its camera saw first.
    ShowStill {
        /// To those who ring in which call.
        session_id: SessionId,
        /// The picture.
        still: Still,
    },
}

/// A verb with its idempotency key. Sent again with the same key by the same device it has the same answer and no second effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbRequest {
    /// The key, unique per device.
    pub key: RequestKey,
    /// What is asked.
    pub verb: Verb,
}

/// What the hub says to a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerbAnswer {
    /// The call as it now stands.
    Call(Box<Call>),
    /// The lines, or the trace, are kept.
    Kept,
    /// The token that was asked for.
    Token(SessionToken),
}

/// Body of every verb that names a call:
/// `POST /v1/calls/{sessionId}/accept|door-report|end|open|press-waiting|reject|show-still|token|trace`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerbBody {
    /// Idempotency key.
    pub key: RequestKey,
    /// For `reject`: how.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<RejectStatus>,
    /// For `end`: why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<EndReason>,
    /// For `press-waiting`: words about the press.
    #[serde(skip_serializing_if = "Metadata::is_empty", default)]
    pub metadata: Metadata,
    /// For `open`: what the door gave for this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nonce: Option<Redacted<Nonce>>,
    /// For `door-report`: what the door says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub report: Option<DoorReport>,
    /// For `show-still`: the picture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub still: Option<Still>,
    /// For `trace`: when what happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<Trace>,
}

/// Body of `POST /v1/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditBody {
    /// Idempotency key; the lines' own numbers do the work.
    pub key: RequestKey,
    /// Lines of the door's audit log, as they stand there.
    pub lines: Vec<String>,
}

/// Answer of `POST /v1/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditKept {
    /// How many of the lines are kept now: all.
    pub kept: u64,
}

/// Body of `POST /v1/calls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitiateBody {
    /// Idempotency key.
    pub key: RequestKey,
    /// Whom.
    #[serde(flatten)]
    pub receiver: Receiver,
    /// With picture or without.
    #[serde(rename = "type")]
    pub call_type: CallType,
    /// Words for the callee.
    #[serde(skip_serializing_if = "Metadata::is_empty", default)]
    pub metadata: Metadata,
}

/// Answer of every verb of a call but `token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallBody {
    /// The call as it now stands.
    pub call: Call,
}

/// Answer of `token`: what is needed to start the media session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionToken {
    /// The token, for the `startSession` frame. Bound to call and device.
    pub token: Redacted<String>,
    /// The role at this time. An accept raises it without a new token.
    pub role: Role,
    /// Seconds for which a session can be started with it.
    pub expires_in: u64,
    /// Servers for ICE.
    pub ice_servers: Vec<IceServer>,
}

/// A STUN or TURN server, in the form a browser's `RTCPeerConnection` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub username: Option<String>,
    /// For TURN: ephemeral.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential: Option<Redacted<String>>,
}

impl VerbRequest {
    /// The path of this verb below the hub's address.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.verb {
            Verb::Accept { session_id } => format!("/v1/calls/{session_id}/accept"),
            Verb::End { session_id, .. } => format!("/v1/calls/{session_id}/end"),
            Verb::GenerateToken { session_id } => format!("/v1/calls/{session_id}/token"),
            Verb::Initiate { .. } => "/v1/calls".to_owned(),
            Verb::KeepAudit { .. } => "/v1/audit".to_owned(),
            Verb::KeepTrace { session_id, .. } => format!("/v1/calls/{session_id}/trace"),
            Verb::Open { session_id, .. } => format!("/v1/calls/{session_id}/open"),
            Verb::PressWaiting { session_id, .. } => format!("/v1/calls/{session_id}/press-waiting"),
            Verb::Reject { session_id, .. } => format!("/v1/calls/{session_id}/reject"),
            Verb::ReportDoor { session_id, .. } => format!("/v1/calls/{session_id}/door-report"),
            Verb::ShowStill { session_id, .. } => format!("/v1/calls/{session_id}/show-still"),
        }
    }

    /// The JSON body of this verb.
    #[must_use]
    pub fn body(&self) -> String {
        let empty = VerbBody {
            key: self.key.clone(),
            status: None,
            reason: None,
            metadata: Metadata::new(),
            nonce: None,
            report: None,
            still: None,
            trace: None,
        };
        match &self.verb {
            Verb::Accept { .. } | Verb::GenerateToken { .. } => to_json(&empty),
            Verb::End { reason, .. } => to_json(&VerbBody { reason: *reason, ..empty }),
            Verb::Initiate { receiver, call_type, metadata } => to_json(&InitiateBody {
                key: self.key.clone(),
                receiver: receiver.clone(),
                call_type: *call_type,
                metadata: metadata.clone(),
            }),
            Verb::KeepAudit { lines } => to_json(&AuditBody { key: self.key.clone(), lines: lines.clone() }),
            Verb::KeepTrace { trace, .. } => to_json(&VerbBody { trace: Some(*trace), ..empty }),
            Verb::Open { nonce, .. } => to_json(&VerbBody { nonce: Some(nonce.clone()), ..empty }),
            Verb::PressWaiting { metadata, .. } => to_json(&VerbBody { metadata: metadata.clone(), ..empty }),
            Verb::Reject { status, .. } => to_json(&VerbBody { status: Some(*status), ..empty }),
            Verb::ReportDoor { report, .. } => to_json(&VerbBody { report: Some(report.clone()), ..empty }),
            Verb::ShowStill { still, .. } => to_json(&VerbBody { still: Some(still.clone()), ..empty }),
        }
    }
}
