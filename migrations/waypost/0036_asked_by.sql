-- Of a link that verifies, where whoever had it sent leads aliases of another account to the inbox: who that is. What the
-- inbox says, it says to them as well.
alter table links add column asked_by integer references accounts (id) on delete set null;
