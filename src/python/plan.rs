//! What a call of a decorated function takes, derived from its helper's attributes.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PyString, PyTuple};

use super::bind::{Call, Signature};
use super::codes::{Coder, formatted};
use super::gap::{Fill, Gap};
use super::helper::HelperBase;
use super::key::Key;
use super::tiered::{self, Answer, Asked};
use super::{logging, raw};
use crate::key::wire::{Codes, LONGEST_CODES};

/// What it takes to make a key of a call's arguments.
pub(super) struct KeyPlan {
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
pub(super) struct CallPlan {
    keys: Arc<KeyPlan>,
    cache: Py<PyAny>,
    skip: Skip,
}

enum Skip {
    Never,
    Argument(Argument),
    Function(Py<PyAny>),
}

impl CallPlan {
    pub(super) fn of(helper: &Bound<'_, PyAny>, keys: Arc<KeyPlan>) -> PyResult<Option<Self>> {
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

    /// What is cached for a call, or the gap to be filled.
    pub(super) fn find<'py>(
        &self,
        helper: &Bound<'py, HelperBase>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = helper.py();
        if self.skips(py, args, kwargs)? {
            let asked = Asked::now(self.cache.bind(py))?;
            let fill = Fill::Refresh(args.clone().unbind(), kwargs.clone().unbind());
            return self.gap(helper, asked, fill);
        }
        let debug = logging::debug_enabled(py)?;
        if debug {
            logging::debug(py, "checking caches for {}", &self.name(py)?)?;
        }
        let key = self.keys.key(helper, args, kwargs)?;
        if debug {
            logging::debug(py, "{}", key.object())?;
        }
        let asked = match tiered::get(self.cache.bind(py), &key)? {
            Answer::Value(value) => return Ok(value),
            Answer::Nothing(asked) => asked,
        };
        if debug {
            logging::debug(py, "cache miss, calling {}", &self.name(py)?)?;
        }
        self.gap(helper, asked, Fill::Key(key.unbind()))
    }

    fn gap<'py>(
        &self,
        helper: &Bound<'py, HelperBase>,
        asked: Asked,
        fill: Fill,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = helper.py();
        let gap = Gap::new(self.keys.function.bind(py), helper.as_any(), asked, fill);
        Ok(Bound::new(py, gap)?.into_any())
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
            Skip::Function(function) => {
                raw::call(function.bind(py), args, Some(kwargs))?.is_truthy()
            }
            Skip::Argument(argument) => {
                let call = self.keys.bind(py, args, kwargs)?;
                argument.value(&call, py)?.is_truthy()
            }
        }
    }

    /// Shows what is this plan's own; that of its keys, the helper shows.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
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
    pub(super) fn of(helper: &Bound<'_, PyAny>) -> PyResult<Self> {
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

    pub(super) fn key<'py>(
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
                writer.write(&mut text, &value)
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
            VaryOn::Function(function) => Ok(Values::Of(raw::call(
                function.bind(py),
                args,
                Some(kwargs),
            )?)),
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
                let values = raw::imported(py, "quickcache._helper", "varied_values")?
                    .call1((vary_on, named))?;
                Ok(Values::Of(values))
            }
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
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
