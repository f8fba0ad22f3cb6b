//! How the way to a database is encrypted, and what a server's certificate must show.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{
    WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::PostgresError;
use super::address::parameter;

/// Longest file of authorities, in bytes.
const ROOTS_LEN_MAX: u64 = 1024 * 1024;

/// How a connection is encrypted.
#[derive(Clone)]
pub(super) enum Encryption {
    /// Not at all.
    None,
    /// By TLS.
    Tls(Arc<ClientConfig>),
}

/// What a server's certificate must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// Who signed it.
    Authority,
    /// That, and that it is for the host that was named.
    AuthorityAndName,
}

/// Whose signatures count.
#[derive(Debug)]
pub(super) enum Roots {
    /// Those that the system trusts.
    System,
    /// Those in a file (PEM), and no others.
    File(PathBuf),
}

impl fmt::Debug for Encryption {
    /// The configuration is long, and says nothing that the address does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Tls(_) => "Tls",
        })
    }
}

impl Encryption {
    /// TLS that demands this of the server.
    pub(super) fn tls(roots: &Roots, checked: Checked) -> Result<Self, PostgresError> {
        let roots = Arc::new(roots.read()?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let config =
            config.with_safe_default_protocol_versions().map_err(|_| PostgresError::Tls)?;
        let config = match checked {
            Checked::AuthorityAndName => config.with_root_certificates(roots),
            Checked::Authority => {
                let signed = Arc::new(SignedBy::new(roots, provider)?);
                config.dangerous().with_custom_certificate_verifier(signed)
            }
        };
        Ok(Self::Tls(Arc::new(config.with_no_client_auth())))
    }

    /// What makes such connections, where they are encrypted.
    pub(super) fn connector(&self) -> Option<MakeRustlsConnect> {
        match self {
            Self::None => None,
            Self::Tls(config) => Some(MakeRustlsConnect::new(ClientConfig::clone(config))),
        }
    }
}

impl Roots {
    fn read(&self) -> Result<RootCertStore, PostgresError> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs().certs;
                roots.add_parsable_certificates(found);
            }
            Self::File(path) => {
                let refused = |problem| parameter("sslrootcert", problem);
                let facts = std::fs::metadata(path);
                let facts = facts.ok().filter(std::fs::Metadata::is_file);
                let facts = facts.ok_or_else(|| refused("names a file that cannot be read"))?;
                if facts.len() > ROOTS_LEN_MAX {
                    return Err(refused("names a file of more than 1 MiB"));
                }
                let text = std::fs::read(path);
                let text = text.map_err(|_| refused("names a file that cannot be read"))?;
                for found in CertificateDer::pem_slice_iter(&text) {
                    let added = found.ok().and_then(|found| roots.add(found).ok());
                    added.ok_or_else(|| refused("names a file with a broken certificate (PEM)"))?;
                }
                if roots.is_empty() {
                    return Err(refused("names a file without a certificate (PEM)"));
                }
            }
        }
        Ok(roots)
    }
}

/// Takes every certificate that an authority signed, whatever its name.
#[derive(Debug)]
struct SignedBy {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    /// For the signatures of the handshake, which are the same with and without names.
    named: Arc<WebPkiServerVerifier>,
}

impl SignedBy {
    fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, PostgresError> {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let named = builder.build().map_err(|_| PostgresError::Tls)?;
        Ok(Self { roots, provider, named })
    }
}

impl ServerCertVerifier for SignedBy {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = ParsedCertificate::try_from(own)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&own, &self.roots, between, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.named.verify_tls12_signature(message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.named.verify_tls13_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.named.supported_verify_schemes()
    }
}
