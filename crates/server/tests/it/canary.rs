//! The digits of a PIN or an OTP are nowhere in what the program writes.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use kunji_vault::{BlockAlg, Layout, PinUse, TokenKey};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::hyper::client::{self, App, Capture, PROCESS, cred, envelope, upi_id};
use crate::support::blocks::{maker, sealed, sealed_change};
use crate::support::watched::{Watched, free_port};
use crate::support::{
    Answer, CHANGE_MPIN, CLIENT, KUNJI, Kunji, RESET_PIN, agent, change, fresh, opened,
    put_private, reset, run, token,
};

const OLD: &str = "730582";
const NEW: &str = "916047";
const NEWER: &str = "604927";
const WRONG: &str = "264817";
/// Set and changed in the app.
const APP_SET: &str = "825163";
const APP_CHANGED: &str = "507381";
const CARD: &str = "351906";
const ATM: &str = "497203";
/// Is sent where no PIN belongs.
const ASTRAY: &str = "682714";

const WHO: [&str; 3] = ["CIFCANARY", "ACCCANARY", "canary@axis"];
const MOBILE: &str = "919000000077";
const APP_CUSTOMER: &str = "canary";
const SET_RESET: &str = "/api/axis/upi/set-reset-mpin";
const ENCRYPT: &str = "/mob1/api/v2/encrypt";
const OTP_REQUEST: &str = "/api/axis/upi/otp/request";

/// Places where bytes were found, as said in a failure; never the bytes.
fn find(bytes: &[u8], canary: &str) -> Option<&'static str> {
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
    let utf_16 = |encode: fn(u16) -> [u8; 2]| -> Vec<u8> {
        canary.encode_utf16().flat_map(encode).collect()
    };
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let forms = [
        ("UTF-16 (little endian)", utf_16(u16::to_le_bytes)),
        ("UTF-16 (big endian)", utf_16(u16::to_be_bytes)),
        ("hexadecimal", hex.into_bytes()),
    ];
    let found = forms.into_iter().find(|(_, form)| holds(form)).map(|(name, _)| name);
    let based = || base64_forms(canary).iter().any(|form| holds(form)).then_some("base64");
    found.or_else(|| alone(bytes, canary).then_some("ASCII")).or_else(based)
}

/// The digits on their own: within a longer number or a hexadecimal text they mean nothing.
fn alone(bytes: &[u8], canary: &str) -> bool {
    let is_hex = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_hexdigit())
    };
    let places = bytes.windows(canary.len()).enumerate();
    let mut places = places.filter(|(_, part)| *part == canary.as_bytes());
    places.any(|(at, _)| !is_hex(at.checked_sub(1)) && !is_hex(Some(at + canary.len())))
}

/// What of base64 depends on the digits alone, for each of the three alignments.
fn base64_forms(canary: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let text = [&vec![b'x'; before], canary.as_bytes(), b"xxx"].concat();
        let (from, to) = ((before * 8).div_ceil(6), (before + canary.len()) * 8 / 6);
        for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
            forms.push(encoded.as_bytes()[from..to].to_vec());
        }
    }
    forms
}

#[test]
fn the_search_finds_every_form() {
    let text = format!("{{\"pin\":\"{OLD}\"}}");
    assert_eq!(find(text.as_bytes(), OLD), Some("ASCII"));
    for before in ["", "a", "ab"] {
        let based = STANDARD.encode(format!("{before}{text}"));
        assert_eq!(find(based.as_bytes(), OLD), Some("base64"));
    }
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(find(&wide, OLD), Some("UTF-16 (little endian)"));
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(find(hex.as_bytes(), OLD), Some("hexadecimal"));
    assert_eq!(find(format!("1{OLD} {OLD}f").as_bytes(), OLD), None);
}

#[track_caller]
pub(crate) fn nothing_in(what: &str, bytes: &[u8], canaries: &[String]) {
    for (nth, canary) in canaries.iter().enumerate() {
        let found = find(bytes, canary);
        assert_eq!(found, None, "canary {nth} is in {what} ({} bytes)", bytes.len());
    }
}

/// What tells a person: names, mobiles, e-mails, VPAs, UPI numbers, ids of customers and accounts.
const PERSONS: [&str; 9] = [
    "Canary Holder",
    MOBILE,
    "9000000077",
    "canary@example.com",
    WHO[0],
    WHO[1],
    WHO[2],
    "canary@handle",
    "INCANARY",
];

/// Nothing of a store shows anybody.
#[track_caller]
fn nobody_in(what: &str, bytes: &[u8]) {
    for person in PERSONS {
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        let hex: String = person.bytes().map(|byte| format!("{byte:02x}")).collect();
        let based = base64_forms(person);
        let shown = holds(person.as_bytes())
            || holds(hex.as_bytes())
            || based.iter().any(|form| holds(form));
        assert!(!shown, "{person} is in {what} ({} bytes)", bytes.len());
    }
}

fn canaries() -> Vec<String> {
    [OLD, NEW, NEWER, WRONG, APP_SET, APP_CHANGED, CARD, ATM, ASTRAY].map(str::to_owned).to_vec()
}

/// A sandbox, and every answer it gave to anything but the outbox.
struct Stage {
    watched: Watched,
    answers: Vec<u8>,
    count: usize,
}

impl Stage {
    fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        // A name of its own for each request, so that nothing random is in the log.
        let headers = [headers, &[("x-request-id", "canary")]].concat();
        let answer = self.watched.kunji.send(method, path, &headers, body);
        self.count += 1;
        for (name, value) in &answer.headers {
            self.answers.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        self.answers.extend_from_slice(&answer.body);
        self.answers.push(b'\n');
        let outer = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        if let Some(token) = outer["token"].as_str()
            && path != ENCRYPT
        {
            self.answers.extend_from_slice(opened(token).to_string().as_bytes());
        }
        if let Some(data) = outer["SetResetMPINResponseBody"]["data"].as_str() {
            self.answers.extend_from_slice(&STANDARD.decode(data).unwrap());
        }
        answer
    }

    fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        self.send(Method::POST, path, &headers, body.to_string().as_bytes())
    }

    fn live(&mut self, path: &str, body: &Value) -> Answer {
        self.post(path, &[("X-Kunji-Mode", "live")], body)
    }

    fn prepaid(&mut self, path: &str, token: &str) -> Answer {
        let body = json!({ "token": token }).to_string();
        self.send(Method::POST, path, CLIENT, body.as_bytes())
    }

    fn verify(&mut self, id: &str, pin: &Value) -> String {
        let path = format!("/kunji/v1/credentials/{id}/verify");
        let body = json!({ "txn": fresh("V"), "pin": pin });
        let said = self.post(&path, &[("Authorization", "Bearer sandbox")], &body).json();
        let word = said["verdict"].as_str().or(said["code"].as_str());
        word.unwrap_or_default().to_owned()
    }
}

fn change_canary(old: &str, new: &str) -> Value {
    change(WHO[0], WHO[1], WHO[2], old, new)
}

fn inner(body: &mut Value) -> &mut Value {
    &mut body["ChangeMPINRequest"]["SetResetMPINRequestBody"]
}

/// Everything that changes or compares a PIN, in both dialects and our own API.
fn work(stage: &mut Stage) -> Vec<String> {
    for id in ["1", "2", "3", "4", "9"] {
        stage.post(CHANGE_MPIN, &[("X-AXIS-TEST-ID", id)], &change_canary(OLD, NEW));
    }
    let right = change_canary(OLD, NEW);
    assert_eq!(stage.live(CHANGE_MPIN, &change_canary(WRONG, NEW)).status, 401);
    assert_eq!(stage.live(CHANGE_MPIN, &right).status, 200);
    assert_eq!(stage.live(CHANGE_MPIN, &right).status, 200);
    let mut duplicate = right;
    inner(&mut duplicate)["newcred"]["data"]["code"] = json!(NEWER);
    assert_eq!(stage.live(CHANGE_MPIN, &duplicate).status, 409);
    assert_eq!(stage.live(CHANGE_MPIN, &change_canary(NEW, OLD)).status, 400);
    for alg in [BlockAlg::EcdhEs, BlockAlg::RsaOaep256] {
        let maker = maker(&stage.watched.kunji, alg);
        assert_eq!(stage.live(CHANGE_MPIN, &sealed_change(&maker, WHO, WRONG, NEWER)).status, 401);
        let mut cut = sealed_change(&maker, WHO, NEW, NEWER);
        inner(&mut cut)["cred"]["data"]["code"] =
            json!(sealed(&maker, NEW, PinUse::Mpin, "another"));
        assert_eq!(stage.live(CHANGE_MPIN, &cut).status, 400);
        assert_eq!(stage.verify("account/ACCCANARY", &json!(NEW)), "verified");
    }
    let mut otps = vec![set_with_otp(stage, WRONG), set_with_otp(stage, ATM)];
    otps.extend(app_work(stage));
    for _ in 0..2 {
        assert_eq!(stage.verify("account/ACCCANARY", &json!(WRONG)), "wrong_pin");
    }
    for pin in [WRONG, NEWER] {
        assert_eq!(stage.verify("account/ACCCANARY", &json!(pin)), "blocked");
    }
    card_work(stage);
    otps
}

/// Opens a capture in the app.
fn open(stage: &mut Stage, action: &str, members: Value) -> Capture {
    let app = App::of(&stage.watched.kunji, APP_CUSTOMER);
    let body = envelope(&fresh("R"), action, &client::with(app.signature(), &members));
    let capture = Capture::of(stage.post(PROCESS, &[], &body));
    stage.send(Method::GET, &format!("{}/page", capture.path()), &[], b"");
    capture
}

/// Enters digits in blocks made for the capture, as the page does; the code of the result.
fn enter(stage: &mut Stage, alg: BlockAlg, capture: &Capture, digits: &[Entered<'_>]) -> String {
    let maker = maker(&stage.watched.kunji, alg);
    let creds: Vec<_> = digits
        .iter()
        .map(|(kind, sub_type, pin_use, digits)| {
            cred(kind, sub_type, &sealed(&maker, digits, *pin_use, &capture.txn))
        })
        .collect();
    let answer = stage.post(&capture.path(), &[], &json!({ "creds": creds })).json();
    stage.send(Method::GET, &format!("{}/result", capture.path()), &[], b"");
    stage.send(Method::GET, &format!("{}/page", capture.path()), &[], b"");
    answer["payload"]["gatewayResponseCode"].as_str().unwrap_or_default().to_owned()
}

/// `type`, `subType`, what the block is for, and the digits.
type Entered<'a> = (&'a str, &'a str, PinUse, &'a str);

fn digits<'a>((kind, sub_type, pin_use): Place, digits: &'a str) -> Entered<'a> {
    (kind, sub_type, pin_use, digits)
}

/// Where digits are entered.
type Place = (&'static str, &'static str, PinUse);

/// The three captures of the app, with right digits, wrong ones, and some where none belong.
fn app_work(stage: &mut Stage) -> Vec<String> {
    let set = || {
        let mut members = App::set_members(WHO[1], "canary@handle");
        members["upiRequestId"] = json!(upi_id());
        members
    };
    let (old, new) = (("PIN", "MPIN", PinUse::Mpin), ("PIN", "NMPIN", PinUse::NewMpin));
    let mut otps = Vec::new();
    for (alg, pin, wrong_too) in
        [(BlockAlg::EcdhEs, APP_SET, true), (BlockAlg::RsaOaep256, APP_CHANGED, false)]
    {
        let captures = [open(stage, "upiSetMpin", set()), open(stage, "upiSetMpin", set())];
        let otp = stage.watched.kunji.otp(MOBILE);
        let sms = ("OTP", "SMS", PinUse::Sms);
        if wrong_too {
            let entered = [digits(sms, ASTRAY), digits(old, pin)];
            assert_eq!(enter(stage, alg, &captures[0], &entered), "ZR");
        }
        let entered = [digits(sms, otp.as_str()), digits(old, pin)];
        assert_eq!(enter(stage, alg, &captures[1], &entered), "00");
        otps.push(otp);
    }
    for (from, to, code) in
        [(WRONG, NEW, "ZM"), (APP_CHANGED, APP_SET, "RM"), (APP_CHANGED, NEW, "00")]
    {
        let capture = open(stage, "upiChangeMpin", App::account_members(WHO[1]));
        let entered = [digits(old, from), digits(new, to)];
        assert_eq!(enter(stage, BlockAlg::EcdhEs, &capture, &entered), code);
    }
    let capture = open(stage, "upiCheckBalance", App::account_members(WHO[1]));
    let good = json!({ "creds": [cred("PIN", "MPIN", ASTRAY)] }).to_string();
    for body in [
        good.clone(),
        good.replace("\"MPIN\"", "\"682714\""),
        good.replace("\"KUNJI\"", "\"682714\"").replace("\"any\"", "682714"),
        good.replace("\"682714\"", "682714"),
        good.replace("\"682714\"", "{\"682714\":\"682714\"}"),
        good[..good.len() - 3].to_owned(),
        ASTRAY.to_owned(),
    ] {
        let json_type = [("Content-Type", "application/json")];
        stage.send(Method::POST, &capture.path(), &json_type, body.as_bytes());
    }
    for path in [format!("/hyper/v1/captures/{ASTRAY}"), format!("{}?pin={ASTRAY}", capture.path())]
    {
        stage.send(Method::GET, &format!("{path}/page"), &[], b"");
        stage.send(Method::DELETE, &path, &[("x-kunji-session", ASTRAY)], b"");
    }
    let left = open(stage, "upiCheckBalance", App::account_members(WHO[1]));
    stage.send(Method::DELETE, &left.path(), &[], b"");
    enter(stage, BlockAlg::EcdhEs, &left, &[digits(old, NEW)]);
    assert_eq!(stage.verify("account/ACCCANARY", &json!(NEW)), "verified");
    otps
}

/// Asks for an OTP and sets the MPIN with it; the OTP.
fn set_with_otp(stage: &mut Stage, atm_pin: &str) -> String {
    let header = json!({
        "requestUUID": "r", "serviceRequestId": "s", "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    });
    let request = json!({"OTPRequest": { "SubHeader": header, "OTPRequestBody": {
        "customerId": WHO[0], "bankId": "AXIS", "txnId": fresh("O"),
        "device": { "mobile": MOBILE }, "ac": { "accRefNumber": WHO[1] },
        "card": "123456", "expiry": "12/2035",
    }}});
    assert!(stage.live(OTP_REQUEST, &request).text().contains("\"00\""));
    let otp = stage.watched.kunji.otp(MOBILE);
    let cred = |code: &str| json!({ "type": "PIN", "subType": "MPIN", "data": { "code": code } });
    for code in [ASTRAY, &otp] {
        let request = json!({"SetResetMPINRequest": { "SubHeader": header,
            "SetResetMPINRequestBody": {
                "customerid": WHO[0], "card": "123456", "expiry": "12/2035", "txnId": fresh("S"),
                "ac": { "accRefNumber": WHO[1] }, "mpincred": cred(NEWER), "otpcred": cred(code),
                "atmpincred": cred(atm_pin),
            },
        }});
        stage.live(SET_RESET, &request);
        stage.post(SET_RESET, &[("X-AXIS-TEST-ID", "1")], &request);
    }
    otp
}

fn card_work(stage: &mut Stage) {
    let mut first = reset(CARD);
    first["urn"] = json!(70_000_000_077_u64);
    first["last4Digits"] = json!("0077");
    first["customerId"] = json!("INCANARY");
    for path in [RESET_PIN, "/mob1/api/onboarding/v3/resetPin", "/resetPin", RESET_PIN] {
        stage.prepaid(path, &token(&first.to_string()));
    }
    assert_eq!(stage.verify("card/70000000077", &json!(CARD)), "verified");
    assert_eq!(stage.verify("card/70000000077", &json!(WRONG)), "wrong_pin");
    let status = json!({
        "messageCode": "2050", "requestDateTime": "20160715025837", "clientTxnId": fresh("C"),
        "verifyclientTxnId": first["clientTxnId"],
    });
    stage.prepaid("/mob1/api/onboarding/v1/checkStatus", &token(&status.to_string()));
    for pin in
        [json!(CARD), json!(682_714), json!([ASTRAY]), json!(format!("{ASTRAY}{ASTRAY}{ASTRAY}"))]
    {
        let mut again = first.clone();
        again["newPIN"] = pin;
        again["clientTxnId"] = json!(fresh("R"));
        stage.prepaid(RESET_PIN, &token(&again.to_string()));
        again["messageCode"] = json!(ASTRAY);
        again["requestDateTime"] = json!(ASTRAY);
        stage.prepaid(RESET_PIN, &token(&again.to_string()));
    }
    let other = TokenKey::parse("ascii:fedcba987654321001234567", Layout::IvPrefixed).unwrap();
    let broken = [
        other.seal(first.to_string().as_bytes(), [7; 16]).unwrap(),
        STANDARD.encode(first.to_string()),
        ASTRAY.to_owned(),
        format!("{}{ASTRAY}", token(&first.to_string())),
        token(&format!("{{\"newPIN\":\"{ASTRAY}\"")),
        token(ASTRAY),
    ];
    for token in broken {
        stage.prepaid(RESET_PIN, &token);
    }
}

/// PINs where none belongs, and bodies that cannot be read around them.
fn nonsense(stage: &mut Stage) {
    let json_type = ("Content-Type", "application/json");
    let live = ("X-Kunji-Mode", "live");
    let bearer = ("Authorization", "Bearer sandbox");
    let good = change_canary(ASTRAY, ASTRAY).to_string();
    let cuts: Vec<_> = good.match_indices(ASTRAY).map(|(at, _)| at + ASTRAY.len()).collect();
    let mut bodies = vec![
        good.replace("\"newcred\"", "\"newcred\":\"682714\",\"newcred\""),
        good.replace("\"cred\"", "\"crad\""),
        good.replace("\"682714\"", "682714"),
        good.replace("\"682714\"", "[\"682714\"]"),
        good.replace("\"682714\"", "{\"pin\":\"682714\"}"),
        good.replace("\"682714\"", "\"\\u0036\\u0038\\u0032\\u0037\\u0031\\u0034\""),
        good.replace("\"682714\"", "\"682714\\q\""),
        good.replace("\"682714\"", "\"682714.682714.682714.682714.682714\""),
        good.replace("\"PIN\"", "\"682714\"").replace("\"MPIN\"", "\"682714\""),
        good.replace("\"Delhi\"", "\"682714\"").replace("\"SAVINGS\"", "\"682714\""),
        good.replace("{\"ChangeMPINRequest\"", "{\"682714\":\"682714\",\"ChangeMPINRequest\""),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        format!("{good}{ASTRAY}"),
        format!("\"{ASTRAY}\""),
        ASTRAY.to_owned(),
        format!("{{\"txn\":\"{}\",\"pin\":\"{ASTRAY}\",\"{ASTRAY}\":1}}", fresh("N")),
        format!("{{\"txn\":\"{}\",\"pin\":682714}}", fresh("N")),
        format!("{{\"txn\":\"{}\",\"pin\":{{\"{ASTRAY}\":\"{ASTRAY}\"}}}}", fresh("N")),
        format!("{{\"token\":{ASTRAY}}}"),
        format!("{{\"advance\":\"{ASTRAY}\"}}"),
        format!("{{\"advance\":\"{ASTRAY}{ASTRAY}{ASTRAY}{ASTRAY}h\"}}"),
    ];
    bodies.extend(cuts.iter().map(|cut| good[..*cut].to_owned()));
    let paths = [
        CHANGE_MPIN,
        SET_RESET,
        OTP_REQUEST,
        RESET_PIN,
        ENCRYPT,
        "/mob1/api/issuance/v1/createCard",
        "/kunji/v1/credentials/account/ACCCANARY/verify",
        "/kunji/v1/credentials/account/ACCCANARY/clear-tries",
        "/kunji/v1/sandbox/clock",
        "/682714",
    ];
    for path in paths {
        for body in &bodies {
            let headers = [&[json_type, live, bearer], CLIENT].concat();
            stage.send(Method::POST, path, &headers, body.as_bytes());
        }
        for kind in ["text/plain", "application/x-682714", "682714"] {
            stage.send(Method::POST, path, &[("Content-Type", kind), bearer], good.as_bytes());
        }
        stage.send(Method::PUT, path, &[json_type], good.as_bytes());
        let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
        stage.send(Method::POST, path, &[json_type, live, bearer], &wide);
        let raw = [good.as_bytes(), b"\xff\xfe\0"].concat();
        stage.send(Method::POST, path, &[json_type, live, bearer], &raw);
    }
    let credential = "/kunji/v1/credentials";
    for path in [
        format!("{CHANGE_MPIN}?pin={ASTRAY}"),
        format!("{credential}/account/{ASTRAY}/verify"),
        format!("{credential}/{ASTRAY}/ACCCANARY/verify"),
        format!("{credential}/account/ACCCANARY/{ASTRAY}"),
        format!("/mob1/api/onboarding/v1/{ASTRAY}"),
        format!("/{ASTRAY}/api/onboarding/v1/resetPin"),
    ] {
        stage.send(Method::POST, &path, &[json_type, live, bearer], good.as_bytes());
        stage.send(Method::GET, &path, &[bearer], b"");
    }
    stage.send(Method::GET, &format!("/kunji/v1/sandbox/outbox?pin={ASTRAY}"), &[], b"");
    let odd = Method::from_bytes(format!("M{ASTRAY}").as_bytes()).unwrap();
    stage.send(odd, "/livez", &[], b"");
    for name in ["X-AXIS-TEST-ID", "X-Kunji-Mode", "User-Agent", "Cookie", "X-Forwarded-For"] {
        stage.send(Method::POST, CHANGE_MPIN, &[json_type, (name, ASTRAY)], good.as_bytes());
    }
    let bad_bearer = ("Authorization", "Bearer 682714");
    stage.send(Method::POST, paths[6], &[json_type, bad_bearer], good.as_bytes());
    for (at, (name, _)) in CLIENT.iter().enumerate() {
        let mut headers = CLIENT.to_vec();
        headers[at] = (name, ASTRAY);
        stage.send(Method::POST, RESET_PIN, &headers, b"{\"token\":\"682714\"}");
    }
}

pub(crate) fn files(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, look),
            // The control socket of a server that runs holds nothing.
            false if !path.is_file() => {}
            false => {
                // Files are laid out in advance: what follows the last written byte is zeroes.
                let bytes = fs::read(&path).unwrap();
                let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                look(&path, &bytes[..len]);
            }
        }
    }
}

fn seed() -> String {
    format!(
        "[[account]]\ncustomer = '{}'\nname = 'Canary Holder'\nborn = '1985-11-30'\nmobile = '{MOBILE}'\n\
         reference = '{}'\nifsc = 'AXIS0000001'\nmasked = '*'\nvpas = ['{}']\npin_length = 6\npin = '{OLD}'\n\
         debit_card = {{ last_six = '123456', expiry = '12/2035', atm_pin = '{ATM}' }}\n\
         bank = {{ iin = '111111', unique_id = 'U', branch = 'B', kind = 'SAVINGS', \
         balance = '1.00' }}\n\
         [[profile]]\nmerchant = 'stock'\ncustomer = '{APP_CUSTOMER}'\nname = 'Canary Holder'\n\
         mobile = '{MOBILE}'\ndevices = ['d']\nvpas = [{{ vpa = 'canary@handle', \
         accounts = ['ACCCANARY'], primary = 'ACCCANARY' }}]\n\
         numbers = [{{ number = '9000000077', vpa = 'canary@handle' }}]\n\
         [[card]]\nclient = '2000'\nurn = '70000000077'\nlast_four = '0077'\nexpiry = '12/2035'\n\
         customer = 'INCANARY'\nname = 'Canary Holder'\nborn = '1985-11-30'\nmobile = '{MOBILE}'\n\
         email = 'canary@example.com'\npin_length = 6\n",
        WHO[0], WHO[1], WHO[2]
    )
}

#[test]
fn no_byte_that_is_written_holds_digits() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let seed_file = folder.path().join("seed.toml");
    fs::write(&seed_file, seed()).unwrap();
    let port = free_port();
    let mut command = Command::new(KUNJI);
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
    command.args(["--log-level", "debug", "--log-format", "json"]);
    command.args(["--metrics-listen", &format!("127.0.0.1:{port}")]);
    command.arg("--data").arg(&data).arg("--seed").arg(&seed_file);
    let watched = Watched::start(command).map_err(|(_, said)| said).unwrap();
    let mut stage = Stage { watched, answers: Vec::new(), count: 0 };

    let mut secrets = canaries();
    secrets.extend(work(&mut stage));
    nonsense(&mut stage);
    let mut metrics = agent().get(format!("http://127.0.0.1:{port}/metrics")).call().unwrap();
    let metrics = metrics.body_mut().read_to_string().unwrap();
    let Stage { watched, answers, count } = stage;
    let (code, said) = watched.stop();
    assert_eq!(code, Some(0));
    let audit = |output: &str| {
        let args = ["audit", "verify", "--data", data.to_str().unwrap(), "--output", output];
        let (code, said, error) = run(&args, "");
        assert_eq!((code, error.as_str()), (Some(0), ""));
        said
    };

    // The search looks at what is there.
    assert!(said.lines().count() >= count && said.contains(CHANGE_MPIN), "{count}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(metrics.contains("kunji_requests_total"));
    let mut read = 0;
    files(&data, &mut |path, bytes| {
        read += bytes.len();
        nothing_in(path.to_str().unwrap(), bytes, &secrets);
        nobody_in(path.to_str().unwrap(), bytes);
    });
    assert!(read > 50_000, "{read} bytes only");
    nothing_in("the outputs", said.as_bytes(), &secrets);
    nothing_in("the metrics", metrics.as_bytes(), &secrets);
    nothing_in("the audit", (audit("text") + &audit("json")).as_bytes(), &secrets);
    nothing_in("the answers", &answers, &secrets);
}

#[test]
fn only_the_outbox_and_the_helper_tell() {
    let kunji = Kunji::sandbox();
    let body = json!({ "token": token(&reset(CARD).to_string()) }).to_string();
    let told = kunji.send(Method::POST, "/mob1/api/v2/decrypt", CLIENT, body).text();
    assert!(told.contains(CARD), "the helper is there to tell");
    let sealed = kunji.send(Method::POST, ENCRYPT, CLIENT, reset(CARD).to_string());
    nothing_in("the helper's token", &sealed.body, &canaries());
}

#[test]
fn the_command_line_tells_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, wrong_key) = (path("key"), path("wrong-key"));
    put_private(Path::new(&key), &format!("ascii:{OLD}{NEW}{WRONG}{ASTRAY}\n"));
    put_private(Path::new(&wrong_key), &format!("ascii:{OLD}{NEW}"));
    let (good, bad) = (path("good.toml"), path("bad.toml"));
    let config = |key: &str| {
        format!(
            "[[api.keys]]\nname = 'ops'\nkey = '{OLD}{OLD}{OLD}{OLD}'\n[[prepaid.clients]]\nclient_id = '1'\n\
             bank_id = 1\nentity_id = '1'\napi_key = '{NEW}{NEW}'\nsecure_code = 'file:{wrong_key}'\n\
             consumer_id = '{WRONG}{WRONG}'\nkey = 'file:{key}'\nlayout = 'iv-prefixed'\n"
        )
    };
    fs::write(&good, config(&key)).unwrap();
    fs::write(&bad, config(&wrong_key)).unwrap();
    let (not_toml, bad_seed) = (path("not.toml"), path("seed.toml"));
    fs::write(&not_toml, format!("[pins]\ntries_max = {OLD}{NEW} '{WRONG}'\n")).unwrap();
    fs::write(&bad_seed, seed().replace("pin_length = 6\npin", "pin_length = '730582'\npin"))
        .unwrap();
    let (key, wrong_key) = (format!("file:{key}"), format!("file:{wrong_key}"));
    let inner = reset(CARD).to_string();
    for (args, input, expected) in [
        (&["check-config", "--config", &good][..], "", 0),
        (&["check-config", "--config", &bad], "", 3),
        (&["check-config", "--config", &not_toml], "", 3),
        (&["serve", "--config", &bad], "", 3),
        (&["sandbox", "--seed", &bad_seed], "", 3),
        (&["token", "encrypt", "--key", &key], &inner, 0),
        (&["token", "encrypt", "--key", &wrong_key], &inner, 1),
        (&["token", "decrypt", "--key", &key], &token(&inner), 1),
        (&["token", "decrypt", "--key", &key], CARD, 1),
        (&["pin-block", "--txn", "T1", "--jwks", &bad], CARD, 1),
    ] {
        let (code, said, error) = run(args, input);
        assert_eq!(code, Some(expected), "{args:?}: {error}");
        nothing_in(&format!("{args:?}"), (said + &error).as_bytes(), &canaries());
    }
    let kunji = Kunji::sandbox();
    let jwks = format!("{}/.well-known/jwks.json", kunji.base);
    for alg in ["ecdh-es", "rsa-oaep256"] {
        let args = ["pin-block", "--txn", "T1", "--jwks", &jwks, "--alg", alg];
        let (code, said, error) = run(&args, OLD);
        assert_eq!(code, Some(0), "{error}");
        nothing_in("a block", (said + &error).as_bytes(), &canaries());
    }
}
