//! What the vendor's document prints, in its order.

use crate::coverage::printed::{Document, Printed, ROW, Sample};

const RESET: &str = "resetPin";
const CREATE: &str = "createCard";
const VERIFY: &str = "verifyCardholder";
const STATUS: &str = "checkStatus";
const EVERY: &str = "all calls";

/// The sample request, in a token of our own key.
const SAMPLE: (&str, &str) = ("all calls, token", "the vector of our own key, as printed");

/// "Reset PIN API".
pub(crate) const DOCUMENT: Document = Document {
    dialect: "prepaid",
    name: "Prepaid card API: Reset PIN API",
    rows: &[
        Printed {
            place: "Sample request, encrypted",
            never: &[(RESET, "it is under a key of the vendor's that is not printed")],
            ..ROW
        },
        Printed { place: "Sample request, decrypted", code: "00", reached: &[SAMPLE], ..ROW },
        Printed {
            place: "Response parameters, responseCode",
            code: "201",
            http: Some(201),
            reached: &[(CREATE, "a card that can be verified, reset and looked at")],
            never: &[(RESET, "the parameters are createCard's; the sample says `00`")],
            ..ROW
        },
        Printed {
            place: "Response parameters, responseMessage \"Card creation successful\"",
            never: &[
                (RESET, "the parameters are createCard's; the sample says `Success`"),
                (CREATE, "its own page says `CARD_CREATED_SUCCESSFULLY`"),
            ],
            ..ROW
        },
        Printed {
            place: "Response parameters, description \"Card Creation response\"",
            never: &[
                (RESET, "the parameters are createCard's; the sample says `Reset Pin`"),
                (CREATE, "its own page says `Card Creation`"),
            ],
            ..ROW
        },
        Printed {
            place: "API error codes, 0",
            code: "0",
            sentences: &["SUCCESS"],
            reached: &[
                (STATUS, "a call that ended well is told again, without its request"),
                (STATUS, "a created card is told again"),
            ],
            never: &[(RESET, "it says `00`, as the sample does")],
            ..ROW
        },
        Printed {
            place: "API error codes, 1034",
            code: "1034",
            sentences: &["INVALID_MOBILE_NUMBER"],
            reached: &[
                (CREATE, "a `mobile` that is not 10 to 13 digits"),
                (VERIFY, "a mobile that cannot be one"),
            ],
            never: &[(RESET, "it has no mobile number")],
            ..ROW
        },
        Printed {
            place: "API error codes, 1088",
            code: "1088",
            sentences: &["INVALID_DATE_FORMAT"],
            reached: &[
                (RESET, "`requestDateTime` that is no 14 digits, or no real date"),
                (CREATE, "a `dateOfBirth` that is no date"),
                (VERIFY, "a birthday or an expiry that cannot be one"),
            ],
            ..ROW
        },
        Printed {
            place: "API error codes, 1090",
            code: "1090",
            sentences: &["CARD_PROFILEID_MANDATORY"],
            reached: &[(CREATE, "no `cardProfileId`")],
            never: &[(RESET, NO_PROFILE)],
            ..ROW
        },
        Printed {
            place: "API error codes, 1091",
            code: "1091",
            sentences: &["INVALID_CARDPROFILE_ID"],
            reached: &[(CREATE, "a `cardProfileId` that cannot be one")],
            never: &[(RESET, NO_PROFILE)],
            ..ROW
        },
        Printed {
            place: "API error codes, 1092",
            code: "1092",
            sentences: &["INVALID_EMAIL_ADDRESS"],
            reached: &[(CREATE, "an e-mail that is none"), (VERIFY, "an e-mail that is no text")],
            never: &[(RESET, "it has no e-mail address")],
            ..ROW
        },
        Printed {
            place: "API error codes, 1231",
            code: "1231",
            sentences: &["DATA_NOT_FOUND"],
            reached: &[
                (
                    "cardInquiry",
                    "the customer has no card, whatever urn and last 4 there are beside",
                ),
                (EVERY, "another path under the prefix"),
            ],
            never: &[(RESET, "a card that is not there is 1001")],
            ..ROW
        },
        Printed {
            place: "API error codes, 1237",
            code: "1237",
            sentences: &["DUPLICATE_MOBILE_NUMBER_WITH_MULTIPLE_ACCOUNT"],
            reached: &[(
                CREATE,
                "another customer has the `mobile`, with or without its country code",
            )],
            never: &[(RESET, "it has no mobile number")],
            ..ROW
        },
        Printed {
            place: "API error codes, 1306",
            code: "1306",
            sentences: &["PROFILE_NOTFOUND"],
            reached: &[(CREATE, "a `cardProfileId` that the program does not have")],
            never: &[(RESET, NO_PROFILE)],
            ..ROW
        },
        Printed {
            place: "API error codes, 1309",
            code: "1309",
            sentences: &["CARDPROFILE_MISTMATCH"],
            reached: &[(CREATE, "a `cardProfileId` that does not fit the product")],
            never: &[(RESET, NO_PROFILE)],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 200 OK",
            http: Some(200),
            reached: &[(RESET, "done"), (RESET, "no such urn")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 400 Bad Request",
            http: Some(400),
            reached: &[(EVERY, "no `clientId`"), (EVERY, "no `bankId`")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 401 Unauthorized",
            http: Some(401),
            reached: &[(EVERY, "a wrong `x-api-key`"), (EVERY, "an unknown `clientId`")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 500 Internal Server Error",
            http: Some(500),
            never: &[(EVERY, "what broke is told as 503 with 1045: the outcome is unknown")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 403 Forbidden",
            http: Some(403),
            reached: &[(EVERY, "a wrong `bankId`"), (EVERY, "a wrong `secureCode`")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 404 Not Found",
            http: Some(404),
            reached: &[(EVERY, "another path under the prefix")],
            ..ROW
        },
        Printed {
            place: "HTTP status code, 503 Service Unavailable",
            http: Some(503),
            reached: &[(RESET, "the store cannot be written: the outcome is unknown")],
            ..ROW
        },
        Printed {
            place: "Sample response, encrypted",
            never: &[(RESET, "it is under a key of the vendor's that is not printed")],
            ..ROW
        },
        Printed {
            place: "Sample response, decrypted",
            code: "00",
            http: Some(200),
            sentences: &["Success", "Reset Pin"],
            sample: Sample::Shape(RESPONSE),
            reached: &[SAMPLE, (RESET, "done")],
            ..ROW
        },
    ],
};

const NO_PROFILE: &str = "it has no card profile";

const RESPONSE: &str = r#"{
"urn": 70000000008,
"customerId": "IN00001201001868",
"description": "Reset Pin",
"responseCode": "00",
"messageCode": "1121",
"clientTxnId": "201507271458370149gM90jY0",
"clientId": "2000",
"responseDateTime": "20160715025837",
"accosaTransactionId": 1031,
"responseMessage": "Success",
"accosaRefNo": "6007283",
"bankId": 7000
}"#;
