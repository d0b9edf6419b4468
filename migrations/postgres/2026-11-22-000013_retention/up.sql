-- Of used refresh tokens only those still keep a sealed successor whose window is open or has just closed.
DROP INDEX refresh_token_by_window;
CREATE INDEX refresh_token_by_window ON refresh_token (replay_until) WHERE sealed_successor IS NOT NULL;
