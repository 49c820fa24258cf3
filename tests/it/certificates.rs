//! Servers whose certificate nobody signed: never trusted by themselves, never asked twice, and trusted by name or by
//! fingerprint when the settings say so.

use super::{
    doctor::assert_found,
    harness::{Engine, World, block_on, on_both},
};
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

on_both!(a_certificate_is_trusted_only_as_the_settings_say, no_other_certificate_passes_for_the_pinned_one);

/// TLS with a certificate of its own making before the stand-in servers.
struct Https {
    port: u16,
    /// The certificate in PEM.
    pem: String,
    /// As `IIKO_TLS_PIN` has it.
    pin: String,
    /// How many connections were made.
    connections: Arc<AtomicUsize>,
}

impl Https {
    /// In the name of `name`, good until the end of a year.
    fn before(world: &World, name: &str, until: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate = parameters.self_signed(&key).unwrap();
        let pin = format!("sha256:{}", hex::encode(Sha256::digest(certificate.der())));
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.der())
        );
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        let behind =
            world.sandbox.iiko_url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let port = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let (acceptor, behind) = (acceptor.clone(), behind.clone());
                    tokio::spawn(async move {
                        let mut client = acceptor.accept(socket).await?;
                        let mut server = TcpStream::connect(&behind).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    });
                }
            });
            port
        });
        Self { port, pem, pin, connections }
    }

    /// Points a world at it, by the name `localhost`.
    fn take(&self, world: &mut World) {
        world.set("IIKO_BASE_URL", format!("https://localhost:{}", self.port));
        self.connections.store(0, Ordering::Relaxed);
    }

    /// A world that trusts who signed it, which is itself.
    fn trust(&self, world: &mut World) {
        let file = world.home.path().join("config-authority.pem");
        fs::write(&file, &self.pem).unwrap();
        world.set("IIKO_CA_FILE", file.display().to_string());
    }
}

/// Every server here is another one for the identity of the mirror.
const SYNC: [&str; 5] = ["sync", "iiko", "--only", "iiko_store", "--adopt-source"];

/// It is refused at the first connection: a certificate does not become better by asking again.
#[track_caller]
fn assert_refused(world: &World, https: &Https) {
    let refused = world.expect(6, &SYNC);
    let step = refused.steps().iter().find_map(|step| step["error"].as_str()).unwrap_or_default().to_owned();
    assert!(
        refused.stderr.contains("the server's certificate is not trusted")
            || step.contains("the server's certificate is not trusted"),
        "{}{}",
        refused.json,
        refused.stderr
    );
    assert_eq!(https.connections.load(Ordering::Relaxed), 1);
}

fn a_certificate_is_trusted_only_as_the_settings_say(engine: Engine) {
    let mut world = World::new(engine);
    let good = Https::before(&world, "localhost", 2099);
    good.take(&mut world);
    assert_refused(&world, &good);
    let examined = world.expect(6, &["doctor"]);
    assert_found(&examined, "iiko", "problem", "the server's certificate is not trusted", "IIKO_TLS_PIN");
    let shown = format!("{0}; IIKO_TLS_PIN={0} would trust it", good.pin);
    assert_found(&examined, "iiko certificate", "ok", &shown, "");
    good.trust(&mut world);
    world.expect(0, &SYNC);
    // Somebody else's name, and a day that has passed, signed by an authority that is trusted.
    for (name, until) in [("iiko.example", 2099), ("localhost", 2020)] {
        let bad = Https::before(&world, name, until);
        bad.trust(&mut world);
        bad.take(&mut world);
        assert_refused(&world, &bad);
    }
}

fn no_other_certificate_passes_for_the_pinned_one(engine: Engine) {
    let mut world = World::new(engine);
    // With a pin neither the name nor the day matters: that certificate and no other.
    let pinned = Https::before(&world, "iiko.example", 2020);
    world.set("IIKO_TLS_PIN", pinned.pin.clone());
    pinned.take(&mut world);
    world.expect(0, &SYNC);
    assert_found(&world.run(&["doctor"]), "iiko certificate", "ok", "as pinned", "");
    let other = Https::before(&world, "localhost", 2099);
    other.take(&mut world);
    assert_refused(&world, &other);
    let shown = format!("the server shows {}", other.pin);
    assert_found(&world.run(&["doctor"]), "iiko certificate", "problem", &shown, "IIKO_TLS_PIN");
}
