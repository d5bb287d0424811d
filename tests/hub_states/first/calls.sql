-- The log and the history of the first version.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    boot TEXT NOT NULL,
    moment INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX entries_of_session ON entries (session);
CREATE TABLE history (
    session TEXT PRIMARY KEY,
    initiated_at INTEGER NOT NULL,
    door TEXT NOT NULL,
    initiator TEXT NOT NULL,
    user TEXT,
    guid TEXT,
    call TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_time ON history (initiated_at);

INSERT INTO history (session, initiated_at, door, initiator, user, guid, call) VALUES
    ('0102030405060708090a0b0c0d0e0f10', 4000000000000, 'front', 'front', NULL, 'flat-1',
     '{"sessionId":"0102030405060708090a0b0c0d0e0f10","type":"video","status":"unanswered","initiator":{"uid":"front","deviceId":"station","name":"Front door"},"receiverType":"group","receiver":"flat-1","receiverName":"Flat 1","door":"front","initiatedAt":4000000000000,"endedAt":4000000045000,"participants":[],"metadata":{},"entry":2}');
PRAGMA user_version = 1;
