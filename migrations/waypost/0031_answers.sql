-- The answers by idempotency key of an account, oldest first, and how large they are: so that their number and size have a bound.
create index idempotency_keys_by_account on idempotency_keys (account_id, created_at, octet_length(body));
