//! The calls, and the codes of their answers.

use kunji_core::audit::Action;
use kunji_core::customer::CustomerRefusal;

use crate::mapper_code::{self, MapperCode};

/// One call of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Update,
    Availability,
    Create,
    Fetch,
    Validity,
}

/// Whether a call asks for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
    Ignored,
}

impl Call {
    /// Reads what stands behind `/merchants/` in the path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "upiNumber/update" => Some(Self::Update),
            "upiNumber/availability" => Some(Self::Availability),
            "upiNumber/create" => Some(Self::Create),
            "upiNumber/fetch" => Some(Self::Fetch),
            "vpas/validity" => Some(Self::Validity),
            _ => None,
        }
    }

    /// The call's name, which is part of a request's fingerprint.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Availability => "availability",
            Self::Create => "create",
            Self::Fetch => "fetch",
            Self::Validity => "validity",
        }
    }

    /// What the audit calls the attempt.
    pub(super) fn action(self) -> Action {
        match self {
            Self::Update => Action::UpdateNumber,
            Self::Create => Action::Register,
            Self::Availability | Self::Fetch | Self::Validity => Action::LookUp,
        }
    }

    /// Whether the call asks for the member of this name.
    pub(super) fn needs(self, member: &str) -> Need {
        match (self, member) {
            (Self::Validity, "customerVpa") => Need::Must,
            (_, "udfParameters") => Need::May,
            (Self::Validity, _) | (_, "customerVpa") => Need::Ignored,
            (_, "merchantCustomerId") => Need::Must,
            (Self::Fetch, "upiRequestId") => Need::May,
            (Self::Fetch, "upiNumber" | "vpa" | "existingVpa" | "action") => Need::Ignored,
            (_, "upiNumber" | "upiRequestId" | "vpa") => Need::Must,
            (Self::Update | Self::Availability, "action") => Need::Must,
            (Self::Update, "deviceFingerPrint") => Need::Must,
            (Self::Create, "action") | (Self::Availability, "existingVpa") => Need::Ignored,
            (_, _) => Need::May,
        }
    }
}

/// `responseCode`: how the API itself fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseCode {
    Success,
    BadRequest,
    InvalidData,
    Unauthorized,
    InvalidChecksum,
    RequestExpired,
    DuplicateRequest,
    DeviceMismatch,
    Internal,
}

impl ResponseCode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::BadRequest => "BAD_REQUEST",
            Self::InvalidData => "INVALID_DATA",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::InvalidChecksum => "INVALID_MERCHANT_CHECKSUM",
            Self::RequestExpired => "REQUEST_EXPIRED",
            Self::DuplicateRequest => "DUPLICATE_REQUEST",
            Self::DeviceMismatch => "DEVICE_FINGERPRINT_MISMATCH",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// How a refusal by the customer's own rules is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// By the gateway triple.
    Gateway(MapperCode),
    /// By the API, with a message.
    Api(ResponseCode, &'static str),
}

impl From<CustomerRefusal> for Refused {
    fn from(refusal: CustomerRefusal) -> Self {
        match refusal {
            CustomerRefusal::UnknownCustomer => {
                Self::Api(ResponseCode::InvalidData, "merchantCustomerId is not known")
            }
            CustomerRefusal::NotOwnMobile => {
                let message = "upiNumber is not the customer's mobile number";
                Self::Api(ResponseCode::InvalidData, message)
            }
            CustomerRefusal::NotBound => {
                let (_, message) = mapper_code::API_DEVICE;
                Self::Api(ResponseCode::DeviceMismatch, message)
            }
            CustomerRefusal::NotTheirVpa => Self::Gateway(MapperCode::NotTheirVpa),
            CustomerRefusal::NotPortable => Self::Gateway(MapperCode::NotAllowed),
            CustomerRefusal::LimitReached => Self::Gateway(MapperCode::LimitReached),
            // Nothing that this API asks for is refused so.
            CustomerRefusal::StartedBefore
            | CustomerRefusal::MobileMismatch
            | CustomerRefusal::BindingBlocked
            | CustomerRefusal::NotLinked
            | CustomerRefusal::LastVpa
            | CustomerRefusal::VpaInUse
            | CustomerRefusal::PrimaryStays => {
                Self::Api(ResponseCode::InvalidData, "merchantCustomerId may not do this")
            }
        }
    }
}

/// Every code that this dialect can answer: the gateway's where there is one, else the API's.
pub const ALL_CODES: &[&str] = &[
    "00",
    "01",
    "KU01",
    "KU02",
    "KU03",
    "KU04",
    "KU05",
    "KU07",
    "KU08",
    "KU09",
    "MM18",
    "SUCCESS",
    "BAD_REQUEST",
    "INVALID_DATA",
    "UNAUTHORIZED",
    "INVALID_MERCHANT_CHECKSUM",
    "REQUEST_EXPIRED",
    "DUPLICATE_REQUEST",
    "DEVICE_FINGERPRINT_MISMATCH",
    "INTERNAL_SERVER_ERROR",
];
