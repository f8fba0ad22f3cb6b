//! What a caller may ask for, after a dialect has read it.

use kunji_vault::{BirthDate, Fingerprinter, PinBlock, PinLength, PinUse, Transit};

use crate::audit::Action;
use crate::card::Card;
use crate::card::{BlockKind, Expiry};
use crate::ids::{Caller, CardTail, CredentialId, CustomerId, Mobile, TxnId, Vpa};

/// One request: who asks, under which id, of what, and what.
#[derive(Debug)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// The caller's id for this request: the same id is answered once.
    pub txn: TxnId,
    /// The card program whose cards the caller may see; every credential when `None`.
    pub program: Option<String>,
    /// What it is about.
    pub target: Target,
    /// What is asked.
    pub command: Command,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A credential that should be there.
    Known(CredentialId),
    /// A card that is to be created under a fresh URN.
    NewCard,
}

/// Whether a card program must have verified the holder before a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderCheck {
    /// A fresh successful verification is used up by the reset.
    Required,
    /// The caller answers for it.
    Waived,
}

/// What a caller says of a cardholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderClaim {
    /// How the holder is reached.
    Contact {
        /// Mobile number with country code.
        mobile: Mobile,
        /// E-mail address, compared without case.
        email: String,
    },
    /// What is printed on the card, and the birthday.
    Face {
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's last good month.
        expiry: Expiry,
        /// The holder's birthday.
        birth: BirthDate,
    },
}

/// What a caller says of an account: what stands here must not contradict what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountClaim {
    /// The IFSC of its branch.
    pub ifsc: Option<String>,
    /// Its number with the last digits visible.
    pub masked: Option<String>,
    /// Its bank: how its IFSCs begin, or its IIN.
    pub bank: Option<String>,
    /// What else is said: nothing decides by it, but it makes two requests two.
    pub particulars: Vec<String>,
}

/// A new credential's facts.
#[derive(Debug, Clone)]
pub struct NewCard {
    /// The card's facts.
    pub card: Card,
    /// Its holder.
    pub customer: CustomerId,
    /// The holder's name.
    pub holder_name: String,
    /// The holder's birthday, when the program tells.
    pub birth: Option<BirthDate>,
    /// The holder's mobile number.
    pub mobile: Mobile,
    /// The holder's e-mail address, when the program tells.
    pub email: Option<String>,
    /// The PIN length of the product.
    pub pin_length: PinLength,
    /// What else the caller asked for: nothing decides by it, but it makes two requests two.
    pub particulars: Vec<String>,
}

/// What is asked of one credential.
#[derive(Debug)]
pub enum Command {
    /// Compare a PIN.
    Verify {
        /// The PIN.
        pin: PinBlock,
        /// The use its block must name: an MPIN or a card PIN.
        pin_use: PinUse,
        /// Whether it may be clear.
        transit: Transit,
    },
    /// Change a PIN by who knows the old one.
    Change {
        /// The account's customer, as the caller believes.
        customer: CustomerId,
        /// A VPA of the account, where the caller names one.
        vpa: Option<Vpa>,
        /// What else the caller says of the account.
        account: AccountClaim,
        /// The old PIN.
        current: PinBlock,
        /// The new PIN.
        new: PinBlock,
        /// Whether they may be clear.
        transit: Transit,
    },
    /// Ask for an OTP to set an MPIN.
    RequestOtp {
        /// The account's customer, as the caller believes.
        customer: CustomerId,
        /// The debit card's last six digits and last good month, where the caller must prove it
        /// before a message is sent.
        card: Option<(CardTail, Expiry)>,
    },
    /// Set or reset an MPIN by debit card and OTP.
    Set {
        /// The account's customer, as the caller believes.
        customer: CustomerId,
        /// The debit card's last six digits.
        last_six: CardTail,
        /// The debit card's last good month.
        expiry: Expiry,
        /// The OTP.
        otp: PinBlock,
        /// The debit card's ATM PIN, where the caller sends one.
        atm_pin: Option<PinBlock>,
        /// The new MPIN.
        new: PinBlock,
        /// Whether they may be clear.
        transit: Transit,
    },
    /// Reset a card's PIN on its program's word.
    Reset {
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's customer, when the caller names one.
        customer: Option<CustomerId>,
        /// The new PIN, out of a token.
        new: PinBlock,
        /// Whether the holder must have been verified.
        holder: HolderCheck,
    },
    /// Create a card.
    CreateCard(Box<NewCard>),
    /// Check what a caller says of a cardholder.
    VerifyHolder(HolderClaim),
    /// Look at a card.
    Inquire {
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's customer.
        customer: CustomerId,
    },
    /// Block a card.
    Block {
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's customer.
        customer: CustomerId,
        /// How.
        kind: BlockKind,
    },
    /// Lift a card's block.
    Unblock {
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's customer.
        customer: CustomerId,
    },
    /// Clear the try counter by an operator's hand.
    ClearTries {
        /// Why, for the audit.
        reason: String,
    },
    /// Use the request id up, so that nothing can be decided under it any more.
    Abandon {
        /// Why, for the audit.
        reason: &'static str,
    },
}

impl Command {
    /// What the audit calls it.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Verify { .. } => Action::Verify,
            Self::Change { .. } => Action::Change,
            Self::RequestOtp { .. } => Action::OtpRequest,
            Self::Set { .. } => Action::Set,
            Self::Reset { .. } => Action::Reset,
            Self::CreateCard(_) => Action::Created,
            Self::VerifyHolder(_) => Action::VerifyHolder,
            Self::Inquire { .. } => Action::Inquire,
            Self::Block { .. } => Action::Block,
            Self::Unblock { .. } => Action::Unblock,
            Self::ClearTries { .. } => Action::ClearTries,
            Self::Abandon { .. } => Action::Abandon,
        }
    }

    /// The sealed values of the command, each with the use it must name.
    #[must_use]
    pub fn secrets(&self) -> Secrets<'_> {
        match self {
            Self::Verify { pin, pin_use, transit } => {
                Secrets { current: Some((pin, *pin_use)), ..Secrets::none(*transit) }
            }
            Self::Change { current, new, transit, .. } => Secrets {
                current: Some((current, PinUse::Mpin)),
                new: Some((new, PinUse::NewMpin)),
                ..Secrets::none(*transit)
            },
            Self::Set { otp, atm_pin, new, transit, .. } => Secrets {
                otp: Some((otp, PinUse::Sms)),
                atm_pin: atm_pin.as_ref().map(|pin| (pin, PinUse::AtmPin)),
                new: Some((new, PinUse::Mpin)),
                ..Secrets::none(*transit)
            },
            Self::Reset { new, .. } => Secrets {
                new: Some((new, PinUse::CardPin)),
                ..Secrets::none(Transit::ClearAllowed)
            },
            Self::RequestOtp { .. }
            | Self::CreateCard(_)
            | Self::VerifyHolder(_)
            | Self::Inquire { .. }
            | Self::Block { .. }
            | Self::Unblock { .. }
            | Self::ClearTries { .. }
            | Self::Abandon { .. } => Secrets::none(Transit::SealedOnly),
        }
    }

    /// Feeds all that is asked into a keyed fingerprint, field after field.
    pub(crate) fn imprint(&self, print: &mut Fingerprinter) {
        print.text(self.action().as_str());
        match self {
            Self::Verify { pin, .. } => print.block(pin),
            Self::Change { customer, vpa, account, current, new, .. } => {
                print.text(customer.as_str());
                print.text(vpa.as_ref().map_or("", Vpa::as_str));
                account.imprint(print);
                print.block(current);
                print.block(new);
            }
            Self::RequestOtp { customer, card } => {
                print.text(customer.as_str());
                if let Some((last_six, expiry)) = card {
                    print.text(last_six.as_str());
                    print.text(&expiry.short());
                }
            }
            Self::Set { customer, last_six, expiry, otp, atm_pin, new, .. } => {
                print.text(customer.as_str());
                print.text(last_six.as_str());
                print.text(&expiry.short());
                print.block(otp);
                print.block(new);
                atm_pin.iter().for_each(|pin| print.block(pin));
            }
            Self::Reset { last_four, customer, new, .. } => {
                print.text(last_four.as_str());
                print.text(customer.as_ref().map_or("", CustomerId::as_str));
                print.block(new);
            }
            Self::CreateCard(new) => new.imprint(print),
            Self::VerifyHolder(claim) => claim.imprint(print),
            Self::Inquire { last_four, customer } | Self::Unblock { last_four, customer } => {
                print.text(last_four.as_str());
                print.text(customer.as_str());
            }
            Self::Block { last_four, customer, kind } => {
                print.text(last_four.as_str());
                print.text(customer.as_str());
                print.text(kind.as_str());
            }
            Self::ClearTries { reason } => print.text(reason),
            Self::Abandon { reason } => print.text(reason),
        }
    }
}

impl AccountClaim {
    /// Leaves no trace where nothing is said.
    fn imprint(&self, print: &mut Fingerprinter) {
        if *self == Self::default() {
            return;
        }
        for said in [&self.ifsc, &self.masked, &self.bank] {
            print.text(said.as_deref().unwrap_or_default());
        }
        self.particulars.iter().for_each(|text| print.text(text));
    }
}

impl NewCard {
    fn imprint(&self, print: &mut Fingerprinter) {
        self.particulars.iter().for_each(|text| print.text(text));
        for text in [
            &self.card.client,
            self.customer.as_str(),
            &self.holder_name,
            self.mobile.as_str(),
            self.email.as_deref().unwrap_or_default(),
            &self.birth.map(day_text).unwrap_or_default(),
            &self.pin_length.digits().to_string(),
        ] {
            print.text(text);
        }
    }
}

impl HolderClaim {
    fn imprint(&self, print: &mut Fingerprinter) {
        match self {
            Self::Contact { mobile, email } => {
                print.text(mobile.as_str());
                print.text(email);
            }
            Self::Face { last_four, expiry, birth } => {
                print.text(last_four.as_str());
                print.text(&expiry.short());
                print.text(&day_text(*birth));
            }
        }
    }
}

fn day_text(day: BirthDate) -> String {
    format!("{:04}-{:02}-{:02}", day.year, day.month, day.day)
}

/// The sealed values of one command.
#[derive(Debug, Clone, Copy)]
pub struct Secrets<'a> {
    /// Held against the PIN that is kept.
    pub current: Option<(&'a PinBlock, PinUse)>,
    /// Held against the open OTP.
    pub otp: Option<(&'a PinBlock, PinUse)>,
    /// Held against the debit card's ATM PIN.
    pub atm_pin: Option<(&'a PinBlock, PinUse)>,
    /// To be kept from now on.
    pub new: Option<(&'a PinBlock, PinUse)>,
    /// Whether they may be clear.
    pub transit: Transit,
}

impl<'a> Secrets<'a> {
    fn none(transit: Transit) -> Self {
        Self { current: None, otp: None, atm_pin: None, new: None, transit }
    }

    /// All blocks that are there.
    pub fn blocks(&self) -> impl Iterator<Item = &'a PinBlock> + use<'a> {
        [self.current, self.otp, self.atm_pin, self.new]
            .into_iter()
            .flatten()
            .map(|(block, _)| block)
    }
}
