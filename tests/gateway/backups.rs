//! Backups by themselves: whole, private, few, told when they fail, and good for a restore.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use waypost::clock::Clock;
use waypost::config::Config;
use waypost::policy::checkup::DiskFacts;
use waypost::upkeep::Pace;

use crate::notices::{MINUTES, PAUSE, hasten, pass, subjects, told};
use crate::support::{PATIENCE, World};

const DAY: Duration = Duration::from_secs(86_400);
const STRANGER: &str = "waypost-other.example-20200101T000000Z.tar";

/// What lies there, but for one that is being written.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".unfinished"));
    names.sort();
    names
}

fn fast(config: &mut Config, clock: &Clock) {
    hasten(config, clock);
    config.backup_pace = Pace { first: PAUSE, every: PAUSE };
}

async fn world(clock: &Clock, folder: &Path) -> World {
    world_with(clock, folder, |_| {}).await
}

async fn world_with(clock: &Clock, folder: &Path, change: impl FnOnce(&mut Config)) -> World {
    let settings = [
        ("BACKUP__DIR", folder.to_str().unwrap()),
        ("BACKUP__KEEP", "2"),
        ("NOTIFY__TO", crate::notices::BOSS),
        ("NOTIFY__DIGEST", "off"),
    ];
    let world = World::bare_with(&settings, |config, dns| {
        fast(config, clock);
        change(config);
        dns.mx("office.example", 10, "mx.inbox.example");
        fs::write(config.data_dir.join("relay.password"), "the word of the relay").unwrap();
    })
    .await;
    world.domain("my.example").await;
    world.destination("@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    world
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect(what);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The binary, over other data.
fn waypost(data: &Path, arguments: &[&str]) -> String {
    let command = Command::new(env!("CARGO_BIN_EXE_waypost")).args(arguments).env("WAYPOST_DATA_DIR", data).output();
    let output = command.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_whole_private_and_few_and_one_makes_a_gateway() {
    let clock = Clock::hastened();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("backups");
    let world = world(&clock, &folder).await;
    until("there must be a first one", || !names(&folder).is_empty()).await;
    let first = names(&folder);
    assert!(first[0].starts_with("waypost-gw.example-20") && first[0].ends_with("Z.tar"), "{first:?}");
    assert_eq!((mode(&folder), mode(&folder.join(&first[0]))), (0o700, 0o600));
    pass(&clock, (4, Duration::from_secs(3600))).await;
    assert_eq!(names(&folder), first, "one a day");

    fs::write(folder.join(STRANGER), "somebody else's").unwrap();
    for day in 1..=3 {
        clock.advance(DAY);
        let newest = clock.now().compact()[..8].to_owned();
        until("there must be one a day", || names(&folder).iter().any(|name| name.contains(&newest))).await;
        assert!(world.letter("shop@my.example").await.is_accepted(), "it serves meanwhile");
        until("no more than are kept", || names(&folder).len() == 1 + 2.min(day + 1)).await;
    }
    let left = names(&folder);
    assert!(left.contains(&STRANGER.to_owned()) && !left.contains(&first[0]), "{left:?}");
    let checkup = world.get("/v1/doctor").await;
    let note = checkup["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "backup_newest").unwrap();
    let newest = left.iter().filter(|name| **name != STRANGER).max().unwrap();
    let what = note["what"].as_str().unwrap();
    assert!(what.starts_with("The newest backup is ") && what.contains(newest), "{what}");
    world.stop().await;

    let (data, file) = (place.path().join("data"), folder.join(newest));
    waypost(&data, &["restore", file.to_str().unwrap()]);
    assert!(waypost(&data, &["alias", "list"]).contains("shop@my.example"));
    let password = data.join("relay.password");
    assert_eq!((fs::read_to_string(&password).unwrap().as_str(), mode(&password)), ("the word of the relay", 0o600));
}

/// A folder that cannot be: its parent is a file. Then it is mended.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_told_and_so_is_its_end() {
    let clock = Clock::hastened();
    let place = tempfile::tempdir().unwrap();
    let parent = place.path().join("disk");
    fs::write(&parent, "not mounted").unwrap();
    let world = world(&clock, &parent.join("backups")).await;
    assert_eq!(told(&world, &clock, (1, MINUTES)).await, ["The backup of the gateway failed"]);
    pass(&clock, (12, 10 * MINUTES)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 1, "quiet in between");
    fs::remove_file(&parent).unwrap();
    fs::create_dir(&parent).unwrap();
    let all = told(&world, &clock, (2, 10 * MINUTES)).await;
    assert_eq!(all[1], "Over: The backup of the gateway failed");
    assert_eq!(names(&parent.join("backups")).len(), 1);
    let left = names(world.data.path()).into_iter().filter(|name| name.starts_with("backup-"));
    assert_eq!(left.count(), 0, "no copies are left");
    world.stop().await;
}

/// What is kept free for mail is not written full by a backup.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_disk_has_no_room_for_is_not_begun() {
    let clock = Clock::hastened();
    let place = tempfile::tempdir().unwrap();
    let full = DiskFacts { free: (64 << 20) + 1, total: 1 << 30 };
    let world = world_with(&clock, place.path(), |config| config.outside.probes.disk = Some(full)).await;
    assert_eq!(told(&world, &clock, (1, MINUTES)).await, ["The backup of the gateway failed"]);
    let checkup = world.get("/v1/doctor").await;
    let failed = checkup["findings"].as_array().unwrap().iter().find(|one| one["id"] == "backup_failed").unwrap();
    let what = failed["what"].as_str().unwrap();
    let why = "MiB, and the disk has 65 MiB free, of which 64 MiB are kept for mail";
    assert!(what.starts_with("The backup could not be made: it takes ") && what.contains(why), "{what}");
    assert!(names(place.path()).is_empty());
    world.stop().await;
}
