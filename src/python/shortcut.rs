//! The shortcut of one decorated function: a call as long as nothing of its helper is overridden.
//!
//! A call that the front answers is made here alone. Any other asks the tiers; and where these have
//! nothing, the function's own Python body calls the function and hands over what it returned. After
//! any change of what a call goes through (a patched method, another cache), the shortcut is armed
//! anew, or leaves the call to the helper's methods.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFunction, PyTuple};
use smallvec::SmallVec;

use super::arguments::Arguments;
use super::gap::{Fill, Gap};
use super::guard::{HELPER_CALL, Version};
use super::key::Key;
use super::memory_cache::MemoryCache;
use super::plan::{self, Made, Plan, Skip, Values, VaryOn};
use super::raw::attached::Attached;
use super::raw::object::Object;
use super::raw::{self, watch};
use super::tiered::{self, Asked, FirstMemory, PrefixText};
use super::{local, logging, value};
use crate::clock::Clock;
use crate::flow::copies::Copies;
use crate::flow::front::{Front, Held};
use crate::flow::generation::Epochs;
use crate::key::local::{Container, LocalKey};

/// A front behind its lock, as the tier knows it.
type Near = Attached<Front<Object>>;

impl Copies<Object> for Near {
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<Object>) -> usize {
        self.try_with(|front| front.sweep(slots, epochs, now, dead))
            .unwrap_or(0)
    }

    fn clear(&self, dead: &mut Vec<Object>) {
        self.try_with(|front| front.clear(dead));
    }

    fn take_hits(&self) -> u64 {
        self.try_with(Front::take_hits).unwrap_or(0)
    }
}

/// What stands before the body of one decorated function.
#[pyclass(module = "quickcache._native", name = "_Shortcut", frozen)]
pub(super) struct Shortcut {
    helper: Py<PyAny>,
    /// The code of the function that it was installed for.
    code: OnceLock<Py<PyAny>>,
    armed: Attached<Option<Armed>>,
    /// Whether a call is on its way in Rust, which a call within it then is not.
    busy: AtomicBool,
}

/// All that a call needs to know, and what says that it is still so.
struct Armed {
    plan: Py<Plan>,
    class: Version,
    changes: u32,
    /// The memory tier that is asked first, and the copies of what it holds.
    near: Option<(FirstMemory, Arc<Near>)>,
}

/// What there is for a call.
pub(super) enum Answer<'py> {
    Value(Bound<'py, PyAny>),
    Gap(Bound<'py, Gap>),
}

impl Armed {
    /// Whether all is as it was when this was made.
    #[inline]
    fn stands(&self, helper: &Bound<'_, PyAny>) -> bool {
        let py = helper.py();
        self.changes == watch::changes()
            && self.class.holds_for(helper)
            && self.near.as_ref().is_none_or(|(first, _)| first.stands(py))
            && self
                .plan
                .get()
                .made()
                .is_ok_and(|made| made.varies_as_before(py))
    }
}

/// What is taken out of `Armed` for one call.
struct Taken<'py> {
    plan: Bound<'py, Plan>,
    near: Option<TakenNear<'py>>,
}

struct TakenNear<'py> {
    cache: Bound<'py, MemoryCache>,
    prefix: Option<Bound<'py, PyAny>>,
    front: Arc<Near>,
}

impl Shortcut {
    /// Whether it was installed for a function with this code.
    #[inline]
    pub(super) fn is_for(&self, code: *mut pyo3::ffi::PyObject) -> bool {
        self.code.get().is_some_and(|own| own.as_ptr() == code)
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

    /// What the front has for a call that takes no Python to be looked up.
    #[inline]
    pub(super) fn near_hit<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        if !logging::is_quiet() {
            return None;
        }
        let object = self.armed.with(py, |armed| {
            let armed = armed.as_ref()?;
            let (first, front) = armed.near.as_ref()?;
            if first.prefix.is_some() || !armed.stands(self.helper.bind(py)) {
                return None;
            }
            let mut key = LocalKey::new();
            let made = armed.plan.get().made().ok()?;
            if !write_near(&mut key, made, py, arguments) {
                return None;
            }
            let tier = first.cache.get().tier();
            front.with(py, |front| {
                front.get(key.finish(), tier.epochs(), tier.clock(), tier.era())
            })?
        })??;
        value::to_value(object, py).ok()
    }

    /// What there is for a call.
    pub(super) fn find<'py>(
        slf: &Bound<'py, Self>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Answer<'py>> {
        let helper = slf.get().helper.bind(slf.py());
        let Some(taken) = slf.get().take(helper)? else {
            return Ok(Answer::Gap(Bound::new(slf.py(), Gap::open(helper))?));
        };
        taken.find(helper, arguments)
    }

    /// Take what a call needs, made anew if anything has changed. None if the call is to go through
    /// the helper's methods.
    fn take<'py>(&self, helper: &Bound<'py, PyAny>) -> PyResult<Option<Taken<'py>>> {
        let py = helper.py();
        let taken = self.armed.with(py, |armed| {
            let armed = armed.as_ref()?;
            armed.stands(helper).then(|| Taken::of(py, armed))
        });
        if let Some(Some(taken)) = taken {
            return Ok(Some(taken));
        }
        self.arm(helper)
    }

    #[inline(never)]
    fn arm<'py>(&self, helper: &Bound<'py, PyAny>) -> PyResult<Option<Taken<'py>>> {
        let py = helper.py();
        let class = helper.get_type();
        let stands = HELPER_CALL.is_not_shadowed(helper)
            && HELPER_CALL.holds_for_class(&class)
            && plan::has_own_keys(helper)
            && plan::is_plain(&class)
            && plan::has_all(helper);
        if !stands {
            return Ok(None);
        }
        let plan = Plan::of(helper)?;
        let made = plan.get().made()?;
        if made.skip.is_none() {
            return Ok(None);
        }
        let first = FirstMemory::of(made.cache(py)?)?;
        let is_watched = raw::ordinary_dict(helper).is_some_and(|dict| watch::watch(&dict));
        let changes = watch::changes();
        let known = self.armed.with(py, Option::take).flatten();
        let near = first.map(|first| {
            let front = match known.as_ref().and_then(|known| known.near.as_ref()) {
                Some((before, front)) if is_same(before, &first, known.as_ref(), &plan) => {
                    Arc::clone(front)
                }
                _ => new_front(first.cache.get()),
            };
            (first, front)
        });
        let is_watched = is_watched && near.as_ref().is_none_or(|(first, _)| first.is_watched);
        let taken = Taken {
            near: near.as_ref().map(|(first, front)| TakenNear {
                cache: first.cache.bind(py).clone(),
                prefix: first.prefix.as_ref().map(|prefix| prefix.bind(py).clone()),
                front: Arc::clone(front),
            }),
            plan: plan.clone(),
        };
        let armed = Version::of(&class).map(|class| Armed {
            plan: plan.unbind(),
            class,
            // Where changes are not noticed, it stands for no call but this one.
            changes: if is_watched {
                changes
            } else {
                changes.wrapping_sub(1)
            },
            near,
        });
        let _old = self.armed.with(py, |place| std::mem::replace(place, armed));
        Ok(Some(taken))
    }
}

/// Whether copies of one memory tier's values, made for one plan, are those of another.
fn is_same(
    before: &FirstMemory,
    now: &FirstMemory,
    known: Option<&Armed>,
    plan: &Bound<'_, Plan>,
) -> bool {
    known.is_some_and(|known| known.plan.is(plan))
        && before.cache.is(&now.cache)
        && before.prefix.as_ref().map(Py::as_ptr) == now.prefix.as_ref().map(Py::as_ptr)
}

/// A front that the memory tier knows of. A front smaller than what is used of the tier would be of
/// little use, and hash tables want room.
fn new_front(cache: &MemoryCache) -> Arc<Near> {
    const MOST: u64 = 1 << 26;
    let entries = cache.tier().options().max_entries.unwrap_or(MOST).min(MOST);
    let bound = usize::try_from(entries * 8 / 5).unwrap_or(usize::MAX);
    let front = Arc::new(Attached::new(Front::new(bound)));
    let known: Weak<dyn Copies<Object>> =
        Arc::downgrade(&(Arc::clone(&front) as Arc<dyn Copies<Object>>));
    cache.tier().add_front(known);
    front
}

/// Write the local key of a call for which no Python is to be run. False if some is.
#[inline]
fn write_near(
    key: &mut LocalKey,
    made: &Made,
    py: Python<'_>,
    arguments: &Arguments<'_, '_>,
) -> bool {
    let (Some(signature), VaryOn::Paths(paths)) = (&made.signature, &made.vary_on) else {
        return false;
    };
    if !signature.accepts(py, arguments) {
        return false;
    }
    match &made.skip {
        Some(Skip::Never) => {}
        Some(Skip::Argument(argument)) => {
            let Some(value) = argument.near_value(signature, py, arguments) else {
                return false;
            };
            let value = value.get();
            if !value.is_none() && !value.is(&*PyBool::new(py, false)) {
                return false;
            }
        }
        _ => return false,
    }
    paths.iter().all(|path| {
        path.attributes.is_empty()
            && path
                .argument
                .near_value(signature, py, arguments)
                .is_some_and(|value| local::write(key, value.get()))
    })
}

impl<'py> Taken<'py> {
    #[inline]
    fn of(py: Python<'py>, armed: &Armed) -> Self {
        Self {
            plan: armed.plan.bind(py).clone(),
            near: armed.near.as_ref().map(|(first, front)| TakenNear {
                cache: first.cache.bind(py).clone(),
                prefix: first.prefix.as_ref().map(|prefix| prefix.bind(py).clone()),
                front: Arc::clone(front),
            }),
        }
    }

    /// What there is for a call: in the front, or in the tiers.
    fn find(
        &self,
        helper: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Answer<'py>> {
        let py = helper.py();
        let made = self.plan.get().made()?;
        if made.skips(py, arguments)? {
            let asked = Asked::now(made.cache(py)?)?;
            let fill = Fill::Refresh(arguments.args(py)?.unbind(), arguments.kwargs(py)?.unbind());
            return gap(made, helper, asked, fill);
        }
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "checking caches for {}", &name(made, py)?)?;
        }
        let values = made.values(py, arguments)?;
        let mut local = LocalKey::new();
        let mut known = None;
        let near = self.near.as_ref().filter(|_| !debug);
        let near = near.filter(|_| write_values(&mut local, &values));
        let near = match near {
            None => None,
            Some(near) => match near.prefix.as_ref().map(tiered::prefix_text).transpose()? {
                None => Some(near),
                Some(text) => {
                    let is_near =
                        matches!(&text, PrefixText::Text(text) if local::write(&mut local, text));
                    known = Some(text);
                    is_near.then_some(near)
                }
            },
        };
        if let Some(near) = near
            && let Some(object) = near.get(py, local.finish())
            && let Ok(value) = value::to_value(object, py)
        {
            return Ok(Answer::Value(value));
        }
        self.ask(made, helper, &values, near.map(|near| (near, local)), known)
    }

    /// Ask the tiers. Apart from `find`, so that its stack is free while they are asked.
    #[inline(never)]
    fn ask(
        &self,
        made: &Made,
        helper: &Bound<'py, PyAny>,
        values: &Values<'py>,
        near: Option<(&TakenNear<'py>, LocalKey)>,
        known: Option<PrefixText<'py>>,
    ) -> PyResult<Answer<'py>> {
        let py = helper.py();
        // Ctrl-C must reach a loop that is all hits; it comes here once in many.
        py.check_signals()?;
        let key = made.key_of(helper, values)?;
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "{}", key.object())?;
        }
        let asked = match tiered::get(made.cache(py)?, &key, known)? {
            tiered::Answer::Value(value, held) => {
                if let (Some((near, mut local)), Some(held)) = (near, held) {
                    near.insert(py, local.finish(), held);
                }
                return Ok(Answer::Value(value));
            }
            tiered::Answer::Nothing(asked) => asked,
        };
        if debug {
            logging::debug(py, "cache miss, calling {}", &name(made, py)?)?;
        }
        gap(made, helper, asked, Fill::Key(Key::unbind(key)))
    }
}

impl<'py> TakenNear<'py> {
    fn get(&self, py: Python<'py>, words: &[u64]) -> Option<Object> {
        let tier = self.cache.get().tier();
        self.front.with(py, |front| {
            front.get(words, tier.epochs(), tier.clock(), tier.era())
        })?
    }

    fn insert(&self, py: Python<'py>, words: &[u64], held: Held<Object>) {
        let tier = self.cache.get().tier();
        let mut dead = Vec::new();
        let now = tier.clock().now();
        self.front.with(py, |front| {
            front.insert(words, held, tier.era(), tier.epochs(), now, &mut dead);
        });
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
    made.function(py)?.getattr(pyo3::intern!(py, "__name__"))
}

fn gap<'py>(
    made: &Made,
    helper: &Bound<'py, PyAny>,
    asked: Asked,
    fill: Fill,
) -> PyResult<Answer<'py>> {
    let py = helper.py();
    let gap = Gap::new(made.function(py)?, helper, asked, fill);
    Ok(Answer::Gap(Bound::new(py, gap)?))
}

/// A gap that was found in Rust, on its way to the function's body.
pub(super) struct Stashed {
    shortcut: usize,
    arguments: SmallVec<[usize; 6]>,
    gap: Py<Gap>,
}

thread_local! {
    static STASHED: RefCell<Option<Stashed>> = const { RefCell::new(None) };
}

/// Leave a gap for the body that is called next. What was left before is to be put back after.
pub(super) fn stash(
    shortcut: &Bound<'_, Shortcut>,
    arguments: &Arguments<'_, '_>,
    gap: Bound<'_, Gap>,
) -> Option<Stashed> {
    let stashed = Stashed {
        shortcut: shortcut.as_ptr().addr(),
        arguments: arguments.addresses().collect(),
        gap: gap.unbind(),
    };
    STASHED.with(|place| place.replace(Some(stashed)))
}

/// Put back what was left for another body, or nothing. What is still there was not taken: the body
/// never began.
pub(super) fn unstash(before: Option<Stashed>) {
    let _left = STASHED.with(|place| place.replace(before));
}

/// The gap that was left for this call.
fn unstashed<'py>(
    shortcut: &Bound<'py, Shortcut>,
    arguments: &Arguments<'_, 'py>,
) -> Option<Bound<'py, Gap>> {
    STASHED.with(|place| {
        let mut place = place.borrow_mut();
        let is_for_this = place.as_ref().is_some_and(|stashed| {
            stashed.shortcut == shortcut.as_ptr().addr() && arguments.are_those(&stashed.arguments)
        });
        let stashed = if is_for_this { place.take() } else { None };
        stashed.map(|stashed| stashed.gap.into_bound(shortcut.py()))
    })
}

/// What is cached for a call, or the gap to be filled: called by the body of a decorated function.
#[pyfunction]
#[pyo3(name = "_find")]
pub(super) fn find<'py>(
    shortcut: &Bound<'py, Shortcut>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = Arguments::of(args, kwargs);
    if let Some(gap) = unstashed(shortcut, &arguments) {
        return Ok(gap.into_any());
    }
    match Shortcut::find(shortcut, &arguments)? {
        Answer::Value(value) => Ok(value),
        Answer::Gap(gap) => Ok(gap.into_any()),
    }
}

#[pymethods]
impl Shortcut {
    #[new]
    fn new(helper: Py<PyAny>) -> Self {
        Self {
            helper,
            code: OnceLock::new(),
            armed: Attached::new(None),
            busy: AtomicBool::new(false),
        }
    }

    /// Have the function whose one closure cell holds this shortcut try it first.
    fn install(&self, function: &Bound<'_, PyFunction>) -> PyResult<()> {
        let code = function.getattr(pyo3::intern!(function.py(), "__code__"))?;
        if self.code.set(code.unbind()).is_ok() {
            raw::entry::install(function);
        }
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.helper)?;
        let armed = self.armed.try_with(|armed| match armed {
            Some(armed) => armed.traverse(&visit),
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
        self.class.traverse(visit)?;
        let Some((first, front)) = &self.near else {
            return Ok(());
        };
        first.traverse(visit)?;
        // As in the cache: isolated values lead nowhere.
        if first.cache.get().is_isolated() {
            return Ok(());
        }
        let visited = front.try_with(|front| {
            front
                .values()
                .try_for_each(|object| visit.call(&*object.visited()))
        });
        debug_assert!(
            visited.is_some(),
            "a lock was held during garbage collection"
        );
        visited.unwrap_or(Ok(()))
    }
}

impl<'py> Answer<'py> {
    /// After a panic: the call goes through the helper's methods.
    pub(super) fn panicked(shortcut: &Bound<'py, Shortcut>) -> PyResult<Self> {
        let py = shortcut.py();
        log::error!(target: "quickcache", "a call in Rust panicked, and is left to Python");
        let helper = shortcut.get().helper.bind(py);
        Ok(Self::Gap(Bound::new(py, Gap::open(helper))?))
    }
}
