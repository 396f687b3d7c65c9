//! Values as a server has them: read, written, and replaced by others made of them.

use std::borrow::Cow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;

use super::RedisCache;
use crate::clock::Timeout;
use crate::codec::Format;
use crate::python::memory_cache::require_int;
use crate::python::serializer::Serializer;
use crate::redis::client::Client;
use crate::tier::remote::RemoteTier;
use crate::tier::server::{Failure, FailureKind, Stored};

impl RedisCache {
    /// The value of bytes that were found. What cannot be decoded counts as missing, and is removed.
    pub(super) fn read<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        bytes: &[u8],
        now_ms: u64,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let expected = self.serializer.format();
        let why = match self.codec.decode(key, bytes, expected, now_ms) {
            Ok(decoded) => {
                let value = match decoded.format {
                    Format::Integer => Serializer::integer(py, &decoded.payload),
                    _ => self.serializer.loads(py, &decoded.payload),
                };
                match value {
                    Ok(value) => return Ok(Some(value)),
                    Err(error) if error.is_instance_of::<PyException>(py) => error.to_string(),
                    Err(error) => return Err(error),
                }
            }
            Err(why) => why.to_string(),
        };
        self.tier.count_undecodable(&why);
        // Unless another has written it anew meanwhile.
        self.ask(py, |tier| tier.delete_unchanged(key, bytes))?;
        Ok(None)
    }

    /// Have a value's bytes written as `write` does. None if that failed, unless it is to be raised.
    pub(super) fn write<T: Send>(
        &self,
        key: &[u8],
        value: &Bound<'_, PyAny>,
        life: Timeout,
        write: impl FnOnce(&RemoteTier<Client>, &[u8]) -> Result<T, Failure> + Send,
    ) -> PyResult<Option<T>> {
        let (format, payload) = self.serializer.dumps(value)?;
        let bytes = self.encode(key, format, payload.as_bytes(), life);
        self.ask(value.py(), |tier| write(tier, &bytes))
    }

    pub(super) fn encode<'a>(
        &self,
        key: &[u8],
        format: Format,
        payload: &'a [u8],
        life: Timeout,
    ) -> Cow<'a, [u8]> {
        self.codec.encode(key, format, payload, expiry(life))
    }
}

/// Replace the bytes under a key by others made of them and the life they have left, until no other came between.
/// Whether there was anything to replace.
pub(super) fn rewrite(
    tier: &RemoteTier<Client>,
    key: &[u8],
    mut make: impl FnMut(&Stored) -> Option<(Vec<u8>, Timeout)>,
) -> Result<bool, Failure> {
    // A replica that is behind, which is read from, would have it tried without end.
    let until = Instant::now() + tier.options().deadline;
    while Instant::now() < until {
        let Some(found) = tier.get(key, true)? else {
            return Ok(false);
        };
        let Some((bytes, life)) = make(&found) else {
            return Ok(false);
        };
        if tier.replace(key, &found.bytes, &bytes, life)? {
            return Ok(true);
        }
    }
    let text = "a signed value was replaced by others each time it was to be written anew";
    Err(Failure::new(FailureKind::Refused, text))
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn expiry(life: Timeout) -> Option<u64> {
    let life = life.duration()?;
    Some(now_ms().saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX)))
}

/// What `incr` adds.
pub(super) fn delta_of(given: &Bound<'_, PyAny>) -> PyResult<i64> {
    require_int(given)?;
    given.extract().map_err(|_| {
        PyValueError::new_err("delta must fit in 64 bits, since a server counts with no more")
    })
}
