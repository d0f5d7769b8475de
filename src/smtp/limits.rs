//! Every size and time limit of the protocol, with its source (RFC 5321 §4.5.3 unless said otherwise).

use std::time::Duration;

/// Octets in a command line with CRLF; RFC 5321 wants 512, extensions add theirs (SMTPUTF8, DSN parameters).
pub const MAX_COMMAND_OCTETS: usize = 2048;
/// Octets of an endless line that are skipped before the session ends with 421.
pub const MAX_SKIPPED_OCTETS: usize = 64 * 1024;
/// Octets of a refused chunk (BDAT) that are taken so that the session stays in step; behind a larger one it ends at once.
pub const MAX_SKIPPED_CHUNK_OCTETS: u64 = 256 << 20;
/// Faults in one session before it ends with 421 (Postfix: 20).
pub const MAX_FAULTS: usize = 20;
/// Commands that move no mail (NOOP, VRFY, RSET, HELP, EHLO, a MAIL whose message never comes) in one session
/// (Postfix: 100).
pub const MAX_IDLE_COMMANDS: usize = 100;
/// RCPT commands in one transaction that are heard without their recipient being taken, for whatever reason; the next
/// ends the session with 421 (Postfix: 1000).
pub const MAX_RECIPIENTS_NOT_TAKEN: usize = 1000;
/// MAIL commands of one session, announced as MAILMAX (RFC 9422); the next ends it with 421. Nobody needs more, and a
/// session that goes on for ever would never see a new certificate or setting.
pub const MAX_TRANSACTIONS: usize = 10_000;
/// Octets of reply buffer that an idle session keeps.
pub const MAX_IDLE_OUTPUT_OCTETS: usize = 4096;

/// The server waits this long for a command (§4.5.3.2.7: at least 5 min).
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// The same where places run short, so that others find one (Postfix: 10 s under stress).
pub const CROWDED_COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The server waits this long for the next octets of a message (§4.5.3.2.5).
pub const DATA_BLOCK_TIMEOUT: Duration = Duration::from_secs(180);
/// A whole transaction may take this long, however slowly it dribbles.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(3600);
/// TLS handshake, either side.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// A proxy has so long to say who is behind it.
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Writing replies to a client that does not read.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Client: connecting.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Client: greeting, EHLO, MAIL and RCPT (§4.5.3.2.1 to .3).
pub const CLIENT_COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// Client: the reply to DATA (§4.5.3.2.4).
pub const CLIENT_DATA_TIMEOUT: Duration = Duration::from_secs(120);
/// Client: each block of data (§4.5.3.2.5).
pub const CLIENT_BLOCK_TIMEOUT: Duration = Duration::from_secs(180);
/// Client: the reply to the final dot (§4.5.3.2.6).
pub const CLIENT_DOT_TIMEOUT: Duration = Duration::from_secs(600);
