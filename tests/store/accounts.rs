//! Accounts: tokens, links, sessions, settings, idempotency; copies of the whole.

use serde_json::json;
use tempfile::TempDir;
use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::policy::ids::OWNER;
use waypost::store::StoreError;
use waypost::store::accounts::{LinkPurpose, TokenRow};
use waypost::store::faults::Faults;
use waypost::store::rules::ListQuery;

use crate::world::{self, MINUTE, World, domain};

fn token(world: &World) -> TokenRow {
    TokenRow {
        id: world.chance.id(world.clock.now()),
        account: OWNER,
        name: "script".to_owned(),
        prefix: "wp_abcd".to_owned(),
        scopes: vec!["aliases:create".to_owned()],
        domains: Vec::new(),
        default_domain: None,
        alias_format: None,
        default_destination: None,
        expires_at: Some(world.clock.now().after(60 * MINUTE)),
        last_used_at: None,
        created_at: world.clock.now(),
    }
}

#[tokio::test]
async fn a_token_is_known_by_its_hash_until_it_expires_or_is_revoked() {
    let world = World::new().await;
    let (accounts, now, token) = (&world.store.accounts, world.clock.now(), token(&world));
    accounts.add_token(&token, [1; 32], world.audit("token.create")).await.unwrap();
    assert_eq!(accounts.token_by_hash([1; 32], now).await.unwrap(), token);
    assert!(matches!(accounts.token_by_hash([2; 32], now).await, Err(StoreError::NotFound)));
    assert!(matches!(accounts.token_by_hash([1; 32], now.after(61 * MINUTE)).await, Err(StoreError::NotFound)));
    accounts.revoke_token(token.id, world.audit("token.revoke")).await.unwrap();
    assert!(accounts.tokens(OWNER).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_link_works_once_and_looking_uses_none_up() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    accounts.add_link([1; 32], LinkPurpose::Setup, OWNER, now.after(MINUTE)).await.unwrap();
    assert!(accounts.link_is_good([1; 32], now).await.unwrap());
    assert!(!accounts.link_is_good([1; 32], now.after(MINUTE)).await.unwrap());
    assert_eq!(accounts.use_link([1; 32], now).await.unwrap(), (LinkPurpose::Setup, OWNER));
    assert!(matches!(accounts.use_link([1; 32], now).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn a_session_ends_by_time_and_by_hand() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    accounts.add_session([1; 32], OWNER, now, now.after(MINUTE)).await.unwrap();
    assert_eq!(accounts.session([1; 32], now).await.unwrap(), OWNER);
    assert!(accounts.session([1; 32], now.after(MINUTE)).await.is_err());
    accounts.end_session([1; 32]).await.unwrap();
    assert!(accounts.session([1; 32], now).await.is_err());
}

#[tokio::test]
async fn settings_and_answers_are_kept() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    accounts.set("hostname", &json!("mx.my.example"), world.audit("settings.set")).await.unwrap();
    assert_eq!(accounts.settings().await.unwrap(), [("hostname".to_owned(), json!("mx.my.example"))]);
    let answer = ([3; 32], 201, "{}".to_owned());
    accounts.keep_idempotent(OWNER, "key", answer.clone(), now).await.unwrap();
    assert_eq!(accounts.idempotent(OWNER, "key", now).await.unwrap(), Some(answer));
    assert_eq!(accounts.idempotent(OWNER, "key", now.after(24 * 60 * MINUTE)).await.unwrap(), None);
}

#[tokio::test]
async fn a_copy_opens_and_has_the_rules_but_not_the_queue() {
    let world = World::new().await;
    assert!(world.store.is_writable().await);
    world.domain("my.example").await;
    let delivery = world.due();
    world.store.queue.accept(world.message(vec![1; 10]), vec![delivery.clone()], Vec::new()).await.unwrap();
    for queue in [false, true] {
        let copy = TempDir::new().unwrap();
        world.store.copy_to(copy.path(), queue).await.unwrap();
        let (clock, chance) = (Clock::manual(world.clock.now()), Chance::seeded(1));
        let store = world::open(&copy, &clock, &chance, &Faults::default()).await;
        assert_eq!(store.rules.domains(ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap().items.len(), 1);
        assert!(store.directory.domain(&domain("my.example")).is_some());
        assert_eq!(store.queue.get(delivery.id).await.is_ok(), queue);
        store.close().await;
    }
    world.store.close().await;
    assert!(!world.store.is_writable().await);
}
