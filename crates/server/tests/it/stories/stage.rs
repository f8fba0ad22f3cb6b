//! A sandbox as a stage: its seed holds whom the story plants, and its APIs do what it tells.

use std::collections::{BTreeSet, HashMap};

use kunji_core::card::{BlockKind, Standing};
use kunji_core::command::HolderCheck;
use kunji_testkit::{
    AccountSketch, Act, CardSketch, Claim, Cluster, HolderWord, OtpWord, Played, Stage, Step,
    Story, TxnWord,
};
use kunji_vault::{BirthDate, BlockAlg, PinUse};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::Method;

use super::words;
use crate::support::{Answer, CHANGE_MPIN, CLIENT, Kunji, RESET_PIN, fresh, opened, token};

/// How PINs of accounts reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// As digits.
    Clear,
    /// As JWE blocks.
    Sealed,
}

/// How far the clock is kept behind a story that stands right before an instant: the clock of a
/// process goes on while the story is told.
const MARGIN_MS: i64 = 30_000;

/// Stands for a birthday that the story does not tell; no PIN of a story holds it.
const NO_BIRTHDAY: &str = "1907-03-06";

/// Which engine keeps the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// The embedded one.
    Embedded,
    /// PostgreSQL, on the server that all tests share.
    Postgres,
}

/// A running sandbox, and what the story has told so far.
pub(super) struct HttpStage {
    dir: TempDir,
    /// The database of this stage, if it has one.
    database: Option<String>,
    kunji: Option<Kunji>,
    transport: Transport,
    cast: HashMap<String, Role>,
    behind_ms: i64,
    last: Option<Sent>,
    /// Which API gave which verdict.
    pub(super) heard: BTreeSet<(&'static str, String)>,
}

/// Whom an alias stands for.
#[derive(Clone)]
struct Role {
    part: Part,
    /// The account's reference.
    reference: String,
    /// The card's URN.
    urn: u64,
    customer: String,
    mobile: String,
}

#[derive(Clone)]
enum Part {
    Account { expiry: String },
    Card { expiry: String, birth: Option<BirthDate> },
    Stranger,
}

/// One request as it went over the wire, so that it can go again.
#[derive(Clone)]
struct Sent {
    api: &'static str,
    caller: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    txn: String,
    success: &'static str,
    answer: Option<Answer>,
}

impl HttpStage {
    /// A sandbox whose seed is the story's whole cast.
    pub(super) fn new(story: &Story, transport: Transport, engine: Engine) -> Self {
        let (mut cast, mut seed) = (HashMap::new(), String::new());
        for step in &story.steps {
            let part = Part::planted(&step.act);
            let Some(alias) = planted(&step.act).or(step.act.who()) else { continue };
            if part.is_none() && cast.contains_key(alias) {
                continue;
            }
            let role = Role::new(cast.len(), part.unwrap_or(Part::Stranger));
            if let Act::Account(sketch) = &step.act {
                seed.push_str(&role.account(sketch));
            }
            if let Act::Card(sketch) = &step.act {
                seed.push_str(&role.card(sketch));
            }
            cast.insert(alias.to_owned(), role);
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("seed.toml"), seed).unwrap();
        let database = match engine {
            Engine::Embedded => None,
            Engine::Postgres => Some(Cluster::shared().fresh()),
        };
        let mut stage = Self {
            dir,
            database,
            kunji: None,
            transport,
            cast,
            behind_ms: 0,
            last: None,
            heard: BTreeSet::new(),
        };
        stage.start();
        stage
    }

    fn start(&mut self) {
        let seed = self.dir.path().join("seed.toml");
        let data = self.dir.path().join("data");
        let (seed, data) = (seed.to_str().unwrap(), data.to_str().unwrap());
        let settings: Vec<_> =
            self.database.iter().map(|url| ("KUNJI_STORE__URL", url.as_str())).collect();
        let args = ["sandbox", "--seed", seed, "--data", data];
        self.kunji = Some(Kunji::start_with(&args, &settings));
    }

    fn kunji(&self) -> &Kunji {
        self.kunji.as_ref().unwrap()
    }

    fn advance(&mut self, span_ms: i64) {
        let span_ms = span_ms + std::mem::take(&mut self.behind_ms);
        if span_ms % 1000 == 999 {
            self.behind_ms = MARGIN_MS;
        }
        self.kunji().advance(&format!("{}ms", span_ms - self.behind_ms));
    }

    /// A PIN as it goes over the wire of the Axis-style API or our own.
    fn wire(&self, pin: &str, pin_use: PinUse, txn: &str) -> String {
        match self.transport {
            Transport::Clear => pin.to_owned(),
            Transport::Sealed => self.kunji().sealed(BlockAlg::EcdhEs, pin, pin_use, txn),
        }
    }

    fn otp(&self, role: &Role, word: OtpWord) -> String {
        let outbox = format!("/kunji/v1/sandbox/outbox?to={}", role.mobile);
        let sent = self.kunji().get(&outbox).json();
        let sent: Vec<String> = sent
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["otp"].as_str().unwrap().to_owned())
            .collect();
        let newest = sent.first().cloned().unwrap_or_else(|| "000000".to_owned());
        let number: u32 = newest.parse().unwrap();
        let mut others = (1..).map(|step| format!("{:06}", (number + step) % 1_000_000));
        let wrong = others.find(|other| !sent.contains(other)).unwrap();
        match word {
            OtpWord::Newest => newest,
            OtpWord::Old => sent.get(1).cloned().unwrap_or(wrong),
            OtpWord::Wrong => wrong,
        }
    }

    /// The request of an act; none where no API has words for it.
    fn request(&self, act: &Act, txn: &str) -> Option<Sent> {
        let role = self.cast.get(act.who()?)?;
        match act {
            Act::Verify { pin, .. } => {
                let pin_use = match role.part {
                    Part::Card { .. } => PinUse::CardPin,
                    Part::Account { .. } | Part::Stranger => PinUse::Mpin,
                };
                let body = json!({"txn": txn, "pin": self.wire(pin, pin_use, txn)});
                Some(role.own("verify", &body, txn))
            }
            Act::ClearTries { .. } => {
                let body = json!({"txn": txn, "reason": "the holder called"});
                Some(role.own("clear-tries", &body, txn))
            }
            Act::Change { from, to, claim, .. } => {
                let codes =
                    [self.wire(from, PinUse::Mpin, txn), self.wire(to, PinUse::NewMpin, txn)];
                Some(role.change(codes, *claim, txn))
            }
            Act::Otp { claim, .. } => role.ask_otp(*claim, txn),
            Act::Set { to, otp, atm_pin, claim, .. } => {
                let otp = self.wire(&self.otp(role, *otp), PinUse::Sms, txn);
                let atm_pin = atm_pin.as_ref().map(|pin| self.wire(pin, PinUse::AtmPin, txn));
                role.set((self.wire(to, PinUse::Mpin, txn), otp, atm_pin), *claim, txn)
            }
            Act::Reset { to, holder, claim, .. } => {
                let mut body = role.card_named("1120", *claim, txn);
                body["newPIN"] = json!(to);
                let mut sent = prepaid(Method::POST, RESET_PIN, &body, "pin_set");
                if *holder == HolderCheck::Required {
                    sent.headers.push(("X-Kunji-Mode", "live"));
                }
                Some(sent)
            }
            Act::VerifyHolder { holder, .. } => role.verify_holder(*holder, txn),
            Act::Inquire { claim, .. } => {
                let body = role.card_named("1090", *claim, txn);
                let path = "/mob1/api/onboarding/v1/cardInquiry";
                Some(prepaid(Method::POST, path, &body, "inquired"))
            }
            Act::BlockCard { kind, claim, .. } => {
                let mut body = role.card_named("1240", *claim, txn);
                body["blockType"] = json!(block_type(*kind));
                let path = "/mob1/api/onboarding/v1/block";
                Some(prepaid(Method::PATCH, path, &body, "card_blocked"))
            }
            Act::UnblockCard { claim, .. } => {
                let body = role.card_named("1250", *claim, txn);
                let path = "/mob1/api/onboarding/v1/unblock";
                Some(prepaid(Method::PATCH, path, &body, "card_unblocked"))
            }
            Act::Account(_) | Act::Card(_) | Act::Advance(_) | Act::Restart | Act::Repeat => None,
        }
    }

    fn send(&mut self, mut sent: Sent, expected: Option<&str>) -> Played {
        let Sent { api, method, path, headers, body, .. } = sent.clone();
        let answer = self.kunji().send(method, &path, &headers, body);
        let json = match answer.json().get("token") {
            Some(token) => opened(token.as_str().unwrap()),
            None => answer.json(),
        };
        let meant = match api {
            "axis" => words::axis(&json, sent.success),
            "prepaid" => words::prepaid(&json, sent.success),
            _ => words::own(&json),
        };
        let told = meant.iter().find(|verdict| Some(**verdict) == expected);
        let verdict = (*told.unwrap_or(&meant[0])).to_owned();
        self.heard.insert((api, verdict.clone()));
        // A duplicate is not answered from a receipt: what may be repeated is the first request.
        if verdict != "duplicate" {
            sent.answer = Some(answer);
            self.last = Some(sent);
        }
        Played::Verdict(verdict)
    }

    fn repeat(&mut self, expected: Option<&str>) -> Played {
        let before = self.last.clone().unwrap();
        let played = self.send(before.clone(), expected);
        let again = self.last.clone().unwrap();
        assert_eq!(again.answer, before.answer, "a repeated request has the same answer");
        played
    }
}

impl Stage for HttpStage {
    fn play(&mut self, step: &Step) -> Played {
        let expected = step.expected.as_deref();
        if planted(&step.act).is_some() {
            // The seed holds them.
            return Played::Verdict("created".to_owned());
        }
        if let Act::Advance(span_ms) = &step.act {
            self.advance(*span_ms);
            return Played::Silent;
        }
        if let Act::Restart = &step.act {
            assert_eq!(self.kunji.take().unwrap().stop(), Some(0));
            self.start();
            return Played::Silent;
        }
        if let Act::Repeat = &step.act {
            return self.repeat(expected);
        }
        let last = self.last.as_ref().filter(|_| step.txn == TxnWord::Same);
        let txn = last.map_or_else(|| fresh("STORY"), |sent| sent.txn.clone());
        let Some(sent) = self.request(&step.act, &txn) else {
            return Played::Inexpressible;
        };
        if last.is_some_and(|last| last.caller != sent.caller) {
            return Played::Inexpressible;
        }
        self.send(sent, expected)
    }
}

/// Whom an act plants.
fn planted(act: &Act) -> Option<&str> {
    if let Act::Account(AccountSketch { alias, .. }) | Act::Card(CardSketch { alias, .. }) = act {
        return Some(alias);
    }
    None
}

impl Part {
    fn planted(act: &Act) -> Option<Self> {
        if let Act::Account(sketch) = act {
            return Some(Self::Account { expiry: sketch.debit_expiry.short() });
        }
        if let Act::Card(sketch) = act {
            return Some(Self::Card { expiry: sketch.expiry.short(), birth: sketch.birth });
        }
        None
    }
}

impl Role {
    fn new(number: usize, part: Part) -> Self {
        let urn = 71_000_000_000 + u64::try_from(number).unwrap();
        Self {
            part,
            reference: format!("STORY{number}"),
            urn,
            customer: format!("CIF-{number}"),
            mobile: format!("9190000{number:05}"),
        }
    }

    /// The account as the seed writes it.
    fn account(&self, sketch: &AccountSketch) -> String {
        let Self { reference, customer, mobile, .. } = self;
        let (born, length) = (birthday(sketch.birth), sketch.length.digits());
        let pin = sketch.pin.as_ref().map(|pin| format!("pin = \"{pin}\"\n")).unwrap_or_default();
        let atm_pin = sketch.atm_pin.as_ref();
        let atm_pin = atm_pin.map(|pin| format!(", atm_pin = \"{pin}\"")).unwrap_or_default();
        let (expiry, standing) =
            (long(&sketch.debit_expiry.short()), standing(sketch.debit_standing));
        format!(
            "[[account]]\ncustomer = \"{customer}\"\nname = \"A\"\nborn = \"{born}\"\n\
             mobile = \"{mobile}\"\nreference = \"{reference}\"\nifsc = \"AXIS0000001\"\n\
             masked = \"*\"\nvpas = [\"{reference}@axis\"]\npin_length = {length}\n{pin}\
             debit_card = {{ last_six = \"123456\", expiry = \"{expiry}\", \
             standing = \"{standing}\"{atm_pin} }}\n"
        )
    }

    /// The card as the seed writes it.
    fn card(&self, sketch: &CardSketch) -> String {
        let Self { urn, customer, mobile, .. } = self;
        let (born, length) = (birthday(sketch.birth), sketch.length.digits());
        let pin = sketch.pin.as_ref().map(|pin| format!("pin = \"{pin}\"\n")).unwrap_or_default();
        let (expiry, standing) = (long(&sketch.expiry.short()), standing(sketch.standing));
        format!(
            "[[card]]\nclient = \"2000\"\nurn = \"{urn}\"\nlast_four = \"1745\"\n\
             expiry = \"{expiry}\"\ncustomer = \"{customer}\"\nname = \"A\"\nborn = \"{born}\"\n\
             mobile = \"{mobile}\"\nemail = \"holder@example.com\"\npin_length = {length}\n{pin}\
             standing = \"{standing}\"\n"
        )
    }

    fn customer(&self, claim: Claim) -> &str {
        match claim {
            Claim::True | Claim::OtherCard => &self.customer,
            Claim::OtherOwner => "CIF-nobody",
        }
    }

    /// A request of our own API.
    fn own(&self, call: &str, body: &Value, txn: &str) -> Sent {
        let credential = match self.part {
            Part::Card { .. } => format!("card/{}", self.urn),
            Part::Account { .. } | Part::Stranger => format!("account/{}", self.reference),
        };
        Sent {
            api: "api",
            caller: "api",
            method: Method::POST,
            path: format!("/kunji/v1/credentials/{credential}/{call}"),
            headers: vec![
                ("Authorization", "Bearer sandbox"),
                ("Content-Type", "application/json"),
            ],
            body: body.to_string(),
            txn: txn.to_owned(),
            success: "",
            answer: None,
        }
    }

    fn change(&self, [old, new]: [String; 2], claim: Claim, txn: &str) -> Sent {
        let credential =
            |code: String| json!({"type": "PIN", "subType": "MPIN", "data": {"code": code}});
        let body = json!({"ChangeMPINRequest": {
            "SubHeader": sub_header(),
            "SetResetMPINRequestBody": {
                "customerId": self.customer(claim),
                "bank": "AXIS",
                "txnId": txn,
                "ac": {
                    "accRefNumber": self.reference,
                    "name": "A",
                    "ifsc": "AXIS0000001",
                    "maskedAccnumber": "*",
                    "status": "ACTIVE",
                    "type": "SAVINGS",
                    "vpa": format!("{}@axis", self.reference),
                    "aeba": "N",
                },
                "cred": credential(old),
                "newcred": credential(new),
                "device": {"app": "A"},
            },
        }});
        axis("axis:changempin", CHANGE_MPIN, &body, (txn, "changed"))
    }

    fn debit_card(&self, claim: Claim) -> Option<(&'static str, String)> {
        let last_six = match claim {
            Claim::True | Claim::OtherOwner => "123456",
            Claim::OtherCard => "999999",
        };
        match &self.part {
            Part::Account { expiry } => Some((last_six, long(expiry))),
            // Nobody can be asked about the debit card of a card.
            Part::Card { .. } | Part::Stranger => None,
        }
    }

    fn ask_otp(&self, claim: Claim, txn: &str) -> Option<Sent> {
        let (card, expiry) = self.debit_card(claim)?;
        let body = json!({"OTPRequest": {
            "SubHeader": sub_header(),
            "OTPRequestBody": {
                "customerId": self.customer(claim),
                "bankId": "AXIS",
                "txnId": txn,
                "ac": {"accRefNumber": self.reference},
                "card": card,
                "expiry": expiry,
            },
        }});
        let path = "/api/axis/upi/otp/request";
        Some(axis("axis:otp-request", path, &body, (txn, "otp_sent")))
    }

    fn set(
        &self,
        (new, otp, atm_pin): (String, String, Option<String>),
        claim: Claim,
        txn: &str,
    ) -> Option<Sent> {
        let (card, expiry) = self.debit_card(claim)?;
        let mut inner = json!({
            "customerid": self.customer(claim),
            "txnId": txn,
            "ac": {"accRefNumber": self.reference},
            "card": card,
            "expiry": expiry,
            "mpincred": {"data": {"code": new}},
            "otpcred": {"data": {"code": otp}},
        });
        if let Some(atm_pin) = atm_pin {
            inner["atmpincred"] = json!({"data": {"code": atm_pin}});
        }
        let body = json!({"SetResetMPINRequest": {
            "SubHeader": sub_header(),
            "SetResetMPINRequestBody": inner,
        }});
        let path = "/api/axis/upi/set-reset-mpin";
        Some(axis("axis:set-reset-mpin", path, &body, (txn, "pin_set")))
    }

    /// The members by which the prepaid API names a card.
    fn card_named(&self, code: &str, claim: Claim, txn: &str) -> Value {
        let last_four = match claim {
            Claim::True | Claim::OtherOwner => "1745",
            Claim::OtherCard => "9999",
        };
        json!({
            "messageCode": code,
            "requestDateTime": "20160715025837",
            "clientTxnId": txn,
            "urn": self.urn,
            "last4Digits": last_four,
            "customerId": self.customer(claim),
        })
    }

    fn verify_holder(&self, word: HolderWord, txn: &str) -> Option<Sent> {
        let Part::Card { expiry, birth } = &self.part else {
            return None;
        };
        let mut body = json!({
            "messageCode": "3020",
            "requestDateTime": "20160715025837",
            "clientTxnId": txn,
            "urn": self.urn,
        });
        let members = match word {
            HolderWord::Contact | HolderWord::OtherContact => {
                let other = word == HolderWord::OtherContact;
                let name = if other { "other" } else { "holder" };
                json!({"customerMobile": self.mobile, "emailId": format!("{name}@example.com")})
            }
            HolderWord::Face | HolderWord::OtherFace => {
                let BirthDate { year, month, day } = (*birth)?;
                let year = if word == HolderWord::OtherFace { 1900 } else { year };
                // The other year has no leap day.
                let day = if word == HolderWord::OtherFace { 1 } else { day };
                let dob = format!("{day:02}-{month:02}-{year:04}");
                json!({"last4Digits": "1745", "cardExpiry": expiry, "dob": dob})
            }
        };
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let path = "/mob1/api/onboarding/v1/verifyCardholder";
        Some(prepaid(Method::POST, path, &body, "holder_verified"))
    }
}

fn axis(
    caller: &'static str,
    path: &str,
    body: &Value,
    (txn, success): (&str, &'static str),
) -> Sent {
    Sent {
        api: "axis",
        caller,
        method: Method::POST,
        path: path.to_owned(),
        headers: vec![("X-Kunji-Mode", "live"), ("Content-Type", "application/json")],
        body: body.to_string(),
        txn: txn.to_owned(),
        success,
        answer: None,
    }
}

fn prepaid(method: Method, path: &str, inner: &Value, success: &'static str) -> Sent {
    Sent {
        api: "prepaid",
        caller: "prepaid",
        method,
        path: path.to_owned(),
        headers: CLIENT.to_vec(),
        body: json!({ "token": token(&inner.to_string()) }).to_string(),
        txn: inner["clientTxnId"].as_str().unwrap().to_owned(),
        success,
        answer: None,
    }
}

fn sub_header() -> Value {
    json!({
        "requestUUID": "req-1",
        "serviceRequestId": "NB.GEN.UPIAPI",
        "serviceRequestVersion": "1.0",
        "channelId": "TEST",
    })
}

fn birthday(birth: Option<BirthDate>) -> String {
    match birth {
        Some(BirthDate { year, month, day }) => format!("{year:04}-{month:02}-{day:02}"),
        None => NO_BIRTHDAY.to_owned(),
    }
}

/// `MM/YYYY` of `MMYY`.
fn long(short: &str) -> String {
    let (month, year) = short.split_at(2);
    format!("{month}/20{year}")
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::NotActive => "not_active",
        Standing::Closed => "closed",
        Standing::Blocked(BlockKind::Temporary) => "temporary_block",
        Standing::Blocked(BlockKind::Permanent) => "permanent_block",
        Standing::Blocked(kind) => panic!("the seed has no word for {kind:?}"),
    }
}

fn block_type(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Custom => "Custom",
        BlockKind::Temporary => "Temporary",
        BlockKind::Permanent => "Permanent",
        BlockKind::Debit => "Debit",
        BlockKind::Credit => "Credit",
        BlockKind::CreditDebit => "CreditDebit",
    }
}
