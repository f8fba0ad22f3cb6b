//! The rows of a backup, one after the other.

use std::io::Read;

use kunji_core::backup::{RowError, RowFormat, Tally, take_row};
use kunji_core::store::Row;
use kunji_vault::{BackupError, BackupReader, Part};

/// Why no row can be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not a whole backup of these keys.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// What was sealed is no row of this build.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// The rows of a backup, and the count that it closes with.
pub(super) struct Rows<R> {
    reader: BackupReader<R>,
    format: RowFormat,
    chunk: Vec<u8>,
    /// How much of the chunk was taken.
    taken: usize,
    counted: Option<Tally>,
}

impl<R: Read> Rows<R> {
    /// Before the first row.
    pub(super) fn new(reader: BackupReader<R>) -> Result<Self, ReadError> {
        let format = RowFormat::of_backup(reader.format()).ok_or(BackupError::Newer)?;
        Ok(Self { reader, format, chunk: Vec::new(), taken: 0, counted: None })
    }

    /// How the rows are written.
    pub(super) fn format(&self) -> RowFormat {
        self.format
    }

    /// The next row; `None` once the count has come.
    pub(super) fn next(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            let rest = self.chunk.get(self.taken..).unwrap_or_default();
            if !rest.is_empty() {
                let (row, behind) = take_row(self.format, rest)?;
                self.taken = self.chunk.len().saturating_sub(behind.len());
                return Ok(Some(row));
            }
            if self.counted.is_some() {
                return Ok(None);
            }
            let part = self.reader.read(&mut self.chunk)?;
            self.taken = 0;
            if part == Part::Last {
                self.counted = Some(Tally::decode(&self.chunk)?);
                self.chunk.clear();
            }
        }
    }

    /// The count, once there are no more rows.
    pub(super) fn counted(&self) -> Tally {
        self.counted.unwrap_or_default()
    }
}
