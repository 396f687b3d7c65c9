//! `HelperBase`: a call of a decorated function, as long as nothing of its helper is overridden.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::codes::Coder;
use super::gap::Gap;
use super::guard::{HELPER_CALL, HELPER_KEYS};
use super::plan::{CallPlan, KeyPlan};
use super::raw;

/// The attributes of a helper that a call depends on.
const ATTRIBUTES: [&str; 6] = [
    "fn",
    "cache",
    "prefix",
    "vary_on",
    "skip_arg",
    "encoding_assert",
];

/// The part of QuickCacheHelper that runs in Rust.
///
/// The helper's attributes live in its `__dict__`; what is derived from them is kept here and made
/// anew after any of them is set.
#[pyclass(module = "quickcache._native", frozen, subclass, weakref)]
pub(super) struct HelperBase {
    derived: Mutex<Derived>,
}

#[derive(Default)]
struct Derived {
    keys: Option<Arc<KeyPlan>>,
    call: Option<Arc<CallPlan>>,
    /// The version of the helper's class for which `standing` holds; 0 for none.
    tag: u32,
    standing: Standing,
}

/// Which of a helper's methods are those of QuickCacheHelper.
#[derive(Clone, Copy, Default)]
pub(super) struct Standing {
    /// All that a call goes through.
    call: bool,
    /// All that makes a key.
    pub(super) keys: bool,
}

/// What is cached for a call, or the gap to be filled.
///
/// In Rust where the helper is a QuickCacheHelper as it was made; any other is to be called itself.
/// The function is left to the caller to call: from Python, a call within a call takes no C stack.
#[pyfunction]
#[pyo3(name = "_find")]
pub(super) fn find<'py>(
    helper: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(base) = helper.cast::<HelperBase>()
        && HelperBase::standing(base).is_full()
        && let Some(plan) = HelperBase::call_plan(base)?
    {
        return plan.find(base, args, kwargs);
    }
    Ok(Bound::new(helper.py(), Gap::open(helper))?.into_any())
}

#[pymethods]
impl HelperBase {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            derived: Mutex::default(),
        }
    }

    fn _key_of<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = Self::key_plan(slf)?.key(slf, args, kwargs)?;
        Ok(key.object().clone())
    }

    fn _code_of<'py>(
        slf: &Bound<'py, Self>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own_way = (!Self::standing(slf).keys).then_some(slf.as_any());
        let assert_function = slf.getattr_opt(intern!(py, "encoding_assert"))?;
        let assert_function = assert_function.filter(|function| !function.is_none());
        Coder::new(py, own_way, assert_function.as_ref()).code(value)
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        raw::set_attribute(slf.as_any(), name, Some(value))?;
        slf.get().forget_derived();
        Ok(())
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<()> {
        raw::set_attribute(slf.as_any(), name, None)?;
        slf.get().forget_derived();
        Ok(())
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The lock is held for moments, by attached threads, which the collector has stopped.
        let Some(derived) = self.derived.try_lock() else {
            debug_assert!(false, "a lock was held during garbage collection");
            return Ok(());
        };
        if let Some(keys) = &derived.keys {
            keys.traverse(&visit)?;
        }
        if let Some(call) = &derived.call {
            call.traverse(&visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.forget_derived();
    }
}

impl HelperBase {
    fn forget_derived(&self) {
        // Taken under the lock, dropped after it: what a plan refers to may have a destructor.
        let _old = std::mem::take(&mut *self.derived.lock());
    }

    /// Which methods are as they were made, on the class and on the helper itself.
    pub(super) fn standing(slf: &Bound<'_, Self>) -> Standing {
        let class = slf.get_type();
        let tag = raw::version_tag(&class);
        {
            let derived = slf.get().derived.lock();
            if tag != 0 && tag == derived.tag {
                return derived.standing;
            }
        }
        // An attribute that is something on the class (a property, say) is asked for each time.
        let are_plain = ATTRIBUTES
            .iter()
            .all(|name| matches!(class.getattr_opt(*name), Ok(None)));
        let standing = Standing {
            call: are_plain
                && HELPER_CALL.is_not_shadowed(slf.as_any())
                && HELPER_CALL.has_original_methods(&class),
            keys: are_plain
                && HELPER_KEYS.is_not_shadowed(slf.as_any())
                && HELPER_KEYS.has_original_methods(&class),
        };
        if tag != 0 && tag == raw::version_tag(&class) {
            let mut derived = slf.get().derived.lock();
            derived.tag = tag;
            derived.standing = standing;
        }
        standing
    }

    fn key_plan(slf: &Bound<'_, Self>) -> PyResult<Arc<KeyPlan>> {
        if let Some(plan) = &slf.get().derived.lock().keys {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(KeyPlan::of(slf.as_any())?);
        let _old = slf.get().derived.lock().keys.replace(Arc::clone(&plan));
        Ok(plan)
    }

    /// What a call needs; None if the helper lacks an attribute, or has one that only its methods
    /// know what to say to.
    fn call_plan(slf: &Bound<'_, Self>) -> PyResult<Option<Arc<CallPlan>>> {
        if let Some(plan) = &slf.get().derived.lock().call {
            return Ok(Some(Arc::clone(plan)));
        }
        let has_all = ATTRIBUTES
            .iter()
            .all(|name| matches!(slf.getattr_opt(*name), Ok(Some(_))));
        if !has_all {
            return Ok(None);
        }
        let keys = Self::key_plan(slf)?;
        let Some(plan) = CallPlan::of(slf.as_any(), keys)? else {
            return Ok(None);
        };
        let plan = Arc::new(plan);
        let _old = slf.get().derived.lock().call.replace(Arc::clone(&plan));
        Ok(Some(plan))
    }
}

impl Standing {
    fn is_full(self) -> bool {
        self.call && self.keys
    }
}
