//! One commit in rows, ready to be written.

use std::sync::Arc;

use kunji_core::receipt::Receipt;
use kunji_core::store::{Commit, Record, StoreFault};
use kunji_vault::BlockMark;

use crate::rows;

/// One commit in rows.
pub(crate) struct Entry {
    pub(super) subject: Vec<u8>,
    pub(super) expected: u64,
    pub(super) record: Arc<Record>,
    pub(super) record_row: Vec<u8>,
    pub(super) event: (Vec<u8>, Vec<u8>),
    pub(super) receipt: Option<(Vec<u8>, Vec<u8>, Arc<Receipt>)>,
    pub(super) spent: Vec<BlockMark>,
    pub(super) messages: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) index: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    pub(super) fn of(commit: Commit) -> Result<Self, StoreFault> {
        let receipt = match commit.receipt {
            Some((key, receipt)) => {
                let row = rows::encode(&receipt)?;
                Some((rows::receipt_key(&key), row, Arc::new(receipt)))
            }
            None => None,
        };
        let mut messages = Vec::with_capacity(commit.messages.len());
        for message in &commit.messages {
            messages.push((rows::message_key(message), rows::encode(message)?));
        }
        let mut index = Vec::with_capacity(commit.index.len());
        if let Some(credential) = &commit.record.credential {
            for key in &commit.index {
                let id = &credential.id;
                index.push((rows::index_key(key, id)?, rows::encode(id)?));
            }
        }
        let seq = commit.record.head.seq;
        Ok(Self {
            event: (rows::event_key(&commit.subject, seq), commit.encoded),
            subject: rows::subject_key(&commit.subject),
            expected: commit.expected,
            record_row: rows::encode_record(&commit.record)?,
            record: Arc::new(commit.record),
            receipt,
            spent: commit.spent,
            messages,
            index,
        })
    }
}
