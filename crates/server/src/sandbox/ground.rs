//! Where a sandbox's state lies, and how it starts over.
//!
//! ```text
//! DIR/keys.sealed   the keys; they survive a reset
//! DIR/unseal.key    what opens them
//! DIR/current       the name of the store in use
//! DIR/store-N       that store
//! ```
//!
//! A reset seeds a new store beside the old one and then changes the name: a crash in between
//! leaves the old state, never half of the new one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kunji_vault::Vault;
use tokio::sync::Mutex;

use crate::app::{App, Issuer};
use crate::boot::{self, BootError};
use crate::clock::ServiceClock;
use crate::config::Config;
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
        match std::fs::read_to_string(self.dir.join("current")) {
            Ok(name) => {
                let store = self.dir.join(name.trim());
                Ok(boot::open_issuer(config, &store, vault, clock, &self.metrics)?)
            }
            Err(_) => self.sow(config, vault, clock).await,
        }
    }

    /// Back to the seed. Requests under way end on the old store.
    ///
    /// # Errors
    /// `GroundError` when the new store cannot be seeded; the old one then stays.
    pub async fn reset(&self, app: &App) -> Result<(), GroundError> {
        let _one_at_a_time = self.resetting.lock().await;
        let old = std::fs::read_to_string(self.dir.join("current"))?;
        let vault = Arc::clone(&app.issuer().vault);
        let issuer = self.sow(app.config(), vault, app.clock().clone()).await?;
        boot::note_start(&issuer).await?;
        app.replace_issuer(issuer);
        // Open files of a removed directory stay readable for those who still hold them.
        std::fs::remove_dir_all(self.dir.join(old.trim()))?;
        Ok(())
    }

    async fn sow(
        &self,
        config: &Config,
        vault: Arc<Vault>,
        clock: ServiceClock,
    ) -> Result<Issuer, GroundError> {
        let name = self.free_name();
        let store = self.dir.join(&name);
        let issuer = boot::open_issuer(config, &store, vault, clock, &self.metrics)?;
        self.seed.sow(&issuer).await?;
        put_whole(&self.dir.join("current"), name.as_bytes())?;
        Ok(issuer)
    }

    /// A name no store has; left-overs of a reset that did not end keep theirs.
    fn free_name(&self) -> String {
        let names = (1_u64..).map(|number| format!("store-{number}"));
        let mut free = names.skip_while(|name| self.dir.join(name).exists());
        free.next().unwrap_or_default()
    }
}

/// Writes a file whole, then gives it its name.
///
/// # Errors
/// `io::Error` when it cannot be written; the old file then stays.
pub fn put_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
