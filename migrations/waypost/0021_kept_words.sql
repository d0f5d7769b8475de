-- Header fields of an answer that is given again: what was made, and where it is.
alter table idempotency_keys add column etag text;
alter table idempotency_keys add column location text;
-- Which records of a domain were wrong when they were compared last, in words (JSON).
alter table domains add column dns_wrong text not null default '[]';
