//! What mail and the panel wait for, while a destination of very many aliases is replaced everywhere.

use std::cell::Cell;
use std::time::Duration;

use waypost::clock::Clock;

use super::ask;
use crate::support::World;

/// The account whose destination it is, that destination, and the other one.
const KEY: i64 = 3;
const BUSY: &str = "p9994@inbox.example";
const IDLE: &str = "p9993@inbox.example";
/// So many pages are asked for beside others where nothing is replaced, to know what the machine makes of them.
const PAGES_ALONE: usize = 100;

/// How long it took, and the longest that anybody waited meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replaced {
    pub(super) took: Duration,
    pub(super) letter: Duration,
    pub(super) page: Duration,
}

/// What others wait for while nothing is replaced; while the destination is; and while it is put back, so that the data are
/// as before.
pub(super) async fn there_and_back(world: &World) -> [Replaced; 3] {
    let alone = beside(world, async {
        let mut took = Duration::ZERO;
        for _ in 0..PAGES_ALONE {
            took += ask(world, KEY, ("GET", "/domains", "")).await.0;
        }
        took
    });
    [alone.await, replaced(world, (BUSY, IDLE)).await, replaced(world, (IDLE, BUSY)).await]
}

async fn replaced(world: &World, (from, to): (&str, &str)) -> Replaced {
    let (path, body) = (format!("/v1/destinations/{from}/replace"), format!("{{\"to\":\"{to}\"}}"));
    let replace = async {
        let (took, status) = ask(world, KEY, ("POST", &path, &body)).await;
        assert_eq!(status, 200, "{from} is replaced by {to}");
        took
    };
    beside(world, replace).await
}

/// Sends letters and asks for a page, one after the other, as long as something lasts.
async fn beside(world: &World, something: impl Future<Output = Duration>) -> Replaced {
    let (is_done, clock) = (Cell::new(false), Clock::system());
    let others = async {
        let (mut letter, mut page) = (Duration::ZERO, Duration::ZERO);
        while !is_done.get() {
            let began = clock.since_boot();
            assert!(world.letter("shop@my.example").await.is_accepted());
            letter = letter.max(clock.since_boot().saturating_sub(began));
            page = page.max(ask(world, KEY, ("GET", "/aliases", "")).await.0);
        }
        (letter, page)
    };
    let something = async {
        let took = something.await;
        is_done.set(true);
        took
    };
    let (took, (letter, page)) = tokio::join!(something, others);
    Replaced { took, letter, page }
}
