//! Values that are missing: what is to be called for them, and where what it returns is kept.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

use super::key::Key;
use super::near::Near;
use super::raw;
use super::tiered::{self, Asked};
use crate::key::local::LocalKey;
use crate::tier::memory::Write;

/// A value that is missing: what to call for it, and where it is to be kept.
pub(super) struct Gap {
    /// Called with the arguments of the call.
    pub(super) function: Py<PyAny>,
    helper: Py<PyAny>,
    asked: Asked,
    fill: Fill,
    /// The front that may have a copy of the value, and under which key.
    near: Option<(Arc<Near>, SmallVec<[u64; 5]>)>,
}

/// How a gap is filled.
pub(super) enum Fill {
    /// There is no value under this key.
    Key(Key),
    /// The value is to be replaced; the key is made after the call, which may change its arguments.
    Refresh(Py<PyTuple>, Py<PyDict>),
    /// The function called is the helper, which keeps the value itself.
    ByHelper,
}

impl Gap {
    /// The gap where a call of `function` is to be cached by `helper`.
    pub(super) fn new(
        function: &Bound<'_, PyAny>,
        helper: &Bound<'_, PyAny>,
        asked: Asked,
        fill: Fill,
    ) -> Self {
        Self {
            function: function.clone().unbind(),
            helper: helper.clone().unbind(),
            asked,
            fill,
            near: None,
        }
    }

    /// The same, with a copy in a front.
    pub(super) fn with_copy(self, near: Option<(&Arc<Near>, LocalKey)>) -> Self {
        // What a prefix function says next, it has yet to say.
        let near = near.filter(|(near, _)| near.first.prefix.is_none());
        let near =
            near.map(|(near, mut key)| (Arc::clone(near), SmallVec::from_slice(key.finish())));
        Self { near, ..self }
    }

    /// The gap of a helper that goes its own way.
    pub(super) fn open(helper: &Bound<'_, PyAny>) -> Self {
        Self::new(helper, helper, Asked::default(), Fill::ByHelper)
    }

    /// Keep what the function returned.
    pub(super) fn keep(&self, content: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = content.py();
        let helper = self.helper.bind(py);
        let made;
        let (key, write): (_, fn(_) -> _) = match &self.fill {
            Fill::ByHelper => return Ok(()),
            Fill::Key(key) => (key, Write::Fill),
            Fill::Refresh(args, kwargs) => {
                let get_cache_key = helper.getattr(intern!(py, "get_cache_key"))?;
                let key = raw::call(&get_cache_key, args.bind(py), Some(kwargs.bind(py)))?;
                made = Key::from_object(&key);
                (&made, Write::Refresh)
            }
        };
        let cache = helper.getattr(intern!(py, "cache"))?;
        let first = self.near.as_ref().map(|(near, _)| &near.first.cache);
        let held = tiered::set(&cache, key, content, &self.asked, write, first)?;
        // Ellipsis is kept, as ever, and taken for nothing.
        if let (Some(held), Some((near, words))) = (held, &self.near)
            && !content.is(py.Ellipsis())
        {
            near.insert(py, words, held);
        }
        Ok(())
    }
}

/// A gap as the body of a decorated function is given it.
#[pyclass(module = "quickcache._native", name = "_Gap", frozen)]
pub(super) struct OpenGap(pub(super) Gap);

#[pymethods]
impl OpenGap {
    #[getter]
    fn function(&self, py: Python<'_>) -> Py<PyAny> {
        self.0.function.clone_ref(py)
    }

    fn keep(&self, content: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.keep(content)
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0.function)?;
        visit.call(&self.0.helper)?;
        self.0.asked.traverse(&visit)?;
        match &self.0.fill {
            Fill::Key(key) => key.traverse(&visit),
            Fill::Refresh(args, kwargs) => {
                visit.call(args)?;
                visit.call(kwargs)
            }
            Fill::ByHelper => Ok(()),
        }
    }
}

/// The generations of a cache's tiers, for a helper whose calls go through its own methods.
#[pyclass(module = "quickcache._native", name = "_Noted", frozen)]
pub(super) struct Noted(Asked);

/// Note the generations of a cache's tiers before a value for it is read or computed.
#[pyfunction]
#[pyo3(name = "_note")]
pub(super) fn note(cache: &Bound<'_, PyAny>) -> PyResult<Noted> {
    Asked::now(cache).map(Noted)
}

#[pymethods]
impl Noted {
    /// `cache.set(key, value)` where there was nothing, unless it was cleared since.
    fn fill(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        tiered::set(
            cache,
            &Key::from_object(key),
            value,
            &self.0,
            Write::Fill,
            None,
        )?;
        Ok(())
    }

    /// `cache.set(key, value)` in place of an older value, unless it was cleared since.
    fn refresh(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        tiered::set(
            cache,
            &Key::from_object(key),
            value,
            &self.0,
            Write::Refresh,
            None,
        )?;
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(&visit)
    }
}
