DROP INDEX refresh_token_by_window;
CREATE INDEX refresh_token_by_window ON refresh_token (replay_until);
