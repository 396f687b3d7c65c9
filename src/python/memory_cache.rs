//! `MemoryCache`: the memory tier as Python sees it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyInt};

use super::argument::{self, Argument};
use super::clock::{AnyClock, ManualClock};
use super::coherence::Linked;
use super::key;
use super::raw::attached::Attached;
use super::raw::object::Object;
use super::shown::{shown, wrong_type};
use super::timeout;
use super::value;
use crate::clock::{SystemClock, Timeout};
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;
use crate::tier::bounds::{Options, Policy};
use crate::tier::memory::{MemoryTier, Write};

/// How many entries a cache holds for which nothing else is said.
const DEFAULT_ENTRIES: u64 = 10_000;

/// A value ready to be kept.
#[derive(Clone)]
pub(super) struct Prepared {
    object: Object,
    size: usize,
    timeout: Timeout,
}

/// A value that was found, and what the tier holds of it.
pub(super) struct Fetched<'py> {
    pub(super) value: Bound<'py, PyAny>,
    pub(super) held: Held<Object>,
}

/// A bounded cache in this process's memory.
#[pyclass(module = "quickcache", frozen, subclass, weakref)]
pub(super) struct MemoryCache {
    tier: MemoryTier<Object, AnyClock>,
    isolate: bool,
    /// Whether the garbage collector has to look through the values.
    may_lead_on: AtomicBool,
    /// The servers that values are kept true to. After the tier: they let go of it first.
    links: Attached<Vec<Linked>>,
}

#[pymethods]
impl MemoryCache {
    #[new]
    #[pyo3(signature = (*, max_entries = Argument::Default, max_bytes = None, timeout = None, isolate = Argument::Default, policy = "tinylfu", clock = None),
           text_signature = "(*, max_entries=10000, max_bytes=None, timeout=None, isolate=True, policy='tinylfu', clock=None)")]
    fn new(
        py: Python<'_>,
        max_entries: Argument<'_>,
        max_bytes: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        isolate: Argument<'_>,
        policy: &str,
        clock: Option<&Bound<'_, ManualClock>>,
    ) -> PyResult<Self> {
        let options = Options {
            max_entries: max_entries
                .or(Some(DEFAULT_ENTRIES), |given| bound("max_entries", given))?,
            max_bytes: max_bytes.map_or(Ok(None), |given| bound("max_bytes", given))?,
            timeout: timeout.map_or(Ok(Timeout::FOREVER), timeout::extract)?,
            policy: Policy::named(policy)?,
        };
        let isolate = isolate.or(true, |given| argument::flag("isolate", given))?;
        value::prepare_imports(py)?;
        let clock = match clock {
            None => AnyClock::System(SystemClock),
            Some(clock) => AnyClock::Manual(clock.get().0.clone()),
        };
        Ok(Self {
            tier: MemoryTier::new(options, clock)?,
            isolate,
            may_lead_on: AtomicBool::new(!isolate),
            links: Attached::new(Vec::new()),
        })
    }

    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.fetch(key.py(), &key::pack(key)?)?;
        Ok(found.map(|found| found.value).or(default))
    }

    #[pyo3(signature = (key, value, timeout = Argument::Default))]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Argument<'_>,
    ) -> PyResult<()> {
        let timeout = timeout.or(self.default_timeout(), timeout::extract)?;
        let key = key::pack(key)?;
        self.store(key, self.prepare(value, timeout)?, Write::Always);
        Ok(())
    }

    #[pyo3(signature = (key, value, timeout = Argument::Default))]
    fn add(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Argument<'_>,
    ) -> PyResult<bool> {
        let timeout = timeout.or(self.default_timeout(), timeout::extract)?;
        let key = key::pack(key)?;
        let value = self.prepare(value, timeout)?;
        loop {
            let since = self.generation();
            if self.tier.contains(&key) {
                return Ok(false);
            }
            let write = Write::Unchanged(since);
            let is_kept = self.store(key.clone(), value.clone(), write).is_some();
            // Refused for another reason than a write meanwhile, it is so the next time too.
            if is_kept || !self.tier.was_cleared_since(&key, since) {
                return Ok(is_kept);
            }
        }
    }

    /// The life stays what it was, to the tick.
    #[pyo3(signature = (key, delta = Argument::Default), text_signature = "($self, key, delta=1)")]
    fn incr<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        delta: Argument<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = key.py();
        let delta = match delta {
            Argument::Default => 1_i64.into_pyobject(py)?.into_any(),
            Argument::Given(delta) => delta,
        };
        let packed = key::pack(key)?;
        loop {
            let since = self.generation();
            let found = self.fetch(py, &packed)?;
            let Some(found) = found.filter(|found| found.value.is_instance_of::<PyInt>()) else {
                return Err(no_int(key, "or it holds no int"));
            };
            require_int(&delta)?;
            let sum = found.value.add(&delta)?;
            let value = value::prepare(&sum, self.isolate)?;
            let (deadline, write) = (Some(found.held.deadline), Write::Unchanged(since));
            let held = (self.tier).put(packed.clone(), value.object, value.size, deadline, write);
            if held.is_some() || !self.tier.was_cleared_since(&packed, since) {
                return Ok(sum);
            }
        }
    }

    fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.forget(&key::pack(key)?))
    }

    #[pyo3(signature = (key, timeout = Argument::Default))]
    fn touch(&self, key: &Bound<'_, PyAny>, timeout: Argument<'_>) -> PyResult<bool> {
        Ok(self.tier.touch(
            &key::pack(key)?,
            timeout.or(self.default_timeout(), timeout::extract)?,
        ))
    }

    fn get_many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = keys.py();
        let values = PyDict::new(py);
        for key in keys.try_iter()? {
            let key = key?;
            if let Some(found) = self.fetch(py, &key::pack(&key)?)? {
                values.set_item(key, found.value)?;
            }
        }
        Ok(values)
    }

    #[pyo3(signature = (values, timeout = Argument::Default))]
    fn set_many(&self, values: &Bound<'_, PyAny>, timeout: Argument<'_>) -> PyResult<()> {
        let timeout = timeout.or(self.default_timeout(), timeout::extract)?;
        for item in key::items(values)? {
            let (key, value) = item?;
            self.store(
                key::pack(&key)?,
                self.prepare(&value, timeout)?,
                Write::Always,
            );
        }
        Ok(())
    }

    fn delete_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut held = 0;
        for key in keys.try_iter()? {
            held += usize::from(self.forget(&key::pack(&key?)?));
        }
        Ok(held)
    }

    fn clear(&self) {
        self.tier.clear();
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.tier.stats().named().into_py_dict(py)
    }

    fn __len__(&self) -> usize {
        self.tier.len()
    }

    /// A cache is true even when it is empty: `if cache:` asks whether there is one.
    #[allow(clippy::unused_self)] // what PyO3 asks for
    fn __bool__(&self) -> bool {
        true
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.tier.contains(&key::pack(key)?))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        Ok(format!(
            "<{} max_entries={} max_bytes={} timeout={} isolate={} policy={}>",
            slf.get_type().name()?,
            this.max_entries().into_pyobject(py)?.repr()?,
            this.max_bytes().into_pyobject(py)?.repr()?,
            this.timeout().into_pyobject(py)?.repr()?,
            this.isolate.into_pyobject(py)?.repr()?,
            this.policy().into_pyobject(py)?.repr()?,
        ))
    }

    #[getter]
    fn max_entries(&self) -> Option<u64> {
        self.tier.options().max_entries
    }

    #[getter]
    fn max_bytes(&self) -> Option<u64> {
        self.tier.options().max_bytes
    }

    #[getter]
    fn timeout(&self) -> Option<f64> {
        let life = self.tier.options().timeout.duration()?;
        Some(life.as_secs_f64())
    }

    #[getter]
    fn isolate(&self) -> bool {
        self.isolate
    }

    #[getter]
    fn policy(&self) -> &'static str {
        self.tier.options().policy.name()
    }

    /// What `copy` and `pickle` ask for.
    #[allow(clippy::unused_self)] // what PyO3 asks for
    fn __getstate__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a MemoryCache is neither copied nor pickled: its values are this process's. Share the one cache, or \
             make another with MemoryCache(...)",
        ))
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Isolated values are immutable, private copies of plain data, or pickles. Few of them can lead
        // back to a cache, and where there are none of those, the collector need not look at each.
        if !self.may_lead_on() {
            return Ok(());
        }
        let mut result = Ok(());
        let visited = self.tier.try_visit(|object| {
            if result.is_ok() {
                result = visit.call(&*object.visited());
            }
        });
        debug_assert!(visited, "a lock was held during garbage collection");
        result
    }

    fn __clear__(&self) {
        self.tier.clear();
    }
}

impl MemoryCache {
    /// Whether callers are kept apart.
    pub(super) fn is_isolated(&self) -> bool {
        self.isolate
    }

    /// Whether any of the values held can lead to other objects.
    pub(super) fn may_lead_on(&self) -> bool {
        self.may_lead_on.load(Relaxed)
    }

    /// The tier itself.
    #[inline]
    pub(super) fn tier(&self) -> &MemoryTier<Object, AnyClock> {
        &self.tier
    }

    /// The value under `key`. What cannot be decoded is a miss, and in most cases removed.
    pub(super) fn fetch<'py>(
        &self,
        py: Python<'py>,
        key: &PackedKey,
    ) -> PyResult<Option<Fetched<'py>>> {
        let Some(held) = self.tier.look_up(key) else {
            return Ok(None);
        };
        match value::to_value(held.value.clone(), py) {
            Ok(value) => Ok(Some(Fetched { value, held })),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                self.tier.count_undecodable();
                // With more memory, or a shallower stack, it may be read another time.
                if value::is_refusal(py, &error) {
                    self.tier.remove_if(key, |value| value.is_same(&held.value));
                }
                log::warn!(target: "quickcache", "a value in memory can no longer be read, and counts as missing: {error}");
                // pyo3-log leaves it set when a handler raises
                PyErr::take(py).map_or(Ok(None), Err)
            }
            Err(error) => Err(error),
        }
    }

    /// Make a value ready to be kept.
    pub(super) fn prepare(&self, value: &Bound<'_, PyAny>, timeout: Timeout) -> PyResult<Prepared> {
        let ready = value::prepare(value, self.isolate)?;
        if ready.leads_on {
            self.may_lead_on.store(true, Relaxed);
        }
        Ok(Prepared {
            object: ready.object,
            size: ready.size,
            timeout,
        })
    }

    /// Keep a value under `key`, on the condition of `write`; what it takes to have a copy of it.
    pub(super) fn store(
        &self,
        key: PackedKey,
        value: Prepared,
        write: Write,
    ) -> Option<Held<Object>> {
        self.tier
            .set(key, value.object, value.size, value.timeout, write)
    }

    /// The same for a value that a server has, while it is told of changes there.
    pub(super) fn store_on_trust(
        &self,
        key: PackedKey,
        value: Prepared,
        write: Write,
    ) -> Option<Held<Object>> {
        self.tier
            .set_on_trust(key, value.object, value.size, value.timeout, write)
    }

    /// The servers that values are kept true to.
    pub(super) fn links(&self) -> &Attached<Vec<Linked>> {
        &self.links
    }

    /// Forget `key`; whether it was held.
    pub(super) fn forget(&self, key: &PackedKey) -> bool {
        self.tier.delete(key)
    }

    /// The same once more: not counted.
    pub(super) fn forget_again(&self, key: &PackedKey) {
        self.tier.remove(key);
    }

    /// The generation now, to be noted before what is to be stored is read or computed.
    pub(super) fn generation(&self) -> Generation {
        self.tier.generation()
    }

    /// The life of a value that is set without one.
    pub(super) fn default_timeout(&self) -> Timeout {
        self.tier.options().timeout
    }
}

/// What `incr` says where there is nothing to be counted, for one of these reasons.
pub(super) fn no_int(key: &Bound<'_, PyAny>, reasons: &str) -> PyErr {
    match shown(key) {
        Ok(key) => PyValueError::new_err(format!("Key {key} not found, {reasons}")),
        Err(error) => error,
    }
}

/// Refuse what `incr` cannot add, whatever the tier.
pub(super) fn require_int(delta: &Bound<'_, PyAny>) -> PyResult<()> {
    if delta.is_instance_of::<PyInt>() {
        return Ok(());
    }
    Err(wrong_type("delta", "an int", delta))
}

fn bound(option: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if given.is_none() {
        return Ok(None);
    }
    let Ok(number) = given.cast::<PyInt>() else {
        return Err(wrong_type(
            option,
            "an int, or None for no such bound",
            given,
        ));
    };
    if number.lt(1)? {
        return Err(PyValueError::new_err(format!(
            "{option} must be at least 1, or None for no such bound, not {}",
            shown(given)?
        )));
    }
    // More than there is memory for is as good as the most.
    Ok(Some(number.extract().unwrap_or(u64::MAX)))
}
