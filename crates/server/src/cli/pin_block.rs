//! `kunji pin-block`: what an app does with a PIN before it leaves the device.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use kunji_vault::{BlockAlg, BlockMaker, PinUse};

use super::{Output, fetch, print, print_json, read_stdin};
use crate::wall;

#[derive(Debug, Args)]
pub(super) struct PinBlockArgs {
    /// The transaction that the block is bound to.
    #[arg(long)]
    txn: String,
    /// What the PIN is for.
    #[arg(long, value_enum, ignore_case = true, default_value = "mpin")]
    sub: Sub,
    /// The public keys: a file, or the http:// address of a JWK set.
    #[arg(
        long,
        value_name = "FILE|URL",
        default_value = "http://127.0.0.1:7400/.well-known/jwks.json"
    )]
    jwks: String,
    /// How the block is encrypted.
    #[arg(long, value_enum, default_value = "ecdh-es")]
    alg: Alg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sub {
    /// The MPIN that is kept.
    Mpin,
    /// The new MPIN.
    Nmpin,
    /// An OTP.
    Sms,
    /// An ATM PIN.
    Atmpin,
    /// A prepaid card's PIN.
    Cardpin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Alg {
    /// ECDH-ES with an ephemeral P-256 key.
    EcdhEs,
    /// RSA-OAEP-256.
    RsaOaep256,
}

pub(super) fn run(args: &PinBlockArgs, output: Output) -> anyhow::Result<ExitCode> {
    let keys = match args.jwks.starts_with("http://") {
        true => fetch::get(&args.jwks)?,
        false => std::fs::read_to_string(&args.jwks).context("the JWK set cannot be read")?,
    };
    let alg = match args.alg {
        Alg::EcdhEs => BlockAlg::EcdhEs,
        Alg::RsaOaep256 => BlockAlg::RsaOaep256,
    };
    let pin_use = match args.sub {
        Sub::Mpin => PinUse::Mpin,
        Sub::Nmpin => PinUse::NewMpin,
        Sub::Sms => PinUse::Sms,
        Sub::Atmpin => PinUse::AtmPin,
        Sub::Cardpin => PinUse::CardPin,
    };
    let maker = BlockMaker::from_jwks(&keys, alg)?;
    let digits = read_stdin()?;
    // A mistake here would come back as a wrong PIN, and cost a try.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    anyhow::ensure!(
        plain && (4..=6).contains(&digits.len()),
        "standard input is not 4 to 6 digits"
    );
    let block = maker.seal(&digits, pin_use, &args.txn, wall::now().0)?;
    match output {
        Output::Text => print(&format!("{block}\n"))?,
        Output::Json => print_json(&serde_json::json!({ "block": block, "kid": maker.kid() }))?,
    }
    Ok(ExitCode::SUCCESS)
}
