//! Pebble, the ACME server that Let's Encrypt tests clients with, on loopback, with our DNS.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use tempfile::TempDir;
use waypost::net::fetch::{Fetcher, Reach};
use waypost::net::resolver::Dns as Resolver;
use waypost::net::tls;

/// The longest that it may take to start.
const PATIENCE: Duration = waypost::demo::inbox::MAX_WAIT;

/// A CA that can be started when its ports are known; ended when dropped.
pub(crate) struct Pebble {
    dir: TempDir,
    api: SocketAddr,
    management: SocketAddr,
    child: Option<Child>,
}

/// Where the CA looks, and how long its certificates live.
pub(crate) struct Looks {
    pub(crate) dns: SocketAddr,
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
    pub(crate) lifetime_secs: u32,
}

impl Pebble {
    /// Not started yet: orders are refused by the kernel.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(dir.path().join("api.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("api.key"), made.signing_key.serialize_pem()).unwrap();
        Self { dir, api: free(), management: free(), child: None }
    }

    /// What a gateway is told to order here, as environment variables.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TLS__ACME", "on".to_owned()),
            ("TLS__ACME_DIRECTORY", format!("https://{}/dir", self.api)),
            ("TLS__ACME_EMAIL", "owner@inbox.example".to_owned()),
            ("TLS__ACME_ROOT", self.root().to_str().unwrap().to_owned()),
        ]
    }

    /// Ends it; its files stay.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _over = child.kill();
            let _over = child.wait();
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("api.pem")
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&mut self, looks: &Looks) {
        let file = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": self.api.to_string(), "managementListenAddress": self.management.to_string(),
            "certificate": file("api.pem"), "privateKey": file("api.key"),
            "httpPort": looks.http_port, "tlsPort": looks.tls_port, "certificateValidityPeriod": looks.lifetime_secs,
        }});
        std::fs::write(file("config.json"), config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command.args(["-config", &file("config.json"), "-strict", "-dnsserver", &looks.dns.to_string()]);
        command
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().expect("pebble, of the package of that name, must be installed"));
        let up = async {
            while self.issuer().await.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("pebble must start");
    }

    /// A file with the root of the certificates that it issues.
    pub(crate) async fn issuer(&self) -> Option<PathBuf> {
        let url = format!("https://{}/roots/0", self.management);
        let tls = tls::client_trusting(&self.root()).unwrap();
        let resolver = waypost::auth::Authenticator::new(&waypost::auth::Settings {
            servers: vec![self.api],
            timeout: Duration::from_secs(1),
        });
        let dns = Resolver::new(resolver.unwrap().resolver(), Duration::from_secs(1));
        let fetcher = Fetcher { dns, tls, reach: Reach::OwnNetwork };
        let answer = fetcher.fetch(Request::get(url).body(Bytes::new()).unwrap()).await.ok()?;
        let path = self.dir.path().join("issuer.pem");
        std::fs::write(&path, answer.body()).unwrap();
        Some(path)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that is free, and below those that the kernel gives to whoever asks for any.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 1_000).unwrap() * 12;
    loop {
        let port = 20_000 + begin + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return SocketAddr::from(([127, 0, 0, 1], port));
        }
    }
}
