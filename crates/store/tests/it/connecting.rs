//! The way to a database: certificates that must be shown, and poolers between.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kunji_core::store::Store as _;
use kunji_store::{Postgres, PostgresError, PostgresPlace, migrate};
use kunji_testkit::{Cluster, Pooler};
use tempfile::TempDir;

use crate::commits::{account, append, load};
use crate::homes::{block_on, vault};

/// A server that encrypts, and the authority that signed its certificate.
struct Encrypted {
    cluster: Cluster,
    folder: TempDir,
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped());
    let ended = openssl.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// Makes a key and its certificate, signed by itself or by one made before.
fn certify(folder: &Path, name: &str, by: Option<&str>, extensions: &str) {
    let request = "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n";
    let text = format!("{request}[extensions]\nsubjectKeyIdentifier = hash\n{extensions}\n");
    fs::write(folder.join("request.conf"), text).unwrap();
    let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    let mut arguments = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "group:P-256", "-nodes"];
    arguments.extend(["-config", "request.conf", "-subj", &subject, "-days", "2"]);
    arguments.extend(["-keyout", &key, "-out", &pem]);
    let signer = by.map(|by| [format!("{by}.pem"), format!("{by}.key")]);
    if let Some([pem, key]) = &signer {
        arguments.extend(["-CA", pem, "-CAkey", key]);
    }
    openssl(folder, &arguments);
}

impl Encrypted {
    fn start() -> Self {
        let (cluster, folder) = (Cluster::start_with(&["fsync=off"]), TempDir::new().unwrap());
        let authority = "basicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign";
        certify(folder.path(), "ours", None, authority);
        certify(folder.path(), "other", None, authority);
        let leaf = "basicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:localhost";
        certify(folder.path(), "server", Some("ours"), leaf);
        // The server writes its own files: they are its user's, and private, as it demands.
        for (file, name) in [("server.pem", "server.crt"), ("server.key", "server.key")] {
            let text = fs::read_to_string(folder.path().join(file)).unwrap();
            let lines = format!("SELECT regexp_split_to_table('{}', '\n')", text.trim_end());
            let program = format!("umask 077; cat > {name}");
            cluster.sql("postgres", &format!("COPY ({lines}) TO PROGRAM '{program}'"));
        }
        cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
        cluster.sql("postgres", "SELECT pg_reload_conf()");
        while cluster.sql("postgres", "SHOW ssl") != "on" {}
        Self { cluster, folder }
    }

    fn authority(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(format!("{name}.pem"));
        path.display().to_string().replace('/', "%2F")
    }

    /// Connects, and says whether the way there is encrypted.
    fn connect(&self, host: &str, query: &str) -> Result<bool, PostgresError> {
        let port = self.cluster.port();
        let url = format!("postgres://postgres@{host}:{port}/postgres?hostaddr=127.0.0.1&{query}");
        let place = PostgresPlace::parse(&url, "kunji", 2).unwrap();
        migrate(&place)?;
        let store = Postgres::open(place, None, vault())?;
        let ask = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
            WHERE application_name = 'kunji' ORDER BY backend_start DESC LIMIT 1";
        let encrypted = block_on(async {
            store.read(&account("A1")).await.unwrap();
            self.cluster.sql("postgres", ask)
        });
        assert!(["t", "f"].contains(&encrypted.as_str()));
        Ok(encrypted == "t")
    }
}

#[test]
fn a_server_shows_who_it_is() {
    let server = Encrypted::start();
    let (ours, other) = (server.authority("ours"), server.authority("other"));
    for (host, query) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}")),
        ("localhost", format!("sslmode=require&sslrootcert={ours}")),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={ours}")),
        ("another.name", format!("sslmode=verify-ca&sslrootcert={ours}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}")),
    ] {
        assert!(server.connect(host, &query).unwrap(), "{host} {query}");
    }
    for query in ["sslmode=disable", "sslmode=prefer", "application_name=kunji"] {
        assert!(!server.connect("localhost", query).unwrap(), "loopback needs none: {query}");
    }
    for (host, query) in [
        ("another.name", format!("sslmode=verify-full&sslrootcert={ours}")),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ours}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}")),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}")),
        ("localhost", "sslmode=require".to_owned()),
        ("localhost", "sslmode=verify-full&sslrootcert=system".to_owned()),
    ] {
        let refused = server.connect(host, &query).unwrap_err();
        assert!(matches!(refused, PostgresError::Pool(_)), "{host} {query}: {refused:?}");
        assert!(format!("{refused:?}").contains("InvalidCertificate"), "{refused:?}");
    }
    let key = server.authority("ours").replace(".pem", ".key");
    let port = server.cluster.port();
    for file in [key.as_str(), "%2F", "%2Fdev%2Fzero"] {
        let url = format!("postgres://u@db:{port}/x?sslmode=verify-full&sslrootcert={file}");
        let refused = PostgresPlace::parse(&url, "kunji", 2).unwrap_err();
        assert!(refused.to_string().contains("sslrootcert"), "{refused}");
    }
}

/// A server that does not encrypt is not talked to in clear.
#[test]
fn encryption_is_not_talked_away() {
    let cluster = Cluster::shared();
    for query in ["sslmode=require", "sslmode=verify-full", "ssl=true"] {
        let url = format!("{}?{query}", cluster.url("postgres"));
        let place = PostgresPlace::parse(&url, "kunji_clear", 2).unwrap();
        let refused = migrate(&place).unwrap_err();
        assert!(format!("{refused:?}").contains("does not support TLS"), "{refused:?}");
    }
}

/// What a client hears who asks for the settings of the session that it is given.
const SETTINGS: &str = "SELECT current_setting('search_path'), current_setting('enable_seqscan'), \
    current_setting('plan_cache_mode'), current_setting('statement_timeout')";
const UNTOUCHED: &str = "\"$user\", public|on|auto|0";

#[test]
fn a_pooler_that_shares_sessions_is_refused_before_it_hears_a_setting() {
    let cluster = Cluster::start_with(&["fsync=off", "log_statement=all", "log_line_prefix=%a|"]);
    let direct = PostgresPlace::parse(&cluster.fresh(), "kunji", 2).unwrap();
    migrate(&direct).unwrap();
    for settings in [
        "pool_mode = transaction",
        "pool_mode = transaction\ndefault_pool_size = 1",
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 3",
        "pool_mode = transaction\nignore_startup_parameters = options",
        "pool_mode = transaction\nignore_startup_parameters = options\ndefault_pool_size = 1",
        "pool_mode = statement",
        "pool_mode = statement\nserver_round_robin = 1\nignore_startup_parameters = options",
    ] {
        let pooler = Pooler::before(&cluster, settings);
        // Several sessions that are there already, so that the pooler has a choice.
        let crowd: Vec<_> = (0..3)
            .map(|_| {
                let url = pooler.url("fresh_0");
                let cluster = &cluster;
                move || cluster.sql_at(&url, "SELECT pg_sleep(0.05)")
            })
            .collect();
        std::thread::scope(|threads| {
            for one in crowd {
                threads.spawn(one);
            }
        });
        let place = PostgresPlace::parse(&pooler.url("fresh_0"), "kunji", 2).unwrap();
        let refused = [
            migrate(&place).err(),
            Postgres::open(place.clone(), None, vault()).err(),
            Postgres::open_to_read(place.clone(), vault()).err(),
        ];
        for refused in refused {
            assert!(matches!(refused, Some(PostgresError::Shared)), "{settings}: {refused:?}");
            let said = refused.unwrap().to_string();
            assert!(said.contains("pooler") && said.contains("pool_mode = session"), "{said}");
        }
        for _ in 0..4 {
            assert_eq!(cluster.sql_at(&pooler.url("fresh_0"), SETTINGS), UNTOUCHED, "{settings}");
        }
    }
    let log = fs::read_to_string(cluster.folder().join("log")).unwrap();
    // The pooler itself passes on how its clients call themselves.
    let set = log.lines().filter(|line| line.contains("statement: SET "));
    let set = set.filter(|line| !line.contains("SET application_name="));
    assert_eq!(set.collect::<Vec<_>>(), [""; 0], "neither straight nor through a pooler");
}

#[test]
fn a_pooler_that_keeps_sessions_serves_and_is_left_clean() {
    let cluster = Cluster::start_with(&["fsync=off"]);
    let name = cluster.fresh().rsplit_once('/').unwrap().1.to_owned();
    for settings in [
        "pool_mode = session\ndefault_pool_size = 20",
        "pool_mode = session\ndefault_pool_size = 20\nignore_startup_parameters = options\n\
         server_round_robin = 1",
    ] {
        let pooler = Pooler::before(&cluster, settings);
        let place = PostgresPlace::parse(&pooler.url(&name), "kunji", 2).unwrap();
        migrate(&place).unwrap();
        let store = Postgres::open(place, None, vault()).unwrap();
        block_on(async {
            let before = load(&store, &account("A1")).await.head.seq;
            append(&store, &account("A1")).await;
            append(&store, &account("A1")).await;
            assert_eq!(load(&store, &account("A1")).await.head.seq, before + 2);
            assert!(store.leads().await.unwrap());
        });
        drop(store);
        for _ in 0..4 {
            assert_eq!(cluster.sql_at(&pooler.url(&name), SETTINGS), UNTOUCHED, "{settings}");
        }
    }
}
