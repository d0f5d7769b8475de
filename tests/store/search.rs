//! Searching aliases: by any part of what people see of them, indexed yet or not, page by page.

use tokio::sync::watch;
use waypost::policy::ids::{DomainId, OWNER};
use waypost::policy::rule::Kind;
use waypost::store::rules::{AliasRow, ImportLine, ListQuery};

use crate::world::{World, mailbox, spec};

fn of(text: &str) -> ListQuery {
    ListQuery { search: Some(text.to_owned()), limit: 500, ..ListQuery::default() }
}

async fn found(world: &World, query: ListQuery) -> Vec<String> {
    let rows = world.store.rules.aliases(query).await.unwrap().items;
    rows.iter().map(|row| format!("{}@{}", row.spec.pattern, row.domain_name)).collect()
}

/// Two domains with a few aliases, newest last.
async fn peopled(world: &World) -> (DomainId, AliasRow) {
    let (my, other) = (world.domain("my.example").await, world.domain("other.test").await);
    world.alias(&my, "Shop.One", &["me@inbox.example"]).await;
    world.alias(&other, "shop.two", &["me@inbox.example"]).await;
    let mut noted = spec(Kind::Address, "b", &["me@inbox.example"]);
    noted.description = "Ärzte und \"Apotheke\" 50%".to_owned();
    noted.labels = vec!["Gesundheit".to_owned()];
    let noted = world.add(&my, &noted).await;
    world.add(&my, &spec(Kind::Glob, "news-*", &["me@inbox.example"])).await;
    (my.key, noted)
}

const CASES: [(&str, &[&str]); 20] = [
    ("shop", &["shop.two@other.test", "Shop.One@my.example"]),
    ("SHOP.O", &["Shop.One@my.example"]),
    ("op.t", &["shop.two@other.test"]),
    ("hopper", &[]),
    // Has all pieces of the text, and not the text.
    ("shopshop", &[]),
    ("n", &["news-*@my.example"]),
    ("sh", &["shop.two@other.test", "Shop.One@my.example"]),
    ("op", &[]),
    ("my.ex", &["news-*@my.example", "b@my.example", "Shop.One@my.example"]),
    ("@other", &["shop.two@other.test"]),
    ("one@my.example", &["Shop.One@my.example"]),
    ("b@m", &["b@my.example"]),
    ("shop.one@other.test", &[]),
    ("ärzte", &["b@my.example"]),
    ("\"apo", &["b@my.example"]),
    ("50%", &["b@my.example"]),
    ("s-*", &["news-*@my.example"]),
    ("sundh", &["b@my.example"]),
    ("\" or \"sho", &[]),
    ("a\0b", &[]),
];

#[tokio::test]
async fn a_search_finds_what_people_see_of_an_alias_and_nothing_else() {
    let world = World::new().await;
    peopled(&world).await;
    world.store.rules.index().await.unwrap();
    for (text, expected) in CASES {
        assert_eq!(found(&world, of(text)).await, expected, "{text}");
    }
}

#[tokio::test]
async fn what_is_not_indexed_yet_is_found_as_well() {
    let world = World::new().await;
    peopled(&world).await;
    // Until the index has it, a note is folded by SQLite, which knows ASCII only.
    for (text, expected) in CASES.into_iter().filter(|(text, _)| text.is_ascii()) {
        assert_eq!(found(&world, of(text)).await, expected, "{text}");
    }
}

#[tokio::test]
async fn the_index_follows_every_change() {
    let world = World::new().await;
    let (my, mut row) = peopled(&world).await;
    world.store.rules.index().await.unwrap();
    row.spec.description = "garden".to_owned();
    let row = world.store.rules.change_alias(&row, world.audit("alias.change")).await.unwrap();
    assert_eq!(found(&world, of("garden")).await, ["b@my.example"]);
    assert!(found(&world, of("apotheke")).await.is_empty());
    let narrowed = ListQuery { domain: Some(my), ..of("shop") };
    assert_eq!(found(&world, narrowed).await, ["Shop.One@my.example"]);
    let on = |enabled| ListQuery { enabled: Some(enabled), ..of("garden") };
    assert_eq!((found(&world, on(true)).await.len(), found(&world, on(false)).await.len()), (1, 0));
    world.store.rules.remove_alias(row.key, world.audit("alias.remove")).await.unwrap();
    assert!(found(&world, of("garden")).await.is_empty());
}

#[tokio::test]
async fn an_id_is_given_once_and_who_has_the_next_is_found() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let last = world.alias(&my, "first", &["me@inbox.example"]).await;
    world.store.rules.index().await.unwrap();
    world.store.rules.remove_alias(last.key, world.audit("alias.remove")).await.unwrap();
    let again = world.alias(&my, "second", &["me@inbox.example"]).await;
    assert_ne!(again.key, last.key);
    assert_eq!(found(&world, of("second")).await, ["second@my.example"]);
    assert!(found(&world, of("first")).await.is_empty());
}

#[tokio::test]
async fn pages_of_a_search_join_across_what_is_indexed_and_what_is_not() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    for (first, index) in [(0, true), (1000, false)] {
        let line =
            |n| ImportLine { domain: my.key, local: format!("user{n}"), destination: mailbox("me@inbox.example") };
        let (progress, _done) = watch::channel(0);
        let lines = (first..first + 1000).map(line).collect();
        world.store.rules.import(OWNER, lines, progress, world.audit("alias.import")).await.unwrap();
        if index {
            world.store.rules.index().await.unwrap();
        }
    }
    for (text, expected) in [("ser", 2000), ("r19", 111), ("us", 2000), ("example", 2000), ("9@my", 200)] {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = world.store.rules.aliases(ListQuery { cursor, limit: 70, ..of(text) }).await.unwrap();
            seen.extend(page.items.iter().map(|row| row.key));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(seen.is_sorted_by(|a, b| a.0 > b.0), "{text}");
        assert_eq!(seen.len(), expected, "{text}");
    }
}
