-- What compose.yaml has PostgreSQL do once, with an empty volume: a database that is Keyward's own, whose user is no
-- superuser; and nobody is superuser who comes over the network.
\set password `cat /run/secrets/postgres_password`
CREATE ROLE keyward LOGIN PASSWORD :'password';
CREATE DATABASE keyward OWNER keyward;
REVOKE ALL ON DATABASE keyward FROM PUBLIC;
ALTER ROLE postgres PASSWORD NULL;
