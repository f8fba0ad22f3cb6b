//! Reads one checkpoint, line by line, however long it is.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use kunji_core::audit::Head;
use kunji_vault::{CheckpointKeys, Sha256};

use super::checkpoint::{Hash, Header, LINE_LEN_MAX, Seal, parse_head};

/// A file from which heads are being read.
#[derive(Debug)]
pub struct Reader {
    file: BufReader<File>,
    header: Header,
    digest: Sha256,
    lines: u64,
    newest: String,
    seal: Option<Seal>,
    whole: Option<Hash>,
}

/// A checkpoint that our key signed, and that is whole.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Its first line.
    pub header: Header,
    /// How many heads it lists.
    pub heads: u64,
    /// SHA-256 of the whole file.
    pub hash: Hash,
}

/// Why nothing can be said from a file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not give it.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// It proves nothing.
    #[error(transparent)]
    Flaw(#[from] Flaw),
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A line is none of a checkpoint, or out of order.
    #[error("line {0} is not that of a checkpoint")]
    Line(u64),
    /// There is no last line.
    #[error("it is cut off after line {0}")]
    CutOff(u64),
    /// Something follows the last line.
    #[error("it goes on behind its signature")]
    Trailing,
    /// The last line counts other lines.
    #[error("it says that it lists {said} heads and lists {found}")]
    Count {
        /// What it says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// The keys at hand do not know who signed.
    #[error("it is signed with the unknown key {0:?}")]
    UnknownKey(String),
    /// It is not what was signed.
    #[error("its signature does not hold")]
    Signature,
}

impl Reader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// `ReadError` when it cannot be read, or does not begin as a checkpoint.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut file = BufReader::new(File::open(path)?);
        let line = line(&mut file, 1)?.ok_or(Flaw::CutOff(0))?;
        let mut digest = Sha256::default();
        digest.update(line.as_bytes());
        Ok(Self {
            header: serde_json::from_str(&line).map_err(|_| Flaw::Line(1))?,
            file,
            digest,
            lines: 1,
            newest: String::new(),
            seal: None,
            whole: None,
        })
    }

    /// Its first line.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next chain that it lists, as its format calls it.
    ///
    /// # Errors
    /// `ReadError` when the next line cannot be read, or is none of a checkpoint.
    pub fn next_head(&mut self) -> Result<Option<(String, Head)>, ReadError> {
        if self.seal.is_some() {
            return Ok(None);
        }
        let place = self.lines.saturating_add(1);
        let line = line(&mut self.file, place)?.ok_or(Flaw::CutOff(self.lines))?;
        if line.starts_with('{') {
            return self.end(place, &line).map(|()| None);
        }
        let format = self.header.format;
        let parsed = line.strip_suffix('\n').and_then(|line| parse_head(format, line));
        let follows = |(listed, _): &(String, Head)| *listed > self.newest;
        let (listed, head) = parsed.filter(follows).ok_or(Flaw::Line(place))?;
        self.digest.update(line.as_bytes());
        self.newest.clone_from(&listed);
        self.lines = place;
        Ok(Some((listed, head)))
    }

    /// Reads to the end, and says whether one of these keys signed it.
    ///
    /// # Errors
    /// `ReadError` when it cannot be read, is not well formed, or not what was signed.
    pub fn prove(mut self, keys: &CheckpointKeys) -> Result<Proven, ReadError> {
        while self.next_head()?.is_some() {}
        let (Some(seal), Some(hash)) = (self.seal, self.whole) else {
            return Err(Flaw::CutOff(self.lines).into());
        };
        if !keys.holds(&seal.key) {
            return Err(Flaw::UnknownKey(seal.key).into());
        }
        match keys.verifies(&seal.key, &self.digest.finish(), &seal.signature) {
            true => Ok(Proven { header: self.header, heads: seal.heads, hash }),
            false => Err(Flaw::Signature.into()),
        }
    }

    /// SHA-256 of the whole file, once all heads were read.
    #[must_use]
    pub fn whole(&self) -> Option<Hash> {
        self.whole
    }

    fn end(&mut self, place: u64, line: &str) -> Result<(), ReadError> {
        let seal: Seal = serde_json::from_str(line).map_err(|_| Flaw::Line(place))?;
        let found = self.lines.saturating_sub(1);
        if seal.heads != found {
            return Err(Flaw::Count { said: seal.heads, found }.into());
        }
        if !self.file.fill_buf()?.is_empty() {
            return Err(Flaw::Trailing.into());
        }
        let mut whole = self.digest.clone();
        whole.update(line.as_bytes());
        self.whole = Some(Hash(whole.finish()));
        self.seal = Some(seal);
        Ok(())
    }
}

/// The next line with its end; `None` when there is none.
fn line(file: &mut BufReader<File>, place: u64) -> Result<Option<String>, ReadError> {
    let len_max = u64::try_from(LINE_LEN_MAX).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    file.by_ref().take(len_max).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        let flaw = match line.len() {
            LINE_LEN_MAX => Flaw::Line(place),
            _ => Flaw::CutOff(place.saturating_sub(1)),
        };
        return Err(flaw.into());
    }
    Ok(Some(String::from_utf8(line).map_err(|_| Flaw::Line(place))?))
}
