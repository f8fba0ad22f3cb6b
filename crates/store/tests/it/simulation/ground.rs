//! What the processes stand on: the database, the ways to it, and what befalls them.
//!
//! ```text
//!            offered            taken             arrives           answered
//!  commit ──────────▶ queue ──────────▶ batch ──────────▶ durable ──────────▶ caller
//!     │ conflict, fault  │ crash: gone     │ lost: sent again,  │ answer lost: sent again,
//!     ▼                  ▼                 ▼ given up, or late  ▼ given up, or a crash
//! ```
//!
//! `Alone` is the embedded engine: one process, whose check is final and whose failed batch is the
//! end of it. `Shared` is PostgreSQL: several processes, and the database decides.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use kunji_core::audit::Subject;
use kunji_core::store::{Commit, Committed, Load, Store as _};
use kunji_store::Memory;
use kunji_vault::Vault;

use super::chance::Chance;
use super::checker::Checker;
use super::process::{Process, Queued, Told, Waiting};
use super::tally::Tally;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Alone,
    Shared,
}

/// A batch on its way.
#[derive(Clone)]
pub(crate) struct Call {
    process: usize,
    tag: u64,
    batch: Vec<Arc<Queued>>,
    /// What the database did, once it arrived.
    written: Option<Vec<bool>>,
    /// It may have been written before.
    is_again: bool,
    /// Nobody waits for the answer any more, but it may still arrive.
    is_stray: bool,
}

/// What came of an offered commit.
pub(crate) enum Offered {
    Conflict,
    Fault,
    /// Its end is told under this ticket.
    Waits(u64),
}

pub(crate) struct Ground {
    pub(crate) kind: Kind,
    pub(crate) chance: Chance,
    /// Everything durable; nothing is ever taken from it.
    pub(crate) durable: Memory,
    /// Seals its rows.
    pub(crate) vault: Arc<Vault>,
    /// Whether a record that nobody sealed is taken: a bug.
    pub(crate) takes_unsealed: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) calls: Vec<Call>,
    /// The database is down; only one that stands by itself can be.
    pub(crate) is_down: bool,
    /// Nothing breaks.
    pub(crate) is_calm: bool,
    pub(crate) checker: Checker,
    pub(crate) tally: Tally,
    /// The attempt whose future is being polled.
    pub(crate) attempt: usize,
    written: BTreeSet<(u64, Subject)>,
    tickets: u64,
}

/// The result of a future that never waits.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the store in memory never waits"),
    }
}

impl Ground {
    pub(crate) fn new(seed: u64, checker: Checker, vault: Arc<Vault>) -> Self {
        let mut chance = Chance::new(seed);
        let kind = chance.pick(&[Kind::Alone, Kind::Shared]);
        let count = match kind {
            Kind::Alone => 1,
            Kind::Shared => 2 + chance.place(2),
        };
        Self {
            kind,
            chance,
            durable: Memory::new(Arc::clone(&vault)),
            vault,
            takes_unsealed: false,
            processes: (0..count).map(|_| Process::default()).collect(),
            calls: Vec::new(),
            is_down: false,
            is_calm: true,
            checker,
            tally: Tally::default(),
            attempt: 0,
            written: BTreeSet::new(),
            tickets: 0,
        }
    }

    /// Whether something that is rare happens now, and counts it.
    pub(crate) fn befalls(&mut self, one_in: u64, what: &'static str) -> bool {
        let befalls = !self.is_calm && self.chance.one_in(one_in);
        if befalls {
            self.befell(what);
        }
        befalls
    }

    fn befell(&mut self, what: &'static str) {
        self.tally.count(what);
        self.tally.note((what, self.attempt), &[], String::new);
    }

    pub(crate) fn step(&mut self, what: &'static str) {
        self.tally.steps += 1;
        self.tally.note((what, self.attempt), &[], String::new);
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Checks a commit as its process can, and queues it.
    pub(crate) fn offer(&mut self, process: usize, commit: Commit) -> Offered {
        self.step("commit");
        if self.processes[process].is_broken {
            self.befell("commit after a failed batch");
            return Offered::Fault;
        }
        if self.befalls(300, "commit not accepted") {
            return Offered::Fault;
        }
        let ours = &self.processes[process];
        let (is_newest, names) = (ours.is_newest(&commit), ours.names(&commit));
        let pending = ours.record(&commit.subject).is_some();
        match self.kind {
            Kind::Alone if names || !self.fits(&commit, pending) => {
                self.befell("conflict at the check");
                return Offered::Conflict;
            }
            Kind::Shared if !is_newest => {
                self.befell("conflict at the check");
                return Offered::Conflict;
            }
            Kind::Alone | Kind::Shared => {}
        }
        let ticket = self.ticket();
        if names {
            self.befell("name under way");
            let ours = &mut self.processes[process];
            ours.waiting.insert(ticket, Waiting::default());
            ours.for_round.push(ticket);
            return Offered::Waits(ticket);
        }
        let attempt = self.attempt;
        self.processes[process].push(Queued { ticket, attempt, commit });
        Offered::Waits(ticket)
    }

    /// The check of the one process: final, because everything is queued in its order.
    fn fits(&self, commit: &Commit, is_pending: bool) -> bool {
        let receipt = commit.receipt.as_ref().map(|(key, _)| key);
        let load = Load { receipt, marks: &commit.spent, ..Load::of(&commit.subject) };
        let there = at_once(self.durable.load(&load)).unwrap();
        let rests = match is_pending {
            true => self.processes[0].is_newest(commit),
            false => there.record.head == commit.expected,
        };
        rests && there.receipt.is_none() && !there.spent
    }

    /// The writer of a process takes what is queued, if it can.
    pub(crate) fn write(&mut self, process: usize) -> bool {
        let ours = &mut self.processes[process];
        if ours.is_down || ours.is_broken || ours.is_writing || ours.queue.is_empty() {
            return false;
        }
        let most = 1 + self.chance.place(ours.queue.len());
        let batch = ours.batch(most, self.kind == Kind::Shared);
        ours.is_writing = true;
        if batch.len() > 1 {
            self.tally.count("batch of several");
        }
        let (tag, written) = (self.ticket(), None);
        let (is_again, is_stray) = (false, false);
        self.calls.push(Call { process, tag, batch, written, is_again, is_stray });
        self.tally.note(("writes", process), &[], String::new);
        true
    }

    /// One of the batches under way comes further.
    pub(crate) fn proceed(&mut self) -> bool {
        if self.calls.is_empty() {
            return false;
        }
        let place = self.chance.place(self.calls.len());
        let call = self.calls.remove(place);
        match (self.kind, &call.written) {
            (Kind::Alone, None) => self.sync(call),
            (Kind::Shared, None) => self.arrive(call),
            (_, Some(_)) => self.deliver(call),
        }
        true
    }

    /// The one writer's batch reaches the disk, or the disk breaks and nobody knows.
    fn sync(&mut self, mut call: Call) {
        if self.befalls(60, "batch failed") {
            if self.chance.one_in(2) {
                self.befell("failed batch is durable");
                self.make_durable(&call.batch);
            }
            let Call { process, batch, .. } = call;
            let ours = &mut self.processes[process];
            (ours.is_broken, ours.is_writing) = (true, false);
            let queued = std::mem::take(&mut ours.queue);
            for queued in batch.iter().chain(&queued) {
                ours.tell(queued.ticket, Told::Fault);
            }
            return;
        }
        self.make_durable(&call.batch);
        call.written = Some(vec![true; call.batch.len()]);
        self.calls.push(call);
    }

    fn make_durable(&mut self, batch: &[Arc<Queued>]) {
        for queued in batch {
            assert!(self.apply(queued), "what was checked and queued in its order fits");
        }
    }

    fn apply(&mut self, queued: &Queued) -> bool {
        let applied = at_once(self.durable.commit(queued.commit.clone())).unwrap();
        if applied == Committed::Done {
            self.checker.durable(&queued.commit, queued.attempt, &mut self.tally);
        }
        applied == Committed::Done
    }

    /// A batch reaches the shared database, which decides about each subject's part of it.
    fn arrive(&mut self, mut call: Call) {
        if self.is_down {
            self.lose(call, "batch met no database");
            return;
        }
        if !call.is_stray && self.befalls(40, "batch lost on the way") {
            if self.chance.one_in(2) {
                self.calls.push(Call { is_stray: true, ..call.clone() });
            }
            self.lose(call, "connection lost");
            return;
        }
        let mut written = vec![false; call.batch.len()];
        let subjects: BTreeSet<_> =
            call.batch.iter().map(|one| one.commit.subject.clone()).collect();
        for subject in subjects {
            let parts = || call.batch.iter().filter(|one| one.commit.subject == subject);
            let mark = (call.tag, subject.clone());
            let before = call.is_again && self.written.contains(&mark);
            let mut done = false;
            if parts().enumerate().all(|(nth, one)| self.suits(&one.commit, nth == 0)) {
                done = parts().all(|one| self.apply(one));
                assert!(done, "a part that suits is written whole");
                self.written.insert(mark);
            } else if before {
                self.befell("batch found written before");
                done = true;
            }
            for (one, written) in call.batch.iter().zip(&mut written) {
                *written |= done && one.commit.subject == subject;
            }
        }
        if call.is_stray {
            self.befell(if written.contains(&true) {
                "stray batch took effect"
            } else {
                "stray batch too late"
            });
            return;
        }
        call.written = Some(written);
        self.calls.push(call);
    }

    /// Whether the database takes a commit; only the first of a part rests on what is there.
    fn suits(&self, commit: &Commit, is_first: bool) -> bool {
        let receipt = commit.receipt.as_ref().map(|(key, _)| key);
        let load = Load { receipt, marks: &commit.spent, ..Load::of(&commit.subject) };
        let there = at_once(self.durable.load(&load)).unwrap();
        let rests = !is_first || there.record.head == commit.expected;
        rests && there.receipt.is_none() && !there.spent
    }

    /// The answer reaches the process, or is lost on the way.
    fn deliver(&mut self, call: Call) {
        if self.kind == Kind::Shared && self.befalls(40, "answer lost on the way") {
            self.lose(call, "connection lost");
            return;
        }
        let Call { process, batch, written, .. } = call;
        for (queued, written) in batch.iter().zip(written.unwrap()) {
            let told = if written { Committed::Done } else { Committed::Conflict };
            if !written {
                self.befell("conflict in the database");
            }
            self.processes[process].end(queued, Told::Ended(told));
        }
        self.processes[process].end_round();
    }

    /// The writer hears nothing: it sends the batch again, or gives up.
    fn lose(&mut self, call: Call, what: &'static str) {
        if call.is_stray {
            return;
        }
        self.befell(what);
        if self.is_calm || !self.chance.one_in(4) {
            self.calls.push(Call { written: None, is_again: true, ..call });
            return;
        }
        self.befell("batch given up");
        for queued in &call.batch {
            self.processes[call.process].end(queued, Told::Fault);
        }
        self.processes[call.process].end_round();
    }

    /// A process ends in the middle of whatever it does.
    pub(crate) fn crash(&mut self, process: usize) {
        self.befell("crash of a process");
        self.processes[process] = Process::ended();
        for call in std::mem::take(&mut self.calls) {
            let is_open = call.process == process && !call.is_stray;
            match self.kind {
                _ if !is_open => self.calls.push(call),
                _ if call.written.is_some() || self.chance.one_in(2) => {}
                Kind::Alone => {
                    self.befell("crash after the sync");
                    self.make_durable(&call.batch);
                }
                Kind::Shared => self.calls.push(Call { is_stray: true, ..call }),
            }
        }
    }

    /// The shared database ends; what it had not written is gone, and so are all answers.
    pub(crate) fn crash_database(&mut self) {
        self.befell("crash of the database");
        self.is_down = true;
        for call in std::mem::take(&mut self.calls) {
            self.lose(call, "batch met no database");
        }
    }
}
