//! The one error type of the core.

use std::fmt;
use std::path::PathBuf;

/// What a caller asked for that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A bound of a tier is zero.
    ZeroBound {
        /// The option's name.
        option: &'static str,
    },
    /// A word that is none of those accepted.
    UnknownChoice {
        /// The option's name.
        option: &'static str,
        /// What was given.
        given: String,
        /// What is accepted.
        accepted: &'static [&'static str],
    },
    /// No URL of a Redis server at all.
    NoRedisUrl,
    /// The URL of a Redis server that cannot be used.
    RedisUrl {
        /// The URL, without its password.
        url: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The URL of a Redis server has an option that there is not.
    UnknownUrlOption {
        /// The URL, without its password.
        url: String,
        /// The option's name.
        option: String,
        /// What is accepted.
        accepted: Vec<&'static str>,
    },
    /// A file of certificates or keys that cannot be used.
    TlsFile {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Options for TLS, or certificates of the system, that cannot be used.
    Tls {
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A signing key that can be guessed.
    ShortSigningKey {
        /// Its place among the keys, from 0.
        place: usize,
        /// How many bytes it has.
        given: usize,
        /// How many it must have.
        least: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroBound { option } => {
                write!(f, "{option} must be at least 1, or None for no such bound")
            }
            Self::UnknownChoice {
                option,
                given,
                accepted,
            } => {
                let accepted: Vec<_> = accepted.iter().map(|word| format!("'{word}'")).collect();
                write!(
                    f,
                    "{option} must be {}, not '{given}'",
                    accepted.join(" or ")
                )
            }
            Self::NoRedisUrl => f.write_str(
                "url must be the URL of a Redis server, such as 'redis://localhost:6379/0', or a list of at \
                 least one",
            ),
            Self::RedisUrl { url, problem } => write!(f, "url '{url}': {problem}"),
            Self::UnknownUrlOption {
                url,
                option,
                accepted,
            } => write!(
                f,
                "url '{url}': there is no option '{option}'; accepted are {}",
                accepted.join(", ")
            ),
            Self::TlsFile {
                option,
                path,
                problem,
            } => write!(f, "{option} '{}': {problem}", path.display()),
            Self::Tls { problem } => f.write_str(problem),
            Self::ShortSigningKey {
                place,
                given,
                least,
            } => write!(
                f,
                "signing_keys[{place}] has {given} bytes, and must have at least {least}: \
                 secrets.token_bytes(32) makes a good one"
            ),
        }
    }
}

impl std::error::Error for Error {}
