//! A million aliases and millions of rows of the log: whatever the panel and the API are asked of them is answered in time.
//!
//! The data are made by SQL in databases that the gateway has migrated, in the shape that it would have written them in;
//! everything is then asked over a socket, by the owner, by a member with two domains whose mail is scarce, by one with a
//! hundred domains, and by one with roles on a hundred domains of the owner. A question of the API is answered when its
//! last octet is there, a page of the panel when its first is.

#[path = "millions/questions.rs"]
mod questions;
#[path = "millions/replaced.rs"]
mod replaced;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use waypost::clock::Clock;

use crate::support::World;
use questions::{ASKED_OF_DNS, MEMBERS, Named, PAGES, QUESTIONS};
use replaced::Replaced;

/// Rows of the log where `ROWS` does not say otherwise.
const ROWS: i64 = 10_000_000;
/// An answer takes no longer, in the middle of [`TIMES`].
const LONGEST: Duration = Duration::from_millis(50);
/// By so much longer others wait at most, while a destination of sixty thousand aliases is replaced.
const LONGEST_BESIDE: Duration = Duration::from_millis(100);
/// The folder in which the data are made, for the process that makes them.
const MADE_IN: &str = "MADE_IN";
/// How often each is asked, after the first time.
const TIMES: usize = 7;
/// What the process takes with all of this open, at most, in octets: of the 150 MiB of the design twenty are left to the program
/// itself, whose file is mapped, and in a test is mostly symbols.
const MOST_MEMORY: u64 = 130 * 1024 * 1024;
const OWNER: i64 = 1;
/// Who asks: the key of the account, and by which word the table says so.
const ASKERS: [(i64, &str); 4] = [(OWNER, "owner"), (2, "two domains"), (3, "hundred"), (4, "roles")];

/// What an answer took.
struct Timed {
    asker: &'static str,
    path: String,
    status: u16,
    cold: Duration,
    middle: Duration,
    worst: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes gigabytes of data: tests/long millions"]
async fn a_million_aliases_and_millions_of_rows_are_answered_in_time() {
    let rows = rows();
    // What is kept there longest would go otherwise while it is asked for.
    let world = World::start_with(&[("LOG__MAX_BYTES", "1000GiB")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let world = world.restart_after(async |data| fill(&data)).await;
    let named = Named::of(&world, rows).await;
    let only = std::env::var("ASKED").unwrap_or_default();
    let mut all = Vec::new();
    for (key, asker) in ASKERS {
        let asked = if key == OWNER { QUESTIONS } else { MEMBERS };
        let pages = PAGES.iter().filter(|page| key == OWNER || !page.ends_with("#owner"));
        for path in asked.iter().chain(pages).filter(|path| path.contains(&only)) {
            all.push(timed(&world, (key, asker), &named.filled(path, key)).await);
        }
    }
    let replaced = if only.is_empty() { replaced::there_and_back(&world).await.to_vec() } else { Vec::new() };
    let memory = taken();
    tell(&mut all, rows, memory);
    for (Replaced { took, letter, page }, what) in
        replaced.iter().zip(["alone", "while one is replaced", "and put back"])
    {
        println!("{what}, {took:?}: a letter takes {letter:?} at most, a page {page:?}");
    }
    let slow: Vec<_> = all.iter().filter(|one| one.middle > LONGEST).map(|one| (one.asker, &one.path)).collect();
    assert!(slow.is_empty(), "longer than {LONGEST:?}: {slow:#?}");
    let odd: Vec<_> =
        all.iter().filter(|one| one.status != 200).map(|one| (one.asker, &one.path, one.status)).collect();
    assert!(odd.is_empty(), "not answered: {odd:#?}");
    if let [alone, meanwhile @ ..] = replaced.as_slice() {
        let longest = |one: &Replaced| one.letter.max(one.page);
        let (most, waited) = (longest(alone) + LONGEST_BESIDE, meanwhile.iter().map(longest).max().unwrap_or_default());
        assert!(waited <= most, "beside a replacement {waited:?} is longer than {most:?}");
    }
    assert!(memory <= MOST_MEMORY, "{memory} octets of memory are more than {MOST_MEMORY}");
    world.stop().await;
}

/// Makes the data, in a process of its own: what that takes of memory is not the gateway's.
#[tokio::test]
#[ignore = "called by the test of a million aliases, which says where"]
async fn the_data_are_made() {
    make(Path::new(&std::env::var_os(MADE_IN).unwrap()), rows()).await;
}

fn rows() -> i64 {
    std::env::var("ROWS").ok().map_or(ROWS, |text| text.parse().unwrap())
}

/// Every page of the panel is asked for here, or it says why not.
#[test]
fn every_page_is_asked_for_with_millions_of_rows() {
    let table = include_str!("../web/pages.rs");
    let routes = table.split("inside(").filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
    let is_asked = |route: &&str| {
        let is_excused = ASKED_OF_DNS.iter().any(|(excused, _)| excused == route);
        is_excused || PAGES.iter().any(|page| is_on(route, page.split(['?', '#']).next().unwrap_or_default()))
    };
    let not_asked: Vec<_> = routes.map(|(route, _)| route).filter(|route| !is_asked(route)).collect();
    assert!(not_asked.is_empty(), "pages that nobody asks for: {not_asked:?}");
}

/// Whether a path is on a route, whose names in braces stand for anything.
fn is_on(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}

/// Asks once, and then [`TIMES`] times.
async fn timed(world: &World, (key, asker): (i64, &'static str), path: &str) -> Timed {
    let (cold, status) = ask(world, key, ("GET", path, "")).await;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        times.push(ask(world, key, ("GET", path, "")).await.0);
    }
    times.sort();
    Timed { asker, path: path.to_owned(), status, cold, middle: times[TIMES / 2], worst: times[TIMES - 1] }
}

/// Asks over a connection of its own: how long it took, and the status.
async fn ask(world: &World, key: i64, (method, path, body): (&str, &str, &str)) -> (Duration, u16) {
    let (secret, clock) = (secret(key), Clock::system());
    let is_api = path.starts_with("/v1/");
    let who = if is_api { format!("Authorization: Bearer {secret}") } else { format!("Cookie: waypost={secret}") };
    let json = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n{json}\r\nConnection: close\r\n\r\n{body}");
    let began = clock.since_boot();
    let mut stream = TcpStream::connect(world.gateway.listening.http[0]).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let read = stream.read(&mut answer).await.unwrap();
    let mut took = clock.since_boot().saturating_sub(began);
    answer.truncate(read);
    // Of an export the beginning is enough.
    if !path.contains("/export") {
        stream.read_to_end(&mut answer).await.unwrap();
    }
    if is_api && !path.contains("/export") {
        took = clock.since_boot().saturating_sub(began);
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (took, status)
}

/// The session and the token of an account.
fn secret(key: i64) -> String {
    format!("wp_of_account_{key}")
}

/// Makes the data, while the gateway is away. Where `DATA` names a folder (on the same file system), they are kept there, and
/// asked again by the next run.
fn fill(data: &Path) {
    let make = || {
        let test = std::env::current_exe().unwrap();
        let arguments = ["--exact", "millions::the_data_are_made", "--ignored", "--nocapture"];
        let made = Command::new(test).args(arguments).env(MADE_IN, data).status().unwrap();
        assert!(made.success(), "the data are not made");
    };
    let Some(kept) = std::env::var_os("DATA").map(PathBuf::from) else { return make() };
    let is_made = kept.join("activity.db").exists();
    if !is_made {
        std::fs::create_dir_all(&kept).unwrap();
        make();
    }
    for database in ["waypost.db", "activity.db"] {
        let (here, there) = (data.join(database), kept.join(database));
        if is_made { std::fs::remove_file(&here) } else { std::fs::rename(&here, &there) }.unwrap();
        std::os::unix::fs::symlink(there, here).unwrap();
    }
}

async fn make(data: &Path, rows: i64) {
    let hash = |text: &str| {
        Sha256::digest(text).iter().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02X}");
            hex
        })
    };
    let secrets: Vec<_> = ASKERS.map(|(key, _)| format!("[{key},\"{0}\",\"{0}\"]", hash(&secret(key)))).into();
    let now = Clock::system().now().millis().to_string();
    let rules = include_str!("millions/rules.sql").replace(":secrets", &format!("[{}]", secrets.join(",")));
    let log = include_str!("millions/log.sql").replace(":rows", &rows.to_string());
    let (rules, log) = (rules.replace(":now", &now), log.replace(":now", &now));
    tokio::join!(run(data.join("waypost.db"), &rules), run(data.join("activity.db"), &log));
}

/// Runs a script on a database, in one transaction and without a journal, so that each page is written once. Indexes are made
/// of the rows when these are there: that is quicker than keeping them.
async fn run(database: PathBuf, script: &str) {
    let clock = Clock::system();
    let began = clock.since_boot();
    let options = SqliteConnectOptions::new().filename(&database).journal_mode(SqliteJournalMode::Off);
    let options = options.pragma("synchronous", "off").pragma("temp_store", "file").foreign_keys(false);
    let mut connection = options.connect().await.unwrap();
    let indexes = "select name, sql from sqlite_master where type = 'index' and sql is not null";
    let indexes: Vec<(String, String)> = sqlx::query_as(indexes).fetch_all(&mut connection).await.unwrap();
    execute(&mut connection, "begin").await;
    for (name, _) in &indexes {
        execute(&mut connection, &format!("drop index {name}")).await;
    }
    for statement in script.split(";\n").chain(indexes.iter().map(|(_, made)| made.as_str())) {
        let began = clock.since_boot();
        execute(&mut connection, statement).await;
        let took = clock.since_boot().saturating_sub(began).as_secs();
        if took > 5 {
            println!("{took:>5} s  {}", statement.trim_start().lines().last().unwrap_or_default());
        }
    }
    execute(&mut connection, "commit").await;
    connection.close().await.unwrap();
    println!("{} is filled in {} s", database.display(), clock.since_boot().saturating_sub(began).as_secs());
}

async fn execute(connection: &mut SqliteConnection, statement: &str) {
    let run = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(connection).await;
    run.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// Octets of memory that this process has taken.
fn taken() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The table, the slowest first.
fn tell(all: &mut [Timed], rows: i64, memory: u64) {
    all.sort_by_key(|one| std::cmp::Reverse(one.middle));
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!("median ms   worst    cold  status");
    for Timed { asker, path, status, cold, middle, worst } in all.iter() {
        let (middle, worst, cold) = (millis(*middle), millis(*worst), millis(*cold));
        println!("{middle:>9.1} {worst:>7.1} {cold:>7.1}     {status}  {asker:<11} {path}");
    }
    println!("{rows} rows; {} questions; {} MiB of memory", all.len(), memory >> 20);
}
