// The words between a device and the hub as they stand on the wire (docs/protocol.md), for the type checker. Holds no code.

export type CallType = 'audio' | 'video';
export type ReceiverType = 'user' | 'group';
export type CallStatus = 'initiated' | 'ongoing' | 'ended' | 'rejected' | 'busy' | 'cancelled' | 'unanswered';
export type RejectStatus = 'rejected' | 'busy' | 'cancelled';
export type EndReason = 'doorGone' | 'doorHungUp' | 'mediaLost' | 'maximumDuration' | 'residentGone' | 'residentHungUp';
export type Role = 'door' | 'participant' | 'viewer';
export type Metadata = Record<string, string>;

export interface Leg {
  uid: string;
  deviceId: string;
  name: string;
}

export interface Participant extends Leg {
  state: 'busy' | 'ended' | 'ongoing' | 'rejected';
  joinedAt?: number;
  leftAt?: number;
}

export interface Call {
  sessionId: string;
  type: CallType;
  status: CallStatus;
  endReason?: EndReason;
  initiator: Leg;
  receiverType: ReceiverType;
  receiver: string;
  receiverName: string;
  door: string;
  initiatedAt: number;
  startedAt?: number;
  endedAt?: number;
  duration?: number;
  participants: Participant[];
  metadata: Metadata;
  /** There is a still picture, since then. */
  stillAt?: number;
  entry: number;
}

export interface SessionToken {
  token: string;
  role: Role;
  expiresIn: number;
  iceServers: RTCIceServer[];
}

export type ErrorCode =
  | 'ERR_BAD_REQUEST'
  | 'ERR_CALL_ANSWERED_ELSEWHERE'
  | 'ERR_CALL_BUSY_SELF'
  | 'ERR_CALL_BUSY_USER'
  | 'ERR_CALL_INVALID_PARTIES'
  | 'ERR_CALL_NOT_A_PART'
  | 'ERR_CALL_NOT_STARTED'
  | 'ERR_CALL_ONGOING_TO_INVALID'
  | 'ERR_CALL_SESSION_NOT_FOUND'
  | 'ERR_CALL_TERMINATED'
  | 'ERR_CALLING_SELF'
  | 'ERR_UNAUTHORIZED'
  | 'ERR_FORBIDDEN'
  | 'ERR_INTERNAL'
  | 'ERR_NOT_FOUND'
  | 'ERR_PAYLOAD_TOO_LARGE'
  | 'ERR_PAIRING_CODE_INVALID'
  | 'ERR_RATE_LIMITED'
  | 'ERR_RECEIVER_NOT_FOUND'
  | 'ERR_SESSION_FULL'
  | 'ERR_SESSION_TOKEN_INVALID'
  | 'ERR_UNAVAILABLE';

/** What this page adds: the hub could not be reached in time. */
export type LocalErrorCode = 'ERR_NO_CONNECTION';

export interface Refusal {
  code: ErrorCode | LocalErrorCode;
  message: string;
  details?: { call?: Call; retryAfter?: number };
}

/** By whose authority the door was opened. */
export type Opener =
  | { authority: 'administrator' }
  | { authority: 'participant'; opening: string; by: Leg }
  | { authority: 'requestToExit' }
  | { authority: 'schedule'; button: string };

export type OpeningRefusal =
  | 'noRelease'
  | 'nonceExpired'
  | 'nonceUnknown'
  | 'notAParticipant'
  | 'relayFailed'
  | 'stopping'
  | 'tampered';

/** What the contact of the door says of its leaf. */
export type DoorState = 'closed' | 'forced' | 'leftOpen' | 'notOpened' | 'opened';

/** What everybody who may call a door is told of it, call or not. */
export interface DoorNotice {
  door: string;
  doorName: string;
  notice: 'forced' | 'leftOpen' | 'relayFailed' | 'tampered' | 'tamperOver';
  at: number;
}

export type NonceAnswer = { issued: { nonce: string; expiresIn: number } } | { refused: { reason: OpeningRefusal } };

export type EventKind =
  | { name: 'callAnsweredElsewhere'; call: Call }
  | { name: 'callDelivered'; delivered: number; notified: number; members: number; undisturbed?: number }
  | { name: 'callEnded'; call: Call }
  | { name: 'callUpdated'; call: Call }
  | { name: 'callViewed'; viewer: Leg }
  | { name: 'doorContact'; state: DoorState }
  | { name: 'doorOpened'; opener: Opener; releasedFor: number }
  | { name: 'incomingCallCancelled'; call: Call }
  | { name: 'incomingCallReceived'; call: Call; ringsFor: number; waiting: boolean }
  | { name: 'openingAsked'; by: Leg; opening: string; nonce: string }
  | { name: 'openingRefused'; opening: string; reason: OpeningRefusal }
  | { name: 'outgoingCallAccepted'; call: Call; by: Leg }
  | { name: 'outgoingCallRejected'; call: Call }
  | { name: 'participantJoined'; participant: Leg; keeps?: number }
  | { name: 'participantLeft'; participant: Leg }
  | { name: 'pressWaiting'; metadata: Metadata }
  | { name: 'viewerLeft'; viewer: Leg };

export interface CallEvent {
  sessionId: string;
  entry: number;
  event: EventKind;
}

export type Signal =
  | { kind: 'answer'; sdp: string }
  | { kind: 'candidate'; candidate: string; sdpMLineIndex: number }
  | { kind: 'offer'; sdp: string };

export interface Seen {
  sessionId: string;
  entry: number;
}

export type ClientFrame =
  | { type: 'acknowledge'; sessionId: string; entry: number }
  | { type: 'askNonce'; sessionId: string }
  | { type: 'endSession'; sessionId: string }
  | { type: 'hello'; protocol: number; credential?: string; seen: Seen[] }
  | { type: 'nonce'; sessionId: string; deviceId: string; answer: NonceAnswer }
  | { type: 'ping' }
  | { type: 'signal'; sessionId: string; peer: number; signal: Signal }
  | { type: 'startSession'; sessionId: string; token: string; keeps?: number };

export interface Welcome {
  type: 'welcome';
  protocol: number;
  uid: string;
  deviceId: string;
  heartbeat: number;
  time: number;
  calls: Call[];
}

export type HubFrame =
  | ({ type: 'doorNotice' } & DoorNotice)
  | ({ type: 'event' } & CallEvent)
  | { type: 'nonce'; sessionId: string; answer: NonceAnswer }
  | { type: 'nonceAsked'; sessionId: string; deviceId: string }
  | { type: 'nonceRefused'; sessionId: string; error: Refusal }
  | { type: 'pong' }
  | { type: 'refused'; error: Refusal }
  | { type: 'sessionEnded'; sessionId: string }
  | { type: 'sessionRefused'; sessionId: string; error: Refusal }
  | { type: 'sessionStarted'; sessionId: string; role: Role }
  | { type: 'signal'; sessionId: string; deviceId: string; peer: number; signal: Signal }
  | Welcome;

/** Answer of `POST /v1/pair`. */
export interface Pairing {
  credential: string;
  uid: string;
  deviceId: string;
}

/** Body and answer of `/v1/me/rules`. */
export interface OwnRules {
  doNotDisturb: boolean;
  doNotDisturbUntil?: number;
  quietHours?: { from: string; to: string };
}

/** Answer of `GET /v1/me/device/push`. */
export interface PushState {
  applicationServerKey?: string;
  subscribed: boolean;
}

/** What a push says, decrypted. */
export type PushMessage =
  | { kind: 'over'; sessionId: string; door: string; status: CallStatus }
  | { kind: 'ring'; sessionId: string; door: string };

/** Answer of `GET /v1/me`. */
export interface Me {
  uid: string;
  name: string;
  deviceId: string;
  groups: { guid: string; name: string }[];
  doors: { uid: string; name: string; online?: boolean }[];
}

export type ConnectionState = 'connecting' | 'online' | 'offline' | 'refused';

/** What a page hears. Every method may be left out. */
export interface CallListener {
  onIncomingCallReceived?(call: Call, ring: { ringsFor: number; waiting: boolean }): void;
  onOutgoingCallAccepted?(call: Call, by: Leg): void;
  onOutgoingCallRejected?(call: Call): void;
  onIncomingCallCancelled?(call: Call): void;
  onCallEnded?(call: Call): void;
  onCallAnsweredElsewhere?(call: Call): void;
  onCallDelivered?(call: Call, counts: { delivered: number; notified: number; members: number; undisturbed?: number }): void;
  onParticipantJoined?(call: Call, participant: Leg): void;
  onParticipantLeft?(call: Call, participant: Leg): void;
  onPressWaiting?(call: Call, metadata: Metadata): void;
  onCallUpdated?(call: Call): void;
  onDoorOpened?(call: Call, opener: Opener, releasedFor: number): void;
  onDoorContact?(call: Call, state: DoorState): void;
  onDoorNotice?(notice: DoorNotice): void;
  onConnectionChanged?(state: ConnectionState, refusal?: Refusal): void;
}
