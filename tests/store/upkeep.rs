//! What keeps the files in shape: a bounded journal, pages given back, proving well after a failure, upgrades.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use waypost::mail::Author;
use waypost::policy::status::Status;
use waypost::store::activity::{Query, Row};
use waypost::store::queue::Settlement;
use waypost::store::{Settings, Store, StoreError};

use crate::world::{World, mailbox};

/// A journal is never larger: where it is started anew, and what a batch adds until the checkpointer looks again.
const JOURNAL_AT_MOST: u64 = 56 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

async fn look_into(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn number(connection: &mut SqliteConnection, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap()
}

fn octets_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[tokio::test]
async fn the_journal_stays_bounded_while_many_write_and_read() {
    const OCTETS: usize = 200_000;
    let world = World::new().await;
    let journal = world.directory.path().join("waypost.db-wal");
    let mut largest = 0;
    let mut written = 0;
    // Some hundred megabytes, through a queue that never empties, read all the while.
    for _ in 0..40 {
        let deliveries: Vec<_> = (0..16).map(|_| world.due()).collect();
        let accepts = deliveries
            .iter()
            .map(|d| world.store.queue.accept(world.message(vec![b'a'; OCTETS]), vec![d.clone()], Vec::new()));
        for accepted in futures_util::future::join_all(accepts).await {
            accepted.unwrap();
        }
        assert_eq!(world.store.queue.list(None, None, 100).await.unwrap().len(), 16);
        world.store.queue.settle(deliveries.iter().map(|d| (d.id, Settlement::Done)).collect()).await.unwrap();
        written += 16 * OCTETS as u64;
        largest = largest.max(octets_of(&journal));
    }
    assert!(written > 2 * JOURNAL_AT_MOST, "too little to prove anything");
    assert!(largest < JOURNAL_AT_MOST, "{largest}");
    world.store.close().await;
}

#[tokio::test]
async fn free_pages_go_back_to_the_disk_when_nobody_writes() {
    const EACH: usize = 256 * 1024;
    const OCTETS: usize = 48 * EACH;
    let world = World::new().await;
    let file = world.directory.path().join("waypost.db");
    let deliveries: Vec<_> = (0..OCTETS / EACH).map(|_| world.due()).collect();
    for delivery in &deliveries {
        world.store.queue.accept(world.message(vec![b'a'; EACH]), vec![delivery.clone()], Vec::new()).await.unwrap();
    }
    assert!(world.spooled().is_empty(), "all of them are in the database");
    world.store.queue.settle(deliveries.iter().map(|d| (d.id, Settlement::Done)).collect()).await.unwrap();
    let shrunk = async {
        loop {
            let mut connection = look_into(&file).await;
            let pages = number(&mut connection, "pragma page_count").await;
            connection.close().await.unwrap();
            if pages * 4096 < i64::try_from(OCTETS / 2).unwrap() && octets_of(&file) < OCTETS as u64 / 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shrunk).await.expect("the file must become small");
    world.store.queue.accept(world.message(vec![b'b'; 100]), vec![world.due()], Vec::new()).await.unwrap();
    world.store.close().await;
}

#[tokio::test]
async fn a_file_of_before_is_made_so_that_it_can_shrink() {
    let mut world = World::new().await;
    world.domain("my.example").await;
    world.store.close().await;
    for name in ["waypost.db", "activity.db"] {
        let mut connection = look_into(&world.directory.path().join(name)).await;
        assert_eq!(number(&mut connection, "pragma auto_vacuum").await, 2, "{name}");
        sqlx::raw_sql("pragma auto_vacuum = none; vacuum").execute(&mut connection).await.unwrap();
        assert_eq!(number(&mut connection, "pragma auto_vacuum").await, 0);
        connection.close().await.unwrap();
    }
    world.reopen().await;
    let mut connection = look_into(&world.directory.path().join("waypost.db")).await;
    assert_eq!(number(&mut connection, "pragma auto_vacuum").await, 2);
    assert_eq!(number(&mut connection, "select count(*) from domains").await, 1);
    connection.close().await.unwrap();
    world.store.close().await;
}

/// What failed once is written by another connection, and only after the file has shown that it can be.
#[tokio::test]
async fn after_a_failure_the_file_proves_well_before_the_next_write() {
    let world = World::new().await;
    assert!(!world.store.is_in_doubt());
    world.faults.fail_at(2);
    let refused = world.store.queue.accept(world.message(vec![b'a'; 10]), vec![world.due()], Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Unwell(_))), "{refused:?}");
    assert!(world.store.is_in_doubt());
    assert!(world.store.is_writable().await);
    assert!(!world.store.is_in_doubt());
    world.store.queue.accept(world.message(vec![b'a'; 10]), vec![world.due()], Vec::new()).await.unwrap();
    assert_eq!(world.store.queue.list(None, None, 10).await.unwrap().len(), 1);
    assert_eq!(world.crash().await.store.queue.list(None, None, 10).await.unwrap().len(), 1);
}

/// While the proof fails, all fails: a file that another process has locked is proved by nobody.
#[tokio::test]
async fn nothing_is_written_while_the_proof_fails() {
    let world = World::new().await;
    world.faults.fail_at(1);
    assert!(world.store.queue.claim(world.clock.now(), 1).await.is_err());
    let mut other = look_into(&world.directory.path().join("waypost.db")).await;
    sqlx::raw_sql("begin; select count(*) from domains").execute(&mut other).await.unwrap();
    // A reader that stays: the journal cannot be begun anew behind it once something is written.
    let accepted = world.store.queue.accept(world.message(vec![b'a'; 10]), vec![world.due()], Vec::new()).await;
    assert!(accepted.is_err() && world.store.is_in_doubt());
    other.close().await.unwrap();
    world.store.queue.accept(world.message(vec![b'a'; 10]), vec![world.due()], Vec::new()).await.unwrap();
    assert!(!world.store.is_in_doubt());
}

/// DESIGN section 7: each release opens the previous release's database after writing a backup beside it.
#[tokio::test]
async fn the_first_release_s_databases_are_opened_and_kept_as_they_were() {
    let mut world = World::new().await;
    world.store.close().await;
    for name in ["waypost.db", "activity.db"] {
        let of_before = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/first").join(name);
        for end in ["-wal", "-shm"] {
            let _absent = std::fs::remove_file(world.directory.path().join(format!("{name}{end}")));
        }
        std::fs::copy(of_before, world.directory.path().join(name)).unwrap();
    }
    std::fs::write(world.directory.path().join("waypost.db.before-upgrade-1"), "of an earlier upgrade").unwrap();
    world.reopen().await;

    let waiting = world.store.queue.list(None, None, 10).await.unwrap();
    let mut sizes: Vec<_> = waiting.iter().map(|one| (one.recipient.as_str(), one.size > 262_144)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [("shop@my.example", false), ("shop@my.example", true)]);
    for one in &waiting {
        let octets = world.store.queue.get(one.id).await.unwrap().message.octets;
        let (mut read, mut end) = (0, Vec::new());
        while read < octets.len() {
            end = octets.read(read).await.unwrap().to_vec();
            read += end.len() as u64;
        }
        assert!(end.ends_with(b" of a letter that waited for the next release.\r\n"));
        assert!(matches!(world.store.activity.get(one.id).await.unwrap().status, Status::Queued | Status::Deferred));
    }
    assert_eq!(world.spooled().len(), 1, "the large one lies in a file now");
    let mut connection = look_into(&world.directory.path().join("waypost.db")).await;
    assert_eq!(number(&mut connection, "select count(*) from message_chunks").await, 0);
    connection.close().await.unwrap();
    for name in ["waypost.db", "activity.db"] {
        let copy = world.directory.path().join(format!("{name}.before-upgrade-3"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let mut connection = look_into(&copy).await;
        assert_eq!(number(&mut connection, "select max(version) from _sqlx_migrations").await, 3);
        assert_eq!(
            sqlx::query_scalar::<_, String>("pragma integrity_check").fetch_one(&mut connection).await.unwrap(),
            "ok"
        );
        connection.close().await.unwrap();
    }
    assert!(!world.directory.path().join("waypost.db.before-upgrade-1").exists(), "one copy is kept");
    assert_eq!(mailbox("anna@inbox.example").to_string(), waiting[0].destination);
    authors_are_kept_from_now_on(&world).await;
    world.store.close().await;
}

/// Rows of before have no author; those of now are found by theirs, and those of before as ever.
async fn authors_are_kept_from_now_on(world: &World) {
    let activity = &world.store.activity;
    let of_before = activity.list(Query { limit: 10, ..Query::default() }).await.unwrap().rows;
    assert!(!of_before.is_empty() && of_before.iter().all(|row| row.author.is_none()));
    let row = Row { author: Some(Author::read("Müller <real@author.test>")), ..world.row(Status::Forwarded) };
    activity.record(vec![row.clone()]).await.unwrap();
    activity.index().await.unwrap();
    let found = async |words: &str| {
        let query = Query { search: Some(words.to_owned()), limit: 10, ..Query::default() };
        activity.list(query).await.unwrap().rows
    };
    assert_eq!((found("müller").await, found("real@author.test").await), (vec![row.clone()], vec![row]));
    assert_eq!(found(&of_before[0].id.to_string()).await, of_before[..1]);
}

#[tokio::test]
async fn a_newer_release_s_database_is_refused_and_left_alone() {
    let world = World::new().await;
    world.store.close().await;
    let file = world.directory.path().join("waypost.db");
    let mut connection = look_into(&file).await;
    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
        values (9999, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let settings = Settings { data_dir: world.directory.path().to_owned(), database: file };
    let refused = Store::open(settings, world.clock.clone(), world.chance.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("is of a newer Waypost"), "{refused}");
}

/// An index that has lost a row is copied with what it has lost: SQLite says nothing as long as nobody compares.
#[tokio::test]
async fn damage_of_an_index_is_found_in_a_copy() {
    let mut world = World::new().await;
    for name in 0..20 {
        world.domain(&format!("d{name}.example")).await;
    }
    let copy = tempfile::tempdir().unwrap();
    world.store.copy_to(copy.path(), true).await.unwrap();
    Store::check_copies(copy.path()).await.unwrap();
    world.store.close().await;
    let file = world.directory.path().join("waypost.db");
    let mut connection = look_into(&file).await;
    let root =
        number(&mut connection, "select rootpage from sqlite_schema where name = 'domains_by_name_of_account'").await;
    let page = number(&mut connection, "pragma page_size").await;
    connection.close().await.unwrap();
    let mut octets = std::fs::read(&file).unwrap();
    let index = usize::try_from((root - 1) * page).unwrap()..usize::try_from(root * page).unwrap();
    let at = octets[index.clone()].windows(10).position(|name| name == b"d7.example").unwrap() + index.start;
    octets[at] = b'e';
    std::fs::write(&file, octets).unwrap();
    world.reopen().await;
    let copy = tempfile::tempdir().unwrap();
    world.store.copy_to(copy.path(), true).await.unwrap();
    let damage = Store::check_copies(copy.path()).await.unwrap_err().to_string();
    assert!(damage.contains("waypost.db: ") && damage.contains("missing from index"), "{damage}");
    world.store.close().await;
}
