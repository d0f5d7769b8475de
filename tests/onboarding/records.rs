//! The records of a domain from nothing to all that is wanted, and away again.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use waypost::upkeep::Pace;

use crate::support::{PATIENCE, World};

/// A gateway whose host name and domain have a name server of their own, which is the local DNS.
pub(crate) async fn world() -> World {
    world_with(Pace::RECORDS).await
}

async fn world_with(pace: Pace) -> World {
    let world = World::bare_with(&[], |config, dns| {
        config.outside.probes.dns_port = dns.address().port();
        config.records_pace = pace;
    })
    .await;
    world.dns.a("gw.example", [192, 0, 2, 7].into());
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.a("ns1.my.example", [127, 0, 0, 1].into());
    world
}

/// The record of this id.
fn record<'a>(answer: &'a Value, id: &str) -> &'a Value {
    let all = ["records", "host"].into_iter().flat_map(|part| answer[part].as_array().unwrap());
    all.into_iter().find(|record| record["id"] == id).unwrap_or_else(|| panic!("no {id} in {answer:#}"))
}

pub(crate) fn publish(world: &World, answer: &Value) {
    for record in answer["records"].as_array().unwrap() {
        let (name, Some(wanted)) = (record["name"].as_str().unwrap(), record["wanted"].as_str()) else { continue };
        match record["type"].as_str().unwrap() {
            "MX" => world.dns.mx(name, 10, wanted.split(' ').nth(1).unwrap()),
            _ => world.dns.txt(name, wanted),
        }
    }
}

#[tokio::test]
async fn what_is_shown_is_published_and_then_all_is_well() {
    let world = world().await;
    world.domain("my.example").await;
    let bare = world.get("/v1/domains/my.example/dns").await;
    assert_eq!(bare["dns"], "drift");
    for (id, verdict, wanted) in [
        ("mx", "missing", json!("10 gw.example.")),
        ("spf", "missing", json!("v=spf1 mx -all")),
        ("dmarc", "missing", json!("v=DMARC1; p=none")),
        ("proof", "absent", Value::Null),
        ("mta_sts", "absent", Value::Null),
        ("tls_rpt", "absent", Value::Null),
    ] {
        let record = record(&bare, id);
        assert_eq!((&record["verdict"], &record["wanted"]), (&json!(verdict), &wanted), "{id}");
    }
    let mx = record(&bare, "mx");
    assert_eq!(mx["zone"], "my.example.\tIN\tMX\t10 gw.example.");
    assert_eq!(mx["servers"][0], json!({"server": "ns1.my.example", "values": []}));
    assert_eq!(world.get("/v1/domains/my.example").await["dns"], "drift");

    publish(&world, &bare);
    let whole = world.get("/v1/domains/my.example/dns").await;
    assert_eq!(whole["dns"], "ok", "{whole:#}");
    for id in ["mx", "spf", "dmarc"] {
        assert_eq!(record(&whole, id)["verdict"], "ok", "{id}");
    }
    assert_eq!(record(&whole, "mx")["servers"][0]["values"], json!(["10 gw.example."]));
    assert_eq!(world.get("/v1/domains/my.example").await["dns"], "ok");
    assert_eq!(world.get("/v1/domains/my.example").await["id"], world.get("/v1/domains").await["items"][0]["id"]);
    world.stop().await;
}

#[tokio::test]
async fn the_host_is_judged_forwards_and_back() {
    let world = world().await;
    world.domain("my.example").await;
    let host = async |id: &str| {
        let answer = world.get("/v1/domains/my.example/dns").await;
        record(&answer, id)["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!((host("address").await, host("ptr").await), ("ok".to_owned(), "missing".to_owned()));
    world.dns.ptr([192, 0, 2, 7].into(), "elsewhere.example");
    assert_eq!(host("ptr").await, "differs");
    world.dns.clear("7.2.0.192.in-addr.arpa");
    world.dns.ptr([192, 0, 2, 7].into(), "gw.example");
    assert_eq!(host("ptr").await, "ok");
    world.dns.mx("gw.example", 10, "mx.elsewhere.example");
    assert_eq!(host("host_mx").await, "differs");
    world.stop().await;
}

#[tokio::test]
async fn a_member_proves_a_domain_and_nobody_else_can() {
    let world = world().await;
    let scopes = json!({"name": "member", "scopes": ["domains"]});
    let token = world.post("/v1/tokens", scopes).await["token"].as_str().unwrap().to_owned();
    let ask = async |method: Method, path: &str, body: &str| bearer(&world, &token, (method, path), body).await;
    let (status, domain) = ask(Method::POST, "/v1/domains", r#"{"name":"my.example"}"#).await;
    assert_eq!((status, &domain["verified_at"]), (StatusCode::CREATED, &Value::Null));

    let (status, problem) = ask(Method::POST, "/v1/domains/my.example/verify", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("_waypost.my.example") && detail.contains("waypost-verify="), "{detail}");

    world.dns.txt("_waypost.my.example", "waypost-verify=somebody-elses");
    let (status, problem) = ask(Method::POST, "/v1/domains/my.example/verify", "").await;
    assert!(problem["detail"].as_str().unwrap().contains("somebody-elses"), "{status} {problem}");
    let (_, records) = ask(Method::GET, "/v1/domains/my.example/dns", "").await;
    let proof = record(&records, "proof");
    assert_eq!(proof["verdict"], "differs");

    world.dns.txt("_waypost.my.example", proof["wanted"].as_str().unwrap());
    let (status, domain) = ask(Method::POST, "/v1/domains/my.example/verify", "").await;
    assert_eq!(status, StatusCode::OK, "{domain}");
    assert_ne!(domain["verified_at"], Value::Null);
    world.stop().await;
}

/// A member with a token for their own domains.
async fn member(world: &World, name: &str, change: &'static str) -> String {
    world.post("/v1/users", json!({ "email": format!("{name}@people.example"), "role": "member" })).await;
    let scopes = json!({ "name": name, "scopes": ["domains", "aliases", "account"] });
    let token = world.post("/v1/tokens", scopes).await["token"].as_str().unwrap().to_owned();
    world.change("waypost.db", change).await;
    token
}

/// A claim holds the name only until somebody proves it: with nothing of the first claimant's shown, and never once it is
/// proven.
#[tokio::test]
async fn a_claim_gives_way_to_whoever_proves_the_domain() {
    let world = world().await;
    let eve = "update tokens set account_id = (select id from accounts where email = 'eve@people.example') where name = 'eve'";
    let ann = "update tokens set account_id = (select id from accounts where email = 'ann@people.example') where name = 'ann'";
    let (eve, ann) = (member(&world, "eve", eve).await, member(&world, "ann", ann).await);
    let ask = async |token: &str, (method, path): (Method, &str), body: &str| {
        bearer(&world, token, (method, path), body).await
    };
    let add = r#"{"name":"my.example"}"#;
    let (status, _) = ask(&eve, (Method::POST, "/v1/domains"), add).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = r#"{"address":"x@my.example","action":"drop","description":"a secret"}"#;
    assert_eq!(ask(&eve, (Method::POST, "/v1/aliases"), secret).await.0, StatusCode::CREATED);
    for other in [
        r#"{"name":"return.example","srs_domain":"my.example"}"#,
        r#"{"name":"mirror.example","mirror_of":"my.example"}"#,
    ] {
        assert_eq!(ask(&eve, (Method::POST, "/v1/domains"), other).await.0, StatusCode::CREATED);
    }
    let (_, records) = ask(&eve, (Method::GET, "/v1/domains/my.example/dns"), "").await;
    world.dns.txt("_waypost.my.example", record(&records, "proof")["wanted"].as_str().unwrap());

    let (status, problem) = ask(&ann, (Method::POST, "/v1/domains"), add).await;
    let detail = problem["detail"].as_str().unwrap().to_owned();
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(detail.starts_with("Somebody else has added my.example, and not proved it."), "{detail}");
    assert!(!problem.to_string().contains("eve") && !problem.to_string().contains("secret"), "{problem}");
    let proof = detail.split_whitespace().find(|word| word.starts_with("waypost-verify=")).unwrap();
    assert_ne!(Some(proof), record(&records, "proof")["wanted"].as_str(), "each account has its own");
    world.dns.clear("_waypost.my.example");
    world.dns.txt("_waypost.my.example", proof);
    assert_eq!(ask(&eve, (Method::POST, "/v1/domains/my.example/verify"), "").await.0, StatusCode::CONFLICT);

    let (status, domain) = ask(&ann, (Method::POST, "/v1/domains"), add).await;
    assert_eq!(status, StatusCode::CREATED, "{domain}");
    assert_ne!(domain["verified_at"], Value::Null);
    let (_, aliases) = ask(&ann, (Method::GET, "/v1/aliases"), "").await;
    assert_eq!(aliases["items"], json!([]));
    let audit = ask(&ann, (Method::GET, "/v1/audit"), "").await.1.to_string();
    assert!(!audit.contains("give_way") && !audit.contains("eve"), "{audit}");

    assert_eq!(ask(&eve, (Method::GET, "/v1/domains/my.example"), "").await.0, StatusCode::NOT_FOUND);
    let (_, audit) = ask(&eve, (Method::GET, "/v1/audit?action=domain.give_way"), "").await;
    let entry = &audit["items"][0];
    assert_eq!((&entry["object"], &entry["actor"]), (&json!("my.example"), &json!("upkeep")), "{audit}");
    assert_eq!(ask(&eve, (Method::GET, "/v1/domains/return.example"), "").await.1["srs_domain"], Value::Null);
    assert_eq!(ask(&eve, (Method::GET, "/v1/domains/mirror.example"), "").await.1["mirror_of"], Value::Null);
    let (status, problem) = ask(&eve, (Method::POST, "/v1/domains"), add).await;
    assert_eq!((status, &problem["detail"]), (StatusCode::CONFLICT, &json!("The domain my.example exists already.")));
    world.stop().await;
}

/// Asks the public listener with a token.
async fn bearer(world: &World, token: &str, (method, path): (Method, &str), body: &str) -> (StatusCode, Value) {
    let stream = tokio::net::TcpStream::connect(world.gateway.listening.http[0]).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .body(body.to_owned())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let octets = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&octets).unwrap_or(Value::Null))
}

#[tokio::test]
async fn faults_of_published_records_are_named_with_the_text_that_mends_them() {
    let world = world().await;
    world.domain("my.example").await;
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 include:spf.provider.example -all");
    world.dns.txt("spf.provider.example", "v=spf1 ip4:198.51.100.0/24 -all");
    let look = async || world.get("/v1/domains/my.example/dns").await;
    let answer = look().await;
    let spf = record(&answer, "spf");
    assert_eq!(spf["verdict"], "differs");
    assert_eq!(spf["wanted"], "v=spf1 include:spf.provider.example mx -all");

    world.dns.txt("my.example", "v=spf1 mx ~all");
    let answer = look().await;
    let spf = record(&answer, "spf");
    assert!(spf["detail"].as_str().unwrap().starts_with("There are 2 SPF records"), "{spf}");
    assert_eq!(spf["wanted"], "v=spf1 include:spf.provider.example mx -all");

    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.null_mx("my.example");
    world.dns.txt("my.example", "v=spf1 ip4:192.0.2.7 -all");
    let answer = look().await;
    assert_eq!(
        (&record(&answer, "spf")["verdict"], &record(&answer, "mx")["verdict"]),
        (&json!("ok"), &json!("differs"))
    );
    assert!(record(&answer, "mx")["detail"].as_str().unwrap().contains("null MX"));
    world.stop().await;
}

#[tokio::test]
async fn a_silent_name_server_leaves_the_resolvers_word() {
    let world = World::bare_with(&[], |config, _| config.outside.probes.dns_port = 9).await;
    world.dns.a("gw.example", [192, 0, 2, 7].into());
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.a("ns1.my.example", [127, 0, 0, 1].into());
    world.dns.mx("my.example", 10, "gw.example");
    world.domain("my.example").await;
    let answer = world.get("/v1/domains/my.example/dns").await;
    let mx = record(&answer, "mx");
    assert_eq!(mx["verdict"], "ok");
    assert!(mx["servers"][0]["error"].is_string(), "{mx}");
    world.stop().await;
}

#[tokio::test]
async fn upkeep_looks_again_for_ever_and_silence_washes_nothing_away() {
    let quick = Duration::from_millis(20);
    let world = world_with(Pace { first: quick, every: quick }).await;
    world.domain("my.example").await;
    let becomes = async |standing: &str| {
        let look = async {
            while world.get("/v1/domains/my.example").await["dns"] != standing {
                tokio::time::sleep(quick).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never {standing}"));
    };
    becomes("drift").await;
    let answer = world.get("/v1/domains/my.example/dns").await;
    publish(&world, &answer);
    becomes("ok").await;
    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    becomes("drift").await;
    world.stop().await;
}

/// CONFORMANCE, threat 9: a zone may name what it likes as its name server.
#[tokio::test]
async fn a_name_server_within_our_own_network_is_never_asked() {
    let trap = waypost::demo::dns::Dns::start().await.unwrap();
    let port = trap.address().port();
    let world =
        World::bare_with(&[("DELIVERY__ALLOW_PRIVATE", "false")], |config, _| config.outside.probes.dns_port = port)
            .await;
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.a("ns1.my.example", [127, 0, 0, 1].into());
    world.dns.mx("my.example", 10, "gw.example");
    world.domain("my.example").await;
    let answer = world.get("/v1/domains/my.example/dns").await;
    let mx = record(&answer, "mx");
    assert_eq!((&mx["verdict"], &mx["servers"]), (&json!("ok"), &json!([])));
    assert_eq!(trap.queries(), []);
    world.stop().await;
}
