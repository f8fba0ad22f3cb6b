//! Follows the key file, so that no process need be started again for its keys.
//!
//! What another process wrote into it opens at once. It makes nothing before its time, and not
//! before the store remembers it: a start with an older key file is then refused.

pub mod needs;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kunji_vault::{KeyState, Vault};
use tokio::sync::watch;

use crate::app::App;
use crate::{boot, wall};

/// How often the key file is looked at. A key that is asked for and not here is looked for at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until `stopped` says so. The versions of this moment count as those that the start noted:
/// call it before anything can ask for newer ones.
pub fn follow(app: App, mut stopped: watch::Receiver<bool>) -> impl Future<Output = ()> {
    let mut follower = Follower { noted: live(&app.issuer().vault), broken: false };
    async move {
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            follower.look(&app).await;
        }
    }
}

/// What the store was told of, and whether the file was already reported.
struct Follower {
    noted: Vec<u32>,
    broken: bool,
}

impl Follower {
    async fn look(&mut self, app: &App) {
        let issuer = app.issuer();
        let vault = Arc::clone(&issuer.vault);
        let looking = tokio::task::spawn_blocking(move || vault.look_at_key_file());
        match looking.await {
            Ok(Ok(())) => self.broken = false,
            // It is looked at again, and reported once.
            Ok(Err(_)) if self.broken => {}
            Ok(Err(fault)) => {
                self.broken = true;
                report(app, &fault, "the key file cannot be followed");
            }
            // It never panics, and is not cancelled while this runs.
            Err(_) => {}
        }
        let versions = live(&issuer.vault);
        if versions != self.noted {
            if let Err(fault) = boot::note_keys(&issuer).await {
                // Until it is noted, the new keys make nothing.
                return app.report(&fault, "keys");
            }
            tracing::info!("the key versions are now {}", words(&versions));
            self.noted = versions;
        }
        let before = in_use(&issuer.vault);
        issuer.vault.use_ripe_keys(wall::now().0);
        let now = in_use(&issuer.vault);
        if now != before {
            tracing::info!("key version {} is in use", now.unwrap_or_default());
        }
    }
}

fn report(app: &App, fault: &(dyn Error + 'static), what: &str) {
    app.metrics().fault_met("keys");
    tracing::error!(fault, "{what}");
}

/// The versions that are not retired, newest first.
fn live(vault: &Vault) -> Vec<u32> {
    let versions = vault.key_versions().into_iter();
    versions.filter(|one| one.state != KeyState::Retired).map(|one| one.version).collect()
}

fn in_use(vault: &Vault) -> Option<u32> {
    let versions = vault.key_versions();
    versions.iter().find(|one| one.state == KeyState::InUse).map(|one| one.version)
}

fn words(versions: &[u32]) -> String {
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
