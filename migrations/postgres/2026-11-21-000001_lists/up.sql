-- Lists whose pages cost the same at any size: an order of registration (seq), an index per order, an index of what
-- texts contain, roles and attributes by member, and counts that are kept instead of counted. Triggers keep all of it
-- but name_key, which is lower case as Unicode has it and so is written by the program.

-- How many rows there are, in disjoint groups, each spread over several rows so that writers do not wait for each other.
CREATE TABLE tally (
    name TEXT COLLATE "C" NOT NULL,
    shard BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name, shard)
) WITH (fillfactor = 50);
CREATE FUNCTION tally_add(counted TEXT, change BIGINT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO tally (name, shard, value) SELECT counted, pg_backend_pid() % 16, change WHERE change <> 0
        ON CONFLICT (name, shard) DO UPDATE SET value = tally.value + EXCLUDED.value
$$;

-- What a text contains, as hashes of every run of 1, 2, 3 and 6 characters, and in which block of 16384 rows it is (a
-- number below -1000000), so that a page can be filled from one block. Runs of 6 are folded into a million hashes,
-- because most of them occur once. What lies behind the first thousand characters is not searched.
CREATE FUNCTION list_grams(seq BIGINT, content TEXT) RETURNS INT[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS $$
DECLARE
    grams INT[] := ARRAY[-1000000 - (seq >> 14)];
BEGIN
    FOR at IN 1..least(length(content), 1000) LOOP
        grams := grams || ARRAY[hashtext(substr(content, at, 1)), hashtext(substr(content, at, 2)),
            hashtext(substr(content, at, 3)), hashtext(substr(content, at, 6)) & 1048575];
    END LOOP;
    RETURN grams;
END
$$;

ALTER TABLE identity_role ADD COLUMN principal_seq BIGINT;
ALTER TABLE identity_role ADD COLUMN client_seq BIGINT;

-- What principals and clients carry in access_attributes, one row per value.
CREATE TABLE identity_attribute (
    identity_id TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    principal_seq BIGINT,
    client_seq BIGINT,
    PRIMARY KEY (identity_id, key, value)
);
CREATE INDEX identity_attribute_by_principal ON identity_attribute (key, value, principal_seq)
    WHERE principal_seq IS NOT NULL;
CREATE INDEX identity_attribute_by_client ON identity_attribute (key, value, client_seq) WHERE client_seq IS NOT NULL;

-- principals, in the order of their registration
ALTER TABLE principal ADD COLUMN seq BIGINT;
ALTER TABLE principal ADD COLUMN name_key TEXT COLLATE "C";
ALTER TABLE principal ADD COLUMN suspended BOOLEAN GENERATED ALWAYS AS (suspended_at IS NOT NULL) STORED;
ALTER TABLE principal ADD COLUMN name_sort TEXT COLLATE "C" GENERATED ALWAYS AS (substr(coalesce(name_key, ''), 1, 200)) STORED;
ALTER TABLE principal ADD COLUMN email_sort TEXT COLLATE "C" GENERATED ALWAYS AS (coalesce(email_key, '')) STORED;
ALTER TABLE principal ADD COLUMN active_sort BIGINT GENERATED ALWAYS AS (coalesce(last_active_at, 0)) STORED;
UPDATE principal SET name_key = lower(name);
UPDATE principal SET seq = numbered.n
    FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM principal) AS numbered WHERE numbered.id = principal.id;
CREATE SEQUENCE principal_seq OWNED BY principal.seq;
SELECT setval('principal_seq', coalesce((SELECT max(seq) FROM principal), 0) + 1, false);
ALTER TABLE principal ALTER COLUMN seq SET DEFAULT nextval('principal_seq');
ALTER TABLE principal ALTER COLUMN seq SET NOT NULL;
CREATE UNIQUE INDEX principal_by_seq ON principal (seq);
CREATE INDEX principal_by_created ON principal (suspended, seq);
CREATE INDEX principal_by_name ON principal (suspended, name_sort, seq);
CREATE INDEX principal_by_email ON principal (suspended, email_sort, seq);
CREATE INDEX principal_by_activity ON principal (suspended, active_sort, seq);
INSERT INTO tally (name, shard, value) SELECT CASE WHEN suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END, 0, count(*) FROM principal GROUP BY 1;
UPDATE identity_role SET principal_seq = principal.seq FROM principal WHERE principal.id = identity_id;
CREATE INDEX identity_role_by_principal ON identity_role (role_key, principal_seq) WHERE principal_seq IS NOT NULL;
INSERT INTO identity_attribute (identity_id, key, value, principal_seq)
            SELECT listed.id, entry.key, item.value, listed.seq
            FROM principal AS listed CROSS JOIN jsonb_each(listed.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item
            ON CONFLICT DO NOTHING;

-- A table of its own, so that a change of anything else does not touch the large index.
CREATE TABLE principal_search (
    seq BIGINT PRIMARY KEY,
    content TEXT NOT NULL
);
INSERT INTO principal_search (seq, content) SELECT seq, coalesce(name_key, '') || chr(10) || coalesce(email_key, '') || chr(10) || coalesce(lower(phone), '') FROM principal;
CREATE INDEX principal_search_by_grams ON principal_search USING gin (list_grams(seq, content)) WITH (fastupdate = off);

CREATE FUNCTION principal_inserted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO principal_search (seq, content) SELECT seq, coalesce(name_key, '') || chr(10) || coalesce(email_key, '') || chr(10) || coalesce(lower(phone), '') FROM added;
    INSERT INTO identity_attribute (identity_id, key, value, principal_seq)
            SELECT added.id, entry.key, item.value, added.seq
            FROM added CROSS JOIN jsonb_each(added.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item WHERE added.access_attributes <> '{}'
            ON CONFLICT DO NOTHING;
    PERFORM tally_add(counted.name, counted.n)
        FROM (SELECT CASE WHEN suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END AS name, count(*) AS n FROM added GROUP BY 1 ORDER BY 1) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER principal_inserted AFTER INSERT ON principal REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION principal_inserted();
CREATE FUNCTION principal_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM principal_search WHERE seq IN (SELECT seq FROM removed);
    DELETE FROM identity_attribute WHERE identity_id IN (SELECT id FROM removed);
    PERFORM tally_add(counted.name, -counted.n)
        FROM (SELECT CASE WHEN suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END AS name, count(*) AS n FROM removed GROUP BY 1 ORDER BY 1) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER principal_deleted AFTER DELETE ON principal REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION principal_deleted();
CREATE FUNCTION principal_text_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE principal_search SET content = coalesce(NEW.name_key, '') || chr(10) || coalesce(NEW.email_key, '') || chr(10) || coalesce(lower(NEW.phone), '') WHERE seq = NEW.seq;
    RETURN NULL;
END
$$;
CREATE TRIGGER principal_text_updated AFTER UPDATE OF name_key, email_key, phone ON principal FOR EACH ROW
    WHEN (OLD.name_key IS DISTINCT FROM NEW.name_key OR OLD.email_key IS DISTINCT FROM NEW.email_key OR OLD.phone IS DISTINCT FROM NEW.phone) EXECUTE FUNCTION principal_text_updated();
CREATE FUNCTION principal_state_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tally_add(counted.name, counted.n)
        FROM (SELECT * FROM (VALUES (CASE WHEN OLD.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END, -1), (CASE WHEN NEW.suspended_at IS NULL THEN 'principal' ELSE 'principal.suspended' END, 1)) AS moved (name, n) ORDER BY name) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER principal_state_updated AFTER UPDATE OF suspended_at ON principal FOR EACH ROW
    WHEN ((OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL)) EXECUTE FUNCTION principal_state_updated();
CREATE FUNCTION principal_attributes_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
    INSERT INTO identity_attribute (identity_id, key, value, principal_seq)
            SELECT NEW.id, entry.key, item.value, NEW.seq
            FROM jsonb_each(NEW.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item
            ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER principal_attributes_updated AFTER UPDATE OF access_attributes ON principal FOR EACH ROW
    WHEN (OLD.access_attributes <> NEW.access_attributes) EXECUTE FUNCTION principal_attributes_updated();

-- clients, in the order of their registration
ALTER TABLE client ADD COLUMN seq BIGINT;
ALTER TABLE client ADD COLUMN name_key TEXT COLLATE "C";
ALTER TABLE client ADD COLUMN suspended BOOLEAN GENERATED ALWAYS AS (suspended_at IS NOT NULL) STORED;
ALTER TABLE client ADD COLUMN name_sort TEXT COLLATE "C" GENERATED ALWAYS AS (substr(coalesce(name_key, ''), 1, 200)) STORED;
UPDATE client SET name_key = lower(name);
UPDATE client SET seq = numbered.n
    FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM client) AS numbered WHERE numbered.id = client.id;
CREATE SEQUENCE client_seq OWNED BY client.seq;
SELECT setval('client_seq', coalesce((SELECT max(seq) FROM client), 0) + 1, false);
ALTER TABLE client ALTER COLUMN seq SET DEFAULT nextval('client_seq');
ALTER TABLE client ALTER COLUMN seq SET NOT NULL;
CREATE UNIQUE INDEX client_by_seq ON client (seq);
CREATE INDEX client_by_created ON client (suspended, system_client, seq);
CREATE INDEX client_by_name ON client (suspended, system_client, name_sort, seq);
CREATE INDEX client_by_identifier ON client (suspended, system_client, id, seq);
INSERT INTO tally (name, shard, value) SELECT CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END, 0, count(*) FROM client GROUP BY 1;
UPDATE identity_role SET client_seq = client.seq FROM client WHERE client.id = identity_id;
CREATE INDEX identity_role_by_client ON identity_role (role_key, client_seq) WHERE client_seq IS NOT NULL;
INSERT INTO identity_attribute (identity_id, key, value, client_seq)
            SELECT listed.id, entry.key, item.value, listed.seq
            FROM client AS listed CROSS JOIN jsonb_each(listed.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item
            ON CONFLICT DO NOTHING;

-- A table of its own, so that a change of anything else does not touch the large index.
CREATE TABLE client_search (
    seq BIGINT PRIMARY KEY,
    content TEXT NOT NULL
);
INSERT INTO client_search (seq, content) SELECT seq, coalesce(name_key, '') || chr(10) || lower(id) FROM client;
CREATE INDEX client_search_by_grams ON client_search USING gin (list_grams(seq, content)) WITH (fastupdate = off);

CREATE FUNCTION client_inserted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO client_search (seq, content) SELECT seq, coalesce(name_key, '') || chr(10) || lower(id) FROM added;
    INSERT INTO identity_attribute (identity_id, key, value, client_seq)
            SELECT added.id, entry.key, item.value, added.seq
            FROM added CROSS JOIN jsonb_each(added.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item WHERE added.access_attributes <> '{}'
            ON CONFLICT DO NOTHING;
    PERFORM tally_add(counted.name, counted.n)
        FROM (SELECT CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END AS name, count(*) AS n FROM added GROUP BY 1 ORDER BY 1) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER client_inserted AFTER INSERT ON client REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION client_inserted();
CREATE FUNCTION client_deleted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM client_search WHERE seq IN (SELECT seq FROM removed);
    DELETE FROM identity_attribute WHERE identity_id IN (SELECT id FROM removed);
    PERFORM tally_add(counted.name, -counted.n)
        FROM (SELECT CASE WHEN system_client THEN 'client.system' ELSE 'client' END || CASE WHEN suspended_at IS NULL THEN '' ELSE '.suspended' END AS name, count(*) AS n FROM removed GROUP BY 1 ORDER BY 1) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER client_deleted AFTER DELETE ON client REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION client_deleted();
CREATE FUNCTION client_text_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_search SET content = coalesce(NEW.name_key, '') || chr(10) || lower(NEW.id) WHERE seq = NEW.seq;
    RETURN NULL;
END
$$;
CREATE TRIGGER client_text_updated AFTER UPDATE OF name_key ON client FOR EACH ROW
    WHEN (OLD.name_key IS DISTINCT FROM NEW.name_key) EXECUTE FUNCTION client_text_updated();
CREATE FUNCTION client_state_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tally_add(counted.name, counted.n)
        FROM (SELECT * FROM (VALUES (CASE WHEN OLD.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN OLD.suspended_at IS NULL THEN '' ELSE '.suspended' END, -1), (CASE WHEN NEW.system_client THEN 'client.system' ELSE 'client' END || CASE WHEN NEW.suspended_at IS NULL THEN '' ELSE '.suspended' END, 1)) AS moved (name, n) ORDER BY name) AS counted;
    RETURN NULL;
END
$$;
CREATE TRIGGER client_state_updated AFTER UPDATE OF suspended_at, system_client ON client FOR EACH ROW
    WHEN ((OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL) OR OLD.system_client <> NEW.system_client) EXECUTE FUNCTION client_state_updated();
CREATE FUNCTION client_attributes_updated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM identity_attribute WHERE identity_id = OLD.id;
    INSERT INTO identity_attribute (identity_id, key, value, client_seq)
            SELECT NEW.id, entry.key, item.value, NEW.seq
            FROM jsonb_each(NEW.access_attributes::jsonb) AS entry
            CROSS JOIN jsonb_array_elements_text(entry.value) AS item
            ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER client_attributes_updated AFTER UPDATE OF access_attributes ON client FOR EACH ROW
    WHEN (OLD.access_attributes <> NEW.access_attributes) EXECUTE FUNCTION client_attributes_updated();

CREATE FUNCTION identity_role_inserted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.principal_seq := (SELECT seq FROM principal WHERE id = NEW.identity_id);
    NEW.client_seq := (SELECT seq FROM client WHERE id = NEW.identity_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER identity_role_inserted BEFORE INSERT ON identity_role
    FOR EACH ROW EXECUTE FUNCTION identity_role_inserted();

INSERT INTO tally (name, shard, value) SELECT 'role', 0, count(*) FROM role;
CREATE FUNCTION role_counted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tally_add('role', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END);
    RETURN NULL;
END
$$;
CREATE TRIGGER role_counted AFTER INSERT OR DELETE ON role FOR EACH ROW EXECUTE FUNCTION role_counted();
