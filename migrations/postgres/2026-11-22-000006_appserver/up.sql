-- Sessions of the application-server face. A person's stands besides in session, with which it ends; a client's own
-- stands here alone. The session id that the client has is stored as its hash.
CREATE TABLE appserver_session (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    -- the authentication module that opened it
    module TEXT NOT NULL,
    -- the person's session; null where a client acts for itself
    session_id TEXT REFERENCES session (id) ON DELETE CASCADE,
    -- the client that acts for itself, or whose code or token it was opened with
    client_id TEXT COLLATE "C" REFERENCES client (id) ON DELETE CASCADE,
    -- the secret that was presented; it ends with it
    client_secret_id TEXT,
    -- the grant of the code or token; it ends with it
    grant_id TEXT,
    -- the access token; it ends with it
    token_jti TEXT,
    token_issued_at BIGINT,
    -- what narrows it; null where nothing does
    scope TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX appserver_session_by_session ON appserver_session (session_id);
CREATE INDEX appserver_session_by_client ON appserver_session (client_id);
CREATE INDEX appserver_session_by_expiry ON appserver_session (expires_at);
