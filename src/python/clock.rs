//! The clock that Python's tests can turn, and the choice between it and the system's.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::timeout;
use crate::clock::{self, Clock, SystemClock};

/// A clock that stands still until it is turned.
#[pyclass(module = "quickcache", frozen, weakref)]
#[derive(Default)]
pub(super) struct ManualClock(pub(super) Arc<clock::ManualClock>);

#[pymethods]
impl ManualClock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn advance(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(timeout::duration(seconds)?);
        Ok(())
    }

    /// What `copy` and `pickle` ask for.
    #[allow(clippy::unused_self)] // what PyO3 asks for
    fn __getstate__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a ManualClock is neither copied nor pickled: a copy would not be turned with it. Share the one clock, \
             or make another with ManualClock()",
        ))
    }
}

/// The system's clock or a manual one.
pub(super) enum AnyClock {
    System(SystemClock),
    Manual(Arc<clock::ManualClock>),
}

impl Clock for AnyClock {
    fn now(&self) -> u64 {
        match self {
            Self::System(clock) => clock.now(),
            Self::Manual(clock) => clock.now(),
        }
    }
    fn precise(&self) -> u64 {
        match self {
            Self::System(clock) => clock.precise(),
            Self::Manual(clock) => clock.precise(),
        }
    }
    fn tick(&self) -> u64 {
        match self {
            Self::System(clock) => clock.tick(),
            Self::Manual(clock) => clock.tick(),
        }
    }
}
