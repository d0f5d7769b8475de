-- Rows of the log, like the one that is there, over twenty-nine days; then what the gateway would have made of them. To spare
-- the disk, only the newest and every hundredth keep the steps of their decision.
pragma cache_size = -1000000;
create temp table first as select *, json_set(facts, '$.trace', json('[]')) as bare, received_at - 2505600000 as began,
    :rows as upto from activity where seq = 1;
update activity set received_at = received_at - 2505600000 where seq = 1;
-- One row in ten is for one catch-all, one in a hundred thousand for the domains whose mail is scarce.
create temp table made (i integer primary key, at, account, domain, alias, status, bounced, sender, recipient, destination, x);
insert into made
    with recursive n(i) as (select 2 union all select i + 1 from n, first where i < upto),
        meant(i, a) as (select i, iif(i % 10 = 0, 1000002, iif(i % 100000 = 51, 7, 2 + (i * 7919 + i / 10) % 1000000)) from n),
        at(i, a, d) as (select i, a, iif(a > 1000001, a - 1000001, iif(a % 10 < 4, 1, 2 + a * 7 % 999)) from meant),
        placed(i, a, d, s) as (select i, iif(i % 100000 = 51, 1000001 + 899 + i / 100000 % 2, iif(d in (899, 900), 1000002, a)),
            iif(i % 100000 = 51, 899 + i / 100000 % 2, iif(d in (899, 900), 1, d)),
            case when i / 7 % 1000 = 1 then 'failed' when i / 7 % 1000 = 2 then 'dropped' when i / 7 % 20000 = 4 then 'expired'
                when i / 7 % 50 = 7 then 'refused_temporarily' when i / 7 % 5 = 0 then 'refused' else 'forwarded' end from at)
    select i, began + i * 2505600000 / upto, iif(d > 900, 3, iif(d > 898, 2, 1)), d, a, s, i % 10000 = 6 and s = 'forwarded',
        'sender' || (i % 50000) || '@from' || (i % 3000) || '.example',
        iif(a > 1000001, 'any' || (i % 3000000), 'user' || a) || iif(d = 1, '@my.example', '@d' || d || '.example'),
        iif(s like 'refused%', null, 'p' || (2 + i % 9990) || iif(i % 5 = 1, '@inbox' || (i % 500) || '.example', '@inbox.example')),
        printf('%08x-%04x-7%03x-8%03x-%012x', i * 300, i % 65536, i % 4096, i / 4096 % 4096, i * 7919)
    from placed cross join first;
insert into activity (seq, id, transaction_id, received_at, account_id, domain_id, alias_id, status, sender, recipient,
    destination, subject, message_id, size, reason, sha256_received, sha256_sent, bounced_at, facts, attempts)
    select i, unhex(x, '-'), unhex('ff' || substr(x, 3), '-'), at, account, domain, alias, m.status, m.sender, m.recipient,
        m.destination,
        case i % 7 when 0 then 'Your invoice ' when 1 then 'Letter ' when 2 then 'Order ' when 3 then 'Ticket '
            when 4 then 'News of week ' when 5 then 'An offer ' else 'Re: report ' end || (i % 100000),
        '<' || i || '@from.example>', 4000, t.reason, randomblob(32), iif(m.status = 'forwarded', randomblob(32), null),
        iif(bounced, at, null), iif(i % 100 = 51 or i > upto - 100000, t.facts, t.bare),
        iif(m.status like 'refused%', '[]', t.attempts)
    from made as m cross join first as t order by i;
delete from activity_hours;
insert into activity_hours (hour, first_seq, last_seq) select at / 3600000 * 3600000, min(i), max(i) from made group by 1;
update activity_hours set first_seq = 1 where hour = (select min(hour) from activity_hours);
update activity_hours set last_seq = 9223372036854775807 where hour = (select max(hour) from activity_hours);

-- Counters: hours and days of these rows; and days of two years before, such as they would have been.
create temp table tally as select at / 3600000 * 3600000 as hour, domain,
    substr(destination, instr(destination, '@') + 1) as site, iif(bounced, 'bounced', status) as status, count(*) as n
    from made group by 1, 2, 3, 4;
create temp table hours as
    select 'instance' as kind, '' as scope, hour, status, sum(n) as n from tally group by 3, 4
    union all select 'domain', domain, hour, status, sum(n) from tally group by 2, 3, 4
    union all select 'site', site, hour, status, sum(n) from tally where site is not null group by 2, 3, 4;
insert into hours
    select v.kind, scope, hour, verdict, sum(n) from hours as h, (select 'spf' as kind, 'pass' as verdict
        union all select 'dkim', 'pass' union all select 'dmarc', 'pass' union all select 'dmarc', 'fail') as v
    where h.kind in ('domain', 'instance') group by 1, 2, 3, 4;
create temp table days as select kind, scope, hour / 86400000 * 86400000 as day, status, sum(n) as n from hours group by 1, 2, 3, 4;
insert into days
    with recursive back(ago) as (select 28 union all select ago + 1 from back where ago < 730)
    select kind, scope, day - ago * 86400000, status, n from back cross join
        (select * from days where day = (select max(day) - 86400000 from days));
delete from counters;
delete from counters_by_month;
insert into counters select kind, scope, 'hour', hour, status, n from hours
    union all select kind, scope, 'day', day, status, sum(n) from days group by 1, 2, 4, 5 order by 1, 2, 3, 4, 5;
insert into counters_by_month
    select kind, scope, 1000 * unixepoch(day / 1000, 'unixepoch', 'start of month'), status, sum(n) from days group by 1, 2, 3, 4;
delete from alias_hours;
insert into alias_hours select at / 3600000 * 3600000, alias, count(*) from made where status not like 'refused%'
    group by 1, 2 order by 1, 2;
insert or replace into alias_counts select alias, sum(status not like 'refused%'), sum(status = 'forwarded'),
    sum(status like 'refused%'), sum(status = 'dropped'), sum(status in ('failed', 'expired')), 0, max(at) from made group by 1;
insert or replace into destination_state (address, last_delivered_at, failing_since)
    select destination, max(at), iif(max(i) % 4000 = 1, min(at), null) from made where destination is not null group by 1;

-- The busiest aliases of each hour, day and month that is over.
insert into busy_aliases select 'hour', start, alias_id, messages from
    (select *, row_number() over (partition by start order by messages desc, alias_id) as place from alias_hours)
    where place <= 50 and start < (select max(start) - 3600000 from alias_hours);
create temp table busiest as select day, alias_id, messages from (select day, alias_id, messages,
    row_number() over (partition by day order by messages desc, alias_id) as place from
        (select start / 86400000 * 86400000 as day, alias_id, sum(messages) as messages from alias_hours group by 1, 2))
    where place <= 100 and day < (select max(start) / 86400000 * 86400000 from alias_hours);
insert into busy_aliases select 'day', day, alias_id, messages from busiest;
insert or ignore into busy_aliases
    with recursive back(ago) as (select 28 union all select ago + 1 from back where ago < 730)
    select 'day', day - ago * 86400000, alias_id, messages from back cross join
        (select * from busiest where day = (select max(day) from busiest));
insert into busy_aliases select 'month', month, alias_id, messages from (select month, alias_id, messages,
    row_number() over (partition by month order by messages desc, alias_id) as place from
        (select 1000 * unixepoch(start / 1000, 'unixepoch', 'start of month') as month, alias_id, sum(messages) as messages
            from busy_aliases where span = 'day' group by 1, 2))
    where place <= 100 and month < (select 1000 * unixepoch(max(start) / 1000, 'unixepoch', 'start of month') from alias_hours);

-- The search, as the gateway's indexer feeds it: a term at a time, so that little has to be sorted.
delete from terms;
insert into terms select x, i from made order by 1, 2;
insert into terms select 'ff' || substr(x, 3), i from made order by 1, 2;
insert into terms select i || '@from.example', i from made order by 1, 2;
insert into terms select '192.0.2.' || (i % 250), i from made order by 1, 2;
insert into terms select sender, i from made order by 1, 2;
insert into terms select substr(sender, instr(sender, '@') + 1), i from made order by 1, 2;
insert into terms select recipient, i from made order by 1, 2;
insert into terms select substr(recipient, instr(recipient, '@') + 1), i from made order by 1, 2;
insert into terms select destination, i from made where destination is not null order by 1, 2;
insert into terms select substr(destination, instr(destination, '@') + 1), i from made where destination is not null order by 1, 2;
insert into words (rowid, subject, replies)
    select seq, subject, reason || ' 250 2.0.0 Ok: queued as Q' || seq from activity where seq > (select seq from feeder) order by seq;
update feeder set seq = (select max(seq) from activity);
update tallied set seq = (select max(seq) from activity);
update answered set seq = (select max(seq) from activity)
