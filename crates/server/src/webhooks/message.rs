//! One event as its merchant reads it: the vendor's body in one of two shapes, and the id that
//! stays through all tries.

use kunji_core::errand::{ErrandKey, NumberChange, NumberNews};
use kunji_core::ids::ChannelId;
use kunji_core::mapper::{Change, Settled};
use serde::Serialize;

use crate::config::Shape;
use crate::mapper_code::status_word;
use crate::wall;

/// `event_name` of every event about a UPI number.
const EVENT_NAME: &str = "MERCHANT_CUSTOMER_PORTED_UPI_NUMBER";

/// What is posted to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// `webhook-id`.
    pub(super) id: String,
    /// The body's bytes, the same at each try.
    pub(super) body: Vec<u8>,
}

/// The members of an event, in the order of the contract page.
macro_rules! number_bodies {
    ($($name:ident as $case:literal),*) => {
        $(
            #[derive(Serialize)]
            #[serde(rename_all = $case)]
            struct $name<'a> {
                #[serde(skip_serializing_if = "Option::is_none")]
                action: Option<&'static str>,
                custom_response: &'static str,
                customer_mobile_number: &'a str,
                gateway_timestamp: String,
                gateway_transaction_id: &'a str,
                merchant_channel_id: &'a str,
                merchant_customer_id: &'a str,
                merchant_id: &'a str,
                status: &'static str,
                #[serde(rename = "type")]
                kind: &'static str,
                upi_number: &'a str,
                #[serde(skip_serializing_if = "Option::is_none")]
                upi_number_status: Option<&'static str>,
                vpa: &'a str,
            }

            impl<'a> $name<'a> {
                fn of(channel: &'a ChannelId, news: &'a NumberNews, serial: &'a str) -> Self {
                    let words = Words::of(news.change);
                    Self {
                        action: words.action,
                        custom_response: "{}",
                        customer_mobile_number: news.mobile.as_str(),
                        gateway_timestamp: wall::indian(news.at),
                        gateway_transaction_id: news.txn.as_ref().map_or(serial, |txn| txn.as_str()),
                        merchant_channel_id: channel.channel.as_str(),
                        merchant_customer_id: news.customer.as_str(),
                        merchant_id: channel.merchant.as_str(),
                        status: words.status,
                        kind: "UPI_NUMBER_MAPPER",
                        upi_number: news.number.as_str(),
                        upi_number_status: words.number_status,
                        vpa: news.vpa.as_str(),
                    }
                }
            }
        )*
    };
}

number_bodies!(FlatBody as "camelCase", UpiBody as "snake_case");

#[derive(Serialize)]
struct WrappedBody<'a> {
    id: String,
    event_name: &'static str,
    date_created: String,
    content: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    merchant_customer: MerchantCustomer<'a>,
}

#[derive(Serialize)]
struct MerchantCustomer<'a> {
    upi: UpiBody<'a>,
}

impl Message {
    /// The message of an event; `None` if it cannot be written, which cannot be.
    pub(super) fn of(
        (channel, shape): (&ChannelId, Shape),
        key: &ErrandKey,
        news: &NumberNews,
    ) -> Option<Self> {
        let ErrandKey { serial, place, .. } = key;
        // A change without a request of its own merchant still has an id at the gateway.
        let gateway = format!("KNJ{serial:030X}{place:02X}");
        let body = match shape {
            Shape::Flat => serde_json::to_vec(&FlatBody::of(channel, news, &gateway)),
            Shape::Wrapped => serde_json::to_vec(&WrappedBody {
                id: format!("evt_V2_{serial:030x}{place:02x}"),
                event_name: EVENT_NAME,
                date_created: wall::second(news.at),
                content: Content {
                    merchant_customer: MerchantCustomer {
                        upi: UpiBody::of(channel, news, &gateway),
                    },
                },
            }),
        };
        // Serials never repeat, over restarts as well. A dot would end the id in what is signed.
        Some(Self { id: format!("msg_{serial:x}_{place}"), body: body.ok()? })
    }
}

/// A change in the vendor's words.
struct Words {
    action: Option<&'static str>,
    status: &'static str,
    number_status: Option<&'static str>,
}

impl Words {
    fn of(change: NumberChange) -> Self {
        let stands = |state: Settled| Some(status_word(&state.into()));
        match change {
            // An older build kept no more of it.
            NumberChange::Now(state) => {
                Self { action: None, status: "SUCCESS", number_status: stands(state) }
            }
            NumberChange::PortedOut => {
                Self { action: Some("PORTED_OUT"), status: "SUCCESS", number_status: None }
            }
            NumberChange::Ended { change, done, state } => Self {
                action: Some(match change {
                    Change::Create => "CREATE",
                    Change::ChangeVpa => "CHANGE_VPA",
                    Change::Disable => "DISABLE",
                    Change::Delete => "DELETE",
                    Change::Reactivate => "REACTIVATE",
                }),
                status: if done { "SUCCESS" } else { "FAILURE" },
                number_status: state.map_or(Some("FAILED"), stands),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use kunji_core::errand::Lane;
    use kunji_core::ids::{MerchantCustomerId, MerchantId, Mobile, TxnId, UpiNumber, Vpa};
    use kunji_core::time::Millis;

    use super::*;

    fn written(shape: Shape, change: NumberChange, txn: Option<&str>) -> String {
        let id = |text| MerchantId::parse(text).unwrap();
        let channel = ChannelId { merchant: id("stock"), channel: id("STOCKAPP") };
        let at = Millis(1_468_531_717_999);
        let lane = Lane::Channel(channel.clone());
        let key = ErrandKey { lane, due: at, serial: 0xabc, place: 1 };
        let news = NumberNews {
            number: UpiNumber::parse("87654321").unwrap(),
            customer: MerchantCustomerId::parse("1234567").unwrap(),
            mobile: Mobile::parse("919876543210").unwrap(),
            vpa: Vpa::parse("something@handle").unwrap(),
            change,
            at,
            txn: txn.map(|txn| TxnId::parse(txn).unwrap()),
        };
        let message = Message::of((&channel, shape), &key, &news).unwrap();
        assert_eq!(message.id, "msg_abc_1");
        String::from_utf8(message.body).unwrap()
    }

    const DISABLED: NumberChange =
        NumberChange::Ended { change: Change::Disable, done: true, state: Some(Settled::Disabled) };

    #[test]
    fn an_event_is_flat_or_wrapped() {
        assert_eq!(
            written(Shape::Flat, DISABLED, Some("STK1")),
            r#"{"action":"DISABLE","customResponse":"{}","customerMobileNumber":"919876543210","gatewayTimestamp":"2016-07-15T02:58:37+05:30","gatewayTransactionId":"STK1","merchantChannelId":"STOCKAPP","merchantCustomerId":"1234567","merchantId":"stock","status":"SUCCESS","type":"UPI_NUMBER_MAPPER","upiNumber":"87654321","upiNumberStatus":"INACTIVE","vpa":"something@handle"}"#,
        );
        assert_eq!(
            written(Shape::Wrapped, DISABLED, Some("STK1")),
            r#"{"id":"evt_V2_000000000000000000000000000abc01","event_name":"MERCHANT_CUSTOMER_PORTED_UPI_NUMBER","date_created":"2016-07-14T21:28:37Z","content":{"merchant_customer":{"upi":{"action":"DISABLE","custom_response":"{}","customer_mobile_number":"919876543210","gateway_timestamp":"2016-07-15T02:58:37+05:30","gateway_transaction_id":"STK1","merchant_channel_id":"STOCKAPP","merchant_customer_id":"1234567","merchant_id":"stock","status":"SUCCESS","type":"UPI_NUMBER_MAPPER","upi_number":"87654321","upi_number_status":"INACTIVE","vpa":"something@handle"}}}}"#,
        );
    }

    /// Action, status and number status; `-` where the member is not there.
    #[test]
    fn every_change_has_its_words() {
        let ended = |change, done, state| NumberChange::Ended { change, done, state };
        let (active, deleted) = (Some(Settled::Active), Some(Settled::Deleted));
        for (change, expected) in [
            (NumberChange::PortedOut, ["PORTED_OUT", "SUCCESS", "-"]),
            (ended(Change::Create, true, active), ["CREATE", "SUCCESS", "ACTIVE"]),
            (ended(Change::Create, false, None), ["CREATE", "FAILURE", "FAILED"]),
            (ended(Change::Create, false, deleted), ["CREATE", "FAILURE", "DEREGISTER"]),
            (ended(Change::ChangeVpa, true, active), ["CHANGE_VPA", "SUCCESS", "ACTIVE"]),
            (ended(Change::Disable, false, active), ["DISABLE", "FAILURE", "ACTIVE"]),
            (ended(Change::Delete, true, deleted), ["DELETE", "SUCCESS", "DEREGISTER"]),
            (ended(Change::Reactivate, true, active), ["REACTIVATE", "SUCCESS", "ACTIVE"]),
            (NumberChange::Now(Settled::Disabled), ["-", "SUCCESS", "INACTIVE"]),
        ] {
            let body: serde_json::Value =
                serde_json::from_str(&written(Shape::Flat, change, None)).unwrap();
            let words = ["action", "status", "upiNumberStatus"]
                .map(|name| body[name].as_str().unwrap_or("-"));
            assert_eq!(words, expected, "{change:?}");
            // Nobody's request id: one of ours.
            assert_eq!(body["gatewayTransactionId"], "KNJ000000000000000000000000000ABC01");
        }
    }
}
