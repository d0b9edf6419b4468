-- The embedded database has one writer, for whom others wait anyway: nothing is changed.
SELECT 1;
