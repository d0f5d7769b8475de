//! Opens a connection to one address of a host: guard, TCP, greeting, EHLO, TLS by its policy, sign-in.
//!
//! With opportunistic TLS a handshake that fails closes the connection, and a new one to the same address goes without;
//! the log says so.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Settings;
use super::connection::{Connection, Peer, Stream, within};
use super::exchangers::{Found, Way};
use super::failure::{Blame, Failure, patience, stage};
use crate::clock::Clock;
use crate::mail::Host;
use crate::net::{guard, own, tls};
use crate::policy::no_way::NoWay;
use crate::policy::settings::TlsPolicy;
use crate::policy::verdict::Stage;
use crate::smtp::client::{Credentials, Opening, OpeningStep, StartTls};
use crate::smtp::reply::Reply;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Dialer {
    settings: Arc<Settings>,
    opportunistic: Arc<ClientConfig>,
    verifying: Arc<ClientConfig>,
    judge: tls::Judge,
    clock: Clock,
}

/// Where to, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The way that the host is on.
    pub(super) way: &'a Way,
    /// The host.
    pub(super) host: &'a Host,
    /// Its address.
    pub(super) ip: IpAddr,
    /// TLS.
    pub(super) policy: TlsPolicy,
    /// How long connecting may take.
    pub(super) limit: Duration,
}

impl Dialer {
    /// Builds both TLS configurations.
    pub(super) fn new(settings: Arc<Settings>, clock: Clock) -> Self {
        Self {
            settings,
            opportunistic: tls::opportunistic_client(),
            verifying: tls::verifying_client(),
            judge: tls::Judge::new(),
            clock,
        }
    }

    /// A connection on which mail may be sent.
    pub(super) async fn dial(&self, call: Call<'_>) -> Result<Connection, Failure> {
        let wish = call.start_tls();
        match self.open(call, wish).await {
            Err(failure) if failure.stage == Stage::Tls && wish == StartTls::IfOffered => {
                let mut connection = self.open(call, StartTls::Never).await?;
                connection.peer.note = Some(format!("sent without TLS: {}", failure.words()));
                Ok(connection)
            }
            other => other,
        }
    }

    async fn open(&self, call: Call<'_>, wish: StartTls) -> Result<Connection, Failure> {
        let peer = Peer { host: call.host.clone(), ip: call.ip, tls: None, note: None };
        let mut connection = Connection::new(self.connect(call).await?, peer);
        if call.implicit_tls() {
            connection = self.handshake(connection, call).await?;
        }
        let mut opening = Opening::new(self.settings.hostname.clone(), wish, self.credentials(call).await?);
        loop {
            match opening.advance(&mut connection.input, &mut connection.out)? {
                OpeningStep::Ready(offered) => {
                    connection.offered = Arc::new(offered);
                    return Ok(connection);
                }
                OpeningStep::Handshake => {
                    connection = self.handshake(connection, call).await?;
                    opening.tls_started(&mut connection.out);
                }
                OpeningStep::Read => {
                    let (stage, limit) = (stage(opening.phase()), patience(opening.phase(), &self.settings.timeouts));
                    connection.flush(stage, limit).await?;
                    connection.fill(stage, limit, self.clock.instant()).await?;
                }
            }
        }
    }

    async fn connect(&self, call: Call<'_>) -> Result<TcpStream, Failure> {
        let guarded = call.way.is_guarded() && !self.settings.allow_private;
        if guarded && let Some(why) = guard::forbidden(call.ip, &self.settings.source_addresses) {
            return Err(forbidden(why));
        }
        let socket = within(call.limit, Stage::Connect, async { socket_towards(call.ip) }).await?;
        self.bind(&socket, call.ip)?;
        let connecting = async {
            let stream = socket.connect(SocketAddr::new(call.ip, call.way.port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = within(call.limit, Stage::Connect, connecting).await?;
        // The kernel gives a connection to one of this machine's own addresses that address on both ends.
        let own = stream.local_addr().is_ok_and(|local| local.ip() == call.ip);
        if guarded && own { Err(forbidden("an address of this gateway")) } else { Ok(stream) }
    }

    /// By what is set and this machine has. What fails here is no fault of any next hop.
    fn bind(&self, socket: &TcpSocket, towards: IpAddr) -> Result<(), Failure> {
        let bound = own::bind_first(&self.settings.source_addresses, towards, |source| socket.bind(source));
        bound.map_err(|(source, error)| Failure {
            blame: Blame::Us,
            ..Failure::silent(Stage::Connect, format!("this machine cannot send from {source}: {error}"))
        })
    }

    async fn handshake(&self, connection: Connection, call: Call<'_>) -> Result<Connection, Failure> {
        let name = server_name(call.host)?;
        let config = if call.is_verified() { &self.verifying } else { &self.opportunistic };
        let Some((stream, peer)) = connection.into_plain() else {
            return Err(Failure::silent(Stage::Tls, "TLS runs already"));
        };
        let shaking = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        let stream = within(self.settings.timeouts.handshake, Stage::Tls, shaking).await?;
        let facts = self.judge.facts(stream.get_ref().1, &name, self.clock.now());
        Ok(Connection::inside_tls(Stream::Tls(Box::new(stream)), Peer { tls: Some(facts), ..peer }))
    }

    /// Read for each connection, so that a changed password counts with the next one.
    async fn credentials(&self, call: Call<'_>) -> Result<Option<Credentials>, Failure> {
        let Found::Fixed { sign_in: true, .. } = call.way.found else { return Ok(None) };
        let Some((name, file)) = &self.settings.relay_sign_in else { return Ok(None) };
        let read = tokio::fs::read_to_string(file).await;
        let password = read.map_err(|error| {
            let why = format!("the relay's password cannot be read from {}: {error}", file.display());
            Failure { blame: Blame::Us, ..Failure::silent(Stage::SignIn, why) }
        })?;
        Ok(Some(Credentials { name: name.clone(), password: password.trim_end_matches(['\r', '\n']).to_owned() }))
    }
}

impl Call<'_> {
    const fn implicit_tls(&self) -> bool {
        matches!(self.way.found, Found::Fixed { implicit_tls: true, .. })
    }

    /// `smtps://` and credentials demand a certificate that verifies.
    const fn is_verified(&self) -> bool {
        matches!(self.way.found, Found::Fixed { implicit_tls: true, .. } | Found::Fixed { sign_in: true, .. })
    }

    fn start_tls(&self) -> StartTls {
        if self.implicit_tls() {
            StartTls::Never
        } else if self.is_verified() || self.policy == TlsPolicy::Require {
            StartTls::Demanded
        } else {
            StartTls::IfOffered
        }
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Literal(literal) => Ok(ServerName::from(literal.0)),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| Failure::silent(Stage::Tls, "the host's name cannot be asked for in TLS")),
    }
}

fn socket_towards(ip: IpAddr) -> io::Result<TcpSocket> {
    if ip.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

fn forbidden(why: &str) -> Failure {
    let text = format!("{} {why}, which is never connected to", NoWay::Forbidden.words());
    Failure::astray(Stage::Connect, Reply::new(550, 4, 4, text))
}
