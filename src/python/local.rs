//! The values of a call as a local key.

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDateAccess, PyDateTime, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet,
    PyString, PyTimeAccess, PyTuple, PyType, PyTzInfo, PyTzInfoAccess,
};
use std::sync::OnceLock;

use super::immutable::loaded;
use super::raw::intern;
use super::raw::read;
use crate::key::local::{Constant, Container, Fixed, LocalKey, ShortKey, Text};

/// Containers within one another that a local key can have; deeper values go by their wire key.
const DEEPEST: usize = 8;

/// Have PyO3 find out what it asks only once, how large integers lie in memory: it lets other threads in for that,
/// and keys are written under a lock.
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    0_u128.into_pyobject(py)?.extract::<u128>()?;
    Ok(())
}

/// Write a value. False, and nothing to be done with the key, for values that only the wire key can
/// tell. Runs no Python.
#[inline(always)]
#[allow(clippy::inline_always)] // for the two kinds of value that most keys are made of
pub(super) fn write(key: &mut LocalKey, value: &Bound<'_, PyAny>) -> bool {
    if let Ok(number) = value.cast_exact::<PyInt>()
        && let Some(number) = read::integer(number)
    {
        key.integer(number);
        return true;
    }
    if let Ok(text) = value.cast_exact::<PyString>()
        && let Some(text) = read::ascii_text(text)
    {
        key.ascii(text);
        return true;
    }
    write_other(key, value, 0)
}

/// Whether a value never changes, and is small enough to be kept alive for a while.
pub(super) fn is_lasting(value: &Bound<'_, PyAny>) -> bool {
    let is_atom = |value: &Bound<'_, PyAny>| {
        value.is_exact_instance_of::<PyInt>()
            || value.is_exact_instance_of::<PyBool>()
            || value.is_exact_instance_of::<PyFloat>()
            || value.is_none()
            || value
                .cast_exact::<PyString>()
                .is_ok_and(|text| read::ascii_text(text).is_some_and(|text| text.len() <= 1_000))
    };
    is_atom(value)
        || value
            .cast_exact::<PyTuple>()
            .is_ok_and(|tuple| tuple.len() <= 8 && tuple.as_slice().iter().all(is_atom))
}

/// The key of an integer, if it is one word.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn short_integer(value: &Bound<'_, PyAny>) -> Option<u64> {
    ShortKey::integer(read::integer(value.cast_exact::<PyInt>().ok()?)?)
}

/// The key of a text, if it is short.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn short_text(value: &Bound<'_, PyAny>) -> Option<ShortKey> {
    ShortKey::ascii(read::ascii_text(value.cast_exact::<PyString>().ok()?)?)
}

#[inline(never)]
fn write_utf8(key: &mut LocalKey, text: &Bound<'_, PyString>) -> bool {
    // Lone surrogates are for the wire key to refuse.
    let Ok(text) = text.to_str() else {
        return false;
    };
    if text.is_ascii() {
        key.ascii(text.as_bytes());
    } else {
        key.text(Text::Utf8, text.as_bytes());
    }
    true
}

#[inline(never)]
fn write_other(key: &mut LocalKey, value: &Bound<'_, PyAny>, depth: usize) -> bool {
    let deeper = |key: &mut LocalKey, item: &Bound<'_, PyAny>| {
        let is_scalar =
            item.is_exact_instance_of::<PyInt>() || item.is_exact_instance_of::<PyString>();
        if is_scalar {
            write(key, item)
        } else {
            depth < DEEPEST && write_other(key, item, depth + 1)
        }
    };
    if let Ok(text) = value.cast_exact::<PyString>() {
        return write_utf8(key, text);
    }
    if value.is_none() {
        key.constant(Constant::None);
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        key.constant(if flag.is_true() {
            Constant::True
        } else {
            Constant::False
        });
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        let items = tuple.as_slice();
        key.container(Container::List, items.len());
        return items.iter().all(|item| deeper(key, item));
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        key.fixed(Fixed::Float, u128::from(read::float_bits(number)), 8);
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        key.container(Container::List, list.len());
        return list.iter().all(|item| deeper(key, &item));
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        key.container(Container::Dict, dict.len());
        return dict
            .iter()
            .all(|(name, item)| deeper(key, &name) && deeper(key, &item));
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        // Of bytes that are not UTF-8 the assert function is to hear, at each call.
        if !bytes.as_bytes().is_ascii() {
            return false;
        }
        key.text(Text::Bytes, bytes.as_bytes());
    } else if let Ok(set) = value.cast_exact::<PySet>() {
        key.container(Container::Set, set.len());
        return set.iter().all(|item| deeper(key, &item));
    } else if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
        key.container(Container::Set, set.len());
        return set.iter().all(|item| deeper(key, &item));
    } else if let Ok(moment) = value.cast_exact::<PyDateTime>() {
        return write_moment(key, moment);
    } else {
        return write_uuid(key, value).unwrap_or(false);
    }
    true
}

/// Naive ones and those of `datetime.timezone.utc`; what others are in UTC takes a calculation.
fn write_moment(key: &mut LocalKey, moment: &Bound<'_, PyDateTime>) -> bool {
    let tag = match moment.get_tzinfo() {
        None => Fixed::Naive,
        Some(zone) => match PyTzInfo::utc(moment.py()) {
            Ok(utc) if zone.is(&*utc) => Fixed::Utc,
            _ => return false,
        },
    };
    let parts = [
        u32::try_from(moment.get_year()).unwrap_or_default(),
        u32::from(moment.get_month()),
        u32::from(moment.get_day()),
        u32::from(moment.get_hour()),
        u32::from(moment.get_minute()),
        u32::from(moment.get_second()),
    ];
    let seconds = parts
        .into_iter()
        .zip([14, 4, 5, 5, 6, 6])
        .fold(0_u128, |all, (part, bits)| all << bits | u128::from(part));
    key.fixed(tag, seconds << 20 | u128::from(moment.get_microsecond()), 8);
    true
}

fn write_uuid(key: &mut LocalKey, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static UUID: OnceLock<Py<PyType>> = OnceLock::new();
    let py = value.py();
    let class = match UUID.get() {
        Some(class) => class.bind(py),
        None => match loaded(py, "uuid", "UUID")? {
            Some(class) => {
                let class = class.cast_into::<PyType>()?.unbind();
                UUID.get_or_init(|| class).bind(py)
            }
            None => return Ok(false),
        },
    };
    if !value.get_type().is(class) {
        return Ok(false);
    }
    // A slot of the class: no Python runs for it.
    let number: u128 = value.getattr(intern!(py, "int"))?.extract()?;
    key.fixed(Fixed::Uuid, number, 16);
    Ok(true)
}
