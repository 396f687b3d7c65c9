//! What a call of a decorated function takes, derived from its helper's attributes.

use std::sync::Arc;
use std::sync::OnceLock;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PyString, PyTuple, PyType};
use smallvec::SmallVec;

use super::arguments::Arguments;
use super::bind::{Call, Signature};
use super::codes::Coder;
use super::guard::HELPER_KEYS;
use super::key::Key;
use super::local;
use super::raw;
use super::raw::intern;
use super::raw::words::Words;
use crate::key::packed::KeyPrefix;
use crate::key::wire::{Codes, LONGEST_CODES};

/// The attributes of a helper that a call depends on.
const ATTRIBUTES: [&str; 6] = [
    "fn",
    "prefix",
    "vary_on",
    "encoding_assert",
    "cache",
    "skip_arg",
];
/// How many of them a key depends on.
const OF_KEYS: usize = 4;
const VARY_ON: usize = 2;

/// What is derived from a helper's attributes: kept among them, as `_quickcache_plan`, and made anew once one of
/// them is another.
#[pyclass(module = "quickcache._native", name = "_Plan", frozen)]
#[derive(Default)]
pub(super) struct Plan(Option<Made>);

/// A plan that is more than the place for one.
pub(super) struct Made {
    /// The attributes, in the order of `ATTRIBUTES`; None where the helper has none of the name.
    sources: Vec<Option<Py<PyAny>>>,
    /// What was in the list `vary_on`.
    varied: Vec<Py<PyAny>>,
    pub(super) signature: Option<Signature>,
    /// None where it is no plain text of Unicode: then only Python can put it into a key.
    prefix: Option<Arc<KeyPrefix>>,
    pub(super) vary_on: VaryOn,
    /// None for a helper whose calls go through its own methods.
    pub(super) skip: Option<Skip>,
}

pub(super) enum VaryOn {
    Paths(Vec<Path>),
    Function(Py<PyAny>),
    /// Assigned by hand, in a shape of its own.
    Object(Py<PyAny>),
}

/// An argument, and the attributes to go through from it.
pub(super) struct Path {
    pub(super) argument: Argument,
    pub(super) attributes: Vec<Py<PyString>>,
}

pub(super) struct Argument {
    name: Py<PyString>,
    pub(super) slot: Option<usize>,
}

/// When the cache is passed over.
pub(super) enum Skip {
    Never,
    Argument(Argument),
    Function(Py<PyAny>),
}

/// The values that a key is made of.
pub(super) enum Values<'py> {
    Are(SmallVec<[Bound<'py, PyAny>; 6]>),
    /// What a vary_on function returned: values to be iterated over.
    Of(Bound<'py, PyAny>),
}

impl Plan {
    /// The plan of a helper.
    pub(super) fn of<'py>(helper: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = helper.py();
        let place = intern!(py, "_quickcache_plan");
        let dict = raw::own_dict(helper).filter(|_| is_plain(&helper.get_type()));
        let Some(dict) = dict else {
            return Bound::new(py, Self(Some(Made::of_keys(helper)?)));
        };
        if let Some(plan) = dict.get_item(place)?
            && let Ok(plan) = plan.cast_into_exact::<Self>()
            && plan.get().fits(&dict)
        {
            return Ok(plan);
        }
        let plan = Bound::new(py, Self(Some(Made::of_calls(helper, &dict)?)))?;
        dict.set_item(place, &plan)?;
        Ok(plan)
    }

    /// Whether the attributes are those that the plan was made of.
    pub(super) fn fits(&self, dict: &Bound<'_, PyDict>) -> bool {
        let Some(made) = &self.0 else {
            return false;
        };
        let py = dict.py();
        let are_same = names(py).iter().zip(&made.sources).all(|(name, known)| {
            match (dict.get_item(name), known) {
                (Ok(Some(value)), Some(known)) => value.is(known),
                (Ok(None), None) => true,
                _ => false,
            }
        });
        are_same && made.varies_as_before(py)
    }

    /// The function's parameters, if they are of a kind that is bound in Rust.
    #[inline]
    pub(super) fn signature(&self) -> Option<&Signature> {
        self.0.as_ref()?.signature.as_ref()
    }

    pub(super) fn made(&self) -> PyResult<&Made> {
        self.0.as_ref().ok_or_else(|| {
            pyo3::exceptions::PyRuntimeError::new_err("a plan that was copied is to be made first")
        })
    }
}

#[pymethods]
impl Plan {
    /// Copies and pickles of a helper take no plan with them, only the place for one.
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, Bound<'py, PyTuple>) {
        (slf.get_type(), PyTuple::empty(slf.py()))
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.as_ref().map_or(Ok(()), |made| made.traverse(&visit))
    }
}

/// The attributes' names as texts that dicts find at once.
fn names(py: Python<'_>) -> &[Py<PyString>; 6] {
    static NAMES: OnceLock<[Py<PyString>; 6]> = OnceLock::new();
    NAMES.get_or_init(|| ATTRIBUTES.map(|name| PyString::intern(py, name).unbind()))
}

/// Whether what a helper of this class has by a name is what lies in its `__dict__`.
pub(super) fn is_plain(class: &Bound<'_, PyType>) -> bool {
    let py = class.py();
    let object = py.get_type::<PyAny>();
    let is_objects = |name: &Bound<'_, PyString>| matches!((class.getattr(name), object.getattr(name)), (Ok(own), Ok(known)) if own.is(&known));
    is_objects(intern!(py, "__getattribute__"))
        && matches!(class.getattr_opt(intern!(py, "__getattr__")), Ok(None))
        && names(py)
            .iter()
            .all(|name| matches!(class.getattr_opt(name), Ok(None)))
}

/// Whether all that a call depends on lies in the helper's `__dict__`.
pub(super) fn has_all(helper: &Bound<'_, PyAny>) -> bool {
    raw::own_dict(helper).is_some_and(|dict| {
        names(helper.py())
            .iter()
            .all(|name| matches!(dict.contains(name), Ok(true)))
    })
}

impl Made {
    /// From the attributes that a key takes, however the helper has them.
    fn of_keys(helper: &Bound<'_, PyAny>) -> PyResult<Self> {
        let attributes = ATTRIBUTES[..OF_KEYS]
            .iter()
            .map(|name| helper.getattr_opt(*name));
        Self::new(helper, &attributes.collect::<PyResult<Vec<_>>>()?)
    }

    /// From what lies in the helper's `__dict__`.
    fn of_calls(helper: &Bound<'_, PyAny>, dict: &Bound<'_, PyDict>) -> PyResult<Self> {
        let attributes = ATTRIBUTES.iter().map(|name| dict.get_item(*name));
        let attributes = attributes.collect::<PyResult<Vec<_>>>()?;
        let mut made = Self::new(helper, &attributes)?;
        if let Some(skip) = &attributes[5]
            && attributes.iter().all(Option::is_some)
        {
            made.skip = Skip::of(skip, made.signature.as_ref())?;
        }
        Ok(made)
    }

    fn new(helper: &Bound<'_, PyAny>, attributes: &[Option<Bound<'_, PyAny>>]) -> PyResult<Self> {
        let given = |place: usize| match &attributes[place] {
            Some(value) => Ok(value.clone()),
            None => helper.getattr(ATTRIBUTES[place]),
        };
        let function = given(0)?;
        let signature = Signature::of(&function)?;
        let vary_on = given(VARY_ON)?;
        let varied = vary_on.cast::<PyList>().map_or_else(
            |_| Vec::new(),
            |list| list.iter().map(Bound::unbind).collect(),
        );
        let vary_on = VaryOn::of(vary_on, signature.as_ref());
        let prefix = attributes[1].as_ref();
        let prefix = prefix.and_then(|prefix| prefix.cast_exact::<PyString>().ok());
        Ok(Self {
            signature,
            varied,
            prefix: prefix
                .and_then(|prefix| prefix.to_str().map(KeyPrefix::new).map(Arc::new).ok()),
            vary_on,
            skip: None,
            sources: attributes
                .iter()
                .map(|value| value.clone().map(Bound::unbind))
                .collect(),
        })
    }

    /// Whether the list `vary_on` has in it what it had.
    fn varies_as_before(&self, py: Python<'_>) -> bool {
        let Some(Some(vary_on)) = self.sources.get(VARY_ON) else {
            return true;
        };
        vary_on
            .bind(py)
            .cast_exact::<PyList>()
            .map_or(true, |list| raw::read::has_in_it(list, &self.varied))
    }

    /// Note what is as it was while calls are bound and values chosen as this says. False if something
    /// has changed since this was made.
    pub(super) fn note(&self, py: Python<'_>, words: &mut Words) -> bool {
        if let Some(signature) = &self.signature {
            words.code_of(signature.function(py));
            if !signature.has_its_code(py) {
                return false;
            }
        }
        if let Some(Some(vary_on)) = self.sources.get(VARY_ON)
            && let Ok(vary_on) = vary_on.bind(py).cast_exact::<PyList>()
        {
            words.items_of(vary_on, self.varied.len());
        }
        self.varies_as_before(py)
    }

    pub(super) fn function<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyAny>> {
        self.attribute(py, 0)
    }

    pub(super) fn cache<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyAny>> {
        self.attribute(py, 4)
    }

    fn attribute<'a, 'py>(
        &'a self,
        py: Python<'py>,
        place: usize,
    ) -> PyResult<&'a Bound<'py, PyAny>> {
        let value = self.sources.get(place).and_then(Option::as_ref);
        value
            .map(|value| value.bind(py))
            .ok_or_else(|| pyo3::exceptions::PyAttributeError::new_err(ATTRIBUTES[place]))
    }

    /// The key for a call.
    pub(super) fn key<'py>(
        &self,
        helper: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Key> {
        let own_way = !has_own_keys(helper);
        self.key_of(helper, &self.values(helper.py(), arguments)?, own_way)
    }

    /// The key for the values of a call. `own_way` says that the helper's methods are to make it.
    pub(super) fn key_of<'py>(
        &self,
        helper: &Bound<'py, PyAny>,
        values: &Values<'py>,
        own_way: bool,
    ) -> PyResult<Key> {
        let py = helper.py();
        let own_way = own_way.then_some(helper);
        let assert_function = self.sources.get(3).and_then(Option::as_ref);
        let assert_function = assert_function.map(|function| function.bind(py));
        let assert_function = assert_function.filter(|function| !function.is_none());
        let writer = Coder::new(py, own_way, assert_function);
        let Some(own_way) = own_way else {
            let mut text = Codes::new();
            values.try_for_each(|value| {
                text.value();
                writer
                    .write(&mut text, value)
                    .map_err(|error| of_a_generator(py, error))
            })?;
            return if let Some(prefix) = &self.prefix {
                Ok(Key::from_wire(prefix, text.into_codes()))
            } else {
                let codes = PyString::new(py, &text.into_codes());
                key_of_texts(&helper.getattr("prefix")?, codes.as_any())
            };
        };
        let codes = PyList::empty(py);
        values.try_for_each(|value| {
            let code = raw::method(own_way, intern!(py, "_serialize_for_key"), &[value]);
            codes.append(code.map_err(|error| of_a_generator(py, error))?)
        })?;
        let mut codes = PyString::new(py, ",").call_method1(intern!(py, "join"), (codes,))?;
        if codes.len()? > LONGEST_CODES {
            let hash = raw::method(own_way, intern!(py, "_hash"), &[&codes])?;
            codes = PyString::new(py, "H").add(hash)?;
        }
        key_of_texts(&helper.getattr(intern!(py, "prefix"))?, &codes)
    }

    /// The key for a call, where nobody can notice that it is made, nor change what it is made of.
    pub(super) fn key_unnoticed<'py>(
        &self,
        helper: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Key> {
        let VaryOn::Paths(paths) = &self.vary_on else {
            return None;
        };
        if self.prefix.is_none() || paths.iter().any(|path| !path.attributes.is_empty()) {
            return None;
        }
        let values = self.values(helper.py(), arguments).ok()?;
        if !values.are_lasting() {
            return None;
        }
        self.key_of(helper, &values, false).ok()
    }

    /// The values that a call varies on.
    pub(super) fn values<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Values<'py>> {
        // Binds in any case: wrong arguments are an error even where nothing varies on them.
        let call = self.bind(py, arguments)?;
        match &self.vary_on {
            VaryOn::Paths(paths) => {
                let mut values = SmallVec::with_capacity(paths.len());
                for path in paths {
                    let mut value = path.argument.value(&call, py)?;
                    for attribute in &path.attributes {
                        value = raw::attribute(&value, attribute)?;
                    }
                    values.push(value);
                }
                Ok(Values::Are(values))
            }
            VaryOn::Function(function) => Ok(Values::Of(call_with(function.bind(py), arguments)?)),
            VaryOn::Object(vary_on) => {
                let named = call.named(py)?;
                let values = raw::imported(py, "quickcache._helper", "varied_values")?
                    .call1((vary_on, named))?;
                Ok(Values::Of(values))
            }
        }
    }

    fn bind<'a, 'py>(
        &'a self,
        py: Python<'py>,
        arguments: &'a Arguments<'a, 'py>,
    ) -> PyResult<Call<'a, 'py>> {
        Call::bind(self.function(py)?, self.signature.as_ref(), arguments)
    }

    /// Whether a call passes the cache over.
    pub(super) fn skips<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<bool> {
        match &self.skip {
            None | Some(Skip::Never) => Ok(false),
            Some(Skip::Function(function)) => call_with(function.bind(py), arguments)?.is_truthy(),
            Some(Skip::Argument(argument)) => {
                let call = self.bind(py, arguments)?;
                argument.value(&call, py)?.is_truthy()
            }
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for value in self.sources.iter().flatten().chain(&self.varied) {
            visit.call(value)?;
        }
        if let Some(signature) = &self.signature {
            signature.traverse(visit)?;
        }
        match &self.vary_on {
            VaryOn::Function(object) | VaryOn::Object(object) => visit.call(object)?,
            VaryOn::Paths(_) => {}
        }
        match &self.skip {
            Some(Skip::Function(function)) => visit.call(function),
            None | Some(Skip::Never | Skip::Argument(_)) => Ok(()),
        }
    }
}

/// Whether a helper makes its keys as QuickCacheHelper does.
pub(super) fn has_own_keys(helper: &Bound<'_, PyAny>) -> bool {
    HELPER_KEYS.is_not_shadowed(helper) && HELPER_KEYS.holds_for_class(&helper.get_type())
}

fn call_with<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    raw::call(function, &arguments.args(py)?, Some(&arguments.kwargs(py)?))
}

/// A key of texts that only Python can join.
fn key_of_texts<'py>(prefix: &Bound<'py, PyAny>, codes: &Bound<'py, PyAny>) -> PyResult<Key> {
    let py = prefix.py();
    let key = PyString::new(py, "quickcache.{}/{}");
    let key = key.call_method1(intern!(py, "format"), (prefix, codes))?;
    Ok(Key::from_object(&key))
}

/// What 0.5 raises, whose keys are made in a generator: StopIteration would end the loop that calls the function.
fn of_a_generator(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let told = PyRuntimeError::new_err("generator raised StopIteration");
    told.set_cause(py, Some(error));
    told
}

impl VaryOn {
    fn of(vary_on: Bound<'_, PyAny>, signature: Option<&Signature>) -> Self {
        let is_function = |object: &Bound<'_, PyAny>| {
            let class = object.py().get_type::<PyFunction>();
            object.is_instance(&class).unwrap_or_default()
        };
        let paths = vary_on.cast_exact::<PyList>().map(|list| {
            let paths = list.iter().map(|part| Path::of(&part, signature));
            paths.collect::<PyResult<Vec<_>>>()
        });
        match paths {
            Ok(Ok(paths)) => Self::Paths(paths),
            // By its class: it may stand for one, as wrapt's do.
            Err(_) if is_function(&vary_on) => Self::Function(vary_on.unbind()),
            _ => Self::Object(vary_on.unbind()),
        }
    }
}

impl Skip {
    /// None for what only the helper's methods know what to say to.
    fn of(skip: &Bound<'_, PyAny>, signature: Option<&Signature>) -> PyResult<Option<Self>> {
        if skip.is_none() {
            Ok(Some(Self::Never))
        } else if let Ok(name) = skip.cast_exact::<PyString>()
            && name.is_truthy()?
        {
            Ok(Some(Self::Argument(Argument::of(name, signature)?)))
        } else if skip.is_exact_instance_of::<PyFunction>() {
            Ok(Some(Self::Function(skip.clone().unbind())))
        } else if !skip.is_truthy()? {
            Ok(Some(Self::Never))
        } else {
            Ok(None)
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

impl<'py> Values<'py> {
    /// Whether none of them can change.
    pub(super) fn are_lasting(&self) -> bool {
        match self {
            Self::Are(values) => values.iter().all(local::is_lasting),
            Self::Of(_) => false,
        }
    }

    fn try_for_each(
        &self,
        mut each: impl FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
    ) -> PyResult<()> {
        match self {
            Self::Are(values) => values.iter().try_for_each(each),
            Self::Of(values) => values.try_iter()?.try_for_each(|value| each(&value?)),
        }
    }
}

/// The cache key for a helper and a call's arguments.
#[pyfunction]
#[pyo3(name = "_key_of")]
pub(super) fn key_of<'py>(
    helper: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    raw::check_stack()?;
    let plan = Plan::of(helper)?;
    let key = plan
        .get()
        .made()?
        .key(helper, &Arguments::of(args, kwargs))?;
    Ok(key.object(helper.py()).clone())
}

/// A value's code as a helper makes it.
#[pyfunction]
#[pyo3(name = "_code_of")]
pub(super) fn code_of<'py>(
    helper: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    raw::check_stack()?;
    let py = helper.py();
    let own_way = (!has_own_keys(helper)).then_some(helper);
    let assert_function = helper.getattr_opt(intern!(py, "encoding_assert"))?;
    let assert_function = assert_function.filter(|function| !function.is_none());
    Coder::new(py, own_way, assert_function.as_ref()).code(value)
}
