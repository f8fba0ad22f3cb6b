//! The machine: what it is, what its processes use, where they may run.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

/// What the figures were measured on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) memory_mib: u64,
    pub(crate) disk: String,
    pub(crate) load_before: String,
    pub(crate) load_after: String,
}

impl Machine {
    pub(crate) fn look(dir: &Path) -> Self {
        let cpu = read("/proc/cpuinfo");
        let mut models = cpu.lines().filter_map(|line| line.strip_prefix("model name"));
        let model = models.next();
        Self {
            cores: models.count() + 1,
            cpu: model.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: number_after(&read("/proc/meminfo"), "MemTotal:") / 1024,
            disk: disk(dir),
            load_before: load(),
            load_after: String::new(),
        }
    }

    pub(crate) fn look_again(&mut self) {
        self.load_after = load();
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, cpu, kernel, memory_mib, disk, load_before, load_after } = self;
        writeln!(f, "{cores} cores; {cpu}; {memory_mib} MiB; Linux {kernel}; {disk}")?;
        write!(f, "load average before {load_before}, after {load_after}")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Bytes that a directory takes on its disk, all below it included.
pub(crate) fn disk_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => disk_bytes(&entry.path())?,
            // In units of 512 bytes, whatever the file system's blocks are.
            false => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}

/// CPU time of all processes that run in a directory, as those of PostgreSQL do.
pub(crate) fn cpu_in(dir: &Path) -> anyhow::Result<Duration> {
    let mut cpu = Duration::ZERO;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let inside = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir);
        if let (true, Some(process)) = (inside, entry.file_name().to_str()) {
            // One that has ended meanwhile is not counted.
            cpu += Usage::of(process).map_or(Duration::ZERO, |usage| usage.cpu);
        }
    }
    Ok(cpu)
}

/// The load averages of 1, 5 and 15 minutes.
fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The file system and the device that a directory lies on.
fn disk(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, at, kind) = (words.next()?, words.next()?, words.next()?);
        dir.starts_with(at).then_some((at.len(), format!("{kind} on {device}")))
    });
    mounts.max_by_key(|(len, _)| *len).map_or_else(|| "unknown".to_owned(), |(_, disk)| disk)
}

/// The cores that this process may run on.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Moves this process, and so all that it starts from now on, to one core.
pub(crate) fn pin_self(core: u32) -> anyhow::Result<()> {
    let (core, process) = (core.to_string(), std::process::id().to_string());
    let moved = Command::new("taskset").args(["-cp", &core, &process]).output();
    let moved = moved.context("--pin needs taskset")?;
    anyhow::ensure!(moved.status.success(), "there is no core {core} to run on");
    Ok(())
}

/// A command that runs on one core, if one is named.
pub(crate) fn command(program: &Path, core: Option<u32>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// What a process has used since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) written_bytes: u64,
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Usage {
    /// Reads a process's accounts; `self` is this one.
    pub(crate) fn of(process: &str) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the process may hold anything, but nothing after it holds a bracket.
        let (_, fields) = stat.rsplit_once(')').context("the accounts cannot be read")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("the accounts cannot be read")?;
        let status = read(&format!("/proc/{process}/status"));
        let io = read(&format!("/proc/{process}/io"));
        Ok(Self {
            cpu: Duration::from_millis((user + system) * 1000 / ticks_per_second()),
            written_bytes: number_after(&io, "write_bytes:"),
            resident_kib: number_after(&status, "VmRSS:"),
            peak_kib: number_after(&status, "VmHWM:"),
        })
    }
}

fn number_after(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

fn ticks_per_second() -> u64 {
    let asked = Command::new("getconf").arg("CLK_TCK").output().ok();
    let said = asked.and_then(|output| String::from_utf8(output.stdout).ok());
    said.and_then(|said| said.trim().parse().ok()).unwrap_or(100)
}
