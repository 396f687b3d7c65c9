//! Which values nobody can change: they are shared as they are.

use std::collections::HashSet;

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyFrozenSet, PyInt,
    PyList, PyRange, PySet, PyString, PyTime, PyTuple, PyType, PyTzInfo, PyTzInfoAccess,
};

use super::raw;

/// Containers within one another beyond which a value is pickled instead of copied.
pub(super) const DEEPEST_COPY: usize = 100;

/// The tuples and frozensets that were found immutable, by address: each is looked into once, however
/// many places it stands in. Only for the time of one walk, in which none of them can go away.
#[derive(Default)]
pub(super) struct Immutables {
    known: Addresses,
    /// Whether any was a member of an enumeration, through whose class all is reached that is global to
    /// its methods.
    pub(super) lead_on: bool,
}

/// Objects that were met.
pub(super) type Addresses = HashSet<usize, ahash::RandomState>;

/// Whether nobody can change the value: the types known for it, and tuples and frozensets of those.
pub(super) fn is_immutable(
    value: &Bound<'_, PyAny>,
    depth: usize,
    known: &mut Immutables,
) -> PyResult<bool> {
    if value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBytes>()
    {
        return Ok(true);
    }
    let is_tuple = value.is_exact_instance_of::<PyTuple>();
    if is_tuple || value.is_exact_instance_of::<PyFrozenSet>() {
        let address = value.as_ptr().addr();
        if known.known.contains(&address) {
            return Ok(true);
        }
        if depth > DEEPEST_COPY {
            return Ok(false);
        }
        for item in value.try_iter()? {
            if !is_immutable(&item?, depth + 1, known)? {
                return Ok(false);
            }
        }
        known.known.insert(address);
        return Ok(true);
    }
    if is_container(value) {
        return Ok(false);
    }
    is_known_immutable(value, known)
}

fn is_known_immutable(value: &Bound<'_, PyAny>, known: &mut Immutables) -> PyResult<bool> {
    let py = value.py();
    if value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyRange>()
        || value.is_exact_instance_of::<PyDate>()
        || value.is_exact_instance_of::<PyDelta>()
        || value.is(py.Ellipsis())
        || value.is(py.NotImplemented())
    {
        return Ok(true);
    }
    if let Ok(moment) = value.cast_exact::<PyDateTime>() {
        return is_immutable_zone(moment.get_tzinfo());
    }
    if let Ok(time) = value.cast_exact::<PyTime>() {
        return is_immutable_zone(time.get_tzinfo());
    }
    let class = value.get_type();
    if is_one_of(
        &class,
        &[
            ("decimal", "Decimal"),
            ("uuid", "UUID"),
            ("fractions", "Fraction"),
            ("pathlib", "PosixPath"),
            ("pathlib", "WindowsPath"),
            ("pathlib", "PurePosixPath"),
            ("pathlib", "PureWindowsPath"),
        ],
    )? {
        return Ok(true);
    }
    // There is one object for each member of an enumeration, and a pickle would name it.
    let is_member =
        loaded(py, "enum", "Enum")?.map_or(Ok(false), |base| class.is_subclass(&base))?;
    known.lead_on |= is_member;
    Ok(is_member)
}

fn is_immutable_zone(zone: Option<Bound<'_, PyTzInfo>>) -> PyResult<bool> {
    zone.map_or(Ok(true), |zone| {
        is_one_of(
            &zone.get_type(),
            &[("datetime", "timezone"), ("zoneinfo", "ZoneInfo")],
        )
    })
}

fn is_one_of(class: &Bound<'_, PyType>, known: &[(&str, &str)]) -> PyResult<bool> {
    let name = class.name()?;
    for (module, known) in known {
        if name == *known
            && loaded(class.py(), module, known)?.is_some_and(|known| class.is(&known))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A class of a module, if that is loaded: where it is not, there can be no instances.
pub(super) fn loaded<'py>(
    py: Python<'py>,
    module: &str,
    class: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let module = raw::modules(py).get_item(module)?;
    module.map_or(Ok(None), |module| module.getattr_opt(class))
}

/// Whether the value has to be looked into when it is copied.
pub(super) fn is_container(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyDict>()
        || value.is_exact_instance_of::<PyList>()
        || value.is_exact_instance_of::<PySet>()
        || value.is_exact_instance_of::<PyTuple>()
}
