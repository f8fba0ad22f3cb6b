//! The prepaid card API, row for row of its contract.

mod document;
mod holder;
mod keys;
mod numbers;
mod reasons;
mod reset;
mod siblings;
mod tokens;

use serde_json::{Value, json};
use ureq::http::Method;

pub(crate) use self::document::DOCUMENT;
use crate::coverage::{Said, same};
use crate::support::shape::{is_compact, is_number, starred};
use crate::support::{Answer, CLIENT, Kunji, fresh, opened_text, token};

const CUSTOMER: &str = "IN00001201001868";
const URN: u64 = 70_000_000_008;

/// One call: where it is, and what its answers say of it.
struct Call {
    path: &'static str,
    method: Method,
    /// `messageCode` of the request.
    asked: &'static str,
    /// `messageCode` of the answer, as it stands in JSON.
    answered: &'static str,
    /// A success, byte for byte; changing parts are stars, echoes stand in brackets.
    success: &'static str,
}

const RESET: Call = Call {
    path: "/mob1/api/onboarding/v1/resetPin",
    method: Method::POST,
    asked: "1120",
    answered: "\"1121\"",
    success: r#"{"urn":<urn>,"customerId":"IN00001201001868","description":"Reset Pin","responseCode":"00","messageCode":"1121","clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","accosaTransactionId":*,"responseMessage":"Success","accosaRefNo":"*","bankId":7000}"#,
};
const RESET_V3: Call = Call { path: "/mob1/api/onboarding/v3/resetPin", ..RESET };
const RESET_BARE: Call = Call { path: "/resetPin", ..RESET };
const CREATE: Call = Call {
    path: "/mob1/api/issuance/v1/createCard",
    method: Method::POST,
    asked: "1010",
    answered: "1011",
    success: r#"{"urn":*,"customerId":"<customer>","description":"Card Creation","responseCode":"201","messageCode":1011,"clientTxnId":"<txn>","responseDateTime":"*","clientId":"2000","accosaTransactionId":*,"responseMessage":"CARD_CREATED_SUCCESSFULLY","bankId":7000,"accosaRefNo":"*","cardNumber":"*","cardExpiry":"*","cardProfileId":150,"loadAmount":500}"#,
};
const VERIFY: Call = Call {
    path: "/mob1/api/onboarding/v1/verifyCardholder",
    method: Method::POST,
    asked: "3020",
    answered: "3021",
    success: r#"{"urn":70000000008,"customerId":"IN00001201001868","responseCode":"00","messageCode":3021,"clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","accosaTransactionId":*,"responseMessage":"SUCCESS","bankId":7000,"last4Digits":"1745","cardType":"PREPAID CARD","isPanValid":"N","kycStatus":"NO CDD"}"#,
};
const INQUIRY: Call = Call {
    path: "/mob1/api/onboarding/v1/cardInquiry",
    method: Method::POST,
    asked: "1090",
    answered: "1091",
    success: r#"{"urn":<urn>,"customerId":"IN00001201001868","description":"<standing>","responseCode":"00","messageCode":1091,"clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","responseMessage":"SUCCESS","bankId":7000,"cardNumber":"XXXXXXXXXXXX<last4>","cardExpiry":"<expiry>","cardStatus":"<status>","availableBalance":"0","availableCashLimit":"0"}"#,
};
const BLOCK: Call = Call {
    path: "/mob1/api/onboarding/v1/block",
    method: Method::PATCH,
    asked: "1240",
    answered: "1241",
    success: r#"{"urn":<urn>,"customerId":"IN00001201001868","description":"Blocking","responseCode":"00","messageCode":1241,"clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","accosaTransactionId":*,"responseMessage":"SUCCESS","accosaRefNo":"*","bankId":7000}"#,
};
const UNBLOCK: Call = Call {
    path: "/mob1/api/onboarding/v1/unblock",
    method: Method::PATCH,
    asked: "1250",
    answered: "\"1251\"",
    success: r#"{"urn":<urn>,"customerId":"IN00001201001868","description":"UnBlocking","responseCode":"00","messageCode":"1251","clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","accosaTransactionId":*,"responseMessage":"Success","accosaRefNo":"*","bankId":7000}"#,
};
const STATUS: Call = Call {
    path: "/mob1/api/onboarding/v1/checkStatus",
    method: Method::POST,
    asked: "2050",
    answered: "2051",
    success: r#"{"urn":<urn>,"responseCode":"<code>","messageCode":2051,"clientTxnId":"<txn>","clientId":"2000","responseDateTime":"*","responseMessage":"SUCCESS","bankId":7000,"response_dump":[<dump>]}"#,
};

/// Every call that comes in a token.
const CALLS: [Call; 9] =
    [RESET, RESET_V3, RESET_BARE, CREATE, VERIFY, INQUIRY, BLOCK, UNBLOCK, STATUS];

/// `responseMessage` of every failure.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    ("1001", "CARD_NOT_FOUND"),
    ("1009", "CARD_CANCELLED_CLOSED_EXPIRED"),
    ("1010", "CARD_TEMPORARY_BLOCK"),
    ("1011", "CARD_PERMANENT_BLOCK"),
    ("1030", "INVALID_MESSAGE"),
    ("1031", "INVALID_BANK_ID"),
    ("1032", "INVALID_CLIENT_CHANNEL"),
    ("1034", "INVALID_MOBILE_NUMBER"),
    ("1045", "UNABLE_TO_PROCESS_REQUEST"),
    ("1049", "INVALID_SECURE_CODE"),
    ("1054", "DUPLICATE_REQUEST"),
    ("1055", "MALFORMED_REQUEST"),
    ("1056", "INVALID_MESSAGE_CODE"),
    ("1067", "CARD_ALREADY_UNBLOCKED"),
    ("1081", "OPERATION_NOT_ALLOWED"),
    ("1083", "URN AND LAST 4 DIGITS MISMATCH"),
    ("1084", "CARD_CUSTOMER_ID_MISMATCH"),
    ("1088", "INVALID_DATE_FORMAT"),
    ("1090", "CARD_PROFILEID_MANDATORY"),
    ("1091", "INVALID_CARDPROFILE_ID"),
    ("1092", "INVALID_EMAIL_ADDRESS"),
    ("1093", "INVALID_CLIENT_TXN_ID"),
    ("1112", "INVALID_BLOCK_TYPE"),
    ("1117", "CARD_DEBIT_BLOCK"),
    ("1118", "CARD_CREDIT_BLOCK"),
    ("1121", "CARD_CREDIT_DEBIT_BLOCK"),
    ("1131", "CARD_CUSTOM_BLOCK"),
    ("1231", "DATA_NOT_FOUND"),
    ("1237", "DUPLICATE_MOBILE_NUMBER_WITH_MULTIPLE_ACCOUNT"),
    ("1245", "CUSTOMER_ID_CAN_NOT_BE_EMPTY"),
    ("1262", "CLIENT_ID_NOT_PRESENT"),
    ("1264", "BANK_ID_NOT_PRESENT"),
    ("1290", "FIRSTNAME_CANNOT_BE_BLANK"),
    ("1291", "LASTNAME_CANNOT_BE_BLANK"),
    ("1292", "CARD_STATUS_CANNOT_BE_BLANK"),
    ("1293", "INVAILD_CARD_STATUS"),
    ("1295", "PRDUCT_ID_CANNOT_BE_BLANK"),
    ("1306", "PROFILE_NOTFOUND"),
    ("1309", "CARDPROFILE_MISTMATCH"),
    ("1310", "XCONSUMERKEY_NOT_PRESENT"),
    ("1311", "SECURE_CODE_NOT_PRESENT"),
    ("1317", "DATE_OF_BIRTH_IS_MANDATORY"),
    ("1320", "REQUEST_DATETIME_IS_MANDATORY"),
    ("1332", "URN_MOBILE_EMAIL_MISSING"),
    ("1333", "LAST4DIGIT_EXPIRY_DOB_MISSING"),
    ("1334", "WRONG_CUSTOMER_IDENTIFIER_NOT_ALLOWED"),
    ("1335", "INVALID_LAST_4_DIGIT"),
    ("1336", "CUSTOMER_WITH_MULTIPLE_ACCOUNT"),
    ("1356", "CARD_NOT_ACTIVE"),
    ("29201", "NO_API_RESPONSE_DUMP_AVAILABLE_FOR_THE_CLIENT_TXN_ID"),
];

fn message(code: &str) -> &'static str {
    MESSAGES.iter().find(|(known, _)| *known == code).unwrap_or_else(|| panic!("{code}")).1
}

impl Call {
    /// A request of this call about the seed's first card, under an id of its own.
    fn request(&self) -> Value {
        json!({
            "messageCode": self.asked,
            "requestDateTime": "20160715025837",
            "clientTxnId": fresh("P"),
            "urn": URN,
            "last4Digits": "1745",
            "customerId": CUSTOMER,
        })
    }

    /// A request with members in place of, or beside, the usual ones; `null` leaves one out.
    fn with(&self, members: &Value) -> Value {
        let mut request = self.request();
        let object = request.as_object_mut().unwrap();
        for (name, value) in members.as_object().unwrap() {
            if value.is_null() {
                object.remove(name);
            } else {
                object.insert(name.clone(), value.clone());
            }
        }
        request
    }

    /// Sends a request in a token.
    fn send(&self, kunji: &Kunji, asked: &Value) -> Answer {
        self.send_with(kunji, CLIENT, asked)
    }

    fn send_with(&self, kunji: &Kunji, headers: &[(&str, &str)], asked: &Value) -> Answer {
        self.send_text(kunji, headers, &asked.to_string())
    }

    /// Sends what stands within the token, word for word.
    fn send_text(&self, kunji: &Kunji, headers: &[(&str, &str)], text: &str) -> Answer {
        let body = json!({ "token": token(text) }).to_string();
        kunji.send(self.method.clone(), self.path, headers, body)
    }

    /// Sends a request and reads the answer.
    fn said(&self, kunji: &Kunji, asked: &Value) -> Said {
        self.read(asked, &self.send(kunji, asked))
    }

    /// Reads an answer: its text is the vendor's, apart from changing parts.
    #[track_caller]
    fn read(&self, asked: &Value, answer: &Answer) -> Said {
        if answer.json().get("token").is_none() {
            return plain_said(answer);
        }
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let text = inner_text(answer);
        let inner: Value = serde_json::from_str(&text).unwrap();
        let code = inner["responseCode"].as_str().unwrap().to_owned();
        let mut starry = starred(&text, "responseDateTime", is_compact);
        let done = ["00", "201", "0"].contains(&code.as_str());
        for member in ["accosaTransactionId", "accosaRefNo", "cardNumber", "cardExpiry"] {
            let changes = self.success.contains(&format!("\"{member}\":*"))
                || self.success.contains(&format!("\"{member}\":\"*"));
            let numbers = !done && member.starts_with("accosa");
            if numbers || (done && changes) {
                starry = starred(&starry, member, shape_of(member));
            }
        }
        if done && self.asked == CREATE.asked {
            starry = starred(&starry, "urn", |urn| urn.len() == 11 && urn.starts_with('7'));
        }
        let expected = match done {
            true => self.filled(asked),
            false => self.failure(asked, &code),
        };
        assert_eq!(starry, expected);
        Said { http: answer.status, code }
    }

    /// The text of a success.
    fn filled(&self, asked: &Value) -> String {
        let text = |member: &str| {
            let value = &asked[member];
            value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
        };
        self.success
            .replace("<urn>", &text("urn"))
            .replace("<txn>", &text("clientTxnId"))
            .replace("<customer>", &text("customerId"))
            .replace("<last4>", &text("last4Digits"))
            .replace("<expiry>", "1235")
            .replace("<standing>", "Active")
            .replace("<status>", "0")
    }

    /// The text of a failure: the echoes that are there, the code, the message and the time.
    fn failure(&self, asked: &Value, code: &str) -> String {
        let echo = |name: &str| {
            let number = asked[name].as_u64().map(|number| number.to_string());
            let floating = || asked[name].as_f64().map(|number| number.to_string());
            let number = number.or_else(floating);
            let text = asked[name].as_str().map(|text| text.trim().to_owned());
            number.or(text).filter(|text| !text.is_empty())
        };
        let urn = echo("urn").and_then(|urn| urn.parse::<u64>().ok());
        let urn = urn.map(|urn| format!("\"urn\":{urn},")).unwrap_or_default();
        let quoted = |name: &str| {
            echo(name).map(|text| format!("\"{name}\":{},", json!(text))).unwrap_or_default()
        };
        let (customer, txn) = (quoted("customerId"), quoted("clientTxnId"));
        let (answered, message) = (self.answered, message(code));
        format!(
            r#"{{{urn}{customer}"responseCode":"{code}","messageCode":{answered},{txn}"clientId":"2000","responseDateTime":"*","accosaTransactionId":*,"responseMessage":"{message}","accosaRefNo":"*","bankId":7000}}"#
        )
    }
}

/// The shape of what changes from success to success.
fn shape_of(member: &str) -> fn(&str) -> bool {
    match member {
        "cardNumber" => |number| number.len() == 16 && number.starts_with("XXXXXXXXXXXX"),
        "cardExpiry" => |expiry| expiry.len() == 4,
        "accosaTransactionId" => |number| is_number(number) && number.len() <= 10,
        "accosaRefNo" => |number| is_number(number) && number.len() == 20,
        _ => is_number,
    }
}

/// What stands in an answer's token.
fn inner_text(answer: &Answer) -> String {
    let outer = answer.json();
    let token = outer["token"].as_str().unwrap();
    assert_eq!(answer.text(), format!("{{\"token\":\"{token}\"}}"));
    opened_text(token)
}

/// Reads a failure without a token.
#[track_caller]
fn plain_said(answer: &Answer) -> Said {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let text = starred(&answer.text(), "responseDateTime", is_compact);
    let code = answer.json()["responseCode"].as_str().unwrap().to_owned();
    let message = message(&code);
    assert_eq!(
        text,
        format!(
            r#"{{"responseCode":"{code}","responseDateTime":"*","responseMessage":"{message}"}}"#
        )
    );
    Said { http: answer.status, code }
}

/// A call's answers to one member with each of these values; `null` also stands for none.
fn each(kunji: &Kunji, call: &Call, usual: &Value, member: &str, values: &[Value]) -> Said {
    let mut all = Vec::new();
    for value in values {
        let mut asked = call.with(usual);
        asked[member] = value.clone();
        if value.is_null() {
            let mut without = call.with(usual);
            without.as_object_mut().unwrap().remove(member);
            all.push(without);
        }
        all.push(asked);
    }
    same(all.iter().map(|asked| {
        println!("{asked}");
        call.said(kunji, asked)
    }))
}

/// The tables of all calls of this dialect.
pub(crate) fn tables() -> Vec<(&'static str, &'static crate::coverage::Table)> {
    let modules = [reset::TABLES, holder::TABLES, siblings::TABLES, tokens::TABLES, keys::TABLES];
    modules.into_iter().flatten().copied().collect()
}
