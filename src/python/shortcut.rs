//! The shortcut of one decorated function: a call as long as nothing of its helper is overridden.
//!
//! A call that the front answers is made here alone. Any other asks the tiers; and where these have
//! nothing, there is a gap to be filled by whoever asked: the entry, or the body in Python. After
//! any change of what a call goes through (a patched method, another cache), the shortcut is armed
//! anew, or leaves the call to the helper's methods.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyTuple, PyType};

use super::arguments::Arguments;
use super::asked::Asked;
use super::first::FirstMemory;
use super::flight::Desk;
use super::gap::{Fill, Gap, OpenGap};
use super::guard::{HELPER_CALL, watch_class};
use super::key::Key;
use super::naming::{PrefixText, prefix_text};
use super::near::{Memo, Near};
use super::plan::{self, Made, Plan, Values};
use super::raw::attached::Attached;
use super::raw::intern;
use super::raw::object::Object;
use super::raw::vector::Vector;
use super::raw::words::Words;
use super::raw::{self, watch};
use super::tiered;
use super::{local, logging, value};
use crate::key::local::{Container, LocalKey};

/// What stands before the body of one decorated function.
#[pyclass(module = "quickcache._native", name = "_Shortcut", frozen)]
pub(super) struct Shortcut {
    helper: Py<PyAny>,
    /// The code of the function that it was installed for, and its address.
    code: OnceLock<Py<PyAny>>,
    code_at: AtomicUsize,
    armed: Attached<Option<Hot>>,
    /// Whether hits are likely to take a clock: these have a way of their own.
    takes_clock: AtomicBool,
    /// Whether a call is on its way in Rust, which a call within it then is not.
    busy: AtomicBool,
    desk: Py<Desk>,
}

/// What a call looks at first.
struct Hot {
    armed: Arc<Armed>,
    /// The last hit's arguments.
    memo: Memo,
}

/// All that a call needs to know, and what says that it is still so.
struct Armed {
    plan: Py<Plan>,
    /// What is as it was, but for what is watched.
    words: Words,
    /// The changes of what is watched, when this was made; None where changes are not noticed.
    changes: Option<u64>,
    near: Option<Arc<Near>>,
    /// Whether nobody wanted debug lines then.
    is_quiet: bool,
    /// Where the helper's `__dict__` lies.
    dict: usize,
}

impl Hot {
    /// A hit with the arguments of the last one.
    #[inline(always)]
    #[allow(clippy::inline_always)] // nothing is called as often
    fn again(&self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        let near = self.armed.near.as_ref()?;
        let seat = self.memo.seat_of(call)?;
        if !self.armed.stands(py) {
            return None;
        }
        near.hit_again(py, seat, None)
    }

    /// A hit of a call of one short value.
    #[inline(always)]
    #[allow(clippy::inline_always)] // nearly as often
    fn of_one(&mut self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        let near = self.armed.near_now(py)?;
        near.hit_of_one(py, call, &mut self.memo, None)
    }

    /// A hit of either, of what may have a deadline.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    fn by_clock(&mut self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        let near = self.armed.near_now(py)?;
        // Read first, when little else has to be kept in registers.
        let now = Some(near.now());
        match self.memo.seat_of(call) {
            Some(seat) => near.hit_again(py, seat, now),
            None => near.hit_of_one(py, call, &mut self.memo, now),
        }
    }

    /// Whether hits are likely to take a clock.
    fn takes_clock(&self) -> bool {
        let near = self.armed.near.as_ref();
        near.is_some_and(|near| near.has_deadlines())
    }

    /// A hit of any call that takes no Python to be looked up.
    fn near(&mut self, py: Python<'_>, arguments: &Arguments<'_, '_>) -> Option<Object> {
        let near = self.armed.near_now(py)?;
        let signature = self.armed.plan.get().signature()?;
        near.hit(py, signature, arguments, &mut self.memo)
    }
}

/// What there is for a call.
pub(super) enum Answer<'py> {
    Value(Bound<'py, PyAny>),
    /// Boxed, for the sake of the stack while the function runs.
    Gap(Box<Gap>),
}

impl Armed {
    /// Whether all is as it was when this was made.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a call would have each hit save registers
    fn stands(&self, py: Python<'_>) -> bool {
        self.changes.is_some() && self.changes == watch::changes(py) && self.words.are_as_before()
    }

    /// The front, if all is as it was and nobody wants debug lines.
    #[inline(always)]
    #[allow(clippy::inline_always)] // of most hits
    fn near_now(&self, py: Python<'_>) -> Option<&Near> {
        let near = self.near.as_deref()?;
        (self.is_quiet && self.stands(py)).then_some(near)
    }

    /// Whether the helper's attributes lie in the dict that is watched. Asked where there is time for it.
    fn has_its_dict(&self, helper: &Bound<'_, PyAny>) -> bool {
        raw::own_dict(helper).is_some_and(|dict| dict.as_ptr().addr() == self.dict)
    }

    /// The same where changes are not noticed: asked of everything.
    #[inline(never)]
    fn is_found_standing(&self, helper: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.changes.is_some() || !may_shortcut(helper) {
            return Ok(false);
        }
        let fits = raw::own_dict(helper).is_some_and(|dict| self.plan.get().fits(&dict));
        let first = FirstMemory::of(self.plan.get().made()?.cache(helper.py())?)?;
        let is_same = match (&first, &self.near) {
            (Some(first), Some(near)) => first.is_as(&near.first),
            (None, None) => true,
            _ => false,
        };
        Ok(fits && is_same)
    }
}

/// Whether a helper is one of those whose calls are made in Rust.
fn may_shortcut(helper: &Bound<'_, PyAny>) -> bool {
    let class = helper.get_type();
    HELPER_CALL.is_not_shadowed(helper)
        && HELPER_CALL.holds_for_class(&class)
        && plan::has_own_keys(helper)
        && plan::is_plain(&class)
        && plan::has_all(helper)
}

impl Shortcut {
    /// Whether it was installed for a function with this code.
    #[inline]
    pub(super) fn is_for(&self, code: *mut pyo3::ffi::PyObject) -> bool {
        self.code_at.load(Ordering::Relaxed) == code.addr()
    }

    /// Begin a call in Rust. False if one is under way: a call within a call is then one of the
    /// body's, so that Python's limit of recursion holds for it.
    #[inline]
    pub(super) fn begin(&self) -> bool {
        !self.busy.swap(true, Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn end(&self) {
        self.busy.store(false, Ordering::Relaxed);
    }

    /// What the front has for a call with the arguments of the last hit.
    #[inline(always)]
    #[allow(clippy::inline_always)] // nothing is called as often
    pub(super) fn hit_again(&self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        self.armed.hold(py)?.as_ref()?.again(py, call)
    }

    /// What the front has for a call of one short value, in most cases.
    #[inline(always)]
    #[allow(clippy::inline_always)] // nearly as often
    pub(super) fn hit_of_one(&self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        self.armed.hold(py)?.as_mut()?.of_one(py, call)
    }

    /// Whether a call is to ask `hit_by_clock`, and not the two above.
    #[inline]
    pub(super) fn takes_clock(&self) -> bool {
        self.takes_clock.load(Ordering::Relaxed)
    }

    /// What the front has for either, where it takes a clock.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(super) fn hit_by_clock(&self, py: Python<'_>, call: &Vector<'_, '_>) -> Option<Object> {
        self.armed.hold(py)?.as_mut()?.by_clock(py, call)
    }

    /// What the front has for a call that takes no Python to be looked up.
    pub(super) fn near_hit<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        let object = {
            let mut hot = self.armed.hold(py)?;
            let hot = hot.as_mut()?;
            self.takes_clock.store(hot.takes_clock(), Ordering::Relaxed);
            hot.near(py, arguments)?
        };
        read(object, py)
    }

    /// What the front has for a call, for the body of a function that has no entry.
    ///
    /// Not under the lock: CPython 3.11 may collect garbage wherever it allocates, and the collector is
    /// to find the lock free.
    #[cfg(not(Py_3_12))]
    fn hit<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        let mut hot = self.armed.with(py, Option::take).flatten()?;
        let object = Vector::of(arguments).and_then(|call| {
            if hot.takes_clock() {
                hot.by_clock(py, &call)
            } else {
                let again = hot.again(py, &call);
                again.or_else(|| hot.of_one(py, &call))
            }
        });
        let object = object.or_else(|| hot.near(py, arguments));
        // Unless another thread has armed it meanwhile.
        let _spare = self.armed.with(py, |place| match place {
            None => place.replace(hot),
            Some(_) => Some(hot),
        });
        read(object?, py)
    }

    /// What there is for a call.
    #[inline(never)]
    pub(super) fn find<'py>(
        slf: &Bound<'py, Self>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Answer<'py>> {
        let helper = slf.get().helper.bind(slf.py());
        or_leave_it(helper, || match slf.get().take(helper)? {
            Some(armed) => armed.find(slf.get().desk.get(), helper, arguments),
            None => Ok(Answer::of_helper(helper)),
        })
    }

    /// Wait for another thread's computation, if there is one. Not while a call is noted as under way.
    #[inline(never)]
    pub(super) fn board<'py>(slf: &Bound<'py, Self>, answer: Answer<'py>) -> PyResult<Answer<'py>> {
        let Answer::Gap(mut gap) = answer else {
            return Ok(answer);
        };
        let helper = slf.get().helper.bind(slf.py());
        or_leave_it(helper, || {
            let value = gap.board(slf.py(), slf.get().desk.get())?;
            Ok(value.map_or(Answer::Gap(gap), Answer::Value))
        })
    }

    /// Take what a call needs, made anew if anything has changed. None if the call is to go through
    /// the helper's methods.
    fn take(&self, helper: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Armed>>> {
        let armed = self.armed.with(helper.py(), |hot| {
            hot.as_ref().map(|hot| Arc::clone(&hot.armed))
        });
        let armed = armed.flatten();
        if let Some(armed) = armed
            && (armed.stands(helper.py()) && armed.has_its_dict(helper)
                || armed.is_found_standing(helper)?)
        {
            return Ok(Some(armed));
        }
        self.arm(helper)
    }

    #[inline(never)]
    fn arm(&self, helper: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Armed>>> {
        let py = helper.py();
        if !may_shortcut(helper) {
            return Ok(None);
        }
        let wants_debug = logging::debug_enabled(py)?;
        // Noted first: whatever changes from here on makes the next call come here again.
        let changes = watch::changes(py);
        let dict = raw::ordinary_dict(helper);
        let mut words = Words::default();
        words.class_of(helper);
        let is_watched = watch_class(&helper.get_type(), &mut words)
            && dict
                .as_ref()
                .is_some_and(|dict| watch::watch_attributes(helper, dict, &mut words));
        let plan = Plan::of(helper)?;
        let made = plan.get().made()?;
        if made.skip.is_none() {
            return Ok(None);
        }
        let first = FirstMemory::of(made.cache(py)?)?;
        let is_watched = made.note(py, &mut words)
            && is_watched
            && first.as_ref().is_none_or(|first| first.is_watched);
        if let Some(first) = &first {
            words.append(&first.words);
        }
        let is_quiet = !wants_debug && logging::is_quiet(py);
        let known = self.armed.with(py, Option::take).flatten();
        let known = known.as_ref().map(|hot| &hot.armed);
        let known = known.filter(|known| known.plan.is(&plan));
        let known = known.and_then(|known| known.near.as_deref());
        let near = first.map(|first| Arc::new(Near::new(py, first, made, known)));
        let armed = Arc::new(Armed {
            near,
            plan: plan.clone().unbind(),
            words,
            dict: dict.map_or(0, |dict| dict.as_ptr().addr()),
            changes: changes.filter(|_| is_watched),
            is_quiet,
        });
        let _old = self.armed.with(py, |place| {
            place.replace(Hot {
                armed: Arc::clone(&armed),
                memo: Memo::default(),
            })
        });
        Ok(Some(armed))
    }
}

impl Armed {
    /// What there is for a call: in the front, or in the tiers.
    fn find<'py>(
        &self,
        desk: &Desk,
        helper: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Answer<'py>> {
        let py = helper.py();
        let made = self.plan.get().made()?;
        if made.skips(py, arguments)? {
            let asked = Asked::now(made.cache(py)?)?;
            let fill = Fill::Refresh(arguments.args(py)?.unbind(), arguments.kwargs(py)?.unbind());
            let mut gap = Gap::new(made.function(py)?, helper, asked, fill);
            if let Some(key) = made.key_unnoticed(helper, arguments) {
                gap.watch(py, &key);
            }
            return Ok(Answer::Gap(Box::new(gap)));
        }
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "checking caches for {}", &name(made, py)?)?;
        }
        let values = made.values(py, arguments)?;
        let mut local = LocalKey::new();
        let mut known = None;
        let mut key = None;
        let mut near = self.near.as_ref().filter(|_| !debug);
        near = near.filter(|_| write_values(&mut local, &values));
        if let Some(asked) = near
            && let Some(prefix) = &asked.first.prefix
        {
            // The function may change what is in the arguments, of which the key is made before.
            if !values.are_lasting() {
                key = Some(made.key_of(helper, &values, false)?);
            }
            let text = prefix_text(prefix.bind(py))?;
            if !matches!(&text, PrefixText::Text(text) if local::write(&mut local, text)) {
                near = None;
            }
            known = Some(text);
        }
        if let Some(near) = near
            && let Some(object) = near.get(py, local.finish())
            && let Some(value) = read(object, py)
        {
            near.learn(arguments);
            return value.map(Answer::Value);
        }
        let key = match key {
            Some(key) => key,
            None => made.key_of(helper, &values, false)?,
        };
        Self::ask(
            made,
            desk,
            helper,
            key,
            near.map(|near| (near, local)),
            known,
        )
    }

    /// Ask the tiers. Apart from `find`, so that its stack is free while they are asked.
    #[inline(never)]
    fn ask<'py>(
        made: &Made,
        desk: &Desk,
        helper: &Bound<'py, PyAny>,
        key: Key,
        mut near: Option<(&Arc<Near>, LocalKey)>,
        known: Option<PrefixText<'py>>,
    ) -> PyResult<Answer<'py>> {
        let py = helper.py();
        // Ctrl-C must reach a loop that is all hits; it comes here once in many.
        py.check_signals()?;
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "{}", key.object(py))?;
        }
        let landings = desk.landings();
        let asked = match tiered::get(made.cache(py)?, &key, known)? {
            tiered::Answer::Value(value, held) => {
                if let (Some((near, local)), Some(held)) = (&mut near, held) {
                    near.insert(py, local.finish(), held);
                }
                return Ok(Answer::Value(value));
            }
            tiered::Answer::Nothing(asked) => asked,
        };
        let gap = Gap::new(made.function(py)?, helper, asked, Fill::Key(key));
        let gap = gap.with_copy(near).after(landings);
        Ok(Answer::Gap(Box::new(gap)))
    }
}

/// The value of a copy; None if its pickle can no longer be read, which is for the tier to see to.
#[inline]
pub(super) fn read(object: Object, py: Python<'_>) -> Option<PyResult<Bound<'_, PyAny>>> {
    match value::to_value(object, py) {
        // Ctrl-C is none of the pickle's.
        Err(error) if error.is_instance_of::<PyException>(py) => None,
        value => Some(value),
    }
}

/// Write the local key of values. False for those that only the wire key can tell.
fn write_values(key: &mut LocalKey, values: &Values<'_>) -> bool {
    match values {
        Values::Are(values) => values.iter().all(|value| local::write(key, value)),
        Values::Of(values) => {
            // Anything else would be used up by being looked at.
            let Ok(tuple) = values.cast_exact::<PyTuple>() else {
                return values
                    .cast_exact::<pyo3::types::PyList>()
                    .is_ok_and(|list| {
                        key.container(Container::List, list.len());
                        list.iter().all(|value| local::write(key, &value))
                    });
            };
            key.container(Container::List, tuple.len());
            tuple
                .as_slice()
                .iter()
                .all(|value| local::write(key, value))
        }
    }
}

fn name<'py>(made: &Made, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
    made.function(py)?.getattr(intern!(py, "__name__"))
}

/// What is cached for a call, or the gap to be filled: called by the body of a decorated function.
#[pyfunction]
#[pyo3(name = "_find")]
pub(super) fn find<'py>(
    shortcut: &Bound<'py, Shortcut>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = shortcut.py();
    let arguments = Arguments::of(args, kwargs);
    // Elsewhere the entry has looked.
    #[cfg(not(Py_3_12))]
    if let Some(value) = shortcut.get().hit(py, &arguments) {
        return value;
    }
    let found = Shortcut::find(shortcut, &arguments)?;
    match Shortcut::board(shortcut, found)? {
        Answer::Value(value) => Ok(value),
        Answer::Gap(gap) => Ok(Bound::new(py, OpenGap::new(py, *gap))?.into_any()),
    }
}

#[pymethods]
impl Shortcut {
    #[new]
    fn new(helper: &Bound<'_, PyAny>, desk: Py<Desk>) -> PyResult<Self> {
        value::prepare_imports(helper.py())?;
        // Now, before anybody has a hold of the dict that is replaced.
        let _dict = raw::ordinary_dict(helper);
        let helper = helper.clone().unbind();
        Ok(Self {
            helper,
            code: OnceLock::new(),
            code_at: AtomicUsize::new(0),
            armed: Attached::new(None),
            takes_clock: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            desk,
        })
    }

    /// By cloudpickle and others that pickle functions by what is in them.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (Py<PyAny>, Py<Desk>)) {
        let (py, this) = (slf.py(), slf.get());
        let parts = (this.helper.clone_ref(py), this.desk.clone_ref(py));
        (slf.get_type(), parts)
    }

    #[getter]
    fn desk(&self, py: Python<'_>) -> Py<Desk> {
        self.desk.clone_ref(py)
    }

    /// Have the function whose one closure cell holds this shortcut try it first.
    fn install(&self, function: &Bound<'_, PyFunction>) -> PyResult<()> {
        let code = function.getattr(intern!(function.py(), "__code__"))?;
        let address = code.as_ptr().addr();
        if self.code.set(code.unbind()).is_ok() {
            self.code_at.store(address, Ordering::Relaxed);
            raw::entry::install(function);
        }
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.helper)?;
        let armed = self.armed.try_with(|hot| match hot {
            Some(hot) => hot.armed.traverse(&visit),
            None => Ok(()),
        });
        // The lock is held for moments, by attached threads, which the collector has stopped.
        debug_assert!(armed.is_some(), "a lock was held during garbage collection");
        armed.unwrap_or(Ok(()))
    }

    fn __clear__(&self) {
        let _old = self.armed.try_with(Option::take);
    }
}

impl Armed {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.plan)?;
        self.near
            .as_ref()
            .map_or(Ok(()), |near| near.traverse(visit))
    }
}

impl<'py> Answer<'py> {
    /// The call is to go through the helper's methods.
    fn of_helper(helper: &Bound<'py, PyAny>) -> Self {
        Self::Gap(Box::new(Gap::open(helper)))
    }
}

/// An answer; after a panic, one that leaves the call to the helper's methods.
fn or_leave_it<'py>(
    helper: &Bound<'py, PyAny>,
    answer: impl FnOnce() -> PyResult<Answer<'py>>,
) -> PyResult<Answer<'py>> {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        log::error!(target: "quickcache", "a call in Rust panicked, and is left to Python");
        Ok(Answer::of_helper(helper))
    })
}
