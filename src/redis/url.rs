//! The parts of a Redis URL, as redis-py and Django read it, and the URL as it may be shown.
//!
//! The `url` crate refuses what they accept: `redis://:6379`, `unix://user:password@/path`, several hosts.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::config::Login;
use crate::error::Error;

/// What the URL of a server begins with.
const SCHEMES: [(&str, Kind, bool); 7] = [
    ("redis://", Kind::Plain, false),
    ("rediss://", Kind::Plain, true),
    ("unix://", Kind::Unix, false),
    ("redis+sentinel://", Kind::Sentinel, false),
    ("rediss+sentinel://", Kind::Sentinel, true),
    ("redis+cluster://", Kind::Cluster, false),
    ("rediss+cluster://", Kind::Cluster, true),
];

/// Options whose values are no secrets.
const SHOWN: [&str; 6] = [
    "db",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_check_hostname",
    "ssl_cert_reqs",
];

const TO_ENCODE: &str = "in a user or password, percent-encode '@', ':', '/', '?', '#', '&' and '%', such as '%40' \
                         for '@'";

/// What a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A server, by host and port.
    Plain,
    /// A server, by its socket.
    Unix,
    /// Those who know the primary.
    Sentinel,
    /// Nodes of a cluster.
    Cluster,
}

/// A URL, split, with all escapes of its path and options resolved.
pub(super) struct Url<'a> {
    /// The whole, as it may be shown.
    pub(super) shown: String,
    pub(super) kind: Kind,
    pub(super) encrypted: bool,
    /// Before the hosts.
    pub(super) login: Login,
    hosts: &'a str,
    /// Without slashes at its ends, unless it is that of a socket.
    pub(super) path: String,
    options: Vec<(String, String)>,
}

impl<'a> Url<'a> {
    /// The parts of one URL.
    pub(super) fn split(url: &'a str) -> Result<Self, Error> {
        let url = url.trim();
        let shown = shown_one(url);
        let wrong = |problem: &str| Error::RedisUrl {
            url: shown.clone(),
            problem: problem.to_owned(),
        };
        let (rest, kind, encrypted) = SCHEMES
            .iter()
            .find_map(|(scheme, kind, encrypted)| {
                Some((url.strip_prefix(scheme)?, *kind, *encrypted))
            })
            .ok_or_else(|| {
                let schemes = SCHEMES.map(|(scheme, ..)| format!("'{scheme}'"));
                wrong(&format!("it must begin with {}", schemes.join(" or ")))
            })?;
        if rest.contains('#') {
            return Err(wrong(&format!("'#' must be written '%23'; {TO_ENCODE}")));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains('@') && matches!(kind, Kind::Sentinel | Kind::Cluster) {
            let once = "one user and password, before the first host, are those of all hosts";
            return Err(wrong(&format!("{once}; {TO_ENCODE}")));
        }
        if path.contains('@') && kind != Kind::Unix {
            // What stands before it was meant as a password with a raw '/' in it.
            return Err(wrong(&format!("there is an '@' behind a '/'; {TO_ENCODE}")));
        }
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        let text = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            let decoded = decoded.map_err(|_| wrong("its percent-encoded bytes must be UTF-8"))?;
            Ok::<_, Error>(decoded.into_owned())
        };
        let given = |part: &str| Ok::<_, Error>(Some(text(part)?).filter(|part| !part.is_empty()));
        let options = query.split('&').filter(|option| !option.is_empty());
        let options = options.map(|option| {
            // The piece is not shown: it may be the tail of a password with a raw '&'.
            let (name, value) = option.split_once('=').ok_or_else(|| {
                wrong(&format!(
                    "an option must be written name=value; {TO_ENCODE}"
                ))
            })?;
            Ok((text(&plus(name))?, text(&plus(value))?))
        });
        Ok(Self {
            kind,
            encrypted,
            login: Login {
                username: given(username)?,
                password: given(password)?,
            },
            hosts,
            path: match kind {
                Kind::Unix => text(path)?,
                _ => text(path)?.trim_matches('/').to_owned(),
            },
            options: options.collect::<Result<_, Error>>()?,
            shown,
        })
    }

    /// An error about this URL.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::RedisUrl {
            url: self.shown.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn has_no_host(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The hosts with their ports.
    pub(super) fn hosts(&self, default_port: u16) -> Result<Vec<(String, u16)>, Error> {
        let hosts = self.hosts.split(',');
        hosts.map(|host| self.host(host, default_port)).collect()
    }

    fn host(&self, given: &str, default_port: u16) -> Result<(String, u16), Error> {
        let (host, port) = if let Some(rest) = given.strip_prefix('[') {
            let bracketed = rest.split_once(']').and_then(|(host, port)| {
                let port = match port {
                    "" => "",
                    _ => port.strip_prefix(':')?,
                };
                Some((six(host)?, port))
            });
            bracketed.ok_or_else(|| {
                self.wrong("in brackets there must be an IPv6 address, such as '[::1]:6379'")
            })?
        } else {
            let (host, port) = given.split_once(':').unwrap_or((given, ""));
            let host = percent_decode_str(host).decode_utf8_lossy().to_lowercase();
            (host, port)
        };
        if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(self.wrong("a host must have no spaces in it"));
        }
        if host.is_empty() && self.hosts.contains(',') {
            return Err(self.wrong("there must be a host on each side of a comma"));
        }
        let host = if host.is_empty() {
            "localhost".to_owned()
        } else {
            host
        };
        if port.is_empty() {
            return Ok((host, default_port));
        }
        match number::<u16>(port) {
            Some(port) if port > 0 => Ok((host, port)),
            _ => Err(self.wrong(format!(
                "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; {TO_ENCODE}"
            ))),
        }
    }

    /// The number of a database, written in the path or as an option.
    pub(super) fn db(&self, path: &str) -> Result<u32, Error> {
        let given = self.option("db").unwrap_or(path);
        if given.is_empty() {
            return Ok(0);
        }
        number(given).ok_or_else(|| {
            self.wrong(format!(
                "the database must be a number, as in 'redis://localhost:6379/0'; {TO_ENCODE}"
            ))
        })
    }

    /// An option's value, the first of several; an empty one counts for none.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(option, value)| option == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The options' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(name, _)| name.as_str())
    }
}

/// An IPv6 address, perhaps with a zone, as the system writes it.
fn six(given: &str) -> Option<String> {
    let given = percent_decode_str(given).decode_utf8().ok()?;
    let (address, zone) = given.split_at(given.find('%').unwrap_or(given.len()));
    Some(format!("{}{zone}", address.parse::<Ipv6Addr>().ok()?))
}

/// A number in digits alone: `parse` accepts a sign too.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// In options, as in a form, a space may be written as a plus.
fn plus(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        text.replace('+', " ").into()
    } else {
        text.into()
    }
}

/// The URLs in a text, which Django divides by commas or semicolons. Only where a URL begins after it: hosts
/// are divided by commas too, and redis-py accepts both in a password.
pub(super) fn several(text: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut start = 0;
    for (place, divider) in text.match_indices([',', ';']) {
        let rest = text[place + divider.len()..].trim_start();
        if SCHEMES.iter().any(|(scheme, ..)| rest.starts_with(scheme)) {
            urls.push(&text[start..place]);
            start = place + divider.len();
        }
    }
    urls.push(&text[start..]);
    urls
}

/// The URL, or several divided by commas, with `***` for passwords and whatever might be a part of one.
pub fn shown(url: &str) -> String {
    let urls: Vec<_> = several(url).into_iter().map(shown_one).collect();
    urls.join(",")
}

fn shown_one(url: &str) -> String {
    let url = url.trim();
    let (scheme, rest) = SCHEMES
        .iter()
        .find_map(|(scheme, ..)| Some((*scheme, url.strip_prefix(scheme)?)))
        .unwrap_or_else(|| {
            let rest = url.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '+');
            match rest.strip_prefix("://") {
                Some(rest) => url.split_at(url.len() - rest.len()),
                None => ("", url),
            }
        });
    let (before, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if after.contains('@') {
        // A password with a raw '?' in it, or an option's value with an '@'.
        return format!("{scheme}***");
    }
    let before = match before.rsplit_once('@') {
        None => shown_place(before),
        Some((user, place)) => {
            let place = shown_place(place);
            match user.split_once(':') {
                Some((user, password)) if !password.is_empty() && !user.contains('/') => {
                    format!("{user}:***@{place}")
                }
                // A user alone is a password in the wrong place, as like as not.
                _ => format!("***@{place}"),
            }
        }
    };
    let (query, fragment) = after.split_at(after.find('#').unwrap_or(after.len()));
    let options = query.get(1..).unwrap_or_default().split('&');
    let options: Vec<_> = options.map(shown_option).collect();
    format!(
        "{scheme}{before}{}{}{}",
        query.get(..1).unwrap_or_default(),
        options.join("&"),
        if fragment.is_empty() { "" } else { "#***" },
    )
}

/// Hosts and a path. Where what stands for a port is no number, it may be a password whose '@' is missing, and so
/// may be what follows.
fn shown_place(place: &str) -> String {
    let hosts = &place[..place.find('/').unwrap_or(place.len())];
    let split = |host: &'_ str| {
        let within = if host.starts_with('[') {
            host.find(']').map_or(0, |end| end + 1)
        } else {
            0
        };
        within + host[within..].find(':').unwrap_or(host.len() - within)
    };
    let has_port = |host: &str| {
        let port = &host[split(host)..];
        let digits = port.strip_prefix(':').unwrap_or(port);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if hosts.split(',').all(has_port) {
        return place.to_owned();
    }
    let first = hosts.split(',').next().unwrap_or_default();
    format!("{}:***", &first[..split(first)])
}

fn shown_option(option: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    match option.split_once('=') {
        Some((name, value)) if SHOWN.contains(&name) && value.chars().all(harmless) => {
            option.to_owned()
        }
        Some((name, _)) => format!("{name}=***"),
        None if option.is_empty() => String::new(),
        None => "***".to_owned(),
    }
}
