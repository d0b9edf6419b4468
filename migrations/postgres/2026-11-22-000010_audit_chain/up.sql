-- The audit log as a chain: what was committed gets a position and a hash over itself, its position and the hash before
-- it, afterwards and by one server at a time.

-- Null until it is sealed.
ALTER TABLE audit_event ADD COLUMN position BIGINT;
-- SHA-256, base64url
ALTER TABLE audit_event ADD COLUMN hash TEXT;
-- of what is sealed only: what is not is then found in its own order, however much of it there is
CREATE UNIQUE INDEX audit_event_by_position ON audit_event (position) WHERE position IS NOT NULL;
CREATE INDEX audit_event_unsealed ON audit_event (id) WHERE position IS NULL;

-- Up to where the log is sealed, and which server seals it until when.
CREATE TABLE audit_seal (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL,
    hash TEXT NOT NULL,
    holder TEXT,
    held_until BIGINT NOT NULL
);
INSERT INTO audit_seal (id, position, hash, held_until) VALUES (1, 0, 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 0);

-- What checkpoints and cuts are signed with. The youngest signs; all stay, so that what they signed can be verified.
CREATE TABLE audit_key (
    kid TEXT COLLATE "C" PRIMARY KEY,
    sealed_private TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Signed words (JWS) on which hash the chain had at a position.
CREATE TABLE audit_checkpoint (
    position BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    token TEXT NOT NULL
);

-- Signed words (JWS) on what went by the retention policy: everything up to this position.
CREATE TABLE audit_cut (
    position BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    token TEXT NOT NULL
);
