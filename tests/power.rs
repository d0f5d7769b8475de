//! Power cuts, syncs that fail, and a disk without room, under a whole gateway on a disk that forgets what was not synced
//! (`power/disk.rs`), with a ledger: every 250 is at the inbox or in the queue.
//!
//! They need /dev/fuse and the right to mount, which not every machine gives: `tests/long` runs them. `CUTS` says how
//! many power cuts (5).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "power/disk.rs"]
mod disk;

#[path = "support/load.rs"]
mod load;

use std::path::PathBuf;
use std::time::Duration;

use fuser::BackgroundSession;
use waypost::chance::Chance;
use waypost::demo::sender::Sender;

use disk::Disk;
use load::{ANN, Bench, Ledger, Load, PATIENCE, Serving, letter};

const CAPACITY: u64 = 512 << 20;

/// The gateway's process and the disk that it works on.
struct Running {
    disk: Disk,
    _process: Serving,
    /// Unmounted when dropped, which the process must be dead for.
    _session: BackgroundSession,
}

/// The gateway on a disk that it knows.
async fn serve(bench: &Bench, disk: Disk) -> Running {
    let session = disk.mount(&bench.data);
    Running { disk, _process: bench.serve().await, _session: session }
}

/// The gateway on a new disk.
async fn start(bench: &Bench) -> Running {
    let disk = Disk::new(CAPACITY);
    let session = disk.mount(&bench.data);
    bench.furnish();
    session.join();
    serve(bench, disk).await
}

impl Running {
    /// The power goes at this instant; what is left of the disk.
    fn lose_power(self, chance: &Chance) -> Disk {
        self.disk.cut(|| chance.token()[0].is_multiple_of(2))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn nothing_accepted_is_lost_in_a_power_cut() {
    let cuts: u64 = std::env::var("CUTS").map_or(5, |cuts| cuts.parse().unwrap());
    let bench = Bench::new().await;
    let mut running = start(&bench).await;
    let load = Load::start(&bench);
    for cut in 0..cuts {
        load.until_accepted(10).await;
        tokio::time::sleep(Duration::from_millis(cut * 97 % 300)).await;
        let left = running.lose_power(&Chance::seeded(cut));
        running = serve(&bench, left).await;
    }
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await.len();
    println!("{cuts} power cuts, {accepted} accepted, {} arrived, none lost", bench.inbox.received().len());
    drop(running);
}

/// A sync that fails is told once, and what it should have written is forgotten: the gateway takes nothing more until the
/// disk is well, and what it took before and after outlives a power cut.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn syncs_that_fail_lose_nothing() {
    let bench = Bench::new().await;
    let mut running = start(&bench).await;
    let load = Load::start(&bench);
    for round in 0..5 {
        load.until_accepted(10).await;
        running.disk.fail_syncs(true);
        let mut sender = Sender::connect(bench.smtp, "mail.sender.example").await.unwrap();
        let turned_away = async {
            while sender.send(ANN, &["later@my.example"], &letter(1_000_000, 1)).await.is_ok_and(|a| a.is_accepted()) {}
        };
        tokio::time::timeout(PATIENCE, turned_away).await.expect("mail must be turned away");
        running.disk.fail_syncs(false);
        load.until_accepted(10).await;
        let left = running.lose_power(&Chance::seeded(round));
        running = serve(&bench, left).await;
    }
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await.len();
    println!("5 rounds of failing syncs, {accepted} accepted, none lost");
    drop(running);
}

/// 452 at MAIL and while a large message arrives; what is there goes on; well again by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn a_full_disk_is_said_in_time_and_loses_nothing() {
    const RESERVE: u64 = 64 << 20;
    let bench = Bench::new().await;
    let running = start(&bench).await;
    let mut sender = Sender::connect(bench.smtp, "mail.sender.example").await.unwrap();
    let ledger = Ledger::default();
    for number in 0..4 {
        assert!(sender.send(ANN, &["later@my.example"], &letter(number, 6000)).await.unwrap().is_accepted());
        ledger.accepted.lock().unwrap().insert(number);
    }
    // Room for a part of what comes next: the disk fills while it arrives.
    running.disk.leave_room(RESERVE + (4 << 20));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let large = sender.send(ANN, &["later@my.example"], &letter(4, 400_000)).await.unwrap();
    assert!(large.last().starts_with("452 4.3.1"), "{large:?}");
    running.disk.leave_room(RESERVE / 2);
    let full = async {
        while !sender.command("MAIL FROM:<ann@sender.example>").await.unwrap().starts_with("452 4.3.1") {
            sender.command("RSET").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("452 at MAIL");
    // Even without any room the queue is delivered, or waits until there is some.
    running.disk.leave_room(0);
    bench.inbox.behave();
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.disk.leave_room(4 * RESERVE);
    bench.expect_all(&ledger).await;
    let taken = async {
        while !sender.send(ANN, &["shop@my.example"], &letter(5, 1)).await.unwrap().is_accepted() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("mail is taken again");
    assert!(running.disk.syncs() > 0);
}

/// The same on a small file system of the kernel's (`SMALL_DISK`, which `tests/long` mounts): mail is taken until 452, the
/// rest of the disk is filled by somebody else, and when both are gone all has arrived and mail is taken again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small disk: tests/long mounts one"]
async fn a_small_disk_fills_and_empties_and_loses_nothing() {
    let disk = PathBuf::from(std::env::var_os("SMALL_DISK").expect("SMALL_DISK names a small file system"));
    let mut bench = Bench::new().await;
    bench.data = disk.join("data");
    std::fs::create_dir(&bench.data).unwrap();
    bench.furnish();
    let mut process = bench.serve().await;
    let mut sender = Sender::connect(bench.smtp, "mail.sender.example").await.unwrap();
    let ledger = Ledger::default();
    let mut send = async |number: u32, to: &str, lines: usize| {
        let answers = sender.send(ANN, &[to], &letter(number, lines)).await.unwrap();
        if answers.is_accepted() {
            ledger.accepted.lock().unwrap().insert(number);
        }
        answers
    };
    let mut number = 0;
    let refusal = loop {
        let answers = send(number, "later@my.example", 6000).await;
        number += 1;
        if !answers.is_accepted() {
            break answers.last().to_owned();
        }
        assert!(number < 2000, "the disk is not small");
    };
    assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
    assert!(number > 10, "too little was taken to prove anything");
    let ballast = disk.join("ballast");
    let full = std::fs::write(&ballast, vec![0; 1 << 30]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    assert!(!send(number, "shop@my.example", 1).await.is_accepted());
    bench.inbox.behave();
    std::fs::remove_file(&ballast).unwrap();
    let accepted = bench.expect_all(&ledger).await.len();
    let again = async {
        while !send(number + 1, "shop@my.example", 1).await.is_accepted() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the disk has room again");
    println!("a small disk: {accepted} accepted until 452, all arrived, and mail is taken again");
    process.kill().unwrap();
    process.wait().unwrap();
}
