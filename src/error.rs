//! The one error type of the core.

use std::fmt;

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
        }
    }
}

impl std::error::Error for Error {}
