//! The store that the configuration names, whichever engine that is.

use std::collections::BTreeMap;
use std::sync::Arc;

use kunji_core::audit::Subject;
use kunji_core::errand::{Errand, ErrandKey, Lane};
use kunji_core::ids::{CredentialId, Mobile};
use kunji_core::index::IndexKey;
use kunji_core::outbox::Message;
use kunji_core::receipt::{Receipt, ReceiptKey};
use kunji_core::store::{
    Commit, Committed, Inspect, Intake, Load, Loaded, Record, Row, Scope, Store, StoreFault, Survey,
};

use crate::{Embedded, Postgres, Witness};

/// One of the engines.
pub enum Archive {
    /// In a directory, for one process.
    Embedded(Box<Embedded>),
    /// In a PostgreSQL database, shared with other processes.
    Postgres(Box<Postgres>),
}

/// Does the same with each engine.
macro_rules! each {
    ($archive:expr, $store:ident => $work:expr) => {
        match $archive {
            Archive::Embedded($store) => $work,
            Archive::Postgres($store) => $work,
        }
    };
}

impl Archive {
    /// Whether nobody was ever seeded or created here.
    ///
    /// # Errors
    /// `StoreFault` when the store cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreFault> {
        each!(self, store => store.is_empty())
    }

    /// Whether this process is the one that runs errands and webhooks.
    ///
    /// # Errors
    /// `StoreFault` when the store is out of reach.
    pub async fn leads(&self) -> Result<bool, StoreFault> {
        match self {
            Self::Embedded(_) => Ok(true),
            Self::Postgres(store) => store.leads().await,
        }
    }

    /// Whether other processes may be at work on the same store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Lets a witness hear of each commit that becomes durable from now on; the first one stays.
    pub fn attach(&self, witness: Arc<dyn Witness>) {
        each!(self, store => store.attach(witness));
    }

    /// Whether commits are still accepted.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        each!(self, store => store.is_sound())
    }

    /// How many subjects the store has shown at an earlier point than this process had seen them at.
    #[must_use]
    pub fn went_back(&self) -> usize {
        match self {
            // Nobody else writes to it.
            Self::Embedded(_) => 0,
            Self::Postgres(store) => store.went_back(),
        }
    }

    /// Loads what the engine has.
    pub(crate) async fn load_whole(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        each!(self, store => store.load(load).await)
    }

    /// Commits as the engine does.
    pub(crate) async fn commit_whole(&self, commit: Commit) -> Result<Committed, StoreFault> {
        each!(self, store => store.commit(commit).await)
    }
}

impl Store for Archive {
    async fn load(&self, load: &Load<'_>) -> Result<Loaded, StoreFault> {
        #[cfg(feature = "plants")]
        return Ok(crate::plants::loaded(load, self.load_whole(load).await?));
        #[cfg(not(feature = "plants"))]
        self.load_whole(load).await
    }

    async fn read(&self, subject: &Subject) -> Result<Record, StoreFault> {
        each!(self, store => store.read(subject).await)
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreFault> {
        #[cfg(feature = "plants")]
        return crate::plants::commit(self, commit).await;
        #[cfg(not(feature = "plants"))]
        self.commit_whole(commit).await
    }

    async fn receipt(&self, key: &ReceiptKey) -> Result<Option<Receipt>, StoreFault> {
        each!(self, store => store.receipt(key).await)
    }

    async fn find(&self, key: &IndexKey) -> Result<Vec<CredentialId>, StoreFault> {
        each!(self, store => store.find(key).await)
    }

    async fn outbox(&self, to: &Mobile) -> Result<Vec<Message>, StoreFault> {
        each!(self, store => store.outbox(to).await)
    }

    async fn errands_after(
        &self,
        lane: &Lane,
        after: Option<&ErrandKey>,
    ) -> Result<Vec<Errand>, StoreFault> {
        each!(self, store => store.errands_after(lane, after).await)
    }
}

impl Survey for Archive {
    fn inspect(&self, scope: Scope<'_>, look: Inspect<'_>) -> Result<(), StoreFault> {
        each!(self, store => store.inspect(scope, look))
    }

    fn first_event(&self, subject: &Subject) -> Result<Option<Vec<u8>>, StoreFault> {
        each!(self, store => store.first_event(subject))
    }

    fn sealed_under(&self) -> Result<BTreeMap<u32, u64>, StoreFault> {
        each!(self, store => store.sealed_under())
    }
}

impl Intake for Archive {
    fn fill(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Row>, StoreFault>,
    ) -> Result<u64, StoreFault> {
        each!(self, store => store.fill(next))
    }
}
