//! `HelperBase`: a call of a decorated function, as long as nothing of its helper is overridden.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PyString, PyTuple};

use super::bind::{Call, Signature};
use super::codes::{Coder, formatted};
use super::guard::{HELPER_CALL, HELPER_KEYS};
use super::key::Key;
use super::tiered::Tiers;
use super::{logging, raw};
use crate::key::wire::{Codes, LONGEST_CODES};

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
struct Standing {
    /// All that a call goes through.
    call: bool,
    /// All that makes a key.
    keys: bool,
}

/// What it takes to make a key of a call's arguments.
struct KeyPlan {
    function: Py<PyAny>,
    signature: Option<Signature>,
    /// None where there is none, or one with lone surrogates, which only Python can put into a text.
    prefix: Option<String>,
    vary_on: VaryOn,
    assert_function: Option<Py<PyAny>>,
}

enum VaryOn {
    Paths(Vec<Path>),
    Function(Py<PyAny>),
    /// Assigned by hand, in a shape of its own.
    Object(Py<PyAny>),
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

/// What else a call needs.
struct CallPlan {
    keys: Arc<KeyPlan>,
    cache: Py<PyAny>,
    skip: Skip,
}

enum Skip {
    Never,
    Argument(Argument),
    Function(Py<PyAny>),
}

/// Call a helper: in Rust where it is a QuickCacheHelper as it was made.
#[pyfunction]
#[pyo3(name = "_call")]
pub(super) fn call<'py>(
    helper: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(base) = helper.cast::<HelperBase>()
        && HelperBase::standing(base).is_full()
        && let Some(plan) = HelperBase::call_plan(base)?
    {
        return plan.call(base, args, kwargs);
    }
    helper.call(args, Some(kwargs))
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
    fn standing(slf: &Bound<'_, Self>) -> Standing {
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

impl CallPlan {
    fn of(helper: &Bound<'_, PyAny>, keys: Arc<KeyPlan>) -> PyResult<Option<Self>> {
        let skip = helper.getattr("skip_arg")?;
        let skip = if !skip.is_truthy()? {
            Skip::Never
        } else if let Ok(name) = skip.cast::<PyString>() {
            Skip::Argument(Argument::of(name, keys.signature.as_ref())?)
        } else if skip.is_instance_of::<PyFunction>() {
            Skip::Function(skip.unbind())
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            keys,
            cache: helper.getattr("cache")?.unbind(),
            skip,
        }))
    }

    fn call<'py>(
        &self,
        helper: &Bound<'py, HelperBase>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = helper.py();
        let function = self.keys.function.bind(py);
        if self.skips(py, args, kwargs)? {
            let content = function.call(args, Some(kwargs))?;
            // The key after the call, which may have changed its arguments: as it always was. And
            // through the methods, which it may have changed as well.
            let key = helper.call_method(intern!(py, "get_cache_key"), args, Some(kwargs))?;
            let cache = helper.getattr(intern!(py, "cache"))?;
            Tiers::new().set(&cache, &Key::from_object(key), &content)?;
            return Ok(content);
        }
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "checking caches for {}", &self.name(py)?)?;
        }
        let key = self.keys.key(helper, args, kwargs)?;
        if debug {
            logging::debug(py, "{}", key.object())?;
        }
        let mut tiers = Tiers::new();
        if let Some(value) = tiers.get(self.cache.bind(py), &key)? {
            return Ok(value);
        }
        if debug {
            logging::debug(py, "cache miss, calling {}", &self.name(py)?)?;
        }
        let content = function.call(args, Some(kwargs))?;
        let cache = helper.getattr(intern!(py, "cache"))?;
        tiers.set(&cache, &key, &content)?;
        Ok(content)
    }

    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.keys.function.bind(py).getattr(intern!(py, "__name__"))
    }

    fn skips<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<bool> {
        match &self.skip {
            Skip::Never => Ok(false),
            Skip::Function(function) => function.bind(py).call(args, Some(kwargs))?.is_truthy(),
            Skip::Argument(argument) => {
                let call = self.keys.bind(py, args, kwargs)?;
                argument.value(&call, py)?.is_truthy()
            }
        }
    }

    /// Shows what is this plan's own; that of its keys, the helper shows.
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cache)?;
        match &self.skip {
            Skip::Function(function) => visit.call(function),
            Skip::Never | Skip::Argument(_) => Ok(()),
        }
    }
}

impl Argument {
    fn of(name: &Bound<'_, PyString>, signature: Option<&Signature>) -> PyResult<Self> {
        let slot = signature.map_or(Ok(None), |signature| signature.slot(name.py(), name))?;
        Ok(Self {
            name: name.clone().unbind(),
            slot,
        })
    }

    fn value<'py>(&self, call: &Call<'_, 'py>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        call.value(self.name.bind(py), self.slot)
    }
}

impl Path {
    /// A path as QuickCacheHelper makes it: a name and the names of attributes.
    fn of(part: &Bound<'_, PyAny>, signature: Option<&Signature>) -> PyResult<Self> {
        let (name, attributes): (Bound<'_, PyString>, Bound<'_, PyTuple>) = part.extract()?;
        let attributes = attributes
            .iter()
            .map(|name| Ok(name.cast_into::<PyString>()?.unbind()));
        Ok(Self {
            argument: Argument::of(&name, signature)?,
            attributes: attributes.collect::<PyResult<_>>()?,
        })
    }
}

impl KeyPlan {
    fn of(helper: &Bound<'_, PyAny>) -> PyResult<Self> {
        let function = helper.getattr("fn")?;
        let signature = Signature::of(&function)?;
        let vary_on = helper.getattr("vary_on")?;
        let vary_on = if vary_on.is_instance_of::<PyFunction>() {
            VaryOn::Function(vary_on.unbind())
        } else {
            let paths = vary_on.cast::<PyList>().map(|list| {
                let paths = list.iter().map(|part| Path::of(&part, signature.as_ref()));
                paths.collect::<PyResult<Vec<_>>>()
            });
            match paths {
                Ok(Ok(paths)) => VaryOn::Paths(paths),
                _ => VaryOn::Object(vary_on.unbind()),
            }
        };
        let prefix = helper.getattr_opt("prefix")?;
        let prefix = prefix.map(|prefix| formatted(&prefix)).transpose()?;
        let assert_function = helper.getattr_opt("encoding_assert")?;
        Ok(Self {
            signature,
            prefix: prefix.and_then(|prefix| prefix.to_str().map(str::to_owned).ok()),
            vary_on,
            assert_function: assert_function
                .filter(|function| !function.is_none())
                .map(Bound::unbind),
            function: function.unbind(),
        })
    }

    fn bind<'a, 'py>(
        &'a self,
        py: Python<'py>,
        args: &'a Bound<'py, PyTuple>,
        kwargs: &'a Bound<'py, PyDict>,
    ) -> PyResult<Call<'a, 'py>> {
        Call::bind(
            self.function.bind(py),
            self.signature.as_ref(),
            args,
            kwargs,
        )
    }

    fn key<'py>(
        &self,
        helper: &Bound<'py, HelperBase>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Key<'py>> {
        let py = helper.py();
        // Binds in any case: wrong arguments are an error even where nothing varies on them.
        let call = self.bind(py, args, kwargs)?;
        let values = self.values(&call, py, args, kwargs)?;
        let own_way = (!HelperBase::standing(helper).keys).then_some(helper.as_any());
        let assert_function = self.assert_function.as_ref();
        let writer = Coder::new(
            py,
            own_way,
            assert_function.map(|function| function.bind(py)),
        );
        let Some(own_way) = own_way else {
            let mut text = Codes::new();
            values.try_for_each(|value| {
                text.value();
                writer.write(&mut text, &value, 0)
            })?;
            return if let Some(prefix) = &self.prefix {
                Ok(Key::from_wire(py, text.into_key(prefix)))
            } else {
                let codes = PyString::new(py, &text.into_codes());
                key_of_texts(&helper.getattr("prefix")?, codes.as_any())
            };
        };
        let codes = PyList::empty(py);
        values.try_for_each(|value| {
            codes.append(own_way.call_method1(intern!(py, "_serialize_for_key"), (value,))?)
        })?;
        let mut codes = PyString::new(py, ",").call_method1(intern!(py, "join"), (codes,))?;
        if codes.len()? > LONGEST_CODES {
            let hash = own_way.call_method1(intern!(py, "_hash"), (codes,))?;
            codes = PyString::new(py, "H").add(hash)?;
        }
        key_of_texts(&helper.getattr(intern!(py, "prefix"))?, &codes)
    }

    fn values<'py>(
        &self,
        call: &Call<'_, 'py>,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Values<'py>> {
        match &self.vary_on {
            VaryOn::Function(function) => {
                Ok(Values::Of(function.bind(py).call(args, Some(kwargs))?))
            }
            VaryOn::Paths(paths) => {
                let mut values = Vec::with_capacity(paths.len());
                for path in paths {
                    let mut value = path.argument.value(call, py)?;
                    for attribute in &path.attributes {
                        value = value.getattr(attribute.bind(py))?;
                    }
                    values.push(value);
                }
                Ok(Values::Are(values))
            }
            VaryOn::Object(vary_on) => {
                let named = call.named(py)?;
                let values = py
                    .import(intern!(py, "quickcache._helper"))?
                    .call_method1(intern!(py, "varied_values"), (vary_on, named))?;
                Ok(Values::Of(values))
            }
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.assert_function)?;
        if let Some(signature) = &self.signature {
            visit.call(signature.function())?;
        }
        match &self.vary_on {
            VaryOn::Function(object) | VaryOn::Object(object) => visit.call(object),
            VaryOn::Paths(_) => Ok(()),
        }
    }
}

/// A key of texts that only Python can join.
fn key_of_texts<'py>(prefix: &Bound<'py, PyAny>, codes: &Bound<'py, PyAny>) -> PyResult<Key<'py>> {
    let py = prefix.py();
    let key = PyString::new(py, "quickcache.{}/{}");
    let key = key.call_method1(intern!(py, "format"), (prefix, codes))?;
    Ok(Key::from_object(key))
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
