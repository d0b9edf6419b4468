-- Identities in the order of their registration by time, across both tables.
CREATE INDEX principal_by_creation ON principal (created_at, seq);
CREATE INDEX client_by_creation ON client (created_at, seq);

-- Who was written to, in whatever case.
CREATE INDEX sending_by_recipient_key ON sending (substr(lower(recipient), 1, 200), id);
