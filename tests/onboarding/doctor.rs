//! The doctor over real sockets: faults that are planted in DNS, on ports and in the log are found, and found no more once
//! they are mended.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use waypost::demo::dns::{Dns, Failure};
use waypost::demo::sender::Sender;

use crate::panel::owner;
use crate::support::{LETTER, World};

/// A gateway about which the doctor has nothing to say but that its certificate is self-signed and port 25 is elsewhere.
async fn world() -> World {
    world_with(&[], |_, _| {}).await
}

async fn world_with(settings: &[(&str, &str)], change: impl FnOnce(&mut waypost::config::Config, &Dns)) -> World {
    let world = World::bare_with(settings, |config, dns| {
        config.outside.probes.dns_port = dns.address().port();
        config.outside.probes.far_domains = vec!["inbox.example".to_owned()];
        config.outside.probes.time_server = ("127.0.0.1".to_owned(), 9);
        config.outside.probes.lists = vec!["list.example".to_owned()];
        change(config, dns);
    })
    .await;
    world.dns.a("gw.example", [192, 0, 2, 7].into());
    world.dns.ptr([192, 0, 2, 7].into(), "gw.example");
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 mx -all");
    world.dns.txt("_dmarc.my.example", "v=DMARC1; p=none");
    world.domain("my.example").await;
    world
}

/// The words of what is found, but for what is always there in a test.
async fn found(world: &World) -> Vec<String> {
    let checkup = world.get("/v1/doctor").await;
    let always = ["certificate_self_signed", "not_on_port_25", "port_taken"];
    let ids = checkup["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap().to_owned());
    ids.filter(|id| !always.contains(&id.as_str())).collect()
}

#[tokio::test]
async fn a_sound_gateway_is_sound_and_says_what_it_cannot_prove() {
    let world = world().await;
    assert_eq!(found(&world).await, Vec::<String>::new());
    let checkup = world.get("/v1/doctor").await;
    assert_eq!(checkup["last_mail"], Value::Null);
    world.reload_with(&[("DELIVERY__ALLOW_PRIVATE", "false")]).await;
    let checkup = world.get("/v1/doctor").await;
    let unproven = checkup["unproven"][0].as_str().unwrap();
    assert!(unproven.contains("no mail has come from outside yet. Write to postmaster@my.example"), "{unproven}");
    world.stop().await;
}

#[tokio::test]
async fn a_laboratory_is_not_taken_for_the_outside() {
    let world = world_with(&[("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.0/8")], |_, _| {}).await;
    world.destination("@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    let letter = async |header: &[u8]| {
        let mut sender = Sender::connect_behind(world.smtp(), header, "mail.sender.example").await.unwrap();
        sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap();
    };
    letter(b"PROXY UNKNOWN\r\n").await;
    let checkup = world.get("/v1/doctor").await;
    let unproven = checkup["unproven"][0].as_str().unwrap();
    assert!(unproven.contains("cannot be judged from here. delivery.allow_private is on"), "{unproven}");
    assert_eq!(checkup["last_mail"], Value::Null, "who came from this machine came from nowhere");

    letter(b"PROXY TCP4 198.41.0.9 198.41.0.4 4711 25\r\n").await;
    let checkup = world.get("/v1/doctor").await;
    assert_eq!(checkup["last_mail"]["client"], "198.41.0.9");
    assert_eq!(checkup["last_mail"]["sender"], "ann@sender.example");
    world.stop().await;
}

#[tokio::test]
async fn faults_in_dns_are_found_and_mended() {
    let world = world().await;
    let dns = &world.dns;
    let reverse = "7.2.0.192.in-addr.arpa";
    let records = |txt: &[&str], mx: &str| {
        dns.clear("my.example");
        txt.iter().for_each(|text| dns.txt("my.example", text));
        dns.mx("my.example", 10, mx);
    };
    let spf = "v=spf1 mx -all";
    dns.clear(reverse);
    assert_eq!(found(&world).await, ["ptr_missing"]);
    let since = async || {
        let checkup = world.get("/v1/doctor").await;
        let finding = checkup["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "ptr_missing");
        finding.unwrap()["since"].as_str().unwrap().to_owned()
    };
    assert_eq!(since().await, since().await, "it stands since it was seen first");
    dns.ptr([192, 0, 2, 7].into(), "wrong.example");
    assert_eq!(found(&world).await, ["ptr_wrong"]);
    dns.clear(reverse);
    dns.ptr([192, 0, 2, 7].into(), "gw.example");

    records(&[], "gw.example");
    assert_eq!(found(&world).await, ["spf_missing"]);
    records(&[spf, "v=spf1 a -all"], "gw.example");
    assert_eq!(found(&world).await, ["spf_doubled"]);
    let long = (0..11).map(|n| format!("a:h{n}.example ")).collect::<String>();
    records(&[&format!("v=spf1 mx {long}-all")], "gw.example");
    assert_eq!(found(&world).await, ["spf_lookups"]);
    records(&["v=spf1 ip4:192.0.2.7 -all"], "mx.elsewhere.example");
    assert_eq!(found(&world).await, ["mx_elsewhere"]);
    dns.clear("my.example");
    dns.txt("my.example", "v=spf1 ip4:192.0.2.7 -all");
    dns.null_mx("my.example");
    assert_eq!(found(&world).await, ["null_mx"]);
    records(&[spf], "gw.example");

    dns.a("7.2.0.192.list.example", [127, 0, 0, 2].into());
    dns.txt("7.2.0.192.list.example", "Sent spam");
    assert_eq!(found(&world).await, ["address_listed"]);
    dns.clear("7.2.0.192.list.example");
    dns.a("7.2.0.192.list.example", [127, 255, 255, 254].into());
    assert_eq!(found(&world).await, ["resolver_refused_by_lists"]);
    dns.clear("7.2.0.192.list.example");

    dns.aaaa("gw.example", "2001:db8::7".parse().unwrap());
    assert_eq!(found(&world).await, ["ipv6_without_ptr"]);
    world.stop().await;
}

/// Of more domains than are looked at, those come first of which there is something to find.
#[tokio::test]
async fn of_many_domains_those_that_drift_are_looked_at_first() {
    let world = world().await;
    let right = |name: &str| {
        world.dns.mx(name, 10, "gw.example");
        world.dns.txt(name, "v=spf1 mx -all");
        world.dns.txt(&format!("_dmarc.{name}"), "v=DMARC1; p=none");
    };
    for number in 10..30 {
        let name = format!("a{number}.example");
        right(&name);
        world.domain(&name).await;
    }
    world.domain("z.example").await;
    world.get("/v1/domains/z.example/dns").await;
    right("z.example");
    assert_eq!(found(&world).await, Vec::<String>::new());
    world.stop().await;
}

/// A list of domains that does not serve our resolver lists nobody, whatever is asked; that nobody hears of but here.
#[tokio::test]
async fn a_list_of_domains_that_does_not_answer_us_or_has_our_name_is_found() {
    let world = world_with(&[("POLICY__DNS_LISTS", "domain:dbl.example")], |_, _| {}).await;
    assert_eq!(found(&world).await, Vec::<String>::new());
    let ours = "gw.example.dbl.example";
    world.dns.a(ours, [127, 255, 255, 254].into());
    assert_eq!(found(&world).await, ["resolver_refused_by_lists"]);
    let checkup = world.get("/v1/doctor").await;
    let findings = checkup["findings"].as_array().unwrap().iter();
    let whose: Vec<_> = findings.filter(|finding| finding["id"] == "resolver_refused_by_lists").collect();
    assert_eq!(whose[0]["subject"], "domain:dbl.example");
    world.dns.clear(ours);
    world.dns.a(ours, [127, 0, 1, 2].into());
    assert_eq!(found(&world).await, ["name_listed"]);
    world.dns.clear(ours);
    world.dns.fail(ours, Failure::ServFail);
    let checkup = world.get("/v1/doctor").await;
    let unknown = checkup["unknown"].to_string();
    assert!(unknown.contains("Whether gw.example is on the list domain:dbl.example: "), "{unknown}");
    world.stop().await;
}

#[tokio::test]
async fn a_blocked_way_out_is_found() {
    let world = world_with(&[], |config, _| config.outside.leaving.port = 9).await;
    assert_eq!(found(&world).await, ["port_25_out_blocked"]);
    world.stop().await;
}

#[tokio::test]
async fn the_way_out_is_looked_at_as_it_is_set_now() {
    let world = world().await;
    assert_eq!(found(&world).await, [""; 0]);
    world.reload_with(&[("DELIVERY__PORT", "9")]).await;
    assert_eq!(found(&world).await, ["port_25_out_blocked"]);
    world.reload_with(&[("DELIVERY__SOURCE_ADDRESSES", "127.0.0.9")]).await;
    assert!(found(&world).await.contains(&"address_differs".to_owned()));
    world.reload_with(&[("DELIVERY__ALLOW_PRIVATE", "false")]).await;
    assert_eq!(found(&world).await, ["dns_does_not_answer"], "the mail servers are within our network");
    world.stop().await;
}

#[tokio::test]
async fn a_dns_that_does_not_answer_is_no_blocked_way_out() {
    let world = world().await;
    world.dns.fail("inbox.example", Failure::ServFail);
    assert_eq!(found(&world).await, ["dns_does_not_answer"]);
    world.stop().await;
}

/// The same words in all places, which name the server that is asked and the port that is called.
#[tokio::test]
async fn advice_on_the_way_out_is_of_what_is_set_and_a_try_that_leads_out_settles_it() {
    let world = world().await;
    let mut anna = owner(&world).await;
    let (way_out, port) = ("/setup/go-on?at=way-out&check=1", world.inbox.address().port());
    world.dns.fail("inbox.example", Failure::ServFail);
    let checkup = world.get("/v1/doctor").await;
    let found = checkup["findings"].as_array().unwrap().iter().find(|one| one["id"] == "dns_does_not_answer").unwrap();
    let remedy = found["remedy"].as_str().unwrap();
    let advice = format!(
        "Try “dig @127.0.0.1 -p {} gmail.com MX” on this machine. If it has no answer either, correct dns.servers in \
         WAYPOST_DNS__SERVERS, before mail comes: ",
        world.dns.address().port()
    );
    assert!(remedy.starts_with(&advice), "{remedy}");
    anna.get("/").await.says(remedy);
    anna.get(way_out).await.says(remedy).says(&format!("so port {port} could not be tried."));
    world.dns.recover("inbox.example");
    anna.get(way_out).await.says(&format!("Port {port} leads out."));
    anna.get("/").await.does_not_say("The DNS does not say where mail servers are");
    world.reload_with(&[("DELIVERY__PORT", "9")]).await;
    let checkup = world.get("/v1/doctor").await.to_string();
    assert!(
        checkup.contains("No mail server could be reached on port 9 (") && checkup.contains("open port 9 outwards")
    );
    anna.get(way_out).await.says("Port 9 is blocked.").says("open port 9 outwards");
    world.stop().await;
}

#[tokio::test]
async fn one_private_address_for_all_clients_is_found() {
    let world = world().await;
    for _ in 0..10 {
        let _ = world.send("ann@sender.example", &["nobody@my.example"], b"Subject: x\r\n\r\nx\r\n").await;
    }
    assert_eq!(found(&world).await, ["clients_hidden"]);
    world.stop().await;
}

/// A time server that is an hour behind.
#[tokio::test]
async fn a_clock_that_is_off_is_found() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut message = [0; 48];
        loop {
            let (_, peer) = socket.recv_from(&mut message).await.unwrap();
            let asked = u64::from_be_bytes(message[40..].try_into().unwrap());
            let earlier = asked - (3600 << 32);
            let mut answer = [0; 48];
            answer[0] = 0b0010_0100;
            answer[1] = 2;
            answer[24..32].copy_from_slice(&message[40..]);
            answer[32..40].copy_from_slice(&earlier.to_be_bytes());
            answer[40..].copy_from_slice(&earlier.to_be_bytes());
            socket.send_to(&answer, peer).await.unwrap();
        }
    });
    let time = ("127.0.0.1".to_owned(), port);
    let world = world_with(&[], |config, _| config.outside.probes.time_server = time).await;
    assert_eq!(found(&world).await, ["clock_off"]);
    let checkup = world.get("/v1/doctor").await;
    let what = checkup["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("3600 s ahead") || what.contains("3599 s ahead"), "{what}");
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_that_expired_or_names_another_host_is_found() {
    let files = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let write = |names: &[&str], until: (i32, u8, u8)| {
        let mut params =
            rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(files.path().join("chain.pem"), certificate.pem()).unwrap();
        std::fs::write(files.path().join("key.pem"), key.serialize_pem()).unwrap();
    };
    write(&["gw.example"], (2020, 1, 1));
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let settings = [("SMTP__TLS_CERTIFICATE", path("chain.pem")), ("SMTP__TLS_KEY", path("key.pem"))];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let world = world_with(&settings, |_, _| {}).await;
    assert_eq!(found(&world).await, ["certificate_expired"]);
    write(&["other.example"], (2090, 1, 1));
    world.reload_with(&[]).await;
    assert_eq!(found(&world).await, ["certificate_wrong_name"]);
    write(&["gw.example"], (2090, 1, 1));
    world.reload_with(&[]).await;
    assert_eq!(found(&world).await, Vec::<String>::new());
    world.stop().await;
}

#[tokio::test]
async fn a_domain_alone_is_asked_for_and_must_be_there() {
    let world = world().await;
    world.domain("other.example").await;
    let all = found(&world).await;
    assert_eq!(all, ["mx_missing", "spf_missing", "dmarc_missing"]);
    let one = world.get("/v1/doctor?domain=my.example").await;
    let about = one["findings"].as_array().unwrap().iter().filter(|finding| finding["subject"] == "other.example");
    assert_eq!(about.count(), 0);
    let (status, _) = world.ask(Method::GET, "/v1/doctor?domain=no.example", json!(null)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    world.stop().await;
}

/// Lays a policy at mta-sts.my.example: its server, and the file of whom to believe.
async fn policy_server(policy: &'static str) -> (u16, tempfile::TempDir) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let made = rcgen::generate_simple_self_signed(vec!["mta-sts.my.example".to_owned()]).unwrap();
    let roots = tempfile::tempdir().unwrap();
    std::fs::write(roots.path().join("root.pem"), made.cert.pem()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let asked = String::from_utf8_lossy(&request[..read]).into_owned();
            let found = asked.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n");
            let status = if found { "200 OK" } else { "404 Not Found" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{policy}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, roots)
}

async fn world_with_policy(policy: &'static str, settings: &[(&str, &str)]) -> (World, tempfile::TempDir) {
    let (port, roots) = policy_server(policy).await;
    let root = roots.path().join("root.pem");
    let world = world_with(settings, |config, _| {
        config.outside.probes.policy_port = Some(port);
        config.outside.probes.policy_roots = Some(root);
    })
    .await;
    world.dns.a("mta-sts.my.example", [127, 0, 0, 1].into());
    (world, roots)
}

async fn mta_sts(world: &World) -> (Value, String) {
    let records = world.get("/v1/domains/my.example/dns").await;
    let all = records["records"].as_array().unwrap();
    let one = all.iter().find(|record| record["id"] == "mta_sts").unwrap();
    (one["verdict"].clone(), one["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_policy_that_does_not_name_the_mx_is_found() {
    let policy = "version: STSv1\r\nmode: enforce\r\nmx: gw.example\r\nmax_age: 86400\r\n";
    let (world, _roots) = world_with_policy(policy, &[]).await;
    assert_eq!(mta_sts(&world).await.0, "absent", "nothing is fetched that no record speaks of");
    world.dns.txt("_mta-sts.my.example", "v=STSv1; id=1");
    let (verdict, detail) = mta_sts(&world).await;
    assert_eq!(verdict, "ok", "{detail}");
    assert_eq!(found(&world).await, Vec::<String>::new());
    world.dns.mx("my.example", 20, "backup.example");
    let (verdict, detail) = mta_sts(&world).await;
    assert!(verdict == "differs" && detail.contains("does not name backup.example"), "{verdict} {detail}");
    assert!(found(&world).await.contains(&"mta_sts_differs".to_owned()));
    world.dns.clear("my.example");
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 mx -all");
    world.dns.clear("mta-sts.my.example");
    let (verdict, detail) = mta_sts(&world).await;
    assert!(verdict == "differs" && detail.contains("mta-sts.my.example has no address"), "{verdict} {detail}");
    assert_eq!(found(&world).await, ["mta_sts_differs"]);
    world.stop().await;
}

/// CONFORMANCE, threat 9: whoever owns a zone does not have us ask our own network.
#[tokio::test]
async fn a_policy_within_our_own_network_is_not_fetched() {
    let policy = "version: STSv1\nmode: testing\nmx: gw.example\n";
    let (world, _roots) = world_with_policy(policy, &[("DELIVERY__ALLOW_PRIVATE", "false")]).await;
    world.dns.txt("_mta-sts.my.example", "v=STSv1; id=1");
    let (verdict, detail) = mta_sts(&world).await;
    assert!(verdict == "differs" && detail.contains("never connected to"), "{verdict} {detail}");
    world.stop().await;
}

/// The kernel's own file system has no room for anybody, and says so.
#[tokio::test]
async fn a_disk_without_room_is_found() {
    let world = world_with(&[], |config, _| config.outside.data_dir = "/proc".into()).await;
    assert_eq!(found(&world).await, ["disk_low"]);
    let checkup = world.get("/v1/doctor").await;
    let low = checkup["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "disk_low").unwrap();
    assert!(low["severity"] == "fault" && low["what"].as_str().unwrap().contains("0 MiB free"), "{low}");
    world.stop().await;
}

/// Behind a translation of addresses (most clouds) that is as it should be, and worth knowing.
#[tokio::test]
async fn an_address_that_the_machine_does_not_have_is_how_it_is_known() {
    let world = world_with(&[("DELIVERY__SOURCE_ADDRESSES", "192.0.2.7")], |config, _| {
        config.outside.probes.routed = Some(vec![[10, 0, 0, 5].into()]);
    })
    .await;
    assert_eq!(found(&world).await, ["source_translated"]);
    let checkup = world.get("/v1/doctor").await;
    let findings = checkup["findings"].as_array().unwrap();
    let told = findings.iter().find(|finding| finding["id"] == "source_translated").unwrap();
    assert_eq!((&told["severity"], &told["subject"]), (&"note".into(), &"192.0.2.7".into()), "{told}");
    world.stop().await;
}
