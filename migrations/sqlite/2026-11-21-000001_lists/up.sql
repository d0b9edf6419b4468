-- Lists whose pages cost the same at any size: an order of registration (seq), an index per order, an index of what
-- texts contain, roles and attributes by member, and counts that are kept instead of counted. Triggers keep all of it
-- but name_key, which is lower case as Unicode has it and so is written by the program.

-- How many rows there are, in disjoint groups; PostgreSQL spreads each over several rows.
CREATE TABLE tally (
    name TEXT NOT NULL,
    shard BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name, shard)
);

-- Where runs of characters begin; what lies behind the first thousand characters of a text is not searched.
CREATE TABLE gram_position (
    at INTEGER PRIMARY KEY
);
INSERT INTO gram_position (at)
    WITH RECURSIVE position (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM position WHERE at < 1000)
    SELECT at FROM position;

ALTER TABLE identity_role ADD COLUMN principal_seq BIGINT;
ALTER TABLE identity_role ADD COLUMN client_seq BIGINT;

-- What principals and clients carry in access_attributes, one row per value.
CREATE TABLE identity_attribute (
    identity_id TEXT NOT NULL REFERENCES identity (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    principal_seq BIGINT,
    client_seq BIGINT,
    PRIMARY KEY (identity_id, key, value)
) WITHOUT ROWID;
CREATE INDEX identity_attribute_by_principal ON identity_attribute (key, value, principal_seq)
    WHERE principal_seq IS NOT NULL;
CREATE INDEX identity_attribute_by_client ON identity_attribute (key, value, client_seq) WHERE client_seq IS NOT NULL;

-- principals, in the order of their registration
ALTER TABLE principal ADD COLUMN seq BIGINT;
ALTER TABLE principal ADD COLUMN name_key TEXT;
ALTER TABLE principal ADD COLUMN suspended BOOLEAN GENERATED ALWAYS AS (suspended_at IS NOT NULL) VIRTUAL;
ALTER TABLE principal ADD COLUMN name_sort TEXT GENERATED ALWAYS AS (substr(coalesce(name_key, ''), 1, 200)) VIRTUAL;
ALTER TABLE principal ADD COLUMN email_sort TEXT GENERATED ALWAYS AS (coalesce(email_key, '')) VIRTUAL;
ALTER TABLE principal ADD COLUMN active_sort BIGINT GENERATED ALWAYS AS (coalesce(last_active_at, 0)) VIRTUAL;
UPDATE principal SET name_key = lower(name);
UPDATE principal SET seq = numbered.n
    FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM principal) AS numbered WHERE numbered.id = principal.id;
CREATE UNIQUE INDEX principal_by_seq ON principal (seq);
CREATE INDEX principal_by_created ON principal (suspended, seq);
CREATE INDEX principal_by_name ON principal (suspended, name_sort, seq);
CREATE INDEX principal_by_email ON principal (suspended, email_sort, seq);
CREATE INDEX principal_by_activity ON principal (suspended, active_sort, seq);
INSERT INTO tally (name, shard, value)
    SELECT 'principal.seq', 0, count(*) FROM principal
    UNION ALL SELECT 'principal', 0, (SELECT count(*) FROM principal WHERE CASE WHEN suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END = 'principal') UNION ALL SELECT 'principal.suspended', 0, (SELECT count(*) FROM principal WHERE CASE WHEN suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END = 'principal.suspended');
UPDATE identity_role SET principal_seq = (SELECT seq FROM principal WHERE id = identity_id);
CREATE INDEX identity_role_by_principal ON identity_role (role_key, principal_seq) WHERE principal_seq IS NOT NULL;
INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, principal_seq)
        SELECT listed.id, entry.key, item.value, listed.seq
        FROM principal AS listed CROSS JOIN json_each(listed.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;

-- Which texts contain which runs of 1, 2, 3 and 6 characters (in hexadecimal); the row is the principal's seq.
CREATE VIRTUAL TABLE principal_grams USING fts5 (
    grams, tokenize = 'ascii', detail = none, content = '', contentless_delete = 1
);
INSERT INTO principal_grams (rowid, grams)
        SELECT listed.seq, (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(listed.name_key, '') || char(10) || coalesce(listed.email_key, '') || char(10) || coalesce(lower(listed.phone), '') AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content)) FROM principal AS listed;

CREATE TRIGGER principal_inserted AFTER INSERT ON principal BEGIN
    UPDATE tally SET value = value + 1 WHERE name IN ('principal.seq', CASE WHEN NEW.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END) AND shard = 0;
    UPDATE principal SET seq = (SELECT value FROM tally WHERE name = 'principal.seq' AND shard = 0) WHERE id = NEW.id;
    INSERT INTO principal_grams (rowid, grams)
        SELECT (SELECT seq FROM principal WHERE id = NEW.id), (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(NEW.name_key, '') || char(10) || coalesce(NEW.email_key, '') || char(10) || coalesce(lower(NEW.phone), '') AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content));
    INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, principal_seq)
        SELECT NEW.id, entry.key, item.value, (SELECT seq FROM principal WHERE id = NEW.id)
        FROM json_each(NEW.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;
END;
CREATE TRIGGER principal_text_updated AFTER UPDATE OF name_key, email_key, phone ON principal
WHEN OLD.name_key IS NOT NEW.name_key OR OLD.email_key IS NOT NEW.email_key OR OLD.phone IS NOT NEW.phone BEGIN
    DELETE FROM principal_grams WHERE rowid = OLD.seq;
    INSERT INTO principal_grams (rowid, grams)
        SELECT NEW.seq, (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(NEW.name_key, '') || char(10) || coalesce(NEW.email_key, '') || char(10) || coalesce(lower(NEW.phone), '') AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content));
END;
CREATE TRIGGER principal_state_updated AFTER UPDATE OF suspended_at ON principal
WHEN (OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL) BEGIN
    UPDATE tally SET value = value - 1 WHERE name = CASE WHEN OLD.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END AND shard = 0;
    UPDATE tally SET value = value + 1 WHERE name = CASE WHEN NEW.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END AND shard = 0;
END;
CREATE TRIGGER principal_attributes_updated AFTER UPDATE OF access_attributes ON principal
WHEN OLD.access_attributes <> NEW.access_attributes BEGIN
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
    INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, principal_seq)
        SELECT NEW.id, entry.key, item.value, NEW.seq
        FROM json_each(NEW.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;
END;
CREATE TRIGGER principal_deleted AFTER DELETE ON principal BEGIN
    UPDATE tally SET value = value - 1 WHERE name = CASE WHEN OLD.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END AND shard = 0;
    DELETE FROM principal_grams WHERE rowid = OLD.seq;
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
END;

-- clients, in the order of their registration
ALTER TABLE client ADD COLUMN seq BIGINT;
ALTER TABLE client ADD COLUMN name_key TEXT;
ALTER TABLE client ADD COLUMN suspended BOOLEAN GENERATED ALWAYS AS (suspended_at IS NOT NULL) VIRTUAL;
ALTER TABLE client ADD COLUMN name_sort TEXT GENERATED ALWAYS AS (substr(coalesce(name_key, ''), 1, 200)) VIRTUAL;
UPDATE client SET name_key = lower(name);
UPDATE client SET seq = numbered.n
    FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM client) AS numbered WHERE numbered.id = client.id;
CREATE UNIQUE INDEX client_by_seq ON client (seq);
CREATE INDEX client_by_created ON client (suspended, system_client, seq);
CREATE INDEX client_by_name ON client (suspended, system_client, name_sort, seq);
CREATE INDEX client_by_identifier ON client (suspended, system_client, id, seq);
INSERT INTO tally (name, shard, value)
    SELECT 'client.seq', 0, count(*) FROM client
    UNION ALL SELECT 'client', 0, (SELECT count(*) FROM client WHERE CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END = 'client') UNION ALL SELECT 'client.suspended', 0, (SELECT count(*) FROM client WHERE CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END = 'client.suspended') UNION ALL SELECT 'client.system', 0, (SELECT count(*) FROM client WHERE CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END = 'client.system') UNION ALL SELECT 'client.system.suspended', 0, (SELECT count(*) FROM client WHERE CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END = 'client.system.suspended');
UPDATE identity_role SET client_seq = (SELECT seq FROM client WHERE id = identity_id);
CREATE INDEX identity_role_by_client ON identity_role (role_key, client_seq) WHERE client_seq IS NOT NULL;
INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, client_seq)
        SELECT listed.id, entry.key, item.value, listed.seq
        FROM client AS listed CROSS JOIN json_each(listed.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;

-- Which texts contain which runs of 1, 2, 3 and 6 characters (in hexadecimal); the row is the client's seq.
CREATE VIRTUAL TABLE client_grams USING fts5 (
    grams, tokenize = 'ascii', detail = none, content = '', contentless_delete = 1
);
INSERT INTO client_grams (rowid, grams)
        SELECT listed.seq, (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(listed.name_key, '') || char(10) || lower(listed.id) AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content)) FROM client AS listed;

CREATE TRIGGER client_inserted AFTER INSERT ON client BEGIN
    UPDATE tally SET value = value + 1 WHERE name IN ('client.seq', CASE WHEN NEW.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN NEW.suspended_at IS NULL THEN '' ELSE '.suspended' END) AND shard = 0;
    UPDATE client SET seq = (SELECT value FROM tally WHERE name = 'client.seq' AND shard = 0) WHERE id = NEW.id;
    INSERT INTO client_grams (rowid, grams)
        SELECT (SELECT seq FROM client WHERE id = NEW.id), (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(NEW.name_key, '') || char(10) || lower(NEW.id) AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content));
    INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, client_seq)
        SELECT NEW.id, entry.key, item.value, (SELECT seq FROM client WHERE id = NEW.id)
        FROM json_each(NEW.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;
END;
CREATE TRIGGER client_text_updated AFTER UPDATE OF name_key ON client
WHEN OLD.name_key IS NOT NEW.name_key BEGIN
    DELETE FROM client_grams WHERE rowid = OLD.seq;
    INSERT INTO client_grams (rowid, grams)
        SELECT NEW.seq, (SELECT group_concat(
                hex(substr(whole.content, at, 1)) || ' ' || hex(substr(whole.content, at, 2)) || ' '
                || hex(substr(whole.content, at, 3)) || ' ' || hex(substr(whole.content, at, 6)), ' ')
            FROM (SELECT coalesce(NEW.name_key, '') || char(10) || lower(NEW.id) AS content) AS whole
            CROSS JOIN gram_position WHERE at <= length(whole.content));
END;
CREATE TRIGGER client_state_updated AFTER UPDATE OF suspended_at, system_client ON client
WHEN (OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL) OR OLD.system_client <> NEW.system_client BEGIN
    UPDATE tally SET value = value - 1 WHERE name = CASE WHEN OLD.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN OLD.suspended_at IS NULL THEN '' ELSE '.suspended' END AND shard = 0;
    UPDATE tally SET value = value + 1 WHERE name = CASE WHEN NEW.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN NEW.suspended_at IS NULL THEN '' ELSE '.suspended' END AND shard = 0;
END;
CREATE TRIGGER client_attributes_updated AFTER UPDATE OF access_attributes ON client
WHEN OLD.access_attributes <> NEW.access_attributes BEGIN
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
    INSERT OR IGNORE INTO identity_attribute (identity_id, key, value, client_seq)
        SELECT NEW.id, entry.key, item.value, NEW.seq
        FROM json_each(NEW.access_attributes) AS entry CROSS JOIN json_each(entry.value) AS item;
END;
CREATE TRIGGER client_deleted AFTER DELETE ON client BEGIN
    UPDATE tally SET value = value - 1 WHERE name = CASE WHEN OLD.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN OLD.suspended_at IS NULL THEN '' ELSE '.suspended' END AND shard = 0;
    DELETE FROM client_grams WHERE rowid = OLD.seq;
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
END;

CREATE TRIGGER identity_role_inserted AFTER INSERT ON identity_role BEGIN
    UPDATE identity_role
        SET principal_seq = (SELECT seq FROM principal WHERE id = NEW.identity_id),
            client_seq = (SELECT seq FROM client WHERE id = NEW.identity_id)
        WHERE identity_id = NEW.identity_id AND role_key = NEW.role_key;
END;

INSERT INTO tally (name, shard, value) SELECT 'role', 0, count(*) FROM role;
CREATE TRIGGER role_inserted AFTER INSERT ON role BEGIN
    UPDATE tally SET value = value + 1 WHERE name = 'role' AND shard = 0;
END;
CREATE TRIGGER role_deleted AFTER DELETE ON role BEGIN
    UPDATE tally SET value = value - 1 WHERE name = 'role' AND shard = 0;
END;
