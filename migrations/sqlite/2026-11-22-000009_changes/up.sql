-- What was changed of the things that processes keep in memory, in the order in which it was committed: each of them
-- forgets what is named here. Triggers write it, so that no write can forget to. Rows go after ten minutes.
-- identity: a client or principal, its secrets, resources and permissions; grant, session: taken back or ended;
-- token: an access token that was revoked by itself; role: what some role allows; key: the signing keys.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL DEFAULT (unixepoch())
);

CREATE TRIGGER principal_changed AFTER UPDATE OF email, email_verified, name, phone, phone_verified, picture, properties,
    settings, acl, access_attributes, system_user, password_hash, password_changed_at, password_temporary,
    password_expires_at, suspended_at, updated_at, etag ON principal BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.id);
END;
CREATE TRIGGER principal_gone AFTER DELETE ON principal BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', OLD.id);
END;
CREATE TRIGGER client_changed AFTER UPDATE ON client BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.id);
END;
CREATE TRIGGER client_gone AFTER DELETE ON client BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', OLD.id);
END;
CREATE TRIGGER client_secret_added AFTER INSERT ON client_secret BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.client_id);
END;
CREATE TRIGGER client_secret_changed AFTER UPDATE ON client_secret BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.client_id);
END;
CREATE TRIGGER client_secret_gone AFTER DELETE ON client_secret BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', OLD.client_id);
END;
CREATE TRIGGER client_resource_added AFTER INSERT ON client_resource BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.client_id);
END;
CREATE TRIGGER client_resource_gone AFTER DELETE ON client_resource BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', OLD.client_id);
END;
CREATE TRIGGER identity_access_changed AFTER UPDATE OF access_version ON identity BEGIN
    INSERT INTO change (kind, name) VALUES ('identity', NEW.id);
END;
CREATE TRIGGER role_generation_changed AFTER UPDATE ON role_generation BEGIN
    INSERT INTO change (kind, name) VALUES ('role', '');
END;
CREATE TRIGGER grant_changed AFTER UPDATE ON oauth_grant BEGIN
    INSERT INTO change (kind, name) VALUES ('grant', NEW.id);
END;
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON session BEGIN
    INSERT INTO change (kind, name) VALUES ('session', NEW.id);
END;
CREATE TRIGGER token_revoked AFTER INSERT ON revoked_token BEGIN
    INSERT INTO change (kind, name) VALUES ('token', NEW.jti);
END;
CREATE TRIGGER signing_key_added AFTER INSERT ON signing_key BEGIN
    INSERT INTO change (kind, name) VALUES ('key', '');
END;
CREATE TRIGGER signing_key_changed AFTER UPDATE ON signing_key BEGIN
    INSERT INTO change (kind, name) VALUES ('key', '');
END;
CREATE TRIGGER signing_key_gone AFTER DELETE ON signing_key BEGIN
    INSERT INTO change (kind, name) VALUES ('key', '');
END;
