//! The directory: what RCPT reads counts at once, and misses cost nothing.

use futures_util::StreamExt as _;
use waypost::policy::ids::OWNER;
use waypost::policy::rule::{Kind, Target};
use waypost::store::StoreError;
use waypost::store::directory::MAX_CACHED_ALIASES;

use crate::world::{World, domain, mailbox, spec};

#[tokio::test]
async fn an_alias_counts_as_soon_as_it_is_added_and_no_longer_once_removed() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let directory = &world.store.directory;
    let shop = mailbox("Shop@my.example");
    assert!(directory.candidates(&mailbox("a@other.example")).await.unwrap().is_none());
    assert!(directory.candidates(&shop).await.unwrap().unwrap().addresses.is_empty());

    let added = world.alias(&my, "shop", &["me@inbox.example"]).await;
    let found = directory.candidates(&shop).await.unwrap().unwrap();
    assert_eq!(found.addresses[0].uuid, added.id);

    world.store.rules.remove_alias(added.key, world.audit("alias.delete")).await.unwrap();
    assert!(directory.candidates(&shop).await.unwrap().unwrap().addresses.is_empty());
}

#[tokio::test]
async fn a_destination_is_verified_by_itself_or_by_its_trusted_domain() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    world.alias(&my, "shop", &["me@inbox.example"]).await;
    let verified = async || {
        let found = world.store.directory.candidates(&mailbox("shop@my.example")).await.unwrap().unwrap();
        let Target::Fixed(destination) = &found.addresses[0].targets[0] else { panic!("not a destination") };
        destination.verified_at
    };
    assert_eq!(verified().await, None);
    let now = world.clock.now();
    let audit = world.audit("destination.create");
    world.store.rules.add_destination(OWNER, "@inbox.example", Some(now), audit).await.unwrap();
    assert_eq!(verified().await, Some(now));
    assert!(world.store.directory.is_verified(OWNER, &mailbox("you@inbox.example")).await.unwrap());
    assert!(!world.store.directory.is_verified(OWNER, &mailbox("you@else.example")).await.unwrap());
}

#[tokio::test]
async fn patterns_come_by_priority_and_the_catch_all_stands_apart() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let mut late = spec(Kind::Glob, "shop-*", &["me@inbox.example"]);
    late.priority = 5;
    world.add(&my, &late).await;
    world.add(&my, &spec(Kind::Regex, "^n([0-9]+)$", &["$1@inbox.example"])).await;
    world.add(&my, &spec(Kind::CatchAll, "*", &["me@inbox.example"])).await;
    let found = world.store.directory.candidates(&mailbox("x@my.example")).await.unwrap().unwrap();
    let patterns: Vec<_> = found.patterns.iter().map(|p| p.rule.pattern.as_str()).collect();
    assert_eq!(patterns, ["^n([0-9]+)$", "shop-*"]);
    assert_eq!(found.patterns[0].rule.targets, [Target::Template("$1@inbox.example".to_owned())]);
    assert_eq!(found.catch_all.unwrap().kind, Kind::CatchAll);
}

#[tokio::test]
async fn the_same_pattern_twice_is_refused_whatever_its_case() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    world.alias(&my, "shop", &["me@inbox.example"]).await;
    let again = spec(Kind::Address, "SHOP", &["me@inbox.example"]);
    let refused = world.store.rules.add_alias(OWNER, my.key, &again, world.audit("alias.create")).await;
    assert!(matches!(refused, Err(StoreError::Exists(name)) if name == "SHOP"));
}

#[tokio::test]
async fn a_change_on_an_old_version_is_refused() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let mut alias = world.alias(&my, "shop", &["me@inbox.example"]).await;
    alias.spec.enabled = false;
    alias.spec.labels = vec!["b".to_owned(), "a".to_owned()];
    alias.spec.block = vec!["@spam.example".to_owned()];
    let changed = world.store.rules.change_alias(&alias, world.audit("alias.change")).await.unwrap();
    assert_eq!((changed.version, changed.spec.enabled), (2, false));
    assert_eq!(changed.spec.labels, ["a", "b"]);
    assert_eq!(changed.spec.block, ["@spam.example"]);
    let stale = world.store.rules.change_alias(&alias, world.audit("alias.change")).await;
    assert!(matches!(stale, Err(StoreError::Changed)));
    let found = world.store.directory.candidates(&mailbox("shop@my.example")).await.unwrap().unwrap();
    assert!(!found.addresses[0].enabled);
}

#[tokio::test]
async fn a_removed_domain_is_gone_at_once_and_its_name_is_free() {
    let world = World::new().await;
    let my = world.domain("my.example").await;
    world.alias(&my, "shop", &["me@inbox.example"]).await;
    world.store.rules.remove_domain(my.key, world.audit("domain.delete")).await.unwrap();
    assert!(world.store.directory.domain(&domain("my.example")).is_none());
    let again = world.domain("my.example").await;
    assert_ne!(again.id, my.id);
    assert!(world.store.directory.candidates(&mailbox("shop@my.example")).await.unwrap().unwrap().addresses.is_empty());
}

#[tokio::test]
async fn a_domain_with_patterns_is_removed_and_the_gateway_starts_again() {
    let mut world = World::new().await;
    let my = world.domain("my.example").await;
    let glob = world.add(&my, &spec(Kind::Glob, "shop-*", &["me@inbox.example"])).await;
    world.add(&my, &spec(Kind::CatchAll, "*", &["me@inbox.example"])).await;
    world.store.rules.remove_domain(my.key, world.audit("domain.delete")).await.unwrap();
    assert!(matches!(world.store.rules.alias_by_id(glob.id).await, Err(StoreError::NotFound)));
    world.reopen().await;
    assert!(world.store.directory.candidates(&mailbox("shop-1@my.example")).await.unwrap().is_none());
}

impl World {
    /// Asks for so many addresses that there are not, some at a time.
    async fn probe(&self, addresses: u64) {
        let ask = async |number: u64| {
            let found = self.store.directory.candidates(&mailbox(&format!("probe{number}@my.example"))).await;
            assert!(found.unwrap().unwrap().addresses.is_empty());
        };
        futures_util::stream::iter(0..addresses).map(ask).buffer_unordered(64).collect::<()>().await;
    }
}

/// Whoever probes for addresses fills the memory of look-ups and nothing beyond: what has fallen out of it is read again, and
/// what is in it goes with the rule that it is of.
#[tokio::test(flavor = "multi_thread")]
async fn what_falls_out_of_the_memory_of_look_ups_is_read_again_and_stays_right() {
    const BEYOND: u64 = 10_000;
    let world = World::new().await;
    let my = world.domain("my.example").await;
    let shop = world.alias(&my, "shop", &["me@inbox.example"]).await;
    let directory = &world.store.directory;
    let target = async |address: &str| {
        let found = directory.candidates(&mailbox(address)).await.unwrap().unwrap().addresses;
        found.first().map(|rule| rule.uuid)
    };
    assert_eq!(target("shop@my.example").await, Some(shop.id));
    world.probe(MAX_CACHED_ALIASES + BEYOND).await;
    let before = directory.asked();
    world.probe(MAX_CACHED_ALIASES + BEYOND).await;
    assert!(directory.asked() - before >= BEYOND, "{} were read again", directory.asked() - before);

    assert_eq!(target("shop@my.example").await, Some(shop.id));
    for number in [0, 7, MAX_CACHED_ALIASES, MAX_CACHED_ALIASES + BEYOND - 1] {
        let probed = world.alias(&my, &format!("probe{number}"), &["me@inbox.example"]).await;
        assert_eq!(target(&format!("probe{number}@my.example")).await, Some(probed.id), "{number} is there by now");
        world.store.rules.remove_alias(probed.key, world.audit("alias.delete")).await.unwrap();
        assert_eq!(target(&format!("probe{number}@my.example")).await, None, "{number} is gone again");
    }
    world.store.rules.remove_alias(shop.key, world.audit("alias.delete")).await.unwrap();
    assert_eq!(target("shop@my.example").await, None);
}
