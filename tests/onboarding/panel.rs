//! The panel's pages about domains and the server, with DNS that changes under them.

use axum::http::Method;
use serde_json::Value;

use crate::records;
use crate::support::World;
use crate::visitor::Visitor;

const PASSWORD: &str = "correct horse battery";

/// The owner, signed in by a link.
pub(crate) async fn owner(world: &World) -> Visitor {
    let owner = serde_json::json!({ "email": "anna@my.example", "password": PASSWORD });
    world.patch("/v1/users/owner", owner).await;
    let (_, made) = world.ask(Method::POST, "/control/panel-link?purpose=sign-in", Value::Null).await;
    let url = made["url"].as_str().unwrap();
    let mut visitor = Visitor::of(world);
    visitor.post(&url[url.find("/sign-in/").unwrap()..], &[]).await;
    visitor
}

#[tokio::test]
async fn a_domain_s_page_follows_its_records() {
    let world = records::world().await;
    let mut anna = owner(&world).await;
    anna.post("/domains", &[("name", "my.example")])
        .await
        .says("DNS has not been asked yet.")
        .says("10 gw.example.</bdi></code>")
        .says("data-again=\"/domains/my.example?check=1\"");
    anna.get("/domains/my.example?check=1")
        .await
        .says("Mail does not arrive yet: the MX record is missing; SPF is missing; DMARC is advised and missing.")
        .says("v=spf1 mx -all");
    let wanted = world.get("/v1/domains/my.example/dns").await;
    world.dns.mx("my.example", 10, "gw.example");
    anna.get("/domains/my.example").await.says("Mail does not arrive yet");
    anna.get("/domains/my.example?check=1")
        .await
        .says("The MX record leads here; SPF is missing; DMARC is advised and missing.")
        .says("as wanted");
    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    records::publish(&world, &wanted);
    world.dns.ptr([192, 0, 2, 7].into(), "gw.example");
    anna.get("/domains/my.example?check=1").await.says("The records are as they must be.").does_not_say("data-again");
    anna.get("/domains").await.says("The records are as they must be.");
    let zone = anna.get("/domains/my.example/zone").await.text;
    assert!(zone.starts_with("my.example.\tIN\tMX\t10 gw.example.\n"), "{zone}");
    assert!(
        zone.contains("my.example.\tIN\tTXT\t\"v=spf1 ") && zone.contains("_dmarc.my.example.\tIN\tTXT\t"),
        "{zone}"
    );

    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.mx("my.example", 10, "mx.elsewhere.example");
    world.dns.txt("my.example", "v=spf1 <script>alert(1)</script> -all");
    anna.get("/domains/my.example?check=1").await.says("the MX record leads elsewhere").does_not_say("<script>alert");
    world.stop().await;
}

/// However well an alias leads on: as long as its domain's mail goes elsewhere, none comes for it.
#[tokio::test]
async fn a_new_alias_is_not_ready_where_the_mail_of_its_domain_does_not_come_here() {
    let world = records::world().await;
    let mut anna = owner(&world).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    let form = |local| [("local_part", local), ("domain", "my.example"), ("destination", "anna@inbox.example")];
    anna.post("/aliases", &form("before")).await.says("before@my.example is ready to receive mail.");
    anna.get("/domains/my.example?check=1").await.says("the MX record is missing");
    let missing = "is made, but no mail comes for it yet: There is no MX record: no mail for this domain comes here.";
    anna.post("/aliases", &form("shop")).await.says(missing).does_not_say("is ready to receive mail");
    world.dns.mx("my.example", 10, "mx.elsewhere.example");
    anna.get("/domains/my.example?check=1").await.says("the MX record leads elsewhere");
    let elsewhere = "yet: Mail goes to mx.elsewhere.example and not to this gateway.";
    anna.post("/aliases", &form("news")).await.says(elsewhere);
    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    world.dns.mx("my.example", 10, "gw.example");
    anna.get("/domains/my.example?check=1").await.says("The MX record leads here");
    anna.post("/aliases", &form("post")).await.says("post@my.example is ready to receive mail.");
    world.stop().await;
}

/// What DNS said is shown as said, however little could be told from it.
#[tokio::test]
async fn a_record_that_was_answered_and_cannot_be_judged_is_not_said_to_have_no_answer() {
    let world = records::world().await;
    let mut anna = owner(&world).await;
    world.domain("my.example").await;
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 include:spf.provider.example -all");
    world.dns.fail("spf.provider.example", waypost::demo::dns::Failure::ServFail);
    let page = anna.get("/domains/my.example?check=1").await;
    let page = page.says("Whether it lets our addresses pass could not be told: DNS did not say.");
    let page = page.says("<bdi>v=spf1 include:spf.provider.example -all</bdi>").says("<span>cannot tell</span>");
    let spf = page.text.split("class=\"record\"").find(|row| row.contains("include:spf")).unwrap();
    assert!(!spf.contains("no answer"), "{spf}");
    world.stop().await;
}

#[tokio::test]
async fn domains_are_added_by_the_dozen_and_each_says_what_goes_with_it() {
    let world = records::world().await;
    let mut anna = owner(&world).await;
    anna.post("/domains", &[("name", ""), ("names", "a.example\r\nb..example")])
        .await
        .says("<textarea")
        .says("a.example\r\nb..example");
    anna.post("/domains", &[("names", "a.example\r\nb.example, c.example")]).await.says("3 domains are added.");
    world.destination("anna@inbox.example").await;
    for n in 0..7 {
        world.alias(&format!("shop{n}@a.example"), &["anna@inbox.example"]).await;
    }
    anna.get("/domains/a.example").await.says("With it go 7 aliases (").says(" and others)");
    anna.get("/domains/b.example").await.says("It has no aliases.");
    let mirror = [("mirror_of", "a.example"), ("subaddressing", "on"), ("dmarc", "observe"), ("tls", "require")];
    anna.post("/domains/b.example", &mirror).await.says("Saved: it counts").says("value=\"a.example\"");
    let set = world.get("/v1/domains/b.example").await;
    assert_eq!((&set["mirror_of"], &set["policy"]["dmarc"]), (&"a.example".into(), &"observe".into()));
    anna.post("/domains/b.example", &[("dmarc", ""), ("tls", "")]).await.says("Saved");
    assert_eq!(world.get("/v1/domains/b.example").await["policy"], serde_json::json!({}));
    anna.post("/domains/a.example/remove", &[]).await.says("has the mirrors b.example").says("Remove this domain");
    anna.post("/domains/c.example", &[("contact", "nobody@nowhere.example")]).await.says("add it first");
    anna.post("/domains/c.example/remove", &[]).await.says("Removed, with its aliases.");
    world.stop().await;
}

#[tokio::test]
async fn the_server_is_set_in_place_and_what_could_lead_mail_elsewhere_takes_the_password() {
    let world = World::bare_with(&[("POLICY__DKIM", "off")], |_, _| {}).await;
    let mut anna = owner(&world).await;
    anna.get("/settings/server")
        .await
        .says("set by the environment: WAYPOST_POLICY__DKIM")
        .says("set by the environment: WAYPOST_HOSTNAME")
        .does_not_say("name=\"hostname\"")
        .says("name=\"policy.spf\"");
    anna.post("/settings/server", &[("policy.spf", "enforce"), ("policy.greylist", "false")])
        .await
        .says("Saved: it counts from now on.")
        .says("<code>policy.spf</code> <bdi>is set here</bdi>.");
    let set = async |key: &str| {
        let all = world.get("/v1/settings").await["items"].as_array().unwrap().clone();
        all.into_iter().find(|setting| setting["key"] == key).unwrap()
    };
    assert_eq!(
        (set("policy.spf").await["value"].clone(), set("policy.greylist").await["place"].clone()),
        ("enforce".into(), "default".into())
    );
    anna.post("/settings/server", &[("policy.spf", "off"), ("reset", "policy.spf")]).await.says("Saved");
    assert_eq!(set("policy.spf").await["place"], "default");
    anna.post("/settings/server", &[("limits.messages_per_ip_per_hour", "many")])
        .await
        .says("Must be a whole number from 0.")
        .says("value=\"many\"");
    anna.post("/settings/server", &[("limits.messages_per_ip_per_hour", "-1")])
        .await
        .says("Must be a whole number from 0.");
    anna.post("/settings/server", &[("log.retention", "60d")]).await.says("counts when Waypost is started again");

    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    let relay = [
        ("delivery.relay", "smtp://relay.example"),
        ("delivery.relay_username", "me"),
        ("delivery.relay_password", "the secret of the relay"),
    ];
    let refused = anna.post("/settings/server", &relay).await.says("Write your present password.");
    assert_eq!((refused.status, set("delivery.relay").await["value"].clone()), (422, "".into()));
    let nameless = [relay[0], relay[1], ("current_password", PASSWORD)];
    anna.post("/settings/server", &nameless).await.says("Write the password that goes with the name.");
    let whole = [relay[0], relay[1], relay[2], ("current_password", PASSWORD)];
    anna.post("/settings/server", &whole).await.says("Saved").does_not_say("the secret of the relay");
    let file = std::fs::read_to_string(world.data.path().join("relay.password")).unwrap();
    assert_eq!(file, "the secret of the relay\n");
    let audit = world.get("/v1/audit").await.to_string();
    assert!(audit.contains("delivery.relay_password") && !audit.contains("the secret"), "{audit}");
    anna.post(
        "/settings/server",
        &[("delivery.relay", ""), ("delivery.relay_username", ""), ("current_password", PASSWORD)],
    )
    .await
    .says("Saved");
    assert!(!world.data.path().join("relay.password").exists());
    world.stop().await;
}

/// The doctor asks DNS, and so does the clock: what either found is what every page shows.
#[tokio::test]
async fn what_the_doctor_saw_of_the_records_is_shown_wherever_they_stand() {
    let world = records::world().await;
    world.domain("my.example").await;
    let mut anna = owner(&world).await;
    let pages = ["/domains/my.example", "/setup/go-on?at=records&domain=my.example"];
    for page in pages {
        anna.get(page).await.says("DNS has not been asked yet.").says("not asked yet");
    }
    world.get("/v1/doctor").await;
    for page in pages {
        anna.get(page)
            .await
            .says("Mail does not arrive yet: the MX record is missing; SPF is missing; DMARC is advised and missing.")
            .says("<span>missing</span>")
            .does_not_say("not asked yet");
    }
    // Nothing is kept over a restart but what was wrong.
    let world = world.restart().await;
    anna.visit(&world);
    for page in pages {
        anna.get(page)
            .await
            .says("Some records differed when DNS was asked last: MX of my.example, TXT of my.example.")
            .says("<span>differed then</span>")
            .does_not_say("not asked yet");
    }
    let wanted = world.get("/v1/domains/my.example/dns").await;
    records::publish(&world, &wanted);
    anna.get("/domains/my.example?check=1").await.says("The records are as they must be.");
    let world = world.restart().await;
    anna.visit(&world);
    for page in pages {
        anna.get(page)
            .await
            .says("All records were found when DNS was asked last.")
            .says("<span>not asked since the start</span>")
            .does_not_say("not asked yet");
    }
    world.stop().await;
}

#[tokio::test]
async fn what_is_mended_is_gone_from_the_overview_when_somebody_looks_again() {
    let world = records::world().await;
    world.dns.mx("my.example", 5, "mx.old.example");
    world.dns.mx("my.example", 10, "gw.example");
    let mut anna = owner(&world).await;
    anna.post("/domains", &[("name", "my.example")]).await;
    anna.get("/domains/my.example?check=1")
        .await
        .says("Other hosts take mail too: their MX records have to go")
        .says("Senders turn to mx.old.example before they turn to this gateway.")
        .says("others take mail too");
    let (old, button) = ("mx.old.example", ">Look again</button>");
    anna.post("/", &[]).await.says("The gateway was looked at just now, and up to 20 of its domains.");
    anna.get("/")
        .await
        .says("Some DNS records of my.example are not as they should be.")
        .says(button)
        .does_not_say("looked at just now");

    let wanted = world.get("/v1/domains/my.example/dns").await;
    world.dns.clear("my.example");
    world.dns.ns("my.example", "ns1.my.example");
    records::publish(&world, &wanted);
    anna.get("/").await.says(old);
    anna.post("/", &[]).await.does_not_say(old);
}
