//! Patterns: what many of them cost, and how many there may be.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::policy::facts::Matcher;
use waypost::policy::rule::Kind;

use crate::cpu::cpu;
use crate::web::{House, in_path};

/// Patterns that are enough to tell what each of them costs.
const SOME: usize = 40;

/// Some that differ, and take a while to compile.
fn patterns(mark: &str) -> impl Iterator<Item = String> {
    (0..SOME).map(move |number| format!("^{mark}{number}-[a-z]+\\pL+$"))
}

/// Makes all of these on my.example in one batch; what that costs.
async fn made(house: &House, addresses: impl Iterator<Item = String>) -> Duration {
    let create = |local: String| json!({ "op": "create", "address": format!("{local}@my.example"), "action": "drop" });
    let body = json!({ "operations": addresses.map(create).collect::<Vec<_>>() });
    let before = cpu();
    house.operator("POST", "/v1/aliases/batch", body).await.expect(200);
    cpu() - before
}

fn slashed(patterns: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    patterns.map(|pattern| format!("/{pattern}/"))
}

/// What some patterns cost that are compiled once each.
fn compiled_once() -> Duration {
    let before = cpu();
    patterns("once").for_each(|pattern| drop(Matcher::compile(Kind::Regex, &pattern).unwrap()));
    cpu() - before
}

#[tokio::test]
async fn a_batch_compiles_each_of_its_patterns_once() {
    let house = House::furnished().await;
    let plain = made(&house, (0..SOME).map(|number| format!("plain{number}"))).await;
    let once = compiled_once();
    let cost = made(&house, slashed(patterns("batch"))).await;
    assert!(cost < 3 * (once + plain), "{cost:?}, against {once:?} for compiling and {plain:?} without patterns");
}

#[tokio::test]
async fn a_change_costs_no_pattern_that_was_there_before() {
    let house = House::furnished().await;
    made(&house, slashed(patterns("there")).chain(["plain".to_owned()])).await;
    let once = compiled_once();
    let one = in_path(&format!("/{}/@my.example", patterns("there").next().unwrap()));
    for (what, place, change) in [
        ("a plain alias switched", "plain@my.example", json!({ "enabled": false })),
        ("a pattern's note", one.as_str(), json!({ "description": "a note" })),
    ] {
        let before = cpu();
        house.operator("PATCH", &format!("/v1/aliases/{place}"), change).await.expect(200);
        let cost = cpu() - before;
        assert!(cost < once / 3, "{what}: {cost:?}, against {once:?} for compiling all");
    }
    let before = cpu();
    house.operator("DELETE", "/v1/aliases/plain@my.example", Value::Null).await.expect(204);
    assert!(cpu() - before < once / 3);
}

#[tokio::test]
async fn a_domain_has_a_hundred_patterns_and_no_more() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    made(&house, (0..100).map(|number| format!("g{number}-*"))).await;
    let add = async |address: &str| {
        house.operator("POST", "/v1/aliases", json!({ "address": address, "action": "drop" })).await
    };
    let refused = add("one-more-*@my.example").await.expect(422);
    assert!(refused.text().contains("100 patterns"), "{}", refused.text());
    assert_eq!(refused.pointers(), ["/address"]);
    add("plain@my.example").await.expect(201);
    add("*@my.example").await.expect(201);
    add("one-more-*@two.example").await.expect(201);
    let two = |op: Value| json!({ "operations": [{ "op": "delete", "id": "g0-*@my.example" }, op] });
    let create = json!({ "op": "create", "address": "g0-new-*@my.example", "action": "drop" });
    let another = json!({ "op": "create", "address": "g1-new-*@my.example", "action": "drop" });
    house.operator("POST", "/v1/aliases/batch", two(create)).await.expect(200);
    let both = json!({ "operations": [another] });
    assert_eq!(
        house.operator("POST", "/v1/aliases/batch", both).await.expect(422).pointers(),
        ["/operations/0/address"]
    );
    let change = json!({ "description": "still there" });
    house.operator("PATCH", "/v1/aliases/g5-*@my.example", change).await.expect(200);
}

/// Each may be large; all of an account's together may not.
#[tokio::test]
async fn the_patterns_of_an_account_are_compiled_within_bounds() {
    let house = House::furnished().await;
    let add = async |number: u32| {
        let address = format!("/^{number}\\pL\\pL\\pL\\pL\\pL$/@my.example");
        house.operator("POST", "/v1/aliases", json!({ "address": address, "action": "drop" })).await
    };
    let mut taken = 0;
    let mut answer = add(taken).await;
    while answer.status == 201 && taken < 90 {
        taken += 1;
        answer = add(taken).await;
    }
    let refused = answer.expect(422);
    assert!(taken > 10, "{taken}");
    assert!(refused.text().contains("compiled"), "{}", refused.text());
    assert_eq!(refused.pointers(), ["/address"]);
    let like = json!({ "name": "two.example", "like": "my.example" });
    assert_eq!(house.operator("POST", "/v1/domains", like).await.expect(422).pointers(), ["/like"]);
    let off = async |number: u32, enabled: bool| {
        let place = in_path(&format!("/^{number}\\pL\\pL\\pL\\pL\\pL$/@my.example"));
        house.operator("PATCH", &format!("/v1/aliases/{place}"), json!({ "enabled": enabled })).await
    };
    off(0, false).await.expect(200);
    let small = json!({ "address": "small-*@my.example", "action": "drop" });
    house.operator("POST", "/v1/aliases", small).await.expect(201);
    assert_eq!(off(0, true).await.expect(422).pointers(), ["/address"]);
}
