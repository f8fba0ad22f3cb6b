//! The mapper: which customer a UPI number or a VPA belongs to, once in the whole ecosystem.
//!
//! ```text
//!            register                 disable
//!  (nobody) ─────────▶ ACTIVE ◀─────────────────▶ DISABLED
//!     ▲                 │  ▲ │     reactivate        │
//!     │          delete │  │ └ port: another owner    │ delete
//!     │ cooling         ▼  │ register (same owner)    │
//!     └────────────── DELETED ◀─────────────────────┘
//! ```
//!
//! Each arrow may take a while: the number is then PENDING until the change is settled, one way or
//! the other, and nothing else may be asked of it.

mod address;
mod held;
mod number;

pub use self::address::{Address, AddressCommand, AddressOutcome, AddressRefusal};
pub use self::held::{Change, Held, Settled};
pub use self::number::{
    Delivered, Number, NumberCommand, NumberOutcome, NumberRefusal, NumberState, Pending,
    Registrant, Update, Wait,
};
