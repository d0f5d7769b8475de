//! The second factor: codes of an authenticator (RFC 6238: SHA-1, six digits, 30 s), each good once, and recovery codes
//! that stand in for it.

use data_encoding::{BASE32_NOPAD, Specification};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use totp_rs::Builder;

use crate::chance::Chance;
use crate::policy::deeds::Deed;
use crate::store::StoreError;
use crate::store::accounts::{Credentials, NewTotp};

use super::form::Read;
use super::people::password;
use super::shapes::{NewTotpShape, TotpOnShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Result, fields};

/// Octets of a secret that we draw (RFC 4226 §4 R6).
const SECRET_OCTETS: usize = 20;
/// Octets of one that a client hands back.
const SECRET_BOUNDS: std::ops::RangeInclusive<usize> = 16..=64;
/// Recovery codes of an account.
const RECOVERY_CODES: usize = 10;
/// Octets of one: 80 bits, 16 characters.
const RECOVERY_OCTETS: usize = 10;
/// Characters of a group of a recovery code.
const GROUP: usize = 4;
/// Characters of a code, blanks included, at most.
pub(super) const MAX_CODE_CHARS: usize = 64;

/// The step whose code this is, around `secs` since 1970 (a step early or late), if it is one.
fn step_of(secret: &[u8], code: &str, secs: u64) -> Option<u64> {
    let totp = Builder::new().with_secret(secret.to_vec()).build().ok()?;
    totp.check(&code.replace(' ', ""), secs)
}

/// A recovery code as it is kept; however it is written.
fn recovery_hash(code: &str) -> [u8; 32] {
    let plain: String = code.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    Sha256::digest(plain).into()
}

fn draw_recovery_code(chance: &Chance) -> String {
    let text = BASE32_NOPAD.encode(&chance.token()[..RECOVERY_OCTETS]).to_ascii_lowercase();
    let groups: Vec<_> = text.as_bytes().chunks(GROUP).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// A secret as people copy it: base32, in any case, with blanks.
fn secret(value: &Value) -> Read<Vec<u8>> {
    let wrong = || "hand back the secret that you were given".into();
    let text = fields::text(value)?;
    let mut lenient = Specification::new();
    lenient.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    lenient.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    lenient.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    lenient.ignore.push_str(" -=");
    let encoding = lenient.encoding().map_err(|_| "no secret can be read".to_owned())?;
    let secret = encoding.decode(text.as_bytes()).ok().filter(|octets| SECRET_BOUNDS.contains(&octets.len()));
    secret.ok_or_else(wrong)
}

pub(super) fn code(value: &Value) -> Read<String> {
    let text = fields::text(value)?.trim();
    if text.is_empty() || text.len() > MAX_CODE_CHARS { Err("write the code".into()) } else { Ok(text.to_owned()) }
}

impl Admin {
    /// Proposes a secret for an authenticator. Nothing is kept until a code proves that one has it.
    pub async fn propose_totp(&self, actor: &Actor) -> Result<NewTotpShape> {
        actor.must(Area::Account, Access::Write)?;
        let account = self.store.accounts.account(actor.account).await?;
        if account.has_totp {
            return Err(in_use());
        }
        self.told_totp(actor, &self.chance.token()[..SECRET_OCTETS]).await
    }

    /// The secret that was proposed, as it was handed back: it stands in the authenticator already.
    pub async fn propose_totp_again(&self, actor: &Actor, written: &Map<String, Value>) -> Result<NewTotpShape> {
        actor.must(Area::Account, Access::Write)?;
        let mut form = Form::new(written);
        let secret = form.optional("secret", secret).unwrap_or_default();
        form.finish()?;
        self.told_totp(actor, &secret).await
    }

    async fn told_totp(&self, actor: &Actor, secret: &[u8]) -> Result<NewTotpShape> {
        let (account, secret) = (self.store.accounts.account(actor.account).await?, BASE32_NOPAD.encode(secret));
        let label = account.email.unwrap_or_else(|| "owner".to_owned());
        let label: String = label.bytes().map(escaped).collect();
        let host = self.facts.instance.load().hostname.to_string();
        let uri = format!("otpauth://totp/Waypost%20{host}:{label}?secret={secret}&issuer=Waypost%20{host}");
        Ok(NewTotpShape { secret, uri })
    }

    /// Switches the second factor on, by the secret, a code of it, and the present password: whoever has but found a way in
    /// would lock its owner out. Gives the recovery codes, once.
    pub async fn enable_totp(&self, actor: &Actor, written: &Map<String, Value>) -> Result<TotpOnShape> {
        actor.must(Area::Account, Access::Write)?;
        actor.must_be_unlimited()?;
        let mut form = Form::new(written);
        let (secret, code) = (form.optional("secret", secret), form.optional("code", code));
        let given = form.optional("current_password", password);
        if secret.is_none() && form.is_sound() {
            form.fault("secret", "ask for a secret first, and hand it back with a code");
        }
        let step = secret.as_ref().zip(code).and_then(|(secret, code)| step_of(secret, &code, self.seconds()));
        if step.is_none() && form.is_sound() {
            form.fault("code", "write the code that the authenticator shows now; if you did, are both clocks right?");
        }
        if form.is_sound() {
            self.check_current(actor, &mut form, given).await?;
        }
        form.finish()?;
        let (Some(secret), Some(used_step)) = (secret, step) else { return Err(AdminError::Unwell) };
        let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| draw_recovery_code(&self.chance)).collect();
        let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
        let totp = NewTotp { secret, used_step, codes: hashes };
        let audit = self.account_audit(actor, Deed::AccountTotpOn).await?;
        match self.store.accounts.set_totp(actor.account, Some(totp), audit).await {
            Ok(()) => Ok(TotpOnShape { recovery_codes: codes }),
            Err(StoreError::Changed) => Err(in_use()),
            Err(other) => Err(other.into()),
        }
    }

    /// Switches the second factor off, by a code of it or a recovery code.
    pub async fn disable_totp(&self, actor: &Actor, written: &Map<String, Value>) -> Result<()> {
        actor.must(Area::Account, Access::Write)?;
        let mut form = Form::new(written);
        let given = form.optional("code", code);
        let credentials = self.store.accounts.credentials(actor.account).await?;
        if credentials.totp_secret.is_none() {
            return Err(AdminError::Conflict("There is no authenticator to switch off.".to_owned()));
        }
        let guess = self.guesses.begin_own(actor.account, self.clock.now())?;
        let is_right = match &given {
            Some(code) => self.second_factor(&credentials, code).await?,
            None => false,
        };
        if is_right {
            self.guesses.was_right(&guess);
        }
        if !is_right && form.is_sound() {
            form.fault("code", "write a code of the authenticator, or a recovery code that was not used");
        }
        form.finish()?;
        let audit = self.account_audit(actor, Deed::AccountTotpOff).await?;
        Ok(self.store.accounts.set_totp(actor.account, None, audit).await?)
    }

    /// Whether a code is right, and uses it up.
    pub(super) async fn second_factor(&self, credentials: &Credentials, code: &str) -> Result<bool> {
        let Some(secret) = &credentials.totp_secret else { return Ok(true) };
        let accounts = &self.store.accounts;
        if let Some(step) = step_of(secret, code, self.seconds()) {
            return Ok(accounts.use_totp_step(credentials.account, step).await?);
        }
        Ok(accounts.use_recovery_code(credentials.account, recovery_hash(code), self.clock.now()).await?)
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.clock.now().millis() / 1000).unwrap_or(0)
    }
}

fn in_use() -> AdminError {
    AdminError::Conflict("An authenticator is in use already: switch it off first.".to_owned())
}

fn escaped(octet: u8) -> String {
    match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'@' => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// RFC 6238 appendix B, by its last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (secs, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step_of(secret, code, secs), Some(secs / 30), "{secs}");
            assert_eq!(step_of(secret, code, secs + 30), Some(secs / 30), "a step late");
            assert_eq!(step_of(secret, code, secs + 90), None, "three steps late");
        }
        assert_eq!(step_of(secret, "287 082", 59), Some(1));
        for wrong in ["", "28708", "2870822", "+87082", "28708a", "000000"] {
            assert_eq!(step_of(secret, wrong, 59), None, "{wrong:?}");
        }
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_written() {
        let code = draw_recovery_code(&Chance::seeded(1));
        assert_eq!((code.len(), code.matches('-').count()), (19, 3), "{code}");
        assert_eq!(recovery_hash(&code), recovery_hash(&code.replace('-', " ").to_uppercase()));
        assert_ne!(recovery_hash(&code), recovery_hash(&draw_recovery_code(&Chance::seeded(2))));
    }

    #[test]
    fn a_secret_is_read_as_people_copy_it() {
        let plain = BASE32_NOPAD.encode(b"12345678901234567890");
        let spaced = format!("{} {}", plain[..8].to_lowercase(), &plain[8..]);
        assert_eq!(secret(&json!(spaced)).unwrap(), b"12345678901234567890");
        assert!(secret(&json!("JBSWY3DP")).is_err(), "too short to be ours");
        assert!(secret(&json!("!")).is_err());
    }
}
