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

mod address;
mod number;

pub use self::address::{Address, AddressCommand, AddressOutcome, AddressRefusal};
pub use self::number::{
    Number, NumberCommand, NumberOutcome, NumberRefusal, NumberState, Registrant, Update,
};
