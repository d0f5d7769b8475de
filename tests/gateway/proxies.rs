//! Connections that come by way of a proxy: the client behind it is who counts, and nobody else is believed.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waypost::demo::sender::Sender;

use crate::support::{LETTER, PATIENCE, World, prefix};

const PROXIES: (&str, &str) = ("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.0/8");
const CLIENT: &[u8] = b"PROXY TCP4 192.0.2.77 192.0.2.25 4711 25\r\n";

async fn behind(world: &World, header: &[u8]) -> Sender {
    Sender::connect_behind(world.smtp(), header, "mail.sender.example").await.unwrap()
}

/// A header of version 2, with an additional field.
fn version_2(command: u8, family: u8, ends: &[u8]) -> Vec<u8> {
    let rest = [ends, &[4, 0, 1, 0]].concat();
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, &rest].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_behind_a_proxy_is_who_counts() {
    let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[0x77], &[1; 16], &[0x12, 0x67, 0, 25]].concat();
    for (header, ip, spf) in [
        (CLIENT.to_vec(), "192.0.2.77", "fail"),
        (version_2(1, 0x21, &six), "2001:db8::77", "fail"),
        (version_2(0, 0, b""), "127.0.0.1", "pass"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", "pass"),
    ] {
        let world = World::start_with(&[PROXIES]).await;
        let mut sender = behind(&world, &header).await;
        assert!(sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
        let arrived = &world.inbox.wait_for(1).await[0];
        let shown = if ip.contains(':') { format!("[IPv6:{ip}]") } else { format!("[{ip}]") };
        assert!(prefix(arrived, LETTER).contains(&shown), "{}", prefix(arrived, LETTER));
        let row = world.row().await;
        assert_eq!((row["client"]["ip"].as_str(), row["auth"]["spf"].as_str()), (Some(ip), Some(spf)), "{row:#}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_of_the_client_and_not_of_the_proxy() {
    let world = World::start_with(&[PROXIES, ("SMTP__MAX_CONNECTIONS_PER_IP", "1")]).await;
    let other = b"PROXY TCP4 192.0.2.78 192.0.2.25 4711 25\r\n";
    let (first, second) = (behind(&world, CLIENT).await, behind(&world, other).await);
    let third = Sender::connect_behind(world.smtp(), CLIENT, "x").await;
    assert!(third.is_err(), "{third:?}");
    drop((first, second));
    world.stop().await;
}

/// Whoever has an IPv6 address has all of its /64.
#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_one_ipv6_network_share_a_limit() {
    let world = World::start_with(&[PROXIES, ("LIMITS__CONNECTIONS_PER_IP_PER_MINUTE", "1")]).await;
    let greeting = async |network: u8, host: u8| {
        let client = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, network][..], &[0; 7], &[host]].concat();
        let ends = [&client[..], &[1; 16], &[0x12, 0x67, 0, 25]].concat();
        let mut stream = TcpStream::connect(world.smtp()).await.unwrap();
        stream.write_all(&version_2(1, 0x21, &ends)).await.unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).await.unwrap();
        String::from_utf8(said.to_vec()).unwrap()
    };
    assert_eq!(greeting(1, 1).await, "220 ");
    assert_eq!(greeting(1, 2).await, "421 ", "another address of the same network");
    assert_eq!(greeting(2, 1).await, "220 ", "another network");
    let row = &world.rows().await[0];
    assert_eq!(row["reason"], "There were 1 of 1 connections of 2001:db8:0:1:: in the last minute.");
    world.stop().await;
}

/// From a proxy nothing is heard before its header.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_a_header_is_closed_unheard() {
    let world = World::start_with(&[PROXIES]).await;
    for octets in
        [&b"EHLO mail.sender.example\r\n"[..], b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"]
    {
        let mut stream = TcpStream::connect(world.smtp()).await.unwrap();
        stream.write_all(octets).await.unwrap();
        let mut said = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
        assert!(end.is_err() || said.is_empty(), "{}", said.escape_ascii());
    }
    world.stop().await;
}

/// Who is not configured cannot say that it is somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_anybody_else_is_noise() {
    let world = World::start_with(&[("SMTP__PROXY_PROTOCOL_FROM", "192.0.2.9")]).await;
    let mut sender = world.sender().await;
    let header = str::from_utf8(CLIENT).unwrap().trim_end();
    assert_eq!(sender.command(header).await.unwrap(), "500 5.5.2 Unknown command");
    assert!(sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    assert_eq!(world.row().await["client"]["ip"], "127.0.0.1");
    world.stop().await;
}
