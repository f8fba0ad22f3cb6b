//! Chromium without a window, driven over HTTP as WebDriver (W3C) says.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Request;

use crate::support::agent;

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const MISSING: &str =
    "is missing: install Debian's `chromium` and `chromium-driver`, as test.sh does";

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// One browser after the other: a machine with few cores is slow with many.
static TURN: Mutex<()> = Mutex::new(());

/// A browser with a profile of its own; both end with it.
pub(super) struct Browser {
    driver: Driver,
    session: String,
    profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// The process that drives.
struct Driver {
    process: Child,
    base: String,
    agent: Agent,
    _said: BufReader<ChildStdout>,
}

/// A request that the browser made, as it says itself.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// `POST` and the like.
    pub(super) method: String,
    /// The whole address.
    pub(super) url: String,
    /// What was sent.
    pub(super) body: String,
    /// All headers as JSON.
    pub(super) headers: String,
}

impl Driver {
    fn start() -> Self {
        assert!(std::fs::exists(CHROMIUM).unwrap(), "{CHROMIUM} {MISSING}");
        let mut command = Command::new(CHROMEDRIVER);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process =
            command.spawn().unwrap_or_else(|error| panic!("{CHROMEDRIVER} {MISSING}: {error}"));
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "chromedriver ended at once");
            if let Some((_, port)) =
                line.trim().trim_end_matches('.').split_once("successfully on port ")
            {
                break port.parse::<u16>().unwrap();
            }
        };
        let base = format!("http://127.0.0.1:{port}");
        Self { process, base, agent: agent(), _said: said }
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header("Content-Type", "application/json");
        let text = if method == "POST" { body.to_string() } else { String::new() };
        let mut response = self.agent.run(request.body(text).unwrap()).unwrap();
        let ok = response.status().is_success();
        let said = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let mut said: Value = serde_json::from_str(&said).unwrap();
        if ok { Ok(said["value"].take()) } else { Err(said["value"]["message"].to_string()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    /// A fresh browser on an empty page.
    pub(super) fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let driver = Driver::start();
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = FLAGS.iter().copied().chain([folder.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": CHROMIUM, "args": flags },
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        }}});
        let made = driver.command("POST", "/session", &wanted).unwrap();
        let session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        let browser = Self { driver, session, profile, _turn: turn };
        browser.resize(360, 740);
        browser.open("about:blank");
        // What its own first page asked for is not looked at.
        browser.sent();
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        self.driver.command(method, &path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Opens an address; its scripts have run when this returns.
    pub(super) fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page; a promise is awaited.
    pub(super) fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits in the page until the expression is true.
    pub(super) fn wait(&self, expression: &str) {
        let script = format!(
            "return new Promise((resolve, reject) => {{
               const end = Date.now() + 10000;
               const look = () => {expression} ? resolve()
                 : Date.now() > end ? reject('not within 10 s') : setTimeout(look, 15);
               look();
             }})"
        );
        self.run(&script);
    }

    /// A command of the browser's own protocol.
    pub(super) fn cdp(&self, name: &str, params: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": name, "params": params }))
    }

    /// Runs in every page from now on, before the page's own script.
    pub(super) fn before_scripts(&self, source: &str) {
        let source = format!("{{ {source} }}");
        self.cdp("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": source }));
    }

    /// From the next page on, scripts do not run.
    pub(super) fn without_scripts(&self) {
        self.cdp("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// Clicks where a pointer would click.
    pub(super) fn click(&self, css: &str) {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": css}));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.ask("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// Presses and releases keys, whatever has the focus.
    pub(super) fn press_keys(&self, keys: &str) {
        let ups_and_downs: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|way| json!({ "type": way, "value": key })))
            .collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": ups_and_downs }]);
        self.ask("POST", "/actions", &json!({ "actions": actions }));
    }

    /// Makes the page this large, in CSS pixels.
    pub(super) fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.cdp("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `light` or `dark`; nothing moves.
    pub(super) fn prefer(&self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What is seen, as PNG.
    pub(super) fn picture(&self) -> Vec<u8> {
        let taken = self.ask("GET", "/screenshot", &Value::Null);
        STANDARD.decode(taken.as_str().unwrap()).unwrap()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let said = self.ask("POST", "/se/log", &json!({ "type": kind }));
        said.as_array().unwrap().clone()
    }

    /// What the browser complained about since the last look.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.log("browser").iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The requests that the browser made since the last look.
    pub(super) fn sent(&self) -> Vec<Sent> {
        let mut all = Vec::new();
        for entry in self.log("performance") {
            let entry: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let (name, params) = (&entry["message"]["method"], &entry["message"]["params"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if name == "Network.requestWillBeSent" {
                let request = &params["request"];
                all.push(Sent {
                    method: text(&request["method"]),
                    url: text(&request["url"]) + params["documentURL"].as_str().unwrap_or_default(),
                    body: text(&request["postData"]),
                    headers: request["headers"].to_string(),
                });
            }
            if name == "Network.requestWillBeSentExtraInfo" {
                let headers = params["headers"].to_string();
                let (method, url) = ("extra".to_owned(), String::new());
                all.push(Sent { method, url, body: String::new(), headers });
            }
        }
        all
    }

    /// Ends the browser and leaves what it wrote.
    pub(super) fn end(mut self) -> TempDir {
        self.ask("DELETE", "", &Value::Null);
        self.session.clear();
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.profile, empty)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // A test that failed ends here as well.
            let _ = self.driver.command("DELETE", &self.session, &Value::Null);
        }
    }
}
