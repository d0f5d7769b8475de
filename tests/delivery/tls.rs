//! TLS by its policy: opportunistic falls back and says so, demanded defers, plain text behind the 220 never counts.

use waypost::delivery::Report;
use waypost::demo::inbox::{Behaviour, Extensions, Rule, Stage, StartTls};
use waypost::policy::settings::TlsPolicy;

use crate::world::{World, parcel, words};

async fn world(offer: StartTls) -> World {
    let world = World::new().await;
    world.inbox.offer(Extensions { starttls: offer, ..Extensions::default() });
    world
}

async fn demand(world: &World) -> Report {
    let mut parcel = parcel(&["me@inbox.example"]);
    parcel.tls = TlsPolicy::Require;
    world.direct(parcel).await
}

#[tokio::test]
async fn tls_is_used_where_offered_and_the_log_says_that_the_certificate_does_not_verify() {
    let world = world(StartTls::SelfSigned).await;
    for _ in 0..2 {
        let report = world.send("me@inbox.example").await;
        assert_eq!(words(&report), ["delivered 250"]);
        let tls = report.attempts[0].1.tls.clone().unwrap();
        assert_eq!((tls.version.as_str(), tls.verified), ("TLSv1_3", Some(false)));
        assert_eq!(report.attempts[0].1.note, None);
    }
    assert!(world.inbox.received().iter().all(|delivery| delivery.tls));
    assert_eq!(world.inbox.connections(), 1, "reused inside TLS");
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn broken_tls_goes_without_on_a_new_connection_and_is_noted() {
    let worlds = [
        world(StartTls::BrokenHandshake).await,
        world(StartTls::Injecting(b"250 injected\r\n".to_vec())).await,
        world(StartTls::SelfSigned).await,
        world(StartTls::SelfSigned).await,
    ];
    worlds[2].inbox.script(Rule::at(Stage::StartTls, Behaviour::reply("454 4.7.0 no key")));
    worlds[3].inbox.script(Rule::at(Stage::Handshake, Behaviour::Drop));
    for world in worlds {
        let report = world.send("me@inbox.example").await;
        assert_eq!(words(&report), ["delivered 250"]);
        let row = &report.attempts[0].1;
        assert_eq!(row.tls, None);
        assert!(row.note.as_deref().unwrap().starts_with("sent without TLS: "), "{:?}", row.note);
        let got = world.inbox.received();
        assert_eq!((got[0].tls, got[0].connection), (false, 2));
    }
}

#[tokio::test]
async fn demanded_tls_defers_where_it_is_missing_or_broken() {
    for offer in [StartTls::None, StartTls::BrokenHandshake, StartTls::Injecting(b"250 injected\r\n".to_vec())] {
        let world = world(offer.clone()).await;
        assert_eq!(words(&demand(&world).await), ["deferred at Tls of the site"], "{offer:?}");
        assert!(world.inbox.received().is_empty());
    }
    let world = world(StartTls::SelfSigned).await;
    assert_eq!(words(&demand(&world).await), ["delivered 250"]);
}

/// A warm connection without TLS is not good enough for mail that demands it.
#[tokio::test]
async fn a_plain_connection_is_not_reused_for_mail_that_demands_tls() {
    let world = world(StartTls::None).await;
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
    world.inbox.offer(Extensions { starttls: StartTls::SelfSigned, ..Extensions::default() });
    assert_eq!(words(&demand(&world).await), ["delivered 250"]);
    assert!(world.inbox.received()[1].tls);
}

/// Sign-in and `smtps://` want a certificate that verifies; a self-signed one defers, and no password is sent.
#[tokio::test]
async fn credentials_go_only_where_the_certificate_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let away = world(StartTls::SelfSigned).await;
    let hop = crate::world::next_hop(&away.inbox);
    let signing = World::with(|wishes| {
        wishes.settings.relay = Some(hop);
        wishes.settings.relay_sign_in = Some(("me".to_owned(), file.clone()));
    })
    .await;
    assert_eq!(words(&signing.send("me@anywhere.example").await), ["deferred at Tls of the site"]);
    assert!(away.inbox.commands().iter().all(|(_, line)| !line.starts_with("AUTH")));
    for offer in [StartTls::None, StartTls::Injecting(b"235 welcome\r\n".to_vec()), StartTls::BrokenHandshake] {
        let relay = world(offer.clone()).await;
        let others = vec!["AUTH PLAIN LOGIN".to_owned()];
        relay.inbox.offer(Extensions { starttls: offer.clone(), others, ..Extensions::default() });
        let hop = crate::world::next_hop(&relay.inbox);
        let signing = World::with(|wishes| {
            wishes.settings.relay = Some(hop);
            wishes.settings.relay_sign_in = Some(("me".to_owned(), file.clone()));
        })
        .await;
        assert_eq!(words(&signing.send("me@anywhere.example").await), ["deferred at Tls of the site"], "{offer:?}");
        assert!(relay.inbox.commands().iter().all(|(_, line)| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
    }
}
