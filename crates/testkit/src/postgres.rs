//! A private PostgreSQL server for tests, gone with the process that started it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// Where Debian puts the binaries: a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The system's user that the server runs as when tests run as root, which it refuses.
const SYSTEM_USER: &str = "postgres";
/// How long a server may take to be ready, a recovery included.
const READY: Duration = Duration::from_secs(60);
/// How long between two looks whether it is.
const LOOK: Duration = Duration::from_millis(3);
/// How often another port is tried when somebody took the free one.
pub(crate) const PORTS_MAX: usize = 8;
/// Who may come in how: the superuser freely, other roles through TCP by their passwords.
const ACCESS: &str = "local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";
/// Starts, kills and in the end removes the server.
///
/// It reads what to do from the pipe whose other end the tests hold. However these end, the pipe
/// closes, and nothing is left behind. `$1` is the server's folder, the rest is how to run it.
const WARDEN: &str = r#"
trap '' HUP INT TERM
folder=$1; shift
pid=
while read -r order; do
    case $order in
    start)
        "$@" </dev/null >>"$folder/log" 2>&1 &
        pid=$!
        echo "$pid" ;;
    crash)
        kill -STOP "$pid"
        doomed=$pid
        for stat in /proc/[0-9]*/stat; do
            { read -r child name state parent rest <"$stat"; } 2>/dev/null || continue
            [ "$parent" = "$pid" ] && doomed="$doomed $child"
        done
        kill -KILL $doomed 2>/dev/null
        wait "$pid"
        # Until its last process is gone, the memory that they share keeps the next server out.
        for child in $doomed; do
            while { read -r _ _ state _ <"/proc/$child/stat"; } 2>/dev/null; do
                [ "$state" = Z ] && break
                sleep 0.01
            done
        done
        pid=
        echo crashed ;;
    esac
done
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    wait "$pid"
fi
rm -rf "$folder"
"#;

/// A server with databases of its own, for one process of tests.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    port: u16,
    databases: AtomicU64,
    warden: Mutex<Warden>,
}

/// The shell that looks after the server.
#[derive(Debug)]
struct Warden {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// The server that all tests of a process share; it ends with the process.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes a server of its own, as durable as they come.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Makes a server of its own with settings that go before ours, as `fsync=off`.
    ///
    /// # Panics
    /// When the package `postgresql` is not there, or the server does not start.
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_on(settings, &[])
    }

    /// Makes a server of its own with settings, and variables in its environment.
    ///
    /// # Panics
    /// When the package `postgresql` is not there, or the server does not start.
    #[must_use]
    pub fn start_on(settings: &[&str], variables: &[(&str, String)]) -> Self {
        let binaries = binaries();
        let folder = new_folder();
        initialise(&binaries, &folder);
        for _ in 0..PORTS_MAX {
            let port = free_port();
            let mut server = server(&binaries, &folder, port, settings);
            server.envs(variables.iter().map(|(name, value)| (name, value)));
            let warden = Warden::post(&folder, server);
            let cluster = Self {
                folder: folder.clone(),
                binaries: binaries.clone(),
                port,
                databases: AtomicU64::new(0),
                warden: Mutex::new(warden),
            };
            if cluster.launch() {
                return cluster;
            }
            // Its warden must not take the folder along.
            let log = cluster.log();
            assert!(log.contains("Address already in use"), "PostgreSQL does not start: {log}");
            cluster.warden().shell.kill().expect("the warden can be ended");
        }
        panic!("no port is free");
    }

    /// Where a database is found.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database, and says where it is found.
    ///
    /// # Panics
    /// When the server does not make it.
    #[must_use]
    pub fn fresh(&self) -> String {
        let nth = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("fresh_{nth}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Where the server takes connections.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in a database; the rows come back as lines, their columns between bars.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.sql_at(&self.url(database), sql)
    }

    /// The same at an address, as of a pooler.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn sql_at(&self, url: &str, sql: &str) -> String {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(url);
        output(&mut without_settings(psql))
    }

    /// Ends all processes of the server at once, as if somebody pulled the plug.
    ///
    /// What the system holds for the disk is not lost.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill9(&self) {
        assert_eq!(self.warden().ask("crash"), "crashed");
    }

    /// Starts the server again after it was killed, under the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        assert!(self.launch(), "PostgreSQL does not start again: {}", self.log());
    }

    /// Where the server keeps its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server, and says whether it is ready now.
    fn launch(&self) -> bool {
        let pid = self.warden().ask("start");
        let started = Instant::now();
        while started.elapsed() < READY {
            // The first line names the server, so that an old file says nothing.
            let file = fs::read_to_string(self.folder.join("data/postmaster.pid"));
            let file = file.unwrap_or_default();
            let mut lines = file.lines();
            if lines.next() == Some(&pid) && lines.nth(6).is_some_and(|word| word.trim() == "ready")
            {
                return true;
            }
            if has_ended(&pid) {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn warden(&self) -> MutexGuard<'_, Warden> {
        self.warden.lock().expect("nobody panicked while asking the warden")
    }
}

impl Warden {
    fn post(folder: &Path, server: Command) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", WARDEN, "warden"]).arg(folder);
        // The shell itself is not to have the variables.
        let named = |(name, value): (&OsStr, Option<&OsStr>)| {
            let mut pair = name.to_owned();
            pair.push("=");
            pair.push(value?);
            Some(pair)
        };
        shell.arg("env").args(server.get_envs().filter_map(named));
        shell.arg(server.get_program()).args(server.get_args());
        // Out of the tests' group, so that what ends them by the group leaves it its work.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = without_settings(shell).spawn().expect("there is a shell");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("a piped output"));
        Self { shell, orders, answers }
    }

    fn ask(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("the warden is there until the end");
        writeln!(orders, "{order}").expect("the warden hears");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the warden answers");
        answer.trim().to_owned()
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // The end of the orders is the order to end.
        drop(self.orders.take());
        let ended = self.shell.wait();
        drop(ended);
    }
}

/// Whether a child of the warden is nothing but a name that nobody asked for yet.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.ok().is_none_or(|stat| stat.rsplit(") ").next().is_some_and(|tail| tail.starts_with('Z')))
}

/// The newest version's binaries.
fn binaries() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let there = numbered.filter(|(_, binaries)| binaries.join("postgres").exists());
    let newest = there.max_by_key(|(version, _)| *version);
    newest.expect("the tests need the package postgresql; test.sh installs it").1
}

/// A folder that is new, and the server's user's.
pub(crate) fn new_folder() -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    loop {
        let (pid, nth) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("kunji-pg-{pid}-{nth}"));
        match fs::create_dir(&folder) {
            Ok(()) if is_root() => {
                output(Command::new("chown").arg(SYSTEM_USER).arg(&folder));
                return folder;
            }
            Ok(()) => return folder,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{}: {error}", folder.display()),
        }
    }
}

fn initialise(binaries: &Path, folder: &Path) {
    let mut initdb = as_server(&binaries.join("initdb"));
    initdb.arg("-D").arg(folder.join("data"));
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    output(&mut without_settings(initdb));
    fs::write(folder.join("data/pg_hba.conf"), ACCESS).expect("the access can be written");
}

fn server(binaries: &Path, folder: &Path, port: u16, settings: &[&str]) -> Command {
    let mut server = as_server(&binaries.join("postgres"));
    server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    let sockets = format!("unix_socket_directories={}", folder.display());
    let ours = ["listen_addresses=127.0.0.1", "max_connections=200", &sockets];
    // Of two settings of one name the last one counts.
    for setting in ours.iter().chain(settings) {
        server.args(["-c", setting]);
    }
    server
}

/// A command that the server's user runs.
pub(crate) fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={SYSTEM_USER}"), format!("--regid={SYSTEM_USER}"));
    command.args([&user, &group, "--init-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("the system shows its processes").uid() == 0
}

/// The command without what the caller's environment says of servers and languages.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").current_dir("/");
    command
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn output(command: &mut Command) -> String {
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {told}");
    String::from_utf8_lossy(&ended.stdout).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_the_plug_was_pulled() {
        let cluster = Cluster::start();
        let url = cluster.fresh();
        let (_, name) = url.rsplit_once('/').unwrap();
        cluster.sql(name, "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('this')");
        for _ in 0..2 {
            cluster.kill9();
            cluster.restart();
            assert_eq!(cluster.sql(name, "SELECT what, 1 FROM kept"), "this|1");
        }
        assert_eq!(cluster.url(name), url);
        let folder = cluster.folder().to_owned();
        drop(cluster);
        assert!(!folder.exists(), "nothing is left behind");
    }

    #[test]
    fn databases_are_empty_and_settings_count() {
        let cluster = Cluster::start_with(&["fsync=off"]);
        let names = [cluster.fresh(), cluster.fresh()];
        assert_ne!(names[0], names[1]);
        assert_eq!(cluster.sql("fresh_1", "SHOW fsync"), "off");
        assert_eq!(cluster.sql("fresh_1", "SHOW max_connections"), "200");
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(cluster.sql("fresh_1", tables), "0");
    }

    /// Not a test: what the one below starts and kills.
    #[test]
    #[ignore = "waits to be killed"]
    fn process_that_waits_to_be_killed() {
        println!("\nfolder={}", Cluster::shared().folder().display());
        std::thread::sleep(READY);
    }

    #[test]
    fn nothing_is_left_of_a_process_that_was_killed() {
        let mut tests = Command::new(std::env::current_exe().unwrap());
        let name = "postgres::tests::process_that_waits_to_be_killed";
        tests.args(["--exact", name, "--ignored", "--nocapture"]).stdout(Stdio::piped());
        let mut tests = tests.spawn().unwrap();
        let lines = BufReader::new(tests.stdout.take().unwrap()).lines().map(Result::unwrap);
        let folder = lines.filter_map(|line| line.strip_prefix("folder=").map(PathBuf::from));
        let folder = { folder }.next().unwrap();
        assert!(folder.join("data").exists());
        tests.kill().unwrap();
        tests.wait().unwrap();
        let killed = Instant::now();
        while folder.exists() {
            assert!(killed.elapsed() < READY, "the server outlives its tests");
            std::thread::sleep(LOOK);
        }
    }
}
