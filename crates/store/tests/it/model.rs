//! A second, simpler issuer: plain PINs, plain counters, no store, no vault. The engine must
//! answer as it does, whatever is asked.

use std::collections::HashMap;

use kunji_core::card::{BlockKind, Expiry, Standing};
use kunji_core::command::HolderCheck;
use kunji_core::time::{DAY_MS, MINUTE_MS, Millis};
use kunji_testkit::{
    AccountSketch, Act, CardSketch, Claim, FakeClock, HolderWord, OtpWord, Played, Stage, Step,
    TxnWord,
};
use kunji_vault::BirthDate;

use crate::model_words::is_weak;

/// The whole second issuer.
pub(crate) struct Model {
    now: i64,
    twins: HashMap<String, Twin>,
    last: Option<Answered>,
}

/// The request that may be repeated.
struct Answered {
    act: Act,
    told: &'static str,
    /// Another secret came under its id.
    is_frozen: bool,
}

/// One credential of the second issuer.
#[derive(Clone)]
pub(crate) struct Twin {
    is_card: bool,
    length: u8,
    birth: Option<BirthDate>,
    /// Every PIN that was ever set, the newest last.
    pub(crate) pins: Vec<String>,
    /// Wrong PINs in a row.
    pub(crate) wrong: u8,
    pub(crate) blocked_until: Option<i64>,
    /// When it was told that a PIN is wrong, and that a new one is one of the last three.
    pub(crate) told_wrong: Vec<i64>,
    told_recent: Vec<i64>,
    otps_sent: usize,
    /// The open OTP: its end, and the wrong tries at it.
    pub(crate) otp: Option<(i64, u8)>,
    /// Failed registrations that count, and the last one.
    pub(crate) failures: usize,
    pub(crate) failed_at: Option<i64>,
    /// How many of them were wrong ATM PINs.
    wrong_atm_pins: u8,
    /// The debit card's or the card's own facts.
    expiry: Expiry,
    standing: Standing,
    atm_pin: Option<String>,
    verified_at: Option<i64>,
}

impl Default for Model {
    fn default() -> Self {
        Self { now: FakeClock::start().now().0, twins: HashMap::new(), last: None }
    }
}

impl Model {
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    pub(crate) fn twin(&self, who: &str) -> &Twin {
        &self.twins[who]
    }

    fn answer(&mut self, act: &Act) -> &'static str {
        match act.who().and_then(|who| self.twins.get_mut(who)) {
            Some(twin) => twin.answer(act, self.now),
            None if matches!(act, Act::Inquire { .. }) => "customer_without_card",
            None => "unknown_credential",
        }
    }

    fn request(&mut self, act: &Act, txn: TxnWord) -> &'static str {
        if txn == TxnWord::Same && self.last.is_some() {
            return self.again(Some(act));
        }
        let told = self.answer(act);
        self.last = Some(Answered { act: act.clone(), told, is_frozen: false });
        told
    }

    /// The id of the request before once more, for another act or the same.
    fn again(&mut self, act: Option<&Act>) -> &'static str {
        let Some(last) = &mut self.last else { unreachable!("a request before") };
        let act = act.unwrap_or(&last.act);
        if open_parts(act) != open_parts(&last.act) {
            return "duplicate";
        }
        if open_parts(act) == format!("{act:?}") {
            return last.told;
        }
        let twin = act.who().and_then(|who| self.twins.get_mut(who));
        if last.is_frozen || twin.as_ref().is_some_and(|twin| twin.is_blocked(self.now)) {
            return "duplicate";
        }
        if format!("{act:?}") == format!("{:?}", last.act) {
            return last.told;
        }
        last.is_frozen = true;
        if let Some(twin) = twin {
            twin.wrong(self.now);
        }
        "duplicate"
    }
}

impl Stage for Model {
    fn play(&mut self, step: &Step) -> Played {
        let verdict = match &step.act {
            Act::Account(sketch) => {
                self.twins.insert(sketch.alias.clone(), Twin::account(sketch));
                "created"
            }
            Act::Card(sketch) => {
                self.twins.insert(sketch.alias.clone(), Twin::card(sketch));
                "created"
            }
            Act::Advance(span_ms) => {
                self.now += span_ms;
                return Played::Silent;
            }
            Act::Restart => return Played::Silent,
            Act::Repeat => self.again(None),
            Act::Verify { .. }
            | Act::Change { .. }
            | Act::Otp { .. }
            | Act::Set { .. }
            | Act::Reset { .. }
            | Act::VerifyHolder { .. }
            | Act::Inquire { .. }
            | Act::BlockCard { .. }
            | Act::UnblockCard { .. }
            | Act::ClearTries { .. } => self.request(&step.act, step.txn),
        };
        Played::Verdict(verdict.to_owned())
    }
}

impl Twin {
    pub(crate) fn account(sketch: &AccountSketch) -> Self {
        Self {
            expiry: sketch.debit_expiry,
            standing: sketch.debit_standing,
            atm_pin: sketch.atm_pin.clone(),
            ..Self::new(sketch.length.digits(), sketch.birth, sketch.pin.as_ref())
        }
    }

    pub(crate) fn card(sketch: &CardSketch) -> Self {
        Self {
            is_card: true,
            expiry: sketch.expiry,
            standing: sketch.standing,
            ..Self::new(sketch.length.digits(), sketch.birth, sketch.pin.as_ref())
        }
    }

    /// Answers a request. What is over at this instant is over for this request only, so that
    /// one whose instant lies before that of the last one finds what it would have found.
    pub(crate) fn answer(&mut self, act: &Act, now: i64) -> &'static str {
        match act {
            Act::Verify { pin, .. } => self.verify(pin, now),
            Act::Change { from, to, claim, .. } => self.change(from, to, *claim, now),
            Act::Otp { claim, .. } => match self.prove_card(*claim, now) {
                Some(refusal) => refusal,
                None => {
                    self.otp = Some((now + 5 * MINUTE_MS, 0));
                    self.otps_sent += 1;
                    "otp_sent"
                }
            },
            Act::Set { to, otp, atm_pin, claim, .. } => match self.prove_card(*claim, now) {
                Some(refusal) => refusal,
                None => self.set(to, *otp, atm_pin.as_ref(), now),
            },
            Act::Reset { to, holder, claim, .. } => self.reset(to, *holder, *claim, now),
            Act::VerifyHolder { holder, .. } => match holder {
                HolderWord::Contact | HolderWord::Face => {
                    self.verified_at = Some(now);
                    "holder_verified"
                }
                HolderWord::OtherContact | HolderWord::OtherFace => "holder_mismatch",
            },
            // The other owner has no card, and who has an account has none beside.
            Act::Inquire { claim, .. } if !self.is_card || *claim == Claim::OtherOwner => {
                "customer_without_card"
            }
            Act::Inquire { claim, .. } => self.named(*claim).unwrap_or("inquired"),
            Act::BlockCard { kind, claim, .. } => {
                self.named(*claim).unwrap_or_else(|| self.block(*kind, now))
            }
            Act::UnblockCard { claim, .. } => {
                self.named(*claim).unwrap_or_else(|| self.unblock(now))
            }
            Act::ClearTries { .. } => {
                self.proved();
                self.told_wrong.clear();
                self.told_recent.clear();
                "tries_cleared"
            }
            Act::Account(_) | Act::Card(_) | Act::Advance(_) | Act::Restart | Act::Repeat => {
                unreachable!("{act:?} is no request")
            }
        }
    }

    fn new(length: u8, birth: Option<BirthDate>, pin: Option<&String>) -> Self {
        Self {
            is_card: false,
            length,
            birth,
            pins: pin.into_iter().cloned().collect(),
            wrong: 0,
            blocked_until: None,
            told_wrong: Vec::new(),
            told_recent: Vec::new(),
            otps_sent: 0,
            otp: None,
            failures: 0,
            failed_at: None,
            wrong_atm_pins: 0,
            expiry: Expiry::parse_short("1235").unwrap(),
            standing: Standing::Active,
            atm_pin: None,
            verified_at: None,
        }
    }

    fn proved(&mut self) {
        self.wrong = 0;
        self.blocked_until = None;
    }

    /// Why no PIN may be compared now.
    fn closed(&self, now: i64) -> Option<&'static str> {
        match (self.blocked_until, self.pins.last()) {
            (Some(until), _) if now < until => Some("pin_blocked"),
            (_, None) => Some("pin_not_set"),
            (_, Some(_)) => None,
        }
    }

    fn guess(&mut self, pin: &str, now: i64) -> Option<&'static str> {
        if self.pins.last().is_some_and(|current| current == pin) {
            self.proved();
            return None;
        }
        Some(self.wrong(now))
    }

    pub(crate) fn is_blocked(&self, now: i64) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    /// Three wrong ones in a row block, and ten within a day.
    pub(crate) fn wrong(&mut self, now: i64) -> &'static str {
        if self.blocked_until.is_some() {
            self.proved();
        }
        self.wrong += 1;
        self.told_wrong.push(now);
        if self.wrong < 3 && self.told_wrong.iter().filter(|at| now < *at + DAY_MS).count() < 10 {
            return "wrong_pin";
        }
        self.blocked_until = Some(now + DAY_MS);
        "pin_blocked"
    }

    fn verify(&mut self, pin: &str, now: i64) -> &'static str {
        self.closed(now).or_else(|| self.guess(pin, now)).unwrap_or("verified")
    }

    /// Whether a new PIN breaks a rule. That it is one of the last three is told three times a day.
    fn weak(&mut self, pin: &str, now: i64) -> bool {
        if is_weak(pin, self.length, self.birth) {
            return true;
        }
        let recent = self.pins.iter().rev().take(3).any(|kept| kept == pin);
        if recent {
            self.told_recent.push(now);
            if self.told_recent.iter().filter(|at| now < *at + DAY_MS).count() >= 3 {
                self.blocked_until = Some(now + DAY_MS);
            }
        }
        recent
    }

    fn change(&mut self, from: &str, to: &str, claim: Claim, now: i64) -> &'static str {
        if self.is_card || claim == Claim::OtherOwner {
            return "owner_mismatch";
        }
        if let Some(refusal) = self.closed(now).or_else(|| self.guess(from, now)) {
            return refusal;
        }
        if self.weak(to, now) {
            return "pin_refused";
        }
        self.pins.push(to.to_owned());
        "changed"
    }

    fn fail(&mut self, refusal: &'static str, now: i64) -> &'static str {
        if self.failed_at.is_none_or(|last| now >= last + DAY_MS) {
            (self.failures, self.wrong_atm_pins) = (0, 0);
        }
        self.failures += 1;
        self.failed_at = Some(now);
        if refusal == "wrong_atm_pin" {
            self.wrong_atm_pins += 1;
        }
        // The third wrong ATM PIN is as good as five failures.
        if self.wrong_atm_pins >= 3 {
            self.failures = self.failures.max(5);
        }
        refusal
    }

    /// Why card and customer prove nothing.
    fn prove_card(&mut self, claim: Claim, now: i64) -> Option<&'static str> {
        if self.failures >= 5 && self.failed_at.is_some_and(|last| now < last + DAY_MS) {
            return Some("registration_blocked");
        }
        if claim == Claim::OtherOwner {
            return Some("owner_mismatch");
        }
        if self.is_card || claim == Claim::OtherCard {
            return Some(self.fail("no_such_debit_card", now));
        }
        if self.expiry.is_past(Millis(now)) {
            return Some("debit_card_expired");
        }
        match self.standing {
            Standing::Active => None,
            Standing::Blocked(_) | Standing::Closed => Some("debit_card_restricted"),
            Standing::NotActive => Some("debit_card_never_activated"),
        }
    }

    fn set(&mut self, to: &str, otp: OtpWord, atm: Option<&String>, now: i64) -> &'static str {
        if atm.is_some() && atm != self.atm_pin.as_ref() {
            return self.fail("wrong_atm_pin", now);
        }
        let tries = match self.otp {
            Some((ends, tries)) if now < ends => tries,
            Some(_) | None => return "otp_expired",
        };
        if tries >= 3 {
            return "otp_tries_exceeded";
        }
        if otp != OtpWord::Newest {
            self.otp = self.otp.map(|(ends, tries)| (ends, tries + 1));
            let refusal = if tries == 2 { "otp_tries_exceeded" } else { "wrong_otp" };
            return self.fail(refusal, now);
        }
        if self.weak(to, now) {
            return "pin_refused";
        }
        self.otp = None;
        self.failures = 0;
        if atm.is_some() {
            self.wrong_atm_pins = 0;
        }
        self.take(to)
    }

    fn take(&mut self, to: &str) -> &'static str {
        self.proved();
        self.pins.push(to.to_owned());
        "pin_set"
    }

    /// Why the caller does not know the card.
    fn named(&self, claim: Claim) -> Option<&'static str> {
        match (self.is_card, claim) {
            (false, _) => Some("unknown_credential"),
            (true, Claim::OtherCard) => Some("last_four_mismatch"),
            (true, Claim::OtherOwner) => Some("card_customer_mismatch"),
            (true, Claim::True) => None,
        }
    }

    fn is_usable(&self, now: i64) -> bool {
        self.standing == Standing::Active && !self.expiry.is_past(Millis(now))
    }

    fn reset(&mut self, to: &str, holder: HolderCheck, claim: Claim, now: i64) -> &'static str {
        if let Some(refusal) = self.named(claim) {
            return refusal;
        }
        if !self.is_usable(now) {
            return "card_unusable";
        }
        let fresh = self.verified_at.is_some_and(|at| now < at + 10 * MINUTE_MS);
        if holder == HolderCheck::Required && !fresh {
            return "holder_not_verified";
        }
        if self.weak(to, now) {
            return "pin_refused";
        }
        self.verified_at = None;
        self.take(to)
    }

    /// Whether an open block, and nothing worse, lies on the card.
    fn is_lockable(&self, now: i64) -> bool {
        let liftable = match self.standing {
            Standing::Active => true,
            Standing::Blocked(kind) => kind != BlockKind::Permanent,
            Standing::NotActive | Standing::Closed => false,
        };
        liftable && !self.expiry.is_past(Millis(now))
    }

    fn block(&mut self, kind: BlockKind, now: i64) -> &'static str {
        // A permanent block is the end, also after the card's last month.
        if self.standing == Standing::Blocked(BlockKind::Permanent) {
            return "already_blocked";
        }
        if !self.is_lockable(now) {
            return "card_unusable";
        }
        if self.standing == Standing::Blocked(kind) {
            return "already_blocked";
        }
        self.standing = Standing::Blocked(kind);
        "card_blocked"
    }

    fn unblock(&mut self, now: i64) -> &'static str {
        if self.is_usable(now) {
            return "not_blocked";
        }
        if !self.is_lockable(now) {
            return "card_unusable";
        }
        self.standing = Standing::Active;
        "card_unblocked"
    }
}

/// A request without its secrets.
fn open_parts(act: &Act) -> String {
    let mut act = act.clone();
    match &mut act {
        Act::Verify { pin, .. } => pin.clear(),
        Act::Change { from, to, .. } => {
            from.clear();
            to.clear();
        }
        Act::Set { to, otp, atm_pin, .. } => {
            to.clear();
            *otp = OtpWord::Wrong;
            atm_pin.iter_mut().for_each(String::clear);
        }
        Act::Reset { to, .. } => to.clear(),
        Act::Account(_)
        | Act::Card(_)
        | Act::Advance(_)
        | Act::Restart
        | Act::Repeat
        | Act::Otp { .. }
        | Act::VerifyHolder { .. }
        | Act::Inquire { .. }
        | Act::BlockCard { .. }
        | Act::UnblockCard { .. }
        | Act::ClearTries { .. } => {}
    }
    format!("{act:?}")
}
