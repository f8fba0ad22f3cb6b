//! A running `kunji`, and the requests that tests send to it.

pub(crate) mod blocks;
pub(crate) mod line;
pub(crate) mod shape;
pub(crate) mod watched;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kunji_vault::{BlockAlg, BlockMaker, PinUse, Vault};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Method, Request, Response};

/// The binary under test.
pub(crate) const KUNJI: &str = env!("CARGO_BIN_EXE_kunji");

/// The key of the sandbox's prepaid client.
pub(crate) const TOKEN_KEY: &str = "ascii:0123456789abcdef01234567";

/// The headers of the sandbox's prepaid client.
pub(crate) const CLIENT: &[(&str, &str)] = &[
    ("x-api-key", "7fe1c0de"),
    ("clientId", "2000"),
    ("bankId", "7000"),
    ("entityId", "100"),
    ("secureCode", "AfYtlO5kqdySIjXyNmGg3F"),
    ("Content-Type", "application/json"),
];

/// The headers of the Axis-style API's client, in the sandbox and in [`AXIS_CLIENTS`].
pub(crate) const AXIS_CLIENT: [(&str, &str); 2] =
    [("X-IBM-Client-Id", "sandbox"), ("X-IBM-Client-Secret", "sandbox-client-secret")];

/// The same client for a configuration of `kunji serve`.
pub(crate) const AXIS_CLIENTS: &str = "
[[axis.clients]]
name = 'app'
client_id = 'sandbox'
client_secret = 'sandbox-client-secret'
";

/// A process that is killed when the test ends.
pub(crate) struct Kunji {
    /// Where it answers.
    pub(crate) base: String,
    /// The process.
    pub(crate) process: Child,
    agent: Agent,
    /// All that was answered since somebody began to listen.
    heard: Mutex<Option<Vec<String>>>,
}

/// One answer, whole.
#[derive(Clone)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body's bytes.
    pub(crate) body: Vec<u8>,
    /// Names (lower case) and values of the headers.
    pub(crate) headers: Vec<(String, String)>,
}

/// Two answers are the same apart from what every answer has for itself.
impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        let kept = |name: &str| name != "date" && name != "x-request-id";
        let headers = |answer: &Self| {
            let headers = answer.headers.iter().filter(|(name, _)| kept(name));
            headers.cloned().collect::<Vec<_>>()
        };
        (self.status, &self.body, headers(self)) == (other.status, &other.body, headers(other))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text, with what the token holds in its place: of the token itself, any letters
    /// may be by chance.
    pub(crate) fn opened(&self) -> String {
        let text = self.text();
        let body = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let held = body["token"]
            .as_str()
            .and_then(|token| Some((token, token_key().open_text(token).ok()?)));
        held.map_or_else(|| text.clone(), |(token, held)| text.replacen(token, &held, 1))
    }

    /// The body, and what its members hold in tokens of the sandbox's client or in base64.
    fn spoken(&self) -> Vec<String> {
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else { return Vec::new() };
        let within = |token: &str| {
            let opened = token_key().open_text(token).ok().map(|text| text.to_string());
            opened.or_else(|| String::from_utf8(STANDARD.decode(token).ok()?).ok())
        };
        let members = [&body["token"], &body["SetResetMPINResponseBody"]["data"]];
        let members = members.into_iter().filter_map(Value::as_str).filter_map(within);
        std::iter::once(self.text()).chain(members).collect()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Kunji {
    /// A sandbox in a directory of its own.
    pub(crate) fn sandbox() -> Self {
        Self::start(&["sandbox"])
    }

    /// A sandbox with settings from its environment.
    pub(crate) fn sandbox_with(settings: &[(&str, &str)]) -> Self {
        Self::start_with(&["sandbox"], settings)
    }

    /// A sandbox with a seed of its own.
    pub(crate) fn sandbox_seeded(seed: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seed.toml");
        std::fs::write(&file, seed).unwrap();
        Self::start(&["sandbox", "--seed", file.to_str().unwrap()])
    }

    /// A sandbox whose files take no further byte.
    pub(crate) fn sandbox_on_a_full_disk() -> Self {
        let mut command = Command::new("sh");
        // A write over the limit is to fail, not to end the process.
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", KUNJI]).stderr(Stdio::null());
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
        let kunji = Self::spawn(command);
        // The RSA key is written when the first start is over; it is not what is to break.
        assert_eq!(kunji.get("/.well-known/jwks.json").status, 200);
        let process = kunji.process.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &process, "--fsize=0"]).status();
        assert!(status.unwrap().success());
        kunji
    }

    /// A sandbox whose state stays.
    pub(crate) fn sandbox_in(dir: &Path) -> Self {
        Self::start(&["sandbox", "--data", dir.to_str().unwrap()])
    }

    /// `kunji sandbox ...` on a free port; ready when this returns.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same with settings from its environment.
    pub(crate) fn start_with(args: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(KUNJI);
        command.args(args).args(["--listen", "127.0.0.1:0", "--output", "json"]);
        command.envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// Any command that prints `{"base": ...}` once it answers.
    pub(crate) fn spawn(mut command: Command) -> Self {
        // Why somebody was not let in would fill the tests' own output.
        command.env("KUNJI_LOG__LEVEL", "error");
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("said {line:?}"));
        Self::of(said["base"].as_str().unwrap().to_owned(), process)
    }

    /// A process that answers there.
    pub(crate) fn of(base: String, process: Child) -> Self {
        Self { base, process, agent: agent(), heard: Mutex::default() }
    }

    /// `host:port`, for raw sockets.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Sends a request.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.try_send(method, path, headers, body).unwrap()
    }

    /// Sends a request that may find nobody.
    pub(crate) fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(body.into()).unwrap()).map(whole)?;
        if let Some(heard) = self.heard.lock().unwrap().as_mut() {
            heard.extend(answer.spoken());
        }
        Ok(answer)
    }

    /// Keeps what is answered from now on.
    pub(crate) fn listen(&self) {
        *self.heard.lock().unwrap() = Some(Vec::new());
    }

    /// All that was answered since.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().take().unwrap_or_default()
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "")
    }

    /// `POST` of JSON.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, body.to_string())
    }

    /// Change MPIN decided by the account.
    pub(crate) fn change_live(&self, body: &Value) -> Answer {
        let [id, secret] = AXIS_CLIENT;
        self.post(CHANGE_MPIN, &[("X-Kunji-Mode", "live"), id, secret], body)
    }

    /// One prepaid call: what was answered, and the JSON inside of its token.
    pub(crate) fn prepaid(&self, method: Method, path: &str, inner: &Value) -> (u16, Value) {
        self.prepaid_with(method, path, CLIENT, inner)
    }

    /// One prepaid call with headers of its own.
    pub(crate) fn prepaid_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        inner: &Value,
    ) -> (u16, Value) {
        let body = json!({ "token": token(&inner.to_string()) }).to_string();
        let answer = self.send(method, path, headers, body);
        let outer = answer.json();
        match outer.get("token") {
            Some(token) => (answer.status, opened(token.as_str().unwrap())),
            None => (answer.status, outer),
        }
    }

    /// Asks our own API whether a PIN is right; the verdict or the problem's code.
    pub(crate) fn verify(&self, kind: &str, id: &str, pin: &str) -> String {
        let path = format!("/kunji/v1/credentials/{kind}/{id}/verify");
        let bearer = [("Authorization", "Bearer sandbox")];
        let said = self.post(&path, &bearer, &json!({ "txn": fresh("V"), "pin": pin })).json();
        let said = said.get("verdict").or(said.get("code")).cloned();
        said.unwrap().as_str().unwrap().to_owned()
    }

    /// A block for the keys that are served, made now.
    pub(crate) fn sealed(&self, alg: BlockAlg, pin: &str, pin_use: PinUse, txn: &str) -> String {
        let keys = self.get("/.well-known/jwks.json").text();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let maker = BlockMaker::from_jwks(&keys, alg).unwrap();
        maker.seal(pin, pin_use, txn, i64::try_from(now).unwrap()).unwrap()
    }

    /// Back to the seed.
    pub(crate) fn start_over(&self) {
        let answer = self.send(Method::POST, "/kunji/v1/sandbox/reset", &[], "");
        assert_eq!(answer.status, 204);
    }

    /// Pushes the clock.
    pub(crate) fn advance(&self, span: &str) {
        let answer = self.post("/kunji/v1/sandbox/clock", &[], &json!({ "advance": span }));
        assert_eq!(answer.status, 200);
    }

    /// The newest OTP that was sent to a number.
    pub(crate) fn otp(&self, to: &str) -> String {
        let sent = self.get(&format!("/kunji/v1/sandbox/outbox?to={to}")).json();
        sent[0]["otp"].as_str().unwrap().to_owned()
    }

    /// SIGTERM, then the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(self.process.id(), "TERM");
        self.process.wait().unwrap().code()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Kunji {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes a file that only its owner may use, as secrets lie.
pub(crate) fn put_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Where an MPIN is changed.
pub(crate) const CHANGE_MPIN: &str = "/api/transactions/v1/changempin";
/// Where a card's PIN is reset.
pub(crate) const RESET_PIN: &str = "/mob1/api/onboarding/v1/resetPin";

/// The vendor's own sample of a change, with mended JSON.
pub(crate) fn sample_change() -> Value {
    json!({"ChangeMPINRequest": {
        "SubHeader": {
            "requestUUID": "req-1621234567890-123",
            "serviceRequestId": "NB.GEN.UPIAPI.CHANGEMPIN",
            "serviceRequestVersion": "1.0",
            "channelId": "TEST",
        },
        "SetResetMPINRequestBody": {
            "customerId": "CIF12345678",
            "bank": "AXIS",
            "txnId": "TXN1621234567890",
            "ac": {
                "accRefNumber": "ACC123456789",
                "name": "John Doe",
                "ifsc": "AXIS0000001",
                "maskedAccnumber": "*****6789",
                "status": "ACTIVE",
                "type": "SAVINGS",
                "vpa": "johndoe@axis",
                "aeba": "N",
            },
            "cred": {"type": "PIN", "subType": "MPIN", "data": {"code": "1234"}},
            "newcred": {"type": "PIN", "subType": "MPIN", "data": {"code": "5678"}},
            "device": {
                "app": "AXISBANK",
                "capability": "5200000200010004000639292929292",
                "geocode": "28.613939,77.209021",
                "id": "DCAD28A8A1AB48F99BBCA425B0912ECD",
                "ip": "192.168.1.1",
                "location": "Delhi",
                "mobile": "918888888888",
                "os": "Android",
                "type": "MOB",
            },
        },
    }})
}

/// A change of one account's MPIN under a fresh transaction id.
pub(crate) fn change(customer: &str, account: &str, vpa: &str, old: &str, new: &str) -> Value {
    let mut body = sample_change();
    let inner = &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"];
    inner["customerId"] = json!(customer);
    inner["ac"]["accRefNumber"] = json!(account);
    inner["ac"]["vpa"] = json!(vpa);
    if account != "ACC123456789" {
        // Shows nothing of the number.
        inner["ac"]["maskedAccnumber"] = json!("*****");
    }
    if account.starts_with("STOCKREF") {
        inner["bank"] = json!("KUNJ");
        inner["ac"]["ifsc"] = json!("KUNJ0000001");
    }
    inner["txnId"] = json!(fresh("TXN"));
    inner["cred"]["data"]["code"] = json!(old);
    inner["newcred"]["data"]["code"] = json!(new);
    body
}

/// A change of the seeded customer's MPIN under a fresh transaction id.
pub(crate) fn change_john(old: &str, new: &str) -> Value {
    change("CIF12345678", "ACC123456789", "johndoe@axis", old, new)
}

/// A change of the seeded six-digit MPIN under a fresh transaction id.
pub(crate) fn change_asha(old: &str, new: &str) -> Value {
    change("CIF00000002", "ACC000000002", "asha@axis", old, new)
}

/// The vendor's own sample of a reset under a fresh transaction id.
pub(crate) fn reset(new_pin: &str) -> Value {
    json!({
        "messageCode": "1120",
        "requestDateTime": "20160715025837",
        "clientTxnId": fresh("R"),
        "newPIN": new_pin,
        "urn": 70_000_000_008_u64,
        "last4Digits": "1745",
        "customerId": "IN00001201001868",
    })
}

/// The keys that a sandbox keeps in its directory.
pub(crate) fn keys_in(dir: &Path) -> Arc<Vault> {
    let (keys, unseal) = (dir.join("keys.sealed"), dir.join("unseal.key"));
    Arc::new(kunji_server::backup::open_keys(&keys, &unseal).unwrap())
}

/// An id that no other request of this test run has, nor any in the kept store of format 2: theirs
/// are all below the first one.
pub(crate) fn fresh(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(100_001);
    format!("{prefix}{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn token_key() -> kunji_vault::TokenKey {
    kunji_vault::TokenKey::parse(TOKEN_KEY, kunji_vault::Layout::IvPrefixed).unwrap()
}

/// Seals a text as the sandbox's prepaid client does.
pub(crate) fn token(inner: &str) -> String {
    token_key().seal(inner.as_bytes(), *b"an iv of 16 byte").unwrap()
}

/// What a token of the sandbox's prepaid client holds, byte for byte.
pub(crate) fn opened_text(token: &str) -> String {
    token_key().open_text(token).unwrap().to_string()
}

/// Opens a token of the sandbox's prepaid client.
pub(crate) fn opened(token: &str) -> Value {
    serde_json::from_str(&token_key().open_text(token).unwrap()).unwrap()
}

/// A client that takes every status as an answer.
pub(crate) fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

fn whole(mut response: Response<ureq::Body>) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Answer {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.body_mut().read_to_vec().unwrap(),
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Runs `kunji` with text on its standard input; code, standard output, standard error.
pub(crate) fn run(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    use std::io::Write;

    let mut process = Command::new(KUNJI)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin: ChildStdin = process.stdin.take().unwrap();
    // A command that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
