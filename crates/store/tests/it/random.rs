//! Whatever is asked in whatever order: the engine answers as the second issuer does, and keeps
//! the guess limit.

use kunji_core::card::BlockKind;
use kunji_core::command::HolderCheck;
use kunji_core::credential::{Credential, PinState};
use kunji_core::time::{DAY_MS, MINUTE_MS, Millis};
use kunji_testkit::{
    Act, Claim, EngineStage, HolderWord, Home, OtpWord, Played, Stage, Step, Story, Transport,
    TxnWord,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::homes::{InMemory, OnDisk};
use crate::model::Model;

const PLANTED: &str = "
    account A1 mpin 4 born 1990-05-15 set 4821 atm 7305 -> created
    account A2 mpin 6 -> created
    card C1 pin 4 born 1988-02-29 set 5937 -> created
";
const ALIASES: [&str; 3] = ["A1", "A2", "C1"];
const PINS: [&str; 12] = [
    "4821", "7392", "5937", "8264", "6150", "1111", "1234", "1990", "804913", "739105", "580264",
    "917350",
];

/// A PIN that somebody enters.
#[derive(Debug, Clone, Copy)]
enum Entered {
    /// The right one, if there is one.
    Current,
    /// This one.
    Any(&'static str),
}

/// One move, before it is known what the right PIN is.
#[derive(Debug, Clone)]
enum Move {
    Verify(&'static str, Entered),
    Change(&'static str, Entered, &'static str, Claim),
    Other(Act),
    /// The same id again, with another PIN perhaps.
    SameId(&'static str, Entered),
}

fn alias() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("A1"), 2 => Just("A2"), 2 => Just("C1")]
}

fn entered() -> impl Strategy<Value = Entered> {
    prop_oneof![Just(Entered::Current), select(&PINS[..]).prop_map(Entered::Any)]
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![8 => Just(Claim::True), 1 => Just(Claim::OtherCard), 1 => Just(Claim::OtherOwner)]
}

fn account_act() -> impl Strategy<Value = Act> {
    let otp = select(vec![OtpWord::Newest, OtpWord::Newest, OtpWord::Old, OtpWord::Wrong]);
    let atm_pin = select(vec![None, None, None, Some("7305"), Some("0000")]);
    prop_oneof![
        3 => (alias(), claim()).prop_map(|(who, claim)| Act::Otp { who: who.to_owned(), claim }),
        4 => (alias(), select(&PINS[..]), otp, atm_pin, claim()).prop_map(
            |(who, to, otp, atm_pin, claim)| Act::Set {
                who: who.to_owned(),
                to: to.to_owned(),
                otp,
                atm_pin: atm_pin.map(str::to_owned),
                claim,
            }
        ),
        1 => alias().prop_map(|who| Act::ClearTries { who: who.to_owned() }),
    ]
}

fn card_act() -> impl Strategy<Value = Act> {
    let holder = select(vec![HolderCheck::Required, HolderCheck::Waived]);
    let word = select(vec![HolderWord::Contact, HolderWord::Face, HolderWord::OtherFace]);
    let kind = select(vec![
        BlockKind::Temporary,
        BlockKind::Temporary,
        BlockKind::Debit,
        BlockKind::Permanent,
    ]);
    let card = || "C1".to_owned();
    prop_oneof![
        4 => (alias(), select(&PINS[..]), holder, claim()).prop_map(|(who, to, holder, claim)| {
            Act::Reset { who: who.to_owned(), to: to.to_owned(), holder, claim }
        }),
        2 => word.prop_map(move |holder| Act::VerifyHolder { who: card(), holder }),
        1 => (alias(), claim()).prop_map(|(who, claim)| {
            Act::Inquire { who: who.to_owned(), claim }
        }),
        1 => (kind, claim()).prop_map(move |(kind, claim)| {
            Act::BlockCard { who: card(), kind, claim }
        }),
        2 => claim().prop_map(move |claim| Act::UnblockCard { who: card(), claim }),
    ]
}

fn time_act() -> impl Strategy<Value = Act> {
    let spans = vec![
        1,
        MINUTE_MS,
        5 * MINUTE_MS - 1,
        5 * MINUTE_MS,
        10 * MINUTE_MS,
        DAY_MS / 2,
        DAY_MS - 1,
        DAY_MS,
        4000 * DAY_MS,
    ];
    prop_oneof![
        20 => (0..spans.len() - 1).prop_map({
            let spans = spans.clone();
            move |nth| Act::Advance(spans[nth])
        }),
        // Once in a while all cards expire.
        1 => Just(Act::Advance(spans[spans.len() - 1])),
        8 => Just(Act::Restart),
    ]
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        8 => (alias(), entered()).prop_map(|(who, pin)| Move::Verify(who, pin)),
        5 => (alias(), entered(), select(&PINS[..]), claim())
            .prop_map(|(who, from, to, claim)| Move::Change(who, from, to, claim)),
        2 => (alias(), entered()).prop_map(|(who, pin)| Move::SameId(who, pin)),
        6 => account_act().prop_map(Move::Other),
        6 => card_act().prop_map(Move::Other),
        5 => time_act().prop_map(Move::Other),
        2 => Just(Move::Other(Act::Repeat)),
    ]
}

impl Move {
    fn step(&self, model: &Model) -> Step {
        let pin = |alias: &str, entered: &Entered| match entered {
            Entered::Any(pin) => (*pin).to_owned(),
            Entered::Current => {
                model.twin(alias).pins.last().cloned().unwrap_or_else(|| "0000".to_owned())
            }
        };
        let (act, txn) = match self {
            Self::Verify(who, entered) => {
                let pin = pin(who, entered);
                (Act::Verify { who: (*who).to_owned(), pin }, TxnWord::Fresh)
            }
            Self::SameId(who, entered) => {
                let pin = pin(who, entered);
                (Act::Verify { who: (*who).to_owned(), pin }, TxnWord::Same)
            }
            Self::Change(who, from, to, claim) => {
                let (who, from, to) = ((*who).to_owned(), pin(who, from), (*to).to_owned());
                (Act::Change { who, from, to, claim: *claim }, TxnWord::Fresh)
            }
            Self::Other(act) => (act.clone(), TxnWord::Fresh),
        };
        Step { line: 0, act, txn, expected: None }
    }
}

/// What the guesser of one credential has been told since he last proved himself.
#[derive(Default)]
struct Ledger {
    told: u8,
    of_day: Vec<i64>,
    blocked_until: Option<i64>,
}

impl Ledger {
    /// Takes down one verdict, from the outside.
    fn take(&mut self, act: &Act, verdict: &str, now: i64) {
        if self.blocked_until.is_some_and(|until| now >= until) {
            (self.told, self.blocked_until) = (0, None);
        }
        let compares = matches!(act, Act::Verify { .. } | Act::Change { .. });
        match verdict {
            "wrong_pin" => {
                assert!(self.blocked_until.is_none(), "a guess was judged during a block");
                self.told += 1;
                self.of_day.retain(|at| now < at + DAY_MS);
                self.of_day.push(now);
                assert!(self.told <= 2, "the third wrong PIN did not block");
                assert!(self.of_day.len() <= 9, "the tenth wrong PIN of a day did not block");
            }
            "pin_blocked" if self.blocked_until.is_none() => {
                self.blocked_until = Some(now + DAY_MS);
            }
            "verified" | "changed" => {
                assert!(self.blocked_until.is_none(), "a guess was judged during a block");
                self.told = 0;
            }
            "pin_refused" if compares => self.told = 0,
            "pin_set" => (self.told, self.blocked_until) = (0, None),
            "tries_cleared" => *self = Self::default(),
            _ => {}
        }
    }
}

/// Compares what is kept with what the second issuer remembers.
fn compare(credential: &Credential, model: &Model, alias: &str) {
    let (twin, now) = (model.twin(alias), model.now());
    let pin = &credential.pin;
    assert_eq!(pin.kept.len(), twin.pins.len().min(3), "history of {alias}");
    let is_over = |until: Option<i64>| until.is_none_or(|until| now >= until);
    let blocked = matches!(pin.state(Millis(now)), PinState::Blocked(_));
    assert_eq!(blocked, !is_over(twin.blocked_until), "block of {alias}");
    let kept_tries = match pin.blocked_until {
        Some(Millis(until)) if now >= until => 0,
        Some(_) | None => pin.tries,
    };
    let twin_tries = if twin.blocked_until.is_some() && !blocked { 0 } else { twin.wrong };
    assert_eq!(kept_tries, twin_tries, "tries of {alias}");
    let of_day = |told: &[i64]| told.iter().filter(|at| now < *at + DAY_MS).count();
    let told: Vec<i64> = credential.told.wrong.iter().map(|at| at.0).collect();
    assert_eq!(of_day(&told), of_day(&twin.told_wrong), "wrong PINs of the day of {alias}");
    let otp = credential.otp.as_ref().map(|otp| (otp.expires.0, otp.tries));
    assert_eq!(otp, twin.otp, "OTP of {alias}");
    let last = credential.registration.last.map(|last| last.0);
    let running = last.is_some_and(|last| now < last + DAY_MS);
    let failures = if running { usize::from(credential.registration.failures) } else { 0 };
    let failed = twin.failed_at.is_some_and(|last| now < last + DAY_MS);
    assert_eq!(failures, if failed { twin.failures } else { 0 }, "failures of {alias}");
}

fn play<H: Home + Default>(moves: &[Move]) {
    let mut stage = EngineStage::new(H::default(), Transport::Clear);
    let mut model = Model::default();
    let mut ledgers = ALIASES.map(|alias| (alias, Ledger::default()));
    for step in &Story::parse("planted", PLANTED).unwrap().steps {
        assert_eq!(stage.play(step), model.play(step));
    }
    let mut asked = false;
    for one in moves {
        let step = one.step(&model);
        let needs_one_before = matches!(step.act, Act::Repeat) || step.txn == TxnWord::Same;
        if needs_one_before && !asked {
            continue;
        }
        let (found, expected) = (stage.play(&step), model.play(&step));
        assert_eq!(found, expected, "{:?}", step.act);
        asked |= step.act.who().is_some();
        for (alias, ledger) in &mut ledgers {
            compare(&stage.credential(alias).unwrap(), &model, alias);
            let about = step.act.who() == Some(*alias) && step.txn == TxnWord::Fresh;
            if let (true, Played::Verdict(verdict)) = (about, &found) {
                ledger.take(&step.act, verdict, model.now());
            }
        }
    }
    stage.close();
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn engine_in_memory_answers_as_the_model(
        moves in proptest::collection::vec(any_move(), 1..80),
    ) {
        play::<InMemory>(&moves);
    }
}

proptest! {
    #![proptest_config(cases(10))]

    #[test]
    fn engine_on_disk_answers_as_the_model_over_restarts(
        moves in proptest::collection::vec(any_move(), 1..60),
    ) {
        play::<OnDisk>(&moves);
    }
}
