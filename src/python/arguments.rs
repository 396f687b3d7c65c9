//! The arguments of a call, in whichever form it came: an array, or a tuple and a dict.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::raw::read;

/// One call's arguments.
pub(super) struct Arguments<'a, 'py> {
    positional: &'a [Bound<'py, PyAny>],
    keywords: Keywords<'a, 'py>,
    /// The positional ones as a tuple, where the call came with one.
    tuple: Option<&'a Bound<'py, PyTuple>>,
}

/// The arguments given by name.
#[derive(Clone, Copy)]
pub(super) enum Keywords<'a, 'py> {
    None,
    /// Names and values, in order.
    Vector(Borrowed<'a, 'py, PyTuple>, &'a [Bound<'py, PyAny>]),
    Dict(&'a Bound<'py, PyDict>),
}

impl<'a, 'py> Arguments<'a, 'py> {
    #[inline]
    pub(super) fn new(positional: &'a [Bound<'py, PyAny>], keywords: Keywords<'a, 'py>) -> Self {
        Self {
            positional,
            keywords,
            tuple: None,
        }
    }

    /// Of a function that takes `*args, **kwargs`.
    #[inline]
    pub(super) fn of(args: &'a Bound<'py, PyTuple>, kwargs: &'a Bound<'py, PyDict>) -> Self {
        Self {
            positional: args.as_slice(),
            keywords: if kwargs.is_empty() {
                Keywords::None
            } else {
                Keywords::Dict(kwargs)
            },
            tuple: Some(args),
        }
    }

    #[inline]
    pub(super) fn positional(&self) -> &'a [Bound<'py, PyAny>] {
        self.positional
    }

    #[inline]
    pub(super) fn keywords(&self) -> Keywords<'a, 'py> {
        self.keywords
    }

    /// The positional arguments as a tuple.
    pub(super) fn args(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self.tuple {
            Some(tuple) => Ok(tuple.clone()),
            None => PyTuple::new(py, self.positional),
        }
    }

    /// The arguments given by name as a dict.
    pub(super) fn kwargs(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match self.keywords {
            Keywords::Dict(dict) => Ok(dict.clone()),
            Keywords::None => Ok(PyDict::new(py)),
            Keywords::Vector(names, values) => {
                let dict = PyDict::new(py);
                for (name, value) in read::items(names).iter().zip(values) {
                    dict.set_item(name, value)?;
                }
                Ok(dict)
            }
        }
    }

    /// The value given by a name.
    #[inline]
    pub(super) fn named(&self, name: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.keywords {
            Keywords::None => Ok(None),
            Keywords::Dict(dict) => dict.get_item(name),
            Keywords::Vector(names, values) => {
                let names = read::items(names);
                // Names in code are interned, and so are nearly all keywords.
                if let Some(place) = names.iter().position(|given| given.is(name)) {
                    return Ok(values.get(place).cloned());
                }
                for (given, value) in names.iter().zip(values) {
                    if given.eq(name)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
        }
    }
}
