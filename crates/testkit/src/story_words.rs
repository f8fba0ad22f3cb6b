//! The words of one line of a story, read from left to right.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use kunji_core::card::{BlockKind, Expiry, Standing};
use kunji_core::time::{DAY_MS, MINUTE_MS};
use kunji_vault::{BirthDate, PinLength};

use crate::story::{Claim, HolderWord, OtpWord};

pub(crate) struct Words<'a>(Peekable<SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        Self(line.split_whitespace().peekable())
    }

    pub(crate) fn next(&mut self, what: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("{what} is missing"))
    }

    pub(crate) fn owned(&mut self, what: &str) -> Result<String, String> {
        self.next(what).map(str::to_owned)
    }

    pub(crate) fn take_if(&mut self, word: &str) -> bool {
        self.0.next_if(|next| *next == word).is_some()
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.take_if(word) {
            true => Ok(()),
            false => Err(format!("{word} is missing")),
        }
    }

    /// The word after `key`, if `key` comes next.
    pub(crate) fn value(&mut self, key: &str) -> Result<Option<&'a str>, String> {
        match self.take_if(key) {
            true => self.next(key).map(Some),
            false => Ok(None),
        }
    }

    pub(crate) fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word} is one word too many")),
        }
    }

    pub(crate) fn length(&mut self) -> Result<PinLength, String> {
        let word = self.next("a PIN length")?;
        let length = word.parse().ok().and_then(PinLength::parse);
        length.ok_or_else(|| format!("{word} is no PIN length"))
    }

    pub(crate) fn birth(&mut self) -> Result<Option<BirthDate>, String> {
        match self.value("born")? {
            None => Ok(None),
            Some(day) => BirthDate::parse_iso(day).map(Some).ok_or(format!("{day} is no day")),
        }
    }

    /// `key MM/YYYY`; the last month of 2035 when it does not stand there.
    pub(crate) fn expiry(&mut self, key: &str) -> Result<Expiry, String> {
        let month = self.value(key)?.unwrap_or("12/2035");
        Expiry::parse_long(month).map_err(|_| format!("{month} is no month"))
    }

    /// `key STANDING`; active when it does not stand there.
    pub(crate) fn standing(&mut self, key: &str) -> Result<Standing, String> {
        match self.value(key)?.unwrap_or("active") {
            "active" => Ok(Standing::Active),
            "not-active" => Ok(Standing::NotActive),
            "closed" => Ok(Standing::Closed),
            kind => block_kind(kind).map(Standing::Blocked),
        }
    }

    pub(crate) fn block_kind(&mut self) -> Result<BlockKind, String> {
        block_kind(self.next("a kind of block")?)
    }

    pub(crate) fn claim(&mut self) -> Claim {
        if self.take_if("other-card") {
            return Claim::OtherCard;
        }
        match self.take_if("other-owner") {
            true => Claim::OtherOwner,
            false => Claim::True,
        }
    }

    pub(crate) fn otp(&mut self) -> Result<OtpWord, String> {
        match self.next("an OTP")? {
            "otp" => Ok(OtpWord::Newest),
            "old" => Ok(OtpWord::Old),
            "wrong" => Ok(OtpWord::Wrong),
            other => Err(format!("{other} is no OTP")),
        }
    }

    pub(crate) fn holder(&mut self) -> Result<HolderWord, String> {
        match self.next("what is said of the holder")? {
            "contact" => Ok(HolderWord::Contact),
            "face" => Ok(HolderWord::Face),
            "other-contact" => Ok(HolderWord::OtherContact),
            "other-face" => Ok(HolderWord::OtherFace),
            other => Err(format!("{other} says nothing of a holder")),
        }
    }

    /// `1500ms`, `30s`, `5m`, `24h` or `3d`.
    pub(crate) fn span(&mut self) -> Result<i64, String> {
        let word = self.next("a span of time")?;
        let digits = word.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
        let unit_ms = match word.strip_prefix(digits) {
            Some("ms") => Some(1),
            Some("s") => Some(1000),
            Some("m") => Some(MINUTE_MS),
            Some("h") => Some(60 * MINUTE_MS),
            Some("d") => Some(DAY_MS),
            Some(_) | None => None,
        };
        let count = digits.parse::<u32>().ok().map(i64::from);
        let span_ms = unit_ms.zip(count).map(|(unit_ms, count)| unit_ms * count);
        span_ms.ok_or_else(|| format!("{word} is no span of time"))
    }
}

fn block_kind(word: &str) -> Result<BlockKind, String> {
    let kinds = [
        BlockKind::Custom,
        BlockKind::Temporary,
        BlockKind::Permanent,
        BlockKind::Debit,
        BlockKind::Credit,
        BlockKind::CreditDebit,
    ];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == word);
    kind.ok_or_else(|| format!("{word} is no standing of a card"))
}
