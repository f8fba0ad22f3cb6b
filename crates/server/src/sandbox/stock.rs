//! The sandbox's merchants, whose secrets are public: they protect nothing.

/// One of the sandbox's merchants.
#[derive(Debug)]
pub struct SandboxMerchant {
    /// `merchantId`.
    pub merchant: &'static str,
    /// `merchantChannelId`.
    pub channel: &'static str,
    /// What its request ids begin with.
    pub request_prefix: &'static str,
    /// `merchantKeyId`.
    pub key_id: &'static str,
    /// The secret of the channel's checksums.
    pub checksum_secret: &'static str,
}

/// The merchant that the documents play.
pub const STOCK: SandboxMerchant = SandboxMerchant {
    merchant: "stock",
    channel: "STOCKAPP",
    request_prefix: "STK",
    key_id: "stock-test-1",
    checksum_secret: "sandbox-checksum-secret",
};

/// Another provider, to port numbers to and from.
pub const BROKER: SandboxMerchant = SandboxMerchant {
    merchant: "broker",
    channel: "BROKERAPP",
    request_prefix: "BRK",
    key_id: "broker-test-1",
    checksum_secret: "broker-checksum-secret",
};

/// The private key of both as a JWK; the sandbox knows its public half.
pub const KEY: &str = include_str!("merchant-stock.jwk.json");
/// The secret of the webhook that `--webhook` gives to each channel.
pub const WEBHOOK_SECRET: &str = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA==";
