//! `kunji token encrypt|decrypt`: prepaid tokens by hand.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kunji_vault::{Layout, TokenKey};
use uuid::Uuid;

use super::{Output, print, print_json, read_stdin};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Encrypt the JSON on standard input.
    Encrypt(TokenArgs),
    /// Decrypt the token on standard input.
    Decrypt(TokenArgs),
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The client's key: env:NAME or file:PATH that holds ascii:, hex: or base64: and 24 bytes.
    #[arg(long, value_name = "SOURCE")]
    key: crate::config::SecretSource,
    /// Take 16 zero bytes as the initialisation vector, and leave it out of the token.
    #[arg(long)]
    zero_iv: bool,
}

pub(super) fn run(command: &TokenCommand, output: Output) -> anyhow::Result<ExitCode> {
    let (TokenCommand::Encrypt(args) | TokenCommand::Decrypt(args)) = command;
    let layout = match args.zero_iv {
        true => Layout::ZeroIv,
        false => Layout::IvPrefixed,
    };
    let key = TokenKey::parse(&args.key.read("--key")?, layout)?;
    let input = read_stdin()?;
    match command {
        TokenCommand::Encrypt(_) => {
            let iv = *Uuid::new_v4().as_bytes();
            let token = key.seal(input.as_bytes(), iv)?;
            match output {
                Output::Text => print(&format!("{token}\n"))?,
                Output::Json => print_json(&serde_json::json!({ "token": token }))?,
            }
        }
        TokenCommand::Decrypt(_) => {
            // Not which step failed: a script around this would be an oracle.
            let Ok(text) = key.open_text(&input) else {
                anyhow::bail!("this key does not open this token");
            };
            match output {
                Output::Text => print(&format!("{}\n", text.as_str()))?,
                Output::Json => print_json(&serde_json::json!({ "plaintext": text.as_str() }))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
