-- What a mail of the gateway itself is for (notice, verification, password); null for the mail that came. It is in no counter:
-- it did not come in. Such rows are few, and listed apart.
alter table activity add column own text;
create index activity_own on activity (seq) where own is not null;
