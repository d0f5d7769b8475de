//! An inbox that is mistyped is doubted by its shape or by the DNS, and added all the same by whoever is sure.

use waypost::demo::dns::Failure;

use crate::first_run;
use crate::panel::owner;
use crate::support::World;
use crate::visitor::{Seen, Visitor};

async fn add(anna: &mut Visitor, address: &str, more: &[(&str, &str)]) -> Seen {
    let form = [&[("address", address), ("verified", "on")], more].concat();
    anna.post("/destinations", &form).await
}

#[tokio::test]
async fn an_inbox_whose_domain_can_take_no_mail_has_to_be_said_twice() {
    let world = World::bare(&[]).await;
    let mut anna = owner(&world).await;
    world.dns.null_mx("null.example");
    world.dns.txt("text.example", "no mail here");
    world.dns.fail("broken.example", Failure::ServFail);
    world.dns.a("bare.example", [127, 0, 0, 1].into());
    for (domain, why) in [
        ("inbox", "“inbox” has no dot in it"),
        ("gmial.example", "“gmial.example” is no domain that the DNS knows: mail for me@gmial.example would hardly"),
        ("null.example", "“null.example” takes no mail"),
        ("text.example", "“text.example” has neither an MX record nor an address"),
    ] {
        let address = format!("me@{domain}");
        let page = add(&mut anna, &address, &[]).await.says(why).says(&format!("value=\"{address}\""));
        assert_eq!(page.status, 422);
        page.says("Add it all the same").says("name=\"verified\" checked").does_not_say("can be used now");
        // Who corrects it meanwhile has said nothing twice.
        add(&mut anna, &address, &[("sure", "me@other.example")]).await.says(why);
        add(&mut anna, &address, &[("sure", &address)]).await.says("can be used now");
    }
    for domain in ["broken.example", "bare.example", "inbox.example"] {
        add(&mut anna, &format!("me@{domain}"), &[]).await.says("can be used now");
    }
    add(&mut anna, "@gmial.example", &[]).await.says("is no domain that the DNS knows");
    add(&mut anna, "nobody", &[]).await.says("is not an address").does_not_say("all the same");
    world.stop().await;
}

#[tokio::test]
async fn by_a_route_only_the_shape_is_doubted_and_on_own_domains_what_no_alias_leads_on() {
    let world = World::bare(&[("DELIVERY__ROUTES", "corp.example=smtp://127.0.0.1:2599")]).await;
    let mut anna = owner(&world).await;
    add(&mut anna, "me@corp.example", &[]).await.says("can be used now");
    add(&mut anna, "me@inbox", &[]).await.says("has no dot in it");
    world.stop().await;
    let world = World::bare(&[]).await;
    let mut anna = owner(&world).await;
    world.domain("my.example").await;
    add(&mut anna, "me@my.example", &[]).await.says("no alias leads on from there").says("Add it all the same");
    world.destination("anna@inbox.example").await;
    world.alias("me@my.example", &["anna@inbox.example"]).await;
    add(&mut anna, "me@my.example", &[]).await.says("can be used now");
    world.stop().await;
}

/// A relay looks domains up as anybody does. What lies in its own network it may know alone.
#[tokio::test]
async fn by_a_relay_the_dns_counts_but_for_names_of_its_network() {
    let world = World::bare(&[("DELIVERY__RELAY", "smtp://127.0.0.1:2599")]).await;
    let mut anna = owner(&world).await;
    world.dns.txt("example", "a top of the public DNS");
    world.dns.null_mx("null.local");
    add(&mut anna, "me@gmial.example", &[]).await.says("“gmial.example” is no domain that the DNS knows");
    add(&mut anna, "me@corp.internal", &[]).await.says("can be used now");
    add(&mut anna, "me@null.local", &[]).await.says("“null.local” takes no mail");
    world.stop().await;
}

#[tokio::test]
async fn an_inbox_that_the_first_run_got_wrong_is_corrected_there() {
    let world = first_run::world().await;
    let (mut anna, link) = (Visitor::of(&world), first_run::link(&world).await);
    first_run::serve(&world, &mut anna, &link).await;
    let wrong = [("address", "anna@inbox")];
    let page = first_run::fill(&mut anna, &link, ("inbox", &wrong)).await.says("“inbox” has no dot in it");
    page.says("value=\"anna@inbox\"").says("Add it all the same").does_not_say("has not answered yet");
    let sure = [("address", "anna@gmial.example"), ("sure", "anna@gmial.example")];
    first_run::fill(&mut anna, &link, ("inbox", &sure)).await.says("<bdi>anna@gmial.example</bdi> has not answered");
    let remove = [("address", "anna@gmial.example"), ("do", "remove")];
    let page = first_run::fill(&mut anna, &link, ("inbox", &remove)).await.says("Where do you read your mail?");
    page.does_not_say("gmial.example");
    first_run::fill(&mut anna, &link, ("inbox", &[("address", "anna@inbox.example")])).await.says("has not answered");
    world.domain("my.example").await;
    world.destination("other@inbox.example").await;
    world.alias("shop@my.example", &["other@inbox.example"]).await;
    let used = [("address", "other@inbox.example"), ("do", "remove")];
    first_run::fill(&mut anna, &link, ("inbox", &used)).await.says("other@inbox.example is not removed: ");
    world.stop().await;
}

/// A mail with a link would be sent there, and nobody would press its button.
#[tokio::test]
async fn a_mistyped_inbox_is_doubted_where_aliases_are_led_there() {
    let world = World::bare(&[("HTTP__PUBLIC_URL", "https://panel.gw.example")]).await;
    let mut anna = owner(&world).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    let why = "“gmial.example” is no domain that the DNS knows: mail for me@gmial.example would hardly";
    let shop = |to| [("local_part", "shop"), ("domain", "my.example"), ("destination", to)];
    let page = anna.post("/aliases", &shop("anna@inbox.example, me@gmial.example")).await.says(why);
    assert_eq!(page.status, 422);
    page.says("Create it all the same").says("value=\"shop\"").does_not_say("is made");
    let random = [("domain", "my.example"), ("destination", "me@gmial.example")];
    anna.post("/aliases/random", &random).await.says(why).says("formaction=\"/aliases/random\" name=\"sure\"");
    assert_eq!(world.get("/v1/aliases").await["items"].as_array().unwrap().len(), 0);
    anna.post("/aliases", &shop("anna@inbox.example")).await.says("shop@my.example is ");
    let row = world.get("/v1/aliases/shop@my.example").await;
    let (id, place) = (row["id"].as_str().unwrap(), format!("/aliases/{}", row["id"].as_str().unwrap()));
    let page = anna.post(&place, &[("destinations", "me@gmial.example")]).await.says(why);
    assert_eq!(page.status, 422);
    page.says("Save it all the same").says("me@gmial.example</textarea>");
    let bulk = [("id", id), ("what", "send"), ("to", "me@gmial.example"), ("back", "/aliases")];
    let page = anna.post("/aliases/many", &bulk).await.says(why);
    assert_eq!(page.status, 422);
    page.says("Send there all the same").says("value=\"me@gmial.example\"");
    let row = world.get("/v1/aliases/shop@my.example").await;
    assert_eq!(row["destinations"][0], "anna@inbox.example", "nothing was led elsewhere");

    let sure = [("sure", "me@gmial.example")];
    anna.post("/aliases/many", &[&bulk[..], &sure].concat()).await.says("me@gmial.example is not verified");
    world.until("me@gmial.example", "failed").await;
    let failed = "The mail that asks it failed";
    anna.get(&place).await.says(failed).does_not_say("A mail with a link was sent there");
    // Whoever has said it once has said it.
    let more = [("local_part", "more"), ("domain", "my.example"), ("destination", "me@gmial.example")];
    anna.post("/aliases", &more).await.says("more@my.example is made, but").says("the mail that asks it failed");
    let last = [("local_part", "last"), ("domain", "my.example"), ("destination", "me@gnial.example")];
    let sure = [("sure", "me@gnial.example")];
    anna.post("/aliases", &[&last[..], &sure].concat()).await.says("last@my.example is made, but");
    world.stop().await;
}
