//! A disk that can be full or slow: a small library in front of the C library, steered by a file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/faults/disk.c");
/// The numbers that the library shares: room, pause, refused, delayed.
const NUMBER_LEN: u64 = 8;
const UNLIMITED: i64 = -1;

/// The library, built for this run.
#[derive(Debug, Clone)]
pub(crate) struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Builds it in a folder that other users can read as well: PostgreSQL runs as one of them.
    pub(crate) fn build(folder: &Path) -> anyhow::Result<Self> {
        let library = folder.join("disk.so");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O2", "-Wall", "-shared", "-fPIC", SOURCE, "-ldl", "-o"]).arg(&library);
        let built = gcc.output().context("the faulty disk needs gcc")?;
        let told = String::from_utf8_lossy(&built.stderr);
        anyhow::ensure!(built.status.success(), "gcc did not build the faulty disk: {told}");
        fs::set_permissions(&library, Permissions::from_mode(0o755))?;
        Ok(Self { library })
    }
}

/// One disk, for all processes that were started with its variables.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    variables: [(&'static str, String); 2],
}

impl Disk {
    pub(crate) fn new(shim: &Shim, path: &Path) -> anyhow::Result<Self> {
        let file =
            OpenOptions::new().write(true).read(true).create(true).truncate(true).open(path)?;
        file.set_len(4 * NUMBER_LEN)?;
        fs::set_permissions(path, Permissions::from_mode(0o666))?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let variables = [("LD_PRELOAD", text(&shim.library)), ("FAULTY_DISK", text(path))];
        let disk = Self { file, variables };
        disk.heal()?;
        Ok(disk)
    }

    /// What a process must be started with.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// So many bytes fit, and no more.
    pub(crate) fn fill(&self, room: i64) -> anyhow::Result<()> {
        self.put(0, room)
    }

    /// Each sync takes so much longer.
    pub(crate) fn slow(&self, pause: Duration) -> anyhow::Result<()> {
        self.put(1, i64::try_from(pause.as_micros())?)
    }

    /// As good as new.
    pub(crate) fn heal(&self) -> anyhow::Result<()> {
        self.put(0, UNLIMITED)?;
        self.put(1, 0)
    }

    /// Writes that were refused, and syncs that were delayed.
    pub(crate) fn counts(&self) -> anyhow::Result<(i64, i64)> {
        Ok((self.number(2)?, self.number(3)?))
    }

    fn put(&self, place: u64, number: i64) -> anyhow::Result<()> {
        Ok(self.file.write_all_at(&number.to_ne_bytes(), place * NUMBER_LEN)?)
    }

    fn number(&self, place: u64) -> anyhow::Result<i64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, place * NUMBER_LEN)?;
        Ok(i64::from_ne_bytes(bytes))
    }
}
