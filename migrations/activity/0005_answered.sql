-- Up to which row every answer is known to have reached its client, or is noted in duplicates; one row, written when the
-- gateway stops in order. Answers of rows behind it may have been on their way when it was killed.
create table answered (
    id integer primary key check (id = 1),
    seq integer not null
) strict;
insert into answered (id, seq) select 1, coalesce(max(seq), 0) from activity;
