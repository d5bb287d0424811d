// The client module: the ringing workflow's verbs and events for one paired device, usable by any page.
// Never touches the page: media elements are handed in, the microphone too. docs/protocol.md describes it.

import { Connection } from './connection.js';
import { MediaSession } from './media.js';
import { Openings } from './opening.js';
import { HubError, READ_PATIENCE_MS, ask, isOver, newKey } from './verbs.js';

/**
 * @import { Call, CallEvent, CallListener, CallType, HubFrame, Me, Metadata, Opener, OwnRules, PushState, ReceiverType, RejectStatus,
 *   SessionToken, Welcome } from './types.js'
 * @import { MediaElements } from './media.js'
 */

export { DoorError } from './opening.js';
export { HubError, isOver, pairDevice } from './verbs.js';

/** An unsent call is of no use any longer after this: whoever made it has looked at the screen. */
const INITIATE_PATIENCE_MS = 15_000;
const VERB_PATIENCE_MS = 60_000;
/** Somebody waits to see that this device is unpaired. */
const FORGET_PATIENCE_MS = 6_000;
/** A call the hub no longer knows of, and of whose end no event comes after a welcome. */
const VANISHED_MS = 3_000;
/** A connection without a sign of life is replaced, and if nothing comes of that, again. */
const LOST_MS = 100;
const AGAIN_MS = 4_000;
/** From the start of a session to its picture. */
const PICTURE_MS = 12_000;

export class Client {
  /** This device's user, once connected. */
  uid = '';
  /** This device, once connected. */
  deviceId = '';

  #hub;
  #credential;
  #connection;
  /** @type {Map<string, CallListener>} */
  #listeners = new Map();
  /** Calls that are not over: ringing here, or with this device in them. @type {Map<string, Call>} */
  #calls = new Map();
  /** Calls that are over for this device: for good, or `left`, which a join can undo. @type {Map<string, 'over' | 'left'>} */
  #concluded = new Map();
  /** Calls that this device hung up or refused, of which the hub has not heard yet. @type {Set<string>} */
  #leaving = new Set();
  /** @type {Call | null} */
  #active = null;
  /** Calls being made, of which the hub has not said yet what became of them. */
  #initiating = 0;
  /** Events that overtook the hub's answer to the verb that made their call. @type {CallEvent[]} */
  #overtaking = [];
  /** @type {Map<string, { media: MediaSession, token: SessionToken, timer?: ReturnType<typeof setTimeout> }>} */
  #sessions = new Map();

  #openings = new Openings({
    askNonce: (sessionId) => this.#connection.send({ type: 'askNonce', sessionId }),
    open: (sessionId, body, patience) => this.#verb(`/v1/calls/${sessionId}/open`, body, patience, sessionId),
    tell: (name, ...args) => this.#tell(name, ...args),
  });

  /** @param {{ hub?: string, credential: string }} options */
  constructor({ hub = location.origin, credential }) {
    this.#hub = hub;
    this.#credential = credential;
    this.#connection = new Connection(hub, credential, {
      welcome: (welcome) => this.#welcome(welcome),
      event: (event) => this.#event(event),
      session: (frame) => this.#session(frame),
      state: (state, refusal) => this.#tell('onConnectionChanged', state, refusal),
    });
  }

  // ------------------------------------------------------------------------------------------------------- connection

  connect() {
    this.#connection.open();
  }

  /** Ends every media session here and closes the socket. The calls go on at the hub for its grace time. */
  disconnect() {
    for (const sessionId of [...this.#sessions.keys()]) this.#dropSession(sessionId);
    this.#connection.close();
  }

  /**
   * Disconnects and gives this device's credential back: resolved, it is worth nothing any more. Rejected, the hub was not
   * reached, and only its administrator can take the credential away.
   * @returns {Promise<void>}
   */
  async forgetDevice() {
    this.disconnect();
    try {
      await ask({ hub: this.#hub, credential: this.#credential, method: 'DELETE', path: '/v1/me/device', patience: FORGET_PATIENCE_MS });
    } catch (error) {
      // The answer to an earlier attempt was lost, or somebody else revoked it: that is what was wanted.
      if (!(error instanceof HubError && error.code === 'ERR_UNAUTHORIZED')) throw error;
    }
  }

  get connectionState() {
    return this.#connection.state;
  }

  /**
   * Registers a listener; the same id again replaces it.
   * @param {string} id
   * @param {CallListener} listener
   */
  addCallListener(id, listener) {
    this.#listeners.set(id, listener);
  }

  /** @param {string} id */
  removeCallListener(id) {
    this.#listeners.delete(id);
  }

  // ------------------------------------------------------------------------------------------------------------ verbs

  /**
   * @param {{ receiver: string, receiverType: ReceiverType, type: CallType, metadata?: Metadata }} whom
   * @returns {Promise<Call>}
   */
  async initiateCall({ receiver, receiverType, type, metadata = {} }) {
    const body = { key: newKey(), receiverType, receiver, type, metadata };
    this.#initiating += 1;
    try {
      return this.#enter(await this.#verb('/v1/calls', body, INITIATE_PATIENCE_MS));
    } finally {
      this.#initiating -= 1;
      // Told again when whoever called has the answer.
      const overtaking = this.#overtaking.splice(0);
      setTimeout(() => overtaking.forEach((event) => this.#event(event)));
    }
  }

  /**
   * Answers. Only when this has resolved is this device in the conversation.
   * @param {string} sessionId
   * @returns {Promise<Call>}
   */
  async acceptCall(sessionId) {
    const answer = await this.#verb(`/v1/calls/${sessionId}/accept`, { key: newKey() }, VERB_PATIENCE_MS, sessionId);
    // Joining a call that another resident answered brings it back to this device.
    if (this.#concluded.get(sessionId) === 'left') this.#concluded.delete(sessionId);
    const call = this.#enter(answer);
    const session = this.#sessions.get(sessionId);
    // There was no room among the viewers; a participant always has one.
    if (session?.media.state === 'refused') void this.#restart(sessionId);
    return call;
  }

  /**
   * Refuses a call that rings here, or takes back (`cancelled`) one that this device made.
   * @param {string} sessionId
   * @param {RejectStatus} [status]
   * @returns {Promise<Call>}
   */
  async rejectCall(sessionId, status = 'rejected') {
    const call = await this.#leave(sessionId, 'reject', { key: newKey(), status });
    // Others of the group may still be ringing: it is over for this device.
    this.#forget(call, 'left');
    return call;
  }

  /**
   * Hangs up.
   * @param {string} sessionId
   * @returns {Promise<Call>}
   */
  async endCall(sessionId) {
    const call = await this.#leave(sessionId, 'end', { key: newKey() });
    this.#forget(call, isOver(call) ? 'over' : 'left');
    return call;
  }

  /**
   * Until the hub has heard of it, what it says of this call is old news: a call that was hung up must not come back.
   * @param {string} sessionId
   * @param {'end' | 'reject'} verb
   * @param {object} body
   * @returns {Promise<Call>}
   */
  async #leave(sessionId, verb, body) {
    this.#leaving.add(sessionId);
    try {
      return await this.#verb(`/v1/calls/${sessionId}/${verb}`, body, VERB_PATIENCE_MS, sessionId);
    } finally {
      this.#leaving.delete(sessionId);
    }
  }

  /**
   * Opens the door of a conversation. Resolved, it is released; whether somebody then opened it, `onDoorContact` tells.
   * Rejected with a `DoorError`, the door does not open; with a `HubError`, the hub does not let this device ask.
   * @param {string} sessionId
   * @returns {Promise<{ opener: Opener, releasedFor: number }>}
   */
  openDoor(sessionId) {
    return this.#openings.open(sessionId, newKey());
  }

  /** The call this device is in: made here or answered here, until it is over. */
  get activeCall() {
    return this.#active;
  }

  clearActiveCall() {
    this.#active = null;
  }

  /** Calls that ring here, the oldest first. */
  get ringingCalls() {
    return [...this.#calls.values()].filter((call) => call.status === 'initiated' && !this.#isCaller(call));
  }

  /**
   * The user, their groups and the doors they may call.
   * @returns {Promise<Me>}
   */
  me() {
    return this.#read('/v1/me');
  }

  /**
   * Calls of this user that are over, the latest first.
   * @param {{ before?: number, limit?: number }} [which] only calls begun before this time (milliseconds since 1970), and
   *   not more than so many (the hub gives at most 100)
   * @returns {Promise<Call[]>}
   */
  async history(which = {}) {
    const query = new URLSearchParams(Object.entries(which).map(([key, value]) => [key, String(value)]));
    const { calls } = /** @type {{ calls: Call[] }} */ (await this.#read(`/v1/calls?${query}`));
    return calls;
  }

  /**
   * What the door's camera saw first, for a call with `stillAt`. Rejected where this device may not see it, or not any more.
   * @param {string} sessionId
   * @returns {Promise<Blob>}
   */
  still(sessionId) {
    return this.#read(`/v1/calls/${sessionId}/still`);
  }

  /**
   * When it does not ring at this resident's.
   * @returns {Promise<OwnRules>}
   */
  rules() {
    return this.#read('/v1/me/rules');
  }

  /**
   * @param {OwnRules} body
   * @returns {Promise<OwnRules>}
   */
  setRules(body) {
    return ask({ hub: this.#hub, credential: this.#credential, method: 'PUT', path: '/v1/me/rules', body, patience: READ_PATIENCE_MS });
  }

  // ------------------------------------------------------------------------------------------------------------- push

  /**
   * The key to subscribe with, if this hub sends pushes, and whether it would wake this device.
   * @returns {Promise<PushState>}
   */
  pushState() {
    return this.#read('/v1/me/device/push');
  }

  /**
   * Lets the hub wake this device.
   * @param {PushSubscriptionJSON} body what the browser's subscription gives
   * @returns {Promise<void>}
   */
  subscribePush(body) {
    return ask({ hub: this.#hub, credential: this.#credential, method: 'PUT', path: '/v1/me/device/push', body, patience: READ_PATIENCE_MS });
  }

  /** @returns {Promise<void>} */
  unsubscribePush() {
    return ask({ hub: this.#hub, credential: this.#credential, method: 'DELETE', path: '/v1/me/device/push', patience: READ_PATIENCE_MS });
  }

  // ---------------------------------------------------------------------------------------------------- media session

  /**
   * @param {string} sessionId
   * @returns {Promise<SessionToken>}
   */
  generateToken(sessionId) {
    return this.#ask(`/v1/calls/${sessionId}/token`, { key: newKey() }, VERB_PATIENCE_MS, sessionId);
  }

  /**
   * Starts the media session of a call, or starts it again. It is kept alive until `endSession` or the end of the call.
   * @param {string} sessionId
   * @param {SessionToken} token
   * @param {MediaElements} elements
   * @returns {MediaSession}
   */
  startSession(sessionId, token, elements) {
    this.#dropSession(sessionId);
    const media = new MediaSession(token, elements, {
      send: (peer, signal) => this.#connection.send({ type: 'signal', sessionId, peer, signal }),
      changed: () => this.#watch(sessionId),
    });
    this.#sessions.set(sessionId, { media, token });
    const call = this.#calls.get(sessionId);
    void media.assign(call && this.#isInside(call) ? 'participant' : 'viewer');
    this.#connection.send({ type: 'startSession', sessionId, token: token.token });
    this.#watch(sessionId);
    return media;
  }

  /** @param {string} sessionId */
  endSession(sessionId) {
    if (this.#sessions.has(sessionId)) this.#connection.send({ type: 'endSession', sessionId });
    this.#dropSession(sessionId);
  }

  /** @param {string} sessionId */
  #dropSession(sessionId) {
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    this.#sessions.delete(sessionId);
    clearTimeout(session.timer);
    session.media.end();
  }

  /**
   * Replaces a connection that does not come about or does not come back. The door does the same on its side.
   * @param {string} sessionId
   */
  #watch(sessionId) {
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    clearTimeout(session.timer);
    const { state } = session.media;
    if (state === 'connected' || state === 'refused' || state === 'ended') return;
    if (state === 'lost') this.#connection.doubt();
    session.timer = setTimeout(() => void this.#restart(sessionId), state === 'lost' ? LOST_MS : PICTURE_MS);
  }

  /** @param {string} sessionId */
  async #restart(sessionId) {
    const session = this.#sessions.get(sessionId);
    if (!session) return;
    clearTimeout(session.timer);
    session.timer = session.media.state === 'connected' ? undefined : setTimeout(() => void this.#restart(sessionId), AGAIN_MS);
    // Without the hub there is nobody to ask; the next welcome brings us here again.
    if (this.#connection.state !== 'online') return;
    try {
      const token = await this.generateToken(sessionId);
      if (this.#sessions.get(sessionId) !== session) return;
      session.media.renew(token);
      this.#connection.send({ type: 'startSession', sessionId, token: token.token, keeps: session.media.keeps });
    } catch (error) {
      this.#reconcile(error);
      if (this.#sessions.get(sessionId) === session && session.media.state !== 'connected') session.media.refused();
    }
  }

  /** @param {Exclude<HubFrame, { type: 'event' | 'nonceAsked' | 'pong' | 'refused' | 'welcome' }>} frame */
  #session(frame) {
    if (frame.type === 'doorNotice' || frame.type === 'nonce' || frame.type === 'nonceRefused') return this.#openings.frame(frame);
    const session = this.#sessions.get(frame.sessionId);
    if (!session) return;
    switch (frame.type) {
      case 'sessionStarted':
        session.media.started();
        // Never lowered: an accept that is already answered stands over a frame that was on its way before it.
        if (frame.role === 'participant') void session.media.assign('participant');
        return;
      case 'sessionRefused':
        if (frame.error.code === 'ERR_SESSION_TOKEN_INVALID') void this.#restart(frame.sessionId);
        else {
          this.#reconcile(new HubError(frame.error));
          session.media.refused();
        }
        return;
      case 'sessionEnded':
        // Of a conversation its event tells the end, except to the device that ended it: perhaps this page, before it was
        // loaded anew. The answer to the question for a new token knows.
        if (this.#active?.sessionId === frame.sessionId) void this.#restart(frame.sessionId);
        else this.#dropSession(frame.sessionId);
        return;
      case 'signal':
        session.media.apply(frame.peer, frame.signal);
    }
  }

  // ------------------------------------------------------------------------------------------- what the hub tells us

  /** @param {Welcome} welcome */
  #welcome({ uid, deviceId, calls }) {
    this.uid = uid;
    this.deviceId = deviceId;
    const known = new Set(this.#calls.keys());
    for (const call of calls) {
      if (isOver(call) || this.#concluded.has(call.sessionId) || this.#leaving.has(call.sessionId)) continue;
      const learned = this.#learn(call);
      if (this.#isCaller(call) || this.#isInside(call)) {
        this.#active = learned;
        this.#tell('onCallUpdated', learned);
      } else if (!known.has(call.sessionId)) {
        this.#tell('onIncomingCallReceived', learned, { ringsFor: 45_000, waiting: false });
      }
    }
    const told = new Set(calls.map((call) => call.sessionId));
    const unsaid = [...known].filter((sessionId) => !told.has(sessionId));
    setTimeout(() => void this.#vanish(unsaid), VANISHED_MS);
    // The hub relays nothing until a session is started on this socket; a connection that is up is kept.
    for (const sessionId of this.#sessions.keys()) void this.#restart(sessionId);
  }

  /**
   * The hub no longer counts these among this device's calls, and no event said why.
   * @param {string[]} sessionIds
   */
  async #vanish(sessionIds) {
    for (const sessionId of sessionIds) {
      if (!this.#calls.has(sessionId)) continue;
      try {
        const { call } = /** @type {{ call: Call }} */ (await this.#read(`/v1/calls/${sessionId}`));
        this.#settle(call);
      } catch {
        const call = this.#calls.get(sessionId);
        if (call) this.#conclude({ ...call, status: call.status === 'ongoing' ? 'ended' : 'unanswered' });
      }
    }
  }

  /**
   * What a refusal says of a call, an event will tell too, or told: whoever is first.
   * @param {unknown} error
   */
  #reconcile(error) {
    if (error instanceof HubError && error.call) this.#settle(error.call);
  }

  /**
   * Done with here, if this newer picture of a call says so.
   * @param {Call} call
   */
  #settle(call) {
    if (isOver(call)) this.#conclude(call);
    else if (call.status === 'ongoing' && !this.#isInside(call)) this.#elsewhere(call);
  }

  /** @param {Call} call */
  #elsewhere(call) {
    if (this.#concluded.has(call.sessionId) || this.#joinedSince(call)) return;
    this.#forget(call, 'left');
    this.#tell('onCallAnsweredElsewhere', call);
  }

  /** @param {CallEvent} frame */
  #event(frame) {
    const { sessionId, event } = frame;
    const isOldNews = event.name === 'incomingCallReceived' || event.name === 'outgoingCallAccepted' || event.name === 'callUpdated';
    if (isOldNews && this.#leaving.has(sessionId)) return;
    switch (event.name) {
      case 'incomingCallReceived': {
        if (this.#concluded.has(sessionId)) return;
        const call = this.#learn(event.call);
        if (call.status === 'initiated') this.#tell('onIncomingCallReceived', call, event);
        return;
      }
      case 'outgoingCallAccepted':
        // It may overtake the answer to the verb that made the call.
        this.#enter(event.call);
        this.#tell('onOutgoingCallAccepted', this.#learn(event.call), event.by);
        return;
      case 'callAnsweredElsewhere':
        this.#elsewhere(event.call);
        return;
      case 'callEnded':
      case 'incomingCallCancelled':
      case 'outgoingCallRejected':
        this.#conclude(event.call);
        return;
      case 'callUpdated':
        this.#tell('onCallUpdated', this.#learn(event.call));
        return;
    }
    const call = this.#calls.get(sessionId);
    if (!call) {
      if (this.#initiating > 0) this.#overtaking.push(frame);
      return;
    }
    switch (event.name) {
      case 'callDelivered':
        this.#tell('onCallDelivered', call, event);
        return;
      case 'doorContact':
      case 'doorOpened':
      case 'openingRefused':
        return this.#openings.event(call, event);
      case 'participantJoined':
        this.#tell('onParticipantJoined', call, event.participant);
        return;
      case 'participantLeft':
        this.#tell('onParticipantLeft', call, event.participant);
        return;
      case 'pressWaiting':
        this.#tell('onPressWaiting', call, event.metadata);
        return;
      case 'callViewed':
      case 'openingAsked':
      case 'viewerLeft':
        // The door's business.
        return;
    }
  }

  /**
   * Keeps the newest picture of a call.
   * @param {Call} call
   * @returns {Call}
   */
  #learn(call) {
    const known = this.#calls.get(call.sessionId);
    if (known && known.entry > call.entry) return known;
    if (this.#concluded.has(call.sessionId)) return call;
    if (isOver(call)) {
      this.#forget(call, 'over');
      return call;
    }
    this.#calls.set(call.sessionId, call);
    if (this.#active?.sessionId === call.sessionId) this.#active = call;
    if (this.#isInside(call)) void this.#sessions.get(call.sessionId)?.media.assign('participant');
    return call;
  }

  /**
   * This device is in this call now, unless its end was told before.
   * @param {Call} call
   * @returns {Call}
   */
  #enter(call) {
    const learned = this.#learn(call);
    if (this.#calls.has(call.sessionId)) this.#active = learned;
    return learned;
  }

  /**
   * The call is over for this device.
   * @param {Call} call
   * @param {'over' | 'left'} how
   */
  #forget(call, how) {
    this.#concluded.set(call.sessionId, how);
    this.#calls.delete(call.sessionId);
    if (this.#active?.sessionId === call.sessionId) this.#active = null;
    this.#dropSession(call.sessionId);
  }

  /**
   * The call is over for everybody. Told once.
   * @param {Call} call
   */
  #conclude(call) {
    if (this.#concluded.get(call.sessionId) === 'over' || this.#joinedSince(call)) return;
    const told = this.#concluded.has(call.sessionId);
    this.#forget(call, 'over');
    // This device left it before: its page has no use for the news.
    if (told) return;
    if (call.status === 'ended') this.#tell('onCallEnded', call);
    else if (this.#isCaller(call)) this.#tell('onOutgoingCallRejected', call);
    else this.#tell('onIncomingCallCancelled', call);
  }

  /**
   * Whether this device joined after what this picture of the call tells: a resident whose other device refused may still
   * join, and the answer to that can overtake the news of the refusal.
   * @param {Call} call
   */
  #joinedSince(call) {
    const known = this.#calls.get(call.sessionId);
    return known !== undefined && known.entry > call.entry && this.#isInside(known);
  }

  /** @param {Call} call */
  #isCaller(call) {
    return call.initiator.deviceId === this.deviceId;
  }

  /**
   * Whether this device consented: it answered, or it made the call and was answered.
   * @param {Call} call
   */
  #isInside(call) {
    if (call.status !== 'ongoing') return false;
    return this.#isCaller(call) || call.participants.some((one) => one.deviceId === this.deviceId && one.state === 'ongoing');
  }

  // ---------------------------------------------------------------------------------------------------------- asking

  /**
   * @param {string} path
   * @param {object} body
   * @param {number} patience
   * @param {string} [sessionId]
   * @returns {Promise<Call>}
   */
  async #verb(path, body, patience, sessionId) {
    try {
      const { call } = /** @type {{ call: Call }} */ (await this.#ask(path, body, patience, sessionId));
      return call;
    } catch (error) {
      // The refusal tells what an event will tell too, or told: whoever is first.
      if (error instanceof HubError && error.call && isOver(error.call)) this.#conclude(error.call);
      throw error;
    }
  }

  /**
   * @template T
   * @param {string} path
   * @param {object} body
   * @param {number} patience
   * @param {string} [sessionId]
   * @returns {Promise<T>}
   */
  #ask(path, body, patience, sessionId) {
    const pointless = () => sessionId !== undefined && this.#concluded.has(sessionId);
    return ask({ hub: this.#hub, credential: this.#credential, method: 'POST', path, body, patience, pointless });
  }

  /**
   * @template T
   * @param {string} path
   * @returns {Promise<T>}
   */
  #read(path) {
    return ask({ hub: this.#hub, credential: this.#credential, method: 'GET', path, patience: READ_PATIENCE_MS });
  }

  /**
   * @template {keyof CallListener} Name
   * @param {Name} name
   * @param {Parameters<NonNullable<CallListener[Name]>>} args
   */
  #tell(name, ...args) {
    for (const listener of [...this.#listeners.values()]) {
      const heard = /** @type {((...args: unknown[]) => void) | undefined} */ (listener[name]);
      try {
        heard?.apply(listener, args);
      } catch (error) {
        // One listener's fault is not the others'.
        reportError(error);
      }
    }
  }
}
