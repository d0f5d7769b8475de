//! Accounts: tokens, links, sessions, settings, idempotency; copies of the whole.

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;
use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::policy::ids::{AccountId, OWNER};
use waypost::policy::roles::{DomainRole, Role};
use waypost::policy::rule::Kind;
use waypost::store::StoreError;
use waypost::store::accounts::{
    AccountRow, Answer, AuditQuery, LinkPurpose, NewAccount, NewSession, NewTotp, TokenRow,
};
use waypost::store::faults::Faults;
use waypost::store::rules::ListQuery;

use crate::world::{self, MINUTE, World, domain};

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

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
        first_used_at: None,
        first_used_from: None,
        created_at: world.clock.now(),
    }
}

#[tokio::test]
async fn the_first_call_of_a_token_that_was_served_is_noted_with_its_address() {
    let world = World::new().await;
    let (accounts, now, token) = (&world.store.accounts, world.clock.now(), token(&world));
    accounts.add_token(&token, [1; 32], world.audit("token.create")).await.unwrap();
    let elsewhere = "192.0.2.7".parse().unwrap();
    for (at, from) in [(now, HERE), (now.after(2 * MINUTE), elsewhere)] {
        accounts.token_by_hash([1; 32], at).await.unwrap();
        accounts.token_was_served(token.id, (at, from)).await.unwrap();
        // It is noted behind the caller's back.
        while accounts.tokens(OWNER).await.unwrap()[0].last_used_at != Some(at) {
            tokio::task::yield_now().await;
        }
    }
    let noted = accounts.tokens(OWNER).await.unwrap().remove(0);
    assert_eq!((noted.first_used_at, noted.first_used_from.as_deref()), (Some(now), Some("127.0.0.1")));
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
async fn a_link_works_once_for_its_purpose_and_looking_uses_none_up() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    accounts.add_link([1; 32], LinkPurpose::Setup, OWNER, (now, now.after(MINUTE))).await.unwrap();
    assert_eq!(accounts.link([1; 32], LinkPurpose::Setup, now).await.unwrap(), OWNER);
    assert!(accounts.link([1; 32], LinkPurpose::Setup, now.after(MINUTE)).await.is_err());
    assert!(accounts.link([1; 32], LinkPurpose::SignIn, now).await.is_err());
    assert!(accounts.use_link([1; 32], LinkPurpose::SignIn, now).await.is_err(), "it is for something else");
    assert_eq!(accounts.use_link([1; 32], LinkPurpose::Setup, now).await.unwrap(), OWNER);
    assert!(matches!(accounts.use_link([1; 32], LinkPurpose::Setup, now).await, Err(StoreError::NotFound)));
}

fn session(world: &World, octet: u8, account: AccountId) -> NewSession {
    let now = world.clock.now();
    let id = world.chance.id(now);
    NewSession { hash: [octet; 32], id, account, now, expires_at: now.after(60 * MINUTE), ip: None, agent: None }
}

#[tokio::test]
async fn a_session_ends_by_time_and_by_hand() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    let new = session(&world, 1, OWNER);
    accounts.add_session(new.clone(), world.audit("session.open")).await.unwrap();
    assert_eq!(accounts.session([1; 32], now).await.unwrap().account, OWNER);
    assert!(accounts.session([1; 32], now.after(60 * MINUTE)).await.is_err());
    let others = AccountId(2);
    assert!(accounts.end_session_by_id(others, new.id, world.audit("session.end")).await.is_err(), "not theirs");
    accounts.end_session([1; 32]).await.unwrap();
    assert!(accounts.session([1; 32], now).await.is_err());
}

async fn member(world: &World, email: &str) -> AccountRow {
    let id = world.chance.id(world.clock.now());
    let (email, name) = (email.to_owned(), String::new());
    let new = NewAccount { id, email, name, role: Role::Member, password_hash: None };
    world.store.accounts.add_account(new, world.audit("user.add")).await.unwrap()
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_and_every_link() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    let kept = session(&world, 1, OWNER);
    let id = kept.id;
    accounts.add_session(kept, world.audit("session.open")).await.unwrap();
    accounts.add_session(session(&world, 2, OWNER), world.audit("session.open")).await.unwrap();
    accounts.add_link([3; 32], LinkPurpose::Reset, OWNER, (now, now.after(MINUTE))).await.unwrap();
    accounts.set_password(OWNER, "a hash".to_owned(), Some(id), world.audit("account.password")).await.unwrap();
    assert!(accounts.session([1; 32], now).await.is_ok());
    assert!(accounts.session([2; 32], now).await.is_err());
    assert!(accounts.link([3; 32], LinkPurpose::Reset, now).await.is_err());
    assert_eq!(accounts.credentials(OWNER).await.unwrap().password_hash.as_deref(), Some("a hash"));
}

#[tokio::test]
async fn an_account_that_is_switched_off_or_removed_opens_nothing() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    let row = member(&world, "anna@my.example").await;
    accounts.add_session(session(&world, 1, row.key), world.audit("session.open")).await.unwrap();
    let token = TokenRow { account: row.key, ..token(&world) };
    accounts.add_token(&token, [2; 32], world.audit("token.create")).await.unwrap();
    let off = AccountRow { disabled_at: Some(now), ..row };
    let off = accounts.change_account(&off, world.audit("user.change")).await.unwrap();
    assert!(accounts.session([1; 32], now).await.is_err());
    assert!(accounts.token_by_hash([2; 32], now).await.is_err());
    assert!(accounts.standing(off.key).await.is_err());
    let stale = AccountRow { version: off.version - 1, ..off.clone() };
    assert!(matches!(accounts.change_account(&stale, world.audit("user.change")).await, Err(StoreError::Changed)));
    accounts.remove_account(off.key, world.audit("user.remove")).await.unwrap();
    assert!(accounts.account_by_email("anna@my.example").await.is_err());
    assert!(accounts.remove_account(OWNER, world.audit("user.remove")).await.is_err(), "never the owner");
}

#[tokio::test]
async fn an_account_with_domains_is_not_removed() {
    let world = World::new().await;
    let row = member(&world, "anna@my.example").await;
    let (rules, audit) = (&world.store.rules, world.audit("domain.add"));
    rules.add_domain(row.key, &domain("my.example"), None, audit).await.unwrap();
    let removed = world.store.accounts.remove_account(row.key, world.audit("user.remove")).await;
    assert!(matches!(removed, Err(StoreError::Invalid(_))), "{removed:?}");
    assert!(world.store.accounts.account(row.key).await.is_ok());
}

#[tokio::test]
async fn steps_and_recovery_codes_are_used_once() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    let totp = NewTotp { secret: vec![7; 20], used_step: 100, codes: vec![[1; 32], [2; 32]] };
    accounts.set_totp(OWNER, Some(totp), world.audit("account.totp_on")).await.unwrap();
    assert_eq!(accounts.recovery_codes_left(OWNER).await.unwrap(), 2);
    for (step, is_fresh) in [(100, false), (101, true), (101, false), (99, false), (102, true)] {
        assert_eq!(accounts.use_totp_step(OWNER, step).await.unwrap(), is_fresh, "{step}");
    }
    assert!(accounts.use_recovery_code(OWNER, [1; 32], now).await.unwrap());
    assert!(!accounts.use_recovery_code(OWNER, [1; 32], now).await.unwrap());
    assert!(!accounts.use_recovery_code(OWNER, [9; 32], now).await.unwrap());
    assert_eq!(accounts.recovery_codes_left(OWNER).await.unwrap(), 1);
    accounts.set_totp(OWNER, None, world.audit("account.totp_off")).await.unwrap();
    assert_eq!(accounts.recovery_codes_left(OWNER).await.unwrap(), 0);
}

#[tokio::test]
async fn a_viewer_s_lists_hold_the_domains_of_others_that_were_opened_to_them() {
    let world = World::new().await;
    let row = member(&world, "anna@my.example").await;
    let (open, closed) = (world.domain("open.example").await, world.domain("closed.example").await);
    let own = world.store.rules.add_domain(row.key, &domain("own.example"), None, world.audit("domain.add")).await;
    let own = own.unwrap();
    for domain in [&open, &closed] {
        world.alias(domain, "a", &["x@inbox.example"]).await;
    }
    let spec = world::spec(Kind::Address, "b", &["y@inbox.example"]);
    world.store.rules.add_alias(row.key, own.key, &spec, world.audit("alias.create")).await.unwrap();
    let grants = vec![(open.key, DomainRole::Viewer)];
    world.store.accounts.set_grants(row.key, grants, world.audit("user.roles")).await.unwrap();
    let query = ListQuery { account: Some(row.key), limit: 10, ..ListQuery::default() };
    let domains = world.store.rules.domains(query.clone()).await.unwrap().items;
    let names: Vec<_> = domains.iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(names, ["open.example", "own.example"]);
    for search in [None, Some("example".to_owned())] {
        let query = ListQuery { beside: vec![open.key], search, ..query.clone() };
        let aliases = world.store.rules.aliases(query).await.unwrap().items;
        let names: Vec<_> = aliases.iter().map(|alias| alias.domain_name.as_str()).collect();
        assert_eq!(names, ["own.example", "open.example"], "newest first");
    }
    let standing = world.store.accounts.standing(row.key).await.unwrap();
    assert_eq!((standing.role, standing.grants.len()), (Role::Member, 1));
}

#[tokio::test]
async fn settings_and_answers_are_kept() {
    let world = World::new().await;
    let (accounts, now) = (&world.store.accounts, world.clock.now());
    let hostname = vec![("hostname".to_owned(), Some(json!("mx.my.example")))];
    accounts.set(hostname, world.audit("settings.set")).await.unwrap();
    assert_eq!(accounts.settings().await.unwrap(), [("hostname".to_owned(), json!("mx.my.example"))]);
    let answer =
        Answer { request: [3; 32], status: 201, etag: Some("\"1\"".to_owned()), location: None, body: "{}".to_owned() };
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

/// The log speaks of what was removed by its number: who comes next is not shown it.
#[tokio::test]
async fn a_number_is_given_once_to_accounts_and_domains() {
    let world = World::new().await;
    let (mut accounts, mut domains) = (vec![OWNER], Vec::new());
    for _ in 0..3 {
        let somebody = member(&world, "anna@people.example").await;
        accounts.push(somebody.key);
        world.store.accounts.remove_account(somebody.key, world.audit("user.remove")).await.unwrap();
        let some = world.domain("my.example").await;
        domains.push(some.key);
        world.store.rules.remove_domain(some.key, world.audit("domain.delete")).await.unwrap();
    }
    assert!(accounts.is_sorted_by(|one, next| one < next), "{accounts:?}");
    assert!(domains.is_sorted_by(|one, next| one < next), "{domains:?}");
}

#[tokio::test]
async fn a_page_of_the_audit_log_looks_at_so_many_entries_and_the_next_one_goes_on() {
    let world = World::new().await;
    let make = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 90000) \
        insert into audit (at, account_id, actor, action, object) \
        select i, 1 + (i % 2), 'operator', iif(i = 3, 'domain.remove', 'alias.change'), 'x' from n";
    let database = SqliteConnectOptions::new().filename(world.directory.path().join("waypost.db"));
    database.connect().await.unwrap().execute(make).await.unwrap();
    for (account, pages) in [(None, 3), (Some(AccountId(2)), 2)] {
        let query =
            AuditQuery { account, action: Some("domain.remove".to_owned()), limit: 10, ..AuditQuery::default() };
        let (mut before, mut sizes) = (None, Vec::new());
        loop {
            let (rows, next) = world.store.accounts.audit_log(&AuditQuery { before, ..query.clone() }).await.unwrap();
            sizes.push(rows.len());
            before = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>(), sizes.last()), (pages, 1, Some(&1)), "{account:?}");
    }
}
