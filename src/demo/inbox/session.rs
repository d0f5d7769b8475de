//! One conversation with an inbox, from the greeting to the end.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::extensions::offer;
use super::script::{Behaviour, Conversation, Stage};
use super::shared::Shared;
use super::wire::Wire;
use super::words::{declared_size, path};
use super::{Delivery, Extensions, StartTls};

pub(super) type Flow = io::Result<ControlFlow<()>>;
const ON: Flow = Ok(ControlFlow::Continue(()));
const END: Flow = Ok(ControlFlow::Break(()));

/// Talks until either side has had enough.
pub(super) async fn run(stream: TcpStream, shared: &Arc<Shared>, number: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session {
        wire: Wire::new(stream),
        shared: Arc::clone(shared),
        number,
        tls: false,
        signed_in: false,
        greeted: false,
        helo: String::new(),
        transaction: None,
    };
    session.converse().await
}

/// What is known of the client.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) shared: Arc<Shared>,
    pub(super) number: usize,
    pub(super) tls: bool,
    pub(super) signed_in: bool,
    greeted: bool,
    helo: String,
    pub(super) transaction: Option<Transaction>,
}

/// What was taken since MAIL.
#[derive(Default)]
pub(super) struct Transaction {
    from: String,
    pub(super) params: String,
    pub(super) to: Vec<String>,
    rcpt_params: Vec<String>,
    /// What came of the content by BDAT.
    pub(super) chunks: Vec<u8>,
}

impl Session {
    async fn converse(&mut self) -> io::Result<()> {
        if self.offered().starttls == StartTls::Implicit {
            self.accept_tls().await?;
        }
        if self.meet().await?.is_break() {
            return Ok(());
        }
        while let Some(line) = self.wire.line().await? {
            if self.obey(&line).await?.is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn meet(&mut self) -> Flow {
        for stage in [Stage::Connect, Stage::Greeting] {
            let behaviour = self.behaviour(stage);
            if behaviour == Some(Behaviour::DropAfterReading) {
                self.wire.read_more().await?;
            }
            let normal = if stage == Stage::Greeting { "220 inbox.example ESMTP" } else { "" };
            if self.speak(behaviour, normal).await?.is_break() {
                return END;
            }
        }
        ON
    }

    async fn obey(&mut self, line: &[u8]) -> Flow {
        let line = String::from_utf8_lossy(line).trim_end_matches("\r\n").to_owned();
        self.watch(&line);
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => self.hello(&line, &verb).await,
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.auth(&line).await,
            "MAIL" => self.mail(&line).await,
            "RCPT" => self.rcpt(&line).await,
            "DATA" => self.data().await,
            "BDAT" => self.bdat(&line).await,
            "RSET" => {
                self.transaction = None;
                self.say("250 2.0.0 forgotten").await
            }
            "NOOP" => self.say("250 2.0.0 fine").await,
            "QUIT" => {
                let behaviour = self.behaviour(Stage::Quit);
                let _ = self.speak(behaviour, "221 2.0.0 bye").await?;
                END
            }
            _ => self.say("500 5.5.1 unknown command").await,
        }
    }

    async fn hello(&mut self, line: &str, verb: &str) -> Flow {
        self.helo = line.get(5..).unwrap_or_default().to_owned();
        self.transaction = None;
        let behaviour = self.behaviour(Stage::Ehlo);
        self.greeted = behaviour.as_ref().is_none_or(Behaviour::takes);
        let normal = if verb == "HELO" { "250 inbox.example".to_owned() } else { offer(&self.offered(), self.tls) };
        self.speak(behaviour, &normal).await
    }

    async fn start_tls(&mut self) -> Flow {
        let offered = self.offered().starttls;
        if offered == StartTls::None || self.tls {
            return self.say("502 5.5.1 not offered").await;
        }
        let behaviour = self.behaviour(Stage::StartTls);
        let goes_on = behaviour.as_ref().is_none_or(Behaviour::takes);
        let normal = match &offered {
            StartTls::Injecting(octets) => format!("220 2.0.0 go ahead\r\n{}", String::from_utf8_lossy(octets)),
            _ => "220 2.0.0 go ahead".to_owned(),
        };
        if self.speak(behaviour, &normal).await?.is_break() {
            return END;
        }
        if goes_on { self.shake_hands(&offered).await } else { ON }
    }

    async fn shake_hands(&mut self, offered: &StartTls) -> Flow {
        let behaviour = self.behaviour(Stage::Handshake);
        if *offered == StartTls::BrokenHandshake {
            self.wire.read_more().await?;
            self.wire.send(b"this is no handshake\r\n").await?;
            return END;
        }
        if behaviour.is_some() {
            self.wire.read_more().await?;
            return self.speak(behaviour, "").await;
        }
        self.accept_tls().await?;
        ON
    }

    async fn accept_tls(&mut self) -> io::Result<()> {
        let acceptor: TlsAcceptor = self.shared.acceptor.0.clone();
        let plain = std::mem::replace(&mut self.wire, Wire::new(tokio::io::empty()));
        self.wire = Wire::new(acceptor.accept(plain.stream).await?);
        (self.tls, self.greeted) = (true, false);
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> Flow {
        let Some((from, params)) = path(line) else { return self.say("501 5.5.4 a path, please").await };
        if !self.greeted || self.transaction.is_some() {
            self.shared.violation("MAIL out of turn (RFC 5321 §4.1.4)");
            return self.say("503 5.5.1 not now").await;
        }
        if self.is_stranger() {
            return self.say("530 5.7.0 sign in first").await;
        }
        self.watch_params(&params);
        if let (Some(declared), Some(limit)) = (declared_size(&params), self.offered().size)
            && declared > limit
        {
            return self.say("552 5.3.4 too large").await;
        }
        self.transaction = Some(Transaction { from, params, ..Transaction::default() });
        let behaviour = self.behaviour(Stage::Mail);
        if !behaviour.as_ref().is_none_or(Behaviour::takes) {
            self.transaction = None;
        }
        self.speak(behaviour, "250 2.1.0 sender taken").await
    }

    async fn rcpt(&mut self, line: &str) -> Flow {
        let Some((to, params)) = path(line) else { return self.say("501 5.5.4 a path, please").await };
        self.watch_params(&params);
        let Some(transaction) = &mut self.transaction else { return self.say("503 5.5.1 MAIL first").await };
        let behaviour = self.shared.behaviour(
            Stage::Rcpt,
            &Conversation {
                connection: self.number,
                sender: Some(&transaction.from),
                recipients: std::slice::from_ref(&to),
            },
        );
        if behaviour.as_ref().is_none_or(Behaviour::takes) {
            transaction.to.push(to);
            transaction.rcpt_params.push(params);
        }
        self.speak(behaviour, "250 2.1.5 recipient taken").await
    }

    async fn data(&mut self) -> Flow {
        if self.transaction.as_ref().is_none_or(|transaction| transaction.to.is_empty()) {
            return self.say("503 5.5.1 no recipient").await;
        }
        let behaviour = self.behaviour(Stage::Data);
        let goes_on = behaviour.as_ref().is_none_or(Behaviour::takes);
        if self.speak(behaviour, "354 go ahead").await?.is_break() {
            return END;
        }
        if !goes_on {
            self.transaction = None;
            return ON;
        }
        match self.behaviour(Stage::Content) {
            None => self.content().await,
            Some(Behaviour::Hang) => std::future::pending().await,
            Some(Behaviour::Early(text)) => {
                self.wire.read_more().await?;
                self.wire.send(format!("{text}\r\n").as_bytes()).await?;
                self.content().await
            }
            Some(Behaviour::DropAfterReading) => {
                self.wire.content().await?;
                END
            }
            Some(other) => {
                if self.wire.ahead().is_empty() {
                    self.wire.read_more().await?;
                }
                let _ = self.speak(Some(other), "").await?;
                END
            }
        }
    }

    async fn content(&mut self) -> Flow {
        let Some(octets) = self.wire.content().await? else { return END };
        self.take_content(octets).await
    }

    /// The content is whole: keeps it and answers.
    pub(super) async fn take_content(&mut self, octets: Vec<u8>) -> Flow {
        self.watch_content(&octets);
        let behaviour = self.behaviour(Stage::Dot);
        let taken = behaviour.as_ref().is_none_or(Behaviour::takes);
        if let Some(transaction) = self.transaction.take()
            && taken
        {
            self.shared.keep(self.delivery(transaction, octets));
        }
        self.speak(behaviour, "250 2.0.0 kept").await
    }

    fn delivery(&self, transaction: Transaction, octets: Vec<u8>) -> Delivery {
        Delivery {
            from: transaction.from,
            to: transaction.to,
            octets,
            tls: self.tls,
            helo: self.helo.clone(),
            mail_params: transaction.params,
            rcpt_params: transaction.rcpt_params,
            connection: self.number,
        }
    }

    pub(super) fn offered(&self) -> Extensions {
        self.shared.state().extensions.clone()
    }

    pub(super) fn behaviour(&self, stage: Stage) -> Option<Behaviour> {
        let transaction = self.transaction.as_ref();
        let conversation = Conversation {
            connection: self.number,
            sender: transaction.map(|transaction| transaction.from.as_str()),
            recipients: transaction.map_or(&[], |transaction| transaction.to.as_slice()),
        };
        self.shared.behaviour(stage, &conversation)
    }

    pub(super) async fn say(&mut self, text: &str) -> Flow {
        self.speak(None, text).await
    }

    /// Gives the usual answer, unless the script has another; an empty one is none.
    pub(super) async fn speak(&mut self, behaviour: Option<Behaviour>, normal: &str) -> Flow {
        let line = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\r\n") };
        match behaviour {
            None => self.wire.send(line(normal).as_bytes()).await?,
            Some(Behaviour::Reply(text) | Behaviour::Early(text)) => {
                self.wire.send(line(&text).as_bytes()).await?;
                return if text.starts_with("421") { END } else { ON };
            }
            Some(Behaviour::Late(pause, text)) => {
                tokio::time::sleep(pause).await;
                self.wire.send(line(&text).as_bytes()).await?;
            }
            Some(Behaviour::Hang) => {
                self.wire.read_in_vain().await?;
                return END;
            }
            Some(Behaviour::Drop | Behaviour::DropAfterReading) => return END,
            Some(Behaviour::Garbage(octets)) => self.wire.send(&octets).await?,
            Some(Behaviour::SlowBytes(pause)) => self.wire.send_slowly(line(normal).as_bytes(), pause).await?,
        }
        ON
    }
}
