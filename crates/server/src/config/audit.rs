//! Settings of the audit: where its checkpoints are written, and how often.

use std::path::PathBuf;

use kunji_core::time::MINUTE_MS;

use super::file::AuditFile;
use super::{ConfigError, ensure};

/// Longest time from one checkpoint to the next: a week.
const MINUTES_MAX: u32 = 7 * 24 * 60;

/// Checkpoints of the audit.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Where they are written, if anywhere.
    pub checkpoint_dir: Option<PathBuf>,
    /// How long from one to the next, in milliseconds.
    pub every_ms: i64,
}

impl Audit {
    pub(super) fn check(file: AuditFile) -> Result<Self, ConfigError> {
        let minutes = (1..=MINUTES_MAX).contains(&file.checkpoint_minutes);
        ensure(minutes, "audit.checkpoint_minutes", "must be 1 to 10080")?;
        let named = !file.checkpoint_dir.as_os_str().is_empty();
        Ok(Self {
            checkpoint_dir: named.then_some(file.checkpoint_dir),
            every_ms: i64::from(file.checkpoint_minutes) * MINUTE_MS,
        })
    }
}
