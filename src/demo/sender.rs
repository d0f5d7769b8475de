//! A sender on loopback: speaks SMTP command by command and gives back every reply, for the demo and for the tests.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A reply is waited for so long.
const REPLY_WAIT: Duration = Duration::from_secs(30);

/// An open session with a gateway.
#[derive(Debug)]
pub struct Sender {
    stream: BufReader<TcpStream>,
    /// The greeting.
    pub greeting: String,
}

/// What a gateway answered to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// To MAIL.
    pub mail: String,
    /// To each RCPT.
    pub recipients: Vec<String>,
    /// To DATA, where it came to that.
    pub data: Option<String>,
    /// To the final dot, where it came to that.
    pub dot: Option<String>,
}

impl Answers {
    /// The last word: what the sender goes away with.
    #[must_use]
    pub fn last(&self) -> &str {
        let refused = || self.recipients.iter().rev().find(|reply| !reply.starts_with('2'));
        self.dot.as_deref().or_else(|| refused().map(String::as_str)).or(self.data.as_deref()).unwrap_or(&self.mail)
    }

    /// Whether the message was answered 250.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.dot.as_deref().is_some_and(|dot| dot.starts_with('2'))
    }
}

impl Sender {
    /// Connects and says EHLO.
    pub async fn connect(gateway: SocketAddr, name: &str) -> io::Result<Self> {
        let mut sender = Self::open(gateway, None).await?;
        sender.command(&format!("EHLO {name}")).await?;
        Ok(sender)
    }

    /// Connects as a proxy does, with `header` before all else, and says EHLO for the client behind it.
    pub async fn connect_behind(gateway: SocketAddr, header: &[u8], name: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(gateway).await?;
        stream.write_all(header).await?;
        let mut sender = Self { stream: BufReader::new(stream), greeting: String::new() };
        sender.greeting = sender.reply().await?;
        sender.command(&format!("EHLO {name}")).await?;
        Ok(sender)
    }

    /// Connects, from `source` where given, and reads the greeting.
    pub async fn open(gateway: SocketAddr, source: Option<SocketAddr>) -> io::Result<Self> {
        let socket = if gateway.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind(source)?;
        }
        let stream = socket.connect(gateway).await?;
        stream.set_nodelay(true)?;
        let mut sender = Self { stream: BufReader::new(stream), greeting: String::new() };
        sender.greeting = sender.reply().await?;
        Ok(sender)
    }

    /// Sends one command line and reads its reply (lines parted by `\n`).
    pub async fn command(&mut self, line: &str) -> io::Result<String> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Writes octets as they are.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets).await
    }

    /// Reads one whole reply.
    pub async fn reply(&mut self) -> io::Result<String> {
        timeout(REPLY_WAIT, self.read_reply()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn read_reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            reply.push_str(line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    /// Sends one message; stops where the gateway refuses.
    pub async fn send(&mut self, from: &str, to: &[&str], octets: &[u8]) -> io::Result<Answers> {
        let mail = self.command(&format!("MAIL FROM:<{from}>")).await?;
        let mut answers = Answers { mail, recipients: Vec::new(), data: None, dot: None };
        if !answers.mail.starts_with('2') {
            return Ok(answers);
        }
        for to in to {
            answers.recipients.push(self.command(&format!("RCPT TO:<{to}>")).await?);
        }
        if !answers.recipients.iter().any(|reply| reply.starts_with('2')) {
            self.command("RSET").await?;
            return Ok(answers);
        }
        let data = self.command("DATA").await?;
        if data.starts_with("354") {
            self.write(&stuffed(octets)).await?;
            answers.dot = Some(self.reply().await?);
        }
        answers.data = Some(data);
        Ok(answers)
    }

    /// Says goodbye.
    pub async fn quit(mut self) -> io::Result<()> {
        self.command("QUIT").await.map(|_| ())
    }

    /// The socket, for tests that end a session in their own way.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// A message as DATA sends it: dot-stuffed, with the end of data (RFC 5321 §4.5.2). The content must end with CRLF.
#[must_use]
pub fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 8);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}
