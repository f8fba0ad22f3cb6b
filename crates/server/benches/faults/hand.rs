//! The hand that kills, stops, fills and slows.

use std::time::Duration;

use crate::dice::Dice;
use crate::disk::Disk;
use crate::ground::Ground;
use crate::history::{Kind, Violation};
use crate::net::Net;
use crate::plan::{Fault, Round};

/// What was done, counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) server_kills: u64,
    pub(crate) database_kills: u64,
    pub(crate) stops: u64,
    pub(crate) full: u64,
    pub(crate) slow: u64,
}

impl Done {
    pub(crate) fn kills(&self) -> u64 {
        self.server_kills + self.database_kills
    }
}

/// The hand that does it.
pub(crate) struct Hand<'a> {
    pub(crate) ground: &'a mut Ground,
    pub(crate) net: &'a Net,
    pub(crate) done: &'a mut Done,
}

impl Hand<'_> {
    /// Lets the clients work for a while, then does what the round says.
    pub(crate) fn act(&mut self, round: &mut Round) -> anyhow::Result<()> {
        let dice = &mut round.dice;
        std::thread::sleep(dice.millis(20, 220));
        match round.fault {
            Fault::Kill(nth) => {
                self.kill(nth)?;
                std::thread::sleep(dice.millis(30, 200));
            }
            Fault::KillAll => self.kill_all()?,
            Fault::KillStarting => {
                self.kill_all()?;
                self.ground.kill_while_starting(dice.millis(0, 60))?;
                self.done.server_kills += 1;
            }
            Fault::Stop(nth) => self.stop(nth)?,
            Fault::SlowDisk => {
                self.ground.disk.slow(dice.millis(2, 25))?;
                self.done.slow += 1;
                std::thread::sleep(dice.millis(30, 150));
                self.kill_all()?;
                self.ground.disk.heal()?;
            }
            Fault::FullDisk => self.fill(dice)?,
            Fault::KillDatabase => {
                self.kill_database(dice.millis(0, 60), None)?;
                std::thread::sleep(dice.millis(60, 250));
            }
            Fault::KillDatabaseAnd(nth) => {
                self.kill_database(dice.millis(0, 60), Some(nth))?;
                std::thread::sleep(dice.millis(60, 250));
            }
            Fault::SlowDatabase => {
                self.database_disk(|disk| disk.slow(Duration::from_millis(2 + dice.throw(20))))?;
                self.done.slow += 1;
                std::thread::sleep(dice.millis(50, 200));
                self.kill_database(Duration::ZERO, None)?;
            }
            Fault::FullDatabase => {
                let room = i64::try_from(dice.throw(64 * 1024))?;
                self.database_disk(|disk| disk.fill(room))?;
                self.done.full += 1;
                std::thread::sleep(dice.millis(30, 150));
                self.kill_database(Duration::ZERO, None)?;
                std::thread::sleep(dice.millis(60, 200));
            }
        }
        Ok(())
    }

    fn kill(&mut self, nth: usize) -> anyhow::Result<()> {
        if self.ground.kill(nth)? {
            self.done.server_kills += 1;
        }
        self.net.put(nth, None);
        Ok(())
    }

    fn kill_all(&mut self) -> anyhow::Result<()> {
        (0..self.ground.len()).try_for_each(|nth| self.kill(nth))
    }

    /// A server that is told to end does so, and says that all went well.
    pub(crate) fn stop(&mut self, nth: usize) -> anyhow::Result<()> {
        self.net.put(nth, None);
        let Some(status) = self.ground.stop(nth)? else { return Ok(()) };
        self.done.stops += 1;
        if !status.success() {
            let story = format!("SIGTERM was answered with {status}:\n{}", self.ground.log());
            self.net.report(Violation::of(Kind::Process, story));
        }
        Ok(())
    }

    /// After a full disk a server may refuse to go on; what it said must stand all the same.
    fn fill(&mut self, dice: &mut Dice) -> anyhow::Result<()> {
        self.ground.disk.fill(i64::try_from(dice.throw(12 * 1024))?)?;
        self.done.full += 1;
        std::thread::sleep(dice.millis(30, 200));
        self.ground.disk.heal()?;
        if dice.hits(60) {
            return self.kill_all();
        }
        for nth in 0..self.ground.len() {
            self.net.put(nth, None);
            // How it ends is its own affair here.
            self.ground.stop(nth)?;
        }
        self.done.stops += 1;
        Ok(())
    }

    fn database_disk(&self, act: impl FnOnce(&Disk) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.ground.database.as_ref().map_or(Ok(()), |database| act(&database.disk))
    }

    /// What the disk was, it is as good as new when the database starts again.
    fn kill_database(&mut self, away: Duration, and: Option<usize>) -> anyhow::Result<()> {
        if let Some(database) = &self.ground.database {
            database.cluster.kill9();
            database.disk.heal()?;
            self.done.database_kills += 1;
        }
        std::thread::sleep(away);
        if let Some(nth) = and {
            self.kill(nth)?;
        }
        if let Some(database) = &self.ground.database {
            database.cluster.restart();
        }
        Ok(())
    }
}
