//! A browser and the few words of the WebDriver protocol (W3C) that the tests speak.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::json_request;

/// How high a window is.
const HEIGHT: u64 = 900;
/// How long an element, what it says, or the page's answer is waited for, on however slow a machine tests run.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a browser is set up.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) script: bool,
    pub(crate) dark: bool,
}

/// One browser with a profile of its own, gone when dropped.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: TempDir,
}

impl Browser {
    /// Starts chromedriver on a port of its choice, and one browser.
    pub(crate) async fn start(look: Look) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: apt-get install chromium chromium-driver");
        let address = SocketAddr::from(([127, 0, 0, 1], port_of(&mut driver)));
        let profile = tempfile::tempdir().unwrap();
        let wanted = capabilities(&profile, look);
        let made = json_request(address, ("POST", "/session"), wanted).await.unwrap();
        let session = made["sessionId"].as_str().unwrap().to_owned();
        let browser = Self { driver, address, session, profile };
        browser.size(look.width, HEIGHT).await;
        browser.darken(look.dark).await;
        browser
    }

    /// Gives the window a size; narrow ones are telephones.
    async fn size(&self, width: u32, height: u64) {
        let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params":
            { "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640 } });
        self.post("/goog/cdp/execute", metrics).await;
    }

    /// Makes the window as wide as this.
    pub(crate) async fn widen(&self, width: u32) {
        self.size(width, HEIGHT).await;
    }

    /// Reads in another zone of time.
    pub(crate) async fn travel(&self, zone: &str) {
        let there = json!({ "cmd": "Emulation.setTimezoneOverride", "params": { "timezoneId": zone } });
        self.post("/goog/cdp/execute", there).await;
    }

    /// Asks for dark pages, or for light ones.
    pub(crate) async fn darken(&self, dark: bool) {
        self.prefer("prefers-color-scheme", if dark { "dark" } else { "light" }).await;
    }

    /// Prefers this, and nothing else.
    pub(crate) async fn prefer(&self, feature: &str, value: &str) {
        let media = json!({ "cmd": "Emulation.setEmulatedMedia", "params":
            { "features": [{ "name": feature, "value": value }] } });
        self.post("/goog/cdp/execute", media).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).await.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    async fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        json_request(self.address, ("POST", &format!("/session/{}{path}", self.session)), body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    async fn try_get(&self, path: &str) -> Result<Value, String> {
        json_request(self.address, ("GET", &format!("/session/{}{path}", self.session)), Value::Null).await
    }

    /// Opens a page and waits until it is there.
    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Signs out without the gateway's help.
    pub(crate) async fn forget_cookies(&self) {
        self.post("/goog/cdp/execute", json!({ "cmd": "Network.clearBrowserCookies", "params": {} })).await;
    }

    /// The names of the cookies that the page has.
    pub(crate) async fn cookies(&self) -> Vec<String> {
        let all = self.get("/cookie").await;
        all.as_array().unwrap().iter().map(|cookie| cookie["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The page's path.
    pub(crate) async fn path(&self) -> String {
        let url = self.get("/url").await;
        let url: axum::http::Uri = url.as_str().unwrap().split('#').next().unwrap().parse().unwrap();
        url.path().to_owned()
    }

    /// The page as it stands.
    pub(crate) async fn source(&self) -> String {
        self.get("/source").await.as_str().unwrap().to_owned()
    }

    /// Looks for an element: the driver does so again until it is there or [`PATIENCE`] is over.
    async fn find(&self, css: &str) -> Result<String, String> {
        let found = self.try_post("/element", json!({ "using": "css selector", "value": css })).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    /// The text that is seen of an element.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.patiently(css, |id| async move { self.try_text(&id).await }, |_| true).await
    }

    /// Waits until an element says these words. After a click the page before may still stand, and say something else.
    pub(crate) async fn says(&self, css: &str, words: &str) {
        self.patiently(css, |id| async move { self.try_text(&id).await }, |text| text.contains(words)).await;
    }

    /// Waits until an element says this and nothing else.
    pub(crate) async fn reads(&self, css: &str, text: &str) {
        self.patiently(css, |id| async move { self.try_text(&id).await }, |seen| seen == text).await;
    }

    async fn try_text(&self, id: &str) -> Result<String, String> {
        Ok(self.try_get(&format!("/element/{id}/text")).await?.as_str().unwrap().to_owned())
    }

    /// Does something with an element, again where it went away meanwhile, which the driver calls by many names, or where
    /// what came of it is not yet what is wanted.
    async fn patiently<T: Debug, F: Future<Output = Result<T, String>>>(
        &self,
        css: &str,
        act: impl Fn(String) -> F,
        wanted: impl Fn(&T) -> bool,
    ) -> T {
        let began = tokio::time::Instant::now();
        loop {
            let came = match self.find(css).await {
                Ok(id) => act(id).await,
                Err(why) => Err(why),
            };
            if came.as_ref().is_ok_and(&wanted) {
                return came.unwrap();
            }
            assert!(began.elapsed() < PATIENCE, "{css}: {came:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Presses an element as a person would, who scrolls to it first where something lies over the edge of the screen.
    pub(crate) async fn click(&self, css: &str) {
        let press = |id: String| async move {
            let pressed = self.try_post(&format!("/element/{id}/click"), json!({})).await;
            if pressed.as_ref().is_err_and(|why| why.contains("intercepted")) {
                let there =
                    json!({ "script": "arguments[0].scrollIntoView({ block: 'center' })", "args": [{ ELEMENT: id }] });
                self.try_post("/execute/sync", there).await?;
            }
            pressed
        };
        self.patiently(css, press, |_| true).await;
    }

    /// Writes into an element, in place of what is there.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let fill = |id| async move {
            self.try_post(&format!("/element/{id}/clear"), json!({})).await?;
            self.try_post(&format!("/element/{id}/value"), json!({ "text": text })).await
        };
        self.patiently(css, fill, |_| true).await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let press = |key: char| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let all: Vec<_> = keys.chars().flat_map(press).collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": all }] })).await;
    }

    /// A property of what is shown.
    pub(crate) async fn style(&self, css: &str, property: &str) -> String {
        let id = self.find(css).await.unwrap_or_else(|why| panic!("{css}: {why}"));
        self.get(&format!("/element/{id}/css/{property}")).await.as_str().unwrap().to_owned()
    }

    /// Asks the page; needs script.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.try_ask(script).await.unwrap_or_else(|why| panic!("{script}: {why}"))
    }

    async fn try_ask(&self, script: &str) -> Result<Value, String> {
        self.try_post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until the page answers so; needs script.
    pub(crate) async fn answers(&self, script: &str, wanted: Value) {
        let look = async {
            while self.try_ask(script).await.as_ref() != Ok(&wanted) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{script} never gave {wanted}"));
    }

    /// Waits for a file of this name that the page gave.
    pub(crate) async fn file(&self, name: &str) -> Vec<u8> {
        let file = downloads(&self.profile).join(name);
        let look = async {
            while !file.exists() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{name} never came"));
        std::fs::read(file).unwrap()
    }

    /// A picture of the whole page, as PNG: in a window so high that what sticks to its edges hides nothing.
    pub(crate) async fn picture(&self, width: u32) -> Vec<u8> {
        let height = self.ask("return document.documentElement.scrollHeight").await.as_u64().unwrap();
        self.size(width, height.max(HEIGHT)).await;
        let asked = json!({ "cmd": "Page.captureScreenshot", "params": { "format": "png" } });
        let made = self.post("/goog/cdp/execute", asked).await;
        self.size(width, HEIGHT).await;
        data_encoding::BASE64.decode(made["data"].as_str().unwrap().as_bytes()).unwrap()
    }
}

/// The driver closes its browser when the session is deleted; then it is stopped itself.
impl Drop for Browser {
    fn drop(&mut self) {
        let request =
            format!("DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.session, self.address);
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where files go that pages give.
fn downloads(profile: &TempDir) -> PathBuf {
    profile.path().join("downloads")
}

fn capabilities(profile: &TempDir, look: Look) -> Value {
    let own = format!("--user-data-dir={}", profile.path().display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        // A picture is of the page as it was measured.
        "--hide-scrollbars",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
        // The gateway's own name, as from another machine.
        "--host-resolver-rules=MAP mx.gateway.example 127.0.0.1",
        &own,
    ];
    let script = if look.script { 1 } else { 2 };
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "timeouts": { "implicit": patience, "script": patience },
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": {
                "profile.managed_default_content_settings.javascript": script,
                "download.default_directory": downloads(profile),
            },
        },
    } } })
}

/// chromedriver says on which port it listens; what it says later is read and forgotten.
fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let said = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    });
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    said.expect("chromedriver ended before it listened")
}
