//! Backups: how rows stand in one, what makes them whole, and what a restored store keeps.

mod check;
mod restore;
mod rows;

pub use self::check::{BREAKS_MAX, Findings, RowsCheck};
pub use self::restore::{Restored, Restorer, Since, restored_credential, restored_customer};
pub use self::rows::{RowError, Tally, append_row, take_row};
