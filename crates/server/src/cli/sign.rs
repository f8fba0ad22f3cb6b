//! `kunji sign`: what a merchant does before it sends, in each of the ways that are understood.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use kunji_vault::{HmacKey, JweParts, JwsParts, RsaKeyError, RsaPrivate, RsaScheme};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Output, fetch, print, print_json, read_stdin};
use crate::config::SecretSource;
use crate::sandbox::stock::{self, BROKER, STOCK, SandboxMerchant};
use crate::wall;

#[derive(Debug, Subcommand)]
pub(super) enum SignCommand {
    /// Members for an SDK payload: base64 of RSA with SHA-256 over the signaturePayload.
    ///
    /// The signaturePayload comes from standard input, or is made for --customer.
    V2(V2Args),
    /// Members for an SDK payload: the three parts of a JWS.
    ///
    /// The claims come from standard input, or are made for --customer.
    V3(V3Args),
    /// Headers for the body on standard input: HMAC-SHA-256 under the channel's secret.
    ///
    /// One line break at its end is not signed, as `curl -d @FILE` does not send it.
    Checksum(HeaderArgs),
    /// Headers for the body on standard input: RSASSA-PSS with SHA-256, 32 bytes of salt.
    ///
    /// One line break at its end is not signed, as `curl -d @FILE` does not send it.
    Signature(HeaderArgs),
    /// The body on standard input as a JWS; `iat` is filled in when it is not there.
    Jws(JwsArgs),
    /// The same, sealed in a JWE for the server.
    Jwe(JweArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeyArgs {
    /// env:NAME or file:PATH: an RSA key (PEM or JWK), for a checksum the channel's secret.
    #[arg(long, value_name = "SOURCE", allow_hyphen_values = true)]
    key: Option<SecretSource>,
    /// Take the keys and the names of the sandbox's merchant: stock, or the one in --merchant.
    #[arg(long)]
    sandbox: bool,
}

#[derive(Debug, Args)]
pub(super) struct V2Args {
    #[command(flatten)]
    key: KeyArgs,
    /// The key's id at the server.
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// `merchant_id`.
    #[arg(long, requires = "customer")]
    merchant: Option<String>,
    /// `customer_id`.
    #[arg(long)]
    customer: Option<String>,
    /// `customer_phone`.
    #[arg(long, requires = "customer")]
    phone: Option<String>,
    /// Milliseconds since 1970; now, if it is not given.
    #[arg(long, value_name = "MS", requires = "customer")]
    timestamp: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct V3Args {
    #[command(flatten)]
    key: KeyArgs,
    /// The key's id at the server.
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// `merchantId`.
    #[arg(long, requires = "customer")]
    merchant: Option<String>,
    /// `merchantChannelId`.
    #[arg(long, requires = "customer")]
    channel: Option<String>,
    /// `merchantCustomerId`.
    #[arg(long)]
    customer: Option<String>,
    /// Milliseconds since 1970; now, if it is not given.
    #[arg(long, value_name = "MS", requires = "customer")]
    timestamp: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct HeaderArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// `x-merchant-id`.
    #[arg(long)]
    merchant: Option<String>,
    /// `x-merchant-channel-id`.
    #[arg(long)]
    channel: Option<String>,
    /// Milliseconds since 1970; now, if it is not given.
    #[arg(long, value_name = "MS")]
    timestamp: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct JwsArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// The key's id at the server.
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// Milliseconds since 1970 for `iat`; now, if it is not given.
    #[arg(long, value_name = "MS")]
    timestamp: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct JweArgs {
    #[command(flatten)]
    jws: JwsArgs,
    /// The server's public keys: a file, or the http:// address of a JWK set.
    #[arg(
        long,
        value_name = "FILE|URL",
        default_value = "http://127.0.0.1:7400/.well-known/jwks.json"
    )]
    jwks: String,
}

pub(super) fn run(command: &SignCommand, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        SignCommand::V2(args) => members(&args.members()?, output)?,
        SignCommand::V3(args) => members(&args.members()?, output)?,
        SignCommand::Checksum(args) => headers(&args.checksum(&read_stdin()?)?, output)?,
        SignCommand::Signature(args) => headers(&args.signature(&read_stdin()?)?, output)?,
        SignCommand::Jws(args) => print_json(&serde_json::to_value(args.jws()?)?)?,
        SignCommand::Jwe(args) => print_json(&serde_json::to_value(args.jwe()?)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl KeyArgs {
    fn rsa(&self) -> anyhow::Result<RsaPrivate> {
        let text = self.text(stock::KEY)?;
        let forms = RsaKeyError::PRIVATE_FORMS;
        RsaPrivate::parse(&text).map_err(|problem| anyhow::anyhow!("--key: {problem}; {forms}"))
    }

    fn hmac(&self, sandbox: &SandboxMerchant) -> anyhow::Result<HmacKey> {
        let text = self.text(sandbox.checksum_secret)?;
        HmacKey::parse(&text).context("--key")
    }

    fn text(&self, sandbox: &str) -> anyhow::Result<Zeroizing<String>> {
        match &self.key {
            Some(source) => Ok(source.read("--key")?),
            None => Ok(Zeroizing::new(sandbox.to_owned())),
        }
    }

    /// The sandbox's merchant of this name, the first one where none is given.
    fn sandbox(&self, merchant: Option<&str>) -> anyhow::Result<&'static SandboxMerchant> {
        match merchant {
            Some(name) if name == BROKER.merchant => Ok(&BROKER),
            Some(name) if self.sandbox && name != STOCK.merchant => {
                anyhow::bail!("--merchant: the sandbox has stock and broker")
            }
            Some(_) | None => Ok(&STOCK),
        }
    }

    /// What was given, else what the sandbox's merchant has.
    fn name<'a>(
        &self,
        given: Option<&'a str>,
        sandbox: &'a str,
        flag: &'static str,
    ) -> anyhow::Result<&'a str> {
        match (given, self.sandbox) {
            (Some(given), _) => Ok(given),
            (None, true) => Ok(sandbox),
            (None, false) => anyhow::bail!("{flag} is missing"),
        }
    }
}

impl V2Args {
    fn members(&self) -> anyhow::Result<Map<String, Value>> {
        let sandbox = self.key.sandbox(self.merchant.as_deref())?;
        let kid = self.key.name(self.kid.as_deref(), sandbox.key_id, "--kid")?;
        let key = self.key.rsa()?;
        let payload = match &self.customer {
            None => object_text()?,
            Some(customer) => {
                let merchant = self.merchant.as_deref();
                let merchant = self.key.name(merchant, sandbox.merchant, "--merchant")?;
                let mut payload = Map::new();
                payload.insert("merchant_id".to_owned(), json!(merchant));
                payload.insert("customer_id".to_owned(), json!(customer));
                payload.insert("timestamp".to_owned(), json!(stamp(self.timestamp)));
                if let Some(phone) = &self.phone {
                    payload.insert("customer_phone".to_owned(), json!(phone));
                }
                Zeroizing::new(Value::Object(payload).to_string())
            }
        };
        let signature = key.sign(RsaScheme::Pkcs1, &[payload.as_bytes()])?;
        Ok(pairs([
            ("merchantKeyId", kid.to_owned()),
            ("signature", STANDARD.encode(signature)),
            ("signaturePayload", payload.to_string()),
        ]))
    }
}

impl V3Args {
    fn members(&self) -> anyhow::Result<Map<String, Value>> {
        let sandbox = self.key.sandbox(self.merchant.as_deref())?;
        let kid = self.key.name(self.kid.as_deref(), sandbox.key_id, "--kid")?;
        let key = self.key.rsa()?;
        let claims = match &self.customer {
            None => object_text()?,
            Some(customer) => {
                let (merchant, channel) = (self.merchant.as_deref(), self.channel.as_deref());
                let claims = json!({
                    "merchantId": self.key.name(merchant, sandbox.merchant, "--merchant")?,
                    "merchantCustomerId": customer,
                    "merchantChannelId": self.key.name(channel, sandbox.channel, "--channel")?,
                    "timestamp": stamp(self.timestamp),
                });
                Zeroizing::new(claims.to_string())
            }
        };
        let JwsParts { protected, payload, signature } =
            key.sign_jws(Some(kid), claims.as_bytes())?;
        Ok(pairs([
            ("protected", protected),
            ("signaturePayload", payload),
            ("signature", signature),
        ]))
    }
}

impl HeaderArgs {
    fn checksum(&self, body: &str) -> anyhow::Result<[(&'static str, String); 4]> {
        let key = self.key.hmac(self.key.sandbox(self.merchant.as_deref())?)?;
        self.headers("x-merchant-checksum", body, |parts| Ok(key.checksum(parts)))
    }

    fn signature(&self, body: &str) -> anyhow::Result<[(&'static str, String); 4]> {
        let key = self.key.rsa()?;
        self.headers("x-merchant-signature", body, |parts| {
            let signature = key.sign(RsaScheme::Pss, parts)?;
            Ok(signature.iter().fold(String::new(), |mut hex, byte| {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            }))
        })
    }

    fn headers(
        &self,
        name: &'static str,
        body: &str,
        sign: impl FnOnce(&[&[u8]]) -> anyhow::Result<String>,
    ) -> anyhow::Result<[(&'static str, String); 4]> {
        let sandbox = self.key.sandbox(self.merchant.as_deref())?;
        let merchant = self.key.name(self.merchant.as_deref(), sandbox.merchant, "--merchant")?;
        let channel = self.key.name(self.channel.as_deref(), sandbox.channel, "--channel")?;
        let timestamp = stamp(self.timestamp);
        for (flag, value) in [("--merchant", merchant), ("--channel", channel)] {
            // They go into a shell's command line.
            let plain = value.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b':')
            });
            anyhow::ensure!(plain, "{flag} is no id: letters, digits and ._-@: only");
        }
        let parts = [merchant, channel, &timestamp, body].map(str::as_bytes);
        let value = sign(&parts)?;
        Ok([
            ("x-merchant-id", merchant.to_owned()),
            ("x-merchant-channel-id", channel.to_owned()),
            ("x-timestamp", timestamp),
            (name, value),
        ])
    }
}

impl JwsArgs {
    fn jws(&self) -> anyhow::Result<JwsParts> {
        let kid = self.key.name(self.kid.as_deref(), STOCK.key_id, "--kid")?;
        let key = self.key.rsa()?;
        let mut body = object(&read_stdin()?)?;
        let at = self.timestamp.unwrap_or_else(now_ms);
        body.entry("iat").or_insert_with(|| json!(at));
        let body = Zeroizing::new(Value::Object(body).to_string());
        Ok(key.sign_jws(Some(kid), body.as_bytes())?)
    }
}

impl JweArgs {
    fn jwe(&self) -> anyhow::Result<JweParts> {
        let jws = self.jws.jws()?;
        let keys = match self.jwks.starts_with("http://") {
            true => fetch::get(&self.jwks)?,
            false => std::fs::read_to_string(&self.jwks).context("the JWK set cannot be read")?,
        };
        Ok(JweParts::from_jwks(&keys, &jws)?)
    }
}

/// Standard input, which must be a JSON object: nothing else is ever accepted.
fn object_text() -> anyhow::Result<Zeroizing<String>> {
    let text = read_stdin()?;
    object(&text).context("give --customer, or what is to be signed on standard input")?;
    Ok(text)
}

fn object(text: &str) -> anyhow::Result<Map<String, Value>> {
    // What the reader says of the input would show parts of it.
    let read = serde_json::from_str(text).ok();
    read.context("standard input is no JSON object")
}

fn stamp(given: Option<u64>) -> String {
    given.unwrap_or_else(now_ms).to_string()
}

fn now_ms() -> u64 {
    u64::try_from(wall::now().0).unwrap_or_default()
}

fn pairs(pairs: [(&str, String); 3]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// Members to be pasted into an object, or an object of them.
fn members(members: &Map<String, Value>, output: Output) -> anyhow::Result<()> {
    let whole = serde_json::to_string(members)?;
    match output {
        Output::Json => print(&format!("{whole}\n"))?,
        Output::Text => {
            let inner = whole.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            print(&format!("{}\n", inner.unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// Flags to be pasted behind `curl`, or an object of the headers.
fn headers(headers: &[(&str, String)], output: Output) -> anyhow::Result<()> {
    let flags = headers.iter().map(|(name, value)| format!("-H '{name}: {value}'"));
    match output {
        Output::Text => print(&format!("{}\n", flags.collect::<Vec<_>>().join(" \\\n")))?,
        Output::Json => {
            let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            print_json(&Value::Object(pairs.collect()))?;
        }
    }
    Ok(())
}
