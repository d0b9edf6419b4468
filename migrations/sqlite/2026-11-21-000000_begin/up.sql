-- Times are milliseconds since the Unix epoch. Secrets are stored as SHA-256 (base64url) only; what must be read back
-- is sealed under the master key. JSON is text: it is never searched.

-- Raised by every write that changes what processes keep in memory.
CREATE TABLE generation (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (1, 0);

-- The check value of the master key that seals this database.
CREATE TABLE master_key (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT NOT NULL
);

-- One namespace for principals and clients, so that a subject is never ambiguous; a deleted id is never used again.
CREATE TABLE identity (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('principal', 'client')),
    deleted_at BIGINT
);

CREATE TABLE principal (
    id TEXT PRIMARY KEY REFERENCES identity (id),
    email TEXT,
    -- what equality means for an email: lower case
    email_key TEXT UNIQUE,
    email_verified BOOLEAN NOT NULL,
    name TEXT,
    phone TEXT,
    phone_verified BOOLEAN NOT NULL,
    picture TEXT,
    -- the other OpenID Connect standard claims and custom keys, JSON object
    properties TEXT NOT NULL,
    settings TEXT NOT NULL,
    acl TEXT NOT NULL,
    access_attributes TEXT NOT NULL,
    system_user BOOLEAN NOT NULL,
    -- PHC string
    password_hash TEXT,
    password_changed_at BIGINT,
    -- a temporary password signs in only as far as the page that replaces it
    password_temporary BOOLEAN NOT NULL,
    password_expires_at BIGINT,
    suspended_at BIGINT,
    last_active_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    etag TEXT NOT NULL
);

CREATE TABLE role (
    key TEXT PRIMARY KEY,
    description TEXT,
    acl TEXT NOT NULL,
    system BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    etag TEXT NOT NULL
);

-- Roles of principals and of clients.
CREATE TABLE identity_role (
    identity_id TEXT NOT NULL REFERENCES identity (id),
    role_key TEXT NOT NULL REFERENCES role (key),
    PRIMARY KEY (identity_id, role_key)
);
CREATE INDEX identity_role_by_role ON identity_role (role_key, identity_id);

CREATE TABLE client (
    id TEXT PRIMARY KEY REFERENCES identity (id),
    name TEXT NOT NULL,
    description TEXT,
    redirect_uris TEXT NOT NULL,
    post_logout_redirect_uris TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scopes TEXT NOT NULL,
    token_endpoint_auth_method TEXT NOT NULL,
    first_party BOOLEAN NOT NULL,
    -- the remaining OpenID Connect client metadata, JSON object
    metadata TEXT NOT NULL,
    acl TEXT NOT NULL,
    access_attributes TEXT NOT NULL,
    suspended_at BIGINT,
    system_client BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    etag TEXT NOT NULL
);

-- Which client serves which resource (RFC 8707): the audience's owner.
CREATE TABLE client_resource (
    uri TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES client (id)
);
CREATE INDEX client_resource_by_client ON client_resource (client_id);

CREATE TABLE client_secret (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES client (id),
    hash TEXT NOT NULL,
    hint TEXT NOT NULL,
    description TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX client_secret_by_client ON client_secret (client_id);

-- A browser session: id is what tokens call sid, the cookie is stored as its hash.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    principal_id TEXT NOT NULL REFERENCES principal (id),
    secret_hash TEXT NOT NULL UNIQUE,
    auth_time BIGINT NOT NULL,
    amr TEXT NOT NULL,
    acr TEXT NOT NULL,
    persistent BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_active_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    ended_at BIGINT
);
CREATE INDEX session_by_principal ON session (principal_id, created_at);
CREATE INDEX session_by_expiry ON session (expires_at);

-- What a subject has granted to a client: every token names its grant, and revocation acts on it.
CREATE TABLE oauth_grant (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES client (id),
    principal_id TEXT NOT NULL REFERENCES principal (id),
    session_id TEXT,
    scope TEXT NOT NULL,
    -- nonce, acr, amr, resources and requested claims, JSON object
    details TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    offline BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX oauth_grant_by_principal ON oauth_grant (principal_id, client_id);
CREATE INDEX oauth_grant_by_session ON oauth_grant (session_id);
CREATE INDEX oauth_grant_by_client ON oauth_grant (client_id);
CREATE INDEX oauth_grant_by_expiry ON oauth_grant (expires_at);

CREATE TABLE authorization_code (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    redirect_uri_sent BOOLEAN NOT NULL,
    scope TEXT NOT NULL,
    code_challenge TEXT,
    details TEXT NOT NULL,
    auth_time BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    -- rows outlive their use, so that a replay is seen
    purge_at BIGINT NOT NULL
);
CREATE INDEX authorization_code_by_purge ON authorization_code (purge_at);

CREATE TABLE refresh_token (
    hash TEXT PRIMARY KEY,
    grant_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    successor_hash TEXT,
    -- the successor, sealed under a key that only the presented token and the master key give together;
    -- erased at the successor's first use or after the window
    sealed_successor TEXT,
    replay_until BIGINT
);
CREATE INDEX refresh_token_by_grant ON refresh_token (grant_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);
CREATE INDEX refresh_token_by_window ON refresh_token (replay_until);

-- Access tokens revoked one by one, until they expire.
CREATE TABLE revoked_token (
    jti TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX revoked_token_by_expiry ON revoked_token (expires_at);

-- Identifiers of client assertions that were presented, until they expire (RFC 7523 §3).
CREATE TABLE assertion_jti (
    hash TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX assertion_jti_by_expiry ON assertion_jti (expires_at);

CREATE TABLE consent (
    principal_id TEXT NOT NULL REFERENCES principal (id),
    client_id TEXT NOT NULL REFERENCES client (id),
    redirect_host TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (principal_id, client_id, redirect_host)
);
CREATE INDEX consent_by_client ON consent (client_id);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed_private TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    activates_at BIGINT NOT NULL
);

-- The one row that says that an owner was made; inserted together with the owner.
CREATE TABLE setup (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    identity_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE setup_link (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Guesses at passwords, by account, device or address (hashed).
CREATE TABLE throttle (
    key TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX throttle_by_expiry ON throttle (expires_at);
