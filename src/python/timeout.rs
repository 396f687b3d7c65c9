//! Lives as Python gives them: seconds, timedeltas, None for ever.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDelta, PyFloat, PyInt};

use super::shown::{shown, wrong_type};
use crate::clock::Timeout;

const OF_A_VALUE: Stretch = Stretch {
    name: "a timeout",
    accepts: "seconds (int or float), a timedelta, or None for ever",
    takes_bool: true,
};
const OF_A_WAIT: Stretch = Stretch {
    name: "flight_wait",
    accepts: "seconds (int or float) or a timedelta",
    takes_bool: false,
};
const OF_AN_OPERATION: Stretch = Stretch {
    name: "deadline",
    accepts: "seconds (int or float) or a timedelta",
    takes_bool: false,
};
const OF_A_CLOCK: Stretch = Stretch {
    name: "what a clock is turned by",
    accepts: "seconds (int or float) or a timedelta",
    takes_bool: false,
};

const OF_A_BEAT: Stretch = Stretch {
    name: "beat",
    accepts: "seconds (int or float) or a timedelta",
    takes_bool: false,
};
const OF_A_LINK_LOSS: Stretch = Stretch {
    name: "on_link_loss",
    accepts: "'bypass' (memory is off until the server tells of changes again), or for how many seconds memory may \
              serve nevertheless (int or float, or a timedelta)",
    takes_bool: false,
};

/// What a time is for, as errors tell it.
struct Stretch {
    name: &'static str,
    accepts: &'static str,
    /// True is an integer to Python, and a second to the caches of others; where they have nothing of the kind, it is
    /// somebody's mistake.
    takes_bool: bool,
}

impl Stretch {
    /// Whether it may be that number.
    fn takes(&self, given: &Bound<'_, PyAny>) -> bool {
        let is_number = given.is_instance_of::<PyInt>() || given.is_instance_of::<PyFloat>();
        is_number && (self.takes_bool || !given.is_instance_of::<PyBool>())
    }
}

/// A timeout: seconds, a timedelta, or None for ever.
pub(super) fn extract(given: &Bound<'_, PyAny>) -> PyResult<Timeout> {
    if given.is_none() {
        return Ok(Timeout::FOREVER);
    }
    timeout(given, &OF_A_VALUE)
}

fn timeout(given: &Bound<'_, PyAny>, of: &Stretch) -> PyResult<Timeout> {
    let seconds = seconds(given, of)?;
    if seconds <= 0.0 {
        return Ok(Timeout::NONE);
    }
    Ok(Duration::try_from_secs_f64(seconds).map_or(Timeout::FOREVER, Timeout::after))
}

/// Read a timeout for the sake of its errors, and give it back in seconds; None for ever.
#[pyfunction]
#[pyo3(name = "_seconds_of")]
pub(super) fn seconds_of(timeout: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let timeout = extract(timeout)?.duration();
    Ok(timeout.map(|duration| duration.as_secs_f64()))
}

/// The same for how long a call waits; None where that is more seconds than can be counted.
#[pyfunction]
#[pyo3(name = "_wait_of")]
pub(super) fn wait_of(flight_wait: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let timeout = timeout(flight_wait, &OF_A_WAIT)?.duration();
    Ok(timeout.map(|duration| duration.as_secs_f64()))
}

/// How long an operation may take: more than nothing, and no more than an hour.
pub(super) fn deadline(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    within_an_hour(given, &OF_AN_OPERATION)
}

fn within_an_hour(given: &Bound<'_, PyAny>, of: &Stretch) -> PyResult<Duration> {
    const LONGEST: Duration = Duration::from_secs(3_600);
    let stretch = timeout(given, of)?.duration();
    match stretch {
        Some(stretch) if Duration::ZERO < stretch && stretch <= LONGEST => Ok(stretch),
        _ => Err(PyValueError::new_err(format!(
            "{} must be more than 0 seconds and at most 3600, not {}",
            of.name,
            shown(given)?
        ))),
    }
}

/// The time between two questions to a server: more than nothing, and no more than an hour.
pub(super) fn beat(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    within_an_hour(given, &OF_A_BEAT)
}

/// How long memory may serve without a server that tells of changes.
pub(super) fn link_loss(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds = seconds(given, &OF_A_LINK_LOSS)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "on_link_loss is {}, finite and at least 0, not {}",
            OF_A_LINK_LOSS.accepts,
            shown(given).unwrap_or_default()
        ))
    })
}

/// A stretch of time, for a clock to be turned by.
pub(super) fn duration(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds = seconds(given, &OF_A_CLOCK)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!(
            "a clock turns forward by a finite time, not by {seconds} s"
        ))
    })
}

/// The seconds of a number or a timedelta; an integer too large for a float is infinite.
fn seconds(given: &Bound<'_, PyAny>, of: &Stretch) -> PyResult<f64> {
    let py = given.py();
    let number = if given.is_instance_of::<PyDelta>() {
        &given.call_method0("total_seconds")?
    } else if of.takes(given) {
        given
    } else {
        return Err(wrong_type(of.name, of.accepts, given));
    };
    let seconds = match number.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
            if number.lt(0)? {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        other => other?,
    };
    if seconds.is_nan() {
        return Err(PyValueError::new_err(format!("{} cannot be nan", of.name)));
    }
    Ok(seconds)
}
