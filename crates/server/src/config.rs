//! Settings in four layers: defaults, file, `KUNJI_` environment, flags. Unknown keys are errors.
//!
//! `ConfigFile` is what may be written; [`Config`] is what was checked. Printing a `Config` shows
//! no secret.

mod audit;
mod axis;
mod caution;
mod file;
mod layers;
mod upi;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kunji_core::budget::BudgetSettings;
use kunji_core::ids::CustomerId;
use kunji_core::rules::{Rules, TRIES_MAX};
use kunji_core::time::{DAY_MS, MINUTE_MS};
use kunji_store::{PostgresError, PostgresPlace, Spread};
use kunji_vault::{Blocklist, Layout, PinLength, RsaKeyError, Secret, TokenKey, Transit};

pub use self::audit::Audit;
pub use self::axis::{Axis, AxisClient};
pub use self::caution::Caution;
pub use self::file::{AxisMode, ConfigFile, SecretSource};
pub(crate) use self::layers::without_value;
pub use self::layers::{LayerError, Layers};
pub use self::upi::{Bank, Changes, Channel, Merchant, MerchantKey, Shape, Upi, Webhook};
use crate::listener::Network;
use crate::telemetry::{LogFormat, LogLevel};

/// The commented example, which is also the documentation of every key.
pub const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// A week.
const PUBLISH_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// Checked settings of one process.
#[derive(Debug)]
pub struct Config {
    /// Where requests are taken.
    pub listen: SocketAddr,
    /// What its peers may take.
    pub connections: Connections,
    /// Where health and metrics are served besides, if anywhere.
    pub health: Option<SocketAddr>,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// Log lines: how much, and in what shape.
    pub log: (LogLevel, LogFormat),
    /// Where state and keys lie.
    pub files: Files,
    /// Checkpoints of the audit.
    pub audit: Audit,
    /// Threads for RSA.
    pub rsa_threads: usize,
    /// The numbers that the rules depend on.
    pub rules: Rules,
    /// How often one caller may hear that a secret was wrong.
    pub budget: BudgetSettings,
    /// Whether a PIN may come as clear digits.
    pub transit: Transit,
    /// PIN operations on one credential in a minute; 0 is no limit.
    pub live_per_minute: u32,
    /// The Axis-style dialect.
    pub axis: Axis,
    /// The prepaid dialect.
    pub prepaid: Prepaid,
    /// The UPI half: banks, merchants, channels.
    pub upi: Upi,
    /// Who may use our own API.
    pub api_keys: Vec<ApiKey>,
}

/// What the peers of the listener may take.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Open connections at most.
    pub connections_max: usize,
    /// Those of one peer at most.
    pub peer_connections_max: usize,
    /// Peers that the limit of one peer does not bind.
    pub trusted_peers: Vec<Network>,
    /// How long one may be idle.
    pub idle_timeout: Duration,
}

/// Which engine keeps the state, and where.
#[derive(Debug, Clone)]
pub enum Place {
    /// The embedded one, in this directory.
    Embedded(PathBuf),
    /// PostgreSQL, shared with other processes.
    Postgres(Box<PostgresPlace>),
}

/// Where state and keys lie.
#[derive(Debug, Clone)]
pub struct Files {
    /// The store.
    pub store: Place,
    /// Cache of the store, in bytes.
    pub cache_bytes: u64,
    /// One memtable of the store, in bytes.
    pub memtable_bytes: u64,
    /// The sealed key file.
    pub key_file: PathBuf,
    /// What opens it.
    pub unseal_file: PathBuf,
    /// How long new keys are published before they are used.
    pub publish: Duration,
}

/// Settings of the prepaid dialect.
#[derive(Debug)]
pub struct Prepaid {
    /// What stands before `/api`, as `/mob1`; may be empty.
    pub prefix: String,
    /// Whether a reset needs a verified holder.
    pub require_verified_card: bool,
    /// Broken tokens of one client in a minute; 0 is no limit.
    pub broken_per_minute: u32,
    /// Wrong keys of one client from one peer in a minute; 0 is no limit.
    pub wrong_keys_per_minute: u32,
    /// The PIN length of cards that are created.
    pub pin_length: PinLength,
    /// The programs.
    pub clients: Vec<PrepaidClient>,
}

/// One card program.
#[derive(Debug)]
pub struct PrepaidClient {
    /// `clientId`.
    pub client_id: String,
    /// `bankId`.
    pub bank_id: u32,
    /// `entityId`.
    pub entity_id: String,
    /// `x-api-key`.
    pub api_key: Secret,
    /// `secureCode`.
    pub secure_code: Secret,
    /// `X-Consumer-Custom-ID`, for v3.
    pub consumer_id: Secret,
    /// The key of its tokens.
    pub key: TokenKey,
    /// Whether the layout repeats its initialisation vector.
    pub weak_layout: bool,
    /// The program's card profiles.
    pub card_profiles: Vec<u32>,
    /// Products that take some of these profiles only; others take all.
    pub products: Vec<Product>,
}

/// A product of a card program.
#[derive(Debug)]
pub struct Product {
    /// `productId`.
    pub id: String,
    /// The card profiles that fit it.
    pub card_profiles: Vec<u32>,
}

/// One user of our own API.
#[derive(Debug)]
pub struct ApiKey {
    /// How the audit calls it.
    pub name: CustomerId,
    /// The bearer key.
    pub key: Secret,
    /// Whether it may clear tries.
    pub role: Role,
}

/// What a user of our own API may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Verify PINs.
    Verifier,
    /// Verify PINs and clear tries: for people who answer for it, never for the same system that
    /// verifies, since who may do both can guess without end.
    Operator,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The layers do not make one file.
    #[error(transparent)]
    Layers(#[from] LayerError),
    /// A value is out of its range or not well formed.
    #[error("{key}: {problem}")]
    Value {
        /// The setting.
        key: String,
        /// What is wrong with it; never its value.
        problem: &'static str,
    },
    /// A merchant's key is no RSA public key that is taken.
    #[error("{key}: {problem}; {}", RsaKeyError::PUBLIC_FORMS)]
    RsaKey {
        /// The setting.
        key: String,
        /// What is wrong with it.
        problem: RsaKeyError,
    },
}

fn wrong(key: &str, problem: &'static str) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), problem }
}

fn ensure(holds: bool, key: &str, problem: &'static str) -> Result<(), ConfigError> {
    match holds {
        true => Ok(()),
        false => Err(wrong(key, problem)),
    }
}

impl Connections {
    fn check(server: &file::Server) -> Result<Self, ConfigError> {
        let file::Server { connections_max, peer_connections_max, idle_seconds, .. } = *server;
        let (counts, problem) = (1..=100_000, "must be 1 to 100000");
        ensure(counts.contains(&connections_max), "server.connections_max", problem)?;
        ensure(counts.contains(&peer_connections_max), "server.peer_connections_max", problem)?;
        let idle = (1..=3600).contains(&idle_seconds);
        ensure(idle, "server.idle_seconds", "must be 1 to 3600")?;
        let networks = server.trusted_peers.iter().map(|text| text.parse());
        let problem = "must be IP addresses or networks (example: 10.0.0.0/8)";
        let trusted_peers = networks.collect::<Result<_, _>>();
        Ok(Self {
            connections_max,
            peer_connections_max,
            trusted_peers: trusted_peers.map_err(|_| wrong("server.trusted_peers", problem))?,
            idle_timeout: Duration::from_secs(idle_seconds),
        })
    }
}

impl Place {
    fn check(store: &file::Store) -> Result<Self, ConfigError> {
        let (connections, problem) = (store.connections, "must be 1 to 1000");
        ensure((1..=1000).contains(&connections), "store.connections", problem)?;
        let url = store.url.read("store.url")?;
        let mut place = Self::parse(&url, &store.schema, connections)?;
        if let Self::Postgres(database) = &mut place {
            database.spread = match store.spread {
                file::SpreadFile::Together => Spread::Together,
                file::SpreadFile::BySubject => Spread::BySubject,
            };
        }
        Ok(place)
    }

    /// Reads an address as `store.url` has it; the schema matters to a database only.
    ///
    /// # Errors
    /// `ConfigError` when it names no place; the error does not repeat it.
    pub fn parse(url: &str, schema: &str, connections: usize) -> Result<Self, ConfigError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let refused = |error| {
                if let PostgresError::Parameter { name, problem } = error {
                    return wrong(&format!("store.url, its parameter {name}"), problem);
                }
                wrong("store.url", "or store.schema: is not well formed")
            };
            let place = PostgresPlace::parse(url, schema, connections);
            return Ok(Self::Postgres(Box::new(place.map_err(refused)?)));
        }
        let path = url.strip_prefix("fjall:").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| wrong("store.url", "must be fjall:PATH or postgres://"))?;
        Ok(Self::Embedded(PathBuf::from(path)))
    }

    /// A store of a sandbox, beside others of it: a directory in `dir`, or a schema.
    #[must_use]
    pub fn numbered(&self, dir: &Path, number: u64) -> Self {
        match self {
            Self::Embedded(_) => Self::Embedded(dir.join(format!("store-{number}"))),
            Self::Postgres(place) => {
                let schema = format!("{}_{number}", place.schema);
                Self::Postgres(Box::new(place.with_schema(schema)))
            }
        }
    }
}

impl Config {
    /// Checks what was written, and whether it suits a service with real PINs.
    ///
    /// # Errors
    /// `ConfigError` names the setting and the problem, never the value.
    pub fn check_for_service(layers: Layers) -> Result<(Self, Vec<Caution>), ConfigError> {
        let file = layers.read()?;
        let secrets = caution::Secrets::of(&file)?;
        let config = Self::check(file)?;
        let cautions = caution::examine(&config, &secrets)?;
        Ok((config, cautions))
    }

    /// Checks what was written.
    ///
    /// # Errors
    /// `ConfigError` names the setting and the problem, never the value.
    pub fn check(file: ConfigFile) -> Result<Self, ConfigError> {
        let listen: SocketAddr =
            file.server.listen.parse().map_err(|_| wrong("server.listen", "is no address"))?;
        let allowed = |at: &SocketAddr| at.ip().is_loopback() || file.server.allow_remote;
        let remote = "is not loopback: set server.allow_remote";
        ensure(allowed(&listen), "server.listen", remote)?;
        let health = file.server.health_listen.as_deref().map(str::parse).transpose();
        let health = health.map_err(|_| wrong("server.health_listen", "is no address"))?;
        ensure(health.as_ref().is_none_or(allowed), "server.health_listen", remote)?;
        let metrics = file.metrics.listen.as_deref().map(str::parse).transpose();
        let metrics = metrics.map_err(|_| wrong("metrics.listen", "is no address"))?;
        ensure(metrics.as_ref().is_none_or(allowed), "metrics.listen", remote)?;
        let place = Place::check(&file.store)?;
        ensure(
            (1..=65_536).contains(&file.store.cache_mib),
            "store.cache_mib",
            "must be 1 to 65536",
        )?;
        ensure(
            (1..=256).contains(&file.store.memtable_mib),
            "store.memtable_mib",
            "must be 1 to 256",
        )?;
        ensure((1..=64).contains(&file.vault.rsa_threads), "vault.rsa_threads", "must be 1 to 64")?;
        ensure(
            file.vault.publish_seconds <= PUBLISH_SECONDS_MAX,
            "vault.publish_seconds",
            "must be 0 to 604800",
        )?;
        Ok(Self {
            listen,
            connections: Connections::check(&file.server)?,
            health,
            metrics,
            log: (file.log.level, file.log.format),
            files: Files {
                store: place,
                cache_bytes: u64::from(file.store.cache_mib) << 20,
                memtable_bytes: u64::from(file.store.memtable_mib) << 20,
                key_file: file.vault.key_file,
                unseal_file: file.vault.unseal_file,
                publish: Duration::from_secs(u64::from(file.vault.publish_seconds)),
            },
            audit: Audit::check(file.audit)?,
            rsa_threads: file.vault.rsa_threads,
            transit: match file.pins.allow_clear_pin {
                true => Transit::ClearAllowed,
                false => Transit::SealedOnly,
            },
            live_per_minute: file.pins.live_per_minute,
            rules: rules(&file.pins, &file.upi)?,
            budget: budget(&file.pins)?,
            axis: Axis::check(file.axis)?,
            prepaid: Prepaid::check(file.prepaid)?,
            upi: Upi::check(file.upi)?,
            api_keys: api_keys(file.api.keys)?,
        })
    }
}

fn api_keys(keys: Vec<file::ApiKeyFile>) -> Result<Vec<ApiKey>, ConfigError> {
    let keys = keys.into_iter().map(ApiKey::check).collect::<Result<Vec<_>, _>>()?;
    let names = keys.iter().map(|key| key.name.as_str()).collect::<BTreeSet<_>>();
    ensure(names.len() == keys.len(), "api.keys.name", "is given twice")?;
    Ok(keys)
}

fn rules(pins: &file::Pins, upi: &file::UpiFile) -> Result<Rules, ConfigError> {
    let tries = (1..=TRIES_MAX).contains(&pins.tries_max);
    ensure(tries, "pins.tries_max", "must be 1 to 3")?;
    let per_day = (1..=200).contains(&pins.wrong_per_day_max);
    ensure(per_day, "pins.wrong_per_day_max", "must be 1 to 200")?;
    ensure((1..=8760).contains(&pins.block_hours), "pins.block_hours", "must be 1 to 8760")?;
    ensure((1..=60).contains(&pins.otp_minutes), "pins.otp_minutes", "must be 1 to 60")?;
    let registrations = (1..=20).contains(&pins.registration_tries_max);
    ensure(registrations, "pins.registration_tries_max", "must be 1 to 20")?;
    let holder = (1..=1440).contains(&pins.holder_verified_minutes);
    ensure(holder, "pins.holder_verified_minutes", "must be 1 to 1440")?;
    let run = pins.max_same_run.is_none_or(|run| (1..=5).contains(&run));
    ensure(run, "pins.max_same_run", "must be 1 to 5")?;
    ensure(upi.numeric_numbers_max <= 100, "upi.numeric_numbers_max", "must be 0 to 100")?;
    ensure(upi.cooling_days <= 3650, "upi.cooling_days", "must be 0 to 3650")?;
    let blocklist = match &pins.blocklist_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|_| wrong("pins.blocklist_file", "cannot be read"))?;
            let list = Blocklist::parse(&text)
                .map_err(|_| wrong("pins.blocklist_file", "is no list of PINs"))?;
            Some(Arc::new(list))
        }
    };
    Ok(Rules {
        tries_max: pins.tries_max,
        wrong_per_day_max: pins.wrong_per_day_max,
        block_ms: i64::from(pins.block_hours) * 60 * MINUTE_MS,
        reset_lifts_block: pins.reset_lifts_block,
        max_same_run: pins.max_same_run,
        blocklist,
        otp_ms: i64::from(pins.otp_minutes) * MINUTE_MS,
        registration_tries_max: pins.registration_tries_max,
        registration_ms: DAY_MS,
        holder_verified_ms: i64::from(pins.holder_verified_minutes) * MINUTE_MS,
        numbers_max: upi.numeric_numbers_max,
        cooling_ms: i64::from(upi.cooling_days) * DAY_MS,
        ..Rules::default()
    })
}

fn budget(pins: &file::Pins) -> Result<BudgetSettings, ConfigError> {
    let minutes = (1..=1440).contains(&pins.wrong_per_caller_minutes);
    ensure(minutes, "pins.wrong_per_caller_minutes", "must be 1 to 1440")?;
    let window_ms = i64::from(pins.wrong_per_caller_minutes) * MINUTE_MS;
    Ok(BudgetSettings { wrong_max: pins.wrong_per_caller_max, window_ms })
}

/// Whether it may stand before a path: empty, or one or more `/name`.
fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    let whole = text.is_empty() || (text.starts_with('/') && !text.ends_with('/'));
    whole && text.bytes().all(plain) && !text.contains("//")
}

impl Prepaid {
    fn check(file: file::PrepaidFile) -> Result<Self, ConfigError> {
        ensure(is_prefix(&file.prefix), "prepaid.prefix", "must be empty or /name")?;
        let first = file.prefix.split('/').nth(1).unwrap_or_default();
        let taken = ["kunji", "api", "docs", "livez", "readyz", "resetPin", "openapi.json"];
        ensure(!taken.contains(&first), "prepaid.prefix", "is the name of something else")?;
        let pin_length = PinLength::parse(file.pin_length);
        Ok(Self {
            prefix: file.prefix,
            require_verified_card: file.require_verified_card,
            broken_per_minute: file.broken_per_minute,
            wrong_keys_per_minute: file.wrong_keys_per_minute,
            pin_length: pin_length
                .ok_or_else(|| wrong("prepaid.pin_length", "must be 4, 5 or 6"))?,
            clients: file
                .clients
                .into_iter()
                .map(PrepaidClient::check)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl PrepaidClient {
    fn check(file: file::PrepaidClientFile) -> Result<Self, ConfigError> {
        let key = |member| format!("prepaid.clients.{member}");
        let named = CustomerId::parse(&file.client_id).is_ok() && file.client_id.len() <= 40;
        ensure(named, &key("client_id"), "must be 1 to 40 letters or digits")?;
        let layout = match (file.layout.as_str(), &file.iv) {
            ("iv-prefixed", None) => Layout::IvPrefixed,
            ("zero-iv", None) => Layout::ZeroIv,
            ("fixed-iv", Some(iv)) => Layout::FixedIv(
                file::hex_16(iv).ok_or_else(|| wrong(&key("iv"), "must be 32 hex digits"))?,
            ),
            ("fixed-iv", None) => return Err(wrong(&key("iv"), "is missing")),
            (_, _) => {
                return Err(wrong(
                    &key("layout"),
                    "must be iv-prefixed, fixed-iv (with iv) or zero-iv",
                ));
            }
        };
        let weak_layout = !matches!(layout, Layout::IvPrefixed);
        let token_key = TokenKey::parse(&file.key.read(&key("key"))?, layout)
            .map_err(|_| wrong(&key("key"), "must be 24 bytes as ascii:, hex: or base64:"))?;
        Ok(Self {
            client_id: file.client_id,
            bank_id: file.bank_id,
            entity_id: file.entity_id,
            api_key: file.api_key.secret(&key("api_key"))?,
            secure_code: file.secure_code.secret(&key("secure_code"))?,
            consumer_id: file.consumer_id.secret(&key("consumer_id"))?,
            key: token_key,
            weak_layout,
            products: products(file.products, &file.card_profiles)?,
            card_profiles: file.card_profiles,
        })
    }
}

fn products(
    products: Vec<file::ProductFile>,
    card_profiles: &[u32],
) -> Result<Vec<Product>, ConfigError> {
    let key = "prepaid.clients.products";
    let ids = products.iter().map(|product| product.id.as_str()).collect::<BTreeSet<_>>();
    ensure(ids.len() == products.len(), key, "names a product twice")?;
    let mut profiles = products.iter().flat_map(|product| &product.card_profiles);
    let known = profiles.all(|profile| card_profiles.contains(profile));
    ensure(known, key, "has a profile that is not in card_profiles")?;
    let checked = products.into_iter();
    let checked =
        checked.map(|file::ProductFile { id, card_profiles }| Product { id, card_profiles });
    Ok(checked.collect())
}

impl ApiKey {
    fn check(file: file::ApiKeyFile) -> Result<Self, ConfigError> {
        let name = CustomerId::parse(&file.name);
        let name = name.ok().filter(|name| name.as_str().len() <= 40);
        Ok(Self {
            name: name
                .ok_or_else(|| wrong("api.keys.name", "must be 1 to 40 letters or digits"))?,
            key: file.key.secret("api.keys.key")?,
            role: match file.operator {
                true => Role::Operator,
                false => Role::Verifier,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK_KEY: &str = include_str!("../../vault/tests/vectors/merchant-stock.public.pem");

    fn layered(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::check(Layers::defaults()?.file(file.path())?.read()?)
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let said = layered(text).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn example_says_the_defaults_and_nothing_else() {
        let example: toml::Table = EXAMPLE.parse().unwrap();
        let defaults: toml::Table = include_str!("config/defaults.toml").parse().unwrap();
        assert_eq!(example, defaults);
    }

    #[test]
    fn defaults_and_sandbox_hold() {
        assert!(Config::check(Layers::defaults().unwrap().read().unwrap()).is_ok());
        let sandbox = Config::check(Layers::sandbox().unwrap().read().unwrap()).unwrap();
        assert_eq!(sandbox.axis.mode, AxisMode::Scenario);
        assert!(sandbox.axis.is_spoken());
        let service = Config::check(Layers::defaults().unwrap().read().unwrap()).unwrap();
        assert!(!service.axis.is_spoken(), "there is nobody to speak to");
        assert_eq!(sandbox.rules.tries_max, 3);
    }

    #[test]
    fn commented_lines_of_the_example_are_settings_too() {
        let all = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") || setting.starts_with("[[") => setting,
            Some(_) | None => line,
        });
        let all = all.filter(|line| !line.ends_with("= []")).collect::<Vec<_>>().join("\n");
        let all = all.replace("env:", "hunter2-").replace("blocklist_file", "# blocklist_file");
        let all = all
            .replace("file:/run/credentials/kunji/prepaid.key", "ascii:0123456789abcdef01234567");
        let key = STOCK_KEY.trim().replace('\n', "\\n");
        let all = all.replace("file:/etc/kunji/stock.pem", &key);
        let config = layered(&all).unwrap();
        assert_eq!((config.prepaid.clients.len(), config.axis.clients.len()), (1, 1));
        assert_eq!(config.api_keys.len(), 1);
        assert_eq!((config.upi.merchants.len(), config.upi.banks.len()), (1, 1));
        assert!(config.upi.merchants[0].channels[0].webhook.is_some());
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        refused("[pins]\ntries_max = 4", "pins.tries_max: must be 1 to 3");
        refused("[pins]\ntries_maxx = 3", "tries_maxx");
        refused("[pinz]\na = 1", "pinz");
        refused("[server]\nlisten = \"0.0.0.0:1\"", "server.allow_remote");
        refused("[audit]\ncheckpoint_minutes = 0", "audit.checkpoint_minutes");
        refused("[store]\nurl = \"hunter2\"", "store.url: must be fjall:PATH or postgres://");
        refused("[prepaid]\nprefix = \"hunter2\"", "prepaid.prefix");
        let client = "[[prepaid.clients]]\nclient_id = \"1\"\nbank_id = 1\nentity_id = \"1\"\n\
            api_key = \"a\"\nsecure_code = \"b\"\nconsumer_id = \"c\"\n\
            key = \"ascii:0123456789abcdef01234567\"\n";
        let products = |products: &str| format!("{client}products = [{products}]");
        let one = "{ id = \"hunter2\", card_profiles = [30] }";
        assert!(layered(&products(one)).is_ok());
        refused(&products(&format!("{one}, {one}")), "products: names a product twice");
        let other = "{ id = \"hunter2\", card_profiles = [31] }";
        refused(&products(other), "products: has a profile that is not in card_profiles");
        refused("[[api.keys]]\nname = \"x\"\nkey = \"env:HUNTER2_IS_NOT_SET\"", "api.keys.key");
        refused("[[api.keys]]\nname = \"x\"\nkey = 7", "a secret must be text");
        refused("[[api.keys]]\nname = \"x\"\nkey = \"\"", "api.keys.key");
        let client = |more: &str| format!("[[axis.clients]]\nname = \"app\"\n{more}");
        let whole = "client_id = \"app\"\nclient_secret = \"hunter2\"\n";
        refused(&client(""), "axis.clients.client_id: is missing");
        refused(&client("client_id = \"hunter2\""), "axis.clients.client_secret: is missing");
        let blank = "client_id = \"hunter2 hunter2\"\nclient_secret = \"hunter2\"";
        refused(&client(blank), "axis.clients.client_id");
        let empty = "client_id = \"app\"\nclient_secret = \"\"";
        refused(&client(empty), "axis.clients.client_secret");
        for member in ["certificate_subject", "certificate_key"] {
            let certificate = format!("{whole}{member} = \"hunter2\"\n");
            refused(&client(&certificate), &format!("axis.clients.{member}: needs TLS"));
        }
        refused(&client(&format!("{whole}certificate = \"hunter2\"")), "certificate");
        let named = |name: &str| client(whole).replace("\"app\"\n", &format!("\"{name}\"\n"));
        refused(&named("hunter2:x"), "axis.clients.name");
        refused(&named(&"x".repeat(41)), "axis.clients.name");
        let twice = client(whole).repeat(2);
        refused(&twice, "axis.clients.client_id: is given twice");
        refused(
            &twice.replacen("\"app\"\nclient_secret", "\"b\"\nclient_secret", 1),
            "axis.clients.name: is given twice",
        );
        refused("[upi]\nprefix = \"hunter2\"", "upi.prefix");
        refused("[upi]\npublic_url = \"hunter2\"", "upi.public_url");
        let merchant = "[[upi.merchants]]\nid = \"m\"\nrequest_prefix = \"\"\nhandles = []\n\
            keys = [{ id = \"k\", key = \"hunter2\" }]\nchannels = []";
        refused(merchant, "upi.merchants.keys.key");
        refused("[server\nlisten = \"hunter2\"", "not valid TOML in line 1");
    }

    #[test]
    fn variables_name_a_section_and_a_key() {
        let set = |name: &str, value: &str| {
            let variables = [(name.to_owned(), value.into())].into_iter();
            let layers = Layers::defaults().unwrap().environment(variables);
            layers.map_err(ConfigError::from).and_then(|layers| Config::check(layers.read()?))
        };
        assert_eq!(set("KUNJI_PINS__TRIES_MAX", "2").unwrap().rules.tries_max, 2);
        assert_eq!(set("KUNJI_AXIS__MODE", "off").unwrap().axis.mode, AxisMode::Off);
        assert_eq!(set("PATH", "2").unwrap().rules.tries_max, 3);
        assert_eq!(set("KUNJI_PINS", "2").unwrap().rules.tries_max, 3);
        assert!(set("KUNJI_PENS__TRIES_MAX", "2").is_err());
        assert!(set("KUNJI_PINS__NONE", "2").is_err());
        assert!(set("KUNJI_PINS__TRIES_MAX", "many").is_err());
    }
}
