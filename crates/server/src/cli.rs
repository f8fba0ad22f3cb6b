//! The command line: what each command takes, and with which code it ends.
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | failed; the reason is on standard error |
//! | 2 | the command line is not well formed |
//! | 3 | the configuration or the seed is not well formed |
//! | 4 | the audit, or a backup, does not hold |
//! | 5 | the store failed under a running server: start it again |

mod audit;
mod backup;
mod export;
mod fetch;
mod import;
mod keys;
mod migrate;
mod pin_block;
mod place;
mod run;
mod seed;
mod sign;
mod token;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::config::{Caution, Config, ConfigError, Layers};
use crate::environment;
use crate::sandbox::ground::GroundError;
use crate::seed::SeedError;
use crate::telemetry::{LogFormat, LogLevel};

/// Longest standard input of any helper, in bytes.
const STDIN_LEN_MAX: u64 = 64 * 1024;

/// Keeps payment PINs: sandbox, PIN service and helpers in one binary.
#[derive(Debug, Parser)]
#[command(name = "kunji", version, propagate_version = true)]
struct Cli {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs: one JSON value.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the stateful sandbox: no configuration, no network, no account.
    Sandbox(run::SandboxArgs),
    /// Start the PIN service.
    Serve(run::ServeArgs),
    /// Check a configuration, and print what it comes to.
    CheckConfig(ConfigArgs),
    /// Encrypt or decrypt prepaid tokens, standard input to standard output.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make a PIN block (JWE) from the PIN on standard input.
    PinBlock(pin_block::PinBlockArgs),
    /// Sign what a merchant sends, standard input to standard output.
    #[command(subcommand)]
    Sign(sign::SignCommand),
    /// Bring a PostgreSQL database to the schema of this build.
    Migrate(migrate::MigrateArgs),
    /// Fill an empty store with accounts by number; their MPIN comes on standard input.
    Seed(seed::SeedArgs),
    /// Write a backup of a store, also while servers run over it.
    Export(export::ExportArgs),
    /// Load a backup into an empty store, of either engine.
    Import(import::ImportArgs),
    /// Look at backups.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Check the audit of a store, and write checkpoints of it.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Care for the keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Print a shell's completions.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// The layers that both `serve` and the tools read.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file (TOML); see config.example.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

/// Settings that a flag may change as well.
#[derive(Debug, Args)]
struct Flags {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Allow an address that is not loopback.
    #[arg(long)]
    allow_remote: bool,
    /// Serve health and metrics at this address as well.
    #[arg(long, value_name = "ADDRESS")]
    health_listen: Option<SocketAddr>,
    /// Serve Prometheus metrics at this address.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// How much is logged.
    #[arg(long, value_enum)]
    log_level: Option<LogLevel>,
    /// In what shape.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::check(self.layers()?.read()?)
    }

    /// All layers, one upon the other.
    fn layers(&self) -> Result<Layers, ConfigError> {
        let mut layers = Layers::defaults()?;
        if let Some(path) = &self.config {
            layers = layers.file(path)?;
        }
        self.flags.lay(layers)
    }
}

impl Flags {
    /// Lays the environment and the flags on top, and checks the whole.
    fn load(&self, layers: Layers) -> Result<Config, ConfigError> {
        Config::check(self.lay(layers)?.read()?)
    }

    fn lay(&self, layers: Layers) -> Result<Layers, ConfigError> {
        let mut layers = layers.environment(environment::variables())?;
        if let Some(address) = self.listen {
            layers = layers.set("server", "listen", address.to_string());
        }
        if self.allow_remote {
            layers = layers.set("server", "allow_remote", true);
        }
        if let Some(address) = self.health_listen {
            layers = layers.set("server", "health_listen", address.to_string());
        }
        if let Some(address) = self.metrics_listen {
            layers = layers.set("metrics", "listen", address.to_string());
        }
        if let Some(level) = self.log_level.as_ref().and_then(ValueEnum::to_possible_value) {
            layers = layers.set("log", "level", level.get_name());
        }
        if let Some(format) = self.log_format.as_ref().and_then(ValueEnum::to_possible_value) {
            layers = layers.set("log", "format", format.get_name());
        }
        Ok(layers)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let received = environment::receive().context("the environment cannot be read");
    match received.and_then(|()| dispatch(Cli::parse())) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(std::io::stderr(), "kunji: {error:#}");
            ExitCode::from(if error.chain().any(is_of_a_file) { 3 } else { 1 })
        }
    }
}

/// Whether the cause is what somebody wrote in a configuration or a seed.
fn is_of_a_file(cause: &(dyn std::error::Error + 'static)) -> bool {
    // A ground passes on what a seed says, without being its own source.
    let seed = match cause.downcast_ref() {
        Some(GroundError::Seed(seed)) => Some(seed),
        Some(GroundError::Boot(_) | GroundError::Directory(_) | GroundError::Taken) | None => {
            cause.downcast_ref()
        }
    };
    cause.is::<ConfigError>() || seed.is_some_and(SeedError::is_of_the_file)
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let output = cli.output;
    match cli.command {
        Command::Sandbox(args) => run::sandbox(&args, output),
        Command::Serve(args) => run::serve(&args),
        Command::CheckConfig(args) => check_config(&args, output),
        Command::Token(command) => token::run(&command, output),
        Command::PinBlock(args) => pin_block::run(&args, output),
        Command::Sign(command) => sign::run(&command, output),
        Command::Audit(command) => audit::run(&command, output),
        Command::Export(args) => export::run(&args, output),
        Command::Import(args) => import::run(&args, output),
        Command::Backup(command) => backup::run(&command, output),
        Command::Migrate(args) => migrate::run(&args, output),
        Command::Seed(args) => seed::run(&args, output),
        Command::Keys(command) => keys::run(&command, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kunji", &mut script);
            print_bytes(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check_config(args: &ConfigArgs, output: Output) -> anyhow::Result<ExitCode> {
    let (config, cautions) = Config::check_for_service(args.layers()?)?;
    match output {
        Output::Text => {
            print(&format!("{config:#?}\n"))?;
            for caution in cautions {
                writeln!(std::io::stderr(), "kunji: warning: {caution}")?;
            }
        }
        Output::Json => {
            let warnings: Vec<_> = cautions.iter().map(Caution::to_string).collect();
            print_json(&serde_json::json!({ "valid": true, "warnings": warnings }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> std::io::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints to standard output. A reader that has gone, as `head`, has what it wanted.
fn print_bytes(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

fn print_json(value: &serde_json::Value) -> std::io::Result<()> {
    print(&format!("{value}\n"))
}

/// Reads standard input to its end, without its last line break.
fn read_stdin() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut limited = std::io::stdin().lock().take(STDIN_LEN_MAX + 1);
    limited.read_to_string(&mut text).context("standard input cannot be read as text")?;
    anyhow::ensure!(
        u64::try_from(text.len()).is_ok_and(|len| len <= STDIN_LEN_MAX),
        "standard input is longer than 64 KiB"
    );
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
