//! What a remote tier asks of its server, and what can go wrong there.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::breaker::Shard;
use super::lease::Lease;
use crate::clock::Timeout;

/// Bytes that a server had under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The life they have left, if it was asked for.
    pub remaining: Option<Timeout>,
}

/// On what condition bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// In any case.
    Always,
    /// There is nothing under the key.
    Absent,
    /// The lease is still there.
    Leased(&'a Lease),
    /// The very same bytes are there.
    Unchanged(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// What the key has to end with, and whether that has to be all there is; None where nothing is compared.
    pub fn ending(self) -> Option<(&'a [u8], bool)> {
        match self {
            Self::Always | Self::Absent => None,
            Self::Leased(lease) => Some((lease.token(), false)),
            Self::Unchanged(bytes) => Some((bytes, true)),
        }
    }
}

/// A server, or several that act as one. Each call is done at `until` at the latest, one way or the other.
pub trait Server: Send + Sync + 'static {
    /// What is there under `key`; with its life, if that is wanted, in the same round trip.
    fn get(&self, key: &[u8], with_life: bool, until: Instant) -> Result<Option<Stored>, Failure>;

    /// Write, if the condition holds; whether it did.
    fn set(
        &self,
        key: &[u8],
        bytes: &[u8],
        life: Timeout,
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<bool, Failure>;

    /// Forget `key`; whether it was there.
    fn delete(&self, key: &[u8], until: Instant) -> Result<bool, Failure>;

    /// Forget `key`, if what is there is a lease or has the very same bytes.
    fn delete_if(
        &self,
        key: &[u8],
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<bool, Failure>;

    /// Put a lease behind the value under `key`; where there is none, or none that knows its end, a placeholder
    /// with that life. An integer is made a pickle for it, if readers read pickles.
    fn mark(
        &self,
        key: &[u8],
        lease: &Lease,
        life: Timeout,
        reads_pickles: bool,
        until: Instant,
    ) -> Result<(), Failure>;

    /// Of a value with a lease behind it, leave the lease alone: a placeholder with that life. Whether there was
    /// one.
    fn unvalue(&self, key: &[u8], life: Timeout, until: Instant) -> Result<bool, Failure>;

    /// Whether there is a value under `key`, and not just a lease. With `life`, give it that.
    fn touch(&self, key: &[u8], life: Option<Timeout>, until: Instant) -> Result<bool, Failure>;

    /// Add to the number under `key`; None if there is none.
    fn increment(&self, key: &[u8], by: i64, until: Instant) -> Result<Option<i64>, Failure>;

    /// What there is under each of the keys.
    fn get_many(&self, keys: &[Vec<u8>], until: Instant) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Write all of them.
    fn set_many(
        &self,
        items: &[(Vec<u8>, Vec<u8>)],
        life: Timeout,
        until: Instant,
    ) -> Result<(), Failure>;

    /// Forget the keys; how many were there.
    fn delete_many(&self, keys: &[Vec<u8>], until: Instant) -> Result<u64, Failure>;

    /// Forget all keys that begin with `prefix`. A step of it, of which there may be many, takes
    /// `deadline` at most.
    fn clear(&self, prefix: &[u8], deadline: Duration) -> Result<(), Failure>;

    /// Have an answer from every server that is needed.
    fn ping(&self, until: Instant) -> Result<(), Failure>;

    /// Which server a key is on, as far as is known. Asks nobody.
    fn shard(&self, key: &[u8]) -> Shard;

    /// Whether the server of a shard is back, or another has taken its place.
    fn probe(&self, shard: Shard, until: Instant) -> Result<(), Failure>;

    /// Close the connections that are not in use.
    fn close(&self);

    /// How many connections were made.
    fn connections(&self) -> u64;
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No answer within the deadline.
    Timeout,
    /// No connection, or one that broke.
    Unreachable,
    /// Something that is no answer.
    Protocol,
    /// Wrong password, no right to log in, an unknown database, or a certificate that is not accepted.
    LogIn,
    /// The server cannot serve yet, or for now.
    NotReady,
    /// The server refused this command: it is full, read-only, or forbids it.
    Refused,
    /// Nothing was asked, since the server is known to be away.
    Away,
}

impl FailureKind {
    /// Whether the next call is likely to fail too.
    pub fn tells_of_outage(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Unreachable | Self::Protocol | Self::LogIn | Self::NotReady
        )
    }
}

/// What went wrong with a call to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// For those who read logs.
    pub text: String,
    /// Whether nothing can have reached a server that would have acted on it.
    pub is_unsent: bool,
    /// The server that failed, of several.
    pub shard: Option<Shard>,
}

impl Failure {
    /// A failure that may have come after the server acted.
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            is_unsent: false,
            shard: None,
        }
    }

    /// What the system says of a connection, with what it was about.
    pub fn of_io(error: &io::Error, what: &str) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, TimedOut, WouldBlock};
        let kind = match error.kind() {
            TimedOut | WouldBlock => {
                return Self::new(FailureKind::Timeout, format!("{what} in time"));
            }
            // rustls: the certificate
            InvalidData | InvalidInput => FailureKind::LogIn,
            _ => FailureKind::Unreachable,
        };
        Self::new(kind, format!("{what}: {error}"))
    }

    /// The same, of that server.
    #[must_use]
    pub fn of(self, shard: Shard) -> Self {
        Self {
            shard: Some(shard),
            ..self
        }
    }

    /// The same, where nothing was asked yet.
    #[must_use]
    pub fn unsent(self) -> Self {
        Self {
            is_unsent: true,
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
