//! The address of a database, read strictly: every part of it counts, or is refused by its name.
//!
//! `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE&…`, each part percent-encoded.
//! Whether the way is encrypted follows from the hosts that are really connected to.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use super::PostgresError;
use super::encryption::{Checked, Encryption, Roots};

/// How long a connection may take to come, or to become free.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest name of a parameter that is repeated in an error.
const NAME_LEN_MAX: usize = 40;

/// Parameters of other clients, and what to do instead.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["sslcert", "sslkey", "sslpassword", "sslcertmode"],
        "is not taken: Kunji shows the server a password (SCRAM), no certificate",
    ),
    (
        &["sslcrl", "sslcrldir"],
        "is not taken: leave the CA of withdrawn certificates out of sslrootcert",
    ),
    (
        &["passfile", "service", "servicefile"],
        "is not read: keep the whole address in a file and set store.url to file:PATH",
    ),
    (&["krbsrvname", "gsslib", "gssdelegation"], "is not taken: GSSAPI is not spoken"),
    (&["requirepeer"], "is not taken: guard the socket's directory by its mode"),
    (&["replication"], "is not taken: Kunji is no replica"),
];
const UNKNOWN: &str = "is not known here: leave it out, or see docs/scaling.md for what is";
const NO_NUMBER: &str = "must be a whole number";

/// Where a database is, and how the way to it is guarded.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) encryption: Encryption,
    /// Whether every host is this machine.
    pub(super) is_here: bool,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// `PostgresError::Address` or `::Parameter`; neither repeats a value.
    pub(super) fn parse(url: &str) -> Result<Self, PostgresError> {
        let body = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let body = body.ok_or(PostgresError::Address)?;
        let (body, query) = body.split_once('?').unwrap_or((body, ""));
        // Behind a password with a question mark in it, the rest would pass for parameters.
        if query.contains('@') {
            return Err(PostgresError::Address);
        }
        let mut parts = Parts::default();
        let (authority, database) = body.split_once('/').unwrap_or((body, ""));
        parts.authority(authority)?;
        if !database.is_empty() {
            parts.config.dbname(decode(database)?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(PostgresError::Address)?;
            parts.take(&decode(name)?, &decode(value)?)?;
        }
        parts.close()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Parts {
    config: Config,
    hosts: Vec<String>,
    ports: Vec<u16>,
    addresses: Vec<IpAddr>,
    mode: Option<Mode>,
    roots: Option<String>,
    connect_timeout: Option<Duration>,
    seen: Vec<String>,
}

/// What `sslmode` asks for.
#[derive(Clone, Copy)]
enum Mode {
    Disable,
    /// As the hosts demand.
    Prefer,
    VerifyCa,
    VerifyFull,
}

impl Parts {
    /// `USER:PASSWORD@HOST:PORT,HOST:PORT`
    fn authority(&mut self, text: &str) -> Result<(), PostgresError> {
        let hosts = match text.split_once('@') {
            None => text,
            Some((user, hosts)) => {
                let (user, password) = match user.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (user, None),
                };
                if !user.is_empty() {
                    self.config.user(decode(user)?);
                }
                if let Some(password) = password {
                    self.config.password(decode(password)?);
                }
                hosts
            }
        };
        if hosts.is_empty() {
            return Ok(());
        }
        for host in hosts.split(',') {
            let (host, port) = match host.strip_prefix('[') {
                Some(rest) => rest.split_once(']').ok_or(PostgresError::Address)?,
                None => host.split_at(host.find(':').unwrap_or(host.len())),
            };
            let port = match port.strip_prefix(':') {
                Some(port) => port.parse().map_err(|_| PostgresError::Address)?,
                None if port.is_empty() => 5432,
                None => return Err(PostgresError::Address),
            };
            self.hosts.push(decode(host)?);
            self.ports.push(port);
        }
        Ok(())
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), PostgresError> {
        let refused = |problem| Err(parameter(name, problem));
        if self.seen.iter().any(|seen| seen == name) {
            return refused("stands there twice");
        }
        self.seen.push(name.to_owned());
        let config = &mut self.config;
        match name {
            "user" => {
                config.user(value);
            }
            "password" => {
                config.password(value);
            }
            "dbname" => {
                config.dbname(value);
            }
            "host" => self.hosts = value.split(',').map(str::to_owned).collect(),
            "hostaddr" => self.addresses = list(name, value, "must be IP addresses")?,
            "port" => self.ports = list(name, value, "must be port numbers")?,
            "application_name" | "fallback_application_name" => {
                config.application_name(value);
            }
            "options" => {
                config.options(value);
            }
            "connect_timeout" => {
                let seconds = number(name, value)?;
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "tcp_user_timeout" => {
                config.tcp_user_timeout(Duration::from_millis(number(name, value)?));
            }
            "keepalives" => {
                config.keepalives(number(name, value)? != 0);
            }
            "keepalives_idle" => {
                config.keepalives_idle(Duration::from_secs(number(name, value)?));
            }
            "keepalives_interval" => {
                config.keepalives_interval(Duration::from_secs(number(name, value)?));
            }
            "keepalives_count" | "keepalives_retries" => {
                let count = u32::try_from(number(name, value)?);
                config.keepalives_retries(count.map_err(|_| parameter(name, NO_NUMBER))?);
            }
            _ => return self.take_word(name, value),
        }
        Ok(())
    }

    /// Parameters of which few values are possible.
    fn take_word(&mut self, name: &str, value: &str) -> Result<(), PostgresError> {
        let refused = |problem| Err(parameter(name, problem));
        match (name, value) {
            ("sslmode", "disable") => self.mode = Some(Mode::Disable),
            // Never less than what the hosts demand.
            ("sslmode", "prefer" | "allow") => self.mode = Some(Mode::Prefer),
            ("sslmode", "verify-ca") => self.mode = Some(Mode::VerifyCa),
            // There is no encryption without proof of who is there.
            ("sslmode", "require" | "verify-full") => self.mode = Some(Mode::VerifyFull),
            ("ssl", "true") if self.mode.is_none() => self.mode = Some(Mode::VerifyFull),
            ("sslmode", _) => {
                return refused("must be verify-full, verify-ca, require, prefer or disable");
            }
            ("ssl", _) => return refused("must be true, without sslmode"),
            ("sslrootcert", path) => self.roots = Some(path.to_owned()),
            ("channel_binding", "disable") => {
                self.config.channel_binding(ChannelBinding::Disable);
            }
            ("channel_binding", "prefer") => {
                self.config.channel_binding(ChannelBinding::Prefer);
            }
            ("channel_binding", "require") => {
                self.config.channel_binding(ChannelBinding::Require);
            }
            ("channel_binding", _) => return refused("must be disable, prefer or require"),
            ("load_balance_hosts", "disable") => {
                self.config.load_balance_hosts(LoadBalanceHosts::Disable);
            }
            ("load_balance_hosts", "random") => {
                self.config.load_balance_hosts(LoadBalanceHosts::Random);
            }
            ("load_balance_hosts", _) => return refused("must be disable or random"),
            // What is always so may be said.
            ("target_session_attrs", "read-write" | "primary")
            | ("client_encoding", "UTF8" | "utf8" | "UTF-8" | "auto")
            | ("gssencmode", "disable" | "prefer")
            | ("sslnegotiation", "postgres")
            | ("sslsni", "1")
            | ("sslcompression", "0")
            | ("ssl_min_protocol_version", "TLSv1.2") => {}
            ("target_session_attrs", _) => {
                return refused("must be read-write or left out: Kunji writes");
            }
            ("client_encoding", _) => return refused("must be UTF8 or left out"),
            ("gssencmode", _) => return refused("must be disable: GSSAPI is not spoken"),
            ("sslnegotiation", _) => return refused("must be postgres or left out"),
            ("sslsni", _) => return refused("must be 1 or left out"),
            ("sslcompression", _) => return refused("must be 0 or left out"),
            ("ssl_min_protocol_version", _) => return refused("must be TLSv1.2 or left out"),
            (_, _) => {
                let known = REFUSED.iter().find(|(names, _)| names.contains(&name));
                return refused(known.map_or(UNKNOWN, |(_, problem)| problem));
            }
        }
        Ok(())
    }

    fn close(mut self) -> Result<Address, PostgresError> {
        if self.hosts.is_empty() && self.addresses.is_empty() {
            return Err(PostgresError::Address);
        }
        let len = self.hosts.len().max(self.addresses.len());
        let fits = |given: usize| given == 0 || given == len;
        let hosts = fits(self.hosts.len()) && fits(self.addresses.len());
        if !hosts || !(self.ports.len() <= 1 || self.ports.len() == len) {
            return Err(PostgresError::Address);
        }
        for host in &self.hosts {
            let sign = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
            let named = !host.is_empty() && host.bytes().all(sign);
            let socket = is_socket(host) && !host.contains([',', '\n']);
            if !named && !socket {
                return Err(PostgresError::Address);
            }
            self.config.host(host);
        }
        for address in &self.addresses {
            self.config.hostaddr(*address);
        }
        for port in &self.ports {
            self.config.port(*port);
        }
        let encryption = self.encryption()?;
        let mode = match encryption {
            Encryption::None => SslMode::Disable,
            Encryption::Tls(_) => SslMode::Require,
        };
        let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT);
        self.config
            .ssl_mode(mode)
            .connect_timeout(timeout)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if self.config.get_application_name().is_none() {
            self.config.application_name("kunji");
        }
        if self.config.get_tcp_user_timeout().is_none() {
            self.config.tcp_user_timeout(CONNECT_TIMEOUT);
        }
        if !self.seen.iter().any(|name| name == "keepalives_idle") {
            self.config.keepalives_idle(CONNECT_TIMEOUT);
        }
        let is_here = self.is_here();
        Ok(Address { config: self.config, encryption, is_here })
    }

    fn is_here(&self) -> bool {
        match self.addresses.is_empty() {
            // What is connected to is the address, whatever the name beside it says.
            false => self.addresses.iter().all(IpAddr::is_loopback),
            true => self.hosts.iter().all(|host| is_here(host)),
        }
    }

    /// Encrypted, unless every host is this machine or somebody says that it need not be.
    fn encryption(&self) -> Result<Encryption, PostgresError> {
        let sockets = !self.hosts.is_empty() && self.hosts.iter().all(|host| is_socket(host));
        let checked = match self.mode {
            Some(Mode::Disable) => None,
            // The server encrypts no such connection, and nobody stands in between.
            Some(_) | None if sockets => None,
            Some(Mode::VerifyFull) => Some(Checked::AuthorityAndName),
            Some(Mode::VerifyCa) => Some(Checked::Authority),
            Some(Mode::Prefer) | None if self.is_here() => None,
            Some(Mode::Prefer) | None => Some(Checked::AuthorityAndName),
        };
        match (checked, self.roots.as_deref()) {
            (None, None) => Ok(Encryption::None),
            (None, Some(_)) => {
                Err(parameter("sslrootcert", "is for nothing here: set sslmode to verify-full"))
            }
            (Some(Checked::Authority), None | Some("system")) => {
                // Anybody can have a certificate of a public authority.
                let problem = "must be verify-full without an sslrootcert of your own";
                Err(parameter("sslmode", problem))
            }
            (Some(checked), None | Some("system")) => Encryption::tls(&Roots::System, checked),
            (Some(checked), Some(path)) => Encryption::tls(&Roots::File(path.into()), checked),
        }
    }
}

/// Whether a host is a socket in a directory.
fn is_socket(host: &str) -> bool {
    host.starts_with(['/', '@'])
}

/// Whether a host is this machine, whoever answers for names.
fn is_here(host: &str) -> bool {
    is_socket(host)
        || host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Names a parameter, if what stands in its place looks like a name.
pub(super) fn parameter(name: &str, problem: &'static str) -> PostgresError {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.len() <= NAME_LEN_MAX && name.bytes().all(plain) {
        true => PostgresError::Parameter { name: name.to_owned(), problem },
        false => PostgresError::Address,
    }
}

fn number(name: &str, value: &str) -> Result<u64, PostgresError> {
    let plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| value.parse::<u32>().ok()).flatten();
    number.map(u64::from).ok_or_else(|| parameter(name, NO_NUMBER))
}

fn list<T: FromStr>(
    name: &str,
    value: &str,
    problem: &'static str,
) -> Result<Vec<T>, PostgresError> {
    value.split(',').map(|one| one.parse().map_err(|_| parameter(name, problem))).collect()
}

/// Takes the percent signs out of a part.
fn decode(text: &str) -> Result<String, PostgresError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or(PostgresError::Address)?;
        let digits = std::str::from_utf8(digits).ok();
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // A zero would end the text on the wire.
        bytes.push(value.filter(|value| *value != 0).ok_or(PostgresError::Address)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| PostgresError::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_encrypted(url: &str, encrypted: bool) {
        let address = Address::parse(url).unwrap();
        let (mode, expected) = match encrypted {
            true => (address.config.get_ssl_mode(), SslMode::Require),
            false => (address.config.get_ssl_mode(), SslMode::Disable),
        };
        assert_eq!(mode, expected, "{url}");
        assert_eq!(matches!(address.encryption, Encryption::Tls(_)), encrypted, "{url}");
    }

    #[test]
    fn what_is_connected_to_decides_over_encryption() {
        for url in [
            "postgres://u:p@db/x",
            "postgresql://db",
            "postgres://localhost@db/x",
            "postgres://127.0.0.1@db/x",
            "postgres://u:localhost@db/localhost",
            "postgres://u:sslmode=disable@db/x",
            "postgres://u@db/sslmode=disable",
            "postgres://u@db/x?application_name=sslmode=disable",
            "postgres://u@db/x?application_name=sslmode%3Ddisable",
            "postgres://u@db/x?options=-c%20a.sslmode=disable",
            "postgres://u@localhost/x?host=db",
            "postgres://u@localhost/x?hostaddr=10.0.0.1",
            "postgres://u@127.0.0.1,db/x",
            "postgres://u@localhost.db.example/x",
            "postgres://u@127.0.0.1.example/x",
            "postgres://u@0.0.0.0/x",
            "postgres://u@[::2]:5432/x",
            "postgres://u@db/x?sslmode=prefer",
            "postgres://u@db/x?sslmode=allow",
            "postgres://u@db/x?sslmode=require",
            "postgres://u@db/x?ssl=true",
            "postgres://u@db/x?sslmode=verify-full&sslrootcert=system",
            "postgres://u@localhost/x?sslmode=verify-full",
        ] {
            check_encrypted(url, true);
        }
        for url in [
            "postgres://u:p@localhost/x",
            "postgres://u:p@LOCALHOST/x",
            "postgres://db@127.0.0.1:5433/db",
            "postgres://u@127.8.9.1,[::1],localhost:77/x",
            "postgres://u@%2Fvar%2Frun%2Fpostgresql/x",
            "postgres:///x?host=/var/run/postgresql",
            "postgres:///x?host=/var/run/postgresql&sslmode=require",
            "postgres:///x?host=%2Fvar%2Frun%2Fpostgresql,%40abstract",
            "postgres://u@db/x?host=localhost",
            "postgres://u@db/x?hostaddr=127.0.0.1",
            "postgres://u@db/x?sslmode=disable",
            "postgres://u@db/x?sslmod%65=disabl%65",
            "postgres://u@localhost/x?sslmode=prefer",
        ] {
            check_encrypted(url, false);
        }
    }

    #[test]
    fn each_part_comes_to_its_place() {
        use tokio_postgres::config::Host;

        let url = "postgres://a%40b:p%3A%2F%3F@one:1,[2001:db8::1]:2/d%2Fb?application_name=ours\
             &connect_timeout=2&keepalives=0&tcp_user_timeout=700&channel_binding=require\
             &target_session_attrs=read-write&options=-c%20a.b%3Dc&load_balance_hosts=random";
        let config = Address::parse(url).unwrap().config;
        assert_eq!(config.get_user(), Some("a@b"));
        assert_eq!(config.get_password(), Some("p:/?".as_bytes()));
        assert_eq!(config.get_dbname(), Some("d/b"));
        let hosts = ["one", "2001:db8::1"].map(|host| Host::Tcp(host.to_owned()));
        assert_eq!(config.get_hosts(), hosts);
        assert_eq!(config.get_ports(), [1, 2]);
        assert_eq!(config.get_application_name(), Some("ours"));
        assert_eq!(config.get_options(), Some("-c a.b=c"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(2)));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(700)));
        assert!(!config.get_keepalives());
        assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
        assert_eq!(config.get_load_balance_hosts(), LoadBalanceHosts::Random);
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let plain = Address::parse("postgres://u@db/x?connect_timeout=0").unwrap().config;
        assert_eq!(plain.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        assert_eq!(plain.get_application_name(), Some("kunji"));
        assert_eq!(plain.get_ports(), [5432]);
        let over = "postgres://u:p@one/x?user=v&password=q&dbname=y&host=two,three&port=7";
        let config = Address::parse(over).unwrap().config;
        assert_eq!((config.get_user(), config.get_dbname()), (Some("v"), Some("y")));
        assert_eq!(config.get_password(), Some("q".as_bytes()));
        assert_eq!((config.get_hosts().len(), config.get_ports()), (2, &[7][..]));
    }

    #[test]
    fn a_refused_parameter_is_named_with_the_way_out() {
        for (query, name, way) in [
            ("sslmode=on", "sslmode", "verify-full"),
            ("sslmode=", "sslmode", "verify-full"),
            ("sslmode=Disable", "sslmode", "verify-full"),
            ("sslmode=verify-ca", "sslmode", "sslrootcert"),
            ("sslmode=verify-ca&sslrootcert=system", "sslmode", "sslrootcert"),
            ("sslmode=disable&sslmode=verify-full", "sslmode", "twice"),
            ("sslmode=disable&ssl=true", "ssl", "without sslmode"),
            ("ssl=1", "ssl", "must be true"),
            ("sslmode=disable&sslrootcert=/ca.pem", "sslrootcert", "verify-full"),
            ("sslrootcert=/nowhere/ca.pem", "sslrootcert", "cannot be read"),
            ("sslcert=a.pem", "sslcert", "a password"),
            ("sslkey=a.pem", "sslkey", "a password"),
            ("sslcrl=a", "sslcrl", "sslrootcert"),
            ("service=db", "service", "file:PATH"),
            ("passfile=db", "passfile", "file:PATH"),
            ("gssencmode=require", "gssencmode", "disable"),
            ("target_session_attrs=any", "target_session_attrs", "read-write"),
            ("target_session_attrs=standby", "target_session_attrs", "read-write"),
            ("client_encoding=LATIN1", "client_encoding", "UTF8"),
            ("connect_timeout=soon", "connect_timeout", "whole number"),
            ("connect_timeout=+5", "connect_timeout", "whole number"),
            ("port=70000", "port", "port numbers"),
            ("hostaddr=db", "hostaddr", "IP addresses"),
            ("pgbouncer=true", "pgbouncer", "docs/scaling.md"),
            ("sslmodes=disable", "sslmodes", "docs/scaling.md"),
            ("channel_binding=no", "channel_binding", "require"),
            ("ssl_min_protocol_version=TLSv1", "ssl_min_protocol_version", "TLSv1.2"),
        ] {
            let refused = Address::parse(&format!("postgres://u:hunter2@db/x?{query}"));
            match refused {
                Err(PostgresError::Parameter { name: named, problem }) => {
                    assert_eq!(named, name, "{query}");
                    assert!(problem.contains(way), "{query}: {problem}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in [
            "",
            "db",
            "mysql://u@db",
            "host=db user=u",
            "postgres://",
            "postgres:///x",
            "postgres://u:hunter2@",
            "postgres://u:hunter2@db:port/x",
            "postgres://u:hunter2@db:70000/x",
            "postgres://u:hunter2@db:1:2/x",
            "postgres://u:hunter2@a,,b/x",
            "postgres://u:hunter2@[::1/x",
            "postgres://u:hunter2@[::1]x/x",
            "postgres://u:hunter2@a%2Cb/x",
            "postgres://u:hun@ter2@db/x",
            "postgres://u:hunter2%@db/x",
            "postgres://u:hunter2%2@db/x",
            "postgres://u:hunter2%00@db/x",
            "postgres://u:hunter2%ff@db/x",
            "postgres://u:hunter2@db/x?sslmode",
            "postgres://u:5?hunter2=x@db/x",
            "postgres://u@db/x?Hunter2%20=x",
            "postgres://u@a,b/x?port=1,2,3",
            "postgres://u@a,b,c/x?hostaddr=10.0.0.1,10.0.0.2",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(error, PostgresError::Address), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").to_lowercase().contains("hunter2"));
        }
        let address = Address::parse("postgres://u:hunter2@db/x").unwrap();
        assert!(!format!("{address:?}").contains("hunter2"));
    }
}
