//! The clock that Python's tests can turn, and the choice between it and the system's.

use std::sync::Arc;

use pyo3::prelude::*;

use super::timeout;
use crate::clock::{self, Clock, SystemClock};

/// A clock that stands still until it is turned.
#[pyclass(module = "quickcache", frozen)]
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
