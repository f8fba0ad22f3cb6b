//! The audit: one event for each request, chained by hash for each subject.

use kunji_vault::{ROW_NAME_LEN, Vault, sha256};
use serde::{Deserialize, Serialize};

use crate::ids::{
    Caller, CaptureId, CredentialId, CredentialKind, IdError, MerchantCustomerId, MerchantId,
    ProfileId, TxnId, UpiNumber, Vpa,
};
use crate::reason::Reason;
use crate::time::Millis;

/// What a chain of events is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// One credential.
    Credential(CredentialId),
    /// Requests of one caller that name no credential we have.
    Stranger(Caller),
    /// The service itself: starts, key use, resets.
    Service,
    /// One customer of a merchant.
    Customer(ProfileId),
    /// One UPI number.
    Number(UpiNumber),
    /// One VPA, in its folded spelling.
    Address(Vpa),
    /// One capture of secrets.
    Capture(CaptureId),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential(id) => write!(f, "{id}"),
            Self::Stranger(caller) => write!(f, "stranger/{caller}"),
            Self::Service => f.write_str("service"),
            Self::Customer(id) => write!(f, "customer/{id}"),
            Self::Number(number) => write!(f, "number/{number}"),
            Self::Address(vpa) => write!(f, "vpa/{vpa}"),
            Self::Capture(id) => write!(f, "capture/{id}"),
        }
    }
}

impl Subject {
    /// Reads a subject as it is printed.
    ///
    /// # Errors
    /// `IdError` when it is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            None if text == "service" => Ok(Self::Service),
            None => Err(IdError),
            Some(("stranger", caller)) => Ok(Self::Stranger(Caller::parse(caller)?)),
            Some(("customer", id)) => {
                let (merchant, customer) = id.split_once('/').ok_or(IdError)?;
                let merchant = MerchantId::parse(merchant)?;
                let customer = MerchantCustomerId::parse(customer)?;
                Ok(Self::Customer(ProfileId { merchant, customer }))
            }
            Some(("number", number)) => Ok(Self::Number(UpiNumber::parse(number)?)),
            Some(("vpa", vpa)) => Ok(Self::Address(Vpa::parse(vpa)?)),
            Some(("capture", id)) => Ok(Self::Capture(CaptureId::parse(id)?)),
            Some((kind, name)) => {
                let kind = CredentialKind::parse(kind)?;
                Ok(Self::Credential(CredentialId::parse(kind, name)?))
            }
        }
    }
}

/// What a store and a checkpoint call a chain: who has the keys can tell of which subject it is,
/// and nobody else. Printed as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainName(pub [u8; ROW_NAME_LEN]);

impl ChainName {
    /// The name of a subject's chain.
    #[must_use]
    pub fn of(vault: &Vault, subject: &Subject) -> Self {
        Self(vault.row_name(format!("chain\0{subject}").as_bytes()))
    }

    /// Reads a name as it is printed.
    ///
    /// # Errors
    /// `IdError` when it is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let number = u128::from_str_radix(text, 16).map_err(|_| IdError)?;
        let name = Self(number.to_be_bytes());
        // One way to write it only.
        match name.to_string() == text {
            true => Ok(name),
            false => Err(IdError),
        }
    }
}

impl std::fmt::Display for ChainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The process started over this store, with these keys.
    Started,
    /// A credential came into being.
    Created,
    /// A PIN was compared.
    Verify,
    /// A PIN was to be changed by who knows the old one.
    Change,
    /// A PIN was to be set after card and OTP.
    Set,
    /// A PIN was to be reset by the card program.
    Reset,
    /// An OTP was asked for.
    OtpRequest,
    /// A cardholder was to be verified.
    VerifyHolder,
    /// A card was looked at.
    Inquire,
    /// A card was to be blocked.
    Block,
    /// A block was to be lifted.
    Unblock,
    /// An operator cleared the try counter.
    ClearTries,
    /// A decision was given up before it was made.
    Abandon,
    /// A customer's app started, or was let in.
    Session,
    /// A device was to be bound.
    Bind,
    /// A VPA was to be linked to accounts.
    Link,
    /// An account was to become primary.
    MapPrimary,
    /// A VPA, an account or all of a customer was to be removed.
    Unlink,
    /// A number or a VPA was to be taken for a customer, or given back.
    Claim,
    /// A UPI number was to be registered or ported.
    Register,
    /// A UPI number was to be changed.
    UpdateNumber,
    /// A UPI number was looked up.
    LookUp,
    /// A capture of secrets was opened, or came to its end.
    Capture,
    /// A message to a merchant was delivered or given up.
    Deliver,
    /// A backup of the whole store was begun.
    Exported,
    /// A backup was restored.
    Restored,
    /// A running process took over other keys from its file.
    Keys,
    /// A process took a block of serials.
    Serials,
}

impl Action {
    /// The action as it stands in exports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Created => "created",
            Self::Verify => "verify",
            Self::Change => "change",
            Self::Set => "set",
            Self::Reset => "reset",
            Self::OtpRequest => "otp_request",
            Self::VerifyHolder => "verify_holder",
            Self::Inquire => "inquire",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::ClearTries => "clear_tries",
            Self::Abandon => "abandon",
            Self::Session => "session",
            Self::Bind => "bind",
            Self::Link => "link",
            Self::MapPrimary => "map_primary",
            Self::Unlink => "unlink",
            Self::Claim => "claim",
            Self::Register => "register",
            Self::UpdateNumber => "update_number",
            Self::LookUp => "look_up",
            Self::Capture => "capture",
            Self::Deliver => "deliver",
            Self::Exported => "exported",
            Self::Restored => "restored",
            Self::Keys => "keys",
            Self::Serials => "serials",
        }
    }
}

/// One event. Holds nothing derived from a PIN; a policy rule's name at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// Its place in the subject's chain, from 1.
    pub seq: u64,
    /// When, by the clock that the timers read.
    pub at: Millis,
    /// Who asked.
    pub caller: Caller,
    /// The caller's request id.
    pub txn: Option<TxnId>,
    /// What was tried.
    pub action: Action,
    /// `done`, `replayed` or the refusal's name.
    pub verdict: String,
    /// A closed set of details: the policy rule, the block's kind, an operator's reason.
    pub detail: Option<String>,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// What guards the credential's secrets after it, when the subject is a credential.
    pub after: Option<Counters>,
}

/// What guards a credential's secrets, as an event leaves it: from these a whole chain can be
/// replayed and held against the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Consecutive wrong PINs.
    pub tries: u8,
    /// End of the block, while there is one.
    pub blocked_until: Option<Millis>,
    /// Wrong PINs that still count for the day.
    pub wrong_in_day: u8,
    /// Refusals of a PIN out of the history that still count.
    pub recalled: u8,
    /// PINs that are kept, the current one included.
    pub pins: u8,
    /// Wrong tries at the OTP that is open.
    pub otp_tries: Option<u8>,
    /// Failed registrations that count.
    pub registration_failures: u8,
    /// Wrong ATM PINs that count.
    pub atm_pin_tries: u8,
}

/// What an event begins with since format 3. Before, it began with its subject, whose kinds are
/// numbered from 0 and never come to this.
const EVENT_FORMAT_3: u8 = 0x43;

/// An event as formats 1 and 2 have it.
#[derive(Serialize, Deserialize)]
struct OlderEvent {
    subject: Subject,
    seq: u64,
    at: Millis,
    caller: Caller,
    txn: Option<TxnId>,
    action: Action,
    verdict: String,
    detail: Option<String>,
}

impl From<OlderEvent> for Event {
    fn from(older: OlderEvent) -> Self {
        let OlderEvent { subject, seq, at, caller, txn, action, verdict, detail } = older;
        let (reason, after) = (None, None);
        Self { subject, seq, at, caller, txn, action, verdict, detail, reason, after }
    }
}

/// An event that is none, or cannot be put into bytes.
#[derive(Debug, thiserror::Error)]
#[error("the audit event is not well formed")]
pub struct EventError(#[source] postcard::Error);

/// How many random bytes may stand behind an event.
const ENTROPY_LEN: usize = 16;
/// Room for nearly all events, in bytes.
const EVENT_ROOM: usize = 512;

impl Event {
    /// The bytes that go into the chain's hash and into the store.
    ///
    /// # Errors
    /// `EventError` when the event cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, EventError> {
        let mut bytes = Vec::with_capacity(EVENT_ROOM);
        bytes.push(EVENT_FORMAT_3);
        postcard::to_extend(self, bytes).map_err(EventError)
    }

    /// The same with the decision's entropy behind it, so that no other decision has these bytes.
    ///
    /// Two processes may decide alike in one millisecond, and yet differ in what they keep: an
    /// OTP, a verifier. A head must name one of them only, since a commit names by it what it
    /// rests on.
    ///
    /// # Errors
    /// `EventError` when the event cannot be encoded.
    pub fn encode_once(&self, entropy: &[u8; ENTROPY_LEN]) -> Result<Vec<u8>, EventError> {
        let mut encoded = self.encode()?;
        encoded.extend_from_slice(entropy);
        Ok(encoded)
    }

    /// Reads an event back, with the suspicion that any stored row deserves.
    ///
    /// # Errors
    /// `EventError` when the bytes are no event, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let (event, rest) = match bytes.split_first() {
            Some((&EVENT_FORMAT_3, event)) => postcard::take_from_bytes(event),
            Some(_) | None => postcard::take_from_bytes::<OlderEvent>(bytes)
                .map(|(older, rest)| (Self::from(older), rest)),
        }
        .map_err(EventError)?;
        match rest.len() {
            0 | ENTROPY_LEN => Ok(event),
            _ => Err(EventError(postcard::Error::DeserializeBadEncoding)),
        }
    }
}

/// The end of a chain; `seq` 0 and zeroes before its first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// How many events the chain has.
    pub seq: u64,
    /// SHA-256 over the head before and the encoded event.
    pub hash: [u8; 32],
}

impl Head {
    /// The head after an event whose encoded bytes these are.
    #[must_use]
    pub fn after(&self, encoded: &[u8]) -> Self {
        let hash = sha256(&[&self.hash, encoded]);
        Self { seq: self.seq.saturating_add(1), hash }
    }
}

/// Where a chain stops being one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// An event is missing, doubled or out of place.
    #[error("event {expected} is missing or out of place")]
    Gap {
        /// The number that should have come.
        expected: u64,
    },
    /// A stored event is none.
    #[error("event {expected} cannot be read")]
    Unreadable {
        /// The number that should have come.
        expected: u64,
    },
    /// An event names another subject than its chain.
    #[error("event {seq} belongs to another chain")]
    Stray {
        /// Its number.
        seq: u64,
    },
    /// The last event is not the one that the record names.
    #[error("the chain ends at {found} but the record says {expected}")]
    Head {
        /// What the record says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The hashes differ: something in the chain was altered.
    #[error("the chain's hash does not match its record")]
    Hash,
}

/// Checks one whole chain, event after event.
#[derive(Debug)]
pub struct ChainCheck {
    subject: Subject,
    head: Head,
}

impl ChainCheck {
    /// Starts before the first event of a subject.
    #[must_use]
    pub fn start(subject: Subject) -> Self {
        Self { subject, head: Head::default() }
    }

    /// How far the chain has come.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes the next event as it was stored, and says what it is.
    ///
    /// # Errors
    /// `ChainBreak` when it is not the next one of this chain.
    pub fn take(&mut self, encoded: &[u8]) -> Result<Event, ChainBreak> {
        let expected = self.head.seq.saturating_add(1);
        let event = Event::decode(encoded).map_err(|_| ChainBreak::Unreadable { expected })?;
        if event.seq != expected {
            return Err(ChainBreak::Gap { expected });
        }
        if event.subject != self.subject {
            return Err(ChainBreak::Stray { seq: event.seq });
        }
        self.head = self.head.after(encoded);
        Ok(event)
    }

    /// Compares the end with what the record says.
    ///
    /// # Errors
    /// `ChainBreak` when events were cut off or altered.
    pub fn finish(self, recorded: &Head) -> Result<(), ChainBreak> {
        if self.head.seq != recorded.seq {
            return Err(ChainBreak::Head { expected: recorded.seq, found: self.head.seq });
        }
        match self.head.hash == recorded.hash {
            true => Ok(()),
            false => Err(ChainBreak::Hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: Option<Reason>, after: Option<Counters>) -> Event {
        Event {
            subject: Subject::parse("account/ACC1").unwrap(),
            seq: 3,
            at: Millis(1_700_000_000_000),
            caller: Caller::parse("api:till").unwrap(),
            txn: Some(TxnId::parse("T-3").unwrap()),
            action: Action::Verify,
            verdict: "wrong_pin".to_owned(),
            detail: Some("wrong_pin 1".to_owned()),
            reason,
            after,
        }
    }

    #[test]
    fn event_is_read_back_with_its_reason_and_counters() {
        let after = Counters {
            tries: 1,
            blocked_until: Some(Millis(5)),
            wrong_in_day: 2,
            recalled: 0,
            pins: 3,
            otp_tries: Some(1),
            registration_failures: 4,
            atm_pin_tries: 1,
        };
        for event in [
            event(None, None),
            event(Some(Reason::WrongPin { tries_left: 2 }), Some(after)),
            event(Some(Reason::missing("txnId")), None),
        ] {
            assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
            assert_eq!(Event::decode(&event.encode_once(&[7; 16]).unwrap()).unwrap(), event);
        }
    }

    /// Written by the release that had format 2.
    #[test]
    fn event_of_format_2_is_read() {
        let older = OlderEvent {
            subject: Subject::parse("account/ACC1").unwrap(),
            seq: 3,
            at: Millis(1_700_000_000_000),
            caller: Caller::parse("api:till").unwrap(),
            txn: Some(TxnId::parse("T-3").unwrap()),
            action: Action::Verify,
            verdict: "wrong_pin".to_owned(),
            detail: Some("wrong_pin 1".to_owned()),
        };
        let mut bytes = postcard::to_stdvec(&older).unwrap();
        let kept = [
            0, 0, 4, b'A', b'C', b'C', b'1', 3, 128, 160, 171, 254, 249, 98, 8, b'a', b'p', b'i',
            b':', b't', b'i', b'l', b'l', 1, 3, b'T', b'-', b'3', 2, 9, b'w', b'r', b'o', b'n',
            b'g', b'_', b'p', b'i', b'n', 1, 11, b'w', b'r', b'o', b'n', b'g', b'_', b'p', b'i',
            b'n', b' ', b'1',
        ];
        assert_eq!(bytes, kept);
        assert_eq!(Event::decode(&bytes).unwrap(), event(None, None));
        bytes.extend_from_slice(&[7; 16]);
        assert_eq!(Event::decode(&bytes).unwrap(), event(None, None));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let whole = event(Some(Reason::PinNotSet), None).encode().unwrap();
        for len in 0..whole.len() {
            assert!(Event::decode(&whole[..len]).is_err(), "{len}");
        }
        assert!(Event::decode(&[&whole[..], &[0]].concat()).is_err());
        assert!(Event::decode(&[EVENT_FORMAT_3]).is_err());
        assert!(Event::decode(&[0xff; 40]).is_err());
    }
}
