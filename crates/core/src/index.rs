//! By what else than its id a credential can be found.

use kunji_vault::BirthDate;
use serde::{Deserialize, Serialize};

use crate::card::Expiry;
use crate::ids::{CardTail, CustomerId, Mobile};

/// By what else a credential can be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexKey {
    /// All credentials of a customer.
    Customer(CustomerId),
    /// All cards of a program with this face.
    CardFace {
        /// The card program's client.
        client: String,
        /// The card's last four digits.
        last_four: CardTail,
        /// The card's last good month.
        expiry: Expiry,
        /// The holder's birthday.
        birth: BirthDate,
    },
    /// All bank accounts registered with a mobile number.
    Mobile(Mobile),
    /// All cards of a program whose holder has this mobile number, with its country code.
    CardMobile {
        /// The card program's client.
        client: String,
        /// The holder's mobile number.
        mobile: Mobile,
    },
}
