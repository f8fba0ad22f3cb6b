//! What is well formed and still unsafe where real PINs are kept: refused, or warned of.
//!
//! Keys of our own API are chosen by who runs Kunji, and must be good. What a vendor hands out is
//! as it is: short ones are warned of, and only what nobody can call a secret is refused.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::Uri;
use zeroize::Zeroizing;

use super::{Config, ConfigError, ConfigFile, Files, Place, SecretSource, wrong};

/// Characters of a key of our own API at least.
const OURS_LEN_MIN: usize = 24;
/// Characters of a vendor's secret below which it is warned of, and refused.
const VENDORS_LEN_MIN: usize = 16;
const VENDORS_LEN_REFUSED: usize = 8;

/// A setting that is not refused, and should be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caution {
    /// The setting.
    pub key: String,
    /// What is wrong with it; never its value.
    pub problem: &'static str,
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// Who chose a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    /// Who runs Kunji.
    ByUs,
    /// The vendor or the merchant.
    ByThem,
}

/// One secret that somebody shows us, or we show somebody.
struct Use {
    chosen: Chosen,
    /// Table and member.
    key: &'static str,
    /// The name in its table.
    name: String,
    text: Zeroizing<String>,
}

/// The secrets of a configuration, for as long as they are compared.
pub(super) struct Secrets(Vec<Use>);

impl Secrets {
    /// Reads them.
    pub(super) fn of(file: &ConfigFile) -> Result<Self, ConfigError> {
        let mut uses = Vec::new();
        let mut take = |chosen, key, name: &str, source: &SecretSource| {
            let (name, text) = (name.to_owned(), source.read(key)?);
            uses.push(Use { chosen, key, name, text });
            Ok::<_, ConfigError>(())
        };
        for one in &file.api.keys {
            take(Chosen::ByUs, "api.keys.key", &one.name, &one.key)?;
        }
        for one in &file.axis.clients {
            if let Some(secret) = &one.client_secret {
                take(Chosen::ByThem, "axis.clients.client_secret", &one.name, secret)?;
            }
        }
        for one in &file.prepaid.clients {
            let id = &one.client_id;
            take(Chosen::ByThem, "prepaid.clients.api_key", id, &one.api_key)?;
            take(Chosen::ByThem, "prepaid.clients.secure_code", id, &one.secure_code)?;
            take(Chosen::ByThem, "prepaid.clients.consumer_id", id, &one.consumer_id)?;
        }
        for one in file.upi.merchants.iter().flat_map(|merchant| &merchant.channels) {
            let key = "upi.merchants.channels.checksum_secret";
            take(Chosen::ByThem, key, &one.id, &one.checksum_secret)?;
            if let Some(secret) = &one.webhook_secret {
                take(Chosen::ByThem, "upi.merchants.channels.webhook_secret", &one.id, secret)?;
            }
        }
        Ok(Self(uses))
    }

    /// Looks at lengths, and whether any two are one.
    fn examine(&self, cautions: &mut Vec<Caution>) -> Result<(), ConfigError> {
        for (place, one) in self.0.iter().enumerate() {
            one.examine(cautions)?;
            for other in self.0.iter().skip(place.saturating_add(1)) {
                if one.text != other.text {
                    continue;
                }
                let key = format!("{} and {}", one.label(), other.label());
                if [one.chosen, other.chosen].contains(&Chosen::ByUs) {
                    let problem = "are one key: each caller and each role needs a key of its own";
                    return Err(wrong(&key, problem));
                }
                let problem = "are one secret: who knows it for one use knows it for the other";
                cautions.push(Caution { key, problem });
            }
        }
        Ok(())
    }
}

impl Use {
    fn label(&self) -> String {
        format!("{} of {}", self.key, self.name)
    }

    fn examine(&self, cautions: &mut Vec<Caution>) -> Result<(), ConfigError> {
        match (self.chosen, self.text.chars().count()) {
            (Chosen::ByUs, ..OURS_LEN_MIN) => {
                let problem = "must be at least 24 characters, as of `openssl rand -base64 32`";
                Err(wrong(&self.label(), problem))
            }
            (Chosen::ByThem, ..VENDORS_LEN_REFUSED) => {
                Err(wrong(&self.label(), "must be at least 8 characters: ask for a longer one"))
            }
            (Chosen::ByThem, ..VENDORS_LEN_MIN) => {
                let problem = "is shorter than 16 characters: ask for a longer one";
                cautions.push(Caution { key: self.label(), problem });
                Ok(())
            }
            (Chosen::ByUs | Chosen::ByThem, _) => Ok(()),
        }
    }
}

/// Looks at a configuration that is well formed.
pub(super) fn examine(config: &Config, secrets: &Secrets) -> Result<Vec<Caution>, ConfigError> {
    let mut cautions = Vec::new();
    let mut warn = |key: &str, problem| cautions.push(Caution { key: key.to_owned(), problem });
    if !config.upi.merchants.is_empty() {
        let url = &config.upi.public_url;
        if url.starts_with("http://") && !is_here(url) {
            let problem = "must begin with https:// where there are merchants: whoever stands \
                between could change the page on which PINs are entered";
            return Err(wrong("upi.public_url", problem));
        }
        if url.is_empty() && !config.listen.ip().is_loopback() {
            let problem = "is empty, so that PINs are entered on a page without encryption: set \
                the https address that browsers use";
            warn("upi.public_url", problem);
        }
    }
    if is_beside(&config.files) {
        let problem = "lies beside the store or the key file: who copies the one has the other. \
            Keep it on another volume or in a credential directory (SECURITY.md)";
        warn("vault.unseal_file", problem);
    }
    if let Place::Postgres(place) = &config.files.store
        && place.is_exposed()
    {
        let problem = "leads to another machine without encryption: leave sslmode=disable out";
        warn("store.url", problem);
    }
    secrets.examine(&mut cautions)?;
    Ok(cautions)
}

/// Whether an address leads to this machine.
fn is_here(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn is_beside(files: &Files) -> bool {
    let unseal = whole(&files.unseal_file);
    let folder = unseal.parent();
    let beside = |path: &Path| whole(path).parent() == folder;
    let store = match &files.store {
        Place::Embedded(dir) => beside(dir) || unseal.starts_with(whole(dir)),
        Place::Postgres(_) => false,
    };
    store || beside(&files.key_file)
}

/// A path without links, as far as it is there.
fn whole(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => whole(folder).join(name),
        (_, _) => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    const LONG: &str = "abcdefghijklmnopqrstuvwx";

    fn check(text: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let layers = Layers::defaults().unwrap().file(file.path()).unwrap();
        let checked = Config::check_for_service(layers).map_err(|error| error.to_string())?;
        let said = checked.1.iter().map(ToString::to_string);
        Ok(said.filter(|said| !said.starts_with("vault.unseal_file")).collect())
    }

    fn client(id: &str, api_key: &str, secure_code: &str, consumer_id: &str) -> String {
        format!(
            "[[prepaid.clients]]\nclient_id = '{id}'\nbank_id = 1\nentity_id = '1'\n\
             api_key = '{api_key}'\nsecure_code = '{secure_code}'\nconsumer_id = '{consumer_id}'\n\
             key = 'ascii:0123456789abcdef01234567'\n"
        )
    }

    fn key(name: &str, key: &str) -> String {
        format!("[[api.keys]]\nname = '{name}'\nkey = '{key}'\noperator = {}\n", name == "desk")
    }

    fn merchant(checksum: &str, webhook: &str) -> String {
        format!(
            "[[upi.merchants]]\nid = 'shop'\nrequest_prefix = ''\nhandles = []\nkeys = []\n\
             [[upi.merchants.channels]]\nid = 'APP'\nchecksum_secret = '{checksum}'\n\
             webhook_url = 'https://shop.example/'\nwebhook_secret = '{webhook}'\n"
        )
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let said = check(text).unwrap_err();
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(!said.contains("hunter2") && !said.contains(LONG), "{said}");
    }

    #[track_caller]
    fn warned(text: &str, parts: &[&str]) {
        let said = check(text).unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(parts.iter().all(|part| said[0].contains(part)), "{said:?}");
    }

    #[test]
    fn keys_of_our_own_are_long() {
        for short in ["x", "hunter2", &LONG[1..]] {
            refused(&key("core", short), &["api.keys.key of core", "24"]);
        }
        assert_eq!(check(&key("core", LONG)).unwrap(), [""; 0]);
    }

    #[test]
    fn secrets_of_vendors_may_be_short_but_not_nothing() {
        let fine = ["0123456789abcdef0", "0123456789abcdef1", "0123456789abcdef2"];
        assert_eq!(check(&client("1", fine[0], fine[1], fine[2])).unwrap(), [""; 0]);
        let members = ["api_key", "secure_code", "consumer_id"];
        for (nth, member) in members.iter().enumerate() {
            let mut secrets = fine;
            secrets[nth] = "hunter2";
            let text = client("77", secrets[0], secrets[1], secrets[2]);
            refused(&text, &[&format!("prepaid.clients.{member} of 77")]);
            secrets[nth] = "7fe1c0de";
            let text = client("77", secrets[0], secrets[1], secrets[2]);
            warned(&text, &[&format!("prepaid.clients.{member} of 77"), "16"]);
        }
        refused(&merchant("hunter2", fine[0]), &["upi.merchants.channels.checksum_secret of APP"]);
        refused(&merchant(fine[0], "hunter2"), &["upi.merchants.channels.webhook_secret of APP"]);
        assert_eq!(check(&merchant(fine[0], fine[1])).unwrap(), [""; 0]);
    }

    #[test]
    fn one_key_has_one_holder_and_one_role() {
        let both = [key("core", LONG), key("desk", LONG)].concat();
        refused(&both, &["api.keys.key of core and api.keys.key of desk", "one key"]);
        let lent = [key("core", LONG), client("1", LONG, "0123456789abcdef", "fedcba9876543210")];
        refused(&lent.concat(), &["api.keys.key of core and prepaid.clients.api_key of 1"]);
        let one = "0123456789abcdef";
        let text = client("1", one, one, "fedcba9876543210");
        warned(&text, &["prepaid.clients.api_key of 1 and prepaid.clients.secure_code of 1"]);
        warned(&merchant(one, one), &["checksum_secret of APP", "webhook_secret of APP"]);
    }

    #[test]
    fn the_page_for_pins_is_encrypted() {
        let secrets = merchant("0123456789abcdef0", "0123456789abcdef1");
        let at = |url: &str| check(&format!("[upi]\npublic_url = '{url}'\n{secrets}"));
        for url in ["http://pin.bank.example", "http://10.0.0.1:80", "http://localhost.example"] {
            let said = at(url).unwrap_err();
            assert!(said.contains("upi.public_url: must begin with https://"), "{said}");
        }
        for url in
            ["https://pin.bank.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]:7"]
        {
            assert_eq!(at(url).unwrap(), [""; 0], "{url}");
        }
        assert!(check("[upi]\npublic_url = 'http://pin.bank.example'").is_ok(), "no merchants");
        let remote = "[server]\nlisten = '0.0.0.0:7400'\nallow_remote = true\n";
        warned(&format!("{remote}{secrets}"), &["upi.public_url: is empty"]);
    }

    #[test]
    fn an_unseal_key_beside_what_it_opens_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("data/store")).unwrap();
        std::fs::create_dir_all(at("keys")).unwrap();
        std::fs::create_dir_all(at("secrets")).unwrap();
        std::os::unix::fs::symlink(at("data"), at("link")).unwrap();
        let is_told = |unseal: &str| {
            is_beside(&Files {
                store: Place::Embedded(at("data/store")),
                cache_bytes: 0,
                memtable_bytes: 0,
                key_file: at("keys/keys.sealed"),
                unseal_file: at(unseal),
                publish: std::time::Duration::ZERO,
            })
        };
        for unseal in [
            "data/unseal",
            "data/store/unseal",
            "link/unseal",
            "keys/unseal",
            "keys/../data/unseal",
        ] {
            assert!(is_told(unseal), "{unseal}");
        }
        for unseal in ["secrets/unseal", "unseal", "data/store2/unseal", "nowhere/unseal"] {
            assert!(!is_told(unseal), "{unseal}");
        }
    }

    #[test]
    fn a_way_to_another_machine_in_clear_is_told() {
        let at = |url: &str| check(&format!("[store]\nurl = '{url}'"));
        let said = at("postgres://u:hunter2@db/x?sslmode=disable").unwrap();
        assert!(said.len() == 1 && said[0].starts_with("store.url: leads to another machine"));
        for url in ["postgres://u@db/x", "postgres://u@localhost/x?sslmode=disable"] {
            assert_eq!(at(url).unwrap(), [""; 0], "{url}");
        }
        let said = at("postgres://u:hunter2@db/x?sslcert=a").unwrap_err();
        assert!(said.starts_with("store.url, its parameter sslcert: is not taken"), "{said}");
    }
}
