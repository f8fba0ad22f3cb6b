//! What the vendor's document prints, in its order.

use crate::coverage::printed::{Document, Printed, ROW};

const UPDATE: &str = "update";
const SAMPLE: (&str, &str) = (UPDATE, "the vendor's page, with every member: order, types, echo");

/// "Update UPI Number".
pub(crate) const DOCUMENT: Document = Document {
    dialect: "merchants",
    name: "UPI number server API: Update UPI Number",
    rows: &[
        Printed {
            place: "Request, the time stamp: older requests may be invalidated",
            code: "REQUEST_EXPIRED",
            http: Some(200),
            reached: &[("all calls", "`x-timestamp` or `iat` more than 30 minutes from now")],
            ..ROW
        },
        Printed {
            place: "Request, the checksum over the body",
            code: "INVALID_MERCHANT_CHECKSUM",
            http: Some(401),
            reached: &[("all calls", "a checksum over anything else")],
            ..ROW
        },
        Printed {
            place: "Request, upiNumber: 8 to 10 digits, no leading 0, last three not the same",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "`upiNumber` against its rules")],
            ..ROW
        },
        Printed {
            place: "Request, upiNumber: 10 digits are the own mobile number",
            code: "INVALID_DATA",
            reached: &[(UPDATE, "ten digits that are not the own mobile number")],
            ..ROW
        },
        Printed {
            place: "Request, merchantCustomerId: alphanumeric with dot, up to 256",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "`merchantCustomerId` against its rules")],
            ..ROW
        },
        Printed {
            place: "Request, upiRequestId: 35 alphanumeric characters with the prefix",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "`upiRequestId` against its rules")],
            ..ROW
        },
        Printed {
            place: "Request, vpa: vpa@handle",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "`vpa` or `existingVpa` that is none")],
            ..ROW
        },
        Printed {
            place: "Request, existingVpa: required for CHANGE_VPA",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "CHANGE_VPA without `existingVpa`")],
            ..ROW
        },
        Printed {
            place: "Request, existingVpa and vpa: same customer, same PSP",
            code: "KU04",
            reached: &[(UPDATE, "CHANGE_VPA with an `existingVpa` of another customer or PSP")],
            ..ROW
        },
        Printed {
            place: "Request, action: CHANGE_VPA",
            code: "ACTIVE",
            reached: &[(UPDATE, "ACTIVE: CHANGE_VPA")],
            ..ROW
        },
        Printed {
            place: "Request, action: DISABLE",
            code: "DISABLED",
            reached: &[(UPDATE, "ACTIVE: DISABLE")],
            ..ROW
        },
        Printed {
            place: "Request, action: DELETE",
            code: "DELETED",
            reached: &[(UPDATE, "ACTIVE: DELETE"), (UPDATE, "DISABLED: DELETE")],
            ..ROW
        },
        Printed {
            place: "Request, action: REACTIVATE",
            code: "ACTIVE",
            reached: &[(UPDATE, "DISABLED: REACTIVATE")],
            ..ROW
        },
        Printed {
            place: "Request, device fingerprint and its fallback",
            code: "00",
            reached: &[SAMPLE, (UPDATE, "the second device, where the first is not known")],
            ..ROW
        },
        Printed {
            place: "Request, UDF parameters: stringified JSON",
            code: "BAD_REQUEST",
            reached: &[(UPDATE, "`udfParameters` that hold no JSON object")],
            ..ROW
        },
        Printed {
            place: "Response, status of the API: SUCCESS",
            code: "SUCCESS",
            http: Some(200),
            sentences: &[r#"{"status":"SUCCESS","responseCode":"#],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "Response, status of the API: FAILURE",
            code: "FAILURE",
            http: Some(200),
            sentences: &[r#"{"status":"FAILURE","responseCode":"#],
            reached: &[(UPDATE, "no such customer")],
            ..ROW
        },
        Printed {
            place: "Response, merchant, channel and customer as passed; mobile number of 12 digits",
            sentences: &[
                r#""merchantId":"stock""#,
                r#""merchantChannelId":"STOCKAPP""#,
                r#""merchantCustomerId":"1234567""#,
                r#""customerMobileNumber":"919876543210""#,
            ],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "Response, gateway status: SUCCESS",
            sentences: &[r#""gatewayResponseStatus":"SUCCESS""#],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "Response, gateway status: FAILURE",
            sentences: &[r#""gatewayResponseStatus":"FAILURE""#],
            reached: &[(UPDATE, "ACTIVE: REACTIVATE"), (UPDATE, "DISABLED: CHANGE_VPA")],
            ..ROW
        },
        Printed {
            place: "Response, gateway transaction id: the upiRequestId",
            sentences: &[r#""gatewayTransactionId":"STK"#],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "Response, gateway time stamp: YYYY-MM-DDTHH:MM:SS+05:30",
            sentences: &[r#"+05:30""#],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "Response, UDF parameters",
            sentences: &[r#""udfParameters":"#],
            reached: &[SAMPLE],
            ..ROW
        },
        Printed {
            place: "\"Refer error code section\", \"Refer the table below\"",
            never: &[(
                UPDATE,
                "neither the section nor the table is in the document; the codes are those of the \
                 contract page, each with a case above",
            )],
            ..ROW
        },
    ],
};
