-- Raised whenever a role changes what it allows or goes away; with an identity's own version it tells whether what was
-- compiled from roles and lists still holds.
CREATE TABLE role_generation (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO role_generation (id, value) VALUES (1, 0);

-- Raised whenever the identity's roles, list or attributes change.
ALTER TABLE identity ADD COLUMN access_version BIGINT NOT NULL DEFAULT 0;

-- Who changed what, and who was refused. Never holds secrets.
CREATE TABLE audit_event (
    -- a version 7 UUID: the order of time
    id TEXT COLLATE "C" PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    -- succeeded or refused
    outcome TEXT NOT NULL,
    -- why it was refused
    code TEXT,
    actor_kind TEXT NOT NULL,
    actor_id TEXT COLLATE "C",
    client_id TEXT COLLATE "C",
    ip_address TEXT,
    request_id TEXT NOT NULL,
    target_kind TEXT COLLATE "C" NOT NULL,
    target_id TEXT COLLATE "C",
    -- [{"path", "from", "to"}]
    changes TEXT NOT NULL,
    -- how often; refusals that repeat are one event
    occurrences BIGINT NOT NULL
);
CREATE INDEX audit_event_by_target ON audit_event (target_id, id);
CREATE INDEX audit_event_by_actor ON audit_event (actor_id, id);
CREATE INDEX audit_event_by_action ON audit_event (action, id);
CREATE INDEX audit_event_by_time ON audit_event (at);

-- Answers to requests that carried an Idempotency-Key, sealed, until they expire.
CREATE TABLE idempotency (
    -- SHA-256 of caller, method, path and key
    hash TEXT COLLATE "C" PRIMARY KEY,
    -- SHA-256 of the body
    request TEXT NOT NULL,
    sealed_answer TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);
