//! The log: rows, their counts, changes, floods of refusals, search, retention.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use waypost::mail::Author;
use waypost::policy::ids::{AliasId, OWNER};
use waypost::policy::status::Status;
use waypost::store::StoreError;
use waypost::store::activity::{Attempt, Bounced, Counts, DsnNote, Progress, Query, ROWS_PER_NETWORK_AND_HOUR, Row};

use crate::world::{MINUTE, World};

async fn all(world: &World) -> Vec<Row> {
    list(world, Query { limit: 500, ..Query::default() }).await
}

async fn list(world: &World, query: Query) -> Vec<Row> {
    world.store.activity.list(query).await.unwrap().rows
}

async fn counts(world: &World) -> Counts {
    let counts = world.store.activity.counts(&[AliasId(1)]).await.unwrap();
    counts.get(&AliasId(1)).map(|had| had.counts).unwrap_or_default()
}

fn progress(row: &Row, status: Status, reply: &str) -> Progress {
    let attempt = Attempt {
        at: row.received_at,
        ended_at: None,
        mx: Some("mx.inbox.example".to_owned()),
        ip: None,
        tls: None,
        reply: reply.to_owned(),
        outcome: "deferred".to_owned(),
        fault: None,
        note: None,
    };
    Progress {
        id: row.id,
        status,
        reason: reply.to_owned(),
        attempt: Some(attempt),
        next_attempt_at: None,
        sha256_sent: Some([9; 32]),
        dsn: None,
    }
}

#[tokio::test]
async fn a_row_reads_back_as_it_was_written() {
    let world = World::new().await;
    let author = Some(Author::read("Müller <real@author.test>"));
    let row = Row { passed: vec![AliasId(77)], author, ..world.row(Status::Forwarded) };
    world.store.activity.record(vec![row.clone()]).await.unwrap();
    assert_eq!(world.store.activity.get(row.id).await.unwrap(), row);
    assert_eq!(world.store.activity.transaction(row.transaction).await.unwrap(), [row]);
    let missing = world.store.activity.get(world.chance.id(world.clock.now())).await;
    assert!(matches!(missing, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn many_rows_at_once_keep_their_order_and_pages_join() {
    let world = World::new().await;
    let rows: Vec<_> = (0..77).map(|_| world.row(Status::Forwarded)).collect();
    world.store.activity.record(rows.clone()).await.unwrap();
    let mut query = Query { account: Some(OWNER), limit: 30, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let page = world.store.activity.list(query.clone()).await.unwrap();
        seen.extend(page.rows);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    seen.reverse();
    assert_eq!(seen, rows);
    assert_eq!(counts(&world).await.forwarded, 77);
}

#[tokio::test]
async fn progress_appends_the_attempt_and_moves_the_counts() {
    let mut world = World::new().await;
    let row = world.row(Status::Queued);
    let activity = &world.store.activity;
    activity.record(vec![row.clone()]).await.unwrap();
    let mut live = activity.subscribe();
    let deferred = progress(&row, Status::Deferred, "450 4.2.1 try later");
    let failed = progress(&row, Status::Failed, "550 5.1.1 no such user");
    activity.progress(vec![deferred, failed]).await.unwrap();
    let now = activity.get(row.id).await.unwrap();
    assert_eq!((now.status, now.attempts.len()), (Status::Failed, 2));
    assert_eq!(now.sha256_sent, Some([9; 32]));
    assert_eq!(counts(&world).await, Counts { failed: 1, ..Counts::default() });
    assert_eq!(live.recv().await.unwrap().status, Status::Deferred);
    assert_eq!(live.recv().await.unwrap().status, Status::Failed);
    world.reopen().await;
    assert_eq!(world.store.activity.get(row.id).await.unwrap(), now);
}

/// Whoever sees a row as it was hears of its change, whenever in the course of that change it began to listen.
#[tokio::test]
async fn who_begins_to_listen_while_a_row_changes_misses_nothing() {
    const MOMENTS: usize = 200;
    let world = World::new().await;
    let activity = &world.store.activity;
    for moment in 0..MOMENTS {
        let row = world.row(Status::Queued);
        activity.record(vec![row.clone()]).await.unwrap();
        let listening = async {
            for _ in 0..10 * moment {
                tokio::task::yield_now().await;
            }
            let mut live = activity.subscribe();
            if activity.get(row.id).await.unwrap().status == Status::Queued {
                let heard = tokio::time::timeout(Duration::from_secs(10), live.recv()).await;
                assert_eq!(heard.expect("it is told").unwrap().status, Status::Failed);
            }
        };
        let changing = activity.progress(vec![progress(&row, Status::Failed, "550 5.1.1 no such user")]);
        let (changed, ()) = tokio::join!(changing, listening);
        changed.unwrap();
    }
}

#[tokio::test]
async fn a_report_makes_a_forwarded_row_count_as_bounced() {
    let world = World::new().await;
    let row = world.row(Status::Forwarded);
    world.store.activity.record(vec![row.clone(), world.row(Status::Forwarded)]).await.unwrap();
    let at = world.clock.now();
    let attempt = progress(&row, Status::Forwarded, "550 5.1.1 gone").attempt.unwrap();
    let dsn = DsnNote { dsn: "sent".to_owned(), why: String::new() };
    for _ in 0..2 {
        let bounced = Bounced { id: row.id, at, attempt: attempt.clone(), dsn: dsn.clone() };
        world.store.activity.bounced(vec![bounced]).await.unwrap();
    }
    assert_eq!(counts(&world).await, Counts { forwarded: 1, bounced: 1, ..Counts::default() });
    let bounced = list(&world, Query { bounced: true, limit: 10, ..Query::default() }).await;
    assert_eq!(bounced.len(), 1);
    assert_eq!(bounced[0].bounced_at, Some(world.clock.now()));
    assert_eq!(bounced[0].reason, "550 5.1.1 gone");
    assert_eq!(bounced[0].attempts, [attempt], "a row bounces once");
}

#[tokio::test]
async fn what_a_crash_takes_of_the_counts_is_counted_again_and_only_once() {
    let mut world = World::new().await;
    for _ in 0..3 {
        // The first row of an hour is written with its counts, the others wait in memory.
        world.store.activity.record(vec![world.row(Status::Forwarded)]).await.unwrap();
    }
    let copy = world.crash().await;
    assert_eq!(counts(&copy).await.forwarded, 3);
    world.reopen().await;
    world.reopen().await;
    assert_eq!(counts(&world).await.forwarded, 3);
    world.store.activity.record(vec![world.row(Status::Failed)]).await.unwrap();
    assert_eq!(counts(&world).await, Counts { forwarded: 3, failed: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_exactly_on_one_row() {
    let world = World::new().await;
    let limit = usize::try_from(ROWS_PER_NETWORK_AND_HOUR).unwrap();
    for _ in 0..10 {
        let flood = (0..30).map(|n| world.refusal(&format!("198.51.100.{n}"))).collect();
        world.store.activity.record(flood).await.unwrap();
    }
    world.store.activity.record(vec![world.refusal("203.0.113.1")]).await.unwrap();
    let rows = all(&world).await;
    assert_eq!(rows.len(), limit + 1 + 1);
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 301);
    assert_eq!(counts(&world).await.refused, 301);
    world.clock.advance(60 * MINUTE);
    world.store.activity.record(vec![world.refusal("198.51.100.1")]).await.unwrap();
    assert_eq!(all(&world).await.len(), limit + 3);
}

/// Naming recipients costs a client nothing: it must not fill the disk either.
#[tokio::test]
async fn a_flood_of_transactions_that_end_early_is_counted_on_a_row_of_its_own() {
    let world = World::new().await;
    let abandoned = |world: &World| Row { status: Status::Abandoned, ..world.refusal("198.51.100.1") };
    for _ in 0..10 {
        world.store.activity.record((0..30).map(|_| abandoned(&world)).collect()).await.unwrap();
    }
    world.store.activity.record(vec![world.refusal("198.51.100.1")]).await.unwrap();
    let rows = all(&world).await;
    let of = |status| rows.iter().filter(move |row| row.status == status);
    assert_eq!(of(Status::Abandoned).count(), usize::try_from(ROWS_PER_NETWORK_AND_HOUR).unwrap() + 1);
    assert_eq!(of(Status::Abandoned).map(|row| row.count).sum::<u64>(), 300);
    assert_eq!(of(Status::Refused).map(|row| row.count).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_list_is_narrowed_by_status_alias_and_time() {
    let world = World::new().await;
    let first = world.clock.now();
    world.store.activity.record(vec![world.row(Status::Forwarded), world.row(Status::Dropped)]).await.unwrap();
    world.clock.advance(90 * MINUTE);
    let mut other = world.row(Status::Held);
    other.alias = Some(AliasId(2));
    world.store.activity.record(vec![other, world.row(Status::Dropped)]).await.unwrap();
    let with = |query: Query| list(&world, Query { limit: 10, ..query });
    assert_eq!(with(Query { statuses: vec![Status::Dropped], ..Query::default() }).await.len(), 2);
    assert_eq!(with(Query { statuses: vec![Status::Dropped, Status::Held], ..Query::default() }).await.len(), 3);
    assert_eq!(with(Query { alias: Some(AliasId(2)), ..Query::default() }).await.len(), 1);
    assert_eq!(with(Query { since: Some(first.after(MINUTE)), ..Query::default() }).await.len(), 2);
    assert_eq!(with(Query { until: Some(first.after(MINUTE)), ..Query::default() }).await.len(), 2);
    assert_eq!(with(Query { until: Some(first), ..Query::default() }).await.len(), 0);
}

#[tokio::test]
async fn search_finds_addresses_domains_ids_and_words() {
    let world = World::new().await;
    let mut row = world.row(Status::Queued);
    row.sender = "Zoe@Odd.example".to_owned();
    row.subject = Some("Grüße aus Köln".to_owned());
    world.store.activity.record(vec![world.row(Status::Forwarded), row.clone()]).await.unwrap();
    assert_eq!(world.store.activity.index().await.unwrap(), 2);
    world.store.activity.progress(vec![progress(&row, Status::Deferred, "452 mailbox overflowing")]).await.unwrap();
    assert_eq!(world.store.activity.index().await.unwrap(), 1);
    let id = row.id.to_string();
    for words in
        ["zoe@odd.example", "odd.example", "zoe@", &id, &id[..20], "gruße koln", "overflow", "Köln overflowing"]
    {
        let found = list(&world, Query { search: Some(words.to_owned()), limit: 10, ..Query::default() }).await;
        assert_eq!(found.iter().map(|r| r.id).collect::<Vec<_>>(), [row.id], "{words}");
    }
    let none = list(&world, Query { search: Some("\" OR *".to_owned()), limit: 10, ..Query::default() }).await;
    assert!(none.is_empty());
}

#[tokio::test]
async fn search_finds_authors_by_name_and_address_as_long_as_they_are_kept() {
    let world = World::new().await;
    let author = Some(Author::read("Müller, Käthe <Real.One@author.test>"));
    let row = Row { author, ..world.row(Status::Forwarded) };
    let others = vec![world.row(Status::Forwarded), row.clone(), world.row(Status::Forwarded)];
    world.store.activity.record(others).await.unwrap();
    world.store.activity.index().await.unwrap();
    let found = async |words: &str| {
        let query = Query { search: Some(words.to_owned()), limit: 10, ..Query::default() };
        list(&world, query).await.iter().map(|r| r.id).collect::<Vec<_>>()
    };
    for words in
        ["real.one@AUTHOR.test", "real.", "author.test", "müller", "kathe mull", "fox Müller", "<real.one@author.test>"]
    {
        assert_eq!(found(words).await, [row.id], "{words}");
    }
    assert_eq!(found("Käthe <real.one@author.test>").await, [row.id]);
    assert_eq!(found("ann@sender.example").await.len(), 3);
    world.clock.advance(40 * 24 * 60 * MINUTE);
    assert_eq!(world.store.activity.retain(30 * 24 * 60 * MINUTE).await.unwrap(), 3);
    let file = SqliteConnectOptions::new().filename(world.directory.path().join("activity.db"));
    let mut database = file.connect().await.unwrap();
    let terms: i64 = sqlx::query_scalar("select count(*) from terms").fetch_one(&mut database).await.unwrap();
    assert_eq!(terms, 0, "a row that goes takes its terms along");
    database.close().await.unwrap();
}

/// So many begin alike that their rows are read for how their texts begin.
#[tokio::test]
async fn search_finds_one_author_of_many_that_begin_alike() {
    let world = World::new().await;
    let by = |n: usize| {
        let author = Author::read(&format!("Writer <list-{n:03}@author.test>"));
        Row { author: Some(author), ..world.row(Status::Forwarded) }
    };
    let rows: Vec<_> = (0..150).map(by).collect();
    world.store.activity.record(rows.clone()).await.unwrap();
    world.store.activity.index().await.unwrap();
    let query = Query { search: Some("list-".to_owned()), limit: 500, ..Query::default() };
    assert_eq!(list(&world, query).await.len(), rows.len());
}

#[tokio::test]
async fn old_rows_go_by_day_but_not_what_still_waits() {
    let world = World::new().await;
    let day = 24 * 60 * MINUTE;
    let held = world.row(Status::Held);
    world.store.activity.record(vec![world.row(Status::Forwarded), held.clone()]).await.unwrap();
    world.store.activity.index().await.unwrap();
    world.clock.advance(40 * day);
    let young = world.row(Status::Forwarded);
    world.store.activity.record(vec![young.clone()]).await.unwrap();
    assert_eq!(world.store.activity.retain(30 * day).await.unwrap(), 1);
    assert_eq!(all(&world).await, [young, held]);
    let found = Query { search: Some("fox".to_owned()), limit: 10, ..Query::default() };
    assert_eq!(list(&world, found).await.len(), 1);
}

#[tokio::test]
async fn nothing_is_old_because_the_clock_was_set() {
    let world = World::new().await;
    let day = 24 * 60 * MINUTE;
    world.store.activity.record(vec![world.row(Status::Forwarded)]).await.unwrap();
    world.clock.set(world.clock.now().after(40 * day));
    assert_eq!(world.store.activity.retain(30 * day).await.unwrap(), 0);
    world.clock.advance(31 * day);
    assert_eq!(world.store.activity.retain(30 * day).await.unwrap(), 1);
}

#[tokio::test]
async fn a_log_that_is_too_large_loses_its_refusals_first() {
    let world = World::new().await;
    let kept = world.row(Status::Forwarded);
    world
        .store
        .activity
        .record(vec![world.refusal("192.0.2.1"), kept.clone(), world.refusal("192.0.2.2")])
        .await
        .unwrap();
    let mut sizes = Vec::new();
    for max_bytes in [u64::MAX, 0] {
        world.store.activity.keep_within(max_bytes).await.unwrap();
        sizes.push(all(&world).await.len());
    }
    assert_eq!(sizes, [3, 0]);
    assert_eq!(counts(&world).await.forwarded, 1);
}

/// The equation of INTERFACES: whatever happens to them, the counts of the statuses add up to what was accepted.
#[tokio::test]
async fn a_fault_at_any_step_leaves_all_of_a_row_or_nothing() {
    let mut world = World::new().await;
    let mut written = 0;
    for step in 1.. {
        let row = world.row(Status::Forwarded);
        world.faults.fail_at(step);
        let answer = world.store.activity.record(vec![row.clone()]).await;
        let happened = world.faults.happened();
        world.reopen().await;
        let there = world.store.activity.get(row.id).await.is_ok();
        assert!(there || answer.is_err(), "step {step}: answered, and not there");
        written += u64::from(there);
        assert_eq!(counts(&world).await.forwarded, written, "step {step}");
        if !happened {
            assert!(answer.is_ok() && step > 3);
            break;
        }
    }
}
