// The calls of this page: hears what the client tells, does what the resident taps, and keeps for the screens what to show.
// Never builds an element of a screen.

import { HubError } from './client.js';
import { Line } from './line.js';
import { Microphone } from './microphone.js';
import { doorName, errorText, openingText, t } from './texts.js';

/**
 * @import { Call, CallListener, Me } from './types.js'
 * @import { Client } from './client.js'
 * @import { Ring } from './ring.js'
 */

/** How long the outcome of a call stays on the screen. */
const FAREWELL_MS = 4_000;
/** How long a door that did not open is spoken of. */
const OPENING_REFUSED_MS = 7_000;
/** A call that is to be answered and is not told of by then is over. */
const WANTED_MS = 10_000;
/** The hub's own timer decides; this is for a hub that is gone. */
const RING_SLACK_MS = 4_000;

export class Switchboard {
  /** By session id, the oldest first. @type {Map<string, Line>} */
  lines = new Map();
  microphone = new Microphone();
  /** The door to which a call is being placed. @type {string | null} */
  placing = null;
  /** An error, in a resident's words. @type {string | null} */
  complaint = null;
  /** Called after every change. @type {() => void} */
  onChange = () => {};
  /** Called when the list of calls may have grown. @type {() => void} */
  onHistory = () => {};
  /** Which ringing call is looked at, where several ring. @type {string | null} */
  #picked = null;
  /** To be answered once it rings here. @type {string | null} */
  #wanted = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wanting;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #complaining;
  #client;
  #ring;

  /**
   * @param {Client} client
   * @param {Ring} ring
   */
  constructor(client, ring) {
    this.#client = client;
    this.#ring = ring;
    this.microphone.onChange = () => this.#changed();
    client.addCallListener('switchboard', this.#listener());
  }

  /** The call on the screen: the one this device is in, else the one that was picked, else the one that rings longest. */
  get shown() {
    const lines = [...this.lines.values()];
    const inside = lines.find(({ phase }) => phase.at === 'talking' || phase.at === 'answering' || phase.at === 'calling');
    const ringing = lines.filter(({ phase }) => phase.at === 'ringing');
    return inside ?? ringing.find(({ call }) => call.sessionId === this.#picked) ?? ringing[0] ?? lines.at(-1) ?? null;
  }

  /** Those that ring besides the one on the screen. */
  get waiting() {
    const { shown } = this;
    return [...this.lines.values()].filter((line) => line !== shown && line.phase.at === 'ringing');
  }

  // ------------------------------------------------------------------------------------------ what the resident does

  /** @param {Me['doors'][number]} door */
  async callDoor(door) {
    if (this.placing) return;
    this.placing = door.uid;
    void this.microphone.open();
    this.#changed();
    try {
      const call = await this.#client.initiateCall({ receiver: door.uid, receiverType: 'user', type: 'video' });
      // What the door did with it may have come before.
      const told = this.lines.has(call.sessionId) || this.#client.activeCall?.sessionId !== call.sessionId;
      if (!told) this.#add(call, { at: 'calling', delivered: false });
    } catch (error) {
      this.microphone.close();
      this.complain(error);
    } finally {
      this.placing = null;
      this.#changed();
    }
  }

  /** @param {Line} line */
  async answer(line) {
    if (line.phase.at !== 'ringing') return;
    const before = line.phase;
    line.phase = { at: 'answering' };
    // From this very touch: the sound may play, and the microphone is asked for. Nobody waits for either.
    void line.media?.listen();
    line.audio.play().catch(() => {});
    const microphone = this.microphone.open();
    this.#changed();
    try {
      const call = await this.#client.acceptCall(line.call.sessionId);
      line.call = call;
      if (!line.over) this.#talk(line, microphone);
    } catch (error) {
      if (line.phase.at === 'answering') line.phase = before;
      this.#closeMicrophone();
      if (!(error instanceof HubError && error.code === 'ERR_CALL_TERMINATED' && line.over)) this.complain(error);
      if (error instanceof HubError && error.code === 'ERR_CALL_ANSWERED_ELSEWHERE' && !line.over) {
        this.#farewell(line, 'answeredElsewhere', error.call ?? line.call);
      } else if (error instanceof HubError && error.code === 'ERR_CALL_SESSION_NOT_FOUND') this.#remove(line);
    }
    this.#changed();
  }

  /**
   * From a notification: the call is answered as soon as it is heard of here.
   * @param {string} sessionId
   */
  answerWhenRinging(sessionId) {
    clearTimeout(this.#wanting);
    this.#wanted = sessionId;
    const line = this.lines.get(sessionId);
    if (line) {
      this.#wanted = null;
      void (this.shown?.phase.at === 'talking' ? this.endAndAnswer(line) : this.answer(line));
    } else {
      this.#wanting = setTimeout(() => {
        this.#wanted = null;
        this.warn(t('callIsOver'));
      }, WANTED_MS);
    }
  }

  /**
   * Hangs up where this device talks, and answers the other call.
   * @param {Line} line
   */
  async endAndAnswer(line) {
    const { shown } = this;
    if (shown && shown !== line) await this.hangUp(shown);
    await this.answer(line);
  }

  /**
   * @param {Line} line
   * @param {'rejected' | 'busy'} status
   */
  async reject(line, status) {
    if (line.phase.at !== 'ringing') return;
    // Gone from the screen at the tap: the verb is sent until it is answered.
    this.#remove(line);
    try {
      await this.#client.rejectCall(line.call.sessionId, status);
    } catch (error) {
      this.#complainUnlessOver(error);
    }
    this.onHistory();
  }

  /** @param {Line} line */
  async hangUp(line) {
    const { sessionId } = line.call;
    const calling = line.phase.at === 'calling';
    this.#remove(line);
    this.#ring.sound('over');
    try {
      if (calling) await this.#client.rejectCall(sessionId, 'cancelled');
      else await this.#client.endCall(sessionId);
    } catch (error) {
      const lost = error instanceof HubError && error.code === 'ERR_CALL_ONGOING_TO_INVALID';
      // The door took the call at the same moment.
      if (lost) await this.#client.endCall(sessionId).catch((later) => this.#complainUnlessOver(later));
      else this.#complainUnlessOver(error);
    }
    this.onHistory();
  }

  /** @param {Line} line */
  async openDoor(line) {
    if (line.phase.at !== 'talking' || line.door.at === 'asking') return;
    line.showDoor({ at: 'asking' });
    try {
      // What it becomes, its event tells.
      await this.#client.openDoor(line.call.sessionId);
    } catch (error) {
      if (!line.over) line.showDoor({ at: 'refused', why: openingText(error) }, OPENING_REFUSED_MS);
    }
  }

  /** @param {Line} line */
  show(line) {
    this.#picked = line.call.sessionId;
    void line.openMedia();
    this.#changed();
  }

  /** @param {Line} line */
  dismiss(line) {
    this.#remove(line);
  }

  /** @param {Line} line */
  dismissPress(line) {
    line.pressWaiting = null;
    this.#changed();
  }

  toggleMute() {
    this.microphone.toggleMute();
  }

  /** @param {unknown} error */
  complain(error) {
    this.warn(errorText(error));
  }

  /** @param {string} words */
  warn(words) {
    this.complaint = words;
    clearTimeout(this.#complaining);
    this.#complaining = setTimeout(() => this.forgive(), 8_000);
    this.#changed();
  }

  forgive() {
    this.complaint = null;
    this.#changed();
  }

  // ------------------------------------------------------------------------------------------------ what the hub tells

  /** @returns {CallListener} */
  #listener() {
    return {
      onIncomingCallReceived: (call, { ringsFor, waiting }) => {
        const line = this.lines.get(call.sessionId) ?? this.#add(call, { at: 'ringing', waiting });
        line.call = call;
        void line.lookAtStill();
        clearTimeout(line.expiry);
        line.expiry = setTimeout(() => this.#expire(line), ringsFor + RING_SLACK_MS);
        void this.#ring.notify({ kind: 'ring', sessionId: call.sessionId, door: doorName(call), body: call.metadata['buttonLabel'] ?? '' });
        if (call.sessionId === this.#wanted) this.answerWhenRinging(call.sessionId);
      },
      onIncomingCallCancelled: (call) => this.#end(call, call.status === 'cancelled' ? 'withdrawn' : 'missed'),
      onOutgoingCallRejected: (call) => this.#end(call, 'notAnswered'),
      onOutgoingCallAccepted: (call) => this.#resume(call),
      onCallAnsweredElsewhere: (call) => this.#end(call, 'answeredElsewhere'),
      onCallEnded: (call) => this.#end(call, 'ended'),
      onCallUpdated: (call) => this.#resume(call),
      onCallDelivered: (call, { delivered }) => {
        const line = this.lines.get(call.sessionId);
        if (line?.phase.at === 'calling' && delivered > 0) line.phase = { at: 'calling', delivered: true };
        this.#changed();
      },
      onParticipantJoined: (call, who) => this.#company(call, { who, joined: true }),
      onParticipantLeft: (call, who) => this.#company(call, { who, joined: false }),
      onDoorOpened: (call, opener, releasedFor) => {
        const by = opener.authority === 'participant' ? opener.by.name : '';
        const mine = opener.authority === 'participant' && opener.by.deviceId === this.#client.deviceId;
        this.lines.get(call.sessionId)?.showDoor({ at: 'released', by: mine ? '' : by }, releasedFor);
      },
      onDoorContact: (call, state) => {
        const line = this.lines.get(call.sessionId);
        if (state === 'opened' || state === 'forced' || state === 'leftOpen') line?.showDoor({ at: 'open' });
        else if (state === 'notOpened') line?.showDoor({ at: 'notOpened' }, OPENING_REFUSED_MS);
        else line?.showDoor({ at: 'shut' });
      },
      onDoorNotice: ({ notice, doorName: door }) => {
        if (notice !== 'tamperOver') this.warn(t(/** @type {const} */ ({ forced: 'noticeForced', leftOpen: 'noticeLeftOpen', relayFailed: 'noticeRelayFailed', tampered: 'noticeTampered' })[notice], { door }));
      },
      onPressWaiting: (call, metadata) => {
        const line = this.lines.get(call.sessionId);
        if (line) line.pressWaiting = metadata['buttonLabel'] ?? '';
        this.#changed();
      },
    };
  }

  /**
   * A call of this device as the hub has it: answered by the door, or found again after this page was loaded anew.
   * @param {Call} call
   */
  #resume(call) {
    const line = this.lines.get(call.sessionId);
    if (line) line.call = call;
    void line?.lookAtStill();
    if (this.#client.activeCall?.sessionId === call.sessionId) {
      if (call.status === 'initiated') this.lines.get(call.sessionId) ?? this.#add(call, { at: 'calling', delivered: false });
      else if (line?.phase.at !== 'talking') {
        const microphone = this.microphone.track ?? this.microphone.open();
        this.#talk(line ?? this.#add(call, { at: 'answering' }), Promise.resolve(microphone));
      }
    }
    this.#changed();
  }

  /**
   * @param {Line} line
   * @param {Promise<MediaStreamTrack | null>} microphone
   */
  #talk(line, microphone) {
    line.talk();
    void this.#ring.dismiss(line.call.sessionId);
    void line.media?.listen();
    void microphone.then(() => this.#changed());
  }

  /**
   * @param {Call} call
   * @param {Line['company']} company
   */
  #company(call, company) {
    const line = this.lines.get(call.sessionId);
    if (line && company && company.who.deviceId !== this.#client.deviceId && company.who.uid !== call.door) line.company = company;
    this.#changed();
  }

  /**
   * @param {Call} call
   * @param {Line['phase']} phase
   */
  #add(call, phase) {
    const line = new Line(this.#client, call, phase, () => this.#changed());
    this.lines.set(call.sessionId, line);
    // A door that is called shows itself when it takes the call.
    if (phase.at !== 'calling') void line.openMedia();
    this.#changed();
    return line;
  }

  /**
   * @param {Call} call
   * @param {Extract<Line['phase'], { at: 'over' }>['how']} how
   */
  #end(call, how) {
    const ours = this.placing === call.door && call.initiator.deviceId === this.#client.deviceId;
    const line = this.lines.get(call.sessionId) ?? (ours ? this.#add(call, { at: 'calling', delivered: false }) : null);
    if (line && !line.over) {
      // Refused, here or by all: there is nothing to tell.
      if (how === 'missed' && call.status !== 'unanswered') this.#remove(line);
      else this.#farewell(line, how, call);
      if (how === 'missed' && call.status === 'unanswered') void this.#ring.notify({ kind: 'over', sessionId: call.sessionId, door: doorName(call), status: 'unanswered' });
    }
    this.onHistory();
  }

  /** @param {Line} line */
  #expire(line) {
    if (line.phase.at === 'ringing') this.#farewell(line, 'missed', line.call);
  }

  /**
   * @param {Line} line
   * @param {Extract<Line['phase'], { at: 'over' }>['how']} how
   * @param {Call} call
   */
  #farewell(line, how, call) {
    if (line.phase.at === 'talking') this.#ring.sound('over');
    line.finish(how, call);
    this.#closeMicrophone();
    setTimeout(() => this.#remove(line), FAREWELL_MS);
    this.#changed();
  }

  /** @param {Line} line */
  #remove(line) {
    if (!line.over) line.finish('ended', line.call);
    if (this.lines.get(line.call.sessionId) === line) this.lines.delete(line.call.sessionId);
    this.#closeMicrophone();
    void this.#ring.dismiss(line.call.sessionId);
    this.#changed();
  }

  /** Nobody here is in a call, or about to be: the microphone is let go. */
  #closeMicrophone() {
    const lines = [...this.lines.values()];
    const needed = this.placing || lines.some(({ phase }) => phase.at === 'talking' || phase.at === 'answering' || phase.at === 'calling');
    if (!needed && this.microphone.state !== 'closed') this.microphone.close();
  }

  /** @param {unknown} error */
  #complainUnlessOver(error) {
    const over = ['ERR_CALL_TERMINATED', 'ERR_CALL_SESSION_NOT_FOUND', 'ERR_CALL_ANSWERED_ELSEWHERE'];
    if (!(error instanceof HubError && over.includes(error.code))) this.complain(error);
  }

  #changed() {
    const { shown } = this;
    if (shown?.phase.at === 'talking') void shown.media?.offerMicrophone(this.microphone.track);
    this.#sound();
    this.onChange();
  }

  /** What is heard follows from what is shown. */
  #sound() {
    const lines = [...this.lines.values()];
    const ringing = lines.filter(({ phase }) => phase.at === 'ringing');
    const inside = lines.find(({ phase }) => phase.at === 'talking' || phase.at === 'answering' || phase.at === 'calling');
    if (ringing[0]) this.#ring.sound(inside ? 'waiting' : 'chime');
    else this.#ring.sound(inside?.phase.at === 'calling' ? 'ringback' : null);
    const first = ringing[0];
    const title = first ? t('titleRinging', { door: doorName(first.call) }) : null;
    if (title !== this.#title) this.#ring.title(title);
    this.#title = title;
  }

  /** @type {string | null} */
  #title = null;
}
