//! What the vendor's two documents print, in their order.

use crate::coverage::printed::{Document, Printed, ROW, Sample};

const SET: &str = "upiSetMpin";
const CHANGE: &str = "upiChangeMpin";
const ANY: &str = "any action";

const SET_DONE: (&str, &str) =
    (SET, "card, expiry and OTP match; no mapping named: primary for every VPA");
const CHANGED: (&str, &str) = (CHANGE, "the old MPIN is right, the new one is fit");

/// The response of "Set/Reset MPIN", with one of the two words that stand in `status`.
const SET_RESPONSE: &str = r#"{
  "requestId": "<request id passed>",
  "service": "in.juspay.hyperapi",
  "payload": {
    "action": "upiSetMpin",
    "status": "SUCCESS",
    "bankAccountUniqueId": "<bankAccountUniqueId>",
    "accountReferenceId": "<Account Reference Id>",
    "bankCode": "11111",
    "customerMobileNumber": "XXXX7890",
    "customerVpa": "something@handle",
    "maskedAccountNumber": "XXXX203891",
    "gatewayResponseCode": "",
    "gatewayResponseMessage": "",
    "otherInfo": "{}"
  },
  "error": false,
  "errorMessage": "",
  "errorCode": "",
  "event": "process_result"
}"#;

/// "Set/Reset MPIN".
pub(crate) const SET_DOCUMENT: Document = Document {
    dialect: "hyper",
    name: "In-app SDK: Set/Reset MPIN",
    rows: &[
        Printed {
            place: "Request, requestId: a UUID, or the example that is none",
            reached: &[
                SET_DONE,
                (ANY, "`requestId` missing, mistyped, empty or over 64 characters"),
            ],
            ..ROW
        },
        Printed {
            place: "Request, service: another one",
            reached: &[(ANY, "`service` or `payload` missing, mistyped or another one")],
            ..ROW
        },
        Printed {
            place: "Request, mandatory members",
            reached: &[(SET, "a member missing, mistyped or not well formed")],
            ..ROW
        },
        Printed {
            place: "Request, primaryAccountMapping: ONE_TO_ALL, the default",
            reached: &[SET_DONE, (SET, "`ONE_TO_ALL`: primary for every VPA")],
            ..ROW
        },
        Printed {
            place: "Request, primaryAccountMapping: ONE_TO_ONE",
            reached: &[
                (SET, "`ONE_TO_ONE`: primary for the VPA of the request"),
                (SET, "`ONE_TO_ONE` for one VPA leaves the other one"),
            ],
            ..ROW
        },
        Printed {
            place: "Request, primaryAccountMapping: NONE",
            reached: &[(SET, "`NONE`: nothing becomes primary")],
            ..ROW
        },
        Printed {
            place: "Response, service",
            code: "in.juspay.hyperapi",
            reached: &[SET_DONE],
            ..ROW
        },
        Printed { place: "Response, action", code: SET, reached: &[SET_DONE], ..ROW },
        Printed { place: "Response, status", code: "SUCCESS", reached: &[SET_DONE], ..ROW },
        Printed {
            place: "Response, status",
            code: "FAILURE",
            reached: &[
                (SET, "other last six digits, or another expiry: nothing is mapped"),
                (SET, "wrong OTP, twice: nothing is mapped"),
                (SET, "the new MPIN breaks any rule: the OTP stays open"),
            ],
            ..ROW
        },
        Printed { place: "Response, error", code: "false", reached: &[SET_DONE], ..ROW },
        Printed {
            place: "Response, error",
            code: "true",
            reached: &[(SET, "a member missing, mistyped or not well formed")],
            ..ROW
        },
        Printed { place: "Response, event", code: "process_result", reached: &[SET_DONE], ..ROW },
        Printed {
            place: "Response snippet",
            sample: Sample::Shape(SET_RESPONSE),
            reached: &[SET_DONE],
            ..ROW
        },
        Printed {
            place: "Response snippet, masks",
            sentences: &[
                r#""customerMobileNumber":"XXXX3210""#,
                r#""maskedAccountNumber":"XXXX204702""#,
            ],
            reached: &[SET_DONE],
            ..ROW
        },
    ],
};

/// "Change MPIN".
pub(crate) const CHANGE_DOCUMENT: Document = Document {
    dialect: "hyper",
    name: "In-app SDK: Change MPIN",
    rows: &[
        Printed {
            place: "Request, mandatory members",
            reached: &[CHANGED, (CHANGE, "a member missing, mistyped or not well formed")],
            ..ROW
        },
        Printed { place: "Response, action", code: CHANGE, reached: &[CHANGED], ..ROW },
        Printed { place: "Response, status", code: "SUCCESS", reached: &[CHANGED], ..ROW },
        Printed {
            place: "Response, status",
            code: "FAILURE",
            reached: &[(CHANGE, "wrong old MPIN"), (CHANGE, "no MPIN is set")],
            ..ROW
        },
        Printed { place: "Response, error", code: "false", reached: &[CHANGED], ..ROW },
        Printed {
            place: "Response, error",
            code: "true",
            reached: &[(CHANGE, "a member missing, mistyped or not well formed")],
            ..ROW
        },
        Printed { place: "Response, event", code: "process_result", reached: &[CHANGED], ..ROW },
        Printed {
            place: "Response, the table: every member mandatory, in the order of Set/Reset MPIN",
            sample: Sample::Shape(SET_RESPONSE),
            reached: &[CHANGED],
            ..ROW
        },
        Printed {
            place: "Response snippet",
            never: &[(
                CHANGE,
                "it leaves out bankCode and customerMobileNumber, which the table of the same page \
                 marks mandatory, and puts accountReferenceId first: the table wins",
            )],
            ..ROW
        },
    ],
};
