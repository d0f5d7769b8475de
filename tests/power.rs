//! Power cuts, syncs that fail, and a disk without room, under a whole gateway on a disk that forgets what was not synced
//! (`power/disk.rs`), with a ledger: every 250 is at the inbox or in the queue.
//!
//! They need /dev/fuse and the right to mount, which not every machine gives: `tests/long` runs them. `CUTS` says how
//! many power cuts (5).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "power/disk.rs"]
mod disk;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuser::BackgroundSession;
use tokio::net::TcpSocket;
use waypost::chance::Chance;
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Behaviour, Inbox, Rule, Stage};
use waypost::demo::sender::Sender;

use disk::Disk;

const SENDERS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(90);
const CAPACITY: u64 = 512 << 20;
const ANN: &str = "ann@sender.example";

/// A gateway's world: everything but its disk stays over a power cut.
struct Bench {
    dns: Dns,
    inbox: Inbox,
    /// The data folder.
    data: PathBuf,
    _mount: tempfile::TempDir,
    smtp: SocketAddr,
    _port: TcpSocket,
}

/// The gateway's process and the disk that it works on.
struct Running {
    disk: Disk,
    process: Child,
    /// Unmounted when dropped, which the process must be dead for.
    _session: BackgroundSession,
}

/// What was answered 250, by number.
#[derive(Default)]
struct Ledger {
    accepted: Mutex<BTreeSet<u32>>,
    next: AtomicU32,
    done: AtomicBool,
}

impl Bench {
    async fn new() -> Self {
        let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
        dns.mx("inbox.example", 10, "mx.inbox.example");
        dns.a("mx.inbox.example", [127, 0, 0, 1].into());
        dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
        inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 busy")).to("busy@inbox.example"));
        let (port, mount) = (TcpSocket::new_v4().unwrap(), tempfile::tempdir().unwrap());
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { dns, inbox, data: mount.path().to_owned(), _mount: mount, smtp: port.local_addr().unwrap(), _port: port }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.args(arguments).stderr(Stdio::null()).stdout(Stdio::null());
        let environment = [
            ("DATA_DIR", self.data.to_str().unwrap().to_owned()),
            ("HOSTNAME", "gw.example".to_owned()),
            ("SMTP__LISTEN", self.smtp.to_string()),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("DNS__SERVERS", self.dns.address().to_string()),
            ("DELIVERY__PORT", self.inbox.address().port().to_string()),
            ("DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
            ("DELIVERY__RETRY", "1s".to_owned()),
        ];
        command.envs(environment.map(|(key, value)| (format!("WAYPOST_{key}"), value)));
        command
    }

    /// Commands wait themselves; the file system answers on a thread of its own.
    fn run(&self, arguments: &[&str]) {
        assert!(self.command(arguments).status().unwrap().success(), "waypost {arguments:?}");
    }

    async fn serve(&self, disk: Disk) -> Running {
        let session = disk.mount(&self.data);
        let process = self.command(&["serve"]).spawn().unwrap();
        self.until_up().await;
        Running { disk, process, _session: session }
    }

    /// With rules that lead to an inbox that takes all, and to one that defers.
    async fn start(&self) -> Running {
        let disk = Disk::new(CAPACITY);
        let session = disk.mount(&self.data);
        self.furnish();
        session.join();
        self.serve(disk).await
    }

    fn furnish(&self) {
        self.run(&["domain", "add", "my.example"]);
        self.run(&["destination", "add", "@inbox.example", "--verified"]);
        self.run(&["alias", "add", "shop@my.example", "--to", "anna@inbox.example"]);
        self.run(&["alias", "add", "later@my.example", "--to", "busy@inbox.example"]);
    }

    async fn until_up(&self) {
        let up = async {
            while Sender::connect(self.smtp, "probe.example").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the gateway must greet");
    }

    /// All that was accepted arrives.
    async fn expect_all(&self, ledger: &Ledger) -> usize {
        self.inbox.behave();
        let accepted = ledger.accepted.lock().unwrap().clone();
        let missing = || {
            let arrived: BTreeSet<_> = self.inbox.received().iter().map(|one| number_of(&one.octets)).collect();
            accepted.difference(&arrived).copied().collect::<Vec<_>>()
        };
        let all_there = async {
            while !missing().is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all_there).await;
        assert!(in_time.is_ok(), "answered 250 and lost: {:?}", missing());
        accepted.len()
    }
}

impl Running {
    /// The power goes at this instant; what is left of the disk.
    fn lose_power(self, chance: &Chance) -> Disk {
        self.disk.cut(|| chance.token()[0].is_multiple_of(2))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _over = self.process.kill();
        let _over = self.process.wait();
    }
}

fn letter(number: u32, lines: usize) -> Vec<u8> {
    let head = format!("From: <{ANN}>\r\nSubject: number {number}\r\n\r\nThe letter {number}.\r\n");
    [head.into_bytes(), b"A line like any other, of some fifty octets in all.\r\n".repeat(lines)].concat()
}

fn number_of(octets: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(&octets[..octets.len().min(4096)]);
    text.split("Subject: number ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap()
}

/// Sends numbered messages until the ledger is closed: small ones, and now and then one that is kept in a file, be it that
/// it was in memory before or that it arrived in one.
async fn send_on(gateway: SocketAddr, ledger: Arc<Ledger>) {
    while !ledger.done.load(Ordering::Relaxed) {
        let Ok(mut sender) = Sender::connect(gateway, "mail.sender.example").await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while !ledger.done.load(Ordering::Relaxed) {
            let number = ledger.next.fetch_add(1, Ordering::Relaxed);
            let to = if number.is_multiple_of(2) { "shop@my.example" } else { "later@my.example" };
            let lines = match number % 32 {
                3 => 6_000,
                17 => 30_000,
                _ => 1,
            };
            match sender.send(ANN, &[to], &letter(number, lines)).await {
                Ok(answers) if answers.is_accepted() => {
                    ledger.accepted.lock().unwrap().insert(number);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

struct Load {
    ledger: Arc<Ledger>,
    senders: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(bench: &Bench) -> Self {
        let ledger = Arc::new(Ledger::default());
        let senders = (0..SENDERS).map(|_| tokio::spawn(send_on(bench.smtp, Arc::clone(&ledger)))).collect();
        Self { ledger, senders }
    }

    async fn end(self) -> Arc<Ledger> {
        self.ledger.done.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        self.ledger
    }

    async fn until_accepted(&self, more: usize) {
        let wanted = self.accepted() + more;
        let enough = async {
            while self.accepted() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("mail must be taken");
    }

    fn accepted(&self) -> usize {
        self.ledger.accepted.lock().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn nothing_accepted_is_lost_in_a_power_cut() {
    let cuts: u64 = std::env::var("CUTS").map_or(5, |cuts| cuts.parse().unwrap());
    let bench = Bench::new().await;
    let mut running = bench.start().await;
    let load = Load::start(&bench);
    for cut in 0..cuts {
        load.until_accepted(10).await;
        tokio::time::sleep(Duration::from_millis(cut * 97 % 300)).await;
        let left = running.lose_power(&Chance::seeded(cut));
        running = bench.serve(left).await;
    }
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await;
    println!("{cuts} power cuts, {accepted} accepted, {} arrived, none lost", bench.inbox.received().len());
    drop(running);
}

/// A sync that fails is told once, and what it should have written is forgotten: the gateway takes nothing more until the
/// disk is well, and what it took before and after outlives a power cut.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn syncs_that_fail_lose_nothing() {
    let bench = Bench::new().await;
    let mut running = bench.start().await;
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
        running = bench.serve(left).await;
    }
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await;
    println!("5 rounds of failing syncs, {accepted} accepted, none lost");
    drop(running);
}

/// 452 at MAIL and while a large message arrives; what is there goes on; well again by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a file system: tests/long runs it"]
async fn a_full_disk_is_said_in_time_and_loses_nothing() {
    const RESERVE: u64 = 64 << 20;
    let bench = Bench::new().await;
    let running = bench.start().await;
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
    let mut process = bench.command(&["serve"]).spawn().unwrap();
    bench.until_up().await;
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
    let accepted = bench.expect_all(&ledger).await;
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
