/**
 * The ledger's schema as numbered steps: step n brings version n-1 to n. A step that was released is never edited;
 * a change is a new step. SQLite's `user_version` holds the number of the last step taken.
 *
 * Peer IDs and jail names are interned: a claim then costs a few bytes, and a path eight bytes a hop.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE peers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE jails (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  -- Signed reports, verbatim. live: how many registers it still holds; the report goes with the last of them.
  CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    origin INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,          -- ms
    bytes BLOB NOT NULL,
    signature BLOB NOT NULL,
    expires_at INTEGER NOT NULL,         -- s
    live INTEGER NOT NULL,
    relayed INTEGER,                     -- own confidence (ppm) when last relayed; null: never
    offer BLOB,                          -- sync key of what we offer to friends; null: nothing
    offer_via INTEGER,                   -- the friend whose path that is; null: the report is our own
    brought_by INTEGER                   -- the friend who brought it first; null: the report is our own
  ) STRICT;
  CREATE INDEX reports_by_expiry ON reports (expires_at);
  CREATE INDEX reports_by_issue ON reports (issued_at, digest);
  CREATE INDEX reports_own ON reports (issued_at, live) WHERE brought_by IS NULL;

  -- The latest path by which each friend brought a report. hops: pairs of uint32 (peer, trust in ppm), little endian.
  CREATE TABLE paths (
    report INTEGER NOT NULL,
    friend INTEGER NOT NULL,
    hops BLOB NOT NULL,
    key BLOB NOT NULL,                   -- sync key of the report by this path
    PRIMARY KEY (report, friend)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX paths_by_friend ON paths (friend);

  -- Last-writer-wins registers. own: 0 the mesh's, 1 by this node's operator, 2 by this node's fail2ban.
  CREATE TABLE claims (
    subject TEXT NOT NULL,
    origin INTEGER NOT NULL,
    jail INTEGER NOT NULL,
    ban INTEGER NOT NULL,
    until INTEGER NOT NULL,              -- s
    failures INTEGER NOT NULL,
    report INTEGER NOT NULL,
    own INTEGER NOT NULL,
    PRIMARY KEY (subject, origin, jail)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claims_by_report ON claims (report);

  -- What is known of our own claims beyond the register.
  CREATE TABLE own_claims (
    subject TEXT NOT NULL,
    jail TEXT NOT NULL,
    ban INTEGER NOT NULL,
    until INTEGER NOT NULL,              -- s
    kept INTEGER NOT NULL,               -- s
    ends_at INTEGER NOT NULL,            -- s
    failures INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (subject, jail)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX own_claims_by_jail ON own_claims (jail);
  CREATE INDEX own_claims_to_renew ON own_claims (until) WHERE ends_at > until;
  CREATE INDEX own_claims_to_lift ON own_claims (until) WHERE kept > until;
  CREATE INDEX own_claims_by_end ON own_claims (kept);

  CREATE TABLE verdicts (
    subject TEXT PRIMARY KEY,
    score INTEGER NOT NULL,              -- ppm
    accepted INTEGER NOT NULL,
    until INTEGER NOT NULL,              -- s
    review_at INTEGER NOT NULL,          -- s
    origins INTEGER NOT NULL,
    jail TEXT NOT NULL,
    local_jail TEXT,                     -- null: the hand-off's own
    reason TEXT NOT NULL,
    own INTEGER NOT NULL,
    hand_off INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX verdicts_by_review ON verdicts (review_at);

  CREATE TABLE vetoes (subject TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- What the hand-offs still have to do, the newest word per subject. seq tells a newer word from the one being handed over.
  CREATE TABLE outbox (
    target TEXT NOT NULL,
    subject TEXT NOT NULL,
    seq INTEGER NOT NULL,
    ban INTEGER NOT NULL,
    until INTEGER NOT NULL,
    jail TEXT NOT NULL,
    score INTEGER NOT NULL,
    origins INTEGER NOT NULL,
    PRIMARY KEY (target, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX outbox_by_seq ON outbox (target, seq);

  -- Jails that fail2ban has flushed without a stop so far, and when (ms).
  CREATE TABLE flushes (jail TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- libp2p's own peer store: addresses and tags survive a restart.
  CREATE TABLE datastore (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- Subjects whose ban by the mesh the operator took back (banmesh flush), until their verdict ends.
  CREATE TABLE flushed (subject TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
  `
  -- To count them without a look at every verdict; all verdicts together SQLite counts by pages.
  CREATE INDEX verdicts_held ON verdicts (subject) WHERE accepted = 0;
  `,
  `
  -- Whose word it is mostly: whoever says much at once waits for themselves only.
  ALTER TABLE outbox ADD COLUMN source TEXT NOT NULL DEFAULT '';
  CREATE INDEX outbox_by_source ON outbox (target, source, seq);
  DROP INDEX outbox_by_seq;
  `
]
