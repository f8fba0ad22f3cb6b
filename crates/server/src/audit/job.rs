//! One checkpoint to be written: what it says of itself, and what it lists.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use kunji_core::audit::ChainName;
use kunji_core::store::{Row, Scope as Walk, StoreFault, Survey};
use kunji_core::time::Millis;
use kunji_vault::Vault;

use super::CheckpointError;
use super::changed::Changes;
use super::checkpoint::{Format, Hash, Header, Occasion, Scope, store_name};
use super::draft::{Draft, Written};

/// What is to be written, before anybody looked at the store.
#[derive(Debug)]
pub struct Job<'a> {
    /// The run that writes it.
    pub series: String,
    /// Its place in the series.
    pub number: u64,
    /// The file before it.
    pub previous: Option<Hash>,
    /// When.
    pub at: Millis,
    /// Why.
    pub occasion: Occasion,
    /// What it lists; what is unknown is all of the store.
    pub changes: &'a Changes,
}

impl Job<'_> {
    /// Writes it beside its place and then gives it its name. It blocks its thread, for a whole
    /// store as long as the walk takes; `give_up` ends that early.
    ///
    /// # Errors
    /// `CheckpointError` when the store cannot be read or the file not written; there is none then.
    pub fn write(
        self,
        store: &impl Survey,
        vault: &Vault,
        path: &Path,
        give_up: &AtomicBool,
    ) -> Result<Written, CheckpointError> {
        let header = Header {
            format: Format::Two,
            series: self.series,
            number: self.number,
            previous: self.previous,
            store: store_name(store)?.ok_or(CheckpointError::Empty)?,
            at: self.at,
            occasion: self.occasion,
            scope: match self.changes {
                Changes::Unknown => Scope::All,
                Changes::These(_) => Scope::Changed,
            },
        };
        let mut draft = Draft::begin(path, &header)?;
        match self.changes {
            Changes::Unknown => list_all((store, vault), &mut draft, give_up)?,
            Changes::These(heads) => {
                heads.iter().try_for_each(|(chain, head)| draft.head(*chain, *head))?;
            }
        }
        draft.seal(vault)
    }
}

fn list_all(
    (store, vault): (&impl Survey, &Vault),
    draft: &mut Draft,
    give_up: &AtomicBool,
) -> Result<(), CheckpointError> {
    // A walk passes on faults of the store only; what else ended it is kept beside it.
    let mut ended = Ok(());
    let stop = || StoreFault::of("listing the chains")("the checkpoint ended early");
    let walked = store.survey(Walk::Records, &mut |row| {
        let Row::Record(subject, record) = row else { return Ok(()) };
        ended = match give_up.load(Ordering::Relaxed) {
            true => Err(CheckpointError::GivenUp),
            false => draft.head(ChainName::of(vault, &subject), record.head),
        };
        ended.as_ref().copied().map_err(|_| stop())
    });
    ended.and(walked.map_err(CheckpointError::from))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use kunji_core::audit::{Action, Head};
    use kunji_core::engine::{Engine, Inline};
    use kunji_core::ids::Caller;
    use kunji_core::rules::Rules;
    use kunji_store::Memory;
    use kunji_vault::{CheckpointKeys, KeyRing};

    use super::*;
    use crate::audit::reader::Reader;
    use crate::clock::ServiceClock;

    pub(in crate::audit) type Small = Engine<Memory, ServiceClock, Inline>;

    /// A store with one chain of one event: that of its start.
    pub(in crate::audit) async fn started() -> Small {
        let vault = Arc::new(Vault::new(KeyRing::ephemeral().unwrap()));
        let engine = Engine {
            store: Memory::new(Arc::clone(&vault)),
            vault,
            clock: ServiceClock::default(),
            workers: Inline,
            rules: Rules::default(),
            budget: Arc::default(),
        };
        let caller = Caller::parse("service").unwrap();
        engine.note(caller, Action::Started, String::new()).await.unwrap();
        engine
    }

    fn write(
        engine: &Small,
        changes: &Changes,
        dir: &Path,
        give_up: bool,
    ) -> Result<Written, CheckpointError> {
        let job = Job {
            series: "s".to_owned(),
            number: 1,
            previous: None,
            at: Millis(0),
            occasion: Occasion::Interval,
            changes,
        };
        let give_up = AtomicBool::new(give_up);
        job.write(&engine.store, &engine.vault, &dir.join("whole"), &give_up)
    }

    fn files(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let (engine, dir) = (started().await, tempfile::tempdir().unwrap());
        let ended = write(&engine, &Changes::Unknown, dir.path(), true);
        assert!(matches!(ended, Err(CheckpointError::GivenUp)));
        assert_eq!(files(dir.path()), 0);
        // A short list is no wait, and nothing takes the place of what is there.
        assert!(write(&engine, &Changes::These(Vec::new()), dir.path(), true).is_ok());
        let again = write(&engine, &Changes::These(Vec::new()), dir.path(), true);
        assert!(matches!(again, Err(CheckpointError::File { doing: "name", .. })));
        assert_eq!(files(dir.path()), 1);
    }

    #[tokio::test]
    async fn what_is_written_can_be_proven() {
        let (engine, dir) = (started().await, tempfile::tempdir().unwrap());
        let written = write(&engine, &Changes::Unknown, dir.path(), false).unwrap();
        assert_eq!((written.heads, files(dir.path())), (1, 1));
        let keys = CheckpointKeys::from_jwks(&engine.vault.jwks()).unwrap();
        let proven = Reader::open(&dir.path().join("whole")).unwrap().prove(&keys).unwrap();
        assert_eq!((proven.hash, proven.heads), (written.hash, 1));
        assert_eq!(proven.header.scope, Scope::All);
        assert_eq!(Some(proven.header.store), store_name(&engine.store).unwrap());
    }

    #[tokio::test]
    async fn what_nobody_could_read_back_is_not_written() {
        let (engine, dir) = (started().await, tempfile::tempdir().unwrap());
        let one = |name: u8| (ChainName([name; 16]), Head { seq: 1, hash: [7; 32] });
        for names in [[2, 1], [1, 1]] {
            let unordered = Changes::These(names.map(one).to_vec());
            let ended = write(&engine, &unordered, dir.path(), false);
            assert!(matches!(ended, Err(CheckpointError::Order)));
        }
        let vault = Arc::clone(&engine.vault);
        let empty = Small { store: Memory::new(vault), ..started().await };
        let ended = write(&empty, &Changes::Unknown, dir.path(), false);
        assert!(matches!(ended, Err(CheckpointError::Empty)));
        assert_eq!(files(dir.path()), 0);
    }
}
