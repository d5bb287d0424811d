-- A directory as the first version of the hub made it: its tables never change any more.
CREATE TABLE users (
    uid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('door', 'resident'))
) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
    guid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    joinable INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE members (
    guid TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    since INTEGER NOT NULL,
    PRIMARY KEY (guid, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE door_groups (
    door TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    guid TEXT NOT NULL REFERENCES groups ON DELETE CASCADE,
    PRIMARY KEY (door, guid)
) STRICT, WITHOUT ROWID;
CREATE TABLE door_users (
    door TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (door, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
    device_id TEXT PRIMARY KEY,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    name TEXT NOT NULL,
    credential BLOB NOT NULL,
    added INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE invitations (
    secret BLOB PRIMARY KEY,
    uid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO users (uid, name, kind) VALUES ('anna', 'Anna', 'resident'), ('front', 'Front door', 'door');
INSERT INTO groups (guid, name, joinable) VALUES ('flat-1', 'Flat 1', 0);
INSERT INTO members (guid, uid, since) VALUES ('flat-1', 'anna', 1);
INSERT INTO door_groups (door, guid) VALUES ('front', 'flat-1');
INSERT INTO devices (device_id, uid, name, credential, added) VALUES ('phone', 'anna', 'Phone', x'4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0', 1);
PRAGMA user_version = 1;
