//! The extensions that an inbox offers.

/// What EHLO offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME.
    pub eight_bit_mime: bool,
    /// SMTPUTF8.
    pub smtp_utf8: bool,
    /// SIZE with this limit.
    pub size: Option<u64>,
    /// STARTTLS.
    pub starttls: StartTls,
    /// Further lines as they stand: `DSN`, `LIMITS RCPTMAX=3`.
    pub others: Vec<String>,
}

/// How STARTTLS is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartTls {
    /// Not at all.
    None,
    /// With a self-signed certificate.
    SelfSigned,
    /// TLS runs from the first octet on, with the same certificate.
    Implicit,
    /// Offered, and then the handshake fails.
    BrokenHandshake,
    /// Works, but these octets of plain text stand behind the 220 (response injection).
    Injecting(Vec<u8>),
}

impl Default for Extensions {
    /// What a good inbox offers: all but TLS.
    fn default() -> Self {
        Self {
            pipelining: true,
            eight_bit_mime: true,
            smtp_utf8: true,
            size: Some(50 << 20),
            starttls: StartTls::None,
            others: Vec::new(),
        }
    }
}

impl Extensions {
    /// None: a server as of 1982.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            pipelining: false,
            eight_bit_mime: false,
            smtp_utf8: false,
            size: None,
            starttls: StartTls::None,
            others: Vec::new(),
        }
    }
}

/// The answer to EHLO; inside TLS there is no STARTTLS (RFC 3207 §4.2).
pub(super) fn offer(extensions: &Extensions, inside_tls: bool) -> String {
    let mut lines = vec!["inbox.example".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
    let size = extensions.size.map(|size| format!("SIZE {size}"));
    let flags = [
        (extensions.pipelining, "PIPELINING"),
        (extensions.eight_bit_mime, "8BITMIME"),
        (extensions.smtp_utf8, "SMTPUTF8"),
        (extensions.starttls != StartTls::None && !inside_tls, "STARTTLS"),
    ];
    lines.extend(flags.into_iter().filter(|(offered, _)| *offered).map(|(_, name)| name.to_owned()));
    lines.extend(size);
    lines.extend(extensions.others.iter().cloned());
    let last = lines.len() - 1;
    let line = |(at, text): (usize, &String)| format!("250{}{text}", if at == last { ' ' } else { '-' });
    lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
}
