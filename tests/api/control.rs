//! What only the control socket serves.

use serde_json::Value;

use crate::web::House;

#[tokio::test]
async fn srs_goes_forward_and_back() {
    let house = House::furnished().await;
    let ask = async |way: &str, address: &str| {
        house.operator("GET", &format!("/control/srs/{way}?address={address}"), Value::Null).await
    };
    let made = ask("forward", "orders@shop.example").await.expect(200).json();
    let address = made["address"].as_str().unwrap();
    assert!(address.starts_with("SRS0=") && address.ends_with("@my.example"), "{address}");
    let back = ask("reverse", &crate::web::in_path(address)).await.expect(200).json();
    assert_eq!(back["address"], "orders@shop.example");
    let long = format!("{}@long.example", "x".repeat(60));
    let made = ask("forward", &long).await.expect(200).json();
    let back = ask("reverse", &crate::web::in_path(made["address"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(back["address"], long.as_str());
    ask("reverse", "SRS0%3Daaaaaaaa%3DAA%3Dshop.example%3Dorders%40my.example").await.expect(422).problem();
    ask("forward", "").await.expect(422).problem();
}

/// No SRS address dies because the clock was set, nor one that was made while it was wrong.
#[tokio::test]
async fn srs_addresses_outlive_a_clock_that_is_set() {
    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
    let house = House::furnished().await;
    let forward = async || {
        let path = "/control/srs/forward?address=orders@shop.example";
        let made = house.operator("GET", path, Value::Null).await.expect(200).json();
        crate::web::in_path(made["address"].as_str().unwrap())
    };
    let reverse = async |address: &str, code: u16| {
        house.operator("GET", &format!("/control/srs/reverse?address={address}"), Value::Null).await.expect(code);
    };
    let before = forward().await;
    house.clock.set(house.clock.now().after(30 * DAY));
    reverse(&before, 200).await;
    let meanwhile = forward().await;
    house.clock.set(house.clock.now().before(30 * DAY));
    reverse(&before, 200).await;
    reverse(&meanwhile, 200).await;
    house.clock.set(house.clock.now().before(DAY));
    reverse(&before, 200).await;
    house.clock.advance(60 * DAY);
    reverse(&before, 422).await;
}

#[tokio::test]
async fn a_backup_holds_databases_and_secrets() {
    let house = House::furnished().await;
    std::fs::write(house.dir.path().join("srs.secrets"), "a secret\n").unwrap();
    std::fs::create_dir_all(house.dir.path().join("tls")).unwrap();
    std::fs::write(house.dir.path().join("tls/key.pem"), "a key\n").unwrap();
    std::fs::write(house.dir.path().join("relay.password"), "a word\n").unwrap();
    let backup = house.operator("GET", "/control/backup", Value::Null).await.expect(200);
    let mut archive = tar::Archive::new(&backup.body[..]);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut octets = Vec::new();
        std::io::copy(&mut entry, &mut octets).unwrap();
        found.push((entry.path().unwrap().to_string_lossy().into_owned(), octets));
    }
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["waypost.db", "activity.db", "relay.password", "srs.secrets", "tls/key.pem", "tls/self-signed.pem"]
    );
    assert!(found[0].1.starts_with(b"SQLite format 3\0") && found[1].1.starts_with(b"SQLite format 3\0"));
    assert_eq!((&found[2].1[..], &found[4].1[..]), (&b"a word\n"[..], &b"a key\n"[..]));
    let left = std::fs::read_dir(house.dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("backup-"));
    assert_eq!(left.count(), 0, "the copies are gone");
}

#[tokio::test]
async fn the_public_router_knows_nothing_of_it() {
    let house = House::furnished().await;
    let host = [("host", "localhost:8080")];
    for path in ["/control/backup", "/control/panel-link", "/control/srs/forward?address=a@b.example"] {
        house.visitor("GET", path, &host, "").await.expect(404);
    }
}

#[tokio::test]
async fn the_first_link_leads_through_the_set_up_and_later_ones_sign_in() {
    let house = House::new().await;
    let link = async |query: &str| {
        let path = format!("/control/panel-link{query}");
        let made = house.operator("POST", &path, Value::Null).await.expect(201).json();
        made["url"].as_str().unwrap().to_owned()
    };
    assert!(link("").await.starts_with("http://127.0.0.1:8080/setup/"));
    assert!(link("?purpose=sign-in").await.starts_with("http://127.0.0.1:8080/sign-in/"));
    let owner = serde_json::json!({ "email": "anna@my.example", "password": "correct horse battery" });
    house.operator("PATCH", "/v1/users/owner", owner).await.expect(200);
    assert!(link("").await.starts_with("http://127.0.0.1:8080/sign-in/"));
}
