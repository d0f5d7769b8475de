//! Our client meets our server in memory, their octets cut anywhere: what one says, the other understands.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use std::io::Write as _;

use bytes::BytesMut;
use proptest::prelude::*;
use waypost::mail::wishes::Notify;
use waypost::mail::{Domain, Mailbox, ReversePath};
use waypost::smtp::client::{
    Capabilities, Opening, OpeningStep, Plan, Recipient, StartTls, Transaction, TransactionStep, Verdict,
};
use waypost::smtp::data::Encoder;
use waypost::smtp::reply::Reply;
use waypost::smtp::server::{Question, Session, Settings, Step};

/// The server's side, and what it was asked.
struct Server {
    session: Session,
    input: BytesMut,
    asked: Vec<Question>,
    content: Vec<u8>,
    messages: Vec<Vec<u8>>,
}

/// The wire between both, which cuts what goes over it.
struct Wire {
    server: Server,
    lengths: Vec<usize>,
    input: BytesMut,
    out: Vec<u8>,
}

impl Server {
    fn new() -> Self {
        let hostname = Domain::parse("mx.my.example").unwrap();
        let settings = Settings { hostname, max_message_bytes: 1 << 20, max_recipients: 100, starttls: false };
        let session = Session::new(settings);
        Self { session, input: BytesMut::new(), asked: Vec::new(), content: Vec::new(), messages: Vec::new() }
    }

    /// Takes octets and gives back what it says to them.
    fn hear(&mut self, octets: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(octets);
        loop {
            match self.session.advance(&mut self.input) {
                Step::Read => return std::mem::take(self.session.output()),
                Step::Content => self.content.append(&mut self.session.take_content()),
                Step::Ask(question) => {
                    let reply = self.answer(&question);
                    self.session.answer(&reply);
                    self.asked.push(question);
                }
                Step::StartTls | Step::Close => panic!("{}", self.session.output().escape_ascii()),
            }
        }
    }

    fn answer(&mut self, question: &Question) -> Reply {
        match question {
            Question::Content => Reply::plain(354, "go"),
            Question::Recipient(rcpt) if rcpt.to.to_string().starts_with("no") => Reply::new(550, 1, 1, "no"),
            Question::Message { octets } => {
                assert_eq!(*octets, self.content.len() as u64);
                self.messages.push(std::mem::take(&mut self.content));
                Reply::new(250, 0, 0, "kept")
            }
            Question::Sender(_) | Question::Recipient(_) => Reply::new(250, 1, 0, "fine"),
            Question::Oversize(_, reply) | Question::Refusal(reply) => reply.clone(),
        }
    }
}

impl Wire {
    /// Brings over what the client wrote, piece by piece, and the answers back.
    fn carry(&mut self) {
        let out = std::mem::take(&mut self.out);
        let mut rest = out.as_slice();
        for length in self.lengths.iter().cycle() {
            let (piece, more) = rest.split_at((*length).min(rest.len()));
            self.input.extend_from_slice(&self.server.hear(piece));
            rest = more;
            if rest.is_empty() {
                return;
            }
        }
    }

    fn open(&mut self) -> Capabilities {
        let mut opening = Opening::new(Domain::parse("gw.example").unwrap(), StartTls::IfOffered, None);
        loop {
            self.carry();
            match opening.advance(&mut self.input, &mut self.out).unwrap() {
                OpeningStep::Ready(offered) => return offered,
                OpeningStep::Read => {}
                OpeningStep::Handshake => panic!("TLS is not offered"),
            }
        }
    }

    fn send(&mut self, plan: Plan<'_>, content: &[u8]) -> Vec<Option<Verdict>> {
        let mut transaction = Transaction::start(plan, &mut self.out);
        loop {
            self.carry();
            match transaction.advance(&mut self.input, &mut self.out).unwrap() {
                TransactionStep::Read => {}
                TransactionStep::Done => return transaction.verdicts(),
                TransactionStep::Content if plan.offered.chunking => {
                    write!(self.out, "BDAT {} LAST\r\n", content.len()).unwrap();
                    self.out.extend_from_slice(content);
                    transaction.content_written();
                }
                TransactionStep::Content => {
                    let mut encoder = Encoder::default();
                    encoder.encode(content, &mut self.out);
                    encoder.finish(&mut self.out);
                    transaction.content_written();
                }
            }
        }
    }
}

/// Content as it may come: lines, dots, and a last line that may have no end.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec!["\r\n", ".", "..", "a", "BDAT 3 LAST", "RSET", "\r\n.\r\n", "QUIT\r\n"]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes())
}

fn codes(verdicts: &[Option<Verdict>]) -> Vec<u16> {
    let code = |verdict: &Option<Verdict>| match verdict {
        Some(Verdict::Taken(reply) | Verdict::Refused(_, reply)) => reply.code(),
        Some(Verdict::Left) | None => 0,
    };
    verdicts.iter().map(code).collect()
}

proptest! {
    #[test]
    fn whatever_is_sent_arrives_however_it_travels(
        contents in prop::collection::vec(content(), 1..4),
        lengths in prop::collection::vec(1_usize..40, 1..6),
        (pipelining, chunking, dsn) in any::<(bool, bool, bool)>(),
        nobody_first in any::<bool>(),
    ) {
        let (input, out) = (BytesMut::new(), Vec::new());
        let mut wire = Wire { server: Server::new(), lengths, input, out };
        let all = wire.open();
        prop_assert!(all.pipelining && all.chunking && all.dsn && all.size);
        let offered = Capabilities { pipelining, chunking, dsn, ..all };
        let (yes, no, alias): (Mailbox, Mailbox, Mailbox) =
            ("yes@my.example".parse().unwrap(), "no@my.example".parse().unwrap(), "a+b@c.example".parse().unwrap());
        let of = |mailbox| Recipient { mailbox, original: Some(&alias), notify: Notify::Never };
        let from = ReversePath::parse("me@from.example").unwrap();
        let plan = Plan {
            reverse_path: &from,
            recipients: &[of(&no)],
            envelope_id: Some("id-1"),
            octets: 0,
            eight_bit: false,
            international: false,
            offered: &offered,
            reset_first: false,
        };
        if nobody_first {
            prop_assert_eq!(codes(&wire.send(plan, b"for nobody\r\n")), [550]);
        }
        for (number, content) in contents.iter().enumerate() {
            let reset_first = nobody_first && number == 0;
            let plan = Plan { recipients: &[of(&yes), of(&no)], octets: content.len() as u64, reset_first, ..plan };
            prop_assert_eq!(codes(&wire.send(plan, content)), [250, 550]);
        }
        let ended = |content: &Vec<u8>| {
            let whole = chunking || content.is_empty() || content.ends_with(b"\r\n");
            if whole { content.clone() } else { [content, b"\r\n".as_slice()].concat() }
        };
        prop_assert_eq!(&wire.server.messages, &contents.iter().map(ended).collect::<Vec<_>>());
        for question in &wire.server.asked {
            match question {
                Question::Sender(mail) => prop_assert_eq!(mail.wishes.envelope_id.is_some(), dsn),
                Question::Recipient(rcpt) => {
                    prop_assert_eq!(rcpt.wishes.notify, dsn.then_some(Notify::Never));
                    let original = rcpt.wishes.original.as_ref().map(ToString::to_string);
                    prop_assert_eq!(original, dsn.then(|| "rfc822; a+b@c.example".to_owned()));
                }
                Question::Oversize(..) | Question::Content | Question::Message { .. } | Question::Refusal(_) => {}
            }
        }
    }
}
