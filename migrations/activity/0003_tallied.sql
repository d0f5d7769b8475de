-- Up to which row the counters have been written; one row. They are summed in memory for many batches and written
-- together: what a crash takes of the sums is counted again from the rows behind this one.
create table tallied (
    id integer primary key check (id = 1),
    seq integer not null
) strict;
insert into tallied (id, seq) select 1, coalesce(max(seq), 0) from activity;
