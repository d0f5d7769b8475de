//! Destinations: added, verified, used, removed; and how they fare.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use waypost::mail::Moment;
use waypost::policy::ids::OWNER;
use waypost::policy::status::Status;
use waypost::policy::verdict::Fault;
use waypost::store::StoreError;
use waypost::store::activity::{Attempt, Bounced, DsnNote, Row};
use waypost::store::rules::{ImportLine, ListQuery};

use crate::world::{World, mailbox};

#[tokio::test]
async fn a_destination_in_use_is_not_removed_and_says_where() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let alias = world.alias(&my, "shop", &["me@inbox.example"]).await;
    let rules = &world.store.rules;
    let destination = rules.destination(OWNER, "ME@inbox.example").await.unwrap();
    let refused = rules.remove_destination(destination.key, world.audit("destination.delete")).await;
    assert!(matches!(refused, Err(StoreError::Invalid(why)) if why == "it is still used by shop@my.example"));
    rules.remove_alias(alias.key, world.audit("alias.delete")).await.unwrap();
    rules.remove_destination(destination.key, world.audit("destination.delete")).await.unwrap();
    assert!(matches!(rules.destination_by_id(destination.id).await, Err(StoreError::NotFound)));
}

/// Others write in between; what a failure interrupts is gone on with at the next start.
#[tokio::test]
async fn a_destination_of_very_many_aliases_is_replaced_in_steps() {
    const ALIASES: u64 = 2500;
    let mut world = World::new().await;
    let my = world.domain("my.example").await;
    world.alias(&my, "both", &["old@inbox.example", "new@inbox.example"]).await;
    let line = |n| ImportLine { domain: my.key, local: format!("user{n}"), destination: mailbox("old@inbox.example") };
    let import =
        world.store.rules.import(OWNER, (1..ALIASES).map(line).collect(), watch::channel(0).0, world.audit("x"));
    import.await.unwrap();
    let rules = world.store.rules.clone();
    let old = rules.destination(OWNER, "old@inbox.example").await.unwrap();
    let new = rules.destination(OWNER, "new@inbox.example").await.unwrap();
    let (pair, audit, replacing) = ((old.clone(), new.clone()), world.audit("destination.replace"), rules.clone());
    let replacing = tokio::spawn(async move { replacing.replace_destination(pair, audit).await });
    let mut left = BTreeSet::new();
    while !replacing.is_finished() {
        world.store.accounts.audit(world.audit("meanwhile")).await.unwrap();
        left.insert(rules.uses(&old).await.unwrap().aliases);
    }
    assert!(left.iter().any(|left| (1..ALIASES).contains(left)), "others wrote when all was done: {left:?}");
    assert_eq!(replacing.await.unwrap().unwrap().aliases, ALIASES);
    assert_eq!((rules.uses(&old).await.unwrap().aliases, rules.uses(&new).await.unwrap().aliases), (0, ALIASES));

    // A writer passes five points in a change: the second step fails.
    world.faults.fail_at(8);
    let back = (new.clone(), old.clone());
    rules.replace_destination(back.clone(), world.audit("destination.replace")).await.unwrap_err();
    assert_eq!(rules.uses(&old).await.unwrap().aliases, 1000);
    let refused = rules.replace_destination((back.1, back.0), world.audit("destination.replace")).await;
    assert!(matches!(refused, Err(StoreError::Invalid(why)) if why.ends_with("wait for that first")));
    world.reopen().await;
    while world.store.rules.uses(&new).await.unwrap().aliases > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.rules.uses(&old).await.unwrap().aliases, ALIASES);
}

#[tokio::test]
async fn lists_are_by_address_and_their_pages_join() {
    let world = World::new().await;
    let (rules, now) = (&world.store.rules, world.clock.now());
    for address in ["c@x.example", "a@x.example", "@trusted.example", "b@x.example"] {
        rules.add_destination(OWNER, address, Some(now), world.audit("destination.create")).await.unwrap();
    }
    let again = rules.add_destination(OWNER, "A@x.example", None, world.audit("destination.create")).await;
    assert!(matches!(again, Err(StoreError::Exists(address)) if address == "A@x.example"));
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = rules.destinations(OWNER, ListQuery { cursor, limit: 3, ..ListQuery::default() }).await.unwrap();
        seen.extend(page.items.into_iter().map(|row| row.address));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["@trusted.example", "a@x.example", "b@x.example", "c@x.example"]);
}

#[tokio::test]
async fn the_log_knows_how_a_destination_fares_and_the_default_is_one() {
    let world = World::new().await;
    let (rules, now) = (&world.store.rules, world.clock.now());
    let me = rules.add_destination(OWNER, "me@inbox.example", None, world.audit("destination.create")).await.unwrap();
    let you = rules.add_destination(OWNER, "you@inbox.example", None, world.audit("destination.create")).await.unwrap();
    world.store.activity.record(vec![world.row(Status::Failed)]).await.unwrap();
    assert_eq!(rules.destination_by_id(me.id).await.unwrap().failing_since, Some(now));
    world.store.activity.record(vec![world.row(Status::Forwarded)]).await.unwrap();
    let fares = rules.destination_by_id(me.id).await.unwrap();
    assert_eq!((fares.failing_since, fares.last_delivered_at), (None, Some(now)));
    rules.default_destination(me.key, world.audit("destination.default")).await.unwrap();
    rules.default_destination(you.key, world.audit("destination.default")).await.unwrap();
    assert!(!rules.destination_by_id(me.id).await.unwrap().default);
    assert_eq!(
        rules.verify_destination(you.key, now, world.audit("destination.verify")).await.unwrap().verified_at,
        Some(now)
    );
}

/// Notes that a report came back now about the mail of this row.
async fn hand_back(world: &World, row: &Row, reply: &str, fault: Fault) {
    let at = world.clock.now();
    let attempt = Attempt { reply: reply.to_owned(), fault: Some(fault), ..attempt(at) };
    let dsn = DsnNote { dsn: "sent".to_owned(), why: String::new() };
    world.store.activity.bounced(vec![Bounced { id: row.id, at, attempt, dsn }]).await.unwrap();
}

/// Mail that the inbox takes now.
async fn take(world: &World) -> Row {
    let row = Row { received_at: world.clock.now(), ..world.row(Status::Forwarded) };
    world.store.activity.record(vec![row.clone()]).await.unwrap();
    row
}

/// Nobody has to write again for one report to be forgotten: what was taken since and stayed there is enough.
#[tokio::test]
async fn mail_that_was_taken_since_and_did_not_come_back_ends_what_a_report_began() {
    const GONE: &str = "550 5.1.1 gone";
    let world = World::new().await;
    let rules = &world.store.rules;
    let me = rules.add_destination(OWNER, "me@inbox.example", None, world.audit("destination.create")).await.unwrap();
    let minutes = |minutes: u64| world.clock.advance(Duration::from_secs(60 * minutes));
    let since = async || {
        let since = rules.destination_by_id(me.id).await.unwrap().failing_since;
        let told = world.store.activity.failing().await.unwrap();
        assert_eq!(told.first().map(|one| one.since), since, "notices are told the same");
        since
    };
    let first = take(&world).await;
    minutes(1);
    hand_back(&world, &first, GONE, Fault::Mailbox).await;
    let began = world.clock.now();
    minutes(60);
    assert_eq!(since().await, Some(began), "nothing was taken since");
    let second = take(&world).await;
    minutes(10);
    assert_eq!(since().await, Some(began), "it may come back as the first did");
    minutes(5);
    assert_eq!(since().await, None, "it did not");

    // What comes back all the same begins anew.
    minutes(24 * 60);
    hand_back(&world, &second, GONE, Fault::Mailbox).await;
    assert_eq!(since().await, Some(world.clock.now()));
    // So long may the next ones take as well.
    let third = take(&world).await;
    minutes(23 * 60);
    assert!(since().await.is_some());
    minutes(2 * 60);
    assert_eq!(since().await, None);

    // Mail that was taken between the other and its report counts from when it was taken.
    let fourth = take(&world).await;
    minutes(20);
    let fifth = take(&world).await;
    minutes(20);
    hand_back(&world, &fourth, GONE, Fault::Mailbox).await;
    assert!(since().await.is_some());
    minutes(20);
    assert_eq!(since().await, None);
    // A stream of which each comes back fails throughout, since the first.
    let sixth = take(&world).await;
    hand_back(&world, &fifth, GONE, Fault::Mailbox).await;
    let began = world.clock.now();
    hand_back(&world, &third, GONE, Fault::Mailbox).await;
    for _ in 0..5 {
        minutes(10);
        let row = take(&world).await;
        assert_eq!(since().await, Some(began));
        minutes(1);
        hand_back(&world, &row, GONE, Fault::Mailbox).await;
    }
    minutes(60);
    assert_eq!(since().await, Some(began));
    hand_back(&world, &sixth, GONE, Fault::Mailbox).await;
    assert_eq!(since().await, Some(began));
}

/// What a next hop takes and hands back afterwards is not well because it takes it.
#[tokio::test]
async fn what_comes_back_outweighs_what_is_taken_for_some_hours() {
    let world = World::new().await;
    let rules = &world.store.rules;
    let me = rules.add_destination(OWNER, "me@inbox.example", None, world.audit("destination.create")).await.unwrap();
    let taken = || world.row(Status::Forwarded);
    let first = taken();
    world.store.activity.record(vec![first.clone()]).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let at = world.clock.now();
    hand_back(&world, &first, "552 5.2.2 mailbox full", Fault::Mailbox).await;
    world.clock.advance(Duration::from_secs(3600));
    world.store.activity.record(vec![taken()]).await.unwrap();
    let fares = rules.destination_by_id(me.id).await.unwrap();
    assert_eq!((fares.failing_since, fares.failing_row), (Some(at), Some(first.id)));
    assert_eq!(fares.failing_reply.as_deref(), Some("552 5.2.2 mailbox full"));
    world.clock.advance(Duration::from_secs(4 * 3600));
    let later = taken();
    world.store.activity.record(vec![later.clone()]).await.unwrap();
    let fares = rules.destination_by_id(me.id).await.unwrap();
    assert_eq!((fares.failing_since, fares.failing_row, fares.failing_reply), (None, None, None));
    // What comes back for what it is says nothing of the inbox.
    hand_back(&world, &later, "552 5.3.4 too big", Fault::Message).await;
    assert_eq!(rules.destination_by_id(me.id).await.unwrap().failing_since, None);
}

/// Each as rows of their own batch, and again as rows of one.
#[tokio::test]
async fn what_is_only_put_off_for_an_hour_fails_since_it_began() {
    let world = World::new().await;
    let rules = &world.store.rules;
    let me = rules.add_destination(OWNER, "me@inbox.example", None, world.audit("destination.create")).await.unwrap();
    let put_off = |outcome: &str| {
        let at = world.clock.now();
        let (mx, reply) = (Some("mx.inbox.example".to_owned()), "451 not now".to_owned());
        let attempt = Attempt { mx, reply, outcome: outcome.to_owned(), ..attempt(at) };
        Row { attempts: vec![attempt], ..world.row(Status::Deferred) }
    };
    let minutes = |minutes: u64| world.clock.advance(Duration::from_secs(60 * minutes));
    let since = async || rules.destination_by_id(me.id).await.unwrap().failing_since;
    let began = world.clock.now().after(Duration::from_secs(60 * 90));
    let mut rows = Vec::new();
    // The DNS, which may well be ours, said nothing; it took a message in between; it was not asked; a day without a try parts one time from the next.
    let unresolved = || {
        let reply = "DNS failed for now: no answer within 5 s".to_owned();
        let row = put_off("deferred");
        let attempts = row.attempts.into_iter().map(|it| Attempt { mx: None, reply: reply.clone(), ..it }).collect();
        Row { attempts, ..row }
    };
    let cases = [
        (0, unresolved(), None),
        (90, unresolved(), None),
        (0, put_off("deferred"), None),
        (59, put_off("deferred"), None),
        (1, put_off("refused"), Some(began)),
        (10, world.row(Status::Forwarded), None),
        (50, put_off("deferred"), None),
        (90, put_off("unknown"), None),
        (24 * 60, put_off("deferred"), None),
    ];
    for (wait, row, wanted) in cases {
        minutes(wait);
        let at = world.clock.now();
        let attempts = row.attempts.into_iter().map(|attempt| Attempt { at, ..attempt }).collect();
        let row = Row { received_at: at, attempts, ..row };
        rows.push(row.clone());
        world.store.activity.record(vec![row]).await.unwrap();
        assert_eq!(since().await, wanted, "after {wait} min");
    }
    minutes(24 * 60);
    let wave: Vec<Row> = rows.drain(2..5).collect();
    let wave = wave.into_iter().enumerate().map(|(number, row)| {
        let at = world.clock.now().after(Duration::from_secs(1800 * number as u64));
        Row { id: world.chance.id(at), received_at: at, ..row }
    });
    let first = world.clock.now();
    world.store.activity.record(wave.collect()).await.unwrap();
    let fares = rules.destination_by_id(me.id).await.unwrap();
    assert_eq!((fares.failing_since, fares.failing_reply.as_deref()), (Some(first), Some("451 not now")));
}

fn attempt(at: Moment) -> Attempt {
    Attempt {
        at,
        ended_at: None,
        mx: None,
        ip: None,
        tls: None,
        reply: String::new(),
        outcome: "bounced".to_owned(),
        fault: None,
        note: None,
    }
}
