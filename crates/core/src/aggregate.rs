//! What is kept for a subject, and how rules that need no vault decide about it.

use serde::{Deserialize, Serialize};

use crate::audit::Action;
use crate::capture::Capture;
use crate::credential::Credential;
use crate::customer::Customer;
use crate::errand::{Errand, ErrandKey};
use crate::mapper::{Address, Number};
use crate::reason::Reason;
use crate::rules::Rules;
use crate::time::Stamp;

/// What is kept for one subject beside its chain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing: only events.
    #[default]
    Nothing,
    /// An account's or a card's PIN.
    Credential(Box<Credential>),
    /// A merchant's customer.
    Customer(Box<Customer>),
    /// A UPI number.
    Number(Box<Number>),
    /// A VPA.
    Address(Box<Address>),
    /// A capture of secrets.
    Capture(Box<Capture>),
}

/// Something that a record can keep.
pub trait Kept: Clone + Send + Sync + 'static {
    /// The one that is kept, if it is of this kind.
    fn of(state: &State) -> Option<&Self>;

    /// Puts it into a record.
    fn keep(self) -> State;
}

macro_rules! kept {
    ($($kind:ident),*) => {
        $(impl Kept for $kind {
            fn of(state: &State) -> Option<&Self> {
                let State::$kind(kept) = state else { return None };
                Some(kept.as_ref())
            }

            fn keep(self) -> State {
                State::$kind(Box::new(self))
            }
        })*
    };
}

kept!(Credential, Customer, Number, Address, Capture);

/// Something that rules decide about without the vault, one command at a time.
pub trait Aggregate: Kept {
    /// What may be asked.
    type Command: Send + Sync;
    /// What becomes of what the rules allow.
    type Outcome: Copy + Send + Into<&'static str>;
    /// How the rules say no.
    type Refusal: Copy + Send + Into<&'static str> + Into<Reason>;

    /// What the audit calls a command.
    fn action(command: &Self::Command) -> Action;

    /// Decides. Pure: the same arguments, the same turn.
    fn decide(
        before: Option<&Self>,
        command: &Self::Command,
        rules: &Rules,
        stamp: &Stamp,
    ) -> Turn<Self>;
}

/// What follows from a command: the verdict, and all that is committed with it.
#[derive(Debug, Clone)]
pub struct Turn<A: Aggregate> {
    /// What the caller is told.
    pub verdict: Result<A::Outcome, A::Refusal>,
    /// The aggregate from now on; `None` when nothing changed.
    pub next: Option<A>,
    /// A detail for the audit, from a closed set.
    pub detail: Option<String>,
    /// What must be done later.
    pub errands: Vec<Errand>,
    /// What need not be done any more.
    pub settled: Vec<ErrandKey>,
}

impl<A: Aggregate> Turn<A> {
    /// A verdict that changes nothing.
    pub(crate) fn only(verdict: Result<A::Outcome, A::Refusal>) -> Self {
        Self { verdict, next: None, detail: None, errands: Vec::new(), settled: Vec::new() }
    }

    /// A refusal.
    pub(crate) fn refused(refusal: A::Refusal) -> Self {
        Self::only(Err(refusal))
    }

    /// A change.
    pub(crate) fn changed(outcome: A::Outcome, next: A) -> Self {
        Self { next: Some(next), ..Self::only(Ok(outcome)) }
    }
}
