//! Where the servers are and how to log in: what the URLs of a Redis tier say.

use std::fmt;
use std::path::PathBuf;

use super::url::{Kind, Url};
use crate::error::Error;

pub use super::url::shown;

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// By host and port.
    Tcp {
        /// A name, or an IP address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// By a socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Who logs in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The user; None is the server's default user.
    pub username: Option<String>,
    /// The password; None for servers that ask for none.
    pub password: Option<String>,
}

/// Without the password, since such texts end up in logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// One server, and all that a connection to it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Who logs in.
    pub login: Login,
    /// The number of the database.
    pub db: u32,
    /// How its certificate is verified; None is a connection without TLS.
    pub tls: Option<TlsOptions>,
    /// The connection's name in the server's `CLIENT LIST`.
    pub client_name: Option<String>,
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single(Endpoint),
    /// One server that is written to, and copies of it that are read.
    Replicated {
        /// Takes the writes.
        primary: Endpoint,
        /// Answer the reads; at least one.
        replicas: Vec<Endpoint>,
    },
    /// Servers that know who the primary is.
    Sentinel {
        /// Whom to ask; at least one.
        sentinels: Vec<Endpoint>,
        /// The name they know the primary by.
        service: String,
        /// The primary, but for its address: that is empty, and filled in with what a sentinel says.
        server: Endpoint,
    },
    /// A cluster.
    Cluster {
        /// Some of its nodes, which know the others; at least one.
        seeds: Vec<Endpoint>,
    },
}

/// Whether the server has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CertReqs {
    /// One that leads to a trusted authority.
    #[default]
    Required,
    /// Any will do: whoever sits in between may read and change everything.
    None,
}

/// How a server's certificate is verified, and what certificate the client shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// The authorities to trust, a PEM file; None is those of the system.
    pub ca_certs: Option<PathBuf>,
    /// The client's own certificate and those that lead to its authority, a PEM file.
    pub certfile: Option<PathBuf>,
    /// The key of `certfile`, a PEM file; None if it is in that file too.
    pub keyfile: Option<PathBuf>,
    /// Whether the certificate must bear the host's name.
    pub check_hostname: bool,
    /// Whether a certificate is needed at all.
    pub cert_reqs: CertReqs,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ca_certs: None,
            certfile: None,
            keyfile: None,
            check_hostname: true,
            cert_reqs: CertReqs::Required,
        }
    }
}

/// What these URLs say. `tls` holds for servers whose URL asks for TLS, but for what the URL itself says.
pub fn parse(urls: &[&str], tls: &TlsOptions) -> Result<Topology, Error> {
    let [url] = urls else {
        return Err(Error::NoRedisUrl);
    };
    let url = Url::split(url)?;
    let Kind::Plain = url.kind else {
        return Err(Error::NoRedisUrl);
    };
    Ok(Topology::Single(Endpoint {
        address: Address::Tcp {
            host: url.host.to_owned(),
            port: url.port.unwrap_or(6379),
        },
        login: Login::default(),
        db: 0,
        tls: url.encrypted.then(|| tls.clone()),
        client_name: None,
    }))
}
