//! BDAT as an inbox understands it (RFC 3030): so many octets as the command says, and the last chunk ends the message.

use std::io;
use std::ops::ControlFlow;

use super::script::{Behaviour, Stage};
use super::session::{Flow, Session};
use super::wire::Wire;

impl Session {
    /// One chunk. What is wrong with the command ends the conversation: nobody could tell content from commands any more.
    pub(super) async fn bdat(&mut self, line: &str) -> Flow {
        let words = line.split(' ').skip(1).map(str::to_ascii_uppercase).collect::<Vec<_>>();
        let words = words.iter().map(String::as_str).collect::<Vec<_>>();
        let (octets, last) = match *words.as_slice() {
            [octets] => (octets.parse::<usize>(), false),
            [octets, "LAST"] => (octets.parse::<usize>(), true),
            _ => return Ok(ControlFlow::Break(())),
        };
        let Ok(octets) = octets else { return Ok(ControlFlow::Break(())) };
        if !self.offered().others.iter().any(|other| other == "CHUNKING") {
            self.shared.violation("BDAT was not offered (RFC 3030)");
        }
        match self.behaviour(Stage::Content) {
            None => {}
            Some(Behaviour::Hang) => std::future::pending().await,
            Some(other) => {
                let _ = self.speak(Some(other), "").await?;
                return Ok(ControlFlow::Break(()));
            }
        }
        let Some(chunk) = self.wire.octets(octets).await? else { return Ok(ControlFlow::Break(())) };
        self.chunk(&chunk, last).await
    }

    async fn chunk(&mut self, chunk: &[u8], last: bool) -> Flow {
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| !transaction.to.is_empty()) else {
            self.shared.violation("BDAT without a recipient");
            return self.say("503 5.5.1 no recipient").await;
        };
        transaction.chunks.extend_from_slice(chunk);
        if !last {
            return self.say("250 2.0.0 more, please").await;
        }
        let octets = std::mem::take(&mut transaction.chunks);
        self.take_content(octets).await
    }
}

impl Wire {
    /// The next octets, whatever they are. `None` at the end of the stream.
    async fn octets(&mut self, count: usize) -> io::Result<Option<Vec<u8>>> {
        while self.ahead().len() < count {
            if !self.read_more().await? {
                return Ok(None);
            }
        }
        Ok(Some(self.take(count)))
    }
}
