//! What the inner parts cost: `cargo bench --ignore-rust-version`. Ratios between runs on one machine count, not seconds.

use std::sync::OnceLock;

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tokio::runtime::Runtime;
use waypost::mail::Mailbox;
use waypost::smtp::data::{Decoded, Decoder, Encoder};
use waypost::smtp::reply::Reply;
use waypost::smtp::server::{Question, Session, Settings, Step};
use waypost::srs::{Ring, Secret};

fn main() {
    divan::main();
}

const MESSAGE_OCTETS: usize = 4096;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// A message of lines of 76 octets.
fn message(octets: usize) -> Vec<u8> {
    let line = [[b'x'; 76].as_slice(), b"\r\n"].concat();
    line.iter().copied().cycle().take(octets / line.len() * line.len()).collect()
}

fn settings() -> Settings {
    Settings {
        hostname: "gw.example".parse().expect("a domain"),
        max_message_bytes: 50 << 20,
        max_recipients: 100,
        starttls: false,
    }
}

/// One whole session: greeting to QUIT, with one message of 4 KiB.
#[divan::bench]
fn session(bencher: Bencher) {
    let message = message(MESSAGE_OCTETS);
    let turns: Vec<Vec<u8>> = vec![
        b"EHLO mail.example\r\n".to_vec(),
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n".to_vec(),
        [message.as_slice(), b".\r\n"].concat(),
        b"QUIT\r\n".to_vec(),
    ];
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        let mut session = Session::new(settings());
        let mut input = BytesMut::new();
        let mut turns = turns.iter();
        loop {
            match session.advance(&mut input) {
                Step::Read => match turns.next() {
                    Some(turn) => input.extend_from_slice(turn),
                    None => return,
                },
                Step::Ask(Question::Content) => session.answer(&Reply::plain(354, "go on")),
                Step::Ask(_) => session.answer(&Reply::new(250, 0, 0, "ok")),
                Step::Content => drop(session.take_content()),
                Step::Close | Step::StartTls => return,
            }
            session.output().clear();
        }
    });
}

#[divan::bench(args = [4 << 10, 1 << 20])]
fn un_stuffing(bencher: Bencher, octets: usize) {
    let stuffed = [message(octets).as_slice(), b".\r\n"].concat();
    bencher.counter(BytesCount::new(octets)).with_inputs(|| BytesMut::from(stuffed.as_slice())).bench_values(
        |mut input| {
            let mut content = Vec::with_capacity(octets);
            let mut decoder = Decoder::default();
            assert_eq!(decoder.decode(&mut input, &mut content), Decoded::End);
            content
        },
    );
}

#[divan::bench(args = [4 << 10, 1 << 20])]
fn stuffing(bencher: Bencher, octets: usize) {
    let message = message(octets);
    bencher.counter(BytesCount::new(octets)).bench(|| {
        let mut out = Vec::with_capacity(octets + 64);
        let mut encoder = Encoder::default();
        encoder.encode(&message, &mut out);
        encoder.finish(&mut out);
        out
    });
}

fn ring() -> Ring {
    Ring { secrets: vec![Secret { key: b"bench".to_vec(), min_hash: 8 }], hash_length: 8, max_age_days: 21 }
}

#[divan::bench]
fn srs_sign(bencher: Bencher) {
    let (ring, sender) = (ring(), Mailbox::parse("ann@sender.example").expect("a mailbox"));
    bencher.bench(|| ring.sign(&sender, 20_000));
}

#[divan::bench]
fn srs_reverse(bencher: Bencher) {
    let ring = ring();
    let waypost::srs::Signed::Local(local) =
        ring.sign(&Mailbox::parse("ann@sender.example").expect("a mailbox"), 20_000)
    else {
        return;
    };
    bencher.bench(|| ring.reverse(&local, 20_001));
}

#[divan::bench]
fn address_parse(bencher: Bencher) {
    bencher.bench(|| Mailbox::parse(divan::black_box("some.sender@mail.example.org")));
}

mod storage {
    //! Lookups and commits on a real file in the temporary folder.

    use super::{Bencher, ItemsCount, Mailbox, Runtime, message, runtime};
    use waypost::chance::Chance;
    use waypost::clock::Clock;
    use waypost::mail::{Moment, ReversePath};
    use waypost::policy::ids::OWNER;
    use waypost::policy::settings::TlsPolicy;
    use waypost::store::accounts::AuditEntry;
    use waypost::store::octets::Octets;
    use waypost::store::queue::{Entry, NewDelivery, NewMessage, Purpose};
    use waypost::store::{Settings, Store};

    fn store(runtime: &Runtime) -> (Store, tempfile::TempDir) {
        let data = tempfile::tempdir().expect("a folder");
        let settings = Settings { data_dir: data.path().into(), database: data.path().join("waypost.db") };
        let store = runtime.block_on(Store::open(settings, Clock::system(), Chance::system())).expect("a store");
        (store, data)
    }

    fn audit() -> AuditEntry {
        AuditEntry {
            at: Moment::from_millis(0),
            account: OWNER,
            actor: "bench".to_owned(),
            action: "domain.create".to_owned(),
            object: "my.example".to_owned(),
            before: None,
            after: None,
        }
    }

    #[divan::bench]
    fn lookup_of_a_known_alias(bencher: Bencher) {
        let (store, _data) = store(runtime());
        let name = "my.example".parse().expect("a domain");
        runtime().block_on(store.rules.add_domain(OWNER, &name, None, audit())).expect("a domain");
        let recipient = Mailbox::parse("shop@my.example").expect("a mailbox");
        bencher.bench_local(|| runtime().block_on(store.directory.candidates(&recipient)).expect("candidates"));
    }

    fn job(chance: &Chance) -> (NewMessage, NewDelivery) {
        let now = Clock::system().now();
        let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
        let octets = message(super::MESSAGE_OCTETS);
        let kept = NewMessage {
            id: chance.id(now),
            header_octets: 0,
            octets: Octets::Memory(octets.into()),
            sha256: [0; 32],
            received_at: now,
            reverse_path: ReversePath::Null,
            eight_bit: false,
            international: false,
        };
        let delivery = NewDelivery {
            id: chance.id(now),
            purpose: Purpose::Forward,
            account: OWNER,
            domain: None,
            alias: None,
            recipient: mailbox("shop@my.example"),
            destination: mailbox("anna@inbox.example"),
            reverse_path: ReversePath::Null,
            prefix: bytes::Bytes::new(),
            tls: TlsPolicy::Opportunistic,
            reportable: false,
            tries: 0,
            entry: Entry::Held,
            wishes: waypost::mail::wishes::Wishes::default(),
            about: None,
        };
        (kept, delivery)
    }

    /// Accept to synced commit, so many at the same time.
    #[divan::bench(args = [1, 20, 200], sample_count = 20)]
    fn accept_to_commit(bencher: Bencher, together: usize) {
        let (store, _data) = store(runtime());
        let chance = Chance::system();
        bencher.counter(ItemsCount::new(together)).bench_local(|| {
            runtime().block_on(async {
                let accepts = (0..together).map(|_| {
                    let (kept, delivery) = job(&chance);
                    store.queue.accept(kept, vec![delivery], Vec::new())
                });
                for accepted in futures_util::future::join_all(accepts).await {
                    accepted.expect("a commit");
                }
            });
        });
    }
}
