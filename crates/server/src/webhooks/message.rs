//! One event as its merchant reads it: the body, and the id that stays through all tries.

use kunji_core::errand::{ErrandKey, NumberChange, NumberNews};
use kunji_core::ids::ChannelId;
use kunji_core::mapper::NumberState;
use serde::Serialize;

use crate::wall;

/// What is posted to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// `webhook-id`.
    pub(super) id: String,
    /// The body's bytes, the same at each try.
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: NumberBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NumberBody<'a> {
    merchant_id: &'a str,
    merchant_channel_id: &'a str,
    merchant_customer_id: &'a str,
    customer_mobile_number: &'a str,
    upi_number: &'a str,
    vpa: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_transaction_id: Option<&'a str>,
    gateway_timestamp: String,
}

impl Message {
    /// The message of an event; `None` if it cannot be written, which cannot be.
    pub(super) fn of(channel: &ChannelId, key: &ErrandKey, news: &NumberNews) -> Option<Self> {
        let (kind, status) = words(news.change);
        let body = EventBody {
            kind,
            timestamp: wall::iso(news.at),
            data: NumberBody {
                merchant_id: channel.merchant.as_str(),
                merchant_channel_id: channel.channel.as_str(),
                merchant_customer_id: news.customer.as_str(),
                customer_mobile_number: news.mobile.as_str(),
                upi_number: news.number.as_str(),
                vpa: news.vpa.as_str(),
                status,
                gateway_transaction_id: news.txn.as_ref().map(|txn| txn.as_str()),
                gateway_timestamp: wall::indian(news.at),
            },
        };
        let body = serde_json::to_vec(&body).ok()?;
        // Serials never repeat, over restarts as well. A dot would end the id in what is signed.
        Some(Self { id: format!("msg_{:x}_{}", key.serial, key.place), body })
    }
}

fn words(change: NumberChange) -> (&'static str, &'static str) {
    match change {
        NumberChange::Now(NumberState::Active) => ("upi_number.active", "ACTIVE"),
        NumberChange::Now(NumberState::Disabled) => ("upi_number.disabled", "DISABLED"),
        NumberChange::Now(NumberState::Deleted) => ("upi_number.deleted", "DELETED"),
        NumberChange::PortedOut => ("upi_number.ported_out", "PORTED_OUT"),
    }
}

#[cfg(test)]
mod tests {
    use kunji_core::errand::Lane;
    use kunji_core::ids::{MerchantCustomerId, MerchantId, Mobile, TxnId, UpiNumber, Vpa};
    use kunji_core::time::Millis;

    use super::*;

    #[track_caller]
    fn check(change: NumberChange, txn: Option<&str>, expected: &str) {
        let id = |text| MerchantId::parse(text).unwrap();
        let channel = ChannelId { merchant: id("stock"), channel: id("STOCKAPP") };
        let at = Millis(1_468_531_717_000);
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
        let message = Message::of(&channel, &key, &news).unwrap();
        assert_eq!(message.id, "msg_abc_1");
        assert_eq!(String::from_utf8(message.body).unwrap(), expected);
    }

    #[test]
    fn an_event_tells_the_number_and_who_changed_it() {
        check(
            NumberChange::Now(NumberState::Disabled),
            Some("STK1"),
            r#"{"type":"upi_number.disabled","timestamp":"2016-07-14T21:28:37.000Z","data":{"merchantId":"stock","merchantChannelId":"STOCKAPP","merchantCustomerId":"1234567","customerMobileNumber":"919876543210","upiNumber":"87654321","vpa":"something@handle","status":"DISABLED","gatewayTransactionId":"STK1","gatewayTimestamp":"2016-07-15T02:58:37+05:30"}}"#,
        );
        check(
            NumberChange::PortedOut,
            None,
            r#"{"type":"upi_number.ported_out","timestamp":"2016-07-14T21:28:37.000Z","data":{"merchantId":"stock","merchantChannelId":"STOCKAPP","merchantCustomerId":"1234567","customerMobileNumber":"919876543210","upiNumber":"87654321","vpa":"something@handle","status":"PORTED_OUT","gatewayTimestamp":"2016-07-15T02:58:37+05:30"}}"#,
        );
    }
}
