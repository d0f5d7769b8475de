//! A million aliases and millions of rows of the log: whatever the panel and the API ask of them is answered in time.
//!
//! The data are made by SQL in databases that the gateway has migrated, in the shape that it would have written them in.

use std::time::Duration;

use waypost::clock::Clock;

use crate::support::World;

/// Rows of the log where `ROWS` does not say otherwise.
const ROWS: i64 = 10_000_000;
const ALIASES: i64 = 1_000_000;
/// An answer takes no longer, in the middle of [`TIMES`].
const LONGEST: Duration = Duration::from_millis(50);
/// How often each is asked.
const TIMES: usize = 9;

/// Domains, destinations, aliases; a tenth of a percent of them odd in each way that lists are filtered by.
const RULES: &str = "
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 999)
        insert into domains (uuid, account_id, name, verified_at, created_at, updated_at)
        select randomblob(16), 1, 'd' || i || '.example', 1, 1, 1 from n;
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
        insert into destinations (uuid, account_id, address, key, host, verified_at, created_at, updated_at)
        select randomblob(16), 1, 'p' || i || '@inbox.example', 'p' || i || '@inbox.example', '@inbox.example', 1, 1, 1 from n;
    insert into labels (account_id, name) values (1, 'rare');
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000)
        insert into aliases (uuid, account_id, domain_id, kind, pattern, key, action, enabled, description, created_at, updated_at)
        select randomblob(16), 1, 1 + i % 1000, iif(i % 100000 = 7, 'glob', 'address'),
            iif(i % 100000 = 7, 'g' || i || '*', 'user' || i), iif(i % 100000 = 7, 'g' || i || '*', 'user' || i),
            iif(i % 1000 = 3, 'drop', 'forward'), i % 1000 <> 5, 'note of ' || i, 1, 1 from n;
    insert into alias_destinations (alias_id, position, destination_id)
        select id, 0, iif(id % 2 = 0, (select max(id) from destinations), 1 + id % 10000) from aliases where id > 1;
    insert into alias_labels (alias_id, label_id)
        select id, (select id from labels where name = 'rare') from aliases where id % 5000 = 0;
    insert into alias_words (rowid, place, pattern, description)
        select id, place, pattern, description from alias_texts where id > (select upto from alias_feeder) order by id;
    update alias_feeder set upto = (select max(id) from aliases);
    analyze";

/// Rows like the one that is there, over thirty days; then what the gateway would have made of them: hours, counters, the
/// search. `:rows` is their number.
const LOG: &str = "
    create temp table first as select * from activity where seq = 1;
    with recursive n(i) as (select 2 union all select i + 1 from n where i <= :rows)
        insert into activity (seq, id, transaction_id, received_at, account_id, domain_id, alias_id, status, sender, recipient,
            destination, subject, message_id, size, reason, facts, attempts)
        select i, randomblob(16), randomblob(16), t.received_at - 2592000000 + i * 2592000000 / :rows, 1, 1 + i % 1000,
            2 + i % 1000000, case when i % 1000 = 1 then 'failed' when i % 5 = 0 then 'refused' else 'forwarded' end,
            'sender' || i % 50000 || '@from.example', 'user' || i % 1000000 || '@d' || i % 1000 || '.example',
            'p' || i % 10000 || '@inbox' || i % 500 || '.example', 'Subject ' || i % 100000, '<' || i || '@from.example>',
            4000, t.reason, t.facts, t.attempts
        from n cross join first as t;
    delete from activity_hours;
    insert into activity_hours (hour, first_seq, last_seq)
        select received_at / 3600000 * 3600000, min(seq), max(seq) from activity group by 1;
    update activity_hours set last_seq = 9223372036854775807 where hour = (select max(hour) from activity_hours);
    create temp table tally as select received_at / 3600000 * 3600000 as hour, domain_id,
        substr(destination, instr(destination, '@') + 1) as site, status, count(*) as n from activity group by 1, 2, 3, 4;
    insert into counters select 'instance', '', 'hour', hour, status, sum(n) from tally group by 4, 5 on conflict do nothing;
    insert into counters select 'domain', domain_id, 'hour', hour, status, sum(n) from tally group by 2, 4, 5
        on conflict do nothing;
    insert into counters select 'site', site, 'hour', hour, status, sum(n) from tally group by 2, 4, 5 on conflict do nothing;
    insert into counters select 'spf', domain_id, 'hour', hour, 'pass', sum(n) from tally group by 2, 4 on conflict do nothing;
    insert into counters select kind, scope, 'day', start / 86400000 * 86400000, status, sum(n) from counters
        where span = 'hour' group by 1, 2, 4, 5 on conflict do nothing;
    insert into alias_hours select received_at / 3600000 * 3600000, alias_id, count(*) from activity
        where alias_id is not null group by 1, 2 on conflict do nothing;
    insert or ignore into alias_counts select alias_id, count(*), count(*), 0, 0, 0, 0, max(received_at) from activity
        where alias_id is not null group by 1;
    insert or ignore into terms select sender, seq from activity order by 1, 2;
    insert or ignore into terms select recipient, seq from activity order by 1, 2;
    insert or ignore into terms select destination, seq from activity where destination is not null order by 1, 2;
    insert into words (rowid, subject, replies) select seq, subject, reason from activity where seq > 1;
    update feeder set seq = (select max(seq) from activity);
    update tallied set seq = (select max(seq) from activity);
    update answered set seq = (select max(seq) from activity);
    analyze";

/// What is asked.
const QUESTIONS: &[&str] = &[
    "/v1/aliases?limit=50",
    "/v1/aliases?domain=d7.example",
    "/v1/aliases?q=user777777",
    "/v1/aliases?q=us",
    "/v1/aliases?q=77777@d",
    "/v1/aliases?q=nowhere-to-be-found",
    "/v1/aliases?enabled=false",
    "/v1/aliases?action=drop",
    "/v1/aliases?kind=glob",
    "/v1/aliases?label=rare",
    "/v1/aliases?destination=p7@inbox.example",
    "/v1/aliases?destination=p10000@inbox.example",
    "/v1/aliases?destination=p10000@inbox.example&domain=d9.example",
    "/v1/aliases?sort=address",
    "/v1/aliases?sort=-address",
    "/v1/aliases?sort=created_at",
    "/v1/aliases?sort=address&domain=d7.example",
    "/v1/aliases/user500000@my.example",
    "/v1/domains?limit=50",
    "/v1/domains?search=d77",
    "/v1/domains?sort=-created_at",
    "/v1/destinations?limit=50",
    "/v1/destinations?sort=-created_at",
    "/v1/destinations/p10000@inbox.example",
    "/v1/destinations?search=p9999",
    "/v1/activity?limit=50",
    "/v1/activity?domain=d7.example",
    "/v1/activity?status=failed",
    "/v1/activity?status=refused,failed",
    "/v1/activity?sender=sender77@from.example",
    "/v1/activity?recipient=user7777@d777.example",
    "/v1/activity?destination=p77@inbox77.example",
    "/v1/activity?q=sender77@from.example",
    "/v1/activity?q=sender7",
    "/v1/activity?q=subject 777",
    "/v1/activity?since=:since&until=:until",
    "/v1/queue",
    "/v1/stats",
    "/v1/stats?by=domain",
    "/v1/stats?by=domain&status=refused",
    "/v1/stats?by=site",
    "/v1/stats?by=spf",
    "/v1/stats?by=status&domain=d7.example&step=hour",
    "/v1/stats?by=alias&since=:since&until=:until",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes gigabytes of data: tests/long millions"]
async fn a_million_aliases_and_millions_of_rows_are_answered_in_time() {
    let rows: i64 = std::env::var("ROWS").ok().map_or(ROWS, |text| text.parse().unwrap());
    let world = World::start().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let world = world.restart_after(async |data| fill(data, rows).await).await;
    let day = |text: &str| text[..10].to_owned();
    let newest = world.get("/v1/activity?limit=1").await["items"][0]["received_at"].as_str().unwrap().to_owned();
    let question = |text: &str| {
        let until = format!("{}T00:00:00Z", day(&newest));
        text.replace(":until", &until).replace(":since", &before(&until)).replace(' ', "%20")
    };
    let (clock, mut slow) = (Clock::system(), Vec::new());
    for text in QUESTIONS {
        let path = question(text);
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = clock.since_boot();
            world.get(&path).await;
            times.push(clock.since_boot().saturating_sub(began));
        }
        times.sort();
        let middle = times[TIMES / 2];
        println!(
            "{:>8.1} ms  (at most {:.1})  {path}",
            middle.as_secs_f64() * 1e3,
            times[TIMES - 1].as_secs_f64() * 1e3
        );
        if middle > LONGEST {
            slow.push(path);
        }
    }
    println!("{ALIASES} aliases, {rows} rows");
    assert!(slow.is_empty(), "longer than {LONGEST:?}: {slow:#?}");
    world.stop().await;
}

async fn fill(data: std::path::PathBuf, rows: i64) {
    let clock = Clock::system();
    for (database, script) in
        [("waypost.db", RULES.to_owned()), ("activity.db", LOG.replace(":rows", &rows.to_string()))]
    {
        let began = clock.since_boot();
        World::run_script(&data.join(database), &script).await;
        println!("{database} is filled in {} s", clock.since_boot().saturating_sub(began).as_secs());
    }
}

/// A week earlier, as far as the form goes: `2026-11-29T00:00:00Z`.
fn before(until: &str) -> String {
    let moment = waypost::mail::Moment::parse_rfc3339(until).unwrap();
    moment.before(Duration::from_secs(7 * 86_400)).rfc3339()
}
