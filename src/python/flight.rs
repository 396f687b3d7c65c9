//! One computation for all threads that miss the same key: how they wait, and what they are handed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::asked::{Asked, FlightKey};
use super::raw::intern;
use super::raw::{self, object::Object};
use super::value;
use crate::flow::flight::{self, Boarding, Outcome};

type Flights = flight::Flights<FlightKey, Arc<Asked>, Object>;
pub(super) type Lead = flight::Lead<FlightKey, Arc<Asked>, Object>;

/// How often a thread that waits looks for signals.
const SLICE: Duration = Duration::from_millis(50);

/// What one function's threads do about missing values.
#[pyclass(module = "quickcache._native", name = "_Desk", frozen)]
#[derive(Default)]
pub(super) struct Desk {
    /// How long a call waits for other threads, in all; None: never.
    wait: Option<Duration>,
    /// Whether that goes for other processes as well.
    fleet: bool,
    /// Computations that are under way.
    flights: Arc<Flights>,
    pub(super) computations: AtomicU64,
    waits: AtomicU64,
    circles: AtomicU64,
    overdue: AtomicU64,
}

/// What is to be done about a missing value.
pub(super) enum Turn<'py> {
    /// Hand this out.
    Take(Bound<'py, PyAny>),
    /// Compute it, for others too if there is a flight to lead.
    Compute(Option<Lead>),
}

#[pymethods]
impl Desk {
    #[new]
    #[pyo3(signature = (flight_wait = None, fleet = false))]
    fn new(flight_wait: Option<Duration>, fleet: bool) -> Self {
        Self {
            wait: flight_wait,
            fleet,
            ..Self::default()
        }
    }

    /// The counts, by names.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, count) in [
            ("computations", &self.computations),
            ("waits", &self.waits),
            ("wait_cycles", &self.circles),
            ("wait_timeouts", &self.overdue),
        ] {
            stats.set_item(name, count.load(Relaxed))?;
        }
        Ok(stats)
    }

    /// Copies and pickles of a helper have a desk of their own.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (Option<Duration>, bool)) {
        (slf.get_type(), (slf.get().wait, slf.get().fleet))
    }
}

impl Desk {
    /// That of a helper whose calls go through its own methods.
    pub(super) fn of<'py>(helper: &Bound<'py, PyAny>) -> Option<Bound<'py, Self>> {
        let dict = raw::own_dict(helper)?;
        let desk = dict
            .get_item(intern!(helper.py(), "_quickcache_desk"))
            .ok()??;
        desk.cast_into_exact::<Self>().ok()
    }

    /// Whether calls wait for other threads at all.
    pub(super) fn has_flights(&self) -> bool {
        self.wait.is_some()
    }

    /// How long a call waits for another process; None: not at all.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.wait.filter(|_| self.fleet)
    }

    /// How many computations have ended.
    pub(super) fn landings(&self) -> u64 {
        self.flights.landings()
    }

    /// Wait for another thread's computation, or have this thread compute. `look` is asked for the value
    /// where it may have been stored meanwhile: `landings` are those from before the tiers were asked.
    pub(super) fn turn<'py>(
        &self,
        py: Python<'py>,
        landings: u64,
        key: &FlightKey,
        asked: &Arc<Asked>,
        look: impl Fn() -> PyResult<Option<Bound<'py, PyAny>>>,
    ) -> PyResult<Turn<'py>> {
        let Some(limit) = self.wait else {
            return Ok(Turn::Compute(None));
        };
        let mut begun = None;
        loop {
            let is_current = |other: &Arc<Asked>| other.are_current(asked, key.plain());
            let wait = match self.flights.board(key, Arc::clone(asked), is_current) {
                Boarding::Lead(lead) => {
                    if self.flights.landings() != landings
                        && let Some(value) = look()?
                    {
                        return Ok(Turn::Take(value));
                    }
                    return Ok(Turn::Compute(Some(lead)));
                }
                Boarding::Circle => {
                    self.circles.fetch_add(1, Relaxed);
                    return Ok(Turn::Compute(None));
                }
                Boarding::Wait(wait) => wait,
            };
            let begun = *begun.get_or_insert_with(|| {
                self.waits.fetch_add(1, Relaxed);
                Instant::now()
            });
            let outcome = loop {
                let Some(left) = limit.checked_sub(begun.elapsed()) else {
                    self.overdue.fetch_add(1, Relaxed);
                    return Ok(Turn::Compute(None));
                };
                if raw::detached(py, || wait.park(left.min(SLICE))) {
                    break wait.outcome();
                }
                py.check_signals()?;
            };
            drop(wait);
            match outcome {
                Some(Outcome::Value(object)) => {
                    return value::to_value(object, py).map(Turn::Take);
                }
                Some(Outcome::Apart) => return Ok(Turn::Compute(None)),
                // The one who led had an exception of its own.
                Some(Outcome::Failed) | None => {}
            }
        }
    }
}

/// What those who wait are handed of a computed value: what the tier holds, or a copy of their own.
pub(super) fn outcome(
    content: &Bound<'_, PyAny>,
    held: Option<&Object>,
    isolate: bool,
) -> PyResult<Outcome<Object>> {
    if content.is(content.py().Ellipsis()) {
        return Ok(Outcome::Apart);
    }
    if let Some(object) = held {
        return Ok(Outcome::Value(object.clone()));
    }
    match value::prepare(content, isolate) {
        Ok(ready) => Ok(Outcome::Value(ready.object)),
        Err(error) if error.is_instance_of::<PyException>(content.py()) => Ok(Outcome::Apart),
        Err(error) => Err(error),
    }
}
