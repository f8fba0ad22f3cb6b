//! Does what earlier commits left to be done: after a crash, and when its time has come.

use std::time::Duration;

use kunji_core::engine::Fault;
use kunji_core::errand::{Errand, Lane, Task};
use kunji_core::ids::Caller;
use kunji_core::store::Store as _;
use kunji_core::time::Millis;
use tokio::sync::watch;

use crate::app::App;
use crate::dialects;

/// How often the lanes are looked at when nobody calls.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which errands are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All: whoever was at them is gone.
    All,
    /// Those that are due: who is at the others finishes them alone.
    Due,
}

/// Runs until `stopped` says so.
pub async fn run(app: App, mut stopped: watch::Receiver<bool>) {
    let mut scope = match app.issuer().store.is_shared() {
        // Another process may be at those that are not due.
        true => Scope::Due,
        false => Scope::All,
    };
    loop {
        match app.issuer().store.leads().await {
            Ok(true) => sweep(&app, scope).await,
            Ok(false) => {}
            Err(fault) => app.report(&fault.into(), "errands"),
        }
        scope = Scope::Due;
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn sweep(app: &App, scope: Scope) {
    for lane in [Lane::Captures, Lane::Holdings] {
        let errands = match app.issuer().store.errands(&lane).await {
            Ok(errands) => errands,
            Err(fault) => {
                app.report(&fault.into(), "errands");
                continue;
            }
        };
        let now = app.clock().now();
        let wanted = |errand: &Errand| scope == Scope::All || errand.key.due <= now;
        for errand in errands.into_iter().filter(wanted) {
            if let Err(fault) = perform(app, errand, now).await {
                // It stays, and the next look tries again; the others have their turn.
                app.report(&fault, "errand");
            }
        }
    }
}

async fn perform(app: &App, errand: Errand, now: Millis) -> Result<(), Fault> {
    match errand.task {
        Task::EndCapture(id) if errand.key.due <= now => dialects::expire_capture(app, id).await,
        Task::EndCapture(id) => app.issuer().end_capture(&id).await.map(drop),
        Task::Settle { profile, holding } => {
            let caller = Caller::parse("service")?;
            let key = Some(errand.key);
            app.issuer().settle_claim(&caller, &profile, &holding, key).await.map(drop)
        }
        Task::SettleNumber(number) if errand.key.due <= now => {
            let caller = Caller::parse("service")?;
            app.issuer().settle_number(&caller, &number, errand.key).await
        }
        Task::SettleNumber(_) => Ok(()),
        // Channels have a deliverer of their own.
        Task::Tell(_) => Ok(()),
    }
}
