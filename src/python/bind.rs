//! Which value a call gives to which parameter: `inspect.getcallargs` without the dict.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyFunction, PyString, PyTuple};

use super::raw;

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
            code: code.unbind(),
        }))
    }

    /// The function, for the garbage collector.
    pub(super) fn function(&self) -> &Py<PyFunction> {
        &self.function
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

    /// Whether the call is one of the ordinary right ones; if not, Python is to say what is wrong.
    fn accepts(&self, args: &Bound<'_, PyTuple>, kwargs: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = args.py();
        if !raw::has_code(self.function.bind(py), &self.code) {
            return Ok(false);
        }
        if args.len() > self.positional && !self.has_varargs {
            return Ok(false);
        }
        let given = args.len().min(self.positional);
        let mut bound = 0_u64;
        for (name, _) in kwargs.iter() {
            let Ok(name) = name.cast_exact::<PyString>() else {
                return Ok(false);
            };
            match self.slot_of_keyword(py, name)? {
                Some(slot) if slot < given || slot < self.positional_only => return Ok(false),
                Some(slot) => bound |= 1 << slot,
                None if self.has_varkeywords => {}
                None => return Ok(false),
            }
        }
        let missing = (given..self.names.len()).filter(|slot| bound & 1 << slot == 0);
        for slot in missing {
            if self.default(py, slot)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

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
        let defaults = function.getattr(intern!(py, "__defaults__"))?;
        let Ok(defaults) = defaults.cast::<PyTuple>() else {
            return Ok(None);
        };
        // Defaults belong to the last parameters.
        match (slot + defaults.len()).checked_sub(self.positional) {
            Some(index) => defaults.get_item(index).map(Some),
            None => Ok(None),
        }
    }
}

/// One call's arguments, bound.
pub(super) enum Call<'a, 'py> {
    /// By the function's signature.
    Bound {
        signature: &'a Signature,
        args: &'a Bound<'py, PyTuple>,
        kwargs: &'a Bound<'py, PyDict>,
    },
    /// By `inspect.getcallargs`.
    Named(Bound<'py, PyAny>),
}

impl<'a, 'py> Call<'a, 'py> {
    /// Bind a call's arguments. Wrong ones are the TypeError of `inspect.getcallargs`.
    pub(super) fn bind(
        function: &Bound<'py, PyAny>,
        signature: Option<&'a Signature>,
        args: &'a Bound<'py, PyTuple>,
        kwargs: &'a Bound<'py, PyDict>,
    ) -> PyResult<Self> {
        if let Some(signature) = signature
            && signature.accepts(args, kwargs)?
        {
            return Ok(Self::Bound {
                signature,
                args,
                kwargs,
            });
        }
        Ok(Self::Named(getcallargs(function, args, kwargs)?))
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
            args,
            kwargs,
        } = self
            && let Some(slot) = slot
        {
            if slot < signature.positional && slot < args.len() {
                return args.get_item(slot);
            }
            if let Some(value) = kwargs.get_item(name)? {
                return Ok(value);
            }
            if let Some(value) = signature.default(py, slot)? {
                return Ok(value);
            }
        }
        self.named(py)?.get_item(name)
    }

    /// The values by name, as `inspect.getcallargs` gives them.
    pub(super) fn named(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Named(named) => Ok(named.clone()),
            Self::Bound {
                signature,
                args,
                kwargs,
            } => getcallargs(signature.function.bind(py), args, kwargs),
        }
    }
}

fn getcallargs<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let all = [function.clone()].into_iter().chain(args.iter());
    let all = PyTuple::new(py, all.collect::<Vec<_>>())?;
    raw::call(
        &raw::imported(py, "inspect", "getcallargs")?,
        &all,
        Some(kwargs),
    )
}
