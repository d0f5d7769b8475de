//! The first run, from the one-time link to the journey of the first message, with DNS that changes under it.

use axum::http::Method;
use serde_json::{Value, json};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::records;
use crate::support::{UNSET, World};
use crate::visitor::{Seen, Visitor};

/// A gateway that nobody has named yet, beside a name server that knows its address by name.
pub(crate) async fn world() -> World {
    let world =
        World::bare_with(&[("HOSTNAME", UNSET), ("HTTP__PUBLIC_URL", "https://panel.gw.example")], |config, dns| {
            config.outside.probes.dns_port = dns.address().port();
            config.outside.probes.routed = Some(vec![[192, 0, 2, 7].into()]);
            config.outside.probes.far_domains = vec!["far.example".to_owned()];
            config.outside.leaving.source_addresses = vec![[192, 0, 2, 7].into()];
        })
        .await;
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.a("ns1.my.example", [127, 0, 0, 1].into());
    world.dns.ptr([192, 0, 2, 7].into(), "gw.example");
    world.dns.a("gw.example", [192, 0, 2, 7].into());
    world
}

/// The path of a fresh one-time link.
pub(crate) async fn link(world: &World) -> String {
    let (_, made) = world.ask(Method::POST, "/control/panel-link", Value::Null).await;
    let url = made["url"].as_str().unwrap();
    url[url.find("/setup/").unwrap()..].to_owned()
}

/// Fills in the form of the screen that `at` names.
pub(crate) async fn fill(anna: &mut Visitor, link: &str, (at, form): (&str, &[(&str, &str)])) -> Seen {
    let mut whole = vec![("at", at)];
    whole.extend_from_slice(form);
    anna.post(link, &whole).await
}

/// The account, the name, the way out and the limits; ends where a domain is asked for.
pub(crate) async fn serve(world: &World, anna: &mut Visitor, link: &str) {
    anna.get(link).await.says("Say how you will sign in").says("only where an alias");
    fill(anna, link, ("account", &[("email", "anna@my.example"), ("password", "short")])).await.says("at least 12");
    let account = [("email", "anna@my.example"), ("password", "correct horse battery")];
    // The reverse name of the server's address leads back to it, and is proposed.
    fill(anna, link, ("account", &account))
        .await
        .says("What is this server called?")
        .says("value=\"gw.example\"")
        .says("192.0.2.7 has the host name as its reverse name.");
    fill(anna, link, ("host", &[("hostname", "gw")])).await.says("Write the whole name").says("value=\"gw\"");
    let look = |name| [("hostname", name), ("do", "look")];
    fill(anna, link, ("host", &look("192.0.2.1")))
        .await
        .says("is an IP address")
        .does_not_say("or the system is called");
    fill(anna, link, ("host", &look(""))).await.says("Write the whole name");
    let own = fill(anna, link, ("host", &look("mx.gw.example"))).await.says("What the DNS says of it now");
    own.does_not_say("or the system is called");
    fill(anna, link, ("host", &[("hostname", "gw.example")])).await.says("Not tried yet.");
    // What the DNS does not say proves nothing of the port.
    let dns = anna.get(&format!("{link}?at=way-out&check=1")).await;
    let port = world.inbox.address().port();
    let untried = format!("The DNS does not say where mail servers are, so port {port} could not");
    let dns = dns.says(&untried).says("<span>not found</span>");
    dns.says("dig @127.0.0.1 -p ").does_not_say("is blocked.").does_not_say("<details open>");
    // Nothing waits for it yet.
    anna.get(&format!("{link}?at=inbox")).await.does_not_say("waits until it does");
    // Nobody far away answers: the port is blocked, and there is a relay to send by.
    world.dns.mx("far.example", 10, "mx.far.example");
    world.dns.a("mx.far.example", [127, 0, 0, 77].into());
    anna.get(&format!("{link}?at=way-out&check=1"))
        .await
        .says(&format!("Port {port} is blocked."))
        .says("<details open>");
    let whole = [("host", "relay.example:465"), ("port", "465")];
    fill(anna, link, ("way-out", &whole)).await.says("its port stands beside it");
    let wrong = [("host", "relay.example"), ("port", "many")];
    fill(anna, link, ("way-out", &wrong))
        .await
        .says("id=\"e-port\"><bdi>Write a number from 1 to 65535; relays mostly listen on 587")
        .says("value=\"relay.example\"");
    let relay = [("host", "relay.example"), ("port", "465"), ("username", "me"), ("password", "the secret")];
    fill(anna, link, ("way-out", &relay)).await.says("smtps://relay.example:465").does_not_say("the secret");
    assert_eq!(std::fs::read_to_string(world.data.path().join("relay.password")).unwrap(), "the secret\n");
    fill(anna, link, ("way-out", &[("do", "none")])).await.says("Send by a relay");
    // The hoster opens the port.
    world.dns.clear("mx.far.example");
    world.dns.a("mx.far.example", [127, 0, 0, 1].into());
    anna.get(&format!("{link}?at=way-out&check=1")).await.says(&format!("Port {port} leads out.")).says(">Go on</a>");
    anna.get(&format!("{link}?at=limits")).await.says("value=\"600\"").says("0 is no limit.");
    let limits = [("limits.messages_per_alias_per_hour", "200"), ("limits.messages_per_ip_per_hour", "nine")];
    fill(anna, link, ("limits", &limits)).await.says("ust be a whole number").says("value=\"nine\"");
    let limits = [("limits.messages_per_alias_per_hour", "200"), ("limits.messages_per_ip_per_hour", "600")];
    fill(anna, link, ("limits", &limits)).await.says("Which domain is to get its mail here?");
}

#[tokio::test]
async fn the_first_run_ends_on_the_journey_of_a_message() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    Visitor::of(&world).get(&link).await.says("This gateway has an owner");

    fill(&mut anna, &link, ("domain", &[("name", "nonsense")])).await.says("a domain has a dot in it");
    fill(&mut anna, &link, ("domain", &[("name", "my.example")])).await.says("10 gw.example.").says("Go on meanwhile");
    anna.get(&link).await.says("Publish these records");
    let wanted = world.get("/v1/domains/my.example/dns").await;
    records::publish(&world, &wanted);
    anna.get(&format!("{link}?at=records&domain=my.example")).await.says("Mail does not arrive yet");
    let records = format!("{link}?at=records&domain=my.example&check=1");
    anna.get(&records).await.says("The records are as they must be.").does_not_say("data-again");
    // Back is always there, and nothing is lost by it.
    anna.get(&format!("{link}?at=domain")).await.says("Go on with <bdi>my.example</bdi>");
    anna.get(&format!("{link}?at=host")).await.says("value=\"gw.example\"");

    anna.get(&link).await.says("Where do you read your mail?");
    fill(&mut anna, &link, ("inbox", &[("address", "nobody")])).await.says("value=\"nobody\"");
    fill(&mut anna, &link, ("inbox", &[("address", "anna@inbox.example")])).await.says("has not answered yet");
    let mail = world.inbox.wait_for(1).await.remove(0);
    let place = format!("{link}?at=inbox");
    world.until("anna@inbox.example", "forwarded").await;
    anna.get(&place).await.says("250 ").says("forwarded").says("its journey");
    fill(&mut anna, &link, ("inbox", &[("address", "anna@inbox.example"), ("do", "resend")]))
        .await
        .says("less than a minute ago");
    let text = String::from_utf8(mail.octets.clone()).unwrap();
    let verify = text.lines().find_map(|line| line.strip_prefix("https://panel.gw.example")).unwrap();
    Visitor::of(&world).post(verify, &[]).await.says("This inbox is verified");
    anna.get(&place).await.says("<bdi>anna@inbox.example</bdi> is verified.");

    let first = anna.get(&link).await.says("Which address do you begin with?");
    first.says("Mail to anna@my.example reaches nobody");
    let alias = |local| [("local_part", local), ("domain", "my.example"), ("to", "anna@inbox.example")];
    fill(&mut anna, &link, ("alias", &alias("a..b"))).await.says("value=\"a..b\"");
    fill(&mut anna, &link, ("alias", &alias("shop"))).await.says("load this page again").says("shop@my.example");
    let test = format!("{link}?at=test");
    anna.get(&test).await.says("Waiting for it").says("With its arrival the set-up is complete");
    world.letter("shop@my.example").await;
    let end = anna.get(&test).await.says("Forwarded to anna@inbox.example").says("The set-up is complete: ");
    assert!(end.path.starts_with("/activity/"), "{}", end.path);
    anna.get(&link).await.says("This gateway is set up");
    world.stop().await;
}

#[tokio::test]
async fn what_was_done_is_not_asked_again_after_a_restart() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    fill(&mut anna, &link, ("domain", &[("name", "my.example")])).await.says("Publish these records");
    let world = world.restart().await;
    anna.visit(&world);
    anna.get(&link).await.says("Publish these records");
    let set = world.get("/v1/settings").await["items"].as_array().unwrap().clone();
    let of = |key: &str| set.iter().find(|setting| setting["key"] == key).unwrap()["value"].clone();
    assert_eq!((of("hostname"), of("limits.messages_per_alias_per_hour")), (json!("gw.example"), json!(200)));
    anna.post("/destinations", &[("address", "anna@inbox.example"), ("verified", "on")]).await;
    anna.get(&link).await.says("Which address do you begin with?");
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    anna.get(&link).await.says("Waiting for it");
    // From now on there is mail that could be led elsewhere.
    let relay = [("host", "relay.example"), ("port", "587")];
    fill(&mut anna, &link, ("way-out", &relay)).await.says("rite your present password").says("Present password");
    world.stop().await;
}

#[tokio::test]
async fn the_gateway_writes_the_first_message_itself_through_its_own_door() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    world.dns.txt("gw.example", "v=spf1 -all");
    world.dns.txt("_dmarc.gw.example", "v=DMARC1; p=reject");
    anna.get(&link).await.says("Let Waypost send one");
    let end = fill(&mut anna, &link, ("test", &[("alias", "shop@my.example")])).await;
    let end = end.says("Forwarded to anna@inbox.example").says("The first message of your gateway");
    let end = end.says("That others reach this server shows with the first mail from elsewhere");
    assert!(end.path.starts_with("/activity/"), "{}", end.path);
    let mail = world.inbox.wait_for(1).await.remove(0);
    assert!(String::from_utf8(mail.octets.clone()).unwrap().contains("Delivered-To: shop@my.example"));
    // Nothing vouches for it, and nothing has to.
    let end = end.says("<dt>SPF, DKIM, DMARC</dt><dd><bdi>not asked: the gateway itself wrote this message</bdi>");
    end.does_not_say("<dt>DMARC</dt>").does_not_say("<dt>SPF</dt>").does_not_say(">fail");
    for check in ["spf", "dkim", "dmarc"] {
        let stats = world.get(&format!("/v1/stats?by={check}")).await;
        assert!(!stats.to_string().contains("fail") && !stats.to_string().contains("none"), "{check}: {stats}");
    }
    anna.get("/").await.does_not_say("0 % passed");
    // The same words from somebody else are checked like all mail.
    world.send("", &["shop@my.example"], &mail_of(&mail.octets)).await;
    let stats = world.get("/v1/stats?by=dmarc").await;
    assert!(stats.to_string().contains("fail"), "{stats}");
    let gone = fill(&mut anna, &link, ("test", &[("alias", "nobody@my.example")])).await;
    gone.says("There is no alias");
    world.stop().await;
}

/// What was handed over without what was put before it, and with another name.
fn mail_of(octets: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(octets.to_vec()).unwrap();
    let begins = text.find("From: Waypost").unwrap();
    text[begins..].replace("Message-ID: <", "Message-ID: <x").into_bytes()
}

#[tokio::test]
async fn a_first_message_that_is_refused_can_be_sent_again() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    let closed = json!({ "address": "shop@my.example", "action": "reject" });
    assert_eq!(world.ask(Method::POST, "/v1/aliases", closed).await.0, 201);
    fill(&mut anna, &link, ("test", &[("alias", "shop@my.example")])).await;
    world.until("shop@my.example", "refused").await;
    let page = anna.get(&format!("{link}?at=test")).await.says("It did not get to your inbox.").says("Back</a>");
    let page = page.says("?at=inbox\">Go to the inbox</a>");
    page.says("Try again").says("Its page").says("Let Waypost send one");
    let open = json!({ "action": "forward", "destinations": ["anna@inbox.example"] });
    assert_eq!(world.ask(Method::PATCH, "/v1/aliases/shop@my.example", open).await.0, 200);
    let end = fill(&mut anna, &link, ("test", &[("alias", "shop@my.example")])).await;
    end.says("Forwarded to anna@inbox.example");
    world.stop().await;
}

/// Mail from elsewhere does not ask an inbox again that has just refused; whoever tries it does.
#[tokio::test]
async fn a_first_message_asks_an_inbox_again_that_refused_the_one_before() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    let gone = Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 no such person"));
    world.inbox.script(gone.to("anna@inbox.example"));
    let trial = ("test", &[("alias", "shop@my.example")] as &[_]);
    fill(&mut anna, &link, trial).await;
    world.until("shop@my.example", "refused").await;
    anna.get(&format!("{link}?at=test")).await.says("no such person");
    assert!(!world.letter("shop@my.example").await.is_accepted());
    let page = anna.get(&format!("{link}?at=test")).await;
    page.says("anna@inbox.example refused its mailbox in the last minutes: 550 5.1.1 no such person");
    world.inbox.behave();
    assert!(!world.letter("shop@my.example").await.is_accepted());
    fill(&mut anna, &link, trial).await.says("Forwarded to anna@inbox.example");
    world.stop().await;
}

#[tokio::test]
async fn a_pattern_on_the_last_domain_is_told_by_an_address_that_it_takes() {
    let world = world().await;
    let (mut anna, link) = (Visitor::of(&world), link(&world).await);
    serve(&world, &mut anna, &link).await;
    world.domain("your.example").await;
    fill(&mut anna, &link, ("domain", &[("name", "my.example")])).await.says("Go on meanwhile");
    let whole = fill(&mut anna, &link, ("inbox", &[("address", "@inbox.example")])).await;
    whole.says("This is a whole domain: write the address of one inbox").does_not_say("is verified");
    world.destination("@inbox.example").await;
    anna.get(&format!("{link}?at=inbox")).await.does_not_say("is verified");
    world.destination("anna@inbox.example").await;
    let page = anna.get(&format!("{link}?at=alias")).await;
    page.says("<option value=\"my.example\" selected>").says("<option value=\"your.example\">");
    let alias = |local| [("local_part", local), ("domain", "my.example"), ("to", "anna@inbox.example")];
    let odd = fill(&mut anna, &link, ("alias", &alias("a b"))).await.says("aria-invalid=\"true\"");
    odd.does_not_say("Local part:");
    let regex = fill(&mut anna, &link, ("alias", &alias("/^x$/"))).await;
    regex.says("an address that this pattern takes").says("/^x$/@my.example").does_not_say("Let Waypost send one");
    let glob = fill(&mut anna, &link, ("alias", &alias("shop-*"))).await;
    glob.says(">shop-hello@my.example<").says("Let Waypost send one");
    fill(&mut anna, &link, ("alias", &alias("*"))).await.says(">hello@my.example<").says("*@my.example</bdi> takes");
    world.stop().await;
}
