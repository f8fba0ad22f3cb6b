//! The actions of this vendor, and its error codes.

macro_rules! actions {
    ($($name:ident = $word:literal),* $(,)?) => {
        /// What an app asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $(#[doc = concat!("`", $word, "`.")] $name,)*
        }

        impl Action {
            /// Every action, in the order of the contract page.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The action as it stands in payloads.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

actions! {
    Initiate = "initiate",
    SessionToken = "upiGetSessionToken",
    Bind = "upiBindActivateDevice",
    BankList = "upiGetBankList",
    Accounts = "upiGetAccounts",
    VpaAvailability = "upiVpaAvailability",
    LinkAccounts = "upiLinkAccounts",
    LinkAccount = "upiLinkAccount",
    MakePrimary = "upiMakePrimary",
    SetMpin = "upiSetMpin",
    ChangeMpin = "upiChangeMpin",
    CheckBalance = "upiCheckBalance",
    CheckNumber = "upiCheckUpiNumberAvailability",
    CreateNumber = "upiCreateUpiNumber",
    UpdateNumber = "upiUpdateUpiNumberStatus",
    DeleteVpa = "upiDeleteVpa",
    DeleteAccount = "upiDeleteAccount",
    Deregister = "upiDeregister",
    UpdateAuth = "updateAuth",
}

impl Action {
    /// Reads an action by its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == word)
    }
}

/// Errors of the SDK: what never reached the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SdkError {
    /// No such action, or the time is over.
    UnknownOrLate,
    /// The customer left.
    Aborted,
    /// A parameter is missing or not well formed.
    BadParameter,
    /// Who asks could not be made sure.
    NotAuthentic,
    /// The app started twice.
    StartedTwice,
    /// The secrets could not be taken.
    CaptureFailed,
}

impl SdkError {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::UnknownOrLate => "JP_001",
            Self::Aborted => "JP_002",
            Self::BadParameter => "JP_003",
            Self::NotAuthentic => "JP_012",
            Self::StartedTwice => "JP_017",
            Self::CaptureFailed => "JP_019",
        }
    }
}

/// Every code that this dialect can answer; each is reached by a test.
pub const ALL_CODES: &[&str] = &[
    "00", "01", "JP_001", "JP_002", "JP_003", "JP_012", "JP_017", "JP_019", "AJ", "AM", "B1",
    "KU01", "KU02", "KU03", "KU04", "KU05", "KU07", "KU08", "KU09", "MM18", "RM", "RN", "U01",
    "U54", "U66", "U90", "XH", "XL", "XN", "XR", "Z6", "ZM", "ZR", "ZS", "ZT",
];
