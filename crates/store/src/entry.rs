//! One commit in rows, ready to be written.

use std::sync::Arc;

use kunji_core::audit::Head;
use kunji_core::receipt::Receipt;
use kunji_core::store::{Commit, Record, StoreFault};

use crate::rows;

/// What the check needs of a commit, and all rows that it writes.
pub(crate) struct Entry {
    /// The record's key.
    pub(crate) subject: Vec<u8>,
    /// The head that must still stand.
    pub(crate) expected: Head,
    pub(crate) record: Arc<Record>,
    /// The receipt's key, which must be new.
    pub(crate) receipt: Option<(Vec<u8>, Arc<Receipt>)>,
    /// The keys of used blocks, which must be new.
    pub(crate) spent: Vec<Vec<u8>>,
    pub(crate) rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// The keys of rows that fall.
    pub(crate) fallen: Vec<Vec<u8>>,
}

impl Entry {
    pub(crate) fn of(commit: Commit) -> Result<Self, StoreFault> {
        let seq = commit.record.head.seq;
        let subject = rows::record_key(&commit.subject);
        let mut all = vec![
            (subject.clone(), rows::encode_record(&commit.record)?),
            (rows::event_key(&commit.subject, seq), commit.encoded),
        ];
        let receipt = match commit.receipt {
            Some((key, receipt)) => {
                let key = rows::receipt_key(&key);
                all.push((key.clone(), rows::encode(&receipt)?));
                Some((key, Arc::new(receipt)))
            }
            None => None,
        };
        let spent: Vec<_> = commit.spent.into_iter().map(rows::spent_key).collect();
        all.extend(spent.iter().map(|key| (key.clone(), Vec::new())));
        for message in &commit.messages {
            all.push((rows::message_key(message), rows::encode(message)?));
        }
        for errand in &commit.errands {
            all.push((rows::errand_key(&errand.key), rows::encode(errand)?));
        }
        let fallen = commit.settled.iter().map(rows::errand_key).collect();
        if let Some(credential) = commit.record.credential() {
            for key in &commit.index {
                let id = &credential.id;
                all.push((rows::index_key(key, id)?, rows::encode(id)?));
            }
        }
        let (expected, record) = (commit.expected, Arc::new(commit.record));
        Ok(Self { subject, expected, record, receipt, spent, rows: all, fallen })
    }
}
