//! Rules end to end: what a recipient selects, and where its mail goes.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{LETTER, PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
async fn several_destinations_get_a_copy_and_a_row_each() {
    let world = World::start().await;
    world.alias("team@my.example", &["a@inbox.example", "b@inbox.example"]).await;
    assert!(world.letter("team@my.example").await.is_accepted());
    let arrived = world.inbox.wait_for(1).await;
    let mut to: Vec<_> = arrived.iter().flat_map(|delivery| delivery.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["a@inbox.example", "b@inbox.example"]);
    assert_eq!(world.rows().await.len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_aliases_that_meet_in_one_inbox_are_two_rows_and_one_delivery() {
    let world = World::start().await;
    world.alias("sales@my.example", &["anna@inbox.example"]).await;
    let answers = world.send("ann@sender.example", &["shop@my.example", "sales@my.example"], LETTER).await;
    assert!(answers.is_accepted());
    let arrived = world.inbox.wait_for(1).await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].to, ["anna@inbox.example"]);
    let text = String::from_utf8_lossy(&arrived[0].octets).into_owned();
    assert!(text.contains("Delivered-To: shop@my.example\r\n") && text.contains("Delivered-To: sales@my.example\r\n"));
    assert_eq!(world.rows().await.len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_the_other_recipients_of_a_message() {
    let world = World::start().await;
    world.alias("other@my.example", &["bob@inbox.example"]).await;
    let answers = world.send("ann@sender.example", &["shop@my.example", "other@my.example"], LETTER).await;
    assert!(answers.is_accepted());
    for arrived in world.inbox.wait_for(2).await {
        let text = String::from_utf8_lossy(&arrived.octets).into_owned();
        assert_eq!(text.matches("Delivered-To:").count(), 1, "{text}");
        assert_eq!(arrived.to.len(), 1);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_is_taken_thrown_away_and_logged() {
    let world = World::start().await;
    world.post("/v1/aliases", json!({ "address": "void@my.example", "action": "drop" })).await;
    assert!(world.letter("void@my.example").await.is_accepted());
    assert_eq!(world.row().await["status"], "dropped");
    assert_eq!(world.inbox.connections(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reject_says_its_own_words() {
    let world = World::start().await;
    let body = json!({ "address": "old@my.example", "action": "reject", "reject_message": "Moved to new@my.example" });
    world.post("/v1/aliases", body).await;
    let last = world.letter("old@my.example").await.last().to_owned();
    assert!(last.starts_with("550 5.7.1 Moved to new@my.example"), "{last}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regular_expression_computes_its_destination() {
    let world = World::start().await;
    world.alias("/^n([0-9]+)$/@my.example", &["box$1@inbox.example"]).await;
    assert!(world.letter("n42@my.example").await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].to, ["box42@inbox.example"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catch_all_that_creates_makes_an_alias_of_its_first_mail() {
    let world = World::start().await;
    world
        .post(
            "/v1/aliases",
            json!({
                "address": "*@my.example", "action": "create", "destinations": ["anna@inbox.example"]
            }),
        )
        .await;
    assert!(world.letter("new@my.example").await.is_accepted());
    let alias = world.get("/v1/aliases/new@my.example").await;
    assert_eq!(alias["destinations"][0], "anna@inbox.example");
    assert!(alias["last_mail_at"].is_string(), "its first mail is its last until the next: {alias}");
    assert_eq!(alias["messages"], 1, "the message that made it has come to it: {alias}");
    assert_eq!(alias["counts"]["forwarded"], 1, "and was forwarded by it: {alias}");
    let catch_all = world.get("/v1/aliases/*@my.example").await;
    assert_eq!((&catch_all["counts"]["forwarded"], &catch_all["messages"]), (&json!(0), &json!(1)), "{catch_all}");
    let of = async |alias: &str| {
        let path =
            format!("/v1/activity?alias={}", world.get(&format!("/v1/aliases/{alias}")).await["id"].as_str().unwrap());
        world.get(&path).await["items"].as_array().unwrap().len()
    };
    assert_eq!((of("new@my.example").await, of("*@my.example").await), (1, 0), "its row is found where it went");
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).times(1));
    assert!(world.letter("later@my.example").await.is_accepted());
    let waits = world.until("later@my.example", "deferred").await;
    world.post(&format!("/v1/queue/{}/retry", waits["id"].as_str().unwrap()), Value::Null).await;
    world.until("later@my.example", "forwarded").await;
    assert_eq!(world.get("/v1/aliases/later@my.example").await["counts"]["forwarded"], 1);
    assert!(world.letter("new@my.example").await.is_accepted());
    assert_eq!(world.get("/v1/aliases/new@my.example").await["messages"], 2);
    world.patch("/v1/aliases/new@my.example", json!({ "quota": 2 })).await;
    assert!(world.letter("new@my.example").await.last().starts_with("450 4.2.1"), "both are of this day");
    assert!(world.letter("Club+x+y@my.example").await.is_accepted());
    assert_eq!(world.get("/v1/aliases/club@my.example").await["address"], "Club@my.example", "made without its tag");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_on_a_hosted_domain_is_resolved_inside() {
    let world = World::start().await;
    world.domain("two.example").await;
    world.destination("shop@my.example").await;
    world.alias("hello@two.example", &["shop@my.example"]).await;
    assert!(world.letter("hello@two.example").await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(arrived.to, ["anna@inbox.example"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_destination_gets_nothing() {
    let world = World::start().await;
    world.post("/v1/destinations", json!({ "address": "new@elsewhere.example" })).await;
    world.alias("wait@my.example", &["new@elsewhere.example"]).await;
    assert!(world.letter("wait@my.example").await.last().starts_with("450 4.2.1"));
    world.stop().await;
}

/// What `waypost` prints beside the gateway: its answer, and what it says beside that.
async fn printed(world: &World, arguments: &[&str]) -> (String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_waypost"));
    command.args(arguments).env("WAYPOST_DATA_DIR", world.data.path()).stdin(std::process::Stdio::null());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
}

/// Of several inboxes the one that gets no copy has no row: those of the others say which it is, and why.
#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_left_out_is_named_where_the_others_mail_is_told() {
    let world = World::start().await;
    world.post("/v1/destinations", json!({ "address": "new@elsewhere.example" })).await;
    world.post("/v1/aliases", json!({ "address": "off@my.example", "destinations": ["ben@inbox.example"] })).await;
    world.patch("/v1/aliases/off@my.example", json!({ "enabled": false })).await;
    world.alias("team@my.example", &["anna@inbox.example", "new@elsewhere.example", "off@my.example"]).await;
    assert!(world.letter("team@my.example").await.is_accepted());
    let row = world.row().await;
    let left = |step: &&Value| step["step"] == "destination" && step["verdict"] == "not verified";
    let left: Vec<_> = row["trace"].as_array().unwrap().iter().filter(left).map(|step| &step["detail"]).collect();
    assert_eq!(left, ["new@elsewhere.example"], "{row:#}");
    let (told, _) = printed(&world, &["show", row["id"].as_str().unwrap()]).await;
    for words in [
        "\nno copy  to new@elsewhere.example: it is not verified, and gets no mail until it is\n",
        "\nno copy  to off@my.example: off@my.example is switched off\n",
    ] {
        assert!(told.contains(words), "{told}");
    }
    world.stop().await;
}

/// Nothing is looked up for it that RCPT would not: what is remembered of an inbox is said beside the way to it.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_says_what_is_remembered_of_an_inbox() {
    let world = World::start().await;
    for (alias, inbox) in [("gone", "gone@inbox.example"), ("typo", "me@gmial.example")] {
        world.destination(inbox).await;
        world.alias(&format!("{alias}@my.example"), &[inbox]).await;
    }
    let asked = async |to: &str| world.post("/v1/route", json!({ "to": to, "from": "ann@sender.example" })).await;
    assert_eq!(asked("gone@my.example").await["reason"], "gone@my.example forwards to gone@inbox.example.");
    let before = world.dns.count_of("gmial.example");
    asked("typo@my.example").await;
    assert_eq!(world.dns.count_of("gmial.example"), before, "no DNS is asked");
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 no such person")).times(1));
    let last = world.letter("gone@my.example").await.last().to_owned();
    assert!(last.starts_with("550 "), "{last}");
    let route = asked("gone@my.example").await;
    assert_eq!(route["disposition"], "forward", "{route:#}");
    let reason = route["reason"].as_str().unwrap();
    let words = "gone@my.example forwards to gone@inbox.example. gone@inbox.example has taken no mail since ";
    assert!(reason.starts_with(words) && reason.contains("no such person"), "{reason}");
    world
        .change("waypost.db", "insert into no_mail (domain, why, since) values ('gmial.example', 'no_such_domain', 1)")
        .await;
    let (told, _) = printed(&world, &["route", "typo@my.example", "--from", "ann@sender.example"]).await;
    let words = "me@gmial.example. gmial.example takes no mail: the DNS knows no such domain.\n";
    assert!(told.contains(words), "{told}");
    world.stop().await;
}

/// Mail refused before a recipient keeps of its sender only the domain: the panel says so, and the command line.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_an_address_that_finds_nothing_leads_to_its_domain() {
    let world = World::start().await;
    let (out, said) = printed(&world, &["log", "--search", "ann@sender.example"]).await;
    let hint = "Of mail that was refused before it named a recipient, as too large for example, only its sender's domain \
                is kept: waypost log --search sender.example\n";
    assert_eq!((out.as_str(), said), ("", format!("There are none.\n{hint}")));
    let (out, said) = printed(&world, &["log", "--search", "ann@sender.example", "--json"]).await;
    assert_eq!((out.trim(), said.as_str()), (r#"{"items":[],"next_cursor":null}"#, ""));
    let (_, said) = printed(&world, &["log", "--search", "sender.example"]).await;
    assert_eq!(said, "There are none.\n");
    let (_, said) = printed(&world, &["log", "--alias", "shop@my.example"]).await;
    let hint =
        "Mail to shop@my.example that another alias took, such as a catch-all: waypost log --search shop@my.example\n";
    assert_eq!(said, format!("There are none.\n{hint}"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_to_postmaster_with_nobody_to_give_it_to_is_held_and_shown() {
    let world = World::bare(&[]).await;
    world.domain("lonely.example").await;
    assert!(world.letter("postmaster@lonely.example").await.is_accepted());
    assert_eq!(world.row().await["status"], "held");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_is_cut() {
    let world = World::start().await;
    for field in ["Delivered-To: shop@my.example", "Delivered-To : <shop@my.example> (by way of anna)"] {
        let looped = [field.as_bytes(), b"\r\n", LETTER].concat();
        let dot = world.send("ann@sender.example", &["shop@my.example"], &looped).await.dot.unwrap();
        assert!(dot.starts_with("554 5.4.6"), "{field}: {dot}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_sender_on_a_hosted_domain_is_refused() {
    let world = World::start().await;
    world.dns.txt("my.example", "v=spf1 ip4:192.0.2.1 -all");
    let dot = world.send("boss@my.example", &["shop@my.example"], LETTER).await.dot.unwrap();
    assert!(dot.starts_with("550 5.7.1"), "{dot}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_to_an_srs_address_of_ours_is_consumed_and_kept() {
    let world = World::start().await;
    world.letter("shop@my.example").await;
    let srs = world.inbox.wait_for(1).await[0].from.clone();
    assert!(world.send("", &[&srs], LETTER).await.is_accepted());
    world.until(&srs, "consumed").await;
    let refused = world.send("ann@sender.example", &[&srs], LETTER).await;
    assert!(refused.last().starts_with("550 "), "{refused:?}");
    assert_eq!(world.inbox.received().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_alias_that_is_to_be_deleted_is_gone() {
    let world = World::start().await;
    let body = json!({
        "address": "once@my.example", "destinations": ["anna@inbox.example"],
        "expires_at": "2100-01-01T00:00:00Z", "then": "delete"
    });
    world.post("/v1/aliases", body).await;
    assert!(world.letter("once@my.example").await.is_accepted());
    world.change("waypost.db", "update aliases set expires_at = 1 where expires_at is not null").await;
    // Upkeep looks when it starts, and every minute from then on.
    let world = world.restart().await;
    let gone = async {
        while world.ask(Method::GET, "/v1/aliases/once@my.example", Value::Null).await.0 != StatusCode::NOT_FOUND {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it must be deleted");
    assert!(world.letter("once@my.example").await.last().starts_with("550 5.1.1"));
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

/// Whoever claims a domain without proof gets nothing that is on its way there for others, nor has their mail refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_merely_claimed_binds_nobody_else() {
    let world = World::start().await;
    world.post("/v1/users", json!({ "email": "eve@people.example", "role": "member" })).await;
    let database = "insert into domains (uuid, account_id, name, created_at, updated_at) \
        select randomblob(16), id, 'inbox.example', 0, 0 from accounts where email = 'eve@people.example'";
    let world =
        world.restart_after(|data| async move { World::run_script(&data.join("waypost.db"), database).await }).await;
    let claimed = world.get("/v1/domains/inbox.example").await;
    assert_eq!(claimed["verified_at"], Value::Null, "{claimed}");
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].to, ["anna@inbox.example"]);
    let from_there = world.send("ben@inbox.example", &["shop@my.example"], LETTER).await;
    assert!(from_there.is_accepted(), "its mail has no SPF, and is taken like any other: {from_there:?}");
    for local in ["x", "postmaster"] {
        let told = world.letter(&format!("{local}@inbox.example")).await;
        assert!(told.last().starts_with("451 4.3.5 "), "the claimer gets none of its mail: {told:?}");
    }
    let simulated = world.post("/v1/route", json!({ "to": "x@inbox.example", "from": "a@b.example" })).await;
    let says_why = |step: &Value| step["step"] == "domain" && step["verdict"] == "not verified";
    assert!(simulated["trace"].as_array().unwrap().iter().any(says_why), "{simulated:#}");
    assert_eq!(simulated["disposition"], "defer");
    world.post("/v1/domains/inbox.example/verify", json!({})).await;
    assert!(!world.letter("shop@my.example").await.is_accepted(), "proven, it is its owner's to say who is there");
    world.stop().await;
}

/// What is ours by configuration is nobody's to claim: what comes for our own name goes to the owner all the same.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_name_is_ours_whoever_claims_it() {
    let world = World::start().await;
    world.post("/v1/users", json!({ "email": "eve@people.example", "role": "member" })).await;
    let database = "insert into domains (uuid, account_id, name, created_at, updated_at) \
        select randomblob(16), id, 'gw.example', 0, 0 from accounts where email = 'eve@people.example'";
    let world =
        world.restart_after(|data| async move { World::run_script(&data.join("waypost.db"), database).await }).await;
    assert!(world.letter("postmaster@gw.example").await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].to, ["anna@inbox.example"]);
    assert!(world.letter("x@gw.example").await.last().starts_with("550 5.7.1"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_alias_is_shown_nothing_of_one_that_was_removed() {
    let world = World::start().await;
    world.alias("old@my.example", &["anna@inbox.example"]).await;
    assert!(world.letter("old@my.example").await.is_accepted());
    assert_eq!(world.get("/v1/aliases/old@my.example").await["counts"]["forwarded"], 1);
    let (status, _) = world.ask(Method::DELETE, "/v1/aliases/old@my.example", Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    world.alias("new@my.example", &["anna@inbox.example"]).await;
    let new = world.get("/v1/aliases/new@my.example").await;
    assert_eq!((&new["counts"]["forwarded"], &new["last_mail_at"]), (&json!(0), &Value::Null));
    let mail = world.get("/v1/activity?alias=new@my.example").await;
    assert_eq!(mail["items"], json!([]));
    world.stop().await;
}
