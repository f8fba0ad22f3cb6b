//! Stories: lifecycles as text tables, one step a line. `stories/README.md` explains the words.

use std::path::Path;

use kunji_core::card::{BlockKind, Expiry, Standing};
use kunji_core::command::HolderCheck;
use kunji_vault::{BirthDate, PinLength};

use crate::story_words::Words;

/// One lifecycle.
#[derive(Debug, Clone)]
pub struct Story {
    /// The file's name without its ending.
    pub name: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One line of a story.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its line in the file, from 1.
    pub line: usize,
    /// What is done.
    pub act: Act,
    /// Under which request id.
    pub txn: TxnWord,
    /// The verdict that must come of it; nothing for what has none.
    pub expected: Option<String>,
}

/// Which id a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnWord {
    /// One that was never used.
    Fresh,
    /// The one of the request before.
    Same,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Act {
    /// An account is planted.
    Account(AccountSketch),
    /// A card is planted.
    Card(CardSketch),
    /// A PIN is compared.
    Verify {
        /// Whose.
        who: String,
        /// The PIN.
        pin: String,
    },
    /// A PIN is changed by who knows the old one.
    Change {
        /// Whose.
        who: String,
        /// The old PIN.
        from: String,
        /// The new PIN.
        to: String,
        /// What the caller says of the account.
        claim: Claim,
    },
    /// An OTP is asked for.
    Otp {
        /// For which account.
        who: String,
        /// What the caller says of the debit card.
        claim: Claim,
    },
    /// A PIN is set after card and OTP.
    Set {
        /// Whose.
        who: String,
        /// The new PIN.
        to: String,
        /// Which OTP is given.
        otp: OtpWord,
        /// Which ATM PIN is given.
        atm_pin: Option<String>,
        /// What the caller says of the debit card.
        claim: Claim,
    },
    /// A card's PIN is reset on its program's word.
    Reset {
        /// Whose.
        who: String,
        /// The new PIN.
        to: String,
        /// Whether the holder must have been verified.
        holder: HolderCheck,
        /// What the caller says of the card.
        claim: Claim,
    },
    /// A cardholder is verified.
    VerifyHolder {
        /// Of which card.
        who: String,
        /// What is said of the holder.
        holder: HolderWord,
    },
    /// A card is looked at.
    Inquire {
        /// Which card.
        who: String,
        /// What the caller says of it.
        claim: Claim,
    },
    /// A card is blocked.
    BlockCard {
        /// Which card.
        who: String,
        /// How.
        kind: BlockKind,
        /// What the caller says of it.
        claim: Claim,
    },
    /// A card's block is lifted.
    UnblockCard {
        /// Which card.
        who: String,
        /// What the caller says of it.
        claim: Claim,
    },
    /// An operator clears the try counter.
    ClearTries {
        /// Of which credential.
        who: String,
    },
    /// The clock that all timers read is moved by so many milliseconds.
    Advance(i64),
    /// The process ends and starts again over the same store.
    Restart,
    /// The request before is sent again, byte for byte.
    Repeat,
}

/// An account as a story draws it.
#[derive(Debug, Clone)]
pub struct AccountSketch {
    /// What the story calls it.
    pub alias: String,
    /// The length of its PIN.
    pub length: PinLength,
    /// The holder's birthday.
    pub birth: Option<BirthDate>,
    /// The PIN that is set, however weak.
    pub pin: Option<String>,
    /// The debit card's last good month.
    pub debit_expiry: Expiry,
    /// Where the debit card stands.
    pub debit_standing: Standing,
    /// The debit card's ATM PIN.
    pub atm_pin: Option<String>,
}

/// A card as a story draws it.
#[derive(Debug, Clone)]
pub struct CardSketch {
    /// What the story calls it.
    pub alias: String,
    /// The length of its PIN.
    pub length: PinLength,
    /// The holder's birthday.
    pub birth: Option<BirthDate>,
    /// The PIN that is set, however weak.
    pub pin: Option<String>,
    /// Its last good month.
    pub expiry: Expiry,
    /// Where it stands.
    pub standing: Standing,
}

/// Whether what a caller says of a credential is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Card and customer are right.
    True,
    /// The card's last digits are another card's.
    OtherCard,
    /// The customer is another one.
    OtherOwner,
}

/// Which OTP is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtpWord {
    /// The newest that was sent.
    Newest,
    /// The one that was sent before the newest.
    Old,
    /// None that was ever sent.
    Wrong,
}

/// What is said of a cardholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderWord {
    /// The right mobile number and e-mail address.
    Contact,
    /// The right last four digits, expiry and birthday.
    Face,
    /// The right mobile number and another e-mail address.
    OtherContact,
    /// The right last four digits and expiry, and another birthday.
    OtherFace,
}

/// A line that is no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct StoryError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Story {
    /// Whether it is about PINs in the clear, so that it ends differently with sealed blocks.
    #[must_use]
    pub fn is_in_the_clear(&self) -> bool {
        self.name.starts_with("clear_")
    }

    /// Reads a story: one step a line, `#` starts a comment, blank lines are nothing.
    ///
    /// # Errors
    /// `StoryError` for the first line that is no step.
    pub fn parse(name: &str, text: &str) -> Result<Self, StoryError> {
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let told = line.split('#').next().unwrap_or_default().trim();
            if told.is_empty() {
                continue;
            }
            let line = index + 1;
            let step = Step::parse(line, told);
            steps.push(step.map_err(|problem| StoryError { line, problem })?);
        }
        Ok(Self { name: name.to_owned(), steps })
    }
}

impl Step {
    fn parse(line: usize, told: &str) -> Result<Self, String> {
        let (done, expected) = match told.split_once("->") {
            Some((done, expected)) => (done, Some(expected.trim().to_owned())),
            None => (told, None),
        };
        let mut words = Words::of(done);
        let txn = match words.take_if("same-id") {
            true => TxnWord::Same,
            false => TxnWord::Fresh,
        };
        let act = Act::parse(&mut words)?;
        words.end()?;
        let silent = matches!(act, Act::Advance(_) | Act::Restart);
        match (silent, expected.as_deref()) {
            (true, Some(_)) => Err("this step has no verdict".to_owned()),
            (false, None | Some("")) => Err("this step needs a verdict".to_owned()),
            (_, _) => Ok(Self { line, act, txn, expected }),
        }
    }
}

impl Act {
    /// The credential that a request is about; none for what is no request.
    #[must_use]
    pub fn who(&self) -> Option<&str> {
        match self {
            Self::Verify { who, .. }
            | Self::Change { who, .. }
            | Self::Otp { who, .. }
            | Self::Set { who, .. }
            | Self::Reset { who, .. }
            | Self::VerifyHolder { who, .. }
            | Self::Inquire { who, .. }
            | Self::BlockCard { who, .. }
            | Self::UnblockCard { who, .. }
            | Self::ClearTries { who } => Some(who),
            Self::Account(_) | Self::Card(_) | Self::Advance(_) | Self::Restart | Self::Repeat => {
                None
            }
        }
    }

    fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let verb = words.next("a verb")?;
        match verb {
            "advance" => return Ok(Self::Advance(words.span()?)),
            "restart" => return Ok(Self::Restart),
            "repeat" => return Ok(Self::Repeat),
            _ => {}
        }
        let who = words.next("an alias")?.to_owned();
        Ok(match verb {
            "account" => Self::Account(AccountSketch::parse(who, words)?),
            "card" => Self::Card(CardSketch::parse(who, words)?),
            "verify" => Self::Verify { who, pin: words.owned("a PIN")? },
            "change" => {
                let (from, to) = (words.owned("the old PIN")?, words.owned("the new PIN")?);
                Self::Change { who, from, to, claim: words.claim() }
            }
            "otp" => Self::Otp { who, claim: words.claim() },
            "set" => {
                let to = words.owned("the new PIN")?;
                words.expect("with")?;
                let (otp, atm_pin) = (words.otp()?, words.value("atm")?.map(str::to_owned));
                Self::Set { who, to, otp, atm_pin, claim: words.claim() }
            }
            "reset" => {
                let to = words.owned("the new PIN")?;
                let holder = match words.take_if("checked") {
                    true => HolderCheck::Required,
                    false => HolderCheck::Waived,
                };
                Self::Reset { who, to, holder, claim: words.claim() }
            }
            "verify-holder" => Self::VerifyHolder { who, holder: words.holder()? },
            "inquire" => Self::Inquire { who, claim: words.claim() },
            "block-card" => {
                let kind = words.block_kind()?;
                Self::BlockCard { who, kind, claim: words.claim() }
            }
            "unblock-card" => Self::UnblockCard { who, claim: words.claim() },
            "clear-tries" => Self::ClearTries { who },
            other => return Err(format!("{other} is no verb")),
        })
    }
}

impl AccountSketch {
    fn parse(alias: String, words: &mut Words<'_>) -> Result<Self, String> {
        words.expect("mpin")?;
        Ok(Self {
            alias,
            length: words.length()?,
            birth: words.birth()?,
            pin: words.value("set")?.map(str::to_owned),
            debit_expiry: words.expiry("debit-expiry")?,
            debit_standing: words.standing("debit")?,
            atm_pin: words.value("atm")?.map(str::to_owned),
        })
    }
}

impl CardSketch {
    fn parse(alias: String, words: &mut Words<'_>) -> Result<Self, String> {
        words.expect("pin")?;
        Ok(Self {
            alias,
            length: words.length()?,
            birth: words.birth()?,
            pin: words.value("set")?.map(str::to_owned),
            expiry: words.expiry("expiry")?,
            standing: words.standing("standing")?,
        })
    }
}

/// All stories of the repository, by name.
///
/// # Panics
/// When there are none, or one cannot be read.
#[must_use]
pub fn stories() -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stories");
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).expect("the stories are there") {
        let path = file.expect("a folder's entry").path();
        if path.extension().is_none_or(|ending| ending != "story") {
            continue;
        }
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a story is text");
        match Story::parse(&name, &text) {
            Ok(story) => all.push(story),
            Err(error) => panic!("story {name}, {error}"),
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!all.is_empty(), "there are no stories");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, problem: Option<&str>) {
        let found = Story::parse("one", line).map(|story| story.steps.len());
        let expected = match problem {
            Some(problem) => Err(StoryError { line: 1, problem: problem.to_owned() }),
            None => Ok(1),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn steps_are_read_and_all_else_is_told_by_its_line() {
        check("account A1 mpin 4 born 1990-05-15 set 1234 debit closed -> created", None);
        check("card C1 pin 6 expiry 01/2020 standing temporary -> created", None);
        check("same-id verify A1 0000 -> wrong_pin  # A guess.", None);
        check("set A1 4821 with old atm 9999 other-card -> no_such_debit_card", None);
        check("advance 90m", None);
        check("verify A1 0000", Some("this step needs a verdict"));
        check("advance 24h -> done", Some("this step has no verdict"));
        check("advance soon", Some("soon is no span of time"));
        check("juggle A1 -> done", Some("juggle is no verb"));
        check("verify A1 0000 1111 -> wrong_pin", Some("1111 is one word too many"));
        check("account A1 mpin 7 -> created", Some("7 is no PIN length"));
        check("set A1 4821 -> pin_set", Some("with is missing"));
    }
}
