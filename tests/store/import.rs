//! Imports: all or nothing, invisible until they have finished.

use tokio::sync::watch;
use waypost::policy::ids::OWNER;
use waypost::store::rules::{DomainRow, ImportLine, ListQuery};
use waypost::store::{Result, StoreError};

use crate::world::{World, mailbox};

fn line(domain: &DomainRow, local: &str, to: &str) -> ImportLine {
    ImportLine { domain: domain.key, local: local.to_owned(), destination: mailbox(to) }
}

async fn import(world: &World, lines: Vec<ImportLine>) -> (Result<u64>, u64) {
    let (progress, done) = watch::channel(0);
    let result = world.store.rules.import(OWNER, lines, progress, world.audit("alias.import")).await;
    (result, *done.borrow())
}

async fn addresses(world: &World) -> usize {
    let query = ListQuery { limit: 500, ..ListQuery::default() };
    world.store.rules.aliases(query).await.unwrap().items.len()
}

#[tokio::test]
async fn lines_become_aliases_and_the_same_again_changes_nothing() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let lines: Vec<_> = (0..2500).map(|n| line(&my, &format!("User{n}"), "me@inbox.example")).collect();
    let (added, done) = import(&world, lines.clone()).await;
    assert_eq!((added.unwrap(), done), (2500, 2500));
    let found = world.store.directory.candidates(&mailbox("user2499@my.example")).await.unwrap().unwrap();
    assert_eq!(found.addresses[0].targets.len(), 1);
    assert_eq!(import(&world, lines).await.0.unwrap(), 0);
}

#[tokio::test]
async fn bad_lines_and_conflicts_are_named_and_nothing_is_left() {
    let mut world = World::new().await;
    let my = world.domain("my.example").await;
    world.alias(&my, "taken", &["me@inbox.example"]).await;
    let mut lines: Vec<_> = (0..1500).map(|n| line(&my, &format!("user{n}"), "new@inbox.example")).collect();
    lines.push(line(&my, "", "me@inbox.example"));
    lines.push(line(&my, "Taken", "else@inbox.example"));
    lines.push(line(&my, "user7", "else@inbox.example"));
    let (refused, _) = import(&world, lines).await;
    let Err(StoreError::Invalid(why)) = refused else { panic!("{refused:?}") };
    let expected = "line 1501: the alias is missing\nline 1502: Taken exists already with another destination\n\
        line 1503: user7 stands in an earlier line with another destination";
    assert_eq!(why, expected);
    assert_eq!(addresses(&world).await, 1);
    assert!(matches!(world.store.rules.destination(OWNER, "new@inbox.example").await, Err(StoreError::NotFound)));
    world.reopen().await;
    assert_eq!(addresses(&world).await, 1);
}

#[tokio::test]
async fn an_import_that_fails_at_any_step_leaves_nothing_that_counts() {
    let mut world = World::new().await;
    let my = world.domain("my.example").await;
    for step in 1.. {
        let lines = (0..1200).map(|n| line(&my, &format!("user{n}"), "me@inbox.example")).collect();
        // Whatever the last one has left is cleared away first: the fault is to hit this one.
        import(&world, Vec::new()).await.0.unwrap();
        world.faults.fail_at(step);
        let (added, _) = import(&world, lines).await;
        let happened = world.faults.happened();
        world.reopen().await;
        let found = world.store.directory.candidates(&mailbox("user1@my.example")).await.unwrap().unwrap();
        if !happened {
            assert!(added.is_ok() && step > 10 && found.addresses.len() == 1);
            return;
        }
        assert!(added.is_err(), "step {step}");
        if found.addresses.len() == 1 {
            // The last commit took place, and only its answer was lost.
            assert_eq!(addresses(&world).await, 500);
            return;
        }
        assert_eq!(addresses(&world).await, 0, "step {step}");
    }
}

#[tokio::test]
async fn a_clean_stop_leaves_nothing_in_the_journals() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let lines = (0..1500).map(|n| line(&my, &format!("user{n}"), "me@inbox.example")).collect();
    import(&world, lines).await.0.unwrap();
    world.store.rules.index().await.unwrap();
    world.store.close().await;
    for journal in ["waypost.db-wal", "activity.db-wal"] {
        let octets = std::fs::metadata(world.directory.path().join(journal)).map_or(0, |file| file.len());
        assert_eq!(octets, 0, "{journal}: the next start would have to read it");
    }
}
