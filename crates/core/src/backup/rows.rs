//! Rows in bytes, one behind the other, and their count at the end.

use kunji_vault::Vault;
use serde::{Deserialize, Serialize};

use super::former;
use crate::audit::{ChainName, Subject};
use crate::store::Row;

/// A row or a count that is none, or cannot be put into bytes.
#[derive(Debug, thiserror::Error)]
#[error("a row of the backup is not well formed")]
pub struct RowError(#[source] pub(super) postcard::Error);

/// How a store or a backup writes its rows, and in which order its chains come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// As stores of format 2 did: in the order of their subjects' texts.
    Open,
    /// As this build does: in the order of their names.
    Sealed,
}

impl RowFormat {
    /// The format of the rows in a backup of this format; `None` for one that is not known.
    #[must_use]
    pub fn of_backup(format: u32) -> Option<Self> {
        match format {
            1 => Some(Self::Open),
            2 => Some(Self::Sealed),
            _ => None,
        }
    }

    /// What chains are ordered by.
    #[must_use]
    pub fn order_of(self, vault: &Vault, subject: &Subject) -> Vec<u8> {
        match self {
            Self::Open => subject.to_string().into_bytes(),
            Self::Sealed => ChainName::of(vault, subject).0.to_vec(),
        }
    }
}

/// Writes a row behind others.
///
/// # Errors
/// `RowError` when the row cannot be encoded.
pub fn append_row(row: &Row, bytes: Vec<u8>) -> Result<Vec<u8>, RowError> {
    postcard::to_extend(row, bytes).map_err(RowError)
}

/// Reads the first row; gives what follows it as well.
///
/// # Errors
/// `RowError` when the bytes do not begin with a row.
pub fn take_row(format: RowFormat, bytes: &[u8]) -> Result<(Row, &[u8]), RowError> {
    match format {
        RowFormat::Open => former::take_row(bytes),
        RowFormat::Sealed => postcard::take_from_bytes(bytes).map_err(RowError),
    }
}

/// How many rows there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events of all chains.
    pub events: u64,
    /// Records, one for each chain.
    pub records: u64,
    /// Receipts of answered requests.
    pub receipts: u64,
    /// Blocks that are used up.
    pub spent: u64,
    /// Messages.
    pub messages: u64,
    /// Other names of credentials.
    pub index: u64,
    /// What is yet to be done.
    pub errands: u64,
}

impl Tally {
    /// Counts one row.
    pub fn count(&mut self, row: &Row) {
        let place = match row {
            Row::Event(..) => &mut self.events,
            Row::Record(..) => &mut self.records,
            Row::Receipt(..) => &mut self.receipts,
            Row::Spent(_) => &mut self.spent,
            Row::Message(_) => &mut self.messages,
            Row::Index(..) => &mut self.index,
            Row::Errand(_) => &mut self.errands,
        };
        *place = place.saturating_add(1);
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let Self { events, records, receipts, spent, messages, index, errands } = *self;
        [events, records, receipts, spent, messages, index, errands].iter().sum()
    }

    /// The bytes that end a backup.
    ///
    /// # Errors
    /// `RowError` when the count cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, RowError> {
        postcard::to_stdvec(self).map_err(RowError)
    }

    /// Reads the bytes that end a backup.
    ///
    /// # Errors
    /// `RowError` when they are no count, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        match postcard::take_from_bytes(bytes).map_err(RowError)? {
            (tally, []) => Ok(tally),
            (_, _) => Err(RowError(postcard::Error::DeserializeBadEncoding)),
        }
    }
}

#[cfg(test)]
mod tests {
    use kunji_vault::BlockMark;
    use proptest::prelude::*;

    use super::*;
    use crate::audit::Subject;
    use crate::store::Record;

    #[test]
    fn rows_stand_one_behind_the_other_and_are_counted() {
        let rows = [
            Row::Event(Subject::Service, vec![1, 2, 3]),
            Row::Record(Subject::Service, Box::default()),
            Row::Spent(BlockMark([7; 16])),
        ];
        let (mut bytes, mut tally) = (Vec::new(), Tally::default());
        for row in &rows {
            bytes = append_row(row, bytes).unwrap();
            tally.count(row);
        }
        let mut rest = bytes.as_slice();
        for row in &rows {
            let (taken, behind) = take_row(RowFormat::Sealed, rest).unwrap();
            assert_eq!(format!("{taken:?}"), format!("{row:?}"));
            rest = behind;
        }
        assert!(rest.is_empty() && take_row(RowFormat::Sealed, rest).is_err());
        assert_eq!((tally.events, tally.records, tally.spent, tally.rows()), (1, 1, 1, 3));
        assert_eq!(Tally::decode(&tally.encode().unwrap()).unwrap(), tally);
        assert!(Tally::decode(&[&tally.encode().unwrap()[..], &[0]].concat()).is_err());
        assert_eq!(Record::default().head.seq, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for format in [RowFormat::Open, RowFormat::Sealed] {
                let _ = take_row(format, &bytes);
            }
            let _ = former::former_record(&bytes);
            let _ = Tally::decode(&bytes);
        }
    }
}
