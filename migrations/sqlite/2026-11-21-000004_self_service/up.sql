-- Tokens that people make for their own scripts. They go with their person.
CREATE TABLE personal_access_token (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    principal_id TEXT NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
    -- the application through which it was made; it holds no longer than that one may act
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX personal_access_token_by_principal ON personal_access_token (principal_id, created_at);
CREATE INDEX personal_access_token_by_expiry ON personal_access_token (expires_at);

-- The one email address that a principal is about to have, until it is proven or forgotten.
CREATE TABLE email_change (
    principal_id TEXT PRIMARY KEY REFERENCES principal (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX email_change_by_expiry ON email_change (expires_at);
