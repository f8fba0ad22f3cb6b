//! A PgBouncer in front of a test's server, gone with the test.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::{Cluster, PORTS_MAX, as_server, free_port, new_folder, without_settings};

/// Where Debian puts it.
const BINARY: &str = "/usr/sbin/pgbouncer";
/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// A pooler before a cluster.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Pooler {
    /// Starts one with settings of its own, as `pool_mode = transaction`, a line each.
    ///
    /// # Panics
    /// When the package `pgbouncer` is not there, or it does not start.
    #[must_use]
    pub fn before(cluster: &Cluster, settings: &str) -> Self {
        for _ in 0..PORTS_MAX {
            if let Some(pooler) = Self::start(cluster, settings) {
                return pooler;
            }
        }
        panic!("PgBouncer does not start; test.sh installs it");
    }

    fn start(cluster: &Cluster, settings: &str) -> Option<Self> {
        let (folder, port) = (new_folder(), free_port());
        let path = folder.join("pooler.ini");
        let server = cluster.port();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             {settings}\n"
        );
        fs::write(&path, text).expect("the settings can be written");
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, readable).expect("the settings can be shown");
        let mut command = without_settings(as_server(BINARY.as_ref()));
        command.arg("-q").arg(&path).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("the tests need the package pgbouncer");
        let mut pooler = Self { folder, port, process };
        let started = Instant::now();
        while started.elapsed() < READY {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(pooler);
            }
            if pooler.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        None
    }

    /// Where a database is found behind it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended, and the folder may have gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
