//! The sandbox's merchant, whose secrets are public: they protect nothing.

/// `merchantId`.
pub const MERCHANT: &str = "stock";
/// `merchantChannelId`.
pub const CHANNEL: &str = "STOCKAPP";
/// What its request ids begin with.
pub const REQUEST_PREFIX: &str = "STK";
/// `merchantKeyId`.
pub const KEY_ID: &str = "stock-test-1";
/// The private key as a JWK; the sandbox knows its public half.
pub const KEY: &str = include_str!("merchant-stock.jwk.json");
/// The secret of the channel's checksums.
pub const CHECKSUM_SECRET: &str = "sandbox-checksum-secret";
/// The secret of the webhook that `--webhook` gives to each channel.
pub const WEBHOOK_SECRET: &str = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA==";
