//! The real binary as a sandbox, and what it uses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::machine::{self, Usage};
use crate::traffic::FIRST_PIN;

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

    /// Asks it to end, and waits until it has.
    fn stop(mut self) -> anyhow::Result<()> {
        let process = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &process]).status()?;
        anyhow::ensure!(told.success(), "a process cannot be told to end");
        let ended = self.process.wait()?;
        anyhow::ensure!(ended.success(), "a process did not end well");
        Ok(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a server keeps its state, and on which core it runs.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    /// A database, in place of the embedded store.
    pub(crate) url: Option<String>,
    pub(crate) core: Option<u32>,
    /// The `kunji` that is run.
    pub(crate) binary: PathBuf,
}

impl Home {
    /// `kunji` with what these runs need of settings; the store has the memory that `serve` gives.
    fn command(&self, name: &str) -> Command {
        let mut command = machine::command(&self.binary, self.core);
        command.args([name, "--output", "json", "--data"]).arg(&self.dir);
        for (name, value) in [
            ("KUNJI_PINS__LIVE_PER_MINUTE", "0"),
            // A sandbox writes a line for each request, a service under load does not.
            ("KUNJI_LOG__LEVEL", "error"),
            ("KUNJI_STORE__CACHE_MIB", "64"),
            ("KUNJI_STORE__MEMTABLE_MIB", "16"),
        ] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        if let Some(url) = &self.url {
            command.env("KUNJI_STORE__URL", url);
        }
        command
    }

    /// Fills the store with accounts as `kunji seed` makes them; says how long it took.
    pub(crate) fn seed(&self, accounts: u64) -> anyhow::Result<Duration> {
        std::fs::create_dir_all(&self.dir)?;
        let mut command = self.command("seed");
        command.args(["--accounts", &accounts.to_string()]);
        let begun = Instant::now();
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut seeding = piped.spawn()?;
        let mut input = seeding.stdin.take().context("a seed takes no PIN")?;
        input.write_all(FIRST_PIN.as_bytes())?;
        drop(input);
        let ended = seeding.wait_with_output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        anyhow::ensure!(ended.status.success(), "the seed failed: {said}");
        Ok(begun.elapsed())
    }
}

/// A sandbox with the bench's own accounts.
pub(crate) struct Server {
    answering: Answering,
    /// Where it counts what it commits, when it does.
    metrics: Option<SocketAddr>,
}

/// What a server has used since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) process: Usage,
    pub(crate) commits: u64,
    pub(crate) batches: u64,
}

impl Used {
    /// What was used after `before`; memory stays what it is.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let written = self.process.written_bytes.saturating_sub(before.process.written_bytes);
        Self {
            process: Usage {
                cpu: self.process.cpu.saturating_sub(before.process.cpu),
                written_bytes: written,
                ..self.process
            },
            commits: self.commits.saturating_sub(before.commits),
            batches: self.batches.saturating_sub(before.batches),
        }
    }
}

impl Server {
    /// Starts a sandbox over a store that was seeded.
    pub(crate) fn start(home: &Home) -> anyhow::Result<Self> {
        let metrics = free_address()?;
        let mut command = home.command("sandbox");
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen"]).arg(metrics.to_string());
        Ok(Self { answering: Answering::start(command)?, metrics: Some(metrics) })
    }

    /// Starts something else that answers changes.
    pub(crate) fn other(command: Command) -> anyhow::Result<Self> {
        Ok(Self { answering: Answering::start(command)?, metrics: None })
    }

    /// Its process, for who looks at it from outside.
    pub(crate) fn process(&self) -> u32 {
        self.answering.process.id()
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.answering.stop()
    }

    /// Ends it as a power cut would, but for the disk.
    pub(crate) fn kill9(&mut self) -> anyhow::Result<()> {
        self.answering.process.kill()?;
        self.answering.process.wait()?;
        Ok(())
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
        let Some(metrics) = self.metrics else {
            return Ok(Used { process, commits: 0, batches: 0 });
        };
        let text = fetch(metrics, "/metrics")?;
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
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer was cut off")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "{path} is not answered");
    Ok(body.to_owned())
}
