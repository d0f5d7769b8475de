//! The inbox as a client of SMTP meets it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Says each line, and gives all that came until the inbox closed.
async fn talk(inbox: &Inbox, lines: &[&str]) -> String {
    let mut stream = TcpStream::connect(inbox.address()).await.unwrap();
    let mut heard = read(&mut stream).await;
    for line in lines {
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
        heard += &read(&mut stream).await;
    }
    heard
}

async fn read(stream: &mut TcpStream) -> String {
    let mut octets = vec![0; 4096];
    let count = stream.read(&mut octets).await.unwrap_or(0);
    String::from_utf8_lossy(&octets[..count]).into_owned()
}

const MESSAGE: [&str; 6] = [
    "EHLO client.example",
    "MAIL FROM:<a@client.example> SIZE=20",
    "RCPT TO:<b@inbox.example>",
    "DATA",
    "Subject: x\r\n\r\n..dotted\r\nlone\nfeed\r\n.",
    "QUIT",
];

#[tokio::test]
async fn keeps_the_octets_as_they_came() {
    let inbox = Inbox::start().await.unwrap();
    let heard = talk(&inbox, &MESSAGE).await;
    assert!(heard.contains("250-PIPELINING\r\n") && heard.ends_with("221 2.0.0 bye\r\n"), "{heard}");

    let received = inbox.wait_for(1).await;
    assert_eq!(received[0].octets, b"Subject: x\r\n\r\n.dotted\r\nlone\nfeed\r\n");
    assert_eq!(
        (received[0].from.as_str(), received[0].to.as_slice()),
        ("a@client.example", &["b@inbox.example".into()][..])
    );
    assert_eq!(received[0].mail_params, "SIZE=20");
    assert!(inbox.wait_until_left().await);
    assert_eq!((inbox.connections(), inbox.open_connections(), inbox.most_connections()), (1, 0, 1));
    assert_eq!(inbox.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn defers_once_and_then_takes() {
    let inbox = Inbox::start().await.unwrap();
    inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to("b@inbox.example").times(1));
    assert!(talk(&inbox, &MESSAGE[..3]).await.ends_with("450 4.2.1 later\r\n"));
    talk(&inbox, &MESSAGE).await;
    assert_eq!(inbox.wait_for(1).await[0].connection, 2);
}

#[tokio::test]
async fn drops_before_or_after_it_has_kept_the_message() {
    let inbox = Inbox::start().await.unwrap();
    inbox.script(Rule::at(Stage::Dot, Behaviour::Drop).on_connection(1));
    inbox.script(Rule::at(Stage::Dot, Behaviour::DropAfterReading).on_connection(2));
    for kept in [0, 1] {
        let heard = talk(&inbox, &MESSAGE[..5]).await;
        assert!(heard.ends_with("354 go ahead\r\n"), "{heard}");
        assert!(inbox.wait_until_left().await);
        assert_eq!(inbox.received().len(), kept);
    }
}

#[tokio::test]
async fn a_refused_message_is_not_kept() {
    let inbox = Inbox::start().await.unwrap();
    inbox.script(Rule::at(Stage::Dot, Behaviour::reply("554 5.7.1 no")));
    assert!(talk(&inbox, &MESSAGE).await.contains("554 5.7.1 no\r\n"));
    assert!(inbox.received().is_empty());
}

#[tokio::test]
async fn notes_what_clients_must_not_do() {
    let inbox = Inbox::start().await.unwrap();
    inbox.offer(Extensions::none());
    talk(&inbox, &["EHLO c.example", "MAIL FROM:<> SIZE=1\r\nRCPT TO:<b@inbox.example>"]).await;
    let violations = inbox.violations();
    assert!(violations.iter().any(|v| v.contains("SIZE was not offered")), "{violations:?}");
    assert!(violations.iter().any(|v| v.contains("did not wait")), "{violations:?}");
}

#[tokio::test]
async fn a_broken_handshake_ends_the_connection() {
    let inbox = Inbox::start().await.unwrap();
    inbox.offer(Extensions { starttls: StartTls::BrokenHandshake, ..Extensions::default() });
    let heard = talk(&inbox, &["EHLO c.example", "STARTTLS", "\u{16}\u{3}\u{1}"]).await;
    assert!(heard.contains("250-STARTTLS") && heard.ends_with("this is no handshake\r\n"), "{heard}");
}

#[tokio::test]
async fn starttls_works_and_may_inject_plain_text() {
    let inbox = Inbox::start().await.unwrap();
    for (starttls, wanted) in [
        (StartTls::SelfSigned, "220 2.0.0 go ahead\r\n"),
        (StartTls::Injecting(b"250 injected".to_vec()), "220 2.0.0 go ahead\r\n250 injected\r\n"),
    ] {
        inbox.offer(Extensions { starttls, ..Extensions::default() });
        let mut stream = TcpStream::connect(inbox.address()).await.unwrap();
        read(&mut stream).await;
        for (line, wanted) in [("EHLO c.example\r\n", None), ("STARTTLS\r\n", Some(wanted))] {
            stream.write_all(line.as_bytes()).await.unwrap();
            let heard = read(&mut stream).await;
            assert!(wanted.is_none_or(|wanted| heard == wanted), "{heard}");
        }
        // A ClientHello follows in a real handshake; what is none gets an alert, not an SMTP reply.
        stream.write_all(b"EHLO c.example\r\n").await.unwrap();
        let mut octets = [0; 64];
        let count = stream.read(&mut octets).await.unwrap_or(0);
        assert!(count == 0 || octets[0] == 21, "{:?}", &octets[..count]);
    }
}
