// What the paths below /v1/admin answer (docs/operator.md), for the type checker. Holds no code.

import type { Call, OwnRules, ReceiverType } from '../types.js';

export interface Group {
  guid: string;
  name: string;
  joinable: boolean;
  looks: boolean;
  members: string[];
  /** Seconds after which it rings at members that do not come first. */
  turns: Record<string, number>;
}

export interface Resident {
  uid: string;
  name: string;
  groups: string[];
  online: boolean;
  looks: boolean;
  rules: OwnRules;
}

export interface Receiver {
  receiverType: ReceiverType;
  receiver: string;
  opens: boolean;
}

export interface Door {
  uid: string;
  name: string;
  online: boolean;
  receivers: Receiver[];
  lastCall?: Call;
}

export interface Device {
  deviceId: string;
  uid: string;
  name: string;
  added: number;
  online: boolean;
}

export interface Directory {
  version: string;
  groups: Group[];
  residents: Resident[];
  doors: Door[];
  devices: Device[];
  administrators: string[];
}

export interface Pairing {
  code: string;
  link: string;
  qr: string;
  expiresIn: number;
}

export interface Note {
  id: number;
  at: number;
  actor: string;
  action: string;
  subject: string;
}

export interface KeptLine {
  id: number;
  door: string;
  keptAt: number;
  line: string;
}
