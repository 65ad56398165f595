//! TLS to the server: what `sslmode` means, whose certificates count, and what went wrong in words.
//!
//! The modes are libpq's (PostgreSQL documentation, "SSL Support"), with two differences that only make it stricter: without
//! `sslmode` another machine's certificate is verified in full, and `allow` and `prefer` never fall back to plain text there.

use std::error::Error as _;
use std::sync::Arc;

use basalt_types::{SqlError, SqlState};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// libpq's modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Plain text.
    Disable,
    /// TLS when the server has it, unverified. On this machine only.
    Prefer,
    /// TLS, unverified.
    Require,
    /// TLS with a certificate of a known authority.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

impl Mode {
    /// # Errors
    /// 22023 for a word that is no mode.
    pub(crate) fn parse(text: &str) -> Result<Self, SqlError> {
        Ok(match text {
            "disable" => Self::Disable,
            // Plain text first, libpq says of `allow`; where it would have to be TLS after all, it is TLS from the start here.
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(invalid(format!(
                    "sslmode={text} is none of disable, allow, prefer, require, verify-ca, verify-full"
                )));
            }
        })
    }
}

/// What an address says about TLS.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) mode: Option<Mode>,
    /// A PEM file of authorities, or `system`.
    pub(crate) root: Option<String>,
    /// A PEM file with our own certificate, for servers that ask for one.
    pub(crate) certificate: Option<String>,
    /// Its key.
    pub(crate) key: Option<String>,
}

impl Tls {
    /// The mode that counts.
    pub(crate) fn in_force(&self, is_local: bool) -> Mode {
        match self.mode {
            None if is_local && self.root.is_none() => Mode::Disable,
            None => Mode::VerifyFull,
            // As libpq has it: an authority that was named is asked.
            Some(Mode::Require) if self.root.is_some() => Mode::VerifyCa,
            Some(Mode::Prefer) if !is_local => Mode::Require,
            Some(mode) => mode,
        }
    }

    /// The same for the driver, which knows of TLS but not of certificates.
    pub(crate) fn driver_mode(&self, is_local: bool) -> SslMode {
        match self.in_force(is_local) {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// What the operator should know before such a connection is used.
    pub(crate) fn warning(&self, is_local: bool) -> Option<&'static str> {
        match self.in_force(is_local) {
            _ if is_local => None,
            Mode::Disable => Some("sslmode=disable: passwords and rows go to the database's host in plain text"),
            Mode::Prefer | Mode::Require => {
                Some("the database's certificate is not verified; sslmode=verify-full with sslrootcert=FILE does")
            }
            Mode::VerifyCa | Mode::VerifyFull => None,
        }
    }

    /// What makes TLS out of a socket; `None` for plain text.
    ///
    /// # Errors
    /// 22023 for files that cannot be read and for settings that contradict each other.
    pub(crate) fn connector(&self, is_local: bool) -> Result<Option<MakeRustlsConnect>, SqlError> {
        let mode = self.in_force(is_local);
        if self.root.as_deref() == Some("system") && mode != Mode::VerifyFull {
            return Err(invalid(
                "sslrootcert=system needs sslmode=verify-full: anybody has a certificate of some public authority",
            ));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match mode {
            Mode::Disable => return Ok(None),
            Mode::Prefer | Mode::Require => Arc::new(Unverified(provider.clone())),
            Mode::VerifyCa => Arc::new(AnyName(self.webpki(&provider)?)),
            Mode::VerifyFull => self.webpki(&provider)?,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| SqlError::internal("the cryptography provider has no version of TLS"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate, "sslcert")?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|_| invalid("the file of sslkey has no private key in PEM form"))?;
                builder.with_client_auth_cert(chain, key).map_err(|_| invalid("sslcert and sslkey do not belong together"))?
            }
            _ => return Err(invalid("sslcert and sslkey are given together or not at all")),
        };
        // PostgreSQL's own name in the registry of protocols; needed for sslnegotiation=direct, harmless otherwise.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Some(MakeRustlsConnect::new(config)))
    }

    fn webpki(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, SqlError> {
        let roots = match self.root.as_deref() {
            None | Some("system") => public_roots(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file, "sslrootcert")? {
                    roots
                        .add(certificate)
                        .map_err(|_| invalid("the file of sslrootcert has a certificate that cannot be read"))?;
                }
                roots
            }
        };
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|_| invalid("there are no certificate authorities to verify with: name some with sslrootcert=FILE"))
    }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER, message)
}

fn certificates(file: &str, setting: &str) -> Result<Vec<CertificateDer<'static>>, SqlError> {
    let unreadable = |_| invalid(format!("the file of {setting} cannot be read, or is not in PEM form"));
    let found = CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(invalid(format!("the file of {setting} has no certificate"))) } else { Ok(found) }
}

/// The system's authorities, or Mozilla's where the system has none (images without ca-certificates).
fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// `verify-ca`: the chain counts, the name does not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when the chain was found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `require`: any certificate, but the server must have its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What went wrong with TLS, for the operator; `None` when it was something else.
pub(crate) fn failure(error: &tokio_postgres::Error) -> Option<(String, &'static str)> {
    const ROOT: &str = "Name the authority's certificate in the database's address: sslrootcert=FILE.";
    const NAME: &str = "Use the name that the certificate has as the address's host, or sslmode=verify-ca.";
    const PLAIN: &str = "Switch TLS on there, or, on a network that nobody listens to, say sslmode=disable.";
    let mut cause = error.source();
    while let Some(error) = cause {
        // The handshake's error travels inside one of input and output.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner.and_then(|e| e.downcast_ref::<rustls::Error>()).or_else(|| error.downcast_ref());
        if let Some(tls) = tls {
            return Some(match tls {
                rustls::Error::InvalidCertificate(why) => match why {
                    CertificateError::UnknownIssuer => ("the database's certificate is of an unknown authority".into(), ROOT),
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                        ("the database's certificate is for another host".into(), NAME)
                    }
                    CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                        ("the database's certificate has expired".into(), "Renew it on the server.")
                    }
                    other => (format!("the database's certificate is not accepted: {other}"), ROOT),
                },
                other => (format!("TLS with the database failed: {other}"), "See the database server's log."),
            });
        }
        if error.to_string() == "server does not support TLS" {
            return Some(("the database's server does not speak TLS".into(), PLAIN));
        }
        cause = error.source();
    }
    None
}
