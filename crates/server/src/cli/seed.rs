//! `kunji seed`: fills an empty store with accounts, to measure and to rehearse.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use kunji_core::time::Clock as _;
use kunji_store::Archive;
use kunji_vault::{ClearPin, Opening, PinBlock, PinLength, PinUse, Transit, Vault};

use super::run::{lay_ground, metrics};
use super::{ConfigArgs, Output, print, print_json, read_stdin};
use crate::boot;
use crate::clock::ServiceClock;
use crate::config::Layers;
use crate::sandbox::ground::{self, Ground};
use crate::seed::Seed;
use crate::seed::numbered::{ACCOUNTS_MAX, Numbered};

/// Thousandths between two lines of progress.
const STEP: u64 = 50;

#[derive(Debug, Args)]
pub(super) struct SeedArgs {
    /// How many: ACC000000000, ACC000000001 and so on, each with a customer, a mobile and a VPA.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=ACCOUNTS_MAX))]
    accounts: u64,
    /// A sandbox's directory; else the store of the configuration is filled.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &SeedArgs, output: Output) -> anyhow::Result<ExitCode> {
    let config = match &args.data {
        Some(dir) => {
            let mut config = args.config.flags.load(Layers::sandbox()?)?;
            lay_ground(&mut config, dir);
            config
        }
        None => args.config.load()?,
    };
    let (pin, length) = read_pin()?;
    let vault = boot::open_vault(&config)?;
    let begun = Instant::now();
    let (metrics, accounts) = (metrics(&config), args.accounts);
    let pin = open(&vault, pin)?;
    let clock = match &args.data {
        Some(dir) => ground::clock(dir),
        None => ServiceClock::default(),
    };
    let seed = Numbered { accounts, pin, length, stamp: clock.stamp(), vault: Arc::clone(&vault) };
    let fill = |archive: &Archive| {
        let mut progress = Progress { begun, next: STEP };
        seed.fill(archive, &mut |done| progress.hear(done)).map(drop)
    };
    match &args.data {
        Some(dir) => {
            Ground::new(dir.clone(), Seed::default(), metrics).fill(&config, &vault, fill)?
        }
        None => fill(&boot::open_archive(&config.files.store, &config, &vault, &metrics)?)?,
    }
    // The key file is whole before the process ends.
    vault.ready_rsa()?;
    vault.ready_signing()?;
    let seconds = begun.elapsed().as_secs_f64();
    match output {
        Output::Json => print_json(&serde_json::json!({
            "accounts": accounts, "seconds": seconds,
        }))?,
        Output::Text => print(&format!("{accounts} accounts seeded in {seconds:.1} s\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the digits for all accounts, and how many they are.
fn read_pin() -> anyhow::Result<(PinBlock, PinLength)> {
    let digits = read_stdin()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let length = u8::try_from(digits.len()).ok().and_then(PinLength::parse);
    let length = length.filter(|_| plain).context("standard input is not 4 to 6 digits")?;
    Ok((PinBlock::absorb(digits.to_string()), length))
}

fn open(vault: &Vault, pin: PinBlock) -> anyhow::Result<ClearPin> {
    let transit = Transit::ClearAllowed;
    let opening = Opening { pin_use: PinUse::Mpin, txn: "seed", real_now_ms: 0, transit };
    vault.open(&pin, &opening).context("standard input is no PIN")
}

/// Says on standard error how far it is.
struct Progress {
    begun: Instant,
    next: u64,
}

impl Progress {
    fn hear(&mut self, done: u64) {
        if done < self.next {
            return;
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        // Nobody need read it.
        let _ = writeln!(std::io::stderr(), "{} % in {seconds:.1} s", done / 10);
        self.next = done + STEP;
    }
}
