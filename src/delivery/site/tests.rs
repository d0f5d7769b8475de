//! Slots, back-off and waiting of one site.

use super::*;

const WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_secs(300), Duration::from_secs(7200)];

fn site() -> Arc<Site> {
    Arc::new(Site::new("mx.example:25", 1, Clock::system()))
}

fn era(site: &Site) -> Era {
    site.state().concurrency.era()
}

/// Fails; says how long it is left alone.
fn fail(site: &Site) -> u64 {
    let mut waited = Duration::ZERO;
    // As long as it is, so that the next failure counts at once.
    site.deferred(era(site), &WAITS, |wait| {
        waited = wait;
        Duration::ZERO
    });
    waited.as_secs()
}

#[tokio::test]
async fn backs_off_longer_each_time_up_to_an_hour_and_starts_over_when_well() {
    let site = site();
    assert_eq!([fail(&site), fail(&site), fail(&site), fail(&site)], [0, 300, 3600, 3600]);
    assert_eq!(site.was_in_trouble(), (false, true));
    site.is_well();
    assert_eq!([fail(&site), fail(&site), fail(&site)], [0, 300, 3600], "one connection is the least");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_somebody_ends_is_as_long_again_when_the_try_fails() {
    let site = site();
    fail(&site);
    for _ in 0..3 {
        let asked_before = site.clock.instant();
        tokio::time::advance(Duration::from_millis(1)).await;
        site.deferred(era(&site), &WAITS, |wait| wait);
        assert_eq!(site.backs_off_for(), Some(WAITS[1]));
        site.end_pause(asked_before);
        assert_eq!(site.backs_off_for(), Some(WAITS[1]), "its try has failed already");
        site.end_pause(site.clock.instant());
        assert_eq!((site.backs_off_for(), site.was_in_trouble()), (None, (false, true)));
    }
    site.end_pause(site.clock.instant());
    assert_eq!(fail(&site), 300, "nothing is forgotten where there is no pause");
}

#[tokio::test]
async fn failures_during_a_back_off_do_not_lengthen_it() {
    let site = site();
    fail(&site);
    site.deferred(era(&site), &WAITS, |wait| wait);
    let rest = site.backs_off_for().unwrap();
    assert!(rest <= WAITS[1] && rest > Duration::from_secs(290), "{rest:?}");
    site.deferred(era(&site), &WAITS, |_| panic!("it is backing off already"));
}

#[tokio::test]
async fn more_may_wait_for_a_site_that_takes_mail() {
    let site = site();
    let taken = |site: &Arc<Site>| std::iter::from_fn(|| site.park()).collect::<Vec<_>>();
    assert_eq!(taken(&site).len(), FIRST_WINDOW);
    assert!(!site.has_backlog(), "they left");
    (0..1000).for_each(|_| site.is_well());
    assert_eq!(taken(&site).len(), WIDEST_WINDOW);
    site.is_slow();
    assert_eq!(taken(&site).len(), WIDEST_WINDOW / 2);
}

#[tokio::test]
async fn a_slot_waits_for_its_turn_and_not_for_ever() {
    let site = site();
    let first = site.try_slot().unwrap();
    assert!(site.try_slot().is_none());
    assert!(site.park().unwrap().slot(Duration::from_millis(1)).await.is_none());
    let parked = site.park().unwrap();
    assert!(site.has_backlog());
    drop(first);
    assert!(parked.slot(Duration::from_secs(20)).await.is_some());
    assert!(!site.has_backlog());
}

/// How many slots are free.
fn free(site: &Arc<Site>) -> usize {
    std::iter::from_fn(|| site.try_slot()).collect::<Vec<_>>().len()
}

#[tokio::test]
async fn slots_grow_with_success_and_halve_with_trouble_lent_ones_when_they_come_back() {
    let site = Arc::new(Site::new("mx.example:25", 8, Clock::system()));
    assert_eq!(free(&site), 5);
    (0..10).for_each(|_| site.is_well());
    let lent = std::iter::from_fn(|| site.try_slot()).collect::<Vec<_>>();
    assert_eq!(lent.len(), 8);
    site.deferred(lent[0].era(), &WAITS, |wait| wait);
    site.deferred(lent[1].era(), &WAITS, |wait| wait);
    assert_eq!(site.backs_off_for(), None, "it is slowed, and nothing more");
    assert!(site.try_slot().is_none());
    drop(lent);
    assert_eq!(free(&site), 4);
    site.deferred(era(&site), &WAITS, |_| WAITS[1]);
    assert!(site.backs_off_for().is_some(), "it has taken no mail since");
    site.is_well();
    assert_eq!((free(&site), site.backs_off_for()), (3, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_its_backlog_until_it_comes_again() {
    let site = site();
    site.put_off(Duration::from_secs(15));
    site.put_off(Duration::from_secs(2));
    tokio::time::advance(Duration::from_millis(14_999)).await;
    assert!(site.has_backlog());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!site.has_backlog());
}
