-- Search over the log, filled by a feeder a few seconds behind.

-- Addresses, domains and ids, folded; exact and by prefix.
create table terms (
    term text not null,
    seq integer not null,
    primary key (term, seq)
) strict, without rowid;

-- Words of subjects and replies. Keeps no text of its own.
create virtual table words using fts5 (
    subject, replies, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

-- How far the feeder is; one row.
create table feeder (
    id integer primary key check (id = 1),
    seq integer not null
) strict;
insert into feeder (id, seq) values (1, 0);

-- Rows behind the feeder whose words changed since.
create table feeder_again (
    seq integer primary key
) strict;
