//! The vault: everything that can be asked about a PIN.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::block::{BlockMark, Opening, PinBlock, Transit, Unreadable};
use crate::checkpoint;
use crate::envelope::JweParts;
use crate::fault::{KeyFault, VaultFault};
use crate::fingerprint::Fingerprinter;
use crate::flaw::BlockFlaw;
use crate::jose;
use crate::jwe;
use crate::jwk::JwkSet;
use crate::jws::JwsParts;
use crate::keyring::{KeyRing, KeyVersion, SigningKey};
use crate::mac::Mac;
use crate::message::{MessageNonce, Outgoing, Sealed};
use crate::otp::{IssuedOtp, PLACEHOLDER, six_digits};
use crate::pin::ClearPin;
use crate::policy::{Policy, RECENT_MAX, Weakness};
use crate::rsa::RsaScheme;
use crate::verifier::Verifier;
use crate::wash::{leaving_nothing, macs_leaving_nothing};

const FINGERPRINT_LABEL: &[u8] = b"kunji command fingerprint";
const SECRET_LABEL: &[u8] = b"kunji secret mark";

/// Opens, judges and compares PINs; may be shared between threads.
pub struct Vault {
    ring: KeyRing,
}

impl Vault {
    /// A vault over these keys.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self { ring }
    }

    /// Opens a block that was made for exactly this use and transaction.
    ///
    /// A compact JWE must be fresh within 5 minutes; any other text is taken as
    /// the PIN itself where clear transit is allowed.
    ///
    /// # Errors
    /// The same for every cause; the flaw in it is for who runs Kunji.
    pub fn open(&self, block: &PinBlock, opening: &Opening<'_>) -> Result<ClearPin, Unreadable> {
        let text = block.kept().map_err(Unreadable)?;
        if jwe::is_compact(text) {
            let opened = leaving_nothing(|| jwe::open(&self.ring, text, opening));
            return opened.map_err(Unreadable);
        }
        match opening.transit {
            Transit::ClearAllowed => {
                ClearPin::parse(text.as_bytes()).ok_or(Unreadable(BlockFlaw::Length))
            }
            Transit::SealedOnly => Err(Unreadable(BlockFlaw::NotSealed)),
        }
    }

    /// Whether the PIN is the one of the verifier, for this owner.
    ///
    /// # Errors
    /// When the verifier names a key version that the ring does not hold.
    pub fn matches(
        &self,
        owner: &str,
        pin: &ClearPin,
        verifier: &Verifier,
    ) -> Result<bool, VaultFault> {
        macs_leaving_nothing(|| self.accepts(owner, pin, verifier))
    }

    fn accepts(
        &self,
        owner: &str,
        pin: &ClearPin,
        verifier: &Verifier,
    ) -> Result<bool, VaultFault> {
        let keys = self
            .ring
            .version(verifier.key_version())
            .ok_or(VaultFault("find the key version of a verifier"))?;
        Ok(verifier.accepts(&keys.pin, owner, pin))
    }

    /// Judges a new PIN; gives its verifier, or the first rule it breaks.
    ///
    /// `recent` begins with the current PIN; its first three are compared.
    ///
    /// # Errors
    /// When a recent verifier cannot be read or randomness fails.
    pub fn judge(
        &self,
        owner: &str,
        pin: &ClearPin,
        policy: &Policy,
        recent: &[Verifier],
    ) -> Result<Result<Verifier, Weakness>, VaultFault> {
        macs_leaving_nothing(|| {
            if let Some(weakness) = policy.weakness(pin) {
                return Ok(Err(weakness));
            }
            // All are compared, so the time does not tell which one matched.
            let mut is_recent = false;
            for verifier in recent.iter().take(RECENT_MAX) {
                is_recent |= self.accepts(owner, pin, verifier)?;
            }
            if is_recent {
                return Ok(Err(Weakness::Recent));
            }
            self.make_verifier(owner, pin).map(Ok)
        })
    }

    /// Makes a verifier without judging the PIN: for seeds only.
    ///
    /// # Errors
    /// When randomness fails.
    pub fn enroll(&self, owner: &str, pin: &ClearPin) -> Result<Verifier, VaultFault> {
        macs_leaving_nothing(|| self.make_verifier(owner, pin))
    }

    fn make_verifier(&self, owner: &str, pin: &ClearPin) -> Result<Verifier, VaultFault> {
        let keys = self.ring.now();
        let making = keys.making();
        let salt = self.random()?;
        Ok(Verifier::make((making.version, &making.pin), salt, owner, pin))
    }

    /// Makes a one-time password of 6 digits and seals the message with it.
    ///
    /// `wording` holds `{otp}` where the digits go; `aad` binds the message.
    ///
    /// # Errors
    /// When the wording has no place for the digits, or randomness fails.
    pub fn issue_otp(
        &self,
        owner: &str,
        aad: &str,
        wording: &str,
    ) -> Result<IssuedOtp, VaultFault> {
        leaving_nothing(|| self.issue(owner, aad, wording))
    }

    fn issue(&self, owner: &str, aad: &str, wording: &str) -> Result<IssuedOtp, VaultFault> {
        const FAULT: VaultFault = VaultFault("issue a one-time password");
        let (before, after) = wording.split_once(PLACEHOLDER).ok_or(FAULT)?;
        let digits = Zeroizing::new(six_digits(|| self.random().map(u32::from_be_bytes))?);
        let otp = std::str::from_utf8(&*digits).map_err(|_| FAULT)?;
        let pin = ClearPin::parse(&*digits).ok_or(FAULT)?;
        let message = Outgoing { text: [before, otp, after].concat(), otp: Some(otp.to_owned()) };
        Ok(IssuedOtp {
            verifier: self.make_verifier(owner, &pin)?,
            message: self.seal(aad, &message)?,
        })
    }

    /// Seals a message that holds no one-time password.
    ///
    /// # Errors
    /// When randomness or the cipher fails.
    pub fn seal_message(&self, aad: &str, text: &str) -> Result<Sealed, VaultFault> {
        let message = Outgoing { text: text.to_owned(), otp: None };
        self.seal(aad, &message)
    }

    /// Opens a message that was sealed with the same `aad`.
    ///
    /// # Errors
    /// When it was altered, moved, or sealed under an unknown key.
    pub fn open_message(&self, aad: &str, sealed: &Sealed) -> Result<Outgoing, VaultFault> {
        let keys = self
            .ring
            .version(sealed.key_version())
            .ok_or(VaultFault("find the key version of a message"))?;
        leaving_nothing(|| sealed.open(&keys.data, aad)).ok_or(VaultFault("open a message"))
    }

    /// The name of a block for single use; `None` when it is not a JWE.
    #[must_use]
    pub fn mark(&self, block: &PinBlock) -> Option<BlockMark> {
        block.mark()
    }

    /// Begins the fingerprint of a command; the same before and after rotation.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprinter {
        let keys = self.ring.now();
        let key = keys.fingerprint();
        Fingerprinter::new(Mac::new(key, FINGERPRINT_LABEL), Mac::new(key, SECRET_LABEL))
    }

    /// Makes and keeps the RSA-2048 key if it is missing; takes about 100 ms.
    ///
    /// Calling it again does nothing; concurrent callers wait.
    ///
    /// # Errors
    /// When the key cannot be made or the key file cannot be replaced.
    pub fn ready_rsa(&self) -> Result<(), KeyFault> {
        self.ring.ready_rsa()
    }

    /// Makes and keeps the RSA-2048 signing key if it is missing.
    ///
    /// That takes about 100 ms; calling it again does nothing.
    ///
    /// # Errors
    /// When the key cannot be made or the key file cannot be replaced.
    pub fn ready_signing(&self) -> Result<(), KeyFault> {
        self.ring.ready_signing()
    }

    /// Signs the concatenation with the newest key; gives its id as well.
    ///
    /// That costs a core about a millisecond.
    ///
    /// # Errors
    /// When no signing key was made yet, the message could be taken for that of
    /// a checkpoint, or the cryptographic library fails.
    pub fn sign(
        &self,
        scheme: RsaScheme,
        message: &[&[u8]],
    ) -> Result<(String, Vec<u8>), VaultFault> {
        if checkpoint::is_message(message) {
            return Err(VaultFault("sign what looks like a checkpoint"));
        }
        let key = self.signing_key()?;
        Ok((key.kid().to_owned(), key.sign(scheme, message)?))
    }

    /// Signs the SHA-256 of a checkpoint with the newest key, so that it means
    /// nothing else; gives the key's id and the signature in base64url.
    ///
    /// # Errors
    /// When no signing key was made yet, or the cryptographic library fails.
    pub fn sign_checkpoint(&self, digest: &[u8; 32]) -> Result<(String, String), VaultFault> {
        let key = self.signing_key()?;
        let signature = key.sign(RsaScheme::Pss, &checkpoint::message(digest))?;
        Ok((key.kid().to_owned(), jose::encode(&signature)))
    }

    /// Signs a payload as a JWS (RFC 7515) that names the key.
    ///
    /// # Errors
    /// When no signing key was made yet, the payload is too long, or the
    /// cryptographic library fails.
    pub fn sign_jws(&self, payload: &[u8]) -> Result<JwsParts, VaultFault> {
        let key = self.signing_key()?;
        JwsParts::signed(Some(key.kid()), payload, |input| key.sign(RsaScheme::Pkcs1, input))
    }

    /// Opens a JWE (RFC 7516) that holds a JWS, and nothing else.
    ///
    /// The key is the RSA block key that it names, or the newest one. The JWS
    /// is not verified yet.
    ///
    /// # Errors
    /// The same for every cause, a PIN block among them.
    pub fn open_jws_envelope(&self, jwe: &JweParts) -> Result<JwsParts, Unreadable> {
        let unwrap = |kid: Option<&str>, wrapped: &[u8]| match kid {
            Some(kid) => self.ring.rsa_of(kid)?.unwrap(wrapped),
            None => self.ring.now().newest_rsa()?.unwrap(wrapped),
        };
        jwe.opened(unwrap).ok_or(Unreadable(BlockFlaw::Decryption))
    }

    /// Takes over what another process wrote into the key file, if it did.
    ///
    /// What is new opens at once, and makes nothing before [`Vault::use_ripe_keys`].
    /// It blocks its thread for as long as a file takes to be read.
    ///
    /// # Errors
    /// When the file cannot be opened, or lacks keys that are here. These then
    /// stay as they are.
    pub fn look_at_key_file(&self) -> Result<(), KeyFault> {
        self.ring.look()
    }

    /// Makes with the newest keys whose time has come; never again with older ones.
    pub fn use_ripe_keys(&self, now_ms: i64) {
        self.ring.use_ripe(now_ms);
    }

    /// What may be told of all key versions, newest first.
    #[must_use]
    pub fn key_versions(&self) -> Vec<KeyVersion> {
        self.ring.versions()
    }

    /// Whether a block key of this id is here, or was before it was retired.
    #[must_use]
    pub fn knows_key(&self, kid: &str) -> bool {
        self.ring.now().knows(kid)
    }

    /// The ids of all live block keys: for the audit.
    ///
    /// Those in use come first, the others newest first.
    #[must_use]
    pub fn key_names(&self) -> String {
        self.ring.now().kids().collect::<Vec<_>>().join(" ")
    }

    /// The id of the ECDH key that blocks are made for.
    #[must_use]
    pub fn block_kid(&self) -> String {
        self.ring.now().kids().next().unwrap_or_default().to_owned()
    }

    /// The public keys as a JWK set (RFC 7517): block keys, then signing keys.
    ///
    /// Either kind begins with the one in use; the others are listed newest first.
    #[must_use]
    pub fn jwks(&self) -> String {
        let live = self.ring.now();
        let set = JwkSet { keys: live.public().chain(live.public_signing()).collect() };
        // Writing strings and a list to memory cannot fail.
        serde_json::to_string(&set).unwrap_or_default()
    }

    /// Random bytes from the library's generator (SP 800-90A).
    ///
    /// # Errors
    /// When the generator fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], VaultFault> {
        let mut bytes = [0; N];
        rand::fill(&mut bytes).map_err(|_| VaultFault("draw random bytes"))?;
        Ok(bytes)
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    fn signing_key(&self) -> Result<Arc<SigningKey>, VaultFault> {
        self.ring.now().newest_signing().cloned().ok_or(VaultFault("find a signing key"))
    }

    fn seal(&self, aad: &str, message: &Outgoing) -> Result<Sealed, VaultFault> {
        let keys = self.ring.now();
        let making = keys.making();
        let nonce = MessageNonce { key: self.random()?, gcm: self.random()? };
        Sealed::seal((making.version, &making.data), nonce, aad, message)
            .ok_or(VaultFault("seal a message"))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(****)")
    }
}
