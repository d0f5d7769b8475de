//! Where a message ends, enumerated: every text over small alphabets, whole and cut at each place, against a decoder that
//! is written for being obviously right (RFC 5321 §4.1.1.4, §4.5.2, §2.3.8). The same for the line ends of messages that
//! come in chunks (RFC 3030). Then the encoder against the decoder.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::thread;

use bytes::BytesMut;
use proptest::prelude::*;
use waypost::smtp::chunk::Joiner;
use waypost::smtp::data::{Decoded, Decoder, Encoder, LineFault};

/// Octets of the longest text that is tried: a third of a million texts, each cut at each place.
const LONGEST: usize = 9;
/// The same where NUL joins the alphabet.
const LONGEST_WITH_NUL: usize = 7;

/// What a decoder makes of a text.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    /// Octets up to and with the end, once it was there.
    end: Option<usize>,
    fault: Option<LineFault>,
    /// The message, where there is no fault and an end.
    content: Option<Vec<u8>>,
}

/// Looks for CRLF.CRLF, then for line ends that are none, then takes the dots off: three passes, no state.
fn reference(text: &[u8]) -> Made {
    // DATA itself ended with CRLF, so that a lone dot may stand on the first line.
    let stream = [b"\r\n", text].concat();
    let found = stream.windows(5).position(|window| window == b"\r\n.\r\n");
    let message = found.map_or(&stream[2..], |at| &stream[2..at + 2]);
    let fault = (2..2 + message.len()).find_map(|at| fault_at(&stream, at));
    let content = (found.is_some() && fault.is_none()).then(|| unstuffed(message));
    Made { end: found.map(|at| at + 3), fault, content }
}

fn fault_at(stream: &[u8], at: usize) -> Option<LineFault> {
    let (before, next) = (stream[at - 1], stream.get(at + 1));
    match stream[at] {
        b'\r' if next.is_some_and(|&o| o != b'\n') => Some(LineFault::BareCr),
        b'\n' if before != b'\r' => Some(LineFault::BareLf),
        0 if next == Some(&b'\r') => Some(LineFault::NulAtLineEnd),
        0 if stream[..at].ends_with(b"\r\n") || stream[..at].ends_with(b"\r\n.") => Some(LineFault::NulAtLineEnd),
        _ => None,
    }
}

fn unstuffed(message: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(message).unwrap();
    text.split_inclusive("\r\n").flat_map(|line| line.strip_prefix('.').unwrap_or(line).bytes()).collect()
}

/// The decoder, and room that it may use again.
#[derive(Default)]
struct Bench {
    input: BytesMut,
    content: Vec<u8>,
}

impl Bench {
    fn decode(&mut self, text: &[u8], cut: usize) -> Made {
        let mut decoder = Decoder::default();
        self.input.clear();
        self.content.clear();
        for (piece, given) in [(&text[..cut], cut), (&text[cut..], text.len())] {
            self.input.extend_from_slice(piece);
            if decoder.decode(&mut self.input, &mut self.content) == Decoded::End {
                return self.made(Some(given - self.input.len()), &decoder);
            }
            assert!(self.input.is_empty(), "octets were left though the message goes on");
        }
        self.made(None, &decoder)
    }

    fn made(&self, end: Option<usize>, decoder: &Decoder) -> Made {
        let fault = decoder.fault();
        let content = (end.is_some() && fault.is_none()).then(|| self.content.clone());
        Made { end, fault, content }
    }

    /// Tries `text`, then everything that begins with it.
    fn try_all(&mut self, text: &mut Vec<u8>, alphabet: &[u8], longest: usize) -> usize {
        let expected = reference(text);
        for cut in 0..text.len() {
            let made = self.decode(text, cut);
            assert_eq!(made, expected, "\"{}\" cut at {cut}", text.escape_ascii());
        }
        if text.len() == longest {
            return 1;
        }
        let mut tried = 1;
        for &letter in alphabet {
            text.push(letter);
            tried += self.try_all(text, alphabet, longest);
            text.pop();
        }
        tried
    }
}

fn try_alphabet(alphabet: &[u8], longest: usize) {
    let tried: usize = thread::scope(|scope| {
        let begin = |&letter| scope.spawn(move || Bench::default().try_all(&mut vec![letter], alphabet, longest));
        let workers: Vec<_> = alphabet.iter().map(begin).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let exponent = u32::try_from(longest).unwrap();
    let letters = alphabet.len();
    assert_eq!(tried, (letters.pow(exponent + 1) - letters) / (letters - 1));
}

#[test]
fn every_text_ends_where_it_must() {
    try_alphabet(b"\r\n.a", LONGEST);
}

#[test]
fn every_text_with_nul_ends_where_it_must() {
    try_alphabet(b"\r\n.\0a", LONGEST_WITH_NUL);
}

/// In chunks a message is faulty if it would be by DATA, which ends it with CRLF: the same fault, or none.
fn try_chunks(text: &mut Vec<u8>, longest: usize) -> usize {
    let ended = if text.ends_with(b"\r\n") || text.is_empty() { b"".as_slice() } else { b"\r\n" };
    let expected = fault_of_lines(&[text, ended].concat());
    for cut in 0..=text.len() {
        let mut joiner = Joiner::default();
        joiner.look(&text[..cut]);
        joiner.look(&text[cut..]);
        assert_eq!(joiner.end(), expected, "\"{}\" cut at {cut}", text.escape_ascii());
    }
    if text.len() == longest {
        return 1;
    }
    let mut tried = 1;
    for letter in b"\r\n.\0a" {
        text.push(*letter);
        tried += try_chunks(text, longest);
        text.pop();
    }
    tried
}

fn fault_of_lines(message: &[u8]) -> Option<LineFault> {
    let stream = [b"\r\n", message].concat();
    (2..stream.len()).find_map(|at| match (stream[at], stream.get(at + 1)) {
        (b'\r', next) if next != Some(&b'\n') => Some(LineFault::BareCr),
        (b'\n', _) if stream[at - 1] != b'\r' => Some(LineFault::BareLf),
        (0, next) if next == Some(&b'\r') || stream[..at].ends_with(b"\r\n") => Some(LineFault::NulAtLineEnd),
        _ => None,
    })
}

#[test]
fn every_text_in_chunks_is_judged_as_by_data() {
    assert_eq!(try_chunks(&mut Vec::new(), LONGEST_WITH_NUL), (5_usize.pow(8) - 1) / 4);
}

/// Content as it may come in: lines of any octets that end with CRLF, no NUL beside a line end.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![4 => Just(b'.'), 4 => b'a'..=b'c', 2 => any::<u8>()];
    let octet = octet.prop_map(|o| if matches!(o, b'\r' | b'\n' | 0) { b'x' } else { o });
    let line = prop::collection::vec(octet, 0..6).prop_map(|line| [line, b"\r\n".to_vec()].concat());
    prop::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
}

/// Cuts `octets` into pieces of the given lengths, over and over.
fn pieces<'a>(octets: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = octets;
    lengths.iter().cycle().map_while(move |&length| {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        rest = more;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        content in content(),
        out in prop::collection::vec(1_usize..9, 1..9),
        back in prop::collection::vec(1_usize..9, 1..9),
    ) {
        let (mut encoder, mut wire) = (Encoder::default(), Vec::new());
        pieces(&content, &out).for_each(|piece| encoder.encode(piece, &mut wire));
        prop_assert!(!encoder.finish(&mut wire), "a whole last line needs no CRLF");

        let (mut decoder, mut decoded, mut last) = (Decoder::default(), Vec::new(), Decoded::More);
        for piece in pieces(&wire, &back) {
            prop_assert_eq!(last, Decoded::More, "the end came early");
            last = decoder.decode(&mut BytesMut::from(piece), &mut decoded);
        }
        prop_assert_eq!((last, decoder.fault()), (Decoded::End, None));
        let mut joiner = Joiner::default();
        pieces(&content, &back).for_each(|piece| joiner.look(piece));
        prop_assert_eq!(joiner.end(), None);
        prop_assert_eq!(decoded, content);
    }

    #[test]
    fn nothing_that_is_encoded_ends_early(
        content in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..40),
        lengths in prop::collection::vec(1_usize..5, 1..9),
    ) {
        let (mut encoder, mut wire) = (Encoder::default(), b"\r\n".to_vec());
        pieces(&content, &lengths).for_each(|piece| encoder.encode(piece, &mut wire));
        encoder.finish(&mut wire);
        // Not even for a reader that takes a bare LF for a line end.
        let lone_dots = wire.split(|&o| o == b'\n').filter(|line| line.trim_ascii_end() == b".").count();
        prop_assert_eq!(lone_dots, 1, "{}", wire.escape_ascii());
    }
}
