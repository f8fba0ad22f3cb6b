//! Fetch and validity: what there is, and whose it is.

use serde_json::{Value, json};

use super::{
    ARJUN, AT_BROKER, CREATE, FETCH, NISHA, SHAPE, UPDATE, VALIDITY, changed, failed, is_indian,
    refused, said, shapeless,
};
use crate::coverage::{Ground, Said, Table, cases, same, tables};
use crate::support::Kunji;
use crate::support::shape::starred;

const FETCHES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "fetch", "the own mobile number first: numbers, types, states, VPAs" => 200 "00", sample;
        "fetch", "a customer without numbers, and only `merchantCustomerId`" => 200 "00", nothing;
        "fetch", "the same `upiRequestId` again: the stored answer, byte for byte" => 200 "00",
            once;
        "fetch", "the same `upiRequestId` with other content" => 200 "DUPLICATE_REQUEST", other;
        "fetch", "no such customer, or another merchant's" => 200 "INVALID_DATA",
            |kunji| same(["1", "88001"].map(|id| {
                let answer = NISHA.ask(kunji, FETCH, &json!({"merchantCustomerId": id}));
                failed(&answer, "INVALID_DATA", "merchantCustomerId is not known")
            }));
        "fetch", "a device that is named, but not bound" => 200 "DEVICE_FINGERPRINT_MISMATCH",
            |kunji| {
                let body = json!({"merchantCustomerId": "1234567", "deviceFingerPrint": "x"});
                let answer = NISHA.ask(kunji, FETCH, &body);
                let code = "DEVICE_FINGERPRINT_MISMATCH";
                failed(&answer, code, "Device is not bound to the customer")
            };
        "fetch", "`merchantCustomerId` missing or no string" => 200 "BAD_REQUEST",
            |kunji| refused(kunji, FETCH, &json!({}), ("merchantCustomerId", SHAPE), &shapeless());
        "fetch", "`upiRequestId` that is no string" => 200 "BAD_REQUEST",
            |kunji| {
                let body = json!({"merchantCustomerId": "1234567"});
                refused(kunji, FETCH, &body, ("upiRequestId", SHAPE), &shapeless()[1..])
            };
    },
};

const VALIDITIES: Table = Table {
    dialect: "merchants",
    start: Kunji::sandbox,
    ground: Ground::Shared,
    cases: cases! {
        "validity", "a VPA, in any case, of any provider" => 200 "SUCCESS", addresses;
        "validity", "`<number>@mapper.npci`: the VPA and the name behind it" => 200 "SUCCESS",
            |kunji| {
                valid(kunji, "9876543210@mapper.npci", ("something@handle", "Nisha Verma"));
                valid(kunji, "87654321@MAPPER.npci", ("something@handle", "Nisha Verma"))
            };
        "validity", "nobody's VPA or number" => 200 "SUCCESS",
            |kunji| same(
                ["nobody@handle", "me@handle", "23456789@mapper.npci", "1@mapper.npci"]
                    .map(|vpa| invalid(kunji, vpa)),
            );
        "validity", "a disabled number" => 200 "SUCCESS",
            |kunji| invalid(kunji, "765432189@mapper.npci");
        "validity", "a number that was given back" => 200 "SUCCESS",
            |kunji| {
                NISHA.ask(kunji, UPDATE, &NISHA.update("87654321", "DELETE"));
                invalid(kunji, "87654321@mapper.npci")
            };
        "validity", "`udfParameters` are echoed" => 200 "SUCCESS",
            |kunji| {
                let body = json!({"customerVpa": "x@y", "udfParameters": "{\"a\":\"b\"}"});
                let answer = NISHA.ask(kunji, VALIDITY, &body);
                assert!(answer.text().ends_with(r#","udfParameters":"{\"a\":\"b\"}"}"#));
                said(&answer)
            };
        "validity", "`customerVpa` missing or no string" => 200 "BAD_REQUEST",
            |kunji| refused(kunji, VALIDITY, &json!({}), ("customerVpa", SHAPE), &shapeless());
        "validity", "`customerVpa` that is none" => 200 "BAD_REQUEST",
            |kunji| {
                let values = ["", "9876543210", "@mapper.npci", "a@b@c"].map(Value::from);
                let rule = ("customerVpa", "is not vpa@handle");
                refused(kunji, VALIDITY, &json!({}), rule, &values)
            };
    },
};

tables! {
    all_numbers_of_a_customer_are_told plays FETCHES;
    an_address_is_somebody_s_or_nobody_s plays VALIDITIES;
}

fn sample(kunji: &Kunji) -> Said {
    let txn = NISHA.txn();
    let body = json!({
        "merchantCustomerId": "1234567",
        "upiRequestId": txn,
        "deviceFingerPrint": NISHA.device,
        "udfParameters": "{}",
    });
    let answer = NISHA.ask(kunji, FETCH, &body);
    let expected = format!(
        r#"{{"status":"SUCCESS","responseCode":"SUCCESS","responseMessage":"SUCCESS","payload":{{"merchantId":"stock","merchantChannelId":"STOCKAPP","merchantCustomerId":"1234567","customerMobileNumber":"919876543210","upiNumbers":[{{"upiNumber":"9876543210","upiNumberType":"MOBILE_NUMBER","status":"ACTIVE","vpa":"something@handle"}},{{"upiNumber":"765432189","upiNumberType":"NUMERIC_ID","status":"DISABLED","vpa":"second@handle"}},{{"upiNumber":"87654321","upiNumberType":"NUMERIC_ID","status":"ACTIVE","vpa":"something@handle"}}],"gatewayTransactionId":"{txn}","gatewayResponseStatus":"SUCCESS","gatewayResponseCode":"00","gatewayResponseMessage":"Success","gatewayTimestamp":"*"}},"udfParameters":"{{}}"}}"#
    );
    assert_eq!(starred(&answer.text(), "gatewayTimestamp", is_indian), expected);
    said(&answer)
}

fn nothing(kunji: &Kunji) -> Said {
    let answer = AT_BROKER.ask(kunji, FETCH, &json!({"merchantCustomerId": "88001"}));
    let expected = r#"{"status":"SUCCESS","responseCode":"SUCCESS","responseMessage":"SUCCESS","payload":{"merchantId":"broker","merchantChannelId":"BROKERAPP","merchantCustomerId":"88001","customerMobileNumber":"919876543210","upiNumbers":[],"gatewayResponseStatus":"SUCCESS","gatewayResponseCode":"00","gatewayResponseMessage":"Success","gatewayTimestamp":"*"}}"#;
    assert_eq!(starred(&answer.text(), "gatewayTimestamp", is_indian), expected);
    said(&answer)
}

fn once(kunji: &Kunji) -> Said {
    let body = json!({"merchantCustomerId": ARJUN.customer, "upiRequestId": ARJUN.txn()});
    let first = ARJUN.ask(kunji, FETCH, &body);
    ARJUN.ask(kunji, CREATE, &ARJUN.create("23456789"));
    assert_eq!(ARJUN.holds(kunji).len(), 1);
    let second = ARJUN.ask(kunji, FETCH, &body);
    assert_eq!(first.text(), second.text());
    said(&second)
}

fn other(kunji: &Kunji) -> Said {
    let body = json!({"merchantCustomerId": ARJUN.customer, "upiRequestId": ARJUN.txn()});
    assert_eq!(said(&ARJUN.ask(kunji, FETCH, &body)).code, "00");
    let body = changed(&body, "merchantCustomerId", &json!(NISHA.customer));
    let answer = ARJUN.ask(kunji, FETCH, &body);
    failed(&answer, "DUPLICATE_REQUEST", "upiRequestId was used for other content")
}

fn addresses(kunji: &Kunji) -> Said {
    valid(kunji, "something@handle", ("something@handle", "Nisha Verma"));
    valid(kunji, "me@broker", ("me@broker", "Nisha Verma"));
    valid(kunji, "Third@HANDLE", ("third@handle", "Arjun Das"))
}

fn validity(kunji: &Kunji, asked: &str, (fits, vpa, name): (bool, &str, &str)) -> Said {
    let answer = NISHA.ask(kunji, VALIDITY, &json!({"customerVpa": asked}));
    let expected = format!(
        r#"{{"status":"SUCCESS","responseCode":"SUCCESS","responseMessage":"SUCCESS","payload":{{"merchantId":"stock","merchantChannelId":"STOCKAPP","isCustomerVpaValid":{fits},"customerVpa":"{vpa}","customerName":"{name}"}}}}"#
    );
    assert_eq!(answer.text(), expected);
    said(&answer)
}

fn valid(kunji: &Kunji, asked: &str, (vpa, name): (&str, &str)) -> Said {
    validity(kunji, asked, (true, vpa, name))
}

fn invalid(kunji: &Kunji, asked: &str) -> Said {
    validity(kunji, asked, (false, asked, ""))
}
