//! TLS to Redis servers: whom a client trusts, and what it shows. Both ends are here, and what they send goes
//! from buffer to buffer.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use quickcache::error::Error;
use quickcache::redis::config::{CertReqs, TlsOptions};
use quickcache::redis::tls::client_config;
use rcgen::KeyPair;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::certificates::{Authority, Certified, Files};

/// A server with this certificate, which demands one of the client if it is told whose.
pub(crate) fn server(
    version: &'static SupportedProtocolVersion,
    certified: &Certified,
    clients: Option<&Authority>,
) -> ServerConnection {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(authority.roots(), provider)
                .build()
                .unwrap(),
        ),
    };
    let config = builder.with_single_cert(certified.chain(), certified.key());
    ServerConnection::new(Arc::new(config.unwrap())).unwrap()
}

/// What the server reads of a PING that a client sends it, or how either of them ends it.
fn ping(
    options: &TlsOptions,
    host: &'static str,
    mut server: ServerConnection,
) -> Result<String, String> {
    let config = client_config(options).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host).unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    client.writer().write_all(b"PING").unwrap();
    while client.wants_write() || server.wants_write() {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        while !sent.is_empty() {
            server.read_tls(&mut &*take(&mut sent)).unwrap();
            let processed = server.process_new_packets();
            processed.map_err(|error| format!("server: {error}"))?;
        }
        let mut sent = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut sent).unwrap();
        }
        while !sent.is_empty() {
            client.read_tls(&mut &*take(&mut sent)).unwrap();
            let processed = client.process_new_packets();
            processed.map_err(|error| format!("client: {error}"))?;
        }
    }
    let mut read = [0; 4];
    server.reader().read_exact(&mut read).unwrap();
    let asked_for = server.server_name().unwrap_or("nobody");
    Ok(format!("{} to {asked_for}", String::from_utf8_lossy(&read)))
}

/// The next few bytes, as a network would bring them.
fn take(sent: &mut Vec<u8>) -> Vec<u8> {
    let rest = sent.split_off(sent.len().min(1000));
    std::mem::replace(sent, rest)
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn pinged() -> String {
    "PING to localhost".to_owned()
}

fn trusting(path: PathBuf) -> TlsOptions {
    TlsOptions {
        ca_certs: Some(path),
        ..TlsOptions::default()
    }
}

#[test]
fn a_server_is_trusted_whose_authority_is_in_the_file() {
    let files = Files::new();
    let (ours, other) = (Authority::named("ours"), Authority::named("other"));
    let both = format!("{}{}", other.certificate, ours.certificate);
    let of_both = trusting(files.write("both.pem", &both));
    let of_other = trusting(files.write("other.pem", &other.certificate));
    for version in VERSIONS {
        let server = || server(version, &ours.certify("localhost"), None);
        assert_eq!(Ok(pinged()), ping(&of_both, "localhost", server()));
        assert_eq!(
            Err("client: invalid peer certificate: UnknownIssuer".to_owned()),
            ping(&of_other, "localhost", server())
        );
    }
}

#[test]
fn a_server_by_another_name_is_trusted_only_if_names_are_not_checked() {
    let files = Files::new();
    let authority = Authority::named("ours");
    let strict = trusting(files.write("ca.pem", &authority.certificate));
    let lax = TlsOptions {
        check_hostname: false,
        ..strict.clone()
    };
    for version in VERSIONS {
        let server = || server(version, &authority.certify("elsewhere"), None);
        let refused = ping(&strict, "localhost", server()).unwrap_err();
        assert!(refused.contains("not valid for name"), "{refused}");
        assert_eq!(Ok(pinged()), ping(&lax, "localhost", server()));
    }
}

#[test]
fn an_address_is_a_name_too() {
    let files = Files::new();
    let authority = Authority::named("ours");
    let options = trusting(files.write("ca.pem", &authority.certificate));
    for version in VERSIONS {
        for host in ["127.0.0.1", "::1"] {
            let server = server(version, &authority.certify(host), None);
            assert_eq!(
                Ok("PING to nobody".to_owned()),
                ping(&options, host, server)
            );
        }
    }
}

#[test]
fn all_but_the_name_is_verified_if_names_are_not_checked() {
    let files = Files::new();
    let (ours, other) = (Authority::named("ours"), Authority::named("other"));
    let options = TlsOptions {
        check_hostname: false,
        ..trusting(files.write("ca.pem", &ours.certificate))
    };
    for version in VERSIONS {
        let of_other = server(version, &other.certify("localhost"), None);
        assert_eq!(
            Err("client: invalid peer certificate: UnknownIssuer".to_owned()),
            ping(&options, "localhost", of_other)
        );
        let expired = server(version, &ours.certify_until("localhost", 2000), None);
        let refused = ping(&options, "localhost", expired).unwrap_err();
        assert!(refused.contains("certificate expired"), "{refused}");
        let imposter = imposter(version, &ours.certify("localhost"));
        assert_eq!(
            Err("client: invalid peer certificate: BadSignature".to_owned()),
            ping(&options, "localhost", imposter)
        );
    }
}

/// A server that shows a certificate whose key it does not have.
fn imposter(version: &'static SupportedProtocolVersion, certified: &Certified) -> ServerConnection {
    let key = KeyPair::generate().unwrap().serialize_pem();
    shows(version, certified.chain(), &key)
}

/// A server that shows whatever it is given.
fn shows(
    version: &'static SupportedProtocolVersion,
    chain: Vec<CertificateDer<'static>>,
    key: &str,
) -> ServerConnection {
    let provider = ring::default_provider();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(chain, key);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    ServerConnection::new(Arc::new(config)).unwrap()
}

#[test]
fn any_server_is_trusted_if_no_certificate_is_required() {
    let authority = Authority::named("anybody");
    let options = TlsOptions {
        // No file is read.
        ca_certs: Some("/nonexistent/ca.pem".into()),
        cert_reqs: CertReqs::None,
        ..TlsOptions::default()
    };
    let key = KeyPair::generate().unwrap().serialize_pem();
    for version in VERSIONS {
        for server in [
            server(version, &authority.certify("elsewhere"), None),
            server(version, &authority.certify_until("elsewhere", 2000), None),
            imposter(version, &authority.certify("elsewhere")),
            shows(version, vec![b"no certificate".to_vec().into()], &key),
        ] {
            assert_eq!(Ok(pinged()), ping(&options, "localhost", server));
        }
    }
}

#[test]
fn a_client_shows_its_certificate_to_a_server_that_demands_one() {
    let files = Files::new();
    let (servers, clients) = (Authority::named("servers"), Authority::named("clients"));
    let client = clients.certify("client");
    let without = trusting(files.write("ca.pem", &servers.certificate));
    let with = TlsOptions {
        certfile: Some(files.write("client.pem", &client.certificate)),
        keyfile: Some(files.write("client.key", &client.key)),
        ..without.clone()
    };
    let both = format!("{}{}", client.key, client.certificate);
    let in_one_file = TlsOptions {
        certfile: Some(files.write("both.pem", &both)),
        ..without.clone()
    };
    let stranger = servers.certify("client");
    let of_another = TlsOptions {
        certfile: Some(files.write("stranger.pem", &stranger.certificate)),
        keyfile: Some(files.write("stranger.key", &stranger.key)),
        ..without.clone()
    };
    for version in VERSIONS {
        let server = || server(version, &servers.certify("localhost"), Some(&clients));
        assert_eq!(Ok(pinged()), ping(&with, "localhost", server()));
        assert_eq!(Ok(pinged()), ping(&in_one_file, "localhost", server()));
        assert_eq!(
            Err("server: peer sent no certificates".to_owned()),
            ping(&without, "localhost", server())
        );
        assert_eq!(
            Err("server: invalid peer certificate: UnknownIssuer".to_owned()),
            ping(&of_another, "localhost", server())
        );
    }
}

#[test]
fn an_error_names_the_option_and_the_file_and_says_why() {
    let files = Files::new();
    let authority = Authority::named("ours");
    let (one, two) = (authority.certify("one"), authority.certify("two"));
    let ca = files.write("ca.pem", &authority.certificate);
    let cert = files.write("one.pem", &one.certificate);
    let key = files.write("one.key", &one.key);
    let other_key = files.write("two.key", &two.key);
    let missing = files.path("missing.pem");
    let cut = files.write("cut.pem", &one.key[..one.key.len() / 2]);
    let bytes = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let bytes = files.write("bytes.pem", bytes);
    let no_certificate = "there is no certificate in it: it must be a PEM file, with \
                          '-----BEGIN CERTIFICATE-----'";
    let no_key = "there is no private key in it: it must be a PEM file, with '-----BEGIN PRIVATE KEY-----', and \
                  not be encrypted";
    let broken =
        "it is no complete PEM file: a section has no end, or something in it that is not base64";
    let not_there = &format!("it cannot be read ({})", fs::read(&missing).unwrap_err())[..];
    let other = format!(
        "its key is not that of the certificate in '{}': the first one there must be the client's own",
        cert.display()
    );
    let lone = "it needs its certificate: give ssl_certfile too";
    let unusable = "none of the certificates in it can be used";
    for (files, option, file, problem) in [
        (
            [Some(&missing), None, None],
            "ssl_ca_certs",
            &missing,
            not_there,
        ),
        (
            [Some(&key), None, None],
            "ssl_ca_certs",
            &key,
            no_certificate,
        ),
        ([Some(&cut), None, None], "ssl_ca_certs", &cut, broken),
        ([Some(&bytes), None, None], "ssl_ca_certs", &bytes, unusable),
        (
            [Some(&ca), Some(&missing), None],
            "ssl_certfile",
            &missing,
            not_there,
        ),
        (
            [Some(&ca), Some(&key), None],
            "ssl_certfile",
            &key,
            no_certificate,
        ),
        (
            [Some(&ca), Some(&cert), None],
            "ssl_certfile",
            &cert,
            no_key,
        ),
        (
            [Some(&ca), Some(&cert), Some(&missing)],
            "ssl_keyfile",
            &missing,
            not_there,
        ),
        (
            [Some(&ca), Some(&cert), Some(&ca)],
            "ssl_keyfile",
            &ca,
            no_key,
        ),
        (
            [Some(&ca), Some(&cert), Some(&cut)],
            "ssl_keyfile",
            &cut,
            broken,
        ),
        (
            [Some(&ca), Some(&cert), Some(&other_key)],
            "ssl_keyfile",
            &other_key,
            &other,
        ),
        ([Some(&ca), None, Some(&key)], "ssl_keyfile", &key, lone),
    ] {
        let [ca_certs, certfile, keyfile] = files.map(Option::<&_>::cloned);
        let options = TlsOptions {
            ca_certs,
            certfile,
            keyfile,
            ..TlsOptions::default()
        };
        let error = client_config(&options).unwrap_err();
        let expected = format!("{option} '{}': {problem}", file.display());
        assert_eq!(expected, error.to_string());
    }
}

/// In a process of its own: where the system has its authorities can be told by a variable.
#[test]
fn without_a_file_the_authorities_of_the_system_are_trusted() {
    const CHILD: &str = "QUICKCACHE_TEST_AUTHORITIES";
    let Some(path) = env::var_os(CHILD) else {
        let files = Files::new();
        let path = files.write("ca.pem", "");
        let name = "redis_tls::without_a_file_the_authorities_of_the_system_are_trusted";
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, &path)
            .env("SSL_CERT_FILE", &path)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        assert!(
            String::from_utf8_lossy(&child.stdout).contains("1 passed"),
            "{child:?}"
        );
        return;
    };
    let error = client_config(&TlsOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!(
        "the system has no certificates of authorities: install its package of them (ca-certificates), or give a \
         file as ssl_ca_certs",
        error.to_string()
    );
    let (ours, other) = (Authority::named("ours"), Authority::named("other"));
    fs::write(path, &ours.certificate).unwrap();
    let server = |authority: &Authority| server(&TLS13, &authority.certify("localhost"), None);
    let options = TlsOptions::default();
    assert_eq!(Ok(pinged()), ping(&options, "localhost", server(&ours)));
    assert_eq!(
        Err("client: invalid peer certificate: UnknownIssuer".to_owned()),
        ping(&options, "localhost", server(&other))
    );
}
