//! How values become bytes for a shared tier, and values again.

use pyo3::exceptions::{PyImportError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString, PyTuple};

use super::errors::UncacheableValueError;
use super::raw;
use super::shown::shown;
use super::value::{self, PICKLE_PROTOCOL};
use crate::codec::Format;

/// What turns values into bytes and back.
pub(super) struct Serializer {
    format: Format,
    dumps: Py<PyAny>,
    loads: Py<PyAny>,
    dumps_options: Py<PyDict>,
    loads_options: Py<PyDict>,
}

impl Serializer {
    /// 'pickle', 'json', 'msgpack', or an object with `dumps` and `loads`.
    pub(super) fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let dumps_options = PyDict::new(py);
        let loads_options = PyDict::new(py);
        let from = |module: &str, dumps: &str, loads: &str| {
            Ok::<_, PyErr>((
                raw::imported(py, module, dumps)?,
                raw::imported(py, module, loads)?,
            ))
        };
        let Ok(name) = given.cast::<PyString>() else {
            return Self::custom(given);
        };
        let (format, (dumps, loads)) = match name.to_str()? {
            "pickle" => {
                dumps_options.set_item("protocol", PICKLE_PROTOCOL)?;
                (Format::Pickle, from("pickle", "dumps", "loads")?)
            }
            "json" => {
                dumps_options.set_item("separators", (",", ":"))?;
                (Format::Json, from("json", "dumps", "loads")?)
            }
            "msgpack" => {
                loads_options.set_item("strict_map_key", false)?;
                let found = from("msgpack", "packb", "unpackb").map_err(|error| {
                    if !error.is_instance_of::<PyImportError>(py) {
                        return error;
                    }
                    PyImportError::new_err(
                        "serializer='msgpack' needs the package msgpack: pip install 'quickcache[msgpack]'",
                    )
                })?;
                (Format::Msgpack, found)
            }
            _ => {
                return Err(PyValueError::new_err(format!(
                    "serializer must be 'pickle', 'json', 'msgpack' or an object with dumps and loads, not {}",
                    shown(given)?
                )));
            }
        };
        Ok(Self {
            format,
            dumps: dumps.unbind(),
            loads: loads.unbind(),
            dumps_options: dumps_options.unbind(),
            loads_options: loads_options.unbind(),
        })
    }

    fn custom(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let method = |name: &str| {
            let method = given.getattr_opt(name)?.filter(Bound::is_callable);
            method.ok_or_else(|| {
                let shown = shown(given).unwrap_or_default();
                PyTypeError::new_err(format!(
                    "serializer must be 'pickle', 'json', 'msgpack' or an object with dumps and loads, and {shown} \
                     has no method {name}"
                ))
            })
        };
        Ok(Self {
            format: Format::Custom,
            dumps: method("dumps")?.unbind(),
            loads: method("loads")?.unbind(),
            dumps_options: PyDict::new(py).unbind(),
            loads_options: PyDict::new(py).unbind(),
        })
    }

    /// What it reads, beside integers.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// A value's bytes, and in which format. `UncacheableValueError` for a value that has none.
    pub(super) fn dumps<'py>(
        &self,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<(Format, Bound<'py, PyBytes>)> {
        let py = value.py();
        if value.is_exact_instance_of::<PyInt>()
            && let Ok(number) = value.extract::<i64>()
        {
            let mut digits = itoa::Buffer::new();
            return Ok((
                Format::Integer,
                PyBytes::new(py, digits.format(number).as_bytes()),
            ));
        }
        let options = self.dumps_options.bind(py);
        let args = PyTuple::new(py, [value])?;
        let dumped = raw::call(self.dumps.bind(py), &args, Some(options))
            .map_err(|error| self.refused(value, error))?;
        if let Ok(bytes) = dumped.cast::<PyBytes>() {
            return Ok((self.format, bytes.clone()));
        }
        if let Ok(text) = dumped.cast::<PyString>() {
            return Ok((self.format, PyBytes::new(py, text.to_str()?.as_bytes())));
        }
        Err(PyTypeError::new_err(format!(
            "the serializer's dumps must return bytes or str, not {}",
            dumped.get_type().name()?
        )))
    }

    fn refused(&self, value: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
        let py = value.py();
        if self.format == Format::Custom || !value::is_refusal(py, &error) {
            return error;
        }
        let name = match value.get_type().qualname() {
            Ok(name) => name,
            Err(error) => return error,
        };
        let refusal = UncacheableValueError::new_err(format!(
            "cannot keep a value of type {name} in a shared cache, since the serializer '{}' cannot write it ({}). \
             Return plain data, or give another serializer",
            self.format.name(),
            error.value(py)
        ));
        refusal.set_cause(py, Some(error));
        refusal
    }

    /// The value of bytes in its own format.
    pub(super) fn loads<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        if self.format == Format::Pickle && is_digits(bytes) {
            let digits = PyString::from_bytes(py, bytes)?;
            return py.get_type::<PyInt>().call1((digits,));
        }
        let bytes = PyBytes::new(py, bytes);
        let (loads, options) = (self.loads.bind(py), self.loads_options.bind(py));
        if options.is_empty() {
            return raw::call_with_one(loads, &bytes);
        }
        raw::call(loads, &PyTuple::new(py, [bytes])?, Some(options))
    }

    /// The value of digits.
    pub(super) fn integer<'py>(py: Python<'py>, digits: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<i64>().ok());
        let number = number.ok_or_else(|| PyValueError::new_err("these are no digits"))?;
        Ok(number.into_pyobject(py)?.into_any())
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.dumps)?;
        visit.call(&self.loads)
    }
}

/// Whether these are digits, which no pickle begins with. Django writes integers of any size so.
fn is_digits(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
