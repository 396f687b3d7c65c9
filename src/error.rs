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
