//! The real binary as a sandbox, and what it uses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::machine::{self, Usage};
use crate::traffic::{Account, seed};

/// A process that prints where it answers, killed at the end.
pub(crate) struct Answering {
    process: Child,
    address: SocketAddr,
    /// Kept open: a part of the bench ends when its standard input does.
    _input: Option<ChildStdin>,
}

impl Answering {
    /// Starts a command that prints `{"base": ...}` once it answers.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("a process cannot be started")?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("a process has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line).context("it did not start")?;
        let base = said.get("base").and_then(serde_json::Value::as_str).unwrap_or_default();
        let address = base.strip_prefix("http://").unwrap_or(base).parse()?;
        Ok(Self { process, address, _input: input })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(&self.process.id().to_string())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A sandbox with the bench's own accounts.
pub(crate) struct Server {
    answering: Answering,
    metrics: SocketAddr,
}

/// What a server has used since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) process: Usage,
    pub(crate) commits: u64,
    pub(crate) batches: u64,
}

impl Used {
    /// What was used after `before`; the peak of memory stays what it is.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            process: Usage {
                cpu: self.process.cpu.saturating_sub(before.process.cpu),
                written_bytes: self
                    .process
                    .written_bytes
                    .saturating_sub(before.process.written_bytes),
                peak_kib: self.process.peak_kib,
            },
            commits: self.commits.saturating_sub(before.commits),
            batches: self.batches.saturating_sub(before.batches),
        }
    }
}

impl Server {
    /// Starts a sandbox in a directory of its own; the store has the memory that `serve` gives it.
    pub(crate) fn start(
        dir: &Path,
        accounts: &[Account],
        core: Option<u32>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(dir)?;
        let seed_file = dir.join("seed.toml");
        std::fs::write(&seed_file, seed(accounts))?;
        let metrics = free_address()?;
        let mut command = machine::command(Path::new(env!("CARGO_BIN_EXE_kunji")), core);
        command.args(["sandbox", "--output", "json", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(dir.join("state")).arg("--seed").arg(seed_file);
        command.arg("--metrics-listen").arg(metrics.to_string());
        for (name, value) in [
            ("KUNJI_PINS__LIVE_PER_MINUTE", "0"),
            ("KUNJI_STORE__CACHE_MIB", "64"),
            ("KUNJI_STORE__MEMTABLE_MIB", "16"),
        ] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        std::fs::create_dir(dir.join("state"))?;
        Ok(Self { answering: Answering::start(command)?, metrics })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.answering.address()
    }

    /// The public keys; the first RSA key is waited for.
    pub(crate) fn jwks(&self) -> anyhow::Result<String> {
        fetch(self.address(), "/.well-known/jwks.json")
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Used> {
        let process = self.answering.usage()?;
        let text = fetch(self.metrics, "/metrics")?;
        let count = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|value| value.parse::<u64>().ok()).context("a metric is missing")
        };
        Ok(Used {
            process,
            commits: count("kunji_store_commits_total")?,
            batches: count("kunji_store_batch_size_count")?,
        })
    }
}

/// An address that nobody listens on at this moment.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// One `GET` on a connection of its own.
fn fetch(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer was cut off")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "{path} is not answered");
    Ok(body.to_owned())
}
