//! Values that are missing: what is to be called for them, and where what it returns is kept.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use smallvec::SmallVec;

use super::asked::{Asked, FlightKey, Watches};
use super::flight::{self, Desk, Lead, Turn};
use super::key::Key;
use super::near::Near;
use super::raw::attached::Attached;
use super::raw::intern;
use super::raw::object::Object;
use super::remote::How;
use super::tiered::{self, Claim, Claims, Kept};
use super::{logging, raw};
use crate::flow::flight::Outcome;
use crate::flow::front::Held;
use crate::key::local::LocalKey;
use crate::key::packed::PackedKey;
use crate::tier::memory::Write;

/// A value that is missing: what to call for it, and where it is to be kept.
pub(super) struct Gap {
    /// Called with the arguments of the call.
    pub(super) function: Py<PyAny>,
    helper: Py<PyAny>,
    asked: Arc<Asked>,
    fill: Fill,
    /// So long, clears of other keys keep nothing from being stored.
    watches: Watches,
    /// How many computations had ended before the tiers were asked.
    landings: u64,
    /// The flight that waits for the value.
    lead: Option<Lead>,
    /// The rights to store it, where these have to be taken.
    claims: Claims,
    /// How long to wait for another process that computes it; None: not at all.
    patience: Option<Duration>,
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
            asked: Arc::new(asked),
            fill,
            watches: Watches::default(),
            landings: 0,
            lead: None,
            claims: Claims::default(),
            patience: None,
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

    /// The same, with the computations that had ended before.
    pub(super) fn after(self, landings: u64) -> Self {
        Self { landings, ..self }
    }

    /// Wait for another thread's computation of the same value, if there is one. None if the gap is
    /// there still, to be filled.
    pub(super) fn board<'py>(
        &mut self,
        py: Python<'py>,
        desk: &Desk,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.patience = desk.patience();
        self.watch_own(py);
        let flight = match &self.fill {
            Fill::Key(key) if desk.has_flights() => self.asked.flight(key.packed(py)?),
            _ => None,
        };
        if let Some(flight) = flight
            && let Some(value) = self.join(py, desk, &flight)?
        {
            return Ok(Some(value));
        }
        if self.asked.has_remote()
            && let Some(value) = self.claim(&self.cache(py)?)?
        {
            return Ok(Some(value));
        }
        if matches!(self.fill, Fill::Key(_)) && logging::debug_enabled(py)? {
            let name = self.function.bind(py).getattr(intern!(py, "__name__"))?;
            logging::debug(py, "cache miss, calling {}", &name)?;
        }
        if !matches!(self.fill, Fill::ByHelper) {
            desk.computations.fetch_add(1, Relaxed);
        }
        Ok(None)
    }

    /// Watch a key.
    pub(super) fn watch(&mut self, py: Python<'_>, key: &Key) {
        self.watches = self.asked.watch(py, key);
    }

    /// Watch the key of the value that is missing.
    fn watch_own(&mut self, py: Python<'_>) {
        if let Fill::Key(key) = &self.fill {
            self.watches = self.asked.watch(py, key);
        }
    }

    fn join<'py>(
        &mut self,
        py: Python<'py>,
        desk: &Desk,
        flight: &FlightKey,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let look = || self.look(py, flight.plain());
        match desk.turn(py, self.landings, flight, &self.asked, look)? {
            Turn::Take(value) => Ok(Some(value)),
            Turn::Compute(lead) => {
                if lead.is_none() {
                    // It has waited as long as it may, or must not.
                    self.patience = None;
                }
                self.lead = lead;
                Ok(None)
            }
        }
    }

    /// Take the rights to store the value, where these have to be taken; or have the value from a process that
    /// has computed it meanwhile.
    fn claim<'py>(&mut self, cache: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = cache.py();
        if !self.asked.has_remote() {
            return Ok(None);
        }
        let made;
        let (key, write, how): (_, fn(_) -> _, _) = match &self.fill {
            Fill::ByHelper => return Ok(None),
            Fill::Key(key) => {
                let how = self.patience.map_or(How::Shared, How::Alone);
                (key, Write::Fill, how)
            }
            Fill::Refresh(args, kwargs) => match self.key_of(py, args, kwargs) {
                Ok(key) => {
                    self.watches = self.asked.watch(py, &key);
                    made = key;
                    (&made, Write::Refresh, How::Refresh)
                }
                // It is asked for again after the call, and there it counts.
                Err(error) if error.is_instance_of::<PyException>(py) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        match tiered::claim(cache, key, &self.asked, write, how)? {
            Claim::Compute(claims) => {
                if claims.are_apart {
                    self.land_apart();
                }
                if claims.are_unwatched
                    && let Some(lead) = &self.lead
                {
                    lead.begin_unwatched();
                }
                self.claims = claims;
                Ok(None)
            }
            Claim::Value(value) => {
                // Those who wait may have come after a clear that came after this was read.
                self.land_apart();
                Ok(Some(value))
            }
        }
    }

    fn cache<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        raw::attribute(self.helper.bind(py), intern!(py, "cache").as_unbound())
    }

    fn key_of(&self, py: Python<'_>, args: &Py<PyTuple>, kwargs: &Py<PyDict>) -> PyResult<Key> {
        let name = intern!(py, "get_cache_key").as_unbound();
        let get_cache_key = raw::attribute(self.helper.bind(py), name)?;
        let key = raw::call(&get_cache_key, args.bind(py), Some(kwargs.bind(py)))?;
        Ok(Key::from_object(&key))
    }

    /// Hand a value to those who wait for it.
    fn land(&mut self, content: &Bound<'_, PyAny>, held: Option<&Held<Object>>) -> PyResult<()> {
        let Some(lead) = self.lead.take() else {
            return Ok(());
        };
        let first = self.asked.0.first().and_then(|first| first.cache.as_ref());
        let isolate = first.is_none_or(|first| first.get().is_isolated());
        let mut result = Ok(());
        lead.land(|| {
            flight::outcome(content, held.map(|held| &held.value), isolate).unwrap_or_else(
                |error| {
                    result = Err(error);
                    Outcome::Apart
                },
            )
        });
        result
    }

    /// Have those who wait look for themselves.
    fn land_apart(&mut self) {
        if let Some(lead) = self.lead.take() {
            lead.land(|| Outcome::Apart);
        }
    }

    /// What the first tier has by now, if it can be asked without anybody's noticing.
    fn look<'py>(&self, py: Python<'py>, key: &PackedKey) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((cache, key)) = self.asked.memory(key) else {
            return Ok(None);
        };
        let found = cache.get().fetch(py, key)?.map(|found| found.value);
        Ok(found.filter(|value| !value.is(py.Ellipsis())))
    }

    /// Keep what the function returned, and hand it to those who wait for it.
    pub(super) fn keep(mut self, content: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = content.py();
        let made;
        let (key, write): (_, fn(_) -> _) = match &self.fill {
            Fill::ByHelper => return Ok(()),
            Fill::Key(key) => (key, Write::Fill),
            Fill::Refresh(args, kwargs) => {
                made = self.key_of(py, args, kwargs)?;
                (&made, Write::Refresh)
            }
        };
        let cache = self.cache(py)?;
        let first = self.near.as_ref().map(|(near, _)| &near.first.cache);
        let claims = std::mem::take(&mut self.claims);
        if self.asked.has_remote()
            && let Some(lead) = &self.lead
        {
            lead.begin_closing();
        }
        let held = match tiered::set(&cache, key, content, &self.asked, claims, write, first)? {
            Kept::As(held) => held,
            // Those who wait may have come after the clear. The next of them is to see what is there by now.
            Kept::Overtaken => return Ok(()),
        };
        self.land(content, held.as_ref())?;
        // Ellipsis is kept, as ever, and taken for nothing.
        if let (Some(held), Some((near, words))) = (held, &self.near)
            && !content.is(py.Ellipsis())
        {
            near.insert(py, words, held);
        }
        Ok(())
    }
}

impl Gap {
    /// Nothing is to be kept. Another process that waits for the value is to compute it, and not to wait on.
    pub(super) fn abandon(mut self, py: Python<'_>) {
        if self.patience.is_some() {
            std::mem::take(&mut self.claims).release(py);
        }
    }

    /// For the garbage collector. Not what was noted of tiers: that is shared with the flight, which the
    /// collector does not see.
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.helper)?;
        self.claims.traverse(visit)?;
        match &self.fill {
            Fill::Key(key) => key.traverse(visit),
            Fill::Refresh(args, kwargs) => {
                visit.call(args)?;
                visit.call(kwargs)
            }
            Fill::ByHelper => Ok(()),
        }
    }
}

/// A gap as the body of a decorated function is given it.
#[pyclass(module = "quickcache._native", name = "_Gap", frozen)]
pub(super) struct OpenGap {
    #[pyo3(get)]
    function: Py<PyAny>,
    gap: Attached<Option<Gap>>,
}

impl OpenGap {
    pub(super) fn new(py: Python<'_>, gap: Gap) -> Self {
        Self {
            function: gap.function.clone_ref(py),
            gap: Attached::new(Some(gap)),
        }
    }
}

#[pymethods]
impl OpenGap {
    /// What a call that goes through a helper's own methods may have to fill: noted before the tiers are
    /// asked for `key`.
    #[staticmethod]
    fn of_key(
        helper: &Bound<'_, PyAny>,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = helper.py();
        let landings = Desk::of(helper).map_or(0, |desk| desk.get().landings());
        let fill = Fill::Key(Key::from_object(key));
        let gap = Gap::new(helper, helper, Asked::now(cache)?, fill);
        Ok(Self::new(py, gap.after(landings)))
    }

    /// The same for a call that skips the cache.
    #[staticmethod]
    fn of_refresh(
        helper: &Bound<'_, PyAny>,
        cache: &Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
        kwargs: Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let fill = Fill::Refresh(args.unbind(), kwargs.unbind());
        let mut gap = Gap::new(helper, helper, Asked::now(cache)?, fill);
        if let Some(desk) = Desk::of(helper) {
            desk.get().computations.fetch_add(1, Relaxed);
            gap.patience = desk.get().patience();
        }
        gap.claim(cache)?;
        Ok(Self::new(helper.py(), gap))
    }

    /// Wait for another thread's computation of the same value; Ellipsis if there is none, and the
    /// function is to be called.
    fn join<'py>(&self, py: Python<'py>, cache: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let nothing = || py.Ellipsis().into_bound(py);
        let Some(mut gap) = self.gap.with(py, Option::take).flatten() else {
            return Ok(nothing());
        };
        gap.watch_own(py);
        // None for a helper that was made by hand.
        let desk = Desk::of(gap.helper.bind(py));
        let mut found = None;
        if let Some(desk) = desk.as_ref().map(Bound::get) {
            gap.patience = desk.patience();
            if let Fill::Key(key) = &gap.fill
                && desk.has_flights()
                && let Some(flight) = gap.asked.flight_apart(cache, key)?
            {
                found = gap.join(py, desk, &flight)?;
            }
        }
        if found.is_none() {
            found = gap.claim(cache)?;
        }
        if let Some(found) = found {
            return Ok(found);
        }
        if let Some(desk) = desk {
            desk.get().computations.fetch_add(1, Relaxed);
        }
        self.gap.with(py, |place| place.replace(gap));
        Ok(nothing())
    }

    fn keep(&self, content: &Bound<'_, PyAny>) -> PyResult<()> {
        let gap = self.gap.with(content.py(), Option::take).flatten();
        gap.map_or(Ok(()), |gap| gap.keep(content))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// If there was nothing to keep, another is to compute the value: now, and not when the traceback of
    /// the function's exception is let go of.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        if let Some(gap) = self.gap.with(py, Option::take).flatten() {
            gap.abandon(py);
        }
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        let visited = self.gap.try_with(|gap| match gap {
            Some(gap) => gap.traverse(&visit),
            None => Ok(()),
        });
        visited.unwrap_or(Ok(()))
    }
}
