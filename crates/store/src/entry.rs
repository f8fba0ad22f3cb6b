//! One commit in rows, sealed and ready to be written.

use std::sync::Arc;

use kunji_core::audit::{ChainName, Head};
use kunji_core::receipt::Receipt;
use kunji_core::store::{Commit, Record, StoreFault};

use crate::rows::{self, Rows};

/// What the check needs of a commit, and all rows that it writes.
pub(crate) struct Entry {
    /// Whose record.
    pub(crate) chain: ChainName,
    /// The head that must still stand.
    pub(crate) expected: Head,
    pub(crate) record: Arc<Record>,
    /// The receipt's key, which must be new.
    pub(crate) receipt: Option<(Vec<u8>, Arc<Receipt>)>,
    /// The keys of used blocks, which must be new.
    pub(crate) spent: Vec<Vec<u8>>,
    /// All rows, the record's first.
    pub(crate) rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// The keys of rows that fall.
    pub(crate) fallen: Vec<Vec<u8>>,
}

impl Entry {
    pub(crate) fn of(commit: Commit, rows: &Rows) -> Result<Self, StoreFault> {
        let chain = rows.chain(&commit.subject);
        let record = rows.seal_record((&chain, &commit.subject), &commit.record)?;
        let event = rows::event_key(&chain, commit.record.head.seq);
        let encoded = rows.seal_event(&event, commit.encoded)?;
        let mut all = vec![(rows::record_key(&chain), record), (event, encoded)];
        let receipt = match commit.receipt {
            Some((of, receipt)) => {
                let key = rows.receipt_key(&of);
                let row = rows.seal_receipt(&key, (&of, &receipt))?;
                all.push((key.clone(), row));
                Some((key, Arc::new(receipt)))
            }
            None => None,
        };
        let spent: Vec<_> = commit.spent.into_iter().map(rows::spent_key).collect();
        all.extend(spent.iter().map(|key| (key.clone(), Vec::new())));
        for message in &commit.messages {
            let key = rows.message_key(message);
            let row = rows.seal(&key, message)?;
            all.push((key, row));
        }
        for errand in &commit.errands {
            let key = rows.errand_key(&errand.key);
            let row = rows.seal(&key, errand)?;
            all.push((key, row));
        }
        if let Some(credential) = commit.record.credential() {
            for found_by in &commit.index {
                let key = rows.index_key(found_by, &credential.id)?;
                let row = rows.seal_index(&key, (found_by, &credential.id))?;
                all.push((key, row));
            }
        }
        let fallen = commit.settled.iter().map(|key| rows.errand_key(key)).collect();
        let (expected, record) = (commit.expected, Arc::new(commit.record));
        Ok(Self { chain, expected, record, receipt, spent, rows: all, fallen })
    }
}
