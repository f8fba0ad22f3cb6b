//! Settings of the UPI half: the banks, and the merchants with their channels and keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use axum::http::Uri;
use kunji_core::ids::{ChannelId, MerchantId, Vpa};
use kunji_core::rules::Hears;
use kunji_core::time::MINUTE_MS;
use kunji_vault::{HmacKey, RsaPublic};

use super::file::{self, UpiFile};
pub use super::file::{Changes, Shape};
use super::{ConfigError, ensure, is_prefix, wrong};

/// Most merchants, channels of one, keys of one, or banks.
const LIST_LEN_MAX: usize = 1000;

/// Shortest secret of a channel, in bytes.
const SECRET_LEN_MIN: usize = 16;

/// Settings of the UPI half.
#[derive(Debug)]
pub struct Upi {
    /// Where customers reach this service; empty: the address that it listens on.
    pub public_url: String,
    /// What stands before `/{apiVersion}/merchants` in the paths.
    pub prefix: String,
    /// How far a request's time stamp may be off, in milliseconds.
    pub timestamp_ms: i64,
    /// The banks that accounts may be at.
    pub banks: Vec<Bank>,
    /// The merchants.
    pub merchants: Vec<Merchant>,
}

/// One bank.
#[derive(Debug, Clone)]
pub struct Bank {
    /// Issuer identification number.
    pub iin: String,
    /// Name.
    pub name: String,
    /// IFSC of the head office.
    pub ifsc: String,
    /// The bank's id at the provider.
    pub id: String,
    /// Whether UPI is offered.
    pub upi_enabled: bool,
}

/// One merchant.
#[derive(Debug)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// What its request ids begin with.
    pub request_prefix: String,
    /// The handles of its customers' VPAs.
    pub handles: Vec<String>,
    /// Its public keys, by id.
    pub keys: Vec<MerchantKey>,
    /// Its channels.
    pub channels: Vec<Channel>,
}

/// One public key of a merchant.
#[derive(Debug)]
pub struct MerchantKey {
    /// `merchantKeyId`.
    pub id: String,
    /// The key.
    pub key: RsaPublic,
}

/// One channel of a merchant.
#[derive(Debug)]
pub struct Channel {
    /// Its id, with the merchant's.
    pub id: ChannelId,
    /// The secret of its checksums.
    pub checksum: HmacKey,
    /// Where changes of numbers are told.
    pub webhook: Option<Webhook>,
}

/// Where a channel hears of changes.
pub struct Webhook {
    /// The address, `http` or `https`.
    pub url: Uri,
    /// The secret of its signatures.
    pub secret: HmacKey,
    /// How the body is laid out.
    pub shape: Shape,
    /// Which changes are told.
    pub changes: Changes,
}

impl fmt::Debug for Webhook {
    /// A query may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host().unwrap_or_default();
        write!(
            f,
            "Webhook({}://{host}{})",
            self.url.scheme_str().unwrap_or_default(),
            self.url.path()
        )
    }
}

impl Upi {
    /// The merchant of this id.
    #[must_use]
    pub fn merchant(&self, id: &str) -> Option<&Merchant> {
        self.merchants.iter().find(|merchant| merchant.id.as_str() == id)
    }

    /// The channel of this id.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Option<&Channel> {
        let merchant = self.merchants.iter().find(|merchant| merchant.id == id.merchant)?;
        merchant.channels.iter().find(|channel| channel.id == *id)
    }

    /// The channels that hear of changes, and of which.
    #[must_use]
    pub fn told(&self) -> BTreeMap<ChannelId, Hears> {
        let channels = self.merchants.iter().flat_map(|merchant| &merchant.channels);
        let told = channels.filter_map(|channel| {
            let hears = match channel.webhook.as_ref()?.changes {
                Changes::Unanswered => Hears::Unanswered,
                Changes::All => Hears::All,
            };
            Some((channel.id.clone(), hears))
        });
        told.collect()
    }

    /// The bank of this number.
    #[must_use]
    pub fn bank(&self, iin: &str) -> Option<&Bank> {
        self.banks.iter().find(|bank| bank.iin == iin)
    }

    pub(super) fn check(file: UpiFile) -> Result<Self, ConfigError> {
        ensure(is_prefix(&file.prefix), "upi.prefix", "must be empty or /name")?;
        let url = file.public_url.trim_end_matches('/').to_owned();
        let reachable = url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
        ensure(reachable, "upi.public_url", "must be empty or begin with https://")?;
        ensure(
            (1..=1440).contains(&file.timestamp_minutes),
            "upi.timestamp_minutes",
            "must be 1 to 1440",
        )?;
        ensure(file.merchants.len() <= LIST_LEN_MAX, "upi.merchants", "are too many")?;
        ensure(file.banks.len() <= LIST_LEN_MAX, "upi.banks", "are too many")?;
        let merchants = file.merchants.into_iter().map(Merchant::check);
        let merchants = merchants.collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<_> = merchants.iter().map(|one| &one.id).collect();
        ensure(ids.len() == merchants.len(), "upi.merchants.id", "stands there twice")?;
        Ok(Self {
            public_url: url,
            prefix: file.prefix,
            timestamp_ms: i64::from(file.timestamp_minutes) * MINUTE_MS,
            banks: file.banks.into_iter().map(Bank::of).collect(),
            merchants,
        })
    }
}

impl Bank {
    fn of(file: file::BankFile) -> Self {
        let file::BankFile { iin, name, ifsc, id, upi_enabled } = file;
        Self { iin, name, ifsc, id, upi_enabled }
    }
}

impl Merchant {
    /// Whether a request id is the merchant's: 35 letters and digits after its prefix.
    #[must_use]
    pub fn owns_request(&self, id: &str) -> bool {
        id.len() == 35
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && id.starts_with(&self.request_prefix)
    }

    /// Whether a VPA is of this provider.
    #[must_use]
    pub fn serves(&self, vpa: &Vpa) -> bool {
        self.handles.iter().any(|handle| handle.eq_ignore_ascii_case(vpa.handle()))
    }

    /// The key of this id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&RsaPublic> {
        self.keys.iter().find(|key| key.id == id).map(|key| &key.key)
    }

    fn check(file: file::MerchantFile) -> Result<Self, ConfigError> {
        let key = |member| format!("upi.merchants.{member}");
        let id = MerchantId::parse(&file.id)
            .map_err(|_| wrong(&key("id"), "must be 1 to 24 letters or digits"))?;
        let prefix = &file.request_prefix;
        let plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure(plain && prefix.len() <= 16, &key("request_prefix"), "must be 0 to 16 letters")?;
        let keys = file.keys.into_iter().map(|one| {
            let text = one.key.read_public(&key("keys.key"))?;
            let parsed = RsaPublic::parse(&text)
                .map_err(|problem| ConfigError::RsaKey { key: key("keys.key"), problem })?;
            Ok(MerchantKey { id: one.id, key: parsed })
        });
        let channels = file.channels.into_iter().map(|one| Channel::check(&id, one));
        let keys = keys.collect::<Result<Vec<_>, ConfigError>>()?;
        let channels = channels.collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<_> = keys.iter().map(|one| &one.id).collect();
        ensure(names.len() == keys.len(), &key("keys.id"), "stands there twice")?;
        let names: BTreeSet<_> = channels.iter().map(|one| &one.id).collect();
        ensure(names.len() == channels.len(), &key("channels.id"), "stands there twice")?;
        Ok(Self { keys, channels, request_prefix: file.request_prefix, handles: file.handles, id })
    }
}

impl Channel {
    fn check(merchant: &MerchantId, file: file::ChannelFile) -> Result<Self, ConfigError> {
        let key = |member| format!("upi.merchants.channels.{member}");
        let channel = MerchantId::parse(&file.id)
            .map_err(|_| wrong(&key("id"), "must be 1 to 24 letters or digits"))?;
        let secret = |source: &file::SecretSource, member| {
            let name = format!("{} of {channel}", key(member));
            let text = source.read(&name)?;
            ensure(text.len() >= SECRET_LEN_MIN, &name, "must have 16 characters or more")?;
            HmacKey::parse(&text).map_err(|_| wrong(&name, "is too long, or no base64"))
        };
        let webhook = match (&file.webhook_url, &file.webhook_secret) {
            (None, None) => None,
            (Some(url), Some(source)) => {
                let url: Uri = url.parse().map_err(|_| wrong(&key("webhook_url"), "is no URL"))?;
                let known = matches!(url.scheme_str(), Some("http" | "https"));
                ensure(known && url.host().is_some(), &key("webhook_url"), "is no URL")?;
                let named = url.authority().is_some_and(|at| at.as_str().contains('@'));
                ensure(!named, &key("webhook_url"), "must hold no user name")?;
                let secret = secret(source, "webhook_secret")?;
                let (shape, changes) = (file.webhook_shape, file.webhook_changes);
                Some(Webhook { url, secret, shape, changes })
            }
            (Some(_), None) => return Err(wrong(&key("webhook_secret"), "is missing")),
            (None, Some(_)) => return Err(wrong(&key("webhook_url"), "is missing")),
        };
        Ok(Self {
            checksum: secret(&file.checksum_secret, "checksum_secret")?,
            id: ChannelId { merchant: merchant.clone(), channel },
            webhook,
        })
    }
}
