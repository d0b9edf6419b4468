-- Outgoing mail: the queue, and what became of each mail.
CREATE TABLE sending (
    -- a version 7 UUID
    id TEXT COLLATE "C" PRIMARY KEY,
    category TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    -- the addresses in To
    recipient TEXT COLLATE "C" NOT NULL,
    -- pending, sent, failed or cancelled
    status TEXT COLLATE "C" NOT NULL,
    retry_count BIGINT NOT NULL,
    error_message TEXT,
    -- when a worker last took it
    processed_at BIGINT,
    sent_at BIGINT,
    -- smtp or directory
    transport TEXT NOT NULL,
    -- facts of the caller's, JSON
    dynamic TEXT,
    last_modified BIGINT NOT NULL,
    -- addresses and message, sealed; gone as soon as it is not pending any more
    sealed_content TEXT,
    -- whose mail it is; null for the server's own
    created_by TEXT COLLATE "C",
    -- from when on a worker may take it: the next attempt, or the end of the lease; null unless it is pending
    due_at BIGINT,
    -- of the worker that has it
    lease TEXT,
    -- when the row goes; null while it is pending
    purge_at BIGINT
);
CREATE INDEX sending_by_due ON sending (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX sending_by_purge ON sending (purge_at) WHERE purge_at IS NOT NULL;
CREATE INDEX sending_by_creation ON sending (created_at, id);
CREATE INDEX sending_by_recipient ON sending (recipient, id);
CREATE INDEX sending_by_status ON sending (status, id);
CREATE INDEX sending_by_category ON sending (category, id);

-- How fast mail leaves, and each caller asks for it: the time until which the allowance is used up (a leaky bucket).
CREATE TABLE mail_pace (
    key TEXT COLLATE "C" PRIMARY KEY,
    used_until BIGINT NOT NULL
);
CREATE INDEX mail_pace_by_time ON mail_pace (used_until);
