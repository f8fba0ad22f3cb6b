//! A capture: the time in which a customer enters secrets for one operation.
//!
//! ```text
//!          ┌── the issuer decides ──┐
//!  open ───┼── the customer leaves ─┼──▶ ended, with the answer that is kept
//!          └── the time is over ────┘
//! ```
//!
//! Which of the three it was is settled by the issuer's receipt of the one request id: who gets it
//! first has decided. So a capture ends once, also when two are at it, or after a crash.

use kunji_vault::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Turn};
use crate::audit::Action;
use crate::card::Expiry;
use crate::customer::Mapping;
use crate::errand::{Errand, ErrandKey, Lane, Task};
use crate::ids::{Caller, CaptureId, CardTail, CredentialId, CustomerId, ProfileId, TxnId, Vpa};
use crate::reason::Reason;
use crate::rules::Rules;
use crate::time::{Millis, Stamp};

/// A capture of secrets for one operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    /// Which one.
    pub id: CaptureId,
    /// What it is for.
    pub order: Order,
    /// When the time is over.
    pub expires: Millis,
    /// The errand that ends it then.
    pub errand: ErrandKey,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// What a capture is for: all that is needed to ask the issuer once the secrets are there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Whose.
    pub profile: ProfileId,
    /// The session that asked; only this one may hear the answer, where it asks by session.
    pub session: Option<Fingerprint>,
    /// As whom the issuer is asked.
    pub caller: Caller,
    /// The id under which the issuer is asked, once.
    pub txn: TxnId,
    /// The account.
    pub account: CredentialId,
    /// The issuer's customer.
    pub customer: CustomerId,
    /// The VPA of the request, else the one through which the customer has the account.
    pub vpa: Option<Vpa>,
    /// What is to be done.
    pub purpose: Purpose,
    /// The app's own id for the request.
    pub request_id: String,
    /// What the app wants back as it is.
    pub udf: Option<String>,
}

/// What is to be done with the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Set or reset the MPIN.
    Set {
        /// The debit card's last six digits.
        last_six: CardTail,
        /// The debit card's last good month.
        expiry: Expiry,
        /// What the account becomes when it succeeds.
        mapping: Mapping,
    },
    /// Change the MPIN.
    Change,
    /// Tell the balance.
    Balance,
}

/// How a capture ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What was decided, as the audit says it.
    pub verdict: String,
    /// The vendor's code, for logs and metrics.
    pub code: String,
    /// The answer, byte for byte.
    pub body: Vec<u8>,
}

/// What may be asked of a capture.
#[derive(Debug, Clone)]
pub enum CaptureCommand {
    /// Begin.
    Open {
        /// Its name.
        id: CaptureId,
        /// What it is for.
        order: Box<Order>,
    },
    /// Refuse to begin.
    Decline {
        /// Why.
        why: Unfit,
    },
    /// Keep how it ended.
    End(Ending),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureOutcome {
    /// It began.
    Opened,
    /// It ended.
    Ended,
}

impl From<CaptureOutcome> for &'static str {
    fn from(outcome: CaptureOutcome) -> Self {
        match outcome {
            CaptureOutcome::Opened => "opened",
            CaptureOutcome::Ended => "ended",
        }
    }
}

/// How the rules say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureRefusal {
    /// No such capture.
    Unknown,
    /// There is one of this name.
    There,
    /// What the provider can see by itself stands against it.
    Declined(Unfit),
}

/// What the provider can see by itself before anybody enters a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// No device of the customer is bound.
    NotBound,
    /// There is no such account, or the customer's VPA does not have it.
    NotLinked,
    /// The bank has another mobile number.
    MobileChanged,
}

impl From<CaptureRefusal> for &'static str {
    fn from(refusal: CaptureRefusal) -> Self {
        match refusal {
            CaptureRefusal::Unknown => "unknown_capture",
            CaptureRefusal::There => "capture_is_there",
            CaptureRefusal::Declined(Unfit::NotBound) => "device_not_bound",
            CaptureRefusal::Declined(Unfit::NotLinked) => "account_not_linked",
            CaptureRefusal::Declined(Unfit::MobileChanged) => "mobile_changed",
        }
    }
}

impl From<CaptureRefusal> for Reason {
    fn from(refusal: CaptureRefusal) -> Self {
        let sentence = match refusal {
            CaptureRefusal::Unknown => "there is no such capture",
            CaptureRefusal::There => "a capture of this name is there already",
            CaptureRefusal::Declined(Unfit::NotBound) => "the customer has no bound device",
            CaptureRefusal::Declined(Unfit::NotLinked) => {
                "there is no such account, or it is not linked to this VPA of the customer"
            }
            CaptureRefusal::Declined(Unfit::MobileChanged) => {
                "the account has another mobile number at the bank than the bound device"
            }
        };
        Self::rule(refusal.into(), sentence)
    }
}

impl Aggregate for Capture {
    type Command = CaptureCommand;
    type Outcome = CaptureOutcome;
    type Refusal = CaptureRefusal;

    fn action(_: &CaptureCommand) -> Action {
        Action::Capture
    }

    fn decide(
        before: Option<&Self>,
        command: &CaptureCommand,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Turn<Self> {
        match (before, command) {
            (None, CaptureCommand::Open { id, order }) => {
                let expires = stamp.now.plus(rules.capture_ms);
                let lane = Lane::Captures;
                let errand = ErrandKey { lane, due: expires, serial: stamp.serial, place: 0 };
                let next = Self {
                    id: id.clone(),
                    order: Order::clone(order),
                    expires,
                    errand: errand.clone(),
                    ending: None,
                };
                let errands = vec![Errand { key: errand, task: Task::EndCapture(id.clone()) }];
                Turn { errands, ..Turn::changed(CaptureOutcome::Opened, next) }
            }
            (Some(_), CaptureCommand::Open { .. }) => Turn::refused(CaptureRefusal::There),
            (_, CaptureCommand::Decline { why }) => Turn::refused(CaptureRefusal::Declined(*why)),
            (None, CaptureCommand::End(_)) => Turn::refused(CaptureRefusal::Unknown),
            (Some(capture), CaptureCommand::End(ending)) => {
                let ending = capture.ending.clone().unwrap_or_else(|| ending.clone());
                let detail = Some(ending.verdict.clone());
                let next = Self { ending: Some(ending), ..capture.clone() };
                let settled = vec![capture.errand.clone()];
                Turn { settled, detail, ..Turn::changed(CaptureOutcome::Ended, next) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CredentialKind, MerchantCustomerId, MerchantId};
    use crate::time::month_start;

    fn now() -> Millis {
        month_start(2026, 1)
    }

    fn order() -> Order {
        Order {
            profile: ProfileId {
                merchant: MerchantId::parse("shop").unwrap(),
                customer: MerchantCustomerId::parse("one").unwrap(),
            },
            session: None,
            caller: Caller::parse("hyper:shop").unwrap(),
            txn: TxnId::parse("T1").unwrap(),
            account: CredentialId::parse(CredentialKind::Account, "A1").unwrap(),
            customer: CustomerId::parse("CIF1").unwrap(),
            vpa: Some(Vpa::parse("a@kunji").unwrap()),
            purpose: Purpose::Change,
            request_id: "R1".to_owned(),
            udf: None,
        }
    }

    fn open(order: Order) -> CaptureCommand {
        CaptureCommand::Open { id: CaptureId::parse("c1").unwrap(), order: Box::new(order) }
    }

    fn ending(verdict: &str) -> Ending {
        Ending { verdict: verdict.to_owned(), code: "00".to_owned(), body: verdict.into() }
    }

    fn decide(before: Option<&Capture>, command: &CaptureCommand, at: Millis) -> Turn<Capture> {
        let stamp = Stamp { now: at, real: at, serial: 7, entropy: [0; 16] };
        Capture::decide(before, command, &Rules::default(), &stamp)
    }

    #[test]
    fn capture_opens_once_and_leaves_an_errand_for_its_last_instant() {
        let turn = decide(None, &open(order()), now());
        let capture = turn.next.unwrap();
        assert_eq!(turn.verdict, Ok(CaptureOutcome::Opened));
        assert_eq!((capture.expires, &capture.ending), (now().plus(5 * 60 * 1000), &None));
        let [errand] = &turn.errands[..] else { panic!("one errand") };
        assert_eq!(errand.key, capture.errand);
        assert_eq!((&errand.key.lane, errand.key.due), (&Lane::Captures, capture.expires));
        assert_eq!(errand.task, Task::EndCapture(capture.id.clone()));
        // Another order under the name of a capture that is open, or was.
        let other = open(Order { purpose: Purpose::Balance, ..order() });
        let ended = Capture { ending: Some(ending("pin_set")), ..capture.clone() };
        for there in [&capture, &ended] {
            let turn = decide(Some(there), &other, now().plus(1));
            assert_eq!(turn.verdict, Err(CaptureRefusal::There));
            assert!(turn.next.is_none() && turn.errands.is_empty() && turn.settled.is_empty());
        }
    }

    #[test]
    fn capture_ends_once_and_keeps_the_first_ending() {
        let capture = decide(None, &open(order()), now()).next.unwrap();
        let turn = decide(Some(&capture), &CaptureCommand::End(ending("pin_set")), now());
        assert_eq!(
            (turn.verdict, turn.detail.as_deref()),
            (Ok(CaptureOutcome::Ended), Some("pin_set"))
        );
        assert_eq!(turn.settled, std::slice::from_ref(&capture.errand));
        let ended = turn.next.unwrap();
        assert_eq!(ended.ending, Some(ending("pin_set")));
        let late = CaptureCommand::End(ending("abandoned"));
        let turn = decide(Some(&ended), &late, now().plus(1));
        assert_eq!(
            (turn.verdict, turn.detail.as_deref()),
            (Ok(CaptureOutcome::Ended), Some("pin_set"))
        );
        assert_eq!(turn.next.map_or(ended.ending, |next| next.ending), Some(ending("pin_set")));
        assert!(turn.errands.is_empty());
    }

    #[test]
    fn nothing_ends_that_never_began() {
        let turn = decide(None, &CaptureCommand::End(ending("pin_set")), now());
        assert_eq!(turn.verdict, Err(CaptureRefusal::Unknown));
        assert!(turn.next.is_none() && turn.settled.is_empty());
    }

    #[test]
    fn audit_names_both_commands() {
        for command in [open(order()), CaptureCommand::End(ending("pin_set"))] {
            assert_eq!(Capture::action(&command), Action::Capture);
        }
    }
}
