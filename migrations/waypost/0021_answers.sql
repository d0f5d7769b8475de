-- Header fields of an answer that is given again: what was made, and where it is.
alter table idempotency_keys add column etag text;
alter table idempotency_keys add column location text;
