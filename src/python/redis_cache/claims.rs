//! The right to compute a value that many may want at once, and to store it.

use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::RedisCache;
use super::values::now_ms;
use crate::codec::Format;
use crate::python::raw;
use crate::tier::Found;
use crate::tier::lease::Lease;
use crate::tier::remote::Leased;
use crate::tier::server::Stored;

/// What there is to do about a missing value.
pub(in crate::python) enum Claim<'py> {
    /// Nothing: another has computed it.
    Value(Found<Bound<'py, PyAny>>),
    /// Compute it, and store it under this lease.
    Lease(Lease),
    /// Compute it, and do not store it: there was no answer.
    None,
    /// The same: there was an answer, but no lease. Who clears the key meanwhile is not noticed.
    Unwatched,
}

impl RedisCache {
    /// Take the right to compute the value of a full key, unless it is there by now. With `patience`, wait that
    /// long for another process that computes it.
    pub(in crate::python) fn claim<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        with_life: bool,
        patience: Option<Duration>,
    ) -> PyResult<Claim<'py>> {
        let mut leased = self.wait_for_others(py, key, with_life, patience)?;
        // Twice: what cannot be read is removed.
        for _ in 0..2 {
            let answer = match leased.take() {
                Some(leased) => Some(leased),
                None => self.ask(py, |tier| tier.lease(key, with_life))?,
            };
            match answer {
                Some(Leased::Lease(lease)) => return Ok(Claim::Lease(lease)),
                Some(Leased::Unleased | Leased::Taken(_)) => return Ok(Claim::Unwatched),
                None => return Ok(Claim::None),
                Some(Leased::Value(Stored { bytes, remaining })) => {
                    match self.read(py, key, &bytes, now_ms())? {
                        Some(value) if !value.is(py.Ellipsis()) => {
                            return Ok(Claim::Value(Found { value, remaining }));
                        }
                        Some(_) => {
                            self.ask(py, |tier| tier.delete_unchanged(key, &bytes))?;
                        }
                        None => {}
                    }
                }
            }
        }
        Ok(Claim::Unwatched)
    }

    /// Wait while another process computes the value of a full key. None: not any longer, or not at all.
    fn wait_for_others(
        &self,
        py: Python<'_>,
        key: &[u8],
        with_life: bool,
        patience: Option<Duration>,
    ) -> PyResult<Option<Leased>> {
        /// Those waited for, one after the other, each of which was not there any more.
        const MOST: usize = 3;
        const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];
        let Some(patience) = patience else {
            return Ok(None);
        };
        let [mut pause, longest] = PAUSES;
        let mut others: Option<Lease> = None;
        let mut seen = 0;
        let mut begun = Instant::now();
        let came = loop {
            let leased = self.ask(py, |tier| tier.lease_alone(key, with_life, patience))?;
            let Some(Leased::Taken(lease)) = leased else {
                break leased;
            };
            if others.as_ref() != Some(&lease) {
                others = Some(lease);
                seen += 1;
                begun = Instant::now();
            }
            if seen > MOST || begun.elapsed() > patience {
                break None;
            }
            raw::detached(py, || thread::sleep(pause));
            py.check_signals()?;
            pause = (pause * 2).min(longest);
        };
        if seen > 0 {
            self.tier.count_wait(came.is_none());
        }
        Ok(came)
    }

    /// Give a right back that is not made use of. Nobody is told if that fails.
    pub(in crate::python) fn release(&self, py: Python<'_>, key: &[u8], lease: &Lease) {
        let _released = raw::detached(py, || self.tier.release(key, lease));
    }

    /// Take the right to replace the value of a full key.
    pub(in crate::python) fn mark(&self, py: Python<'_>, key: &[u8]) -> PyResult<Option<Lease>> {
        let reads_pickles = self.serializer.format() == Format::Pickle;
        let lease = self.ask(py, |tier| tier.mark(key, reads_pickles))?;
        Ok(lease.flatten())
    }
}
