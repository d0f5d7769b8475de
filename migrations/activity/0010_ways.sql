-- Lists by domain or account are asked for by status too, however rare that is beside the others: so these have it, and end
-- in seq. A list of all of them merges its statuses, which are few.
create index activity_of_domain on activity (domain_id, status) where domain_id is not null;
create index activity_of_account on activity (account_id, status) where account_id <> 1;
drop index activity_by_domain;
drop index activity_by_account;

-- The counters again, by month: of many domains or sites over years these are few enough to be added up when they are asked
-- for. The start is the first millisecond of the month, UTC.
create table counters_by_month (
    kind text not null,
    scope text not null,
    start integer not null,
    status text not null,
    n integer not null,
    primary key (kind, scope, start, status)
) strict, without rowid;
create index counters_by_month_by_age on counters_by_month (start);
-- Verdicts have been counted by domain; those of all domains together have the empty scope, as the instance has.
insert into counters select kind, '', span, start, status, sum(n) from counters
    where kind in ('spf', 'dkim', 'dmarc') and span = 'day' group by 1, 3, 4, 5;
insert into counters select kind, '', span, start, status, sum(n) from counters
    where kind in ('spf', 'dkim', 'dmarc') and span = 'hour'
    and start > (select max(start) from counters where kind = 'instance' and scope = '' and span = 'hour') - 3024000000
    group by 1, 3, 4, 5;
insert into counters_by_month
    select kind, scope, 1000 * unixepoch(start / 1000, 'unixepoch', 'start of month'), status, sum(n) from counters
    where span = 'day' group by 1, 2, 3, 4;
-- Which scopes have the most is asked of each scope now.
drop index counters_by_kind;

-- The aliases with the most messages of each hour (of the last weeks), day and month that is over: a hundred at most, so that years
-- are summed from few rows.
create table busy_aliases (
    span text not null check (span in ('hour', 'day', 'month')),
    start integer not null,
    alias_id integer not null,
    messages integer not null,
    primary key (span, start, alias_id)
) strict, without rowid;
