//! TLS to a Redis server: whom to trust, and what to show.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme,
};

use super::config::{CertReqs, TlsOptions};
use crate::error::Error;

/// What connections with these options begin with. The files are read now, and not again.
pub fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>, Error> {
    // Ours alone: a provider for the whole process would be a decision for every other library in it.
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = |roots| Verifier {
        roots,
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls {
            problem: format!("TLS cannot be had: {error}"),
        })?;
    let builder = match options.cert_reqs {
        CertReqs::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier(None))),
        CertReqs::Required if options.check_hostname => {
            builder.with_root_certificates(roots(options)?)
        }
        CertReqs::Required => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier(Some(roots(options)?)))),
    };
    let Some(certfile) = &options.certfile else {
        return match &options.keyfile {
            None => Ok(Arc::new(builder.with_no_client_auth())),
            Some(path) => Err(in_file(
                "ssl_keyfile",
                path,
                "it needs its certificate: give ssl_certfile too",
            )),
        };
    };
    let chain = certificates("ssl_certfile", certfile)?;
    let (option, keyfile) = match &options.keyfile {
        Some(keyfile) => ("ssl_keyfile", keyfile),
        None => ("ssl_certfile", certfile),
    };
    let key = key(option, keyfile)?;
    let config = builder.with_client_auth_cert(chain, key).map_err(|error| {
        let problem = match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "its key is not that of the certificate in '{}': the first one there must be the client's own",
                certfile.display()
            ),
            error => format!("its key, or the certificate in '{}', cannot be used ({error})", certfile.display()),
        };
        in_file(option, keyfile, &problem)
    })?;
    Ok(Arc::new(config))
}

/// The authorities to trust. Like OpenSSL, we pass over those that cannot be read, as long as one can.
fn roots(options: &TlsOptions) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_certs {
        let (usable, _) = roots.add_parsable_certificates(certificates("ssl_ca_certs", path)?);
        if usable == 0 {
            let problem = "none of the certificates in it can be used";
            return Err(in_file("ssl_ca_certs", path, problem));
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(Error::Tls {
            problem: format!(
                "the system has no certificates of authorities{}{}: install its package of them \
                 (ca-certificates), or give a file as ssl_ca_certs",
                if errors.is_empty() { "" } else { "; " },
                errors.join(", ")
            ),
        });
    }
    Ok(roots)
}

fn in_file(option: &'static str, path: &Path, problem: &str) -> Error {
    Error::TlsFile {
        option,
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| in_file(option, path, &format!("it cannot be read ({error})")))
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(pem::Error::NoItemsFound) => Err(in_file(
            option,
            path,
            "there is no certificate in it: it must be a PEM file, with '-----BEGIN CERTIFICATE-----'",
        )),
        Err(_) => Err(in_file(option, path, BROKEN)),
    }
}

fn key(option: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(option, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => in_file(
            option,
            path,
            "there is no private key in it: it must be a PEM file, with '-----BEGIN PRIVATE KEY-----', and not \
             be encrypted",
        ),
        // The parser's own words may quote the file, which is a secret.
        _ => in_file(option, path, BROKEN),
    })
}

const BROKEN: &str =
    "it is no complete PEM file: a section has no end, or something in it that is not base64";

/// Lets certificates pass that bear another name, or, without `roots`, anything at all.
#[derive(Debug)]
struct Verifier {
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    /// As rustls's own, but for the name.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.roots.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // A signature by a key that anybody may have proves nothing, and to read the key would refuse
        // certificates of the first version, which are one reason to ask for none.
        if self.roots.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
