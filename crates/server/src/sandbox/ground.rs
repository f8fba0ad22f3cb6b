//! Where a sandbox's state lies, and how it starts over.
//!
//! ```text
//! DIR/keys.sealed   the keys; they survive a reset
//! DIR/unseal.key    what opens them
//! DIR/current       the name of the store in use
//! DIR/store-N       that store
//! DIR/clock         how far the clock was pushed, in milliseconds
//! ```
//!
//! A reset seeds a new store beside the old one and then changes the name: a crash in between
//! leaves the old state, never half of the new one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kunji_core::store::StoreFault;
use kunji_store::{Archive, PostgresError, drop_schema, migrate};
use kunji_vault::Vault;
use tokio::sync::Mutex;

use crate::app::{App, Issuer};
use crate::boot::{self, BootError};
use crate::clock::ServiceClock;
use crate::config::{Config, Place};
use crate::draft::put_whole;
use crate::seed::{Seed, SeedError};
use crate::telemetry::Metrics;

/// A sandbox's directory and its seed.
#[derive(Clone)]
pub struct Ground {
    dir: PathBuf,
    seed: Arc<Seed>,
    metrics: Arc<Metrics>,
    /// One reset at a time; held while the new store is seeded, by no request but resets.
    resetting: Arc<Mutex<()>>,
}

/// Why a sandbox has no state.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The store or the keys.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The seed.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The directory.
    #[error("the sandbox directory cannot be written")]
    Directory(#[from] std::io::Error),
    /// There is a store already.
    #[error("the sandbox directory holds a store already")]
    Taken,
}

impl Ground {
    /// A ground in a directory that exists.
    #[must_use]
    pub fn new(dir: PathBuf, seed: Seed, metrics: Arc<Metrics>) -> Self {
        Self { dir, seed: Arc::new(seed), metrics, resetting: Arc::default() }
    }

    /// Opens the store in use, or seeds the first one.
    ///
    /// # Errors
    /// `GroundError` when it cannot be opened or seeded.
    pub async fn open(
        &self,
        config: &Config,
        vault: Arc<Vault>,
        clock: ServiceClock,
    ) -> Result<Issuer, GroundError> {
        match current(&self.dir) {
            Ok(number) => {
                let place = config.files.store.numbered(&self.dir, number);
                Ok(boot::open_issuer(config, &place, vault, clock, &self.metrics)?)
            }
            Err(none) if none.kind() == std::io::ErrorKind::NotFound => {
                self.sow(config, vault, clock).await
            }
            Err(broken) => Err(broken.into()),
        }
    }

    /// Makes the first store, and has it filled; only a whole one is named and found again.
    ///
    /// # Errors
    /// `GroundError::Taken` when there is one already, else what broke.
    pub fn fill(
        &self,
        config: &Config,
        vault: &Arc<Vault>,
        fill: impl FnOnce(&Archive) -> Result<(), StoreFault>,
    ) -> Result<(), GroundError> {
        if self.dir.join("current").exists() {
            return Err(GroundError::Taken);
        }
        let (number, place) = self.free_place(&config.files.store)?;
        let archive = boot::open_archive(&place, config, vault, &self.metrics)?;
        fill(&archive).map_err(BootError::from)?;
        Ok(self.name_store(number)?)
    }

    /// Back to the seed. Requests under way end on the old store.
    ///
    /// # Errors
    /// `GroundError` when the new store cannot be seeded; the old one then stays.
    pub async fn reset(&self, app: &App) -> Result<(), GroundError> {
        let _one_at_a_time = self.resetting.lock().await;
        let old = current(&self.dir)?;
        let vault = Arc::clone(&app.issuer().vault);
        let issuer = self.sow(app.config(), vault, app.clock().clone()).await?;
        app.replace_issuer(boot::note_start(issuer, app.config()).await?);
        match app.config().files.store.numbered(&self.dir, old) {
            // Open files of a removed directory stay readable for those who still hold them.
            Place::Embedded(dir) => std::fs::remove_dir_all(dir)?,
            Place::Postgres(place) => drop_schema(&place).map_err(BootError::from)?,
        }
        Ok(())
    }

    /// The clock, as far ahead as it was when the sandbox ended.
    #[must_use]
    pub fn clock(&self) -> ServiceClock {
        clock(&self.dir)
    }

    /// Keeps how far ahead the clock is.
    ///
    /// # Errors
    /// `io::Error` when it cannot be written.
    pub fn keep_clock(&self, clock: &ServiceClock) -> std::io::Result<()> {
        put_whole(&self.dir.join("clock"), clock.ahead_ms().to_string().as_bytes())
    }

    async fn sow(
        &self,
        config: &Config,
        vault: Arc<Vault>,
        clock: ServiceClock,
    ) -> Result<Issuer, GroundError> {
        let (number, place) = self.free_place(&config.files.store)?;
        let issuer = boot::open_issuer(config, &place, vault, clock, &self.metrics)?;
        self.seed.sow(&issuer).await?;
        self.name_store(number)?;
        Ok(issuer)
    }

    /// Says which store is in use.
    fn name_store(&self, number: u64) -> std::io::Result<()> {
        put_whole(&self.dir.join("current"), format!("store-{number}").as_bytes())
    }

    /// A place where no store is; left-overs of a reset that did not end keep theirs.
    fn free_place(&self, store: &Place) -> Result<(u64, Place), GroundError> {
        let mut number = 1;
        loop {
            let place = store.numbered(&self.dir, number);
            let free = match &place {
                Place::Embedded(dir) => !dir.exists(),
                Place::Postgres(place) => match migrate(place) {
                    Ok(migrated) => migrated.from == 0,
                    Err(PostgresError::Open) => false,
                    Err(error) => return Err(BootError::from(error).into()),
                },
            };
            if free {
                return Ok((number, place));
            }
            number += 1;
        }
    }
}

/// The clock of a sandbox, as far ahead as it was when it ended.
#[must_use]
pub fn clock(dir: &Path) -> ServiceClock {
    let clock = ServiceClock::default();
    let ahead = std::fs::read_to_string(dir.join("clock")).unwrap_or_default();
    clock.advance(ahead.trim().parse().unwrap_or(0));
    clock
}

/// The number of the store in use.
///
/// # Errors
/// `io::Error` when there is none, or another name.
pub fn current(dir: &Path) -> std::io::Result<u64> {
    let name = std::fs::read_to_string(dir.join("current"))?;
    let number = name.trim().strip_prefix("store-").filter(|number| !number.starts_with('+'));
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| std::io::Error::other("`current` names no store"))
}

/// What a sandbox's control socket is named after, whichever store is in use.
#[must_use]
pub fn control_anchor(dir: &Path) -> PathBuf {
    dir.join("current")
}
