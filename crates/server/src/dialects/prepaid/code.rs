//! Response codes and message codes: two types, since 1121 is one of each.

macro_rules! codes {
    ($($name:ident = $code:literal $message:literal),* $(,)?) => {
        /// What a response says became of a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "` ", $message, ".")] $name,)*
        }

        impl Code {
            /// Every code that this dialect can answer; each is reached by a test.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `responseCode`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// `responseMessage`.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    Ended = "0" "SUCCESS",
    Success = "00" "Success",
    Created = "201" "CARD_CREATED_SUCCESSFULLY",
    CardNotFound = "1001" "CARD_NOT_FOUND",
    CardClosed = "1009" "CARD_CANCELLED_CLOSED_EXPIRED",
    TemporaryBlock = "1010" "CARD_TEMPORARY_BLOCK",
    PermanentBlock = "1011" "CARD_PERMANENT_BLOCK",
    InvalidMessage = "1030" "INVALID_MESSAGE",
    InvalidBankId = "1031" "INVALID_BANK_ID",
    InvalidClient = "1032" "INVALID_CLIENT_CHANNEL",
    InvalidMobile = "1034" "INVALID_MOBILE_NUMBER",
    UnableToProcess = "1045" "UNABLE_TO_PROCESS_REQUEST",
    InvalidSecureCode = "1049" "INVALID_SECURE_CODE",
    DuplicateRequest = "1054" "DUPLICATE_REQUEST",
    MalformedRequest = "1055" "MALFORMED_REQUEST",
    InvalidMessageCode = "1056" "INVALID_MESSAGE_CODE",
    AlreadyUnblocked = "1067" "CARD_ALREADY_UNBLOCKED",
    OperationNotAllowed = "1081" "OPERATION_NOT_ALLOWED",
    LastFourMismatch = "1083" "URN AND LAST 4 DIGITS MISMATCH",
    CustomerMismatch = "1084" "CARD_CUSTOMER_ID_MISMATCH",
    InvalidDate = "1088" "INVALID_DATE_FORMAT",
    ProfileMandatory = "1090" "CARD_PROFILEID_MANDATORY",
    InvalidProfile = "1091" "INVALID_CARDPROFILE_ID",
    InvalidEmail = "1092" "INVALID_EMAIL_ADDRESS",
    InvalidClientTxnId = "1093" "INVALID_CLIENT_TXN_ID",
    InvalidBlockType = "1112" "INVALID_BLOCK_TYPE",
    DebitBlock = "1117" "CARD_DEBIT_BLOCK",
    CreditBlock = "1118" "CARD_CREDIT_BLOCK",
    CreditDebitBlock = "1121" "CARD_CREDIT_DEBIT_BLOCK",
    CustomBlock = "1131" "CARD_CUSTOM_BLOCK",
    DataNotFound = "1231" "DATA_NOT_FOUND",
    DuplicateMobile = "1237" "DUPLICATE_MOBILE_NUMBER_WITH_MULTIPLE_ACCOUNT",
    CustomerIdEmpty = "1245" "CUSTOMER_ID_CAN_NOT_BE_EMPTY",
    ClientIdNotPresent = "1262" "CLIENT_ID_NOT_PRESENT",
    BankIdNotPresent = "1264" "BANK_ID_NOT_PRESENT",
    FirstNameBlank = "1290" "FIRSTNAME_CANNOT_BE_BLANK",
    LastNameBlank = "1291" "LASTNAME_CANNOT_BE_BLANK",
    CardStatusBlank = "1292" "CARD_STATUS_CANNOT_BE_BLANK",
    InvalidCardStatus = "1293" "INVAILD_CARD_STATUS",
    ProductIdBlank = "1295" "PRDUCT_ID_CANNOT_BE_BLANK",
    ProfileNotFound = "1306" "PROFILE_NOTFOUND",
    ProfileMismatch = "1309" "CARDPROFILE_MISTMATCH",
    ConsumerNotPresent = "1310" "XCONSUMERKEY_NOT_PRESENT",
    SecureCodeNotPresent = "1311" "SECURE_CODE_NOT_PRESENT",
    BirthMandatory = "1317" "DATE_OF_BIRTH_IS_MANDATORY",
    DateTimeMandatory = "1320" "REQUEST_DATETIME_IS_MANDATORY",
    ContactMissing = "1332" "URN_MOBILE_EMAIL_MISSING",
    FaceMissing = "1333" "LAST4DIGIT_EXPIRY_DOB_MISSING",
    WrongHolder = "1334" "WRONG_CUSTOMER_IDENTIFIER_NOT_ALLOWED",
    InvalidLastFour = "1335" "INVALID_LAST_4_DIGIT",
    SeveralAccounts = "1336" "CUSTOMER_WITH_MULTIPLE_ACCOUNT",
    CardNotActive = "1356" "CARD_NOT_ACTIVE",
    NoStoredAnswer = "29201" "NO_API_RESPONSE_DUMP_AVAILABLE_FOR_THE_CLIENT_TXN_ID",
}

/// The calls of this dialect that come in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Reset a card's PIN; version 3 needs one header more.
    ResetPin,
    /// Create a card.
    CreateCard,
    /// Verify a cardholder.
    VerifyCardholder,
    /// Look at a card.
    CardInquiry,
    /// Block a card.
    Block,
    /// Lift a card's block.
    Unblock,
    /// Fetch the stored answer of an earlier call.
    CheckStatus,
}

impl Call {
    /// `messageCode` of the request.
    #[must_use]
    pub fn asked(self) -> &'static str {
        match self {
            Self::ResetPin => "1120",
            Self::CreateCard => "1010",
            Self::VerifyCardholder => "3020",
            Self::CardInquiry => "1090",
            Self::Block => "1240",
            Self::Unblock => "1250",
            Self::CheckStatus => "2050",
        }
    }

    /// `messageCode` of the response: a string here, a number there, as the vendor prints it.
    #[must_use]
    pub fn answered(self) -> MessageCode {
        match self {
            Self::ResetPin => MessageCode::Text("1121"),
            Self::CreateCard => MessageCode::Number(1011),
            Self::VerifyCardholder => MessageCode::Number(3021),
            Self::CardInquiry => MessageCode::Number(1091),
            Self::Block => MessageCode::Number(1241),
            Self::Unblock => MessageCode::Text("1251"),
            Self::CheckStatus => MessageCode::Number(2051),
        }
    }

    /// `description` of a success, where the vendor prints one.
    #[must_use]
    pub fn description(self) -> Option<&'static str> {
        match self {
            Self::ResetPin => Some("Reset Pin"),
            Self::CreateCard => Some("Card Creation"),
            Self::Block => Some("Blocking"),
            Self::Unblock => Some("UnBlocking"),
            Self::VerifyCardholder | Self::CardInquiry | Self::CheckStatus => None,
        }
    }

    /// `responseMessage` of a success: two spellings, as the vendor prints them.
    #[must_use]
    pub fn success_message(self) -> &'static str {
        match self {
            Self::ResetPin | Self::Unblock => Code::Success.message(),
            Self::CreateCard => Code::Created.message(),
            Self::VerifyCardholder | Self::CardInquiry | Self::Block | Self::CheckStatus => {
                "SUCCESS"
            }
        }
    }
}

/// `messageCode` of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum MessageCode {
    /// As text.
    Text(&'static str),
    /// As a number.
    Number(u16),
}
