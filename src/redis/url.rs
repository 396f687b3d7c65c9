//! The parts of a Redis URL, and the URL as it may be shown.

use crate::error::Error;

pub(super) enum Kind {
    Plain,
}

pub(super) struct Url<'a> {
    pub(super) kind: Kind,
    pub(super) encrypted: bool,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Url<'a> {
    /// To be done: host and port only.
    pub(super) fn split(url: &'a str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or(Error::NoRedisUrl)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        Ok(Self {
            kind: Kind::Plain,
            encrypted: scheme == "rediss",
            host: if host.is_empty() { "localhost" } else { host },
            port: port.parse().ok(),
        })
    }
}

/// The URL without its passwords.
pub fn shown(url: &str) -> String {
    let _ = url;
    "***".to_owned()
}
