// Every word a resident reads, in every language, in one table. The first language is the one that is always complete.
// Nothing else in the app holds a sentence.

import { DoorError } from './opening.js';

/** @import { Call, CallStatus, EndReason, ErrorCode, LocalErrorCode, OpeningRefusal } from './types.js' */

const en = {
  appName: 'Doorward',
  // Navigation
  home: 'Home',
  history: 'Calls',
  settings: 'Settings',
  close: 'Close',
  // Connection
  online: 'Connected',
  connecting: 'Connecting…',
  offline: 'No connection. Trying again…',
  offlineShort: 'No connection',
  refused: 'This device is no longer paired',
  offlineHint: 'Without a connection nobody can ring here. Check that this device is online.',
  // Home
  quiet: 'All quiet at the door',
  quietHint: 'When somebody rings, you will see them here before you answer.',
  doors: 'Doors',
  callDoor: 'Call',
  callDoorLabel: 'Call {door}',
  doorOffline: 'Not reachable',
  doorReady: 'Ready',
  noDoors: 'There is no door you may call.',
  recent: 'Recent calls',
  allCalls: 'Show all',
  // What the browser has to allow
  soundTitle: 'Let this page ring',
  soundHint: 'Browsers keep a page silent until it is touched once.',
  soundAction: 'Turn on the sound',
  microphoneTitle: 'Let visitors hear you',
  microphoneHint: 'The microphone opens only after you answer. If you allow it now, you need not do it while somebody waits.',
  microphoneAction: 'Allow the microphone',
  microphoneBlockedHint: 'The microphone is blocked for this page. You can answer and listen, but visitors will not hear you. Allow it in the settings of the browser, next to the address.',
  notificationTitle: 'Be told when this page is in the background',
  notificationHint: 'A notification shows who is ringing. It does not replace a ringing phone: keep the page open where you can.',
  notificationAction: 'Allow notifications',
  later: 'Not now',
  // Pairing
  pairTitle: 'Welcome',
  pairIntro: 'Enter the pairing code you were given, or scan its QR code with the camera of this device.',
  pairCode: 'Pairing code',
  pairName: 'Name of this device',
  pairNameHint: 'So that you can tell your devices apart.',
  pairAction: 'Pair this device',
  pairing: 'Pairing…',
  pairCodeMissing: 'Please enter the code.',
  pairedAway: 'This device is no longer paired with the house. Ask for a new pairing code.',
  deviceNamePhone: 'Phone',
  deviceNameTablet: 'Tablet',
  deviceNameComputer: 'Computer',
  // Ringing
  ringsAt: 'Somebody is at the door',
  ringsFor: 'Rang for {label}',
  audioOnly: 'Call without picture',
  pictureComing: 'The picture is coming…',
  pictureLost: 'The picture is interrupted. It comes back by itself.',
  pictureNone: 'No picture at the moment',
  pictureFull: 'Too many people are looking already. You will see the picture when you answer.',
  pictureHidden: 'You will see the picture when you answer.',
  microphoneClosed: 'Your microphone is off. The visitor cannot see or hear you.',
  answer: 'Answer',
  answering: 'Answering…',
  reject: 'Decline',
  busy: 'I am busy',
  endAndAnswer: 'Hang up and answer',
  alsoRings: 'Also ringing: {door}',
  showInstead: 'Show',
  pictureOf: 'Picture of {door}',
  // Talking
  calling: 'Calling…',
  callingReached: 'Ringing at the door',
  connectingCall: 'Connecting…',
  qualityGood: 'Good connection',
  qualityWeak: 'Weak connection',
  qualityBad: 'Connection interrupted',
  mute: 'Mute',
  muted: 'Muted',
  microphoneAsking: 'Waiting for the microphone…',
  microphoneDenied: 'The visitor cannot hear you: the microphone is blocked for this page. Allow it in the settings of the browser, next to the address.',
  microphoneMissing: 'The visitor cannot hear you: this device has no microphone that can be used.',
  volume: 'Volume',
  hangUp: 'Hang up',
  cancelCall: 'Cancel',
  tapToListen: 'Tap to listen',
  pressWaiting: 'Another visitor pressed “{label}”',
  pressWaitingUnnamed: 'Another visitor pressed a button',
  joined: '{name} is in the call too',
  left: '{name} left the call',
  duration: 'Duration',
  // The door
  openDoor: 'Hold to open',
  openingDoor: 'Opening…',
  doorReleased: 'The door can be opened now',
  doorReleasedBy: '{name} is opening the door',
  doorIsOpen: 'The door is open',
  doorNotOpened: 'The door was released, but nobody opened it.',
  openingNoAnswer: 'The door did not answer. Please try again.',
  openingNoRelease: 'This door cannot be opened from here.',
  openingTooLate: 'That took too long. Please hold the button again.',
  openingNotIn: 'Only who talks with the visitor can open.',
  openingRelayFailed: 'The lock did not react. Please open the door by hand, and tell the caretaker.',
  openingTampered: 'The door stays shut: somebody has opened the door station. Please go and look, and tell the caretaker.',
  noticeForced: '{door}: the door was opened without being released.',
  noticeLeftOpen: '{door}: the door stands open.',
  noticeRelayFailed: '{door}: the lock cannot be switched.',
  noticeTampered: '{door}: somebody is opening the door station.',
  // How a call went
  answeredElsewhere: '{name} answered',
  answeredElsewhereUnnamed: 'Answered on another device',
  missed: 'Missed',
  missedHint: 'Nobody answered.',
  withdrawn: 'The visitor stopped ringing',
  doorDeclined: 'The door did not take the call',
  doorUnanswered: 'Nobody answered at the door',
  doorBusy: 'The door is in another call',
  ended: 'Call ended',
  endDoorGone: 'The connection to the door was lost.',
  endDoorHungUp: 'The visitor hung up.',
  endMediaLost: 'Picture and sound could not be connected.',
  endMaximumDuration: 'The longest time for a call was reached.',
  endResidentGone: 'The connection was lost.',
  endResidentHungUp: 'You hung up.',
  // Title of the page, notification
  titleRinging: '● {door}',
  notificationRing: '{door} is ringing',
  notificationMissed: 'Missed: {door}',
  notificationRingHint: 'Tap to see who it is.',
  notificationAnswered: '{door}: answered',
  notificationWithdrawn: '{door}: the visitor stopped ringing',
  notificationSettled: '{door}: declined',
  callIsOver: 'It is not ringing any more.',
  // History
  noCalls: 'No calls yet',
  noCallsHint: 'Who rang, and what became of it, will be listed here.',
  historyFailed: 'The calls could not be loaded.',
  earlierCalls: 'Earlier calls',
  again: 'Try again',
  today: 'Today',
  yesterday: 'Yesterday',
  statusAnswered: 'Answered',
  statusAnsweredBy: 'Answered by {name}',
  statusMissed: 'Missed',
  statusDeclined: 'Declined',
  statusBusy: 'Busy',
  statusCancelled: 'The visitor gave up',
  statusYouCalled: 'You called',
  statusYouCancelled: 'You cancelled',
  statusNotAnswered: 'Not answered',
  statusRunning: 'Going on',
  // Settings
  language: 'Language',
  languageAuto: 'As this device',
  languageEnglish: 'English',
  languageGerman: 'Deutsch',
  soundTest: 'Ring tone',
  soundTestAction: 'Play',
  soundTestStop: 'Stop',
  ringVolume: 'Ring volume',
  awake: 'Indoor station',
  awakeHint: 'For a tablet on the wall, on its charger: the page fills the screen, the screen stays on and rests dark, and it rings as loud as it can. This is the ring to rely on.',
  awakeRefused: 'This browser does not keep the screen on: set the tablet itself so that it never sleeps.',
  push: 'Ring while the app is closed',
  pushHint: 'This device is then woken by a notification with a sound, over the push service of its browser. It needs the internet, can come late, and a silenced phone stays silent: it is no replacement for a bell.',
  pushOnHint: 'A notification comes when somebody rings. It needs the internet, can come late, and a silenced phone stays silent: it is no replacement for a bell.',
  pushUnknown: 'One moment…',
  pushUnsupported: 'This browser cannot be woken. Keep the page open where you can.',
  pushInstall: 'On an iPhone or iPad: tap “Share”, then “Add to Home Screen”, open Doorward from there, and come back to this place.',
  pushHubWithout: 'This house does not send notifications. Keep the page open where you can.',
  pushBlocked: 'Notifications are blocked for this page. Allow them in the settings of the browser, next to the address.',
  pushFailed: 'It did not work just now. Please try again.',
  disturb: 'Do not disturb',
  disturbHint: 'It then rings on none of your devices. Others of your home still ring, and the visitor is told that somebody does not want to be disturbed, never who.',
  disturbOff: 'Off',
  disturbHour: 'For an hour',
  disturbMorning: 'Until 7 in the morning',
  disturbOn: 'Until I turn it off',
  disturbUntil: 'Until {time}',
  ownQuiet: 'Quiet hours every day',
  ownQuietHint: 'By the clock of the house.',
  quietHours: 'From, to',
  quietFrom: 'Quiet from',
  quietTo: 'Quiet until',
  rulesKept: 'Kept, for all your devices.',
  rulesFailed: 'That could not be kept just now. Please try again.',
  thisDevice: 'This device',
  signedInAs: 'Paired for {name}',
  unpair: 'Unpair this device',
  unpairHint: 'It will not ring any more.',
  unpairSure: 'Really unpair? You will need a new pairing code.',
  unpairYes: 'Unpair',
  unpairing: 'Unpairing…',
  unpaired: 'This device is unpaired. It will not ring any more.',
  unpairedHereOnly: 'This device has forgotten its pairing, but the house could not be reached and still counts it as paired. Ask the administrator of the house to revoke it.',
  cancel: 'Cancel',
  appearance: 'Light or dark',
  appearanceHint: 'Follows the setting of this device.',
  // Other
  elsewhereTitle: 'Doorward is open in another tab',
  elsewhereHint: 'It rings there. Only one tab of a browser can take the calls.',
  elsewhereAction: 'Use it here',
  // Errors, in a resident's words
  ERR_BAD_REQUEST: 'This page and the house do not understand each other. Load the page again.',
  ERR_CALL_ANSWERED_ELSEWHERE: 'Somebody else answered first.',
  ERR_CALL_BUSY_SELF: 'You are already in a call, perhaps on another device.',
  ERR_CALL_BUSY_USER: 'The door is calling you at this moment.',
  ERR_CALL_INVALID_PARTIES: 'Only doors can be called from here.',
  ERR_CALL_NOT_A_PART: 'This call is not for you.',
  ERR_CALL_NOT_STARTED: 'The call was not answered yet.',
  ERR_CALL_ONGOING_TO_INVALID: 'The call was already answered.',
  ERR_CALL_SESSION_NOT_FOUND: 'This call does not exist any more.',
  ERR_CALL_TERMINATED: 'The call is already over.',
  ERR_CALLING_SELF: 'You cannot call yourself.',
  ERR_UNAUTHORIZED: 'This device is no longer paired. Ask for a new pairing code.',
  ERR_FORBIDDEN: 'You are not allowed to do this.',
  ERR_INTERNAL: 'Something went wrong in the house’s system. Please try again.',
  ERR_NOT_FOUND: 'This was not found. Load the page again.',
  ERR_PAYLOAD_TOO_LARGE: 'This was too long.',
  ERR_PAIRING_CODE_INVALID: 'This code is wrong, used or too old. Ask for a new one.',
  ERR_RATE_LIMITED: 'Too many tries. Please wait a moment.',
  ERR_RECEIVER_NOT_FOUND: 'This door does not exist any more.',
  ERR_SESSION_FULL: 'Too many people are looking already.',
  ERR_SESSION_TOKEN_INVALID: 'Picture and sound could not be started. Please try again.',
  ERR_UNAVAILABLE: 'The house’s system is restarting. Please wait a moment.',
  ERR_NO_CONNECTION: 'No connection to the house. Check that this device is online.',
};

/** @type {Record<keyof typeof en, string>} */
const de = {
  appName: 'Doorward',
  home: 'Start',
  history: 'Anrufe',
  settings: 'Einstellungen',
  close: 'Schließen',
  online: 'Verbunden',
  connecting: 'Verbindet…',
  offline: 'Keine Verbindung. Neuer Versuch…',
  offlineShort: 'Keine Verbindung',
  refused: 'Dieses Gerät ist nicht mehr gekoppelt',
  offlineHint: 'Ohne Verbindung kann es hier nicht klingeln. Bitte prüfen, ob dieses Gerät online ist.',
  quiet: 'Niemand an der Tür',
  quietHint: 'Wenn es klingelt, sehen Sie hier, wer da ist, noch bevor Sie annehmen.',
  doors: 'Türen',
  callDoor: 'Anrufen',
  callDoorLabel: '{door} anrufen',
  doorOffline: 'Nicht erreichbar',
  doorReady: 'Bereit',
  noDoors: 'Es gibt keine Tür, die Sie anrufen können.',
  recent: 'Letzte Anrufe',
  allCalls: 'Alle zeigen',
  soundTitle: 'Damit es hier klingeln kann',
  soundHint: 'Browser halten eine Seite stumm, bis sie einmal berührt wurde.',
  soundAction: 'Ton einschalten',
  microphoneTitle: 'Damit man Sie hört',
  microphoneHint: 'Das Mikrofon geht erst an, wenn Sie annehmen. Wenn Sie es jetzt erlauben, muss später niemand warten.',
  microphoneAction: 'Mikrofon erlauben',
  microphoneBlockedHint: 'Das Mikrofon ist für diese Seite gesperrt. Sie können annehmen und zuhören, aber man hört Sie nicht. Erlauben Sie es in den Einstellungen des Browsers neben der Adresse.',
  notificationTitle: 'Auch im Hintergrund Bescheid bekommen',
  notificationHint: 'Eine Mitteilung zeigt, wer klingelt. Sie ersetzt kein klingelndes Telefon: Lassen Sie die Seite möglichst offen.',
  notificationAction: 'Mitteilungen erlauben',
  later: 'Nicht jetzt',
  pairTitle: 'Willkommen',
  pairIntro: 'Geben Sie den Kopplungscode ein, den Sie bekommen haben, oder scannen Sie seinen QR-Code mit der Kamera dieses Geräts.',
  pairCode: 'Kopplungscode',
  pairName: 'Name dieses Geräts',
  pairNameHint: 'Damit Sie Ihre Geräte unterscheiden können.',
  pairAction: 'Dieses Gerät koppeln',
  pairing: 'Wird gekoppelt…',
  pairCodeMissing: 'Bitte geben Sie den Code ein.',
  pairedAway: 'Dieses Gerät ist nicht mehr mit dem Haus gekoppelt. Bitten Sie um einen neuen Kopplungscode.',
  deviceNamePhone: 'Telefon',
  deviceNameTablet: 'Tablet',
  deviceNameComputer: 'Computer',
  ringsAt: 'Es klingelt',
  ringsFor: 'Geklingelt bei {label}',
  audioOnly: 'Anruf ohne Bild',
  pictureComing: 'Das Bild kommt…',
  pictureLost: 'Das Bild ist unterbrochen. Es kommt von selbst wieder.',
  pictureNone: 'Zurzeit kein Bild',
  pictureFull: 'Es sehen schon zu viele zu. Sie sehen das Bild, sobald Sie annehmen.',
  pictureHidden: 'Das Bild sehen Sie, wenn Sie annehmen.',
  microphoneClosed: 'Ihr Mikrofon ist aus. Man kann Sie weder sehen noch hören.',
  answer: 'Annehmen',
  answering: 'Wird angenommen…',
  reject: 'Ablehnen',
  busy: 'Ich spreche gerade',
  endAndAnswer: 'Auflegen und annehmen',
  alsoRings: 'Es klingelt auch: {door}',
  showInstead: 'Zeigen',
  pictureOf: 'Bild von {door}',
  calling: 'Ruft an…',
  callingReached: 'Es klingelt an der Tür',
  connectingCall: 'Verbindet…',
  qualityGood: 'Gute Verbindung',
  qualityWeak: 'Schwache Verbindung',
  qualityBad: 'Verbindung unterbrochen',
  mute: 'Stumm',
  muted: 'Stumm',
  microphoneAsking: 'Wartet auf das Mikrofon…',
  microphoneDenied: 'Man hört Sie nicht: Das Mikrofon ist für diese Seite gesperrt. Erlauben Sie es in den Einstellungen des Browsers neben der Adresse.',
  microphoneMissing: 'Man hört Sie nicht: Dieses Gerät hat kein nutzbares Mikrofon.',
  volume: 'Lautstärke',
  hangUp: 'Auflegen',
  cancelCall: 'Abbrechen',
  tapToListen: 'Zum Zuhören tippen',
  pressWaiting: 'Noch jemand hat bei „{label}“ geklingelt',
  pressWaitingUnnamed: 'Noch jemand hat geklingelt',
  joined: '{name} ist auch im Gespräch',
  left: '{name} hat aufgelegt',
  duration: 'Dauer',
  openDoor: 'Zum Öffnen halten',
  openingDoor: 'Wird geöffnet…',
  doorReleased: 'Die Tür kann jetzt geöffnet werden',
  doorReleasedBy: '{name} öffnet gerade die Tür',
  doorIsOpen: 'Die Tür ist offen',
  doorNotOpened: 'Die Tür war frei, aber niemand hat sie geöffnet.',
  openingNoAnswer: 'Die Tür hat nicht geantwortet. Bitte noch einmal versuchen.',
  openingNoRelease: 'Diese Tür lässt sich von hier nicht öffnen.',
  openingTooLate: 'Das hat zu lange gedauert. Bitte noch einmal halten.',
  openingNotIn: 'Öffnen kann nur, wer mit dem Besuch spricht.',
  openingRelayFailed: 'Das Schloss hat nicht reagiert. Bitte die Tür von Hand öffnen und die Hausverwaltung verständigen.',
  openingTampered: 'Die Tür bleibt zu: Jemand hat die Türstation geöffnet. Bitte nachsehen und die Hausverwaltung verständigen.',
  noticeForced: '{door}: Die Tür wurde geöffnet, ohne freigegeben zu sein.',
  noticeLeftOpen: '{door}: Die Tür steht offen.',
  noticeRelayFailed: '{door}: Das Schloss lässt sich nicht schalten.',
  noticeTampered: '{door}: Jemand öffnet gerade die Türstation.',
  answeredElsewhere: '{name} hat angenommen',
  answeredElsewhereUnnamed: 'Auf einem anderen Gerät angenommen',
  missed: 'Verpasst',
  missedHint: 'Niemand hat angenommen.',
  withdrawn: 'Der Besuch klingelt nicht mehr',
  doorDeclined: 'Die Tür hat den Anruf nicht angenommen',
  doorUnanswered: 'An der Tür hat niemand angenommen',
  doorBusy: 'Die Tür ist in einem anderen Gespräch',
  ended: 'Gespräch beendet',
  endDoorGone: 'Die Verbindung zur Tür ist abgerissen.',
  endDoorHungUp: 'An der Tür wurde aufgelegt.',
  endMediaLost: 'Bild und Ton konnten nicht verbunden werden.',
  endMaximumDuration: 'Die längste Gesprächszeit ist erreicht.',
  endResidentGone: 'Die Verbindung ist abgerissen.',
  endResidentHungUp: 'Sie haben aufgelegt.',
  titleRinging: '● {door}',
  notificationRing: 'Es klingelt: {door}',
  notificationMissed: 'Verpasst: {door}',
  notificationRingHint: 'Tippen, um zu sehen, wer es ist.',
  notificationAnswered: '{door}: angenommen',
  notificationWithdrawn: '{door}: Der Besuch klingelt nicht mehr',
  notificationSettled: '{door}: abgelehnt',
  callIsOver: 'Es klingelt nicht mehr.',
  noCalls: 'Noch keine Anrufe',
  noCallsHint: 'Hier steht später, wer geklingelt hat und was daraus wurde.',
  historyFailed: 'Die Anrufe konnten nicht geladen werden.',
  earlierCalls: 'Frühere Anrufe',
  again: 'Noch einmal',
  today: 'Heute',
  yesterday: 'Gestern',
  statusAnswered: 'Angenommen',
  statusAnsweredBy: 'Angenommen von {name}',
  statusMissed: 'Verpasst',
  statusDeclined: 'Abgelehnt',
  statusBusy: 'Besetzt',
  statusCancelled: 'Der Besuch hat aufgegeben',
  statusYouCalled: 'Sie haben angerufen',
  statusYouCancelled: 'Sie haben abgebrochen',
  statusNotAnswered: 'Nicht angenommen',
  statusRunning: 'Läuft noch',
  language: 'Sprache',
  languageAuto: 'Wie dieses Gerät',
  languageEnglish: 'English',
  languageGerman: 'Deutsch',
  soundTest: 'Klingelton',
  soundTestAction: 'Anhören',
  soundTestStop: 'Anhalten',
  ringVolume: 'Klingellautstärke',
  awake: 'Innenstation',
  awakeHint: 'Für ein Tablet an der Wand, am Ladegerät: Die Seite füllt den Bildschirm, er bleibt an und ruht dunkel, und es klingelt so laut es geht. Auf dieses Klingeln ist Verlass.',
  awakeRefused: 'Dieser Browser lässt den Bildschirm nicht an: Stellen Sie das Tablet selbst so ein, dass es nie schläft.',
  push: 'Klingeln, auch wenn die App zu ist',
  pushHint: 'Dieses Gerät wird dann durch eine Mitteilung mit Ton geweckt, über den Push-Dienst seines Browsers. Das braucht Internet, kann sich verspäten, und ein stummes Telefon bleibt stumm: Eine Klingel ersetzt es nicht.',
  pushOnHint: 'Wenn es klingelt, kommt eine Mitteilung. Das braucht Internet, kann sich verspäten, und ein stummes Telefon bleibt stumm: Eine Klingel ersetzt es nicht.',
  pushUnknown: 'Einen Moment…',
  pushUnsupported: 'Dieser Browser kann nicht geweckt werden. Lassen Sie die Seite möglichst offen.',
  pushInstall: 'Auf iPhone oder iPad: „Teilen“ antippen, dann „Zum Home-Bildschirm“, Doorward von dort öffnen und wieder hierher kommen.',
  pushHubWithout: 'Dieses Haus verschickt keine Mitteilungen. Lassen Sie die Seite möglichst offen.',
  pushBlocked: 'Mitteilungen sind für diese Seite gesperrt. Erlauben Sie sie in den Einstellungen des Browsers, neben der Adresse.',
  pushFailed: 'Das hat gerade nicht geklappt. Bitte noch einmal versuchen.',
  disturb: 'Nicht stören',
  disturbHint: 'Dann klingelt es auf keinem Ihrer Geräte. Bei den anderen in Ihrer Wohnung klingelt es weiter, und der Besuch erfährt, dass jemand nicht gestört werden möchte, aber nie, wer.',
  disturbOff: 'Aus',
  disturbHour: 'Eine Stunde lang',
  disturbMorning: 'Bis 7 Uhr morgens',
  disturbOn: 'Bis ich es ausschalte',
  disturbUntil: 'Bis {time}',
  ownQuiet: 'Jeden Tag Ruhezeit',
  ownQuietHint: 'Nach der Uhr des Hauses.',
  quietHours: 'Von, bis',
  quietFrom: 'Ruhe ab',
  quietTo: 'Ruhe bis',
  rulesKept: 'Gilt jetzt, für alle Ihre Geräte.',
  rulesFailed: 'Das ging gerade nicht. Bitte noch einmal versuchen.',
  thisDevice: 'Dieses Gerät',
  signedInAs: 'Gekoppelt für {name}',
  unpair: 'Dieses Gerät entkoppeln',
  unpairHint: 'Es klingelt hier dann nicht mehr.',
  unpairSure: 'Wirklich entkoppeln? Sie brauchen dann einen neuen Kopplungscode.',
  unpairYes: 'Entkoppeln',
  unpairing: 'Wird entkoppelt…',
  unpaired: 'Dieses Gerät ist entkoppelt. Es klingelt hier nicht mehr.',
  unpairedHereOnly: 'Dieses Gerät hat seine Kopplung vergessen, aber das Haus war nicht erreichbar und hält es noch für gekoppelt. Bitten Sie den Verwalter des Hauses, es zu entfernen.',
  cancel: 'Abbrechen',
  appearance: 'Hell oder dunkel',
  appearanceHint: 'Folgt der Einstellung dieses Geräts.',
  elsewhereTitle: 'Doorward ist in einem anderen Tab offen',
  elsewhereHint: 'Es klingelt dort. Nur ein Tab eines Browsers kann die Anrufe annehmen.',
  elsewhereAction: 'Hier verwenden',
  ERR_BAD_REQUEST: 'Diese Seite und das Haus verstehen sich nicht. Bitte laden Sie die Seite neu.',
  ERR_CALL_ANSWERED_ELSEWHERE: 'Jemand anders war schneller.',
  ERR_CALL_BUSY_SELF: 'Sie sind schon in einem Gespräch, vielleicht auf einem anderen Gerät.',
  ERR_CALL_BUSY_USER: 'Die Tür ruft Sie gerade selbst an.',
  ERR_CALL_INVALID_PARTIES: 'Von hier können nur Türen angerufen werden.',
  ERR_CALL_NOT_A_PART: 'Dieser Anruf ist nicht für Sie.',
  ERR_CALL_NOT_STARTED: 'Der Anruf wurde noch nicht angenommen.',
  ERR_CALL_ONGOING_TO_INVALID: 'Der Anruf wurde schon angenommen.',
  ERR_CALL_SESSION_NOT_FOUND: 'Diesen Anruf gibt es nicht mehr.',
  ERR_CALL_TERMINATED: 'Der Anruf ist schon vorbei.',
  ERR_CALLING_SELF: 'Sie können sich nicht selbst anrufen.',
  ERR_UNAUTHORIZED: 'Dieses Gerät ist nicht mehr gekoppelt. Bitten Sie um einen neuen Kopplungscode.',
  ERR_FORBIDDEN: 'Das dürfen Sie nicht.',
  ERR_INTERNAL: 'Im System des Hauses ging etwas schief. Bitte versuchen Sie es noch einmal.',
  ERR_NOT_FOUND: 'Das wurde nicht gefunden. Bitte laden Sie die Seite neu.',
  ERR_PAYLOAD_TOO_LARGE: 'Das war zu lang.',
  ERR_PAIRING_CODE_INVALID: 'Dieser Code ist falsch, verbraucht oder zu alt. Bitten Sie um einen neuen.',
  ERR_RATE_LIMITED: 'Zu viele Versuche. Bitte warten Sie einen Moment.',
  ERR_RECEIVER_NOT_FOUND: 'Diese Tür gibt es nicht mehr.',
  ERR_SESSION_FULL: 'Es sehen schon zu viele zu.',
  ERR_SESSION_TOKEN_INVALID: 'Bild und Ton konnten nicht gestartet werden. Bitte versuchen Sie es noch einmal.',
  ERR_UNAVAILABLE: 'Das System des Hauses startet neu. Bitte warten Sie einen Moment.',
  ERR_NO_CONNECTION: 'Keine Verbindung zum Haus. Bitte prüfen Sie, ob dieses Gerät online ist.',
};

/** @typedef {keyof typeof en} TextKey */

/** @type {Record<'en' | 'de', Record<TextKey, string>>} */
const tables = { en, de };

/** @type {'en' | 'de'} */
let language = 'en';

/**
 * @param {string} chosen `auto`, or a language
 */
export function setLanguage(chosen) {
  const wanted = chosen === 'auto' ? navigator.languages : [chosen];
  const found = wanted.map((tag) => tag.slice(0, 2)).find((tag) => tag in tables);
  language = /** @type {'en' | 'de'} */ (found ?? 'en');
  document.documentElement.lang = language;
}

/** The language as this device writes dates and times. */
const region = () => navigator.languages.find((tag) => tag.startsWith(language)) ?? language;

/**
 * @param {TextKey} key
 * @param {Record<string, string>} [words]
 * @returns {string}
 */
export function t(key, words = {}) {
  return tables[language][key].replace(/\{(\w+)\}/g, (_, name) => words[name] ?? '');
}

/**
 * An error in a resident's words, whatever it is.
 * @param {unknown} error
 * @returns {string}
 */
export function errorText(error) {
  const code = /** @type {{ code?: unknown }} */ (error)?.code;
  return typeof code === 'string' && code in en ? t(/** @type {ErrorCode | LocalErrorCode} */ (code)) : t('ERR_INTERNAL');
}

/** @type {Record<OpeningRefusal | 'noAnswer', TextKey>} */
const OPENING_REFUSALS = {
  noAnswer: 'openingNoAnswer',
  noRelease: 'openingNoRelease',
  nonceExpired: 'openingTooLate',
  nonceUnknown: 'openingTooLate',
  notAParticipant: 'openingNotIn',
  relayFailed: 'openingRelayFailed',
  stopping: 'openingNoAnswer',
  tampered: 'openingTampered',
};

/**
 * Why the door does not open, in a resident's words.
 * @param {unknown} error
 * @returns {string}
 */
export const openingText = (error) => (error instanceof DoorError ? t(OPENING_REFUSALS[error.reason]) : errorText(error));

/** @type {Record<EndReason, TextKey>} */
const END_REASONS = {
  doorGone: 'endDoorGone',
  doorHungUp: 'endDoorHungUp',
  maximumDuration: 'endMaximumDuration',
  mediaLost: 'endMediaLost',
  residentGone: 'endResidentGone',
  residentHungUp: 'endResidentHungUp',
};

/**
 * @param {EndReason | undefined} reason
 * @returns {string}
 */
export const endReasonText = (reason) => (reason ? t(END_REASONS[reason]) : '');

/**
 * What became of a call, as a line of the list of calls.
 * @param {Call} call
 * @param {string} uid the reader
 * @returns {string}
 */
export function outcomeText(call, uid) {
  const mine = call.initiator.uid === uid;
  const answered = call.participants.find((one) => one.joinedAt !== undefined && one.uid !== call.door);
  /** @type {Record<CallStatus, () => string>} */
  const outcomes = {
    initiated: () => t('statusRunning'),
    ongoing: () => t('statusRunning'),
    ended: () => {
      if (mine) return t('statusYouCalled');
      return answered && answered.uid !== uid ? t('statusAnsweredBy', { name: answered.name }) : t('statusAnswered');
    },
    rejected: () => t(mine ? 'statusNotAnswered' : 'statusDeclined'),
    busy: () => t('statusBusy'),
    cancelled: () => t(mine ? 'statusYouCancelled' : 'statusCancelled'),
    unanswered: () => t(mine ? 'statusNotAnswered' : 'statusMissed'),
  };
  return outcomes[call.status]();
}

/**
 * The door of a call, in words.
 * @param {Call} call
 * @returns {string}
 */
export function doorName(call) {
  const name = call.metadata['doorName'];
  if (name) return name;
  return call.initiator.uid === call.door ? call.initiator.name : call.receiverName;
}

/**
 * @param {number} seconds
 * @returns {string}
 */
export function durationText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/**
 * @param {number} wall milliseconds since 1970
 * @returns {string}
 */
export function dayText(wall) {
  const day = new Date(wall).toDateString();
  if (day === new Date().toDateString()) return t('today');
  if (day === new Date(Date.now() - 86_400_000).toDateString()) return t('yesterday');
  return new Date(wall).toLocaleDateString(region(), { weekday: 'long', day: 'numeric', month: 'long' });
}

/** @param {number} wall milliseconds since 1970 */
export const timeText = (wall) => new Date(wall).toLocaleTimeString(region(), { hour: '2-digit', minute: '2-digit' });
