//! What a large log is asked: rare rows among many, page by page; and sums of long stretches.

use std::time::Duration;

use waypost::policy::ids::{AccountId, AliasId, DomainId};
use waypost::policy::status::Status;
use waypost::store::activity::stats::{Kind, Point, Step, Stretch};
use waypost::store::activity::{Query, Row};

use crate::world::World;

const HOUR: Duration = Duration::from_secs(3600);
/// More than one page looks at.
const MANY: usize = 12_000;

/// All pages of a list, and how many there were.
async fn paged(world: &World, query: Query) -> (Vec<Row>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = world.store.activity.list(Query { cursor, limit: 50, ..query.clone() }).await.unwrap();
        rows.extend(page.rows);
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return (rows, pages);
        }
    }
}

/// Many rows like one, then one that is not, at the beginning of the log.
async fn with_many(world: &World, rare: Row, like: impl Fn(usize) -> Row) {
    world.store.activity.record(vec![rare]).await.unwrap();
    let rows: Vec<_> = (0..MANY).map(like).collect();
    for some in rows.chunks(500) {
        world.store.activity.record(some.to_vec()).await.unwrap();
    }
    world.store.activity.index().await.unwrap();
}

#[tokio::test]
async fn what_is_rare_is_found_at_once_by_an_index_and_else_after_some_pages() {
    let world = World::new().await;
    let row = |status| Row { account: AccountId(3), ..world.row(status) };
    let rare = Row { domain: Some(DomainId(9)), sender: "rare@sender.example".to_owned(), ..row(Status::Failed) };
    with_many(&world, rare.clone(), |n| row([Status::Forwarded, Status::Dropped][n % 2])).await;
    let found = [
        Query { domain: Some(DomainId(9)), ..Query::default() },
        Query { domain: Some(DomainId(9)), statuses: vec![Status::Failed], ..Query::default() },
        Query { account: Some(AccountId(4)), beside: vec![DomainId(9)], ..Query::default() },
        Query { domain: Some(DomainId(9)), search: Some("inbox.example".to_owned()), ..Query::default() },
        Query { domain: Some(DomainId(9)), search: Some("quick fox".to_owned()), ..Query::default() },
        Query { account: Some(AccountId(3)), search: Some("rare@sender.example".to_owned()), ..Query::default() },
        Query { account: Some(AccountId(3)), search: Some("rare@".to_owned()), ..Query::default() },
    ];
    for query in found {
        assert_eq!(paged(&world, query.clone()).await, (vec![rare.clone()], 1), "{query:?}");
    }
    let passed_over = Query { alias: rare.alias, statuses: vec![Status::Failed], ..Query::default() };
    assert_eq!(paged(&world, passed_over).await, (vec![rare], 5));
    let none = Query { domain: Some(DomainId(9)), statuses: vec![Status::Expired], ..Query::default() };
    assert_eq!(paged(&world, none).await, (Vec::new(), 1));
}

/// Of many domains and statuses, more than a page has rows.
#[tokio::test]
async fn what_came_to_many_domains_is_listed_newest_first() {
    let world = World::new().await;
    let statuses = [Status::Forwarded, Status::Expired, Status::Dropped, Status::Failed];
    let row = |n: usize| Row {
        account: AccountId(3),
        domain: Some(DomainId(i64::try_from(n * n % 61).unwrap())),
        sender: format!("sender{n}@sender.example"),
        ..world.row(statuses[n % 3 + usize::from(n.is_multiple_of(50))])
    };
    let rows: Vec<_> = (0..400).map(row).collect();
    world.store.activity.record(rows.clone()).await.unwrap();
    let query = Query { account: Some(AccountId(4)), beside: (0..40).map(DomainId).collect(), ..Query::default() };
    let senders = |rows: &[Row]| rows.iter().map(|row| row.sender.clone()).collect::<Vec<_>>();
    let mut wanted: Vec<_> = rows.into_iter().rev().filter(|row| row.domain.unwrap().0 < 40).collect();
    assert_eq!(senders(&paged(&world, query.clone()).await.0), senders(&wanted));
    wanted.retain(|row| row.status == Status::Dropped);
    let query = Query { statuses: vec![Status::Dropped], ..query };
    assert_eq!(senders(&paged(&world, query).await.0), senders(&wanted));
}

#[tokio::test]
async fn what_many_addresses_begin_with_is_found_newest_first() {
    let world = World::new().await;
    let from = |n: usize| Row { sender: format!("sender{n}@sender.example"), ..world.row(Status::Forwarded) };
    let other = Row { sender: "other@else.example".to_owned(), ..world.row(Status::Forwarded) };
    with_many(&world, other.clone(), from).await;
    let search = |text: &str| Query { search: Some(text.to_owned()), ..Query::default() };
    let (rows, _) = paged(&world, search("sender1")).await;
    let wanted: Vec<_> = (0..MANY).rev().filter(|n| n.to_string().starts_with('1')).collect();
    let found: Vec<_> = rows.iter().map(|row| row.sender.clone()).collect();
    assert_eq!(found, wanted.iter().map(|n| format!("sender{n}@sender.example")).collect::<Vec<_>>());
    assert_eq!(paged(&world, search("else.ex")).await.0, [other]);
}

fn sums<K: Ord + Clone>(points: &[Point<K>]) -> Vec<(K, String, i64)> {
    let mut sums: Vec<_> = points.iter().map(|point| (point.key.clone(), point.at.rfc3339(), point.n)).collect();
    sums.sort();
    sums
}

#[tokio::test]
async fn months_are_counted_as_their_days_are() {
    let world = World::new().await;
    let began = world.clock.now();
    for status in [Status::Forwarded, Status::Forwarded, Status::Failed] {
        world.store.activity.record(vec![world.row(status)]).await.unwrap();
        world.clock.advance(HOUR * 24 * 20);
    }
    let of = |step: Step| Stretch { since: step.begin(began), until: world.clock.now(), step };
    let scopes = ["1".to_owned()];
    let by = async |step| sums(&world.store.activity.stats_by_status(Kind::Domain, &scopes, of(step)).await.unwrap());
    let (days, months) = (by(Step::Day).await, by(Step::Month).await);
    let total = |points: &[(String, String, i64)]| points.iter().map(|(.., n)| n).sum::<i64>();
    assert_eq!((total(&days), total(&months)), (3, 3));
    assert!(months.iter().all(|(_, at, _)| at.ends_with("-01T00:00:00.000Z")), "{months:?}");
    let all = world.store.activity.stats_by_status(Kind::Spf, &[String::new()], of(Step::Month)).await.unwrap();
    assert_eq!(all.iter().map(|point| (point.key.as_str(), point.n)).fold(0, |sum, (_, n)| sum + n), 3);
    let top = world.store.activity.top_scopes(Kind::Domain, (&scopes, &[]), of(Step::Day)).await.unwrap();
    assert_eq!(top, scopes);
}

#[tokio::test]
async fn the_busiest_aliases_are_the_same_before_and_after_they_are_summed_up() {
    let world = World::new().await;
    let began = world.clock.now();
    for day in 0..3_i64 {
        for alias in [1, 2, 2, 3 + day] {
            let row = Row { alias: Some(AliasId(alias)), ..world.row(Status::Forwarded) };
            world.store.activity.record(vec![row]).await.unwrap();
            world.clock.advance(HOUR);
        }
        world.clock.advance(HOUR * 20);
    }
    let of = |step: Step| Stretch { since: step.begin(began), until: world.clock.now(), step };
    let ask = async |step| {
        let top = world.store.activity.top_aliases(of(step), 100).await.unwrap();
        let points = world.store.activity.stats_by_alias(&top, of(step)).await.unwrap();
        (top, sums(&points.iter().map(|p| Point { key: p.key.0, at: p.at, n: p.n }).collect::<Vec<_>>()))
    };
    let before = [ask(Step::Hour).await, ask(Step::Day).await, ask(Step::Month).await];
    assert_eq!(before[1].0[..2], [AliasId(2), AliasId(1)]);
    assert_eq!(before[1].1.iter().map(|(.., n)| n).sum::<i64>(), 12);
    world.store.activity.note_busy().await.unwrap();
    assert_eq!([ask(Step::Hour).await, ask(Step::Day).await, ask(Step::Month).await], before);
    let later = Row { alias: Some(AliasId(2)), ..world.row(Status::Forwarded) };
    world.store.activity.record(vec![later]).await.unwrap();
    let until = world.clock.now().after(HOUR);
    let stretch = Stretch { until, ..of(Step::Day) };
    let points = world.store.activity.stats_by_alias(&[AliasId(2)], stretch).await.unwrap();
    assert_eq!(points.iter().map(|point| point.n).sum::<i64>(), 7, "what is not summed up yet counts too");
}
