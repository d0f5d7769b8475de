-- Who has come for the first time, or was let in (policy.greylist), by a part of the hash of client, sender and recipient.
-- Written in batches, a minute late at most; let_in_at is null while the sender has to come again.
create table greylist (
    digest blob primary key,
    first_at integer not null,
    let_in_at integer
) strict, without rowid;
