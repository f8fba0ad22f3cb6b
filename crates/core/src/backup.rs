//! Backups: how rows stand in one, what makes them whole, and what a restored store keeps.

mod check;
mod former;
mod restore;
mod rows;

pub use self::check::{BREAKS_MAX, Findings, RowsCheck};
pub use self::former::former_record;
pub use self::restore::{Restored, Restorer, Since, restored_credential, restored_customer};
pub use self::rows::{RowError, RowFormat, Tally, append_row, take_row};
