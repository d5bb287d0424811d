// The screen of a call: who is at the door, the picture, and what can be done. One screen from the ring to the end, so that
// the picture goes on undisturbed when the call is answered.

import { h, holdButton, icon, roundButton, say } from '../elements.js';
import { doorName, durationText, endReasonText, t } from '../texts.js';
import { banners } from './banners.js';

/**
 * @import { Switchboard } from '../switchboard.js'
 * @import { Line } from '../line.js'
 */

/**
 * @param {Switchboard} switchboard
 */
export function callScreen(switchboard) {
  /** @type {Line | null} */
  let line = null;
  const act = (/** @type {(line: Line) => void} */ action) => () => line && action(line);

  const kicker = h('p', { class: 'kicker' });
  const title = h('h1', { class: 'who', tabIndex: -1 });
  const detail = h('p', { class: 'detail' });
  const top = h('header', { class: 'call-top' }, kicker, title, detail);

  const mark = h('span', { class: 'mark' });
  const wait = h('p', { class: 'stage-word' });
  const rings = h('div', { class: 'pulse', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'), mark);
  const empty = h('div', { class: 'stage-empty' }, rings, wait);
  const frame = h('div', { class: 'stage-frame' });
  const listen = h('button', { type: 'button', class: 'listen', onclick: act((it) => void it.media?.listen()) }, icon('volume'), t('tapToListen'));
  const stage = h('div', { class: 'stage' }, frame, empty, listen);

  const chipIcon = h('span', { class: 'chip-icon' });
  const chipWord = h('span');
  const chip = h('p', { class: 'chip', role: 'status' }, chipIcon, chipWord);

  const slider = h('input', { type: 'range', min: '0', max: '100', value: '100', 'aria-label': t('volume') });
  slider.addEventListener('input', () => line && (line.audio.volume = Number(slider.value) / 100));
  const volume = h('label', { class: 'volume' }, icon('volume'), slider);

  const answer = roundButton('answer', 'go', t('answer'), act((it) => void switchboard.answer(it)));
  const reject = roundButton('hangUp', 'stop', t('reject'), act((it) => void switchboard.reject(it, 'rejected')));
  const mute = roundButton('microphone', 'plain', t('mute'), () => switchboard.toggleMute());
  const open = holdButton('key', 'open', t('openDoor'), act((it) => void switchboard.openDoor(it)));
  const hangUp = roundButton('hangUp', 'stop', t('hangUp'), act((it) => void switchboard.hangUp(it)));
  const close = roundButton('close', 'plain', t('close'), act((it) => switchboard.dismiss(it)));
  const actions = h('div', { class: 'actions' });

  const others = banners(switchboard);
  const panel = h('div', { class: 'call-panel' }, top, h('div', { class: 'call-bottom' }, chip, volume, actions));
  const element = h('section', { class: 'call', role: 'region', 'aria-label': t('history') }, others.element, stage, panel);

  /** @param {HTMLButtonElement[]} buttons */
  const offer = (...buttons) => {
    if (buttons.some((button, index) => actions.children[index] !== button) || actions.children.length !== buttons.length) {
      const focused = actions.contains(document.activeElement);
      actions.replaceChildren(...buttons);
      if (focused) title.focus();
    }
  };

  function update() {
    const shown = switchboard.shown;
    if (!shown) return;
    if (shown !== line) {
      line = shown;
      frame.replaceChildren(line.video, line.image, line.audio);
      slider.value = String(Math.round(line.audio.volume * 100));
      if (line.video.srcObject) line.video.play().catch(() => {});
      title.focus({ preventScroll: true });
    }
    const { phase, call, media } = line;
    element.dataset['phase'] = phase.at;
    const name = doorName(call);
    say(title, name);
    line.video.setAttribute('aria-label', t('pictureOf', { door: name }));
    line.image.alt = t('pictureOf', { door: name });
    say(kicker, kickerOf(line));
    say(detail, detailOf(line));

    const picture = (line.seen || line.still) && !line.over;
    frame.classList.toggle('shown', picture);
    frame.classList.toggle('stale', line.seen && !line.over && media?.state !== 'connected');
    empty.hidden = picture && (media?.state === 'connected' || !line.seen) && !line.full;
    empty.classList.toggle('over-picture', picture);
    say(wait, waitOf(line));
    const drawn = markOf(line);
    if (mark.dataset['icon'] !== drawn) mark.replaceChildren(icon(drawn));
    mark.dataset['icon'] = drawn;
    listen.hidden = !(phase.at === 'talking' && media?.soundBlocked);

    const notice = noticeOf(line, switchboard);
    chip.hidden = !notice;
    if (notice) {
      say(chipWord, notice.text);
      if (chip.dataset['icon'] !== notice.icon) chipIcon.replaceChildren(icon(notice.icon));
      chip.dataset['icon'] = notice.icon;
      chip.classList.toggle('alarming', notice.alarming);
    }
    volume.hidden = phase.at !== 'talking';

    if (phase.at === 'ringing') offer(reject, answer);
    else if (phase.at === 'talking') offer(mute, open, hangUp);
    else if (phase.at === 'calling' || phase.at === 'answering') offer(hangUp);
    else offer(close);
    open.disabled = line.door.at === 'asking';
    open.classList.toggle('done', line.door.at === 'released' || line.door.at === 'open');
    const { state } = switchboard.microphone;
    mute.disabled = state !== 'open' && state !== 'muted';
    mute.setAttribute('aria-pressed', String(state === 'muted'));
    mute.querySelector('.round-face')?.replaceChildren(icon(state === 'muted' ? 'microphoneOff' : 'microphone'));
    const word = mute.querySelector('.round-word');
    if (word) say(word, t(state === 'muted' ? 'muted' : 'mute'));
    const stop = hangUp.querySelector('.round-word');
    if (stop) say(stop, t(phase.at === 'calling' ? 'cancelCall' : 'hangUp'));
    others.update();
  }

  return {
    element,
    update,
    /** Every second. */
    tick() {
      if (line?.phase.at === 'talking') say(detail, detailOf(line));
    },
  };
}

/**
 * @param {Line} line
 * @returns {import('../elements.js').IconName}
 */
function markOf({ phase, call }) {
  if (phase.at !== 'over') return call.type === 'audio' ? 'microphone' : 'door';
  return /** @type {const} */ ({ answeredElsewhere: 'check', missed: 'missed', withdrawn: 'bell', notAnswered: 'busy', ended: 'hangUp' })[phase.how];
}

/**
 * @param {Line} line
 * @returns {string}
 */
function kickerOf({ phase, call, media }) {
  switch (phase.at) {
    case 'ringing':
      return t('ringsAt');
    case 'answering':
      return t('answering');
    case 'calling':
      return t(phase.delivered ? 'callingReached' : 'calling');
    case 'talking':
      return media?.state === 'connected' ? '' : t('connectingCall');
    case 'over':
      return overOf(phase.how, call);
  }
}

/**
 * @param {'answeredElsewhere' | 'missed' | 'withdrawn' | 'notAnswered' | 'ended'} how
 * @param {Line['call']} call
 * @returns {string}
 */
function overOf(how, call) {
  switch (how) {
    case 'answeredElsewhere': {
      const who = call.participants.find(({ state, uid }) => state === 'ongoing' && uid !== call.door);
      return who ? t('answeredElsewhere', { name: who.name }) : t('answeredElsewhereUnnamed');
    }
    case 'missed':
      return t('missed');
    case 'withdrawn':
      return t('withdrawn');
    case 'notAnswered':
      if (call.status === 'busy') return t('doorBusy');
      return t(call.status === 'unanswered' ? 'doorUnanswered' : 'doorDeclined');
    case 'ended':
      return t('ended');
  }
}

/**
 * @param {Line} line
 * @returns {string}
 */
function detailOf({ phase, call, answered, quality, media }) {
  if (phase.at === 'talking') {
    const length = durationText((performance.now() - answered) / 1_000);
    if (media?.state !== 'connected') return length;
    const words = { good: t('qualityGood'), weak: t('qualityWeak'), bad: t('qualityBad'), unknown: '' }[quality];
    return words ? `${length} · ${words}` : length;
  }
  if (phase.at === 'over') {
    if (phase.how === 'missed') return t('missedHint');
    if (phase.how !== 'ended') return '';
    const length = call.duration === undefined ? '' : `${t('duration')} ${durationText(call.duration)}`;
    return [endReasonText(call.endReason), length].filter(Boolean).join(' ');
  }
  const label = call.metadata['buttonLabel'];
  return label ? t('ringsFor', { label }) : '';
}

/**
 * What is said where the picture would be.
 * @param {Line} line
 * @returns {string}
 */
function waitOf({ phase, call, media, full, hidden, seen }) {
  if (phase.at === 'over' || phase.at === 'calling') return '';
  if (call.type === 'audio') return t('audioOnly');
  if (full) return t('pictureFull');
  if (hidden) return t('pictureHidden');
  if (media?.state === 'refused') return t('pictureNone');
  return t(seen ? 'pictureLost' : 'pictureComing');
}

/**
 * What the door does, while it does something.
 * @param {Line['door']} door
 * @returns {ReturnType<typeof noticeOf>}
 */
function doorOf(door) {
  switch (door.at) {
    case 'shut':
      return null;
    case 'asking':
      return { icon: 'key', text: t('openingDoor'), alarming: false };
    case 'released':
      return { icon: 'key', text: door.by ? t('doorReleasedBy', { name: door.by }) : t('doorReleased'), alarming: false };
    case 'open':
      return { icon: 'door', text: t('doorIsOpen'), alarming: false };
    case 'notOpened':
      return { icon: 'door', text: t('doorNotOpened'), alarming: false };
    case 'refused':
      return { icon: 'warning', text: door.why, alarming: true };
  }
}

/**
 * The one thing that matters most at this moment about who hears whom.
 * @param {Line} line
 * @param {Switchboard} switchboard
 * @returns {{ icon: import('../elements.js').IconName, text: string, alarming: boolean } | null}
 */
function noticeOf(line, { microphone }) {
  if (line.phase.at === 'ringing') return { icon: 'microphoneOff', text: t('microphoneClosed'), alarming: false };
  if (line.phase.at !== 'talking') return null;
  const door = doorOf(line.door);
  if (door) return door;
  switch (microphone.state) {
    case 'denied':
      return { icon: 'warning', text: t('microphoneDenied'), alarming: true };
    case 'missing':
      return { icon: 'warning', text: t('microphoneMissing'), alarming: true };
    case 'asking':
      return { icon: 'microphone', text: t('microphoneAsking'), alarming: false };
    case 'open':
    case 'muted':
    case 'closed':
      break;
  }
  if (!line.company) return null;
  const { who, joined } = line.company;
  return { icon: 'person', text: t(joined ? 'joined' : 'left', { name: who.name }), alarming: false };
}
