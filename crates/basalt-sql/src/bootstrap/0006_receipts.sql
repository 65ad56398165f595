-- Receipts of requests that have a key of their caller's own (`Idempotency-Key`). They are the server's alone: no role of the API may
-- enter the schema, and row security without a policy keeps the rows from whoever is let in by mistake.

create schema if not exists basalt;
create table basalt.receipts (
  id bytea not null primary key,
  subject bytea not null,
  request bytea not null,
  status integer not null,
  headers text not null,
  body bytea,
  expires_at timestamptz not null
);
create index receipts_subject_idx on basalt.receipts (subject, expires_at);
create index receipts_expires_at_idx on basalt.receipts (expires_at);
alter table basalt.receipts enable row level security;
