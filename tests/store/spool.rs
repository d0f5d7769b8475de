//! Large messages in files beside the database: file and row come and go together, whatever fails in between.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use waypost::chance::Chance;
use waypost::policy::status::Status;
use waypost::store::octets::Octets;
use waypost::store::queue::{Entry, NewMessage, Settlement};
use waypost::store::{Settings, Store, StoreError};

use crate::queue::{bytes, claim, read_all};
use crate::world::World;

const LARGE: usize = 600_000;

async fn look_into(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// A message that arrived in a file.
fn spooled(world: &World) -> NewMessage {
    let mut message = world.message(Vec::new());
    let file = world.store.spool.create(message.id).unwrap();
    bytes(LARGE).chunks(100_000).for_each(|piece| file.append(piece).unwrap());
    message.octets = Octets::File(Arc::new(file));
    message
}

#[tokio::test]
async fn a_message_s_file_is_the_one_that_it_arrived_in_and_goes_after_its_row() {
    let world = World::new().await;
    let queue = &world.store.queue;
    let (message, delivery) = (spooled(&world), world.due());
    let name = message.id.to_string();
    queue.accept(message, vec![delivery.clone()], Vec::new()).await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&world.spooled()[0]).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(world.spooled(), [world.directory.path().join("spool").join(name)]);
    let claims = claim(&world).await;
    assert_eq!(read_all(&claims[0].message.octets).await, bytes(LARGE));
    queue.settle(vec![(delivery.id, Settlement::Done)]).await.unwrap();
    assert_eq!(read_all(&claims[0].message.octets).await, bytes(LARGE), "whoever reads it may end");
    world.store.close().await;
    assert!(world.spooled().is_empty());
}

#[tokio::test]
async fn what_is_not_accepted_leaves_no_file() {
    let world = World::new().await;
    drop(spooled(&world));
    let (message, delivery) = (spooled(&world), world.due());
    world.store.queue.accept(message, vec![delivery.clone()], Vec::new()).await.unwrap();
    // The same delivery again: refused by the database.
    let again = world.store.queue.accept(spooled(&world), vec![delivery.clone()], Vec::new()).await;
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
    world.store.queue.cancel(delivery.id).await.unwrap();
    world.store.close().await;
    assert!(world.spooled().is_empty());
}

/// File write, its sync, the folder's, the commits of acceptance and end, the removal: each fails in turn.
#[tokio::test]
async fn a_fault_at_any_step_of_a_large_message_s_life_loses_nothing_and_leaves_nothing() {
    for step in 1.. {
        let mut world = World::new().await;
        let (message, delivery) = (world.message(bytes(LARGE)), world.due());
        world.faults.fail_at(step);
        let accepted = world.store.queue.accept(message, vec![delivery.clone()], Vec::new()).await;
        let killed = world.crash().await;
        let settled = world.store.queue.settle(vec![(delivery.id, Settlement::Done)]).await;
        world.store.close().await;
        let happened = world.faults.happened();
        world.reopen().await;
        // What fails behind a commit is not answered, and has happened all the same.
        let may_be_gone = accepted.is_err() || settled.is_ok() || happened;
        for (after, may_be_gone) in [(&killed, accepted.is_err()), (&world, may_be_gone)] {
            match after.store.queue.get(delivery.id).await {
                Ok(found) => assert_eq!(read_all(&found.message.octets).await, bytes(LARGE), "step {step}"),
                Err(error) => assert!(matches!(error, StoreError::NotFound) && may_be_gone, "step {step}: {error}"),
            }
            let waiting = after.store.queue.list(None, None, 10).await.unwrap();
            assert_eq!(after.spooled().len(), waiting.len(), "step {step}: a file for each message, and no other");
            assert!(waiting.iter().all(|one| one.state != "held"), "step {step}");
        }
        let is_there = world.store.queue.get(delivery.id).await.is_ok();
        assert!(!is_there || settled.is_err() || accepted.is_err(), "step {step}: settled, and still there");
        if !happened {
            assert!(accepted.is_ok() && settled.is_ok() && step > 15, "{step}");
            return;
        }
    }
}

#[tokio::test]
async fn a_sync_that_fails_puts_all_in_doubt_until_it_has_proved_well() {
    let world = World::new().await;
    let message = spooled(&world);
    // The first points that a file passes that is written already are its sync and that of its folder.
    world.faults.fail_at(1);
    let refused = world.store.queue.accept(message, vec![world.due()], Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Unwell(_))) && world.store.is_in_doubt(), "{refused:?}");
    assert!(world.store.is_writable().await && !world.store.is_in_doubt());
    world.store.queue.accept(spooled(&world), vec![world.due()], Vec::new()).await.unwrap();
    world.store.close().await;
    assert_eq!(world.spooled().len(), 1);
}

#[tokio::test]
async fn a_start_removes_what_no_row_names_and_nothing_else() {
    let mut world = World::new().await;
    let delivery = world.due();
    world.store.queue.accept(world.message(bytes(LARGE)), vec![delivery.clone()], Vec::new()).await.unwrap();
    let spool = world.directory.path().join("spool");
    std::fs::write(spool.join(world.chance.id(world.clock.now()).to_string()), "of a transaction that was cut off")
        .unwrap();
    std::fs::write(spool.join("README"), "of the operator").unwrap();
    world.reopen().await;
    assert_eq!(world.spooled().len(), 2);
    let octets = world.store.queue.get(delivery.id).await.unwrap().message.octets;
    assert_eq!(read_all(&octets).await, bytes(LARGE));
}

/// Nothing is given up for a file that is not there: its disk may come back. But it is seen.
#[tokio::test]
async fn a_message_whose_file_is_missing_or_cut_is_held_and_told_and_goes_on_when_it_is_back() {
    let mut world = World::new().await;
    let rows = [world.row(Status::Queued), world.row(Status::Queued)];
    let kept = world.delivery(Entry::Kept(world.clock.now()));
    for row in &rows {
        let delivery = world.delivery_as(row.id, Entry::Due(world.clock.now()));
        world.store.queue.accept(world.message(bytes(LARGE)), vec![delivery], vec![row.clone()]).await.unwrap();
    }
    world.store.queue.accept(world.message(bytes(LARGE)), vec![kept.clone()], Vec::new()).await.unwrap();
    world.store.activity.record(rows.to_vec()).await.unwrap();
    let files = world.spooled();
    let (away, half) = (files[0].with_extension("away"), bytes(LARGE / 2));
    std::fs::rename(&files[0], &away).unwrap();
    files[1..].iter().for_each(|file| std::fs::write(file, &half).unwrap());
    for _ in 0..2 {
        world.reopen().await;
        let waiting = world.store.queue.list(None, None, 10).await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.state).collect::<Vec<_>>(), ["held", "held", "kept"]);
        assert!(claim(&world).await.is_empty());
        for row in &rows {
            let row = world.store.activity.get(row.id).await.unwrap();
            assert!(row.status == Status::Held && row.reason.contains("missing"), "{row:?}");
        }
    }
    for row in &rows {
        let octets = world.store.queue.get(row.id).await.unwrap().message.octets;
        assert!(matches!(octets.read(LARGE as u64 / 2).await, Err(StoreError::Unwell(_))));
    }
    std::fs::rename(&away, &files[0]).unwrap();
    files[1..].iter().for_each(|file| std::fs::write(file, bytes(LARGE)).unwrap());
    world.reopen().await;
    for row in &rows {
        world.store.queue.retry(row.id, world.clock.now()).await.unwrap();
    }
    let claims = claim(&world).await;
    assert_eq!(claims.len(), 2);
    assert_eq!(read_all(&claims[0].message.octets).await, bytes(LARGE));
}

#[tokio::test]
async fn a_copy_with_the_queue_has_the_files_that_its_rows_name() {
    let world = World::new().await;
    let (one, two) = (world.due(), world.due());
    for delivery in [&one, &two] {
        world.store.queue.accept(world.message(bytes(LARGE)), vec![delivery.clone()], Vec::new()).await.unwrap();
    }
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // One of them is delivered while the copy is made.
    let settle = world.store.queue.settle(vec![(one.id, Settlement::Done)]);
    let (copied, settled) = tokio::join!(world.store.copy_to(with.path(), true), settle);
    copied.unwrap();
    settled.unwrap();
    world.store.copy_to(without.path(), false).await.unwrap();
    assert!(!without.path().join("spool").exists());

    let settings = Settings { data_dir: with.path().to_owned(), database: with.path().join("waypost.db") };
    let copy = Store::open(settings, world.clock.clone(), Chance::seeded(9)).await.unwrap();
    let waiting = copy.queue.list(None, None, 10).await.unwrap();
    assert!(waiting.iter().any(|row| row.id == two.id) && waiting.iter().all(|row| row.state == "due"), "{waiting:?}");
    for row in &waiting {
        assert_eq!(read_all(&copy.queue.get(row.id).await.unwrap().message.octets).await, bytes(LARGE));
    }
    copy.close().await;
    world.store.close().await;
    assert_eq!(world.spooled().len(), 1);
}

/// The first release kept them in rows of their own: they are moved at the start that upgrades, or at the one after that.
#[tokio::test]
async fn octets_of_an_earlier_release_become_a_file_whichever_step_fails() {
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/first");
    for step in 1.. {
        let world = World::new().await;
        world.store.close().await;
        for name in ["waypost.db", "activity.db"] {
            for end in ["-wal", "-shm"] {
                let _absent = std::fs::remove_file(world.directory.path().join(format!("{name}{end}")));
            }
            std::fs::copy(first.join(name), world.directory.path().join(name)).unwrap();
        }
        let (data_dir, database) = (world.directory.path().to_owned(), world.directory.path().join("waypost.db"));
        let settings = Settings { data_dir, database };
        let parts = || (world.clock.clone(), world.chance.clone());
        world.faults.fail_at(step);
        let opened = Store::open_failing(settings.clone(), parts(), world.faults.clone()).await;
        let happened = world.faults.happened();
        if let Ok(store) = &opened {
            store.close().await;
        }
        world.faults.fail_at(0);
        let store = Store::open_failing(settings.clone(), parts(), world.faults.clone()).await.unwrap();
        let waiting = store.queue.list(None, None, 10).await.unwrap();
        let large = waiting.iter().find(|one| one.size > 262_144).unwrap();
        assert_ne!(large.state, "held", "step {step}");
        let octets = read_all(&store.queue.get(large.id).await.unwrap().message.octets).await;
        assert!(octets.len() as u64 == large.size && octets.starts_with(b"From: "), "step {step}");
        assert_eq!(world.spooled().len(), 1, "step {step}");
        store.close().await;
        let mut connection = look_into(&settings.database).await;
        let chunks: i64 =
            sqlx::query_scalar("select count(*) from message_chunks").fetch_one(&mut connection).await.unwrap();
        assert_eq!(chunks, 0, "step {step}");
        connection.close().await.unwrap();
        if !happened {
            assert!(opened.is_ok() && step > 4, "{step}");
            return;
        }
    }
}
