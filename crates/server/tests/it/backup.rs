//! Backup, restore and move, as an operator does them: real processes, real files, both engines.

mod former;
mod kept;
mod refused;
mod restored;
mod rows;
mod running;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use kunji_testkit::Cluster;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{KUNJI, Kunji};

/// Runs each test over both engines.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&$crate::backup::Ground::on_disk()); })+
        }
        mod in_postgres {
            $(#[test] fn $name() { super::$name(&$crate::backup::Ground::in_postgres()); })+
        }
    };
}
use on_both_engines;

/// Sandboxes beside each other, over one engine; each has a name, a directory and one store.
struct Ground {
    folder: TempDir,
    database: Option<String>,
}

impl Ground {
    fn on_disk() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    fn in_postgres() -> Self {
        Self { database: Some(Cluster::shared().fresh()), ..Self::on_disk() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A command whose settings lead to the sandbox's store, as a sandbox understands them.
    fn steering(&self, name: &str) -> Command {
        let mut command = Command::new(KUNJI);
        command.env("KUNJI_LOG__LEVEL", "error").stdin(Stdio::null());
        if let Some(url) = &self.database {
            command.env("KUNJI_STORE__URL", url).env("KUNJI_STORE__SCHEMA", name);
        }
        command
    }

    fn start(&self, name: &str) -> Kunji {
        let mut command = self.steering(name);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--output", "json"]);
        let kunji = Kunji::spawn({
            command.args(["--data", &self.text(name)]);
            command
        });
        // The keys are whole once they are handed out.
        kunji.get("/.well-known/jwks.json");
        kunji
    }

    /// What a sandbox says that does not start.
    fn refused(&self, name: &str) -> String {
        let mut command = self.steering(name);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--data", &self.text(name)]);
        let (code, _, error) = ended(command);
        assert_eq!(code, Some(1), "{error}");
        error
    }

    /// The address of a sandbox's store.
    fn url(&self, name: &str) -> String {
        match &self.database {
            Some(url) => url.clone(),
            None => format!("fjall:{}", self.text(&format!("{name}/store-1"))),
        }
    }

    /// A command over the sandbox's store and keys, as `kunji serve` would see them.
    fn tool(&self, name: &str) -> Command {
        let mut command = self.steering(name);
        command.env("KUNJI_STORE__URL", self.url(name));
        command.env("KUNJI_STORE__SCHEMA", format!("{name}_1"));
        command.env("KUNJI_VAULT__KEY_FILE", self.path(name).join("keys.sealed"));
        command.env("KUNJI_VAULT__UNSEAL_FILE", self.path(name).join("unseal.key"));
        command
    }

    fn run(&self, name: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.tool(name);
        command.args(args);
        ended(command)
    }

    /// Exports a sandbox, running or not.
    fn export(&self, name: &str, file: &str) -> (Option<i32>, String, String) {
        let mut command = self.steering(name);
        command.args(["export", "--out", &self.text(file), "--data", &self.text(name)]);
        ended(command)
    }

    fn audited(&self, name: &str) -> (Option<i32>, String, String) {
        let mut command = self.steering(name);
        command.args(["audit", "verify", "--data", &self.text(name)]);
        ended(command)
    }

    #[track_caller]
    fn exported(&self, name: &str, file: &str) {
        let (code, _, error) = self.export(name, file);
        assert_eq!((code, error.as_str()), (Some(0), ""));
    }

    /// The verdict on a backup, under the keys of a sandbox.
    fn verified(&self, name: &str, file: &str) -> (Option<i32>, Value) {
        let args = ["backup", "verify", &self.text(file), "--output", "json"];
        let (code, said, _) = self.run(name, &args);
        (code, serde_json::from_str(&said).unwrap_or_default())
    }

    /// A place for a restored sandbox: keys and an empty store.
    fn prepare(&self, name: &str, keys_of: &str) {
        fs::create_dir(self.path(name)).unwrap();
        for file in ["keys.sealed", "unseal.key"] {
            fs::copy(self.path(keys_of).join(file), self.path(name).join(file)).unwrap();
        }
        fs::write(self.path(name).join("current"), "store-1").unwrap();
        if self.database.is_some() {
            let (code, _, error) = self.run(name, &["migrate"]);
            assert_eq!(code, Some(0), "{error}");
        }
    }

    fn import(&self, name: &str, file: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let file = self.text(file);
        self.run(name, &[&["import", &file, "--output", "json"], more].concat())
    }

    /// Restores into the place of another sandbox's store, and says what became of it.
    #[track_caller]
    fn imported(&self, name: &str, file: &str, replaces: Option<&str>) -> Value {
        let replaced = replaces.map(|other| (self.url(other), format!("{other}_1")));
        let more = match &replaced {
            Some((url, schema)) => vec!["--replaces", url, "--replaces-schema", schema],
            None => Vec::new(),
        };
        let (code, said, error) = self.import(name, file, &more);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{said}");
        serde_json::from_str(&said).unwrap()
    }
}

/// Exit code, standard output, standard error.
fn ended(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const JOHN: (&str, &str) = ("ACC123456789", "1234");
const ASHA: (&str, &str) = ("ACC000000002", "804913");

/// The verdict on the right PIN.
fn right(kunji: &Kunji, (account, pin): (&str, &str)) -> String {
    kunji.verify("account", account, pin)
}
