//! What is noted of notices, and the mails that tell it: both, or neither.

use std::collections::BTreeMap;

use waypost::mail::Moment;
use waypost::policy::checkup::Severity;
use waypost::policy::notices::memory::{Remembered, State};
use waypost::policy::notices::{Cause, Kind};
use waypost::store::notices::Noted;
use waypost::store::queue::Acceptance;

use crate::queue::{bytes, claim};
use crate::world::{MINUTE, World};

const BOSS: &str = "boss@office.example";

fn told(at: Moment) -> Remembered {
    let cause = Cause {
        id: "disk_low".to_owned(),
        kind: Kind::Disk,
        subject: "data_dir".to_owned(),
        severity: Severity::Fault,
        since: None,
        what: "It is low.".to_owned(),
        remedy: "Make room.".to_owned(),
    };
    Remembered {
        cause,
        state: State::Open,
        began_at: at,
        told_at: Some(at),
        gone_since: None,
        ended_at: None,
        turns: 1,
        told: by(BOSS, at),
        refused: BTreeMap::new(),
    }
}

fn by(address: &str, at: Moment) -> BTreeMap<String, Moment> {
    BTreeMap::from([(address.to_owned(), at)])
}

/// DESIGN section 1, promise 7: killed between any two steps, it is told once in the end.
#[tokio::test]
async fn a_mail_and_the_note_that_it_was_sent_are_one_change() {
    for step in 1.. {
        let mut world = World::new().await;
        let now = world.clock.now();
        let mail = Acceptance { message: world.message(bytes(200)), deliveries: vec![world.due()], rows: Vec::new() };
        let noted = Noted { changed: vec![told(now)], forgotten: Vec::new(), digest: Some(now) };
        world.faults.fail_at(step);
        let done = world.store.queue.accept_noting(vec![mail], noted).await.is_ok();
        let happened = world.faults.happened();
        world.reopen().await;
        let mails = claim(&world).await.len();
        let notes = world.store.notices.remembered().await.unwrap().len();
        let digests = usize::from(world.store.notices.last_digest().await.unwrap().is_some());
        assert_eq!((mails, notes), (digests, digests), "step {step}");
        assert!(!done || digests == 1, "step {step}");
        if !happened {
            assert!(done && step > 2, "there are steps to fail at");
            return;
        }
    }
}

#[tokio::test]
async fn who_refuses_the_mail_was_not_told() {
    let world = World::new().await;
    let now = world.clock.now();
    let noted = Noted { changed: vec![told(now)], ..Noted::default() };
    world.store.queue.accept_noting(Vec::new(), noted).await.unwrap();
    let notices = &world.store.notices;
    notices.refused(now.before(MINUTE), (BOSS.to_owned(), now)).await.unwrap();
    notices.refused(now, ("other@office.example".to_owned(), now)).await.unwrap();
    assert_eq!(notices.remembered().await.unwrap(), [told(now)], "that was another mail");
    for _ in 0..2 {
        notices.refused(now, (BOSS.to_owned(), now)).await.unwrap();
        let one = notices.remembered().await.unwrap().remove(0);
        assert_eq!((one.told, one.refused), (BTreeMap::new(), by(BOSS, now)));
    }
}

/// Whoever was told before or after it, and however its local part is written.
#[tokio::test]
async fn each_mail_that_told_may_be_refused() {
    let world = World::new().await;
    let (now, odd) = (world.clock.now(), r#""o'd \"d"@office.example"#);
    let both = BTreeMap::from([(BOSS.to_owned(), now), (odd.to_owned(), now.after(MINUTE))]);
    let noted = Noted { changed: vec![Remembered { told: both, ..told(now.after(MINUTE)) }], ..Noted::default() };
    world.store.queue.accept_noting(Vec::new(), noted).await.unwrap();
    let notices = &world.store.notices;
    notices.refused(now, (BOSS.to_owned(), now)).await.unwrap();
    notices.refused(now, (odd.to_owned(), now)).await.unwrap();
    let one = notices.remembered().await.unwrap().remove(0);
    assert_eq!((one.told, one.refused), (by(odd, now.after(MINUTE)), by(BOSS, now)));
    notices.refused(now.after(MINUTE), (odd.to_owned(), now)).await.unwrap();
    let one = notices.remembered().await.unwrap().remove(0);
    assert_eq!((one.told.len(), one.refused.len()), (0, 2));
}

/// A look that had read the cause before the mail was refused ends after it.
#[tokio::test]
async fn a_look_does_not_wash_away_who_refused_meanwhile() {
    let world = World::new().await;
    let (notices, now) = (&world.store.notices, world.clock.now());
    let note = async |changed| {
        let noted = Noted { changed: vec![changed], ..Noted::default() };
        world.store.queue.accept_noting(Vec::new(), noted).await.unwrap();
        notices.remembered().await.unwrap().remove(0)
    };
    note(told(now)).await;
    notices.refused(now, (BOSS.to_owned(), now)).await.unwrap();
    let one = note(Remembered { turns: 2, ..told(now) }).await;
    assert_eq!((one.turns, one.told, one.refused), (2, BTreeMap::new(), by(BOSS, now)));
    let (spare, later) = ("me@spare.example", now.after(MINUTE));
    let anew = Remembered { told: by(spare, later), refused: by(BOSS, now), told_at: Some(later), ..told(now) };
    assert_eq!(note(anew.clone()).await, anew);
    // The one is told again, and the other refuses meanwhile.
    notices.refused(later, (spare.to_owned(), later)).await.unwrap();
    let last = later.after(MINUTE);
    let both = BTreeMap::from([(spare.to_owned(), later), (BOSS.to_owned(), last)]);
    let one = note(Remembered { told: both, refused: BTreeMap::new(), told_at: Some(last), ..told(now) }).await;
    assert_eq!((one.told, one.refused), (by(BOSS, last), by(spare, later)));
    // Another time it begins with nobody told.
    let again = Remembered { began_at: last, told: BTreeMap::new(), told_at: None, ..told(now) };
    assert_eq!(note(again.clone()).await, again);
}
