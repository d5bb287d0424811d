-- The copies of the doors' audit logs of the first version.
CREATE TABLE lines (
    door TEXT NOT NULL,
    chain TEXT NOT NULL,
    number INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (door, chain, number)
) STRICT;
CREATE INDEX lines_by_time ON lines (door, kept_at);

PRAGMA user_version = 1;
