//! What a value's code in a wire key is: the original's table, and the types we accept beside it.

use std::sync::OnceLock;

use pyo3::exceptions::{PyOverflowError, PyRecursionError, PyUnicodeDecodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyFrozenSet, PyInt, PyIterator,
    PyList, PySet, PyString, PyTime, PyTuple, PyType,
};

use super::immutable::loaded;
use super::raw::intern;
use super::raw::{self, read};
use crate::key::wire::{self, Codes, Container, Open};

/// The MD5 of a text, as `hashlib` would have it of `text.encode('utf-8')`.
pub(super) fn md5_hex_of(text: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = text.cast_exact::<PyString>() {
        return Ok(wire::md5_hex(text.to_str()?.as_bytes()));
    }
    md5_hex_of_bytes(&text.call_method1(intern!(text.py(), "encode"), ("utf-8",))?)
}

/// The MD5 of bytes, or of whatever else `hashlib` takes for them.
fn md5_hex_of_bytes(bytes: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(bytes) = bytes.cast::<PyBytes>() {
        return Ok(wire::md5_hex(bytes.as_bytes()));
    }
    let py = bytes.py();
    raw::imported(py, "hashlib", "md5")?
        .call1((bytes,))?
        .call_method0(intern!(py, "hexdigest"))?
        .extract()
}

/// What kind of value one is, in the order in which the original asks.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Bool,
    Number,
    Container(Container),
    Uuid,
    DateTime,
    None,
    /// None of the original's.
    Other,
}

impl Kind {
    fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if value.is_exact_instance_of::<PyString>() {
            Ok(Self::Text)
        } else if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>() {
            Ok(Self::Number)
        } else if value.is_exact_instance_of::<PyBool>() {
            Ok(Self::Bool)
        } else if value.is_exact_instance_of::<PyList>() || value.is_exact_instance_of::<PyTuple>()
        {
            Ok(Self::Container(Container::List))
        } else if value.is_exact_instance_of::<PyDict>() {
            Ok(Self::Container(Container::Dict))
        } else if value.is_none() {
            Ok(Self::None)
        } else {
            Self::by_isinstance(value)
        }
    }

    /// As `isinstance` says, which also believes what an object says of its class.
    fn by_isinstance(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = value.py();
        let is = |class: &Bound<'_, PyType>| value.is_instance(class);
        Ok(if is(&py.get_type::<PyString>())? {
            Self::Text
        } else if is(&py.get_type::<PyBytes>())? {
            Self::Bytes
        } else if is(&py.get_type::<PyBool>())? {
            Self::Bool
        } else if is(&py.get_type::<PyInt>())? || is(&py.get_type::<PyFloat>())? {
            Self::Number
        } else if is(&py.get_type::<PyList>())? || is(&py.get_type::<PyTuple>())? {
            Self::Container(Container::List)
        } else if is(&py.get_type::<PyDict>())? {
            Self::Container(Container::Dict)
        } else if is(&py.get_type::<PySet>())? {
            Self::Container(Container::Set)
        } else if is(uuid_class(py)?)? {
            Self::Uuid
        } else if is(&py.get_type::<PyDateTime>())? {
            Self::DateTime
        } else if value.is_none() {
            Self::None
        } else if is(&py.get_type::<PyFrozenSet>())? {
            Self::Container(Container::Set)
        } else {
            Self::Other
        })
    }
}

/// The most containers within one another that a key can have: more than the original has stack for.
const DEEPEST: usize = 1_000;

/// A container whose elements are being written.
struct Level<'py> {
    items: Bound<'py, PyIterator>,
    open: Open,
    /// The class of a value for which another stands, which is the one element.
    class: Option<String>,
}

/// Makes codes of values.
pub(super) struct Coder<'a, 'py> {
    py: Python<'py>,
    /// A helper that makes codes or hashes in its own way: then each goes through its methods.
    own_way: Option<&'a Bound<'py, PyAny>>,
    /// Told of bytes that are not UTF-8; None is the default one.
    assert_function: Option<&'a Bound<'py, PyAny>>,
}

impl<'a, 'py> Coder<'a, 'py> {
    pub(super) fn new(
        py: Python<'py>,
        own_way: Option<&'a Bound<'py, PyAny>>,
        assert_function: Option<&'a Bound<'py, PyAny>>,
    ) -> Self {
        Self {
            py,
            own_way,
            assert_function,
        }
    }

    /// Write a value's code.
    ///
    /// Goes down into containers with a stack of its own, so that no value is too deep for the
    /// thread's. `RecursionError` beyond `DEEPEST` levels, which is also the end of cyclic values.
    pub(super) fn write(&self, codes: &mut Codes, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let mut inside = Vec::new();
        if let Some(level) = self.begin(codes, value)? {
            inside.push(level);
        }
        while let Some(level) = inside.last_mut() {
            if let Some(item) = level.items.next() {
                codes.element(&mut level.open);
                if let Some(deeper) = self.begin(codes, &item?)? {
                    if inside.len() == DEEPEST {
                        return Err(PyRecursionError::new_err(format!(
                            "maximum recursion depth exceeded while making a cache key: a value has more than \
                             {DEEPEST} containers within one another, or one that contains itself"
                        )));
                    }
                    inside.push(deeper);
                }
            } else if let Some(level) = inside.pop() {
                match level.class {
                    None => codes.close(&level.open),
                    Some(class) => codes.close_substitute(&level.open, &class),
                }
            }
        }
        Ok(())
    }

    /// Write the code of a value; of a container, only the beginning.
    fn begin(&self, codes: &mut Codes, value: &Bound<'py, PyAny>) -> PyResult<Option<Level<'py>>> {
        match Kind::of(value)? {
            Kind::Text => {
                if let Ok(text) = value.cast_exact::<PyString>() {
                    codes.hashed('u', text.to_str()?.as_bytes());
                } else {
                    codes.plain("u", &md5_hex_of(value)?);
                }
            }
            Kind::Bytes => match self.decoded(value)? {
                // the decoded text in UTF-8 is these very bytes again
                Some(_) if value.is_exact_instance_of::<PyBytes>() => {
                    codes.hashed('u', value.cast::<PyBytes>()?.as_bytes());
                }
                Some(text) => codes.plain("u", &md5_hex_of(&text)?),
                None => codes.plain("u", &md5_hex_of_bytes(value)?),
            },
            Kind::Container(container) => {
                return Ok(Some(Level {
                    items: self.elements(container, value)?.try_iter()?,
                    open: codes.open(container),
                    class: None,
                }));
            }
            kind => {
                if let Some((class, substitute)) = self.write_plain(codes, kind, value)? {
                    return Ok(Some(Level {
                        items: PyTuple::new(self.py, [substitute])?.try_iter()?,
                        open: codes.open(Container::List),
                        class: Some(class),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// A value's code as `_serialize_for_key` returns it, through the helper's own methods.
    pub(super) fn code(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let Some(helper) = self.own_way else {
            let mut codes = Codes::new();
            self.write(&mut codes, value)?;
            return Ok(PyString::new(py, codes.as_str()).into_any());
        };
        let hash = |letter: &str, text: &Bound<'py, PyAny>| {
            let hashed = raw::method(helper, intern!(py, "_hash"), &[text])?;
            PyString::new(py, letter).add(hashed)
        };
        let serialize = |value: &Bound<'py, PyAny>| {
            raw::method(helper, intern!(py, "_serialize_for_key"), &[value])
        };
        match Kind::of(value)? {
            Kind::Text => hash("u", value),
            Kind::Bytes => match self.decoded(value)? {
                Some(text) => hash("u", &text),
                None => PyString::new(py, "u").add(md5_hex_of_bytes(value)?),
            },
            Kind::Container(container) => {
                let codes = PyList::empty(py);
                for item in self.elements(container, value)?.try_iter()? {
                    codes.append(serialize(&item?)?)?;
                }
                if container.is_sorted() {
                    codes.sort()?;
                }
                let joined = PyString::new(py, ",").call_method1(intern!(py, "join"), (codes,))?;
                hash(&container.letter().to_string(), &joined)
            }
            kind => {
                let mut codes = Codes::new();
                if let Some((class, substitute)) = self.write_plain(&mut codes, kind, value)? {
                    let own = serialize(&substitute)?;
                    let own = PyString::new(py, &format!("{class},")).add(own)?;
                    return PyString::new(py, "Q").add(md5_hex_of(&own)?);
                }
                Ok(PyString::new(py, codes.as_str()).into_any())
            }
        }
    }

    fn elements(
        &self,
        container: Container,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match container {
            Container::Dict => raw::method(value, intern!(self.py, "items"), &[]),
            Container::List | Container::Set => Ok(value.clone()),
        }
    }

    /// The text of bytes; None, and a word to the assert function, if they are not UTF-8.
    fn decoded(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.py;
        match raw::method(value, intern!(py, "decode"), &[intern!(py, "utf-8")]) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_instance_of::<PyUnicodeDecodeError>(py) => {
                let message = "Non-utf8 encoded string used as cache vary on";
                let said = (false, message).into_pyobject(py)?;
                let assert = match self.assert_function {
                    Some(assert) => assert.clone(),
                    None => raw::imported(py, "quickcache._log", "assert_function")?,
                };
                raw::call(&assert, &said, None)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The code of a value that is neither text nor one of the original's containers. Of one with a
    /// `__quickcache_key__`, its class and what stands for it.
    fn write_plain(
        &self,
        codes: &mut Codes,
        kind: Kind,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(String, Bound<'py, PyAny>)>> {
        let py = self.py;
        match kind {
            Kind::Number => match value.cast_exact::<PyInt>().ok().and_then(read::integer) {
                Some(number) => codes.number(number),
                None => codes.plain("n", value.str()?.to_str()?),
            },
            Kind::Bool => {
                let number = py.get_type::<PyInt>().call1((value,))?;
                codes.plain("b", number.str()?.to_str()?);
            }
            Kind::None => codes.plain("N", ""),
            Kind::Uuid => codes.plain("U", formatted(value)?.to_str()?),
            Kind::DateTime => codes.plain("DT", formatted(&moment(value)?)?.to_str()?),
            _ => return self.write_extension(codes, value),
        }
        Ok(None)
    }

    /// The types that the original refuses. No code here is one of the original's.
    fn write_extension(
        &self,
        codes: &mut Codes,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(String, Bound<'py, PyAny>)>> {
        let py = self.py;
        let is_a = |module, class| {
            loaded(py, module, class)?.map_or(Ok(false), |class| value.is_instance(&class))
        };
        if value.is_instance_of::<PyDate>() {
            codes.plain(
                "d",
                value
                    .call_method0(intern!(py, "isoformat"))?
                    .str()?
                    .to_str()?,
            );
        } else if value.is_instance_of::<PyTime>() {
            codes.plain(
                "t",
                value
                    .call_method0(intern!(py, "isoformat"))?
                    .str()?
                    .to_str()?,
            );
        } else if value.is_instance_of::<PyDelta>() {
            for (letters, part) in [("i", "days"), (":", "seconds"), (":", "microseconds")] {
                codes.plain(letters, value.getattr(part)?.str()?.to_str()?);
            }
        } else if is_a("decimal", "Decimal")? {
            codes.plain("c", value.str()?.to_str()?);
        } else if is_a("enum", "Enum")? {
            // Members by name; combinations of flags that have none, by value.
            let name = value.getattr(intern!(py, "name"))?;
            let member = if name.is_none() {
                value.getattr(intern!(py, "value"))?.repr()?
            } else {
                name.str()?
            };
            let class = qualified_name(&value.get_type())?;
            codes.hashed('E', format!("{class}.{}", member.to_str()?).as_bytes());
        } else if is_a("pathlib", "PurePath")? {
            let flavour = if is_a("pathlib", "PureWindowsPath")? {
                "windows"
            } else {
                "posix"
            };
            codes.hashed(
                'p',
                format!("{flavour}:{}", value.str()?.to_str()?).as_bytes(),
            );
        } else if is_a("django.utils.functional", "Promise")?
            && value.get_type().hasattr(intern!(py, "casefold"))?
        {
            codes.hashed('u', value.str()?.to_str()?.as_bytes());
        } else if let Some(stands) = stands_for_it(value)? {
            return Ok(Some(stands));
        } else {
            let message = PyString::new(py, "Bad type \"{}\": {}");
            let class = value.get_type();
            let message = raw::method(&message, intern!(py, "format"), &[&class, value])?;
            return Err(PyValueError::new_err(message.unbind()));
        }
        Ok(None)
    }
}

/// The class of an object that something else stands for in a key, and what that is: of an object with a
/// `__quickcache_key__` what it returns, and of a row what tells it from all others.
fn stands_for_it<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<(String, Bound<'py, PyAny>)>> {
    let py = value.py();
    let is_a = |module, class| {
        loaded(py, module, class)?.map_or(Ok(false), |class| value.is_instance(&class))
    };
    let mut class = value.get_type();
    // What is not there yet, such as the user of a request, says of which class it will be.
    if is_a("django.utils.functional", "LazyObject")? {
        class = value.getattr(intern!(py, "__class__"))?.cast_into()?;
    }
    // The class is part of the code: a user's 1 is not an account's 1.
    if let Some(key) = class.getattr_opt(intern!(py, "__quickcache_key__"))? {
        let key = raw::call(&key, &PyTuple::new(py, [value])?, None)?;
        return Ok(Some((qualified_name(&class)?, key)));
    }
    if is_a("django.db.models", "Model")? {
        return row(value).map(Some);
    }
    if is_a("django.contrib.auth.models", "AnonymousUser")? {
        return Ok(Some((
            qualified_name(&class)?,
            PyTuple::empty(py).into_any(),
        )));
    }
    Ok(None)
}

/// A model instance by the label of its model, its primary key and the database that it is in.
fn row<'py>(instance: &Bound<'py, PyAny>) -> PyResult<(String, Bound<'py, PyAny>)> {
    let py = instance.py();
    let meta = instance.getattr(intern!(py, "_meta"))?;
    let label = meta.getattr(intern!(py, "label"))?;
    let state = instance.getattr(intern!(py, "_state"))?;
    let mut key = instance.getattr(intern!(py, "pk"))?;
    let is_new = state.getattr(intern!(py, "adding"))?.is_truthy()?;
    if key.is_none() && !is_new {
        return Err(PyValueError::new_err(format!(
            "an instance of {label} that was deleted is no part of a cache key: it has no primary key any more. Clear \
             before it is deleted, in the same transaction with clear_on_commit"
        )));
    }
    if is_new {
        return Err(PyValueError::new_err(format!(
            "an instance of {label} that is not saved is no part of a cache key: nothing tells it from another one \
             yet. Save it before the call, or vary on its fields, as in ['{}.name']",
            label
                .str()?
                .to_string_lossy()
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_lowercase()
        )));
    }
    // As a query has it: who saves a form may have given it as a text.
    let to_python = meta
        .getattr(intern!(py, "pk"))?
        .getattr_opt(intern!(py, "to_python"))?;
    if let Some(to_python) = to_python
        && let Ok(read) = to_python.call1((&key,))
    {
        key = read;
    }
    let database = state.getattr(intern!(py, "db"))?;
    // No class has a colon in its name.
    Ok((
        format!("model:{label}"),
        (key, database).into_pyobject(py)?.into_any(),
    ))
}

/// The text of a moment: of aware ones in UTC, so that equal moments have equal codes.
fn moment<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static UTC: OnceLock<Py<PyAny>> = OnceLock::new();
    let py = value.py();
    let isoformat = intern!(py, "isoformat");
    if !value.getattr(intern!(py, "tzinfo"))?.is_truthy()? {
        return raw::method(value, isoformat, &[]);
    }
    let utc = raw::once(&UTC, || {
        raw::imported(py, "quickcache._utc", "utc").map(Bound::unbind)
    })?;
    match raw::method(value, intern!(py, "astimezone"), &[utc.bind(py)]) {
        Ok(utc) => raw::method(&utc, isoformat, &[]),
        // Within a day of the calendar's edges a moment may have no UTC; its own text, whose offset
        // is never that of UTC then, is nobody else's.
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
            raw::method(value, isoformat, &[])
        }
        Err(error) => Err(error),
    }
}

/// What `'{}'.format(value)` makes of a value.
pub(super) fn formatted<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let py = value.py();
    let text = raw::method(&PyString::new(py, "{}"), intern!(py, "format"), &[value])?;
    Ok(text.cast_into()?)
}

fn qualified_name(class: &Bound<'_, PyType>) -> PyResult<String> {
    Ok(format!("{}.{}", class.module()?, class.qualname()?))
}

fn uuid_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static UUID: OnceLock<Py<PyType>> = OnceLock::new();
    let class = raw::once(&UUID, || {
        let class = raw::imported(py, "uuid", "UUID")?;
        Ok(class.cast_into::<PyType>()?.unbind())
    })?;
    Ok(class.bind(py))
}
