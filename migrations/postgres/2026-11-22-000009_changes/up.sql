-- What was changed of the things that processes keep in memory: each of them forgets what is named here. Triggers write
-- it, so that no write can forget to. Rows go after ten minutes.
-- identity: a client or principal, its secrets, resources and permissions; grant, session: taken back or ended;
-- token: an access token that was revoked by itself; role: what some role allows; key: the signing keys.
-- Rows become visible in another order than that of seq; xid tells a reader what it cannot have seen yet: everything of
-- transactions that had not ended when it last looked.
CREATE TABLE change (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    xid XID8 NOT NULL DEFAULT pg_current_xact_id(),
    at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX change_xid ON change (xid);

-- The first argument is the kind, the second the column that names what changed.
CREATE FUNCTION note_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO change (kind, name) VALUES (TG_ARGV[0],
        CASE WHEN TG_ARGV[1] = '' THEN ''
             WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ->> TG_ARGV[1]
             ELSE to_jsonb(NEW) ->> TG_ARGV[1] END);
    RETURN NULL;
END
$$;

CREATE TRIGGER principal_changed AFTER UPDATE OF email, email_verified, name, phone, phone_verified, picture, properties,
    settings, acl, access_attributes, system_user, password_hash, password_changed_at, password_temporary,
    password_expires_at, suspended_at, updated_at, etag OR DELETE ON principal
    FOR EACH ROW EXECUTE FUNCTION note_change('identity', 'id');
CREATE TRIGGER client_changed AFTER UPDATE OR DELETE ON client
    FOR EACH ROW EXECUTE FUNCTION note_change('identity', 'id');
CREATE TRIGGER client_secret_changed AFTER INSERT OR UPDATE OR DELETE ON client_secret
    FOR EACH ROW EXECUTE FUNCTION note_change('identity', 'client_id');
CREATE TRIGGER client_resource_changed AFTER INSERT OR DELETE ON client_resource
    FOR EACH ROW EXECUTE FUNCTION note_change('identity', 'client_id');
CREATE TRIGGER identity_access_changed AFTER UPDATE OF access_version ON identity
    FOR EACH ROW EXECUTE FUNCTION note_change('identity', 'id');
CREATE TRIGGER role_generation_changed AFTER UPDATE ON role_generation
    FOR EACH ROW EXECUTE FUNCTION note_change('role', '');
CREATE TRIGGER grant_changed AFTER UPDATE ON oauth_grant
    FOR EACH ROW EXECUTE FUNCTION note_change('grant', 'id');
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON session
    FOR EACH ROW EXECUTE FUNCTION note_change('session', 'id');
CREATE TRIGGER token_revoked AFTER INSERT ON revoked_token
    FOR EACH ROW EXECUTE FUNCTION note_change('token', 'jti');
CREATE TRIGGER signing_key_changed AFTER INSERT OR UPDATE OR DELETE ON signing_key
    FOR EACH ROW EXECUTE FUNCTION note_change('key', '');
