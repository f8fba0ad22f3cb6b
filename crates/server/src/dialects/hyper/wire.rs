//! Bodies exactly as the vendor prints them: names, order, and everything a string.

use kunji_vault::PinBlock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::body::Object;

/// The service that every envelope names.
pub(super) const SERVICE: &str = "in.juspay.hyperapi";

/// What an app sends: the members are read one by one, so that the one at fault can be named.
pub(super) type EnvelopeBody = Object<Map<String, Value>>;

/// What an app hears.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventReply<'a, P> {
    pub(super) request_id: &'a str,
    pub(super) service: &'a str,
    pub(super) payload: P,
    pub(super) error: bool,
    pub(super) error_message: &'a str,
    pub(super) error_code: &'a str,
    pub(super) event: &'a str,
}

/// The payload of an error of the SDK.
#[derive(Debug, Serialize)]
pub(super) struct NoPayload {}

/// `initiate`.
#[derive(Debug, Serialize)]
pub(super) struct Initiated {
    pub(super) action: &'static str,
    pub(super) status: &'static str,
}

/// That the customer must enter secrets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptureReply<'a> {
    pub(super) request_id: &'a str,
    pub(super) service: &'a str,
    pub(super) event: &'a str,
    pub(super) payload: CaptureNeeded<'a>,
}

/// What must be entered, where, and until when.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptureNeeded<'a> {
    pub(super) action: &'a str,
    pub(super) capture_id: &'a str,
    pub(super) capture_url: String,
    pub(super) expires_at: String,
    pub(super) txn_id: &'a str,
    pub(super) kid: &'a str,
    pub(super) controls: Vec<Control>,
}

/// One secret to be entered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Control {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) sub_type: &'static str,
    pub(super) d_type: &'static str,
    pub(super) d_length: u8,
}

/// The result of setting or changing an MPIN.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PinResult<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) bank_account_unique_id: &'a str,
    pub(super) account_reference_id: &'a str,
    pub(super) bank_code: &'a str,
    pub(super) customer_mobile_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_vpa: Option<&'a str>,
    pub(super) masked_account_number: String,
    pub(super) gateway_response_code: &'a str,
    pub(super) gateway_response_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<&'a str>,
    pub(super) other_info: &'a str,
}

/// One bank account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) reference_id: String,
    pub(super) bank_account_unique_id: String,
    pub(super) bank_code: String,
    pub(super) bank_name: String,
    pub(super) branch_name: String,
    pub(super) ifsc: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) masked_account_number: String,
    pub(super) mpin_length: String,
    pub(super) mpin_set: &'static str,
    pub(super) otp_length: String,
    pub(super) atm_pin_length: String,
    pub(super) is_primary: &'static str,
}

/// A VPA and an account behind it.
#[derive(Debug, Serialize)]
pub(super) struct VpaAccount {
    pub(super) vpa: String,
    pub(super) account: Account,
}

/// `upiGetSessionToken`, `upiBindActivateDevice` and `updateAuth`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionResult<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) is_device_bound: &'static str,
    pub(super) is_device_activated: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_response_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_response_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vpa_accounts: Option<Vec<VpaAccount>>,
}

/// `upiGetBankList`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BankList<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) bank_list: Vec<BankItem<'a>>,
}

/// One bank.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BankItem<'a> {
    pub(super) upi_enabled: &'static str,
    pub(super) name: &'a str,
    pub(super) iin: &'a str,
    pub(super) ifsc: &'a str,
    pub(super) id: &'a str,
}

/// `upiGetAccounts`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Accounts<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) accounts: Vec<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_response_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gateway_response_message: Option<&'a str>,
    pub(super) other_info: &'a str,
}

/// `upiVpaAvailability`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Availability<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) available: &'static str,
    pub(super) other_info: &'a str,
}

/// Whatever changes links, and `upiDeregister`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Links<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) gateway_response_code: &'a str,
    pub(super) gateway_response_message: &'a str,
    pub(super) customer_mobile_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vpa_accounts: Option<Vec<VpaAccount>>,
    pub(super) other_info: &'a str,
}

/// The three actions about UPI numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberResult<'a> {
    pub(super) action: &'a str,
    pub(super) status: &'a str,
    pub(super) response_code: &'a str,
    pub(super) response_message: &'a str,
    pub(super) merchant_customer_id: &'a str,
    pub(super) customer_mobile_number: String,
    pub(super) upi_number: &'a str,
    pub(super) vpa: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) existing_vpa: Option<&'a str>,
    pub(super) upi_number_status: &'a str,
    pub(super) gateway_transaction_id: &'a str,
    pub(super) gateway_response_status: &'a str,
    pub(super) gateway_response_code: &'a str,
    pub(super) gateway_response_message: &'a str,
    pub(super) gateway_timestamp: String,
    pub(super) other_info: &'a str,
}

/// What the page or an SDK sends: one sealed block for each control.
#[derive(Debug, Deserialize)]
pub(super) struct CredsBody {
    pub(super) creds: Vec<Object<Cred>>,
}

/// One sealed secret.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cred {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sub_type: String,
    #[serde(deserialize_with = "crate::body::object")]
    pub(super) data: CredData,
}

/// The block.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CredData {
    pub(super) encrypted_base64_string: PinBlock,
}

/// The members that a signature of version 2 is over.
#[derive(Debug, Deserialize)]
pub(super) struct SignedV2 {
    pub(super) merchant_id: String,
    pub(super) customer_id: String,
    pub(super) timestamp: String,
    /// Of any type, so that another one than text can be told by its name.
    pub(super) customer_phone: Option<Value>,
}

/// The claims of a signature of version 3.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedV3 {
    pub(super) merchant_id: String,
    pub(super) merchant_customer_id: String,
    pub(super) merchant_channel_id: String,
    pub(super) timestamp: String,
}
