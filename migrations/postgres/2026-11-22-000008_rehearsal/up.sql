-- A transaction that will be rolled back in any case (keyward.rehearsal) keeps away from the rows on which all writers
-- meet: nobody waits for it. And roles are counted once per statement, since many may be made with one.
CREATE OR REPLACE FUNCTION tally_add(counted TEXT, change BIGINT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO tally (name, shard, value)
        SELECT counted, pg_backend_pid() % 16, change
            WHERE change <> 0 AND current_setting('keyward.rehearsal', true) IS DISTINCT FROM 'on'
        ON CONFLICT (name, shard) DO UPDATE SET value = tally.value + EXCLUDED.value
$$;

DROP TRIGGER role_counted ON role;
CREATE OR REPLACE FUNCTION role_counted() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tally_add('role', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END * (SELECT count(*) FROM touched));
    RETURN NULL;
END
$$;
CREATE TRIGGER role_added AFTER INSERT ON role REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION role_counted();
CREATE TRIGGER role_removed AFTER DELETE ON role REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION role_counted();
