//! A client: one connection, one operation at a time, and a memory that outlives servers.
//!
//! An operation whose answer does not come is sent again under its id until there is one; some are
//! given up instead, and nobody ever learns whether they happened.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::answers::{self, Heard};
use crate::deeds::Belief;
use crate::dice::Dice;
use crate::history::{Deed, Entry, Kind, Said, Violation};
use crate::line::{Answer, Line, is_gone};
use crate::net::Net;
use crate::people::{self, Object};
use crate::wire::{self, Request};

/// Answered requests that may be sent again.
const REMEMBERED_MAX: usize = 24;
/// Operations of one object that may be given up: each doubles what the checker must follow.
const GIVEN_UP_MAX: u32 = 3;
/// How long a request may be sent again when all faults are over.
const LANDING_MAX: Duration = Duration::from_secs(60);
/// The pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Client {
    pub(crate) object: (usize, Object),
    number: usize,
    dice: Dice,
    line: Option<Line>,
    pub(crate) entries: Vec<Entry>,
    flight: Option<Request>,
    answered: VecDeque<(String, Deed, Request, Answer)>,
    belief: Arc<Mutex<Belief>>,
    /// The one client of an account that asks for OTPs.
    otps: bool,
    otp: Option<String>,
    pub(crate) repeats: u64,
    pub(crate) unknown: u64,
}

/// What became of one step.
enum Step {
    Done,
    /// Nothing answers now.
    Lost,
}

impl Client {
    pub(crate) fn new(
        object: (usize, Object),
        (number, first): (usize, bool),
        seed: u64,
        belief: Arc<Mutex<Belief>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            object,
            number,
            dice: Dice::of(seed, 1_000 + u64::try_from(number)?),
            line: None,
            entries: Vec::new(),
            flight: None,
            answered: VecDeque::new(),
            belief,
            otps: first,
            otp: None,
            repeats: 0,
            unknown: 0,
        })
    }

    /// Works until the round is over.
    pub(crate) fn work(&mut self, net: &Net) {
        while !net.is_over() {
            match self.step(net) {
                Ok(Step::Done) => {}
                Ok(Step::Lost) => std::thread::sleep(PAUSE),
                Err(error) => {
                    net.report(Violation::of(Kind::Process, format!("{error:#}")));
                    return;
                }
            }
        }
    }

    /// Hears what became of the operation in flight.
    pub(crate) fn land(&mut self, net: &Net) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.flight.is_some() {
            anyhow::ensure!(begun.elapsed() < LANDING_MAX, "a request is never answered");
            if let Step::Lost = self.step(net)? {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn step(&mut self, net: &Net) -> anyhow::Result<Step> {
        if self.flight.is_none() && self.dice.hits(8) && !self.answered.is_empty() {
            return self.repeat(net);
        }
        if self.flight.is_none() {
            self.begin(net)?;
        }
        let Some(request) = self.flight.clone() else { return Ok(Step::Done) };
        if let Some(entry) = self.entries.last_mut() {
            entry.sends += 1;
        }
        match self.ask(net, &request)? {
            None => {
                self.perhaps_give_up();
                Ok(Step::Lost)
            }
            Some(answer) => self.heard(net, request, answer),
        }
    }

    fn begin(&mut self, net: &Net) -> anyhow::Result<()> {
        let belief = Arc::clone(&self.belief);
        let mut belief = belief.lock().unwrap_or_else(PoisonError::into_inner);
        let knows = (self.otps, self.otp.clone());
        let deed = belief.choose(self.object.1, knows, &mut self.dice);
        drop(belief);
        let txn = wire::txn(&deed, self.number, self.entries.len());
        let blocks = net.maker.as_ref().filter(|_| self.dice.hits(40));
        let blocks = blocks.map(|maker| anyhow::Ok((maker, now_ms()?))).transpose()?;
        self.flight = Some(Request::of(&deed, self.object.1, &txn, blocks)?);
        self.entries.push(Entry {
            object: self.object.0,
            client: self.number,
            txn,
            deed,
            begun: net.tick(),
            ended: None,
            sends: 0,
        });
        Ok(())
    }

    fn heard(&mut self, net: &Net, request: Request, answer: Answer) -> anyhow::Result<Step> {
        let tick = net.tick();
        let entry = self.entries.last_mut().context("an answer to nothing")?;
        let said = match answers::hear(&entry.deed, self.object.1, answer.status, &answer.body) {
            Heard::Said(said) => said,
            Heard::Unknown => {
                self.unknown += 1;
                return Ok(Step::Lost);
            }
            // It was answered, the answer was lost, and its PIN is blocked since: nobody learns it.
            Heard::Used if entry.sends > 1 => {
                self.flight = None;
                return Ok(Step::Done);
            }
            Heard::Used | Heard::Strange => {
                let body = String::from_utf8_lossy(&answer.body);
                let story = format!("{} was answered {} {body}", entry.line(), answer.status);
                net.report(Violation::of(Kind::Strange, story));
                self.flight = None;
                return Ok(Step::Done);
            }
        };
        entry.ended = Some((tick, said));
        let (txn, deed) = (entry.txn.clone(), entry.deed.clone());
        self.flight = None;
        self.answered.push_back((txn, deed.clone(), request, answer));
        if self.answered.len() > REMEMBERED_MAX {
            self.answered.pop_front();
        }
        self.belief().learn(&deed, said);
        match (&deed, said) {
            (Deed::RequestOtp { .. }, Said::OtpSent) => self.read_otp(net)?,
            (Deed::Set { .. }, Said::PinSet | Said::OtpExpired | Said::OtpTriesExceeded) => {
                self.otp = None;
            }
            (_, _) => {}
        }
        Ok(Step::Done)
    }

    /// Reads the digits that were sent. Nobody else asks for this account's OTPs, and the next
    /// operation of this client has not begun: the newest message is the answer's.
    fn read_otp(&mut self, net: &Net) -> anyhow::Result<()> {
        self.otp = None;
        let Object::Account(nth) = self.object.1 else { return Ok(()) };
        let outbox = Request::outbox(&people::account_mobile(nth));
        let Some(answer) = self.ask(net, &outbox)?.filter(|answer| answer.status == 200) else {
            return Ok(());
        };
        let Some(digits) = answers::newest_otp(&answer.body) else {
            let story = format!("the outbox of {:?} is empty after an OTP was sent", self.object.1);
            net.report(Violation::of(Kind::Order, story));
            return Ok(());
        };
        if let Some(Deed::RequestOtp { otp }) = self.entries.last_mut().map(|entry| &mut entry.deed)
        {
            *otp = Some(digits.clone());
        }
        self.otp = Some(digits);
        Ok(())
    }

    /// Sends an answered request again: the answer must be the same, byte for byte, or that the id is
    /// used.
    fn repeat(&mut self, net: &Net) -> anyhow::Result<Step> {
        let remembered = self.dice.pick(self.answered.make_contiguous()).cloned();
        let Some((txn, deed, request, first)) = remembered else { return Ok(Step::Done) };
        let Some(again) = self.ask(net, &request)? else { return Ok(Step::Lost) };
        if again.status >= 500 {
            return Ok(Step::Lost);
        }
        // While a PIN is blocked, no secret is compared, not even with what came before.
        let heard = answers::hear(&deed, self.object.1, again.status, &again.body);
        if heard == Heard::Used {
            return Ok(Step::Done);
        }
        self.repeats += 1;
        if again != first {
            let texts = [&first, &again].map(|answer| {
                format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
            });
            let [first, again] = texts;
            let story = format!("{txn} was answered\n  {first}\nand when repeated\n  {again}");
            net.report(Violation::of(Kind::Repeat, story));
        }
        Ok(Step::Done)
    }

    /// `None`: the server is gone, or none is there.
    fn ask(&mut self, net: &Net, request: &Request) -> anyhow::Result<Option<Answer>> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => match net.near(self.number).map(|address| Line::open(&address)) {
                None => return Ok(None),
                Some(Err(error)) if is_gone(&error) => return Ok(None),
                Some(opened) => opened.context("a server cannot be reached")?,
            },
        };
        match line.ask(&request.bytes(now_ms()?)?) {
            Ok(answer) => {
                self.line = Some(line);
                Ok(Some(answer))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error).context("a server does not answer"),
        }
    }

    /// Some operations are never asked about again. Not those for OTPs: whose digits came last
    /// would be unknown.
    fn perhaps_give_up(&mut self) {
        let sent = self.entries.last();
        let otp = sent.is_some_and(|entry| matches!(entry.deed, Deed::RequestOtp { .. }));
        if otp || !self.dice.hits(10) {
            return;
        }
        let mut belief = self.belief();
        if belief.given_up < GIVEN_UP_MAX {
            belief.given_up += 1;
            drop(belief);
            self.flight = None;
        }
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
