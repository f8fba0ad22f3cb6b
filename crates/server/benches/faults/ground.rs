//! The real processes: servers over one store, and the database where there is one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kunji_server::backup::open_keys;
use kunji_server::config::Place;
use kunji_server::sandbox::ground::current;
use kunji_store::PostgresPlace;
use kunji_testkit::Cluster;
use kunji_vault::Vault;
use tempfile::TempDir;

use crate::disk::{Disk, Shim};
use crate::line::{Answer, Line};
use crate::people;

/// How long a process may take to end after it was asked to.
const END_TIMEOUT: Duration = Duration::from_secs(40);
/// After a kill PostgreSQL syncs its whole folder, file by file; this syncs the file system once.
const FAST_RECOVERY: &str = "recovery_init_sync_method=syncfs";
/// The pause between two looks whether it has.
const LOOK: Duration = Duration::from_millis(2);

/// Which store the servers keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// One process over its own directory.
    Embedded,
    /// Two processes over one database.
    Postgres,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Postgres => "PostgreSQL",
        }
    }

    pub(crate) fn servers(self) -> usize {
        match self {
            Self::Embedded => 1,
            Self::Postgres => 2,
        }
    }
}

/// A database server on a disk of its own.
pub(crate) struct Database {
    pub(crate) cluster: Cluster,
    pub(crate) disk: Disk,
    url: String,
}

pub(crate) struct Ground {
    folder: TempDir,
    binary: PathBuf,
    plant: Option<&'static str>,
    /// The disk of the servers.
    pub(crate) disk: Disk,
    pub(crate) database: Option<Database>,
    servers: Vec<Option<Server>>,
}

struct Server {
    process: Child,
    address: String,
}

impl Ground {
    pub(crate) fn new(
        engine: Engine,
        binary: &Path,
        plant: Option<&'static str>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kunji-faults-").tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        fs::write(folder.path().join("seed.toml"), people::seed())?;
        let shim = Shim::build(folder.path())?;
        let disk = Disk::new(&shim, &folder.path().join("disk"))?;
        let database = match engine {
            Engine::Embedded => None,
            Engine::Postgres => {
                let disk = Disk::new(&shim, &folder.path().join("database-disk"))?;
                let cluster = Cluster::start_on(&[FAST_RECOVERY], disk.variables());
                let url = cluster.fresh();
                Some(Database { cluster, disk, url })
            }
        };
        let servers = (0..engine.servers()).map(|_| None).collect();
        Ok(Self { folder, binary: binary.to_owned(), plant, disk, database, servers })
    }

    pub(crate) fn len(&self) -> usize {
        self.servers.len()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the servers wrote about themselves.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().rev().take(20).rev().copied().collect::<Vec<_>>().join("\n")
    }

    /// The place of the store in use.
    pub(crate) fn place(&self) -> anyhow::Result<Place> {
        let dir = self.data();
        let store = match &self.database {
            None => Place::Embedded(dir.join("current")),
            Some(database) => {
                Place::Postgres(Box::new(PostgresPlace::parse(&database.url, "kunji", 2)?))
            }
        };
        Ok(store.numbered(&dir, current(&dir)?))
    }

    /// The keys that the store's rows are sealed by.
    pub(crate) fn keys(&self) -> anyhow::Result<Arc<Vault>> {
        let dir = self.data();
        Ok(Arc::new(open_keys(&dir.join("keys.sealed"), &dir.join("unseal.key"))?))
    }

    fn command(&self) -> anyhow::Result<Command> {
        let log =
            OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut command = Command::new(&self.binary);
        command.arg("sandbox").arg("--data").arg(self.data());
        command.arg("--seed").arg(self.folder.path().join("seed.toml"));
        command.args(["--listen", "127.0.0.1:0", "--output", "json"]);
        command.env("KUNJI_PINS__LIVE_PER_MINUTE", "0").env("KUNJI_LOG__LEVEL", "error");
        // The model counts wrong PINs in a row; so many clients are few callers here.
        command.env("KUNJI_PINS__WRONG_PER_CALLER_MAX", "0");
        command.env("KUNJI_PINS__WRONG_PER_DAY_MAX", "200");
        command.envs(self.disk.variables().iter().map(|(name, value)| (name, value)));
        command.envs(self.plant.map(|plant| ("PLANTED_BUG", plant)));
        if let Some(database) = &self.database {
            command.env("KUNJI_STORE__URL", &database.url);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(log));
        Ok(command)
    }

    /// Starts a server and waits until it answers; says where.
    pub(crate) fn start(&mut self, nth: usize) -> anyhow::Result<String> {
        fs::create_dir_all(self.data())?;
        let mut process = self.command()?.spawn().context("kunji cannot be started")?;
        let output = process.stdout.take().context("a process has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let said = serde_json::from_str::<serde_json::Value>(&line);
        let said = said.with_context(|| format!("a server does not start:\n{}", self.log()))?;
        let base = said.get("base").and_then(serde_json::Value::as_str).unwrap_or_default();
        let address = base.strip_prefix("http://").unwrap_or(base).to_owned();
        if let Some(server) = self.servers.get_mut(nth) {
            *server = Some(Server { process, address: address.clone() });
        }
        Ok(address)
    }

    /// Begins to start a server and kills it at once or a little later.
    pub(crate) fn kill_while_starting(&mut self, after: Duration) -> anyhow::Result<()> {
        let mut process = self.command()?.stdout(Stdio::null()).spawn()?;
        std::thread::sleep(after);
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    pub(crate) fn is_up(&self, nth: usize) -> bool {
        self.servers.get(nth).is_some_and(Option::is_some)
    }

    /// `kill -9`; says whether there was one.
    pub(crate) fn kill(&mut self, nth: usize) -> anyhow::Result<bool> {
        let Some(mut server) = self.servers.get_mut(nth).and_then(Option::take) else {
            return Ok(false);
        };
        server.process.kill()?;
        server.process.wait()?;
        Ok(true)
    }

    /// SIGTERM, and waits until the process has ended.
    pub(crate) fn stop(&mut self, nth: usize) -> anyhow::Result<Option<ExitStatus>> {
        let Some(mut server) = self.servers.get_mut(nth).and_then(Option::take) else {
            return Ok(None);
        };
        let process = server.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &process]).status()?;
        anyhow::ensure!(told.success(), "a server cannot be told to end");
        let asked = Instant::now();
        loop {
            if let Some(status) = server.process.try_wait()? {
                return Ok(Some(status));
            }
            if asked.elapsed() > END_TIMEOUT {
                server.process.kill()?;
                anyhow::bail!("a server did not end after SIGTERM:\n{}", self.log());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Runs a statement in the database that all servers share.
    pub(crate) fn sql(&self, sql: &str) -> anyhow::Result<String> {
        let database = self.database.as_ref().context("there is no database")?;
        let name = database.url.rsplit_once('/').context("the address names no database")?.1;
        Ok(database.cluster.sql(name, sql))
    }

    /// One request of the harness itself that must be answered well.
    pub(crate) fn ask(
        &self,
        nth: usize,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let answer = self.try_ask(nth, method, path, body)?;
        anyhow::ensure!(answer.status == 200, "{path} is answered {}", answer.status);
        Ok(answer)
    }

    /// One request of the harness itself, on a line of its own.
    pub(crate) fn try_ask(
        &self,
        nth: usize,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let server = self.servers.get(nth).and_then(Option::as_ref).context("nobody answers")?;
        let len = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sandbox\r\ncontent-type: application/json\r\n\
             content-length: {len}\r\n\r\n{body}"
        );
        Ok(Line::open(&server.address)?.ask(request.as_bytes())?)
    }

    /// `kunji audit verify`, while no server runs; what it says, unless the audit holds.
    pub(crate) fn audit_verify(&self) -> anyhow::Result<Option<String>> {
        let mut verify = Command::new(&self.binary);
        verify.args(["audit", "verify", "--data"]).arg(self.data());
        if let Some(database) = &self.database {
            verify.env("KUNJI_STORE__URL", &database.url);
        }
        let ended = verify.output()?;
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        Ok((!ended.status.success()).then_some(told))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for server in self.servers.iter_mut().flatten() {
            // It may have ended already.
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
    }
}
