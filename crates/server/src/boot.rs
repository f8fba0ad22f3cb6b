//! Puts the parts together: keys, store, engine.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use kunji_core::audit::{Action, Event, Head, Subject};
use kunji_core::budget::GuessBudget;
use kunji_core::engine::{Engine, Fault, noted};
use kunji_core::ids::Caller;
use kunji_core::rules::Rules;
use kunji_core::store::{Commit, Record, Row, Scope, StoreFault, Survey as _};
use kunji_core::time::Stamp;
use kunji_store::{
    Archive, BatchReport, Embedded, EmbeddedSettings, OpenError, Postgres, PostgresError,
    PostgresPlace,
};
use kunji_vault::{KeyFault, KeyRing, Vault};

use crate::app::Issuer;
use crate::clock::ServiceClock;
use crate::config::{Config, Files, Place};
use crate::serials::{BLOCK_LEN, Block, Origin};
use crate::telemetry::Metrics;
use crate::wall;
use crate::workers::RsaWorkers;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A directory cannot be made.
    #[error("{path} cannot be created")]
    Directory {
        /// Which one.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The keys cannot be had.
    #[error("the keys cannot be opened")]
    Keys(#[from] KeyFault),
    /// The store cannot be had.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database cannot be had.
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// The system gives no threads.
    #[error("the workers cannot be started")]
    Workers(#[from] std::io::Error),
    /// A store without the keys that its PINs were kept under.
    #[error(
        "{keys} is missing, but {store} is there: its PINs can be checked with its own keys only"
    )]
    KeysMissing {
        /// Where the key file should be.
        keys: std::path::PathBuf,
        /// The store that is there.
        store: std::path::PathBuf,
    },
    /// Keys of another store.
    #[error("the key file is not the one that this store began with")]
    OtherKeys,
    /// An older copy of the right keys.
    #[error(
        "the key file {0} is older than the store, which was used with keys that it lacks: put \
         its newest copy back"
    )]
    OlderKeys(std::path::PathBuf),
    /// The store's own chain cannot be read.
    #[error(transparent)]
    Chain(#[from] StoreFault),
    /// The first event cannot be written.
    #[error("the start cannot be recorded")]
    Note(#[from] Fault),
}

/// Opens the keys, or makes them at the first start.
///
/// # Errors
/// `BootError` when the files are readable by others, altered, or cannot be written.
pub fn open_vault(config: &Config) -> Result<Arc<Vault>, BootError> {
    let Files { key_file, unseal_file, store, .. } = &config.files;
    // A store elsewhere is asked for its first key once it is open.
    if let Place::Embedded(dir) = store
        && dir.exists()
        && !key_file.exists()
    {
        return Err(BootError::KeysMissing { keys: key_file.clone(), store: dir.clone() });
    }
    make_parent(key_file)?;
    make_parent(unseal_file)?;
    let ring = KeyRing::open_or_create(key_file, unseal_file, wall::now().0)?;
    let vault = Arc::new(Vault::new(ring));
    let making = Arc::clone(&vault);
    // An RSA key takes a tenth of a second at the first start; nobody waits for it but `jwks`,
    // which also reports a failure.
    std::thread::Builder::new()
        .name("kunji-first-rsa".to_owned())
        .spawn(move || making.ready_rsa().and_then(|()| making.ready_signing()))?;
    Ok(vault)
}

fn make_parent(path: &Path) -> Result<(), BootError> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    make_private(parent)
}

/// Makes a directory that only its owner can enter; one that is there stays as it is.
///
/// # Errors
/// `BootError::Directory` when it cannot be made.
pub fn make_private(path: &Path) -> Result<(), BootError> {
    let broke = |source| BootError::Directory { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(broke)
}

/// Opens a store whose rows are sealed by this vault.
///
/// # Errors
/// `BootError` when it is in use, damaged or of another build.
pub fn open_archive(
    place: &Place,
    config: &Config,
    vault: &Arc<Vault>,
    metrics: &Arc<Metrics>,
) -> Result<Archive, BootError> {
    let vault = Arc::clone(vault);
    let counted = Arc::clone(metrics);
    let on_batch: BatchReport = Arc::new(move |len| {
        counted.batch_committed(u32::try_from(len).unwrap_or(u32::MAX));
    });
    let dir = match place {
        Place::Embedded(dir) => dir,
        Place::Postgres(place) => {
            let store = Postgres::open(PostgresPlace::clone(place), Some(on_batch), vault)?;
            return Ok(Archive::Postgres(Box::new(store)));
        }
    };
    make_parent(dir)?;
    make_private(dir)?;
    let settings = EmbeddedSettings {
        cache_bytes: config.files.cache_bytes,
        memtable_bytes: config.files.memtable_bytes,
        on_batch: Some(on_batch),
        ..EmbeddedSettings::default()
    };
    Ok(Archive::Embedded(Box::new(Embedded::open(dir, settings, vault)?)))
}

/// Opens the store and puts an engine over it.
///
/// # Errors
/// `BootError` when the store is in use, damaged or newer.
pub fn open_issuer(
    config: &Config,
    store: &Place,
    vault: Arc<Vault>,
    clock: ServiceClock,
    metrics: &Arc<Metrics>,
) -> Result<Issuer, BootError> {
    Ok(Engine {
        store: open_archive(store, config, &vault, metrics)?,
        vault,
        clock,
        workers: RsaWorkers::start(config.rsa_threads, Arc::clone(metrics))?,
        rules: Rules { told: Some(Arc::new(config.upi.told())), ..config.rules.clone() },
        budget: Arc::new(GuessBudget::new(config.budget)),
    })
}

/// An engine whose start is recorded, and the serials that come with it.
pub struct Start {
    /// The engine.
    pub issuer: Issuer,
    /// The serials of this start.
    pub serials: Block,
}

/// Records the start, and with which keys, in the service's own chain; refuses keys under which
/// right PINs would be wrong ones: those of another store, and an older copy of this store's.
///
/// # Errors
/// `BootError::Note` when the event cannot be made durable.
pub async fn note_start(issuer: Issuer, config: &Config) -> Result<Start, BootError> {
    match keys_of(&issuer)? {
        KeysKnown::All => {}
        KeysKnown::Some => return Err(BootError::OlderKeys(config.files.key_file.clone())),
        KeysKnown::NotTheFirst => return Err(BootError::OtherKeys),
    }
    let head = note(&issuer, Action::Started, issuer.vault.key_names()).await?;
    let first = issuer.store.first_event(&Subject::Service)?;
    let origin = Origin::of(&first.unwrap_or_default());
    Ok(Start { issuer, serials: Block::of(origin, head) })
}

/// Records which keys this process has: a store remembers them before anything is made with them.
///
/// # Errors
/// `Fault` when the event cannot be made durable.
pub async fn note_keys(issuer: &Issuer) -> Result<(), Fault> {
    note(issuer, Action::Keys, issuer.vault.key_names()).await.map(drop)
}

/// Takes a further block of serials; the event's place in the chain gives it.
///
/// # Errors
/// `Fault` when the event that gives it cannot be made durable.
pub async fn take_serials(issuer: &Issuer, origin: Origin) -> Result<Block, Fault> {
    let head = note(issuer, Action::Serials, format!("{BLOCK_LEN} more")).await?;
    Ok(Block::of(origin, head))
}

/// Leaves an event of the service, and gives the head that it leads to.
async fn note(issuer: &Issuer, action: Action, detail: String) -> Result<Head, Fault> {
    issuer.note(Caller::parse("service")?, action, detail).await
}

/// The first start over a store that is filled before any process serves it: from then on it opens
/// with these keys only.
///
/// # Errors
/// `Fault` when the event cannot be encoded.
pub fn first_start(vault: &Vault, stamp: Stamp) -> Result<Commit, Fault> {
    let caller = Caller::parse("service")?;
    Ok(noted(Record::default(), caller, (Action::Started, vault.key_names()), stamp)?)
}

/// Which of the keys that a store was used with are known to the key file, retired ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeysKnown {
    All,
    Some,
    NotTheFirst,
}

/// Compares the keys with those that the service's own chain names.
fn keys_of(issuer: &Issuer) -> Result<KeysKnown, StoreFault> {
    let mut known = None;
    let walked = issuer.store.survey(Scope::Chain(&Subject::Service), &mut |row| {
        let Row::Event(_, encoded) = row else { return Ok(()) };
        let event = Event::decode(&encoded).map_err(StoreFault::of("decoding the own events"))?;
        if !matches!(event.action, Action::Started | Action::Keys) {
            return Ok(());
        }
        for name in event.detail.iter().flat_map(|names| names.split_ascii_whitespace()) {
            known = Some(match (known, issuer.vault.knows_key(name)) {
                (None, false) => KeysKnown::NotTheFirst,
                (None, true) => KeysKnown::All,
                (Some(KeysKnown::All), false) => KeysKnown::Some,
                (Some(before), _) => before,
            });
        }
        Ok(())
    });
    match (walked, known) {
        (Ok(()), known) => Ok(known.unwrap_or(KeysKnown::All)),
        // What is sealed under keys that are lacking cannot be read; they were named before it.
        (Err(_), Some(known @ (KeysKnown::Some | KeysKnown::NotTheFirst))) => Ok(known),
        // Unless a restore sealed everything anew.
        (Err(fault), Some(KeysKnown::All) | None) => match lacks_versions(issuer)? {
            true => Ok(KeysKnown::Some),
            false => Err(fault),
        },
    }
}

/// Whether some row is sealed under a key version that the key file does not hold.
fn lacks_versions(issuer: &Issuer) -> Result<bool, StoreFault> {
    let here = issuer.vault.key_versions();
    let is_here = |version: &u32| here.iter().any(|one| one.version == *version);
    Ok(!issuer.store.sealed_under()?.keys().all(is_here))
}
