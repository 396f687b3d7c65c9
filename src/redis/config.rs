//! Where the servers are and how to log in: what the URLs of a Redis tier say.

use std::fmt;
use std::path::PathBuf;

use super::url::{Kind, Url, several};
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

/// Without the password, since such texts end up in logs. A user without one may be one, put in the wrong place.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let username = match (&self.username, &self.password) {
            (Some(_), None) => Some("***"),
            (username, _) => username.as_deref(),
        };
        f.debug_struct("Login")
            .field("username", &username)
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

impl CertReqs {
    /// What a name of redis-py means. To a client, OpenSSL's `optional` is the same as `required`.
    pub fn named(name: &str) -> Result<Self, Error> {
        match name {
            "required" | "optional" => Ok(Self::Required),
            "none" => Ok(Self::None),
            _ => Err(Error::UnknownChoice {
                option: "ssl_cert_reqs",
                given: name.to_owned(),
                accepted: &["required", "optional", "none"],
            }),
        }
    }
}

/// What each URL may say behind its question mark.
const OPTIONS: [&str; 4] = ["username", "password", "db", "client_name"];
const TLS_OPTIONS: [&str; 5] = [
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_check_hostname",
    "ssl_cert_reqs",
];
const SENTINEL_OPTIONS: [&str; 2] = ["sentinel_username", "sentinel_password"];
/// Options of redis-py about its own connections: URLs that bear them are not to be rewritten for us.
pub const IGNORED: [&str; 8] = [
    "protocol",
    "health_check_interval",
    "retry_on_timeout",
    "decode_responses",
    "max_connections",
    "socket_keepalive",
    "socket_timeout",
    "socket_connect_timeout",
];

/// What these URLs say. `tls` holds for servers whose URL asks for TLS, but for what the URL itself says.
///
/// One string may hold several URLs with commas or semicolons between them, as in Django.
pub fn parse(urls: &[&str], tls: &TlsOptions) -> Result<Topology, Error> {
    let urls = urls.iter().flat_map(|text| several(text)).map(Url::split);
    let urls = urls.collect::<Result<Vec<_>, _>>()?;
    let (first, others) = urls.split_first().ok_or(Error::NoRedisUrl)?;
    for url in &urls {
        check_options(url)?;
    }
    if *tls != TlsOptions::default() && !urls.iter().any(|url| url.encrypted) {
        return Err(first.wrong(
            "the options ssl_... take effect with TLS only: write 'rediss' for 'redis', or leave them out",
        ));
    }
    let is_server = |url: &Url| matches!(url.kind, Kind::Plain | Kind::Unix);
    if let Some(other) = others
        .iter()
        .find(|other| other.kind != first.kind && !(is_server(first) && is_server(other)))
    {
        return Err(other.wrong(format!(
            "it is not of the same kind as '{}': a list holds a primary and its replicas, or nodes of one cluster",
            first.shown
        )));
    }
    match first.kind {
        Kind::Plain | Kind::Unix if others.is_empty() => Ok(Topology::Single(server(first, tls)?)),
        Kind::Plain | Kind::Unix => replicated(first, others, tls),
        Kind::Cluster => cluster(first, &urls, tls),
        Kind::Sentinel => match others.first() {
            None => sentinel(first, tls),
            Some(other) => Err(other.wrong(
                "all sentinels belong in one URL: 'redis+sentinel://host:26379,host:26379/service/0'",
            )),
        },
    }
}

fn server(url: &Url, tls: &TlsOptions) -> Result<Endpoint, Error> {
    if url.kind == Kind::Unix {
        if !url.has_no_host() || !url.path.starts_with('/') || url.path.contains('\0') {
            return Err(url.wrong(
                "it must have the whole path of a socket, as in 'unix:///run/redis/redis.sock?db=0'",
            ));
        }
        let address = Address::Unix(PathBuf::from(&url.path));
        return endpoint(url, address, url.db("")?, tls);
    }
    let db = url.db(&url.path)?;
    match &url.hosts(6379)?[..] {
        [(host, port)] => endpoint(url, tcp(host, *port), db, tls),
        _ => Err(url.wrong(
            "it must have one host: for several, write 'redis+cluster://' or 'redis+sentinel://', or a list of \
             URLs for a primary and its replicas",
        )),
    }
}

fn replicated(first: &Url, others: &[Url], tls: &TlsOptions) -> Result<Topology, Error> {
    let primary = server(first, tls)?;
    let replicas = others.iter().map(|url| {
        let replica = server(url, tls)?;
        if replica.db == primary.db {
            Ok(replica)
        } else {
            Err(url.wrong(format!(
                "a replica must have the database of its primary '{}'",
                first.shown
            )))
        }
    });
    Ok(Topology::Replicated {
        replicas: replicas.collect::<Result<_, Error>>()?,
        primary,
    })
}

fn cluster(first: &Url, urls: &[Url], tls: &TlsOptions) -> Result<Topology, Error> {
    let mut seeds: Vec<Endpoint> = Vec::new();
    for url in urls {
        if url.db(&url.path)? != 0 {
            return Err(url.wrong("a cluster has no database but 0: leave it out"));
        }
        for (host, port) in url.hosts(6379)? {
            let seed = endpoint(url, tcp(&host, port), 0, tls)?;
            // A node that is found later is none of these: what it is asked with must not depend on who
            // told of it.
            if let Some(known) = seeds.first()
                && (&known.login, &known.tls, &known.client_name)
                    != (&seed.login, &seed.tls, &seed.client_name)
            {
                return Err(url.wrong(format!(
                    "the URLs of one cluster must agree in all but the hosts, and '{}' has another scheme, user, \
                     password or option",
                    first.shown
                )));
            }
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
    }
    Ok(Topology::Cluster { seeds })
}

fn sentinel(url: &Url, tls: &TlsOptions) -> Result<Topology, Error> {
    let (service, db) = url.path.split_once('/').unwrap_or((&url.path, ""));
    if service.is_empty() {
        return Err(url.wrong(
            "it must name the service that the sentinels watch, as in 'redis+sentinel://host:26379/mymaster/0'",
        ));
    }
    let server = endpoint(url, tcp("", 0), url.db(db)?, tls)?;
    let login = Login {
        username: url.option("sentinel_username").map(str::to_owned),
        password: url.option("sentinel_password").map(str::to_owned),
    };
    let sentinels = url.hosts(26379)?.into_iter().map(|(host, port)| Endpoint {
        address: tcp(&host, port),
        login: login.clone(),
        db: 0,
        ..server.clone()
    });
    Ok(Topology::Sentinel {
        sentinels: sentinels.collect(),
        service: service.to_owned(),
        server,
    })
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn endpoint(url: &Url, address: Address, db: u32, tls: &TlsOptions) -> Result<Endpoint, Error> {
    let option = |name| url.option(name).map(str::to_owned);
    let client_name = option("client_name");
    if let Some(name) = &client_name
        && !name.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(
            url.wrong("client_name must be of ASCII letters, digits and signs, without spaces")
        );
    }
    Ok(Endpoint {
        address,
        login: Login {
            username: url.login.username.clone().or_else(|| option("username")),
            password: url.login.password.clone().or_else(|| option("password")),
        },
        db,
        tls: url.encrypted.then(|| tls_options(url, tls)).transpose()?,
        client_name,
    })
}

fn tls_options(url: &Url, tls: &TlsOptions) -> Result<TlsOptions, Error> {
    let path = |name, default: &Option<PathBuf>| {
        url.option(name)
            .map(PathBuf::from)
            .or_else(|| default.clone())
    };
    Ok(TlsOptions {
        ca_certs: path("ssl_ca_certs", &tls.ca_certs),
        certfile: path("ssl_certfile", &tls.certfile),
        keyfile: path("ssl_keyfile", &tls.keyfile),
        check_hostname: match url.option("ssl_check_hostname") {
            None => tls.check_hostname,
            Some(word) => match word.to_lowercase().as_str() {
                "1" | "t" | "true" | "y" | "yes" => true,
                "0" | "f" | "false" | "n" | "no" => false,
                _ => return Err(url.wrong("ssl_check_hostname must be 'true' or 'false'")),
            },
        },
        cert_reqs: match url.option("ssl_cert_reqs") {
            None => tls.cert_reqs,
            Some(word) => CertReqs::named(word)
                .map_err(|_| url.wrong("ssl_cert_reqs must be 'required', 'optional' or 'none'"))?,
        },
    })
}

/// Whether the URL has but options that there are, and that mean something to it.
fn check_options(url: &Url) -> Result<(), Error> {
    let sentinel = url.kind == Kind::Sentinel;
    for name in url.names() {
        let accepted = OPTIONS.contains(&name) || IGNORED.contains(&name);
        if TLS_OPTIONS.contains(&name) && !url.encrypted {
            return Err(url.wrong(format!(
                "{name} takes effect with TLS only: write 'rediss' for 'redis', or leave it out"
            )));
        }
        if SENTINEL_OPTIONS.contains(&name) && !sentinel {
            return Err(url.wrong(format!(
                "{name} is for 'redis+sentinel://' only: leave it out"
            )));
        }
        if !accepted && !TLS_OPTIONS.contains(&name) && !SENTINEL_OPTIONS.contains(&name) {
            return Err(Error::UnknownUrlOption {
                url: url.shown.clone(),
                option: name.to_owned(),
                accepted: [
                    &OPTIONS[..],
                    if url.encrypted { &TLS_OPTIONS } else { &[] },
                    if sentinel { &SENTINEL_OPTIONS } else { &[] },
                    &IGNORED,
                ]
                .concat(),
            });
        }
    }
    Ok(())
}
