//! Settings of the Axis-style dialect: who decides, and who may call.

use std::collections::BTreeSet;

use kunji_core::ids::CustomerId;
use kunji_vault::Secret;

use super::file::{AxisClientFile, AxisFile, AxisMode, SecretSource};
use super::{ConfigError, ensure, wrong};

/// Longest name of a client: it stands in each of its callers' names.
const NAME_LEN_MAX: usize = 40;
/// Longest client id.
const ID_LEN_MAX: usize = 128;

/// Settings of the Axis-style dialect.
#[derive(Debug)]
pub struct Axis {
    /// Whether test ids or credentials decide.
    pub mode: AxisMode,
    /// Who may call; nobody else is answered.
    pub clients: Vec<AxisClient>,
}

/// One caller of the Axis-style dialect.
#[derive(Debug)]
pub struct AxisClient {
    /// How receipts, allowances and the audit call it.
    pub name: String,
    id: Secret,
    secret: Secret,
}

impl AxisClient {
    /// Whether these are the client's id and secret; the time does not tell which of them is not.
    #[must_use]
    pub fn is(&self, id: &str, secret: &str) -> bool {
        self.id.matches(id) & self.secret.matches(secret)
    }
}

impl Axis {
    pub(super) fn check(file: AxisFile) -> Result<Self, ConfigError> {
        let mut ids = BTreeSet::new();
        let mut clients = Vec::new();
        for client in file.clients {
            let (client, id) = AxisClient::check(client)?;
            ensure(ids.insert(id), "axis.clients.client_id", "is given twice")?;
            clients.push(client);
        }
        let names = clients.iter().map(|client| client.name.as_str()).collect::<BTreeSet<_>>();
        ensure(names.len() == clients.len(), "axis.clients.name", "is given twice")?;
        Ok(Self { mode: file.mode, clients })
    }

    /// Whether this dialect is spoken: to nobody it is not.
    #[must_use]
    pub fn is_spoken(&self) -> bool {
        self.mode != AxisMode::Off && !self.clients.is_empty()
    }
}

impl AxisClient {
    /// The client, and its id for comparing it with others'.
    fn check(file: AxisClientFile) -> Result<(Self, String), ConfigError> {
        let key = |member| format!("axis.clients.{member}");
        let AxisClientFile { name, client_id, client_secret, certificate_subject, certificate_key } =
            file;
        let plain = CustomerId::parse(&name).is_ok() && !name.contains(':');
        let named = plain && name.len() <= NAME_LEN_MAX;
        ensure(named, &key("name"), "must be 1 to 40 letters, digits and ._-@")?;
        for (member, given) in
            [("certificate_subject", &certificate_subject), ("certificate_key", &certificate_key)]
        {
            let problem = "needs TLS, which is not spoken here: give client_id and client_secret";
            ensure(given.is_none(), &key(member), problem)?;
        }
        let there = |source: Option<SecretSource>, member| {
            source.ok_or_else(|| wrong(&key(member), "is missing"))
        };
        let id = there(client_id, "client_id")?.read(&key("client_id"))?.to_string();
        let fits = (1..=ID_LEN_MAX).contains(&id.len());
        let sendable = fits && id.bytes().all(|byte| byte.is_ascii_graphic());
        let problem = "must be 1 to 128 printable characters without blanks";
        ensure(sendable, &key("client_id"), problem)?;
        let secret = there(client_secret, "client_secret")?.secret(&key("client_secret"))?;
        let kept = Secret::parse(id.clone()).map_err(|_| wrong(&key("client_id"), problem))?;
        Ok((Self { name, id: kept, secret }, id))
    }
}
