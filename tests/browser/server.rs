//! The public router on a loopback port, as the gateway serves it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waypost::certificates::Certificates;
use waypost::http::{Entrance, Listener};
use waypost::net::network::Networks;

use crate::driver::{Browser, Look};
use crate::web::House;

/// A house that can be visited.
pub(crate) struct Open {
    pub(crate) house: House,
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Open {
    /// Opens the furnished house.
    pub(crate) async fn new() -> Self {
        Self::to(House::furnished().await).await
    }

    /// Opens a house.
    pub(crate) async fn to(house: House) -> Self {
        Self::over(house, None).await
    }

    /// Opens a house, inside TLS where certificates are given.
    pub(crate) async fn over(house: House, certificates: Option<Certificates>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let entrance = Entrance::new(Networks::default(), Arc::default(), CancellationToken::new());
        let listener = Listener { socket, certificates, router: house.public.clone() };
        let serving = tokio::spawn(entrance.serve(listener));
        Self { house, address, serving }
    }

    /// Hangs up on everybody, and answers no more.
    pub(crate) fn close(&self) {
        self.serving.abort();
    }

    /// A browser that is signed in by a link.
    pub(crate) async fn visitor(&self, look: Look) -> Browser {
        let browser = Browser::start(look).await;
        browser.open(&self.link().await).await;
        browser.click("main button.primary").await;
        browser.text("nav [aria-current]").await;
        browser
    }

    /// A page's address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of a fresh sign-in link.
    pub(crate) async fn link(&self) -> String {
        let link = self.house.admin.add_panel_link(&waypost::admin::Actor::operator()).await.unwrap();
        self.url(&format!("/sign-in/{}", link.text()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request of JSON over plain HTTP.
pub(crate) async fn json_request(to: SocketAddr, (method, path): (&str, &str), body: Value) -> Result<Value, String> {
    let stream = tokio::net::TcpStream::connect(to).await.map_err(|why| why.to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(|why| why.to_string())?;
    let connection = tokio::spawn(connection);
    let body = if method == "POST" { Body::from(body.to_string()) } else { Body::empty() };
    let request = Request::builder().method(method).uri(path).header("host", to.to_string());
    let request = request.header("content-type", "application/json").body(body).map_err(|why| why.to_string())?;
    let answer = sender.send_request(request).await.map_err(|why| why.to_string())?;
    let octets = http_body_util::BodyExt::collect(answer.into_body()).await.map_err(|why| why.to_string())?.to_bytes();
    connection.abort();
    let answer: Value = serde_json::from_slice(&octets).map_err(|why| why.to_string())?;
    match answer["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
        None => Ok(answer.get("value").cloned().unwrap_or(json!(null))),
    }
}
