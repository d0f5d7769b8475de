//! A forgotten password: a mail through the gateway itself, a link that works once, and nothing that tells who has an account.

use std::net::SocketAddr;

use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;

/// A gateway whose owner signs in as anna@inbox.example, who has nothing to do with any alias, and ben as an alias.
async fn world() -> World {
    let world = World::start_with(&[("HTTP__PUBLIC_URL", "https://gw.example")]).await;
    let owner = json!({ "email": "owner@inbox.example", "password": "correct horse battery" });
    world.patch("/v1/users/owner", owner).await;
    let ben = json!({ "email": "shop@my.example", "password": "correct horse battery" });
    world.post("/v1/users", ben).await;
    world
}

/// Asks the panel on this machine, as a browser does that is on one of its pages.
async fn ask(http: SocketAddr, request: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let fields = "Host: localhost\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n\
                  Content-Type: application/x-www-form-urlencoded\r\n";
    let length = form.len();
    let request = format!("{request} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{form}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(http: SocketAddr, path: &str) -> String {
    ask(http, &format!("GET {path}"), "").await
}

async fn post(http: SocketAddr, path: &str, form: &str) -> String {
    ask(http, &format!("POST {path}"), form).await
}

/// What is on the page, but for the time.
fn body(answer: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.lines().filter(|line| !line.contains("data-now")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgot_it_gets_a_link_by_mail_that_works_once() {
    let world = world().await;
    let http = world.gateway.listening.http[0];
    let page = get(http, "/sign-in").await;
    assert!(page.contains("href=\"/reset\""), "{page}");
    assert!(get(http, "/reset").await.contains("Send the link"));
    let known = post(http, "/reset", "email=Owner%40inbox.example").await;
    assert!(known.starts_with("HTTP/1.1 200 ") && known.contains("Look into your inbox"), "{known}");

    let mail = world.inbox.wait_for(1).await.remove(0);
    assert_eq!(mail.to, ["owner@inbox.example"]);
    let text = String::from_utf8(mail.octets).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("https://gw.example")).unwrap().to_owned();
    let row = world.until("owner@inbox.example", "forwarded").await;
    assert_eq!((&row["subject"], &row["sender"]), (&json!("Set a new password"), &json!("postmaster@my.example")));
    assert!(!row.to_string().contains(path.strip_prefix("/reset/").unwrap()));

    for _ in 0..2 {
        assert!(get(http, &path).await.contains("Set your password"), "looking uses nothing up");
    }
    let done = post(http, &path, "password=another+horse+battery").await;
    assert!(done.contains("Your password is set"), "{done}");
    assert!(post(http, &path, "password=a+third+horse+battery").await.starts_with("HTTP/1.1 410 "));
    let old = post(http, "/sign-in", "email=owner%40inbox.example&password=correct+horse+battery").await;
    assert!(old.starts_with("HTTP/1.1 422 "), "{old}");
    let new = post(http, "/sign-in", "email=owner%40inbox.example&password=another+horse+battery").await;
    assert!(new.starts_with("HTTP/1.1 303 "), "{new}");
    let audit = world.get("/v1/audit?object=owner@inbox.example").await;
    let actions: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert!(actions.contains(&json!("link.reset")) && actions.contains(&json!("account.password")), "{actions:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_tells_nobody_who_has_an_account_and_mails_are_bounded() {
    let world = world().await;
    let http = world.gateway.listening.http[0];
    let known = post(http, "/reset", "email=owner%40inbox.example").await;
    let unknown = post(http, "/reset", "email=nobody%40inbox.example").await;
    assert_eq!(body(&known), body(&unknown));
    for _ in 0..4 {
        let again = post(http, "/reset", "email=owner%40inbox.example").await;
        assert_eq!(body(&known), body(&again), "not even when there are too many");
    }
    world.inbox.wait_for(3).await;
    world.until_queue_is_empty().await;
    assert_eq!(world.rows().await.len(), 3, "three an hour");
    for _ in 0..4 {
        post(http, "/reset", "email=nobody%40inbox.example").await;
    }
    let limited = post(http, "/reset", "email=shop%40my.example").await;
    assert!(limited.starts_with("HTTP/1.1 429 ") && limited.contains("retry-after"), "{limited}");
    world.stop().await;
}

/// An account may sign in with an alias of this very gateway: its mail goes to the alias's destination.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_an_alias_gets_it_where_the_alias_leads() {
    let world = world().await;
    post(world.gateway.listening.http[0], "/reset", "email=shop%40my.example").await;
    let mail = world.inbox.wait_for(1).await.remove(0);
    assert_eq!(mail.to, ["anna@inbox.example"]);
    assert!(String::from_utf8(mail.octets).unwrap().contains("\r\nTo: <shop@my.example>\r\n"));
    world.stop().await;
}

/// A mail to such an address would come back here: the page says the same of it as of any, and what can be done.
#[tokio::test(flavor = "multi_thread")]
async fn where_an_account_leads_nowhere_no_link_is_said_to_be_made() {
    let world = world().await;
    world.patch("/v1/users/owner", json!({ "email": "boss@my.example" })).await;
    let http = world.gateway.listening.http[0];
    let known = post(http, "/reset", "email=boss%40my.example").await;
    assert_eq!(body(&known), body(&post(http, "/reset", "email=nobody%40my.example").await));
    assert!(known.contains("If there is an account") && known.contains("waypost panel-link"), "{known}");
    let look = async {
        loop {
            let audit = world.get("/v1/audit?object=boss@my.example&action=link").await;
            match audit["items"].as_array().unwrap().as_slice() {
                [] => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                [one] => return one.clone(),
                more => panic!("{more:?}"),
            }
        }
    };
    let entry = tokio::time::timeout(crate::support::PATIENCE, look).await.unwrap();
    assert_eq!(entry["action"], "link.unsent");
    assert!(entry["after"]["why"].as_str().unwrap().contains("leads nowhere"), "{entry}");
    assert_eq!(world.get("/v1/queue").await["items"], Value::Array(Vec::new()));
    world.stop().await;
}

/// Else whoever adds a domain to the gateway could take over the accounts of those who have an inbox there.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_merely_claims_a_domain_is_not_brought_its_links() {
    let world = world().await;
    let claim = "insert into domains (uuid, account_id, name, created_at, updated_at) \
        select randomblob(16), id, 'inbox.example', 0, 0 from accounts where email = 'shop@my.example'";
    let world =
        world.restart_after(|data| async move { World::run_script(&data.join("waypost.db"), claim).await }).await;
    let eve = json!({ "address": "owner@inbox.example", "destinations": ["eve@inbox.example"] });
    world.post("/v1/aliases", eve).await;
    post(world.gateway.listening.http[0], "/reset", "email=owner%40inbox.example").await;
    let all = world.inbox.wait_for(1).await;
    assert!(all.iter().all(|mail| mail.to == ["owner@inbox.example"]), "{all:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_address_for_links_it_says_who_can_help() {
    let world = World::start().await;
    world
        .patch("/v1/users/owner", json!({ "email": "owner@inbox.example", "password": "correct horse battery" }))
        .await;
    let http = world.gateway.listening.http[0];
    let known = post(http, "/reset", "email=owner%40inbox.example").await;
    assert!(known.starts_with("HTTP/1.1 409 ") && known.contains("waypost user set-password"), "{known}");
    assert_eq!(body(&known), body(&post(http, "/reset", "email=nobody%40inbox.example").await));
    assert_eq!(world.get("/v1/queue").await["items"], Value::Array(Vec::new()));
    world.stop().await;
}
