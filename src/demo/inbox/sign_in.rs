//! AUTH as an inbox understands it (RFC 4954): PLAIN in one line, or LOGIN by two questions, and only inside TLS.

use std::io;

use data_encoding::BASE64;

use super::session::{Flow, Session};

/// What LOGIN asks: `Username:` and `Password:`.
const QUESTIONS: [&str; 2] = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"];

impl Session {
    /// Lets in whoever knows the name and the password.
    pub(super) async fn auth(&mut self, line: &str) -> Flow {
        if !self.tls {
            self.shared.violation("AUTH outside TLS (RFC 4954 §4)");
            return self.say("538 5.7.11 not without TLS").await;
        }
        let mut words = line.split(' ').skip(1);
        let said = match (words.next().map(str::to_ascii_uppercase).as_deref(), words.next()) {
            (Some("PLAIN"), Some(response)) => plain(response),
            (Some("LOGIN"), None) => self.login().await?,
            _ => return self.say("504 5.5.4 PLAIN with its response, or LOGIN").await,
        };
        let account = self.shared.state().account.clone();
        self.signed_in = account.is_some() && said == account;
        self.say(if self.signed_in { "235 2.7.0 welcome" } else { "535 5.7.8 who are you?" }).await
    }

    async fn login(&mut self) -> io::Result<Option<(String, String)>> {
        let mut answers = Vec::with_capacity(QUESTIONS.len());
        for question in QUESTIONS {
            self.wire.send(format!("{question}\r\n").as_bytes()).await?;
            let line = self.wire.line().await?.unwrap_or_default();
            answers.extend(decoded(String::from_utf8_lossy(&line).trim_end()));
        }
        Ok(<[String; 2]>::try_from(answers).ok().map(Into::into))
    }

    /// Whether whoever must sign in has not.
    pub(super) fn is_stranger(&self) -> bool {
        !self.signed_in && self.shared.state().account.is_some()
    }
}

/// Of `\0name\0password` (RFC 4616 §2).
fn plain(response: &str) -> Option<(String, String)> {
    let said = decoded(response)?;
    let mut parts = said.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(text.as_bytes()).ok()?).ok()
}
