//! Which value a call gives to which parameter: `inspect.getcallargs` without the dict.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyFunction, PyString, PyTuple};

use super::arguments::{Arguments, Keywords};
use super::raw;
use super::raw::intern;

const VARARGS: u32 = 0x04;
const VARKEYWORDS: u32 = 0x08;

/// A plain function's parameters.
pub(super) struct Signature {
    function: Py<PyFunction>,
    /// The code object the rest was read from.
    code: Py<PyAny>,
    /// Positional parameters, then keyword-only ones.
    names: Vec<Py<PyString>>,
    positional_only: usize,
    positional: usize,
    has_varargs: bool,
    has_varkeywords: bool,
    /// Whether there is one parameter, which can be given by place.
    is_of_one: bool,
}

impl Signature {
    /// The parameters of `function`; None where only Python can tell (no plain function, a
    /// `__signature__` of its own, or more parameters than are worth it).
    pub(super) fn of(function: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = function.py();
        let Ok(function) = function.cast_exact::<PyFunction>() else {
            return Ok(None);
        };
        if function.hasattr(intern!(py, "__signature__"))? {
            return Ok(None);
        }
        let code = function.getattr(intern!(py, "__code__"))?;
        if code.cast::<PyCode>().is_err() {
            return Ok(None);
        }
        let count = |name: &str| code.getattr(name)?.extract::<usize>();
        let (positional, keyword_only) = (count("co_argcount")?, count("co_kwonlyargcount")?);
        if positional + keyword_only > 64 {
            return Ok(None);
        }
        let names: Vec<Py<PyString>> = code.getattr("co_varnames")?.extract()?;
        let flags: u32 = code.getattr("co_flags")?.extract()?;
        Ok(Some(Self {
            function: function.clone().unbind(),
            names: names.into_iter().take(positional + keyword_only).collect(),
            positional_only: count("co_posonlyargcount")?,
            positional,
            has_varargs: flags & VARARGS != 0,
            has_varkeywords: flags & VARKEYWORDS != 0,
            is_of_one: (positional, keyword_only) == (1, 0),
            code: code.unbind(),
        }))
    }

    /// The function itself.
    pub(super) fn function<'py>(&self, py: Python<'py>) -> &Bound<'py, PyFunction> {
        self.function.bind(py)
    }

    /// Show the objects held to the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.code)
    }

    /// The place of a parameter.
    pub(super) fn slot(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
    ) -> PyResult<Option<usize>> {
        for (slot, known) in self.names.iter().enumerate() {
            if known.bind(py).as_any().eq(name)? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Whether an argument of this place can only be the parameter's.
    #[inline]
    pub(super) fn is_positional(&self, slot: usize) -> bool {
        slot < self.positional
    }

    /// Whether a call gives a value to every parameter, so that it depends on no defaults.
    pub(super) fn is_filled_by(&self, arguments: &Arguments<'_, '_>) -> bool {
        let named = match arguments.keywords() {
            Keywords::None => 0,
            Keywords::Vector(names, _) => names.len(),
            Keywords::Dict(_) => return false,
        };
        !self.has_varargs
            && !self.has_varkeywords
            && arguments.positional().len() + named == self.names.len()
    }

    /// The value that a call gives to a parameter, and its place among the arguments.
    pub(super) fn place_of<'a, 'py>(
        &self,
        arguments: &Arguments<'a, 'py>,
        slot: usize,
    ) -> Option<(usize, &'a Bound<'py, PyAny>)> {
        if let Some(value) = arguments.positional().get(slot) {
            return Some((slot, value));
        }
        let Keywords::Vector(names, values) = arguments.keywords() else {
            return None;
        };
        let name = &self.names[slot];
        let place = raw::read::items(names)
            .iter()
            .position(|given| given.is(name))?;
        Some((arguments.positional().len() + place, values.get(place)?))
    }

    /// The keywords for `inspect.getcallargs`. That knows of no positional-only parameters, and would take
    /// what belongs into the `**kwargs` for one of them: a right call would be keyed as another.
    fn readable<'py>(&self, keywords: Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        if self.positional_only == 0 || !self.has_varkeywords {
            return Ok(keywords);
        }
        let keywords = keywords.copy()?;
        for name in &self.names[..self.positional_only] {
            if keywords.contains(name)? {
                keywords.del_item(name)?;
            }
        }
        Ok(keywords)
    }

    /// Whether the function has one parameter, which can be given by place.
    pub(super) fn is_of_one(&self) -> bool {
        self.is_of_one
    }

    /// Whether the function has the code still that this was made of.
    pub(super) fn has_its_code(&self, py: Python<'_>) -> bool {
        raw::has_code(self.function.bind(py), &self.code)
    }

    /// Whether the call is one of the ordinary right ones; if not, Python is to say what is wrong.
    /// Runs no Python, but where a keyword is no exact str.
    #[inline]
    pub(super) fn accepts(&self, py: Python<'_>, arguments: &Arguments<'_, '_>) -> bool {
        let function = self.function.bind(py);
        let given = arguments.positional().len();
        if !raw::has_code(function, &self.code) || given > self.positional && !self.has_varargs {
            return false;
        }
        if matches!(arguments.keywords(), Keywords::None) && self.names.len() == self.positional {
            return given + raw::count_of_defaults(function) >= self.positional;
        }
        self.accepts_named(py, arguments).unwrap_or(false)
    }

    #[inline(never)]
    fn accepts_named(&self, py: Python<'_>, arguments: &Arguments<'_, '_>) -> PyResult<bool> {
        let given = arguments.positional().len().min(self.positional);
        let mut bound = 0_u64;
        let mut take = |name: &Bound<'_, PyAny>| -> PyResult<bool> {
            let Ok(name) = name.cast_exact::<PyString>() else {
                return Ok(false);
            };
            Ok(match self.slot_of_keyword(py, name)? {
                // One of the `**kwargs`, whatever its name.
                Some(slot) if slot < self.positional_only => self.has_varkeywords,
                Some(slot) if slot < given => false,
                Some(slot) => {
                    bound |= 1 << slot;
                    true
                }
                None => self.has_varkeywords,
            })
        };
        match arguments.keywords() {
            Keywords::None => {}
            Keywords::Vector(names, _) => {
                for name in raw::read::items(names) {
                    if !take(name)? {
                        return Ok(false);
                    }
                }
            }
            Keywords::Dict(dict) => {
                for (name, _) in dict.iter() {
                    if !take(&name)? {
                        return Ok(false);
                    }
                }
            }
        }
        let defaults = raw::count_of_defaults(self.function.bind(py));
        for slot in given..self.names.len() {
            let is_bound = bound & 1 << slot != 0;
            if is_bound || slot < self.positional && slot + defaults >= self.positional {
                continue;
            }
            if slot < self.positional || self.default(py, slot)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn slot_of_keyword(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyString>,
    ) -> PyResult<Option<usize>> {
        // Names in code are interned, and so are nearly all keywords.
        match self.names.iter().position(|known| name.is(known)) {
            Some(slot) => Ok(Some(slot)),
            None => self.slot(py, name),
        }
    }

    /// A parameter's default as it is now.
    fn default<'py>(&self, py: Python<'py>, slot: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        let function = self.function.bind(py);
        if slot >= self.positional {
            let defaults = function.getattr(intern!(py, "__kwdefaults__"))?;
            let Ok(defaults) = defaults.cast::<PyDict>() else {
                return Ok(None);
            };
            return defaults.get_item(&self.names[slot]);
        }
        let Some(defaults) = raw::defaults(function) else {
            return Ok(None);
        };
        // Defaults belong to the last parameters.
        match (slot + defaults.len()).checked_sub(self.positional) {
            Some(index) => defaults.get_item(index).map(Some),
            None => Ok(None),
        }
    }

    /// The value of a parameter in a call that is accepted.
    #[inline]
    pub(super) fn value<'a, 'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'a, 'py>,
        slot: usize,
    ) -> PyResult<Option<Value<'a, 'py>>> {
        if slot < self.positional
            && let Some(value) = arguments.positional().get(slot)
        {
            return Ok(Some(Value::Given(value)));
        }
        self.other_value(py, arguments, slot)
    }

    #[inline(never)]
    fn other_value<'a, 'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'a, 'py>,
        slot: usize,
    ) -> PyResult<Option<Value<'a, 'py>>> {
        if slot >= self.positional_only
            && let Some(value) = arguments.named(self.names[slot].bind(py))?
        {
            return Ok(Some(Value::Own(value)));
        }
        Ok(self.default(py, slot)?.map(Value::Own))
    }
}

/// The value of a parameter.
pub(super) enum Value<'a, 'py> {
    /// One of the call's own arguments.
    Given(&'a Bound<'py, PyAny>),
    /// A default, or what was found by name.
    Own(Bound<'py, PyAny>),
}

impl<'py> Value<'_, 'py> {
    #[inline]
    pub(super) fn get(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::Given(value) => value,
            Self::Own(value) => value,
        }
    }

    pub(super) fn into_bound(self) -> Bound<'py, PyAny> {
        match self {
            Self::Given(value) => value.clone(),
            Self::Own(value) => value,
        }
    }
}

/// One call's arguments, bound.
pub(super) enum Call<'a, 'py> {
    /// By the function's signature.
    Bound {
        signature: &'a Signature,
        arguments: &'a Arguments<'a, 'py>,
    },
    /// By `inspect.getcallargs`.
    Named(Bound<'py, PyAny>),
}

impl<'a, 'py> Call<'a, 'py> {
    /// Bind a call's arguments. Wrong ones are the TypeError of `inspect.getcallargs`.
    pub(super) fn bind(
        function: &Bound<'py, PyAny>,
        signature: Option<&'a Signature>,
        arguments: &'a Arguments<'a, 'py>,
    ) -> PyResult<Self> {
        if let Some(signature) = signature
            && signature.accepts(function.py(), arguments)
        {
            return Ok(Self::Bound {
                signature,
                arguments,
            });
        }
        Ok(Self::Named(getcallargs(function, signature, arguments)?))
    }

    /// The value of a parameter.
    pub(super) fn value(
        &self,
        name: &Bound<'py, PyString>,
        slot: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        if let Self::Bound {
            signature,
            arguments,
        } = self
            && let Some(slot) = slot
            && let Some(value) = signature.value(py, arguments, slot)?
        {
            return Ok(value.into_bound());
        }
        self.named(py)?.get_item(name)
    }

    /// The values by name, as `inspect.getcallargs` gives them.
    pub(super) fn named(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Named(named) => Ok(named.clone()),
            Self::Bound {
                signature,
                arguments,
            } => getcallargs(signature.function.bind(py), Some(signature), arguments),
        }
    }
}

fn getcallargs<'py>(
    function: &Bound<'py, PyAny>,
    signature: Option<&Signature>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let keywords = arguments.kwargs(py)?;
    let keywords = match signature {
        Some(signature) => signature.readable(keywords)?,
        None => keywords,
    };
    let all = [function.clone()]
        .into_iter()
        .chain(arguments.positional().iter().cloned());
    let all = PyTuple::new(py, all.collect::<Vec<_>>())?;
    raw::call(
        &raw::imported(py, "inspect", "getcallargs")?,
        &all,
        Some(&keywords),
    )
}
