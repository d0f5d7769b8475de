//! The inner figures of storage: rows of the log and messages of the queue a second with what one costs, a lookup, an
//! import of a million. `cargo bench --bench store` (with the flag of .cargo/config.toml), or one of them by its name.

#![expect(clippy::unwrap_used, reason = "a measurement that fails may end there")]

use std::time::{Duration, Instant};

#[path = "../tests/store/world.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod world;

use tokio::sync::watch;
use waypost::policy::ids::{AliasId, OWNER};
use waypost::policy::status::Status;
use waypost::store::rules::ImportLine;
use world::{World, mailbox};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for name in ["record", "accept", "lookup", "import"] {
            if wanted.is_empty() || wanted.iter().any(|w| w == name) {
                match name {
                    "record" => record().await,
                    "accept" => accept().await,
                    "lookup" => lookup().await,
                    _ => import().await,
                }
            }
        }
    });
}

/// Wall and CPU time since.
struct Watch(Instant, Duration);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn tell(&self, what: &str, n: usize) {
        let (wall, cpu) = (self.0.elapsed(), cpu() - self.1);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / n as f64;
        let rate = n as f64 / wall.as_secs_f64();
        println!("{what:<34} {rate:>10.0} /s {:>9.1} us wall {:>9.1} us CPU", each(wall), each(cpu));
    }
}

/// User and system time of this process (`/proc/self/stat`, in hundredths of a second).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// `n` calls of `run`, `at_once` of them at a time.
async fn run_many<F: Future<Output = ()> + Send + 'static>(n: usize, at_once: usize, run: impl Fn(usize) -> F) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..n {
        if tasks.len() >= at_once {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(run(number));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

async fn record() {
    for (at_once, n) in [(1, 3_000), (20, 30_000), (100, 100_000)] {
        let world = World::new().await;
        let rows: Vec<_> = (0..n)
            .map(|number| {
                let mut row = world.row(Status::Forwarded);
                row.alias = Some(AliasId(i64::try_from(number * 7919 % 1_000_003).unwrap()));
                row
            })
            .collect();
        let rows = std::sync::Mutex::new(rows);
        let watch = Watch::start();
        run_many(n, at_once, |_| {
            let (activity, row) = (world.store.activity.clone(), rows.lock().unwrap().pop().unwrap());
            async move { activity.record(vec![row]).await.unwrap() }
        })
        .await;
        watch.tell(&format!("record, {at_once} at once"), n);
        let watch = Watch::start();
        while world.store.activity.index().await.unwrap() > 0 {}
        watch.tell("  index them", n);
    }
}

async fn accept() {
    for (at_once, n) in [(1, 1_000), (20, 20_000), (100, 50_000)] {
        let world = World::new().await;
        let messages: Vec<_> = (0..n).map(|_| (world.message(vec![b'x'; 4096]), world.due())).collect();
        let messages = std::sync::Mutex::new(messages);
        let watch = Watch::start();
        run_many(n, at_once, |_| {
            let (queue, (message, delivery)) = (world.store.queue.clone(), messages.lock().unwrap().pop().unwrap());
            async move { queue.accept(message, vec![delivery], Vec::new()).await.unwrap() }
        })
        .await;
        watch.tell(&format!("accept 4 KiB, {at_once} at once"), n);
        let watch = Watch::start();
        let mut settled = 0;
        while settled < n {
            let claims = world.store.queue.claim(world.clock.now(), 256).await.unwrap();
            settled += claims.len();
            let done = claims.into_iter().map(|c| (c.delivery.id, waypost::store::queue::Settlement::Done)).collect();
            world.store.queue.settle(done).await.unwrap();
        }
        watch.tell("  claim and settle them", n);
    }
}

async fn lookup() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let lines = (0..50_000).map(|n| line(my.key, n)).collect();
    let (progress, _) = watch::channel(0);
    world.store.rules.import(OWNER, lines, progress, world.audit("alias.import")).await.unwrap();
    for (what, step) in [("lookup of an alias, first time", 1), ("lookup of an alias, cached", 0)] {
        let watch = Watch::start();
        for n in 0..20_000 {
            let recipient = mailbox(&format!("user{}@my.example", n * step));
            assert_eq!(world.store.directory.candidates(&recipient).await.unwrap().unwrap().addresses.len(), 1);
        }
        watch.tell(what, 20_000);
    }
}

async fn import() {
    const MILLION: usize = 1_000_000;
    let mut world = World::new().await;
    let my = world.domain("my.example").await;
    let lines = (0..MILLION).map(|n| line(my.key, n)).collect();
    let (progress, _) = watch::channel(0);
    let watch = Watch::start();
    world.store.rules.import(OWNER, lines, progress, world.audit("alias.import")).await.unwrap();
    watch.tell("import of a million", MILLION);
    world.store.close().await;
    let watch = Watch::start();
    world.reopen().await;
    watch.tell("open with a million aliases", 1);
    let watch = Watch::start();
    for n in 0..20_000 {
        let recipient = mailbox(&format!("user{}@my.example", n * 49));
        assert_eq!(world.store.directory.candidates(&recipient).await.unwrap().unwrap().addresses.len(), 1);
    }
    watch.tell("lookup among a million", 20_000);
}

fn line(domain: waypost::policy::ids::DomainId, n: usize) -> ImportLine {
    ImportLine { domain, local: format!("user{n}"), destination: mailbox("me@inbox.example") }
}
