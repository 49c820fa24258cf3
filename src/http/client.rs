//! The reqwest client. This is the only place that builds one.

use super::{Accept, Budget, Request, Upstream, proxy};
use crate::{
    config::{Config, Limits},
    error::{Failure, Kind, Result},
    files::named,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// How the server's certificate is checked. There is no way not to check it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// A PEM file with the certificate authority of a private network, beside the public ones.
    pub ca_file: Option<&'a Path>,
    /// `sha256:<hex>`: the digest of the one certificate that a self-signed server may show.
    pub pin: Option<&'a str>,
}

/// A client for one upstream: HTTP/1.1, no redirects, no referer, no retries of its own, with time limits on
/// connecting, on silence and on the whole request, body included; through the proxy that is on the way, if one is.
pub fn client(base: &str, limits: &Limits, trust: Trust<'_>) -> Result<reqwest::Client> {
    build(base, limits, trust, 4)
}

/// The same with a connection of its own for every request, so that none is ever sent again because a connection that
/// was kept turned out to be closed: for requests that must reach the server at most once.
pub fn single_use(base: &str, limits: &Limits, trust: Trust<'_>) -> Result<reqwest::Client> {
    build(base, limits, trust, 0)
}

/// `sha256:<hex>` of the certificate that the server at `base` shows, whether or not it is trusted; none when it shows
/// none. The handshake is given up as soon as the certificate is seen: no request is sent.
pub async fn certificate(base: &str, limits: &Limits) -> Result<Option<String>> {
    let provider = CryptoProvider::get_default().cloned().expect("main installs the provider first");
    let seen = Arc::new(Mutex::new(None));
    let verifier = Arc::new(Certificate { wanted: Wanted::Seen(Arc::clone(&seen)), provider });
    let client = made(builder(base, limits, 0)?.tls_backend_preconfigured(verifying(verifier)))?;
    let (retries, budget) = (Config::default().retries, Budget::default());
    let upstream = Upstream::new("certificate", base.to_owned(), client, limits, retries, budget);
    if let Err(trouble) = upstream.send(&Request::get("", Accept::Text), None).await {
        tracing::debug!("{}", trouble.failure);
    }
    let digest = *seen.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(digest.map(|digest: [u8; 32]| format!("sha256:{}", hex::encode(digest))))
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds a client")]
fn builder(base: &str, limits: &Limits, kept: usize) -> Result<reqwest::ClientBuilder> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("zerkalo/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle)
        .timeout(limits.total)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .pool_max_idle_per_host(kept)
        .no_proxy();
    let Some(proxy) = proxy::on_the_way_to(base)? else { return Ok(builder) };
    let proxy = reqwest::Proxy::https(proxy.address)
        .map_err(|error| Failure::new(Kind::Usage, "the proxy cannot be used").source(error.without_url()))?;
    Ok(builder.proxy(proxy))
}

fn made(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Failure::new(Kind::Refused, "cannot prepare TLS on this machine")
            .hint("install the CA certificates (Debian: apt-get install ca-certificates)")
            .source(error.without_url())
    })
}

fn build(base: &str, limits: &Limits, trust: Trust<'_>, kept: usize) -> Result<reqwest::Client> {
    let mut builder = builder(base, limits, kept)?;
    if let Some(pin) = trust.pin {
        builder = builder.tls_backend_preconfigured(pinned(pin)?);
    } else if base.starts_with("http://") {
        builder = builder.tls_backend_preconfigured(without_roots());
    } else if let Some(file) = trust.ca_file {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    made(builder)
}

/// What plain HTTP takes in place of trust: without a CA bundle on the machine the default verifier fails to load even
/// where no TLS is spoken.
fn without_roots() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>> {
    let failure = |text: &str| {
        Failure::new(Kind::Usage, format!("the CA file {} {text}", file.display()))
            .hint("IIKO_CA_FILE names a PEM file with the certificate of your network's authority")
    };
    // All authorities of the public Internet together are a quarter of a MiB.
    let pem = named::read(file, 4 << 20).map_err(|error| failure("cannot be read").source(error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem)
        .map_err(|error| failure("is not PEM").source(error.without_url()))?;
    if certificates.is_empty() { Err(failure("holds no certificate")) } else { Ok(certificates) }
}

fn pinned(pin: &str) -> Result<ClientConfig> {
    let digest = pin.strip_prefix("sha256:").and_then(|text| hex::decode(text.replace(':', "")).ok());
    let digest: [u8; 32] = digest.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        Failure::new(Kind::Usage, "IIKO_TLS_PIN is not a certificate's SHA-256 digest")
            .hint("it looks like sha256:9f86d0…, 64 hex digits")
    })?;
    let provider = CryptoProvider::get_default().cloned().expect("main installs the provider first");
    Ok(verifying(Arc::new(Certificate { wanted: Wanted::Digest(digest), provider })))
}

fn verifying(verifier: Arc<Certificate>) -> ClientConfig {
    ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
}

/// Judges a certificate by nothing but its digest, whoever signed it.
#[derive(Debug)]
struct Certificate {
    wanted: Wanted,
    provider: Arc<CryptoProvider>,
}

/// What is wanted of a certificate.
#[derive(Debug)]
enum Wanted {
    /// This digest, and no other.
    Digest([u8; 32]),
    /// Only to see its digest: it is never accepted.
    Seen(Arc<Mutex<Option<[u8; 32]>>>),
}

impl ServerCertVerifier for Certificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest = <[u8; 32]>::from(Sha256::digest(end_entity.as_ref()));
        let refusal = match &self.wanted {
            Wanted::Digest(wanted) if *wanted == digest => return Ok(ServerCertVerified::assertion()),
            Wanted::Digest(_) => "the server shows another certificate than the pinned one",
            Wanted::Seen(seen) => {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
                "the certificate was only looked at"
            }
        };
        Err(rustls::Error::General(refusal.to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
