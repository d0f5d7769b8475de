//! TLS: what we present and what we accept, and the facts of a finished handshake. One provider (aws-lc-rs).

use std::sync::Arc;

use crate::policy::facts::TlsFacts;

/// The facts of a handshake.
#[must_use]
pub fn facts(connection: &rustls::CommonState) -> TlsFacts {
    let name = |n: Option<&'static str>| n.unwrap_or("unknown").to_owned();
    TlsFacts {
        version: name(connection.protocol_version().and_then(|v| v.as_str())),
        cipher: name(connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str())),
        verified: None,
    }
}

/// Takes any certificate (opportunistic TLS, RFC 7435), but checks it all the same and tells whether it verified.
#[must_use]
pub fn opportunistic_client() -> Arc<rustls::ClientConfig> {
    todo!("delivery")
}

/// Demands a certificate that verifies for the name (relays with sign-in, `smtps://`).
#[must_use]
pub fn verifying_client() -> Arc<rustls::ClientConfig> {
    todo!("delivery")
}
