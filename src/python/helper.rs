//! `HelperBase`: a call of a decorated function, as long as nothing of its helper is overridden.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PyString, PyTuple};

use super::bind::{Call, Signature};
use super::codes::Coder;
use super::guard::{HELPER_CALL, HELPER_KEYS};
use super::key::Key;
use super::tiered::Tiers;
use super::{logging, raw};
use crate::key::wire::Codes;

/// The attributes of a helper from which its plan is made.
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
    plan: Option<Arc<Plan>>,
    /// The version of the helper's class for which `standing` holds; 0 for none.
    tag: u32,
    standing: Standing,
}

/// Which of a helper's methods are those of QuickCacheHelper.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// All that a call goes through.
    call: bool,
    /// All that makes a key.
    keys: bool,
}

/// What a call needs to know of its helper.
struct Plan {
    function: Py<PyAny>,
    signature: Option<Signature>,
    cache: Py<PyAny>,
    prefix: String,
    vary_on: VaryOn,
    skip: Skip,
    assert_function: Option<Py<PyAny>>,
}

enum VaryOn {
    Paths(Vec<Path>),
    Function(Py<PyAny>),
}

/// An argument, and the attributes to go through from it.
struct Path {
    argument: Argument,
    attributes: Vec<Py<PyString>>,
}

struct Argument {
    name: Py<PyString>,
    slot: Option<usize>,
}

enum Skip {
    Never,
    Argument(Argument),
    Function(Py<PyAny>),
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

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let standing = Self::standing(slf);
        if standing.call && standing.keys {
            return Self::plan(slf)?.call(py, args, kwargs);
        }
        slf.call_method(intern!(py, "_call_openly"), args, kwargs)
    }

    fn _key_of<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let plan = Self::plan(slf)?;
        let own_way = (!Self::standing(slf).keys).then_some(slf.as_any());
        plan.key(py, own_way, args, Some(kwargs))
            .map(|key| key.object().clone())
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
        derived
            .plan
            .as_ref()
            .map_or(Ok(()), |plan| plan.traverse(&visit))
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
    fn standing(slf: &Bound<'_, Self>) -> Standing {
        let class = slf.get_type();
        let tag = raw::version_tag(&class);
        {
            let derived = slf.get().derived.lock();
            if tag != 0 && tag == derived.tag {
                return derived.standing;
            }
        }
        let own = slf.getattr("__dict__").ok();
        let is_free = |names: &[&str]| match &own {
            Some(own) => names
                .iter()
                .all(|name| matches!(own.contains(name), Ok(false))),
            None => true,
        };
        // An attribute that is something on the class (a property, say) is asked for each time.
        let plain = ATTRIBUTES
            .iter()
            .all(|name| matches!(class.getattr_opt(*name), Ok(None)));
        let standing = Standing {
            call: plain && is_free(HELPER_CALL.names()) && HELPER_CALL.has_original_methods(&class),
            keys: is_free(HELPER_KEYS.names()) && HELPER_KEYS.has_original_methods(&class),
        };
        if tag != 0 && tag == raw::version_tag(&class) {
            let mut derived = slf.get().derived.lock();
            derived.tag = tag;
            derived.standing = standing;
        }
        standing
    }

    fn plan(slf: &Bound<'_, Self>) -> PyResult<Arc<Plan>> {
        if let Some(plan) = &slf.get().derived.lock().plan {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::of(slf.as_any())?);
        let _old = slf.get().derived.lock().plan.replace(Arc::clone(&plan));
        Ok(plan)
    }
}

impl Plan {
    fn of(helper: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = helper.py();
        let function = helper.getattr("fn")?;
        let signature = Signature::of(&function)?;
        let argument = |name: &Bound<'_, PyString>| -> PyResult<Argument> {
            let slot = signature
                .as_ref()
                .map_or(Ok(None), |signature| signature.slot(py, name))?;
            Ok(Argument {
                name: name.clone().unbind(),
                slot,
            })
        };
        let vary_on = helper.getattr("vary_on")?;
        let vary_on = if vary_on.is_instance_of::<PyFunction>() {
            VaryOn::Function(vary_on.unbind())
        } else {
            let mut paths = Vec::new();
            for part in vary_on.try_iter()? {
                let (name, attributes): (Bound<'_, PyString>, Bound<'_, PyAny>) =
                    part?.extract()?;
                let attributes = attributes
                    .try_iter()?
                    .map(|name| Ok(name?.cast_into::<PyString>()?.unbind()));
                paths.push(Path {
                    argument: argument(&name)?,
                    attributes: attributes.collect::<PyResult<_>>()?,
                });
            }
            VaryOn::Paths(paths)
        };
        let skip = helper.getattr("skip_arg")?;
        let skip = if !skip.is_truthy()? {
            Skip::Never
        } else if let Ok(name) = skip.cast::<PyString>() {
            Skip::Argument(argument(name)?)
        } else {
            Skip::Function(skip.unbind())
        };
        let assert_function = helper.getattr_opt("encoding_assert")?;
        Ok(Self {
            signature,
            cache: helper.getattr("cache")?.unbind(),
            prefix: helper.getattr("prefix")?.str()?.to_str()?.to_owned(),
            vary_on,
            skip,
            assert_function: assert_function
                .filter(|function| !function.is_none())
                .map(Bound::unbind),
            function: function.unbind(),
        })
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = self.function.bind(py);
        if self.skips(py, args, kwargs)? {
            let content = function.call(args, kwargs)?;
            // after the call, which may have changed its arguments: as it always was
            let key = self.key(py, None, args, kwargs)?;
            Tiers::of(self.cache.bind(py))?.set(&key, &content)?;
            return Ok(content);
        }
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, &format!("checking caches for {}", self.name(py)?))?;
        }
        let key = self.key(py, None, args, kwargs)?;
        if debug {
            logging::debug_object(key.object())?;
        }
        let tiers = Tiers::of(self.cache.bind(py))?;
        if let Some(value) = tiers.get(&key)? {
            return Ok(value);
        }
        if debug {
            logging::debug(py, &format!("cache miss, calling {}", self.name(py)?))?;
        }
        let content = function.call(args, kwargs)?;
        tiers.set(&key, &content)?;
        Ok(content)
    }

    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.function
            .bind(py)
            .getattr(intern!(py, "__name__"))?
            .str()
    }

    fn skips<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        match &self.skip {
            Skip::Never => Ok(false),
            Skip::Function(function) => function.bind(py).call(args, kwargs)?.is_truthy(),
            Skip::Argument(argument) => {
                let call = Call::bind(
                    self.function.bind(py),
                    self.signature.as_ref(),
                    args,
                    kwargs,
                )?;
                call.value(argument.name.bind(py), argument.slot)?
                    .is_truthy()
            }
        }
    }

    fn key<'py>(
        &self,
        py: Python<'py>,
        own_way: Option<&Bound<'py, PyAny>>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Key<'py>> {
        // Binds in any case: wrong arguments are an error even where nothing varies on them.
        let call = Call::bind(
            self.function.bind(py),
            self.signature.as_ref(),
            args,
            kwargs,
        )?;
        let values = match &self.vary_on {
            VaryOn::Function(function) => Values::Of(function.bind(py).call(args, kwargs)?),
            VaryOn::Paths(paths) => {
                let mut values = Vec::with_capacity(paths.len());
                for path in paths {
                    let mut value = call.value(path.argument.name.bind(py), path.argument.slot)?;
                    for attribute in &path.attributes {
                        value = value.getattr(attribute.bind(py))?;
                    }
                    values.push(value);
                }
                Values::Are(values)
            }
        };
        let assert_function = self
            .assert_function
            .as_ref()
            .map(|function| function.bind(py));
        let code_maker = Coder::new(py, own_way, assert_function);
        match own_way {
            None => {
                let mut codes = Codes::new();
                values.try_for_each(|value| {
                    codes.value();
                    code_maker.write(&mut codes, &value, 0)
                })?;
                Ok(Key::from_wire(py, codes.into_key(&self.prefix)))
            }
            Some(helper) => {
                let codes = PyList::empty(py);
                values.try_for_each(|value| {
                    codes.append(helper.call_method1(intern!(py, "_serialize_for_key"), (value,))?)
                })?;
                self.key_in_own_way(helper, &codes)
            }
        }
    }

    /// The key of a helper that makes codes or hashes in its own way.
    fn key_in_own_way<'py>(
        &self,
        helper: &Bound<'py, PyAny>,
        codes: &Bound<'py, PyList>,
    ) -> PyResult<Key<'py>> {
        let py = helper.py();
        let mut joined = PyString::new(py, ",").call_method1(intern!(py, "join"), (codes,))?;
        if joined.len()? > crate::key::wire::LONGEST_CODES {
            let hash = helper.call_method1(intern!(py, "_hash"), (joined,))?;
            joined = PyString::new(py, "H").add(hash)?;
        }
        let key = PyString::new(py, "quickcache.{}/{}");
        let key = key.call_method1(intern!(py, "format"), (&self.prefix, joined))?;
        Ok(Key::from_object(key))
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.cache)?;
        visit.call(&self.assert_function)?;
        if let VaryOn::Function(function) = &self.vary_on {
            visit.call(function)?;
        }
        if let Skip::Function(function) = &self.skip {
            visit.call(function)?;
        }
        Ok(())
    }
}

/// The values that a key is made of.
enum Values<'py> {
    Are(Vec<Bound<'py, PyAny>>),
    /// What a vary_on function returned: values to be iterated over.
    Of(Bound<'py, PyAny>),
}

impl<'py> Values<'py> {
    fn try_for_each(self, mut each: impl FnMut(Bound<'py, PyAny>) -> PyResult<()>) -> PyResult<()> {
        match self {
            Self::Are(values) => values.into_iter().try_for_each(each),
            Self::Of(values) => values.try_iter()?.try_for_each(|value| each(value?)),
        }
    }
}
