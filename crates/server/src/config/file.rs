//! What may be written in the configuration, key by key. Defaults are those of `kunji serve`.

use std::fmt;
use std::path::{Path, PathBuf};

use kunji_vault::{FileProblem, Readers, Secret, read_file};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ConfigError, wrong};
use crate::environment;
use crate::telemetry::{LogFormat, LogLevel};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    pub(super) server: Server,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    pub(super) store: Store,
    pub(super) vault: VaultFile,
    pub(super) audit: AuditFile,
    pub(super) pins: Pins,
    pub(super) axis: AxisFile,
    pub(super) prepaid: PrepaidFile,
    pub(super) upi: UpiFile,
    pub(super) api: Api,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: String,
    pub(super) allow_remote: bool,
    pub(super) connections_max: usize,
    pub(super) peer_connections_max: usize,
    pub(super) trusted_peers: Vec<String>,
    pub(super) idle_seconds: u64,
    pub(super) health_listen: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) listen: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: LogLevel,
    pub(super) format: LogFormat,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: SecretSource,
    pub(super) schema: String,
    pub(super) connections: usize,
    pub(super) spread: SpreadFile,
    pub(super) cache_mib: u32,
    pub(super) memtable_mib: u32,
}

/// How the tables of a database lie.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SpreadFile {
    /// In one place.
    Together,
    /// Spread by subject.
    BySubject,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultFile {
    pub(super) key_file: PathBuf,
    pub(super) unseal_file: PathBuf,
    pub(super) publish_seconds: u32,
    pub(super) rsa_threads: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFile {
    pub(super) checkpoint_dir: PathBuf,
    pub(super) checkpoint_minutes: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pins {
    pub(super) tries_max: u8,
    pub(super) wrong_per_day_max: u8,
    pub(super) wrong_per_caller_max: u16,
    pub(super) wrong_per_caller_minutes: u32,
    pub(super) block_hours: u32,
    pub(super) reset_lifts_block: bool,
    pub(super) max_same_run: Option<u8>,
    pub(super) blocklist_file: Option<PathBuf>,
    pub(super) otp_minutes: u32,
    pub(super) registration_tries_max: u8,
    pub(super) holder_verified_minutes: u32,
    pub(super) allow_clear_pin: bool,
    pub(super) live_per_minute: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AxisFile {
    pub(super) mode: AxisMode,
    pub(super) clients: Vec<AxisClientFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AxisClientFile {
    pub(super) name: String,
    pub(super) client_id: Option<SecretSource>,
    pub(super) client_secret: Option<SecretSource>,
    /// What names a client certificate: known, so that it can be refused by its name.
    pub(super) certificate_subject: Option<SecretSource>,
    pub(super) certificate_key: Option<SecretSource>,
}

/// Who decides in the Axis-style dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisMode {
    /// Nobody: this dialect is not spoken.
    Off,
    /// The test id in the header; no state changes.
    Scenario,
    /// The credentials that are kept.
    Live,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrepaidFile {
    pub(super) prefix: String,
    pub(super) require_verified_card: bool,
    pub(super) broken_per_minute: u32,
    pub(super) pin_length: u8,
    pub(super) clients: Vec<PrepaidClientFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrepaidClientFile {
    pub(super) client_id: String,
    pub(super) bank_id: u32,
    pub(super) entity_id: String,
    pub(super) api_key: SecretSource,
    pub(super) secure_code: SecretSource,
    pub(super) consumer_id: SecretSource,
    pub(super) key: SecretSource,
    #[serde(default = "default_layout")]
    pub(super) layout: String,
    pub(super) iv: Option<String>,
}

fn default_layout() -> String {
    "iv-prefixed".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpiFile {
    pub(super) public_url: String,
    pub(super) prefix: String,
    pub(super) timestamp_minutes: u32,
    pub(super) numeric_numbers_max: usize,
    pub(super) cooling_days: u32,
    pub(super) banks: Vec<BankFile>,
    pub(super) merchants: Vec<MerchantFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BankFile {
    pub(super) iin: String,
    pub(super) name: String,
    pub(super) ifsc: String,
    pub(super) id: String,
    pub(super) upi_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MerchantFile {
    pub(super) id: String,
    pub(super) request_prefix: String,
    pub(super) handles: Vec<String>,
    pub(super) keys: Vec<MerchantKeyFile>,
    pub(super) channels: Vec<ChannelFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MerchantKeyFile {
    pub(super) id: String,
    pub(super) key: SecretSource,
}

/// How the body of a webhook is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// All members at the top, in camelCase.
    #[default]
    Flat,
    /// An event around them, in snake_case.
    Wrapped,
}

/// Which changes of numbers a webhook is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// Mobile numbers that were ported away, and pending changes once they are settled.
    #[default]
    Unanswered,
    /// Every change.
    All,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelFile {
    pub(super) id: String,
    pub(super) checksum_secret: SecretSource,
    pub(super) webhook_url: Option<String>,
    pub(super) webhook_secret: Option<SecretSource>,
    #[serde(default)]
    pub(super) webhook_shape: Shape,
    #[serde(default)]
    pub(super) webhook_changes: Changes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) keys: Vec<ApiKeyFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyFile {
    pub(super) name: String,
    pub(super) key: SecretSource,
    #[serde(default)]
    pub(super) operator: bool,
}

/// A secret, or where it lies: `env:NAME`, `file:PATH`, else the text itself.
#[derive(Clone)]
pub struct SecretSource(Zeroizing<String>);

impl std::str::FromStr for SecretSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    /// Says nothing of a value of another type, which may be a secret without its quotes.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)?.as_str() {
            Some(text) => Ok(Self(Zeroizing::new(text.to_owned()))),
            None => Err(serde::de::Error::custom("a secret must be text in quotes")),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource(****)")
    }
}

impl SecretSource {
    /// Fetches the secret's text.
    ///
    /// # Errors
    /// `ConfigError` when the variable or the file is not there, or the file is not for us alone;
    /// `key` names the setting.
    pub fn read(&self, key: &str) -> Result<Zeroizing<String>, ConfigError> {
        self.read_for(key, Readers::Owner)
    }

    /// The same for what is no secret, as a public key: anybody may read the file.
    pub(super) fn read_public(&self, key: &str) -> Result<Zeroizing<String>, ConfigError> {
        self.read_for(key, Readers::Anyone)
    }

    fn read_for(&self, key: &str, readers: Readers) -> Result<Zeroizing<String>, ConfigError> {
        if let Some(name) = self.0.strip_prefix("env:") {
            let text = environment::variable(name);
            return text.ok_or_else(|| wrong(key, "names a variable that is not set"));
        }
        if let Some(path) = self.0.strip_prefix("file:") {
            let bytes =
                read_file(Path::new(path), readers).map_err(|problem| refused(key, problem))?;
            let bytes = bytes.ok_or_else(|| wrong(key, "names a file that is not there"))?;
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|_| wrong(key, "names a file that is not text"))?;
            return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        Ok(self.0.clone())
    }

    pub(super) fn secret(&self, key: &str) -> Result<Secret, ConfigError> {
        let text = self.read(key)?.to_string();
        Secret::parse(text).map_err(|_| wrong(key, "is empty or too long"))
    }
}

/// What is wrong with a secret's file, and what to do.
fn refused(key: &str, problem: FileProblem) -> ConfigError {
    wrong(
        key,
        match problem {
            FileProblem::Exposed => {
                "names a file that others may use: make it 0600 or 0400, or 0440 where it is root's"
            }
            FileProblem::Foreign => {
                "names a file of another user: it must be root's, or of the user who runs this"
            }
            FileProblem::NoFile => "names no regular file",
            FileProblem::TooLong => "names a file that is too long",
            FileProblem::Io(_)
            | FileProblem::Altered
            | FileProblem::Newer
            | FileProblem::Older
            | FileProblem::Changed => "names a file that cannot be read",
        },
    )
}

/// Reads 16 bytes from 32 hex digits.
pub(super) fn hex_16(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = digits.then(|| u128::from_str_radix(text, 16).ok())??;
    Some(value.to_be_bytes())
}
