//! What a core of the process tells, taken after its answers: no PIN, no OTP, no token key and no
//! unseal key.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use kunji_vault::{BlockAlg, Layout, PinUse, TokenKey};
use memchr::memmem;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::keys::wait_until;
use crate::support::blocks::{maker, sealed, sealed_change};
use crate::support::line::Line;
use crate::support::watched::Watched;
use crate::support::{
    AXIS_CLIENT, AXIS_CLIENTS, CHANGE_MPIN, CLIENT, KUNJI, Kunji, RESET_PIN, change, fresh,
    put_private, reset, run, signal,
};

const SET_RESET: &str = "/api/axis/upi/set-reset-mpin";
const OTP_REQUEST: &str = "/api/axis/upi/otp/request";

/// Those who work at the same time.
const HOLDERS: [Holder; 4] = [
    Holder {
        number: 1,
        pins: ["730582", "916047", "604927", "825163"],
        wrong: "264817",
        atm: "497203",
    },
    Holder {
        number: 2,
        pins: ["518306", "270941", "963518", "140736"],
        wrong: "852607",
        atm: "369152",
    },
    Holder {
        number: 3,
        pins: ["407918", "682035", "351906", "794620"],
        wrong: "138579",
        atm: "680314",
    },
    Holder {
        number: 4,
        pins: ["295701", "846213", "079384", "537269"],
        wrong: "914725",
        atm: "203968",
    },
];

/// One customer with an account and a card.
struct Holder {
    number: u32,
    /// The first, changed to the second, set to the third; the last is the card's.
    pins: [&'static str; 4],
    wrong: &'static str,
    atm: &'static str,
}

impl Holder {
    fn who(&self) -> [String; 3] {
        let number = self.number;
        [format!("CIFMEM{number}"), format!("ACCMEM{number}"), format!("mem{number}@axis")]
    }

    fn mobile(&self) -> String {
        format!("9190000006{:02}", self.number)
    }

    fn urn(&self) -> u64 {
        70_000_000_060 + u64::from(self.number)
    }

    fn account(&self) -> String {
        format!("account/ACCMEM{}", self.number)
    }

    fn digits(&self) -> impl Iterator<Item = &'static str> {
        self.pins.into_iter().chain([self.wrong, self.atm])
    }

    fn seed(&self) -> String {
        let ([customer, account, vpa], mobile) = (self.who(), self.mobile());
        let (pin, atm, urn) = (self.pins[0], self.atm, self.urn());
        format!(
            "[[account]]\ncustomer = '{customer}'\nname = 'M'\nborn = '1985-11-30'\n\
             mobile = '{mobile}'\nreference = '{account}'\nifsc = 'AXIS0000001'\nmasked = '*****6789'\n\
             vpas = ['{vpa}']\npin_length = 6\npin = '{pin}'\n\
             debit_card = {{ last_six = '123456', expiry = '12/2035', atm_pin = '{atm}' }}\n\
             [[card]]\nclient = '2000'\nurn = '{urn}'\nlast_four = '0060'\nexpiry = '12/2035'\n\
             customer = 'INMEM'\nname = 'M'\nborn = '1985-11-30'\nmobile = '{mobile}'\n\
             email = 'm@example.com'\npin_length = 6\n"
        )
    }

    fn reset(&self) -> Value {
        let mut body = reset(self.pins[3]);
        body["urn"] = json!(self.urn());
        body["last4Digits"] = json!("0060");
        body["customerId"] = json!("INMEM");
        body
    }
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// What a core would hold: the writable memory. Each part is in one piece and has its address.
struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    /// Reads the memory of a process that has answered all it was asked.
    fn of(process: u32) -> Self {
        const PIECE: usize = 64 * 1024;
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
        for line in fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
            let (range, rest) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let [mut from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
            let mut piece = vec![0; PIECE];
            while rest.starts_with("rw") && from < to {
                piece.resize(PIECE.min(usize::try_from(to - from).unwrap()), 0);
                // A mapping may be gone by now, or be one that cannot be read.
                let Ok(()) = memory.read_exact_at(&mut piece, from) else { break };
                let next = from + len_of(&piece);
                // Most of it was never touched.
                if piece != vec![0; piece.len()] {
                    match parts.last_mut() {
                        Some((start, part)) if *start + len_of(part) == from => {
                            part.extend_from_slice(&piece);
                        }
                        _ => parts.push((from, piece.clone())),
                    }
                }
                from = next;
            }
        }
        assert!(!parts.is_empty(), "no memory is read");
        Self(parts)
    }

    /// Where a secret stands, and what stands around it.
    fn places(&self, secret: &[u8]) -> Vec<String> {
        let digits = secret.iter().all(u8::is_ascii_digit);
        let mut found = Vec::new();
        for (start, bytes) in &self.0 {
            for at in memmem::find_iter(bytes, secret) {
                // Within a longer number, as a time or a counter, digits mean nothing.
                let is_digit = |at: Option<usize>| {
                    at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit)
                };
                let end = at + secret.len();
                if digits && (is_digit(at.checked_sub(1)) || is_digit(Some(end))) {
                    continue;
                }
                let around = &bytes[at.saturating_sub(64)..bytes.len().min(end + 32)];
                found.push(format!(
                    "{:x}: {}",
                    start + len_of(&bytes[..at]),
                    around.escape_ascii()
                ));
            }
        }
        found
    }

    #[track_caller]
    fn check_without(&self, secrets: &[Vec<u8>]) {
        let found: Vec<_> = secrets.iter().flat_map(|secret| self.places(secret)).collect();
        assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn all_digits() -> impl Iterator<Item = Vec<u8>> {
    HOLDERS.iter().flat_map(Holder::digits).map(|digits| digits.as_bytes().to_vec())
}

/// A key as bytes and as its file has it.
fn forms_of_unseal_key(path: &Path) -> Vec<Vec<u8>> {
    let hex = fs::read_to_string(path).unwrap().trim().to_owned();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect();
    vec![bytes, hex.to_uppercase().into_bytes(), hex.into_bytes()]
}

/// A debug build leaves its memory open to us, and as root we look into any.
fn open_memory(mut command: Command) -> Command {
    command.env("PLANTED_OPEN_MEMORY", "1");
    command
}

fn write_seed(folder: &Path) {
    let seed: String = HOLDERS.iter().map(Holder::seed).collect();
    fs::write(folder.join("seed.toml"), seed).unwrap();
}

fn sandbox(folder: &Path) -> Command {
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.arg("--data").arg(folder.join("sand")).arg("--seed").arg(folder.join("seed.toml"));
    command
}

fn serve(folder: &Path) -> Command {
    let mut command = Command::new(KUNJI);
    command.args(["serve", "--config", "kunji.toml", "--listen", "127.0.0.1:0"]);
    command.current_dir(folder);
    command
}

/// As headers of the Axis-style API, line for line.
const LIVE: &str = "x-kunji-mode: live\r\nx-ibm-client-id: sandbox\r\n\
                    x-ibm-client-secret: sandbox-client-secret\r\n";

/// One request with digits in the clear on a connection of its own, which is closed then.
fn say_once(kunji: &Kunji, path: &str, headers: &str, body: &Value) {
    let mut line = Line::open(kunji.address()).unwrap();
    line.post(path, headers, body.to_string().as_bytes()).unwrap();
}

fn cred(code: &str) -> Value {
    json!({ "type": "PIN", "subType": "MPIN", "data": { "code": code } })
}

fn header() -> Value {
    json!({
        "requestUUID": "r", "serviceRequestId": "s", "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    })
}

fn ask_for_otp(kunji: &Kunji, holder: &Holder) {
    let [customer, account, _] = holder.who();
    let request = json!({"OTPRequest": { "SubHeader": header(), "OTPRequestBody": {
        "customerId": customer, "bankId": "AXIS", "txnId": fresh("O"),
        "device": { "mobile": holder.mobile() }, "ac": { "accRefNumber": account },
        "card": "123456", "expiry": "12/2035",
    }}});
    let headers = [&AXIS_CLIENT[..], &[("X-Kunji-Mode", "live")]].concat();
    let answer = kunji.post(OTP_REQUEST, &headers, &request);
    assert!(answer.text().contains("\"00\""), "{answer:?}");
}

fn set(holder: &Holder, txn: &str, [new, otp, atm]: [&str; 3]) -> Value {
    let [customer, account, _] = holder.who();
    json!({"SetResetMPINRequest": { "SubHeader": header(), "SetResetMPINRequestBody": {
        "customerid": customer, "card": "123456", "expiry": "12/2035", "txnId": txn,
        "ac": { "accRefNumber": account },
        "mpincred": cred(new), "otpcred": cred(otp), "atmpincred": cred(atm),
    }}})
}

/// All that a sandbox is told in the clear; the OTP.
fn work_in_the_clear(kunji: &Kunji, holder: &Holder) -> String {
    let live = [&AXIS_CLIENT[..], &[("X-Kunji-Mode", "live")]].concat();
    let [customer, account, vpa] = holder.who();
    let [first, second, third, card] = holder.pins;
    let change = |old, new| change(&customer, &account, &vpa, old, new);
    let verify = |pin| kunji.verify("account", &account, pin);
    assert_eq!(verify(first), "verified");
    assert_eq!(verify(holder.wrong), "wrong_pin");
    assert_eq!(kunji.post(CHANGE_MPIN, &live, &change(holder.wrong, second)).status, 401);
    let right = change(first, second);
    assert_eq!(kunji.post(CHANGE_MPIN, &live, &right).status, 200);
    assert_eq!(kunji.post(CHANGE_MPIN, &live, &right).status, 200);
    say_once(kunji, CHANGE_MPIN, LIVE, &change(second, first));
    say_once(kunji, CHANGE_MPIN, &format!("{LIVE}connection: close\r\n"), &change(second, first));
    ask_for_otp(kunji, holder);
    let otp = kunji.otp(&holder.mobile());
    let answer = kunji.post(SET_RESET, &live, &set(holder, &fresh("S"), [third, &otp, holder.atm]));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(verify(third), "verified");
    // With an escape, and where no PIN is expected: it is read in another way.
    let escaped = format!("{{\"txn\":\"{}\",\"pin\":\"\\u0030{}\"}}", fresh("V"), &third[1..]);
    let path = format!("/kunji/v1/credentials/{}/verify", holder.account());
    let json = [("Content-Type", "application/json"), ("Authorization", "Bearer sandbox")];
    kunji.send(Method::POST, &path, &json, escaped);
    kunji.send(Method::POST, &path, &json, format!("{{\"pin\":{third},\"more\":[\"{third}\"]}}"));
    kunji.send(Method::POST, &path, &json, format!("{{\"pin\":\"{third}\",\"txn\":{{\"{third}"));
    let (status, said) = kunji.prepaid(Method::POST, RESET_PIN, &holder.reset());
    assert_eq!((status, &said["responseCode"]), (200, &json!("00")), "{said}");
    assert_eq!(kunji.verify("card", &holder.urn().to_string(), card), "verified");
    otp
}

/// Has the key file opened once more, for what another process wrote into it.
fn take_over_new_keys(kunji: &Kunji, data: &Path) {
    let offered = || maker(kunji, BlockAlg::EcdhEs).kid().to_owned();
    let before = offered();
    let (code, _, error) = run(&["keys", "rotate", "--now", "--data", data.to_str().unwrap()], "");
    assert_eq!(code, Some(0), "{error}");
    wait_until("new keys", || offered() != before);
}

#[test]
fn a_core_of_a_sandbox_holds_no_digits_that_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    write_seed(folder.path());
    let kunji = Kunji::spawn(open_memory(sandbox(folder.path())));
    kunji.get("/.well-known/jwks.json");
    let otps = thread::scope(|scope| {
        let kunji = &kunji;
        let work = |holder| scope.spawn(move || work_in_the_clear(kunji, holder));
        let at_work: Vec<_> = HOLDERS.iter().map(work).collect();
        at_work.into_iter().map(|one| one.join().unwrap().into_bytes()).collect::<Vec<_>>()
    });
    take_over_new_keys(&kunji, &folder.path().join("sand"));
    // Its answer is of another kind, so that it is not in the way.
    kunji.get("/livez");
    let memory = Memory::of(kunji.process.id());
    // A sandbox keeps its seed for a reset, and with it the digits that stand there.
    let seeded = |digits: &Vec<u8>| {
        HOLDERS.iter().any(|holder| [holder.pins[0], holder.atm].contains(&text(digits)))
    };
    let secrets: Vec<_> = all_digits().filter(|digits| !seeded(digits)).chain(otps).collect();
    assert_eq!(secrets.len(), 5 * HOLDERS.len());
    memory.check_without(&secrets);
    memory.check_without(&forms_of_unseal_key(&folder.path().join("sand/unseal.key")));
}

/// The prepaid client's key in the service's configuration.
const TOKEN_KEY: &str = "wq83Rt5yPl0vNm2cXz7bKj4d";

const SERVICE: &str = "
[prepaid]
require_verified_card = false
[store]
url = 'fjall:sand/store-1'
[vault]
key_file = 'sand/keys.sealed'
unseal_file = 'sand/unseal.key'
[[api.keys]]
name = 'ops'
key = 'file:ops.key'
[[prepaid.clients]]
client_id = '2000'
bank_id = 7000
entity_id = '100'
api_key = '7fe1c0de'
secure_code = 'AfYtlO5kqdySIjXyNmGg3F'
consumer_id = 'F42BC4E7B801C834B630DE498473533F'
key = 'file:token.key'
layout = 'iv-prefixed'
";

fn write_config(folder: &Path) {
    fs::write(folder.join("kunji.toml"), [SERVICE, AXIS_CLIENTS].concat()).unwrap();
    put_private(&folder.join("ops.key"), "a key of ops, long enough\n");
    put_private(&folder.join("token.key"), &format!("ascii:{TOKEN_KEY}\n"));
}

/// All that a service is told in blocks and tokens.
fn work_sealed(kunji: &Kunji, holder: &Holder) {
    let [customer, account, vpa] = holder.who();
    let who = [customer.as_str(), account.as_str(), vpa.as_str()];
    let [first, second, _, card] = holder.pins;
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let maker = maker(kunji, alg);
        let verify = |pin| {
            let txn = fresh("V");
            let block = sealed(&maker, pin, PinUse::Mpin, &txn);
            let path = format!("/kunji/v1/credentials/{}/verify", holder.account());
            let bearer = [("Authorization", "Bearer a key of ops, long enough")];
            kunji.post(&path, &bearer, &json!({ "txn": txn, "pin": block })).json()
        };
        let pins = match alg {
            BlockAlg::EcdhEs => [first, second],
            BlockAlg::RsaOaep256 => [second, first],
        };
        assert_eq!(verify(pins[0])["verdict"], "verified");
        assert_eq!(verify(holder.wrong)["verdict"], "wrong_pin");
        let changed =
            kunji.post(CHANGE_MPIN, &AXIS_CLIENT, &sealed_change(&maker, who, pins[0], pins[1]));
        // The first is one of the last three.
        let expected = if pins[0] == first { 200 } else { 400 };
        assert_eq!(changed.status, expected, "{changed:?}");
    }
    ask_for_otp(kunji, holder);
    let key = TokenKey::parse(&format!("ascii:{TOKEN_KEY}"), Layout::IvPrefixed).unwrap();
    for escaped in [false, true] {
        let mut body = holder.reset().to_string();
        if escaped {
            body = body.replace(card, &format!("\\u003{}{}", &card[..1], &card[1..]));
        }
        let token = key.seal(body.as_bytes(), *b"an iv of 16 byte").unwrap();
        let body = json!({ "token": token }).to_string();
        let answer = kunji.send(Method::POST, RESET_PIN, CLIENT, body);
        let said = key.open_text(answer.json()["token"].as_str().unwrap()).unwrap();
        // The second is one of the last three.
        let code = if escaped { "1030" } else { "00" };
        assert!(said.contains(&format!("\"{code}\"")), "{}", *said);
    }
}

#[test]
fn a_core_of_a_service_holds_no_pin_no_otp_and_no_key_that_must_not_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write_seed(root);
    let seeding = Kunji::spawn(sandbox(root));
    // The keys are whole once they are handed out.
    seeding.get("/.well-known/jwks.json");
    assert_eq!(seeding.stop(), Some(0));
    write_config(root);
    let watched = Watched::start(open_memory(serve(root))).map_err(|(_, said)| said).unwrap();
    let kunji = &watched.kunji;
    kunji.get("/.well-known/jwks.json");
    thread::scope(|scope| {
        for holder in &HOLDERS {
            scope.spawn(|| work_sealed(kunji, holder));
        }
    });
    kunji.get("/livez");
    let memory = Memory::of(kunji.process.id());
    assert_eq!(watched.stop().0, Some(0));
    // Only a sandbox tells what was sent.
    let sandbox = Kunji::spawn(sandbox(root));
    let otps = HOLDERS.iter().map(|holder| sandbox.otp(&holder.mobile()).into_bytes());
    let secrets: Vec<_> = all_digits().chain(otps).collect();
    memory.check_without(&secrets);
    memory.check_without(&[TOKEN_KEY.as_bytes().to_vec()]);
    memory.check_without(&forms_of_unseal_key(&root.join("sand/unseal.key")));
}

#[test]
fn the_search_finds_what_is_there() {
    let kept = "the test's own memory holds 739158 and 60".to_owned() + "4927";
    let memory = Memory::of(std::process::id());
    assert!(!memory.places(b"739158").is_empty());
    assert!(!memory.places(b"604927").is_empty());
    drop(kept);
}

/// Runs a command as who we are; root does so without these capabilities.
fn without(capabilities: &str, command: &Command) -> Command {
    let mut lowered = Command::new("setpriv");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        lowered.args(["--inh-caps", capabilities, "--bounding-set", capabilities]);
    }
    lowered.arg("--").arg(command.get_program()).args(command.get_args());
    lowered
}

/// Without what opens any memory to root.
fn lowered(command: &Command) -> Command {
    without("-sys_ptrace,-sys_admin,-perfmon", command)
}

/// The same with cores as large as they may be.
fn with_cores(command: &Command, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -c $(ulimit -H -c); exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args());
    let mut lowered = lowered(&shell);
    lowered.current_dir(folder);
    lowered
}

/// Whether another program of the same user can read the memory's map.
fn shows_its_memory(kunji: &Kunji) -> bool {
    let mut cat = Command::new("cat");
    cat.arg(format!("/proc/{}/maps", kunji.process.id()));
    lowered(&cat).stdin(Stdio::null()).output().unwrap().status.success()
}

#[track_caller]
fn check_closed(mut kunji: Kunji, folder: &Path) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", kunji.process.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    assert!(!shows_its_memory(&kunji), "its memory is open to its user");
    signal(kunji.process.id(), "ABRT");
    let ended = kunji.process.wait().unwrap();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    let mut left = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    assert!(!left.any(|name| name.to_string_lossy().starts_with("core")));
}

#[test]
fn a_process_leaves_no_core_and_shows_its_memory_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write_seed(root);
    let kunji = Kunji::spawn(with_cores(&sandbox(root), root));
    check_closed(kunji, root);
    write_config(root);
    let watched = Watched::start(with_cores(&serve(root), root)).map_err(|(_, said)| said).unwrap();
    check_closed(watched.kunji, root);
    // What is found closed is found open where it is open.
    let open = Kunji::spawn(open_memory(lowered(&sandbox(root))));
    assert!(shows_its_memory(&open) || !cfg!(debug_assertions));
}

/// One line for each thing that the system refuses, and the service serves.
#[test]
fn what_the_system_does_not_allow_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write_config(root);
    let mut limited = Command::new("prlimit");
    let service = serve(root);
    limited.arg("--memlock=65536:65536").arg(service.get_program()).args(service.get_args());
    let mut limited = without("-ipc_lock", &limited);
    limited.current_dir(root);
    let watched = Watched::start(limited).map_err(|(_, said)| said).unwrap();
    assert_eq!(watched.kunji.get("/readyz").status, 200);
    watched.kunji.get("/.well-known/jwks.json");
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0), "{said}");
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("\"warn\"")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    assert!(warnings[0].contains("not locked into memory"), "{said}");
}
