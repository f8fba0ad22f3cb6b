//! What the vendor's document prints, in its order.

use crate::coverage::printed::{Document, Printed, ROW, Sample};

const BY_ID: &str = "change MPIN, by test id";
const LIVE: &str = "change MPIN, live";

/// "UPI Change MPIN API".
pub(crate) const DOCUMENT: Document = Document {
    dialect: "axis",
    name: "Axis-style bank API: UPI Change MPIN API",
    rows: &[
        Printed {
            place: "Response Body (Success)",
            code: "00",
            sentences: &["Success"],
            sample: Sample::Shape(SUCCESS),
            reached: &[SAMPLE, (LIVE, "the old MPIN is right, the new one is fit")],
            ..ROW
        },
        Printed {
            place: "Decoded Data (Success)",
            code: "MPIN_CHANGED",
            sentences: &["UPI MPIN has been changed successfully"],
            sample: Sample::Shape(DATA),
            reached: &[SAMPLE, (LIVE, "the old MPIN is right, the new one is fit")],
            ..ROW
        },
        Printed {
            place: "Error Scenarios, 1",
            code: "E40101",
            http: Some(401),
            sentences: &["Incorrect old MPIN", "The old MPIN provided is incorrect"],
            sample: Sample::Exact(WRONG_MPIN),
            reached: &[(BY_ID, "test id `2`"), (LIVE, "wrong old MPIN")],
            ..ROW
        },
        Printed {
            place: "Error Scenarios, 2",
            code: "E40001",
            http: Some(400),
            sentences: &[
                "Invalid input parameters",
                "Mandatory field missing",
                "One or more mandatory fields are missing or invalid",
            ],
            sample: Sample::Exact(INVALID_INPUT),
            reached: &[
                (BY_ID, "test id `3`"),
                (BY_ID, "any required member missing"),
                (LIVE, "unknown account, other customer, other VPA: not told apart"),
                (LIVE, "IFSC, bank or masked number contradict the account, in every combination"),
                (LIVE, "a credential of another type than PIN, or another subtype than MPIN"),
            ],
            ..ROW
        },
        Printed {
            place: "Error Scenarios, 3",
            code: "E40004",
            http: Some(400),
            sentences: &["MPIN validation failed", "New MPIN does not meet security requirements"],
            sample: Sample::Exact(WEAK_MPIN),
            reached: &[
                (BY_ID, "test id `4`"),
                (LIVE, "new MPIN refused by any rule"),
                (LIVE, "new MPIN is one of the last 3"),
            ],
            ..ROW
        },
        Printed {
            place: "Error Scenarios, 4",
            code: "E40002",
            http: Some(400),
            sentences: &["Invalid test ID", "The provided test ID is not supported"],
            sample: Sample::Exact(INVALID_TEST_ID),
            reached: &[
                (BY_ID, "test id `5`"),
                (BY_ID, "test id `01`, `1.0`, `+1`, `11`, `one`: compared as text"),
                (BY_ID, "test id empty"),
                (BY_ID, "test id missing"),
            ],
            never: &[(LIVE, "the account decides, and the test id is not looked at")],
        },
        Printed { place: "Test IDs, 1", code: "00", reached: &[SAMPLE], ..ROW },
        Printed {
            place: "Test IDs, 2",
            code: "E40101",
            http: Some(401),
            reached: &[(BY_ID, "test id `2`")],
            ..ROW
        },
        Printed {
            place: "Test IDs, 3",
            code: "E40001",
            http: Some(400),
            reached: &[(BY_ID, "test id `3`")],
            ..ROW
        },
        Printed {
            place: "Test IDs, 4",
            code: "E40004",
            http: Some(400),
            reached: &[(BY_ID, "test id `4`")],
            ..ROW
        },
        Printed {
            place: "Test IDs, 5+",
            code: "E40002",
            http: Some(400),
            reached: &[(BY_ID, "test id `5`")],
            ..ROW
        },
        Printed { place: "Sample Request", code: "00", reached: &[SAMPLE], ..ROW },
    ],
};

/// The sample request is answered as test id 1 says.
const SAMPLE: (&str, &str) = (BY_ID, "test id `1`: the vendor's own sample");

const SUCCESS: &str = r#"{
  "SubHeader": {
    "responseUUID": "string",
    "serviceResponseId": "string",
    "serviceResponseVersion": "string",
    "channelId": "string"
  },
  "SetResetMPINResponseBody": {
    "code": "00",
    "status": "Success",
    "data": "base64EncodedString"
  }
}"#;

const DATA: &str = r#"{
  "txnId": "string",
  "customerId": "string",
  "bank": "string",
  "account": {
    "accRefNumber": "string",
    "name": "string",
    "vpa": "string"
  },
  "status": "MPIN_CHANGED",
  "timestamp": "string",
  "message": "UPI MPIN has been changed successfully"
}"#;

const WRONG_MPIN: &str = r#"{
  "message": "Incorrect old MPIN",
  "error": {
    "errors": [
      {
        "errorCode": "E40101",
        "errorMessage": "Incorrect old MPIN",
        "errorDescription": "The old MPIN provided is incorrect"
      }
    ]
  },
  "statusCode": 401
}"#;

const INVALID_INPUT: &str = r#"{
  "message": "Invalid input parameters",
  "error": {
    "errors": [
      {
        "errorCode": "E40001",
        "errorMessage": "Mandatory field missing",
        "errorDescription": "One or more mandatory fields are missing or invalid"
      }
    ]
  },
  "statusCode": 400
}"#;

const WEAK_MPIN: &str = r#"{
  "message": "MPIN validation failed",
  "error": {
    "errors": [
      {
        "errorCode": "E40004",
        "errorMessage": "MPIN validation failed",
        "errorDescription": "New MPIN does not meet security requirements"
      }
    ]
  },
  "statusCode": 400
}"#;

const INVALID_TEST_ID: &str = r#"{
  "message": "Invalid test ID",
  "error": {
    "errors": [
      {
        "errorCode": "E40002",
        "errorMessage": "Invalid test ID",
        "errorDescription": "The provided test ID is not supported"
      }
    ]
  },
  "statusCode": 400
}"#;
