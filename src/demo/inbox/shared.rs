//! What all conversations of one inbox share: its script, what it took, and how many clients there are.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use super::script::{Behaviour, Conversation, Script, Stage};
use super::{Delivery, Extensions};

/// What all conversations share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
    pub(super) acceptor: Acceptor,
    /// What it presents, as PEM.
    pub(super) certificate: String,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) extensions: Extensions,
    pub(super) script: Script,
    /// Name and password of those who may send, where not everybody may.
    pub(super) account: Option<(String, String)>,
    pub(super) received: Vec<Delivery>,
    /// Octets that are kept of each message, where not all are.
    pub(super) kept_octets: Option<usize>,
    pub(super) commands: Vec<(usize, String)>,
    pub(super) violations: Vec<String>,
    pub(super) connections: usize,
    pub(super) open: usize,
    pub(super) most_open: usize,
}

/// Made once, since making keys takes time.
pub(super) struct Acceptor(pub(super) TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        let (config, certificate) = self_signed()?;
        let acceptor = Acceptor(TlsAcceptor::from(Arc::new(config)));
        Ok(Self { state: Mutex::default(), changed: Notify::new(), acceptor, certificate })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behaviour(&self, stage: Stage, conversation: &Conversation<'_>) -> Option<Behaviour> {
        self.state().script.at(stage, conversation)
    }

    pub(super) fn keep(&self, mut delivery: Delivery) {
        let mut state = self.state();
        if let Some(most) = state.kept_octets {
            delivery.octets.truncate(most);
            delivery.octets.shrink_to_fit();
        }
        state.received.push(delivery);
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn violation(&self, what: impl Into<String>) {
        self.state().violations.push(what.into());
    }

    pub(super) fn arrive(&self) -> usize {
        let mut state = self.state();
        state.connections += 1;
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        let number = state.connections;
        drop(state);
        self.changed.notify_waiters();
        number
    }

    pub(super) fn leave(&self) {
        self.state().open -= 1;
        self.changed.notify_waiters();
    }
}

fn self_signed() -> io::Result<(ServerConfig, String)> {
    let made = rcgen::generate_simple_self_signed(["inbox.example".to_owned()]).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .map_err(io::Error::other)?;
    Ok((config, made.cert.pem()))
}
