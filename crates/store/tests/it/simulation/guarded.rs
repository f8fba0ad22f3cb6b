//! One credential beside its twin of the second issuer: its chain, decided one by one, must read
//! as if nobody had ever asked at the same time.

use std::collections::{BTreeMap, BTreeSet};

use kunji_core::audit::Event;
use kunji_core::credential::Credential;
use kunji_core::ids::{CredentialId, Slot};
use kunji_core::receipt::ReceiptKey;
use kunji_core::rules::TRIES_MAX;
use kunji_core::store::Commit;
use kunji_core::time::{DAY_MS, Millis};
use kunji_testkit::{Act, OtpWord, Story};
use kunji_vault::{Opening, PinBlock, PinUse, Transit, Vault};

use super::checker::{ensure, pins};
use super::requests::{Ask, Content, named};
use crate::model::Twin;

/// Who is there before anybody asks.
pub(crate) const PLANTED: &str = "
    account A1 mpin 4 born 1990-05-15 set 4821 atm 7305 -> created
    account A2 mpin 6 -> created
    card C1 pin 4 born 1988-02-29 set 5937 -> created
";

/// Behind the id of a request: what is meant is a guess at the secret that came under it.
const GUESS: &str = " (guess)";

pub(crate) struct Guarded {
    pub(crate) twin: Twin,
    /// The digits of the newest OTP.
    otp: Option<String>,
    kept: Vec<u8>,
    /// Which window of guesses runs, and when the block ends that ended the one before.
    window: u64,
    block_ends: Option<i64>,
    /// In which window a wrong PIN was judged.
    judged: BTreeMap<(String, String), u64>,
    /// Who was told of a wrong PIN in each window.
    told: BTreeMap<u64, BTreeSet<(String, String)>>,
}

/// All that are planted, each beside its sketch's twin.
pub(crate) fn planted() -> BTreeMap<CredentialId, Guarded> {
    let story = Story::parse("planted", PLANTED).unwrap();
    let twins = story.steps.iter().filter_map(|step| {
        if let Act::Account(sketch) = &step.act {
            return Some((named(&sketch.alias), Guarded::of(Twin::account(sketch))));
        }
        let Act::Card(sketch) = &step.act else { return None };
        Some((named(&sketch.alias), Guarded::of(Twin::card(sketch))))
    });
    twins.collect()
}

impl Guarded {
    fn of(twin: Twin) -> Self {
        Self {
            twin,
            otp: None,
            kept: Vec::new(),
            window: 0,
            block_ends: None,
            judged: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    pub(crate) fn new_card() -> Self {
        let story = Story::parse("new", "card new pin 4 -> created").unwrap();
        let Act::Card(sketch) = &story.steps[0].act else { unreachable!("the step plants a card") };
        Self::of(Twin::card(sketch))
    }

    /// Takes the next decided event, and compares all that it says and leaves.
    pub(crate) fn take(
        &mut self,
        (event, ask, attempt): (&Event, &Ask, usize),
        commit: &Commit,
        credential: &Credential,
        vault: &Vault,
    ) -> Result<(), String> {
        let Content::Credential(act, otp) = &ask.content else {
            return Err(format!("{event:?} is not what attempt {attempt} asked for"));
        };
        let act = self.as_it_is_now(act, otp.as_deref());
        let before = self.twin.pins.len();
        let expected = self.twin.answer(&act, event.at.0);
        ensure(event.verdict == expected, || format!("{event:?}, but in turn it is {expected}"))?;
        self.count(event)?;

        let (pin, twin) = (&credential.pin, &self.twin);
        let blocked = twin.blocked_until.map(Millis);
        ensure((pin.tries, pin.blocked_until) == (twin.wrong, blocked), || {
            format!("{event:?} left {} tries, not {}", pin.tries, twin.wrong)
        })?;
        let open = credential.otp.as_ref().map(|otp| (otp.expires.0, otp.tries));
        ensure(open == twin.otp, || format!("{event:?} left the OTP {open:?}"))?;
        let kept = pins(credential);
        if before != twin.pins.len() {
            ensure(is_kept(vault, credential, twin.pins.last()), || {
                format!("{event:?} left a PIN that nobody set")
            })?;
        } else if !self.kept.is_empty() {
            ensure(kept == self.kept, || format!("{event:?} moved a PIN"))?;
        }
        self.kept = kept;
        for message in &commit.messages {
            let opened = vault.open_message(&credential.id.to_string(), &message.sealed);
            self.otp.clone_from(&opened.unwrap().otp);
        }
        Ok(())
    }

    /// Another secret came under a used id: it counts as a wrong PIN.
    pub(crate) fn guessed(&mut self, event: &Event, credential: &Credential) -> Result<(), String> {
        self.twin.wrong(event.at.0);
        self.count(event)?;
        let (pin, twin) = (&credential.pin, &self.twin);
        let blocked = twin.blocked_until.map(Millis);
        ensure((pin.tries, pin.blocked_until) == (twin.wrong, blocked), || {
            format!("{event:?} left {} tries, not {}", pin.tries, twin.wrong)
        })
    }

    /// The OTP that was the newest when it was asked may be an old one by now.
    fn as_it_is_now(&self, act: &Act, digits: Option<&str>) -> Act {
        let mut act = act.clone();
        if let Act::Set { otp, .. } = &mut act {
            *otp = match self.otp.as_deref() == digits {
                true => OtpWord::Newest,
                false => OtpWord::Wrong,
            };
        }
        act
    }

    /// Counts by the events alone, without the twin's counters.
    fn count(&mut self, event: &Event) -> Result<(), String> {
        let proves = match event.verdict.as_str() {
            "verified" | "changed" | "pin_set" | "tries_cleared" => true,
            "pin_refused" => event.action.as_str() == "change",
            _ => false,
        };
        if proves {
            (self.window, self.block_ends) = (self.window + 1, None);
        }
        let Some(detail) = event.detail.as_ref().filter(|one| one.starts_with("wrong_pin")) else {
            return Ok(());
        };
        if let Some(ends) = self.block_ends.take() {
            ensure(event.at.0 >= ends, || format!("{event:?} was judged during a block"))?;
            self.window += 1;
        }
        let until = event.after.and_then(|after| after.blocked_until);
        ensure(detail != "wrong_pin 3" || until == Some(event.at.plus(DAY_MS)), || {
            format!("{event:?} did not block")
        })?;
        self.block_ends = until.map(|until| until.0);
        let txn = event.txn.as_ref().unwrap().to_string();
        let name = match event.verdict == "duplicate" {
            true => (event.caller.to_string(), format!("{txn}{GUESS}")),
            false => (event.caller.to_string(), txn),
        };
        self.judged.insert(name, self.window);
        Ok(())
    }

    /// Somebody was told what was decided under this id.
    pub(crate) fn told(&mut self, key: &ReceiptKey) -> Result<(), String> {
        self.told_as((key.caller.to_string(), key.txn.to_string()))
    }

    /// Somebody was told that a secret is not the one that was sent under this id before.
    pub(crate) fn told_guess(&mut self, key: &ReceiptKey) -> Result<(), String> {
        self.told_as((key.caller.to_string(), format!("{}{GUESS}", key.txn)))
    }

    fn told_as(&mut self, name: (String, String)) -> Result<(), String> {
        let Some(window) = self.judged.get(&name) else { return Ok(()) };
        let told = self.told.entry(*window).or_default();
        told.insert(name);
        ensure(told.len() <= usize::from(TRIES_MAX), || {
            format!("{told:?} all were told of a wrong PIN in one window")
        })
    }
}

/// Whether the current PIN is this one.
fn is_kept(vault: &Vault, credential: &Credential, pin: Option<&String>) -> bool {
    let (Some(verifier), Some(pin)) = (credential.pin.kept.first(), pin) else { return false };
    let opening = Opening {
        pin_use: PinUse::Mpin,
        txn: "check",
        real_now_ms: 0,
        transit: Transit::ClearAllowed,
    };
    let pin = vault.open(&PinBlock::absorb(pin.clone()), &opening).unwrap();
    vault.matches(&credential.id.slot(Slot::Pin), &pin, verifier).unwrap()
}
