//! Values kept apart from their callers: what one does to a returned value, no other sees.
//!
//! Immutable values are shared as they are. Plain containers (exact dict, list, set and tuple of
//! plain data) are kept as a private copy and copied again for each caller. Anything else is kept
//! pickled. What is identical inside one value stays identical in its copies.

use pyo3::exceptions::{PyException, PyMemoryError, PyRecursionError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::copier::{Copier, copy_flat, copy_tree};
use super::errors::UncacheableValueError;
use super::immutable::{Immutables, is_immutable};
use super::raw;
use super::raw::object::{Kind, Object};
use super::sizes::size_of_whole;

/// What a pickle is written in: the newest protocol that every supported Python reads.
pub(super) const PICKLE_PROTOCOL: u8 = 5;

/// A value ready to be kept.
pub(super) struct Ready {
    pub(super) object: Object,
    /// An estimate, in bytes.
    pub(super) size: usize,
    /// Whether other objects can be reached through it, and so perhaps the cache that it is kept in.
    pub(super) leads_on: bool,
}

/// Make a value ready to be kept.
///
/// `UncacheableValueError` for a value that can be neither copied nor pickled.
pub(super) fn prepare(value: &Bound<'_, PyAny>, isolate: bool) -> PyResult<Ready> {
    let mut immutables = Immutables::default();
    if !isolate || is_immutable(value, 0, &mut immutables)? {
        return Ok(Ready {
            object: Object::new(value.clone(), Kind::Shared),
            size: size_of_whole(value)?,
            leads_on: !isolate || immutables.lead_on,
        });
    }
    let mut copier = Copier::new(true);
    if let Some(copy) = copier.copy(value, 0)? {
        let (object, kind) = if copier.met_again {
            (copy, Kind::Graph)
        } else {
            let part = copier.part(copy)?;
            let is_recipe = part.is_exact_instance_of::<PyTuple>();
            (part, if is_recipe { Kind::Tree } else { Kind::Flat })
        };
        return Ok(Ready {
            object: Object::new(object, kind),
            size: copier.size,
            leads_on: copier.immutables.lead_on,
        });
    }
    let pickle = pickle(value)?;
    Ok(Ready {
        size: pickle.as_bytes().len() + 33,
        object: Object::new(pickle.into_any(), Kind::Pickled),
        leads_on: false,
    })
}

/// A kept value for a caller. An error says that its pickle can no longer be read.
#[inline(always)]
#[allow(clippy::inline_always)] // shared values are those of most hits
pub(super) fn to_value(kept: Object, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    match kept.kind() {
        Kind::Shared => Ok(kept.into_bound(py)),
        kind => copied(kind, &kept.into_bound(py)),
    }
}

#[inline(never)]
fn copied<'py>(kind: Kind, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    match kind {
        Kind::Shared => Ok(object.clone()),
        Kind::Flat => copy_flat(object),
        Kind::Tree => copy_tree(object.cast_exact()?),
        Kind::Graph => {
            let copy = Copier::new(false).copy(object, 0)?;
            // a private copy consists of what can be copied
            Ok(copy.unwrap_or_else(|| object.clone()))
        }
        Kind::Pickled => {
            let loads = raw::imported(py, "pickle", "loads")?;
            raw::call(&loads, &PyTuple::new(py, [object])?, None)
        }
    }
}

/// Have what values are looked at and pickled with imported, before there are threads to do it.
///
/// A thread that imports holds a lock of the module, which a child forked meanwhile waits for without end.
pub(super) fn prepare_imports(py: Python<'_>) -> PyResult<()> {
    raw::imported(py, "datetime", "datetime")?;
    raw::imported(py, "pickle", "dumps").map(drop)
}

fn pickle<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let dumps = raw::imported(py, "pickle", "dumps")?;
    let dumped = raw::call(&dumps, &(value, PICKLE_PROTOCOL).into_pyobject(py)?, None);
    match dumped {
        Ok(pickle) => Ok(pickle.cast_into::<PyBytes>()?),
        Err(error) if is_refusal(py, &error) => {
            let name = value.get_type().qualname()?;
            let refusal = UncacheableValueError::new_err(format!(
                "cannot keep a value of type {name} apart from its caller, since it cannot be pickled ({}). \
                 Return plain data, make the type picklable, or have the object itself shared: \
                 MemoryCache(isolate=False)",
                error.value(py)
            ));
            refusal.set_cause(py, Some(error));
            Err(refusal)
        }
        Err(error) => Err(error),
    }
}

/// Whether an exception says that a value cannot be serialised or read, and not that something else went wrong.
pub(super) fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyException>(py)
        && !error.is_instance_of::<PyRecursionError>(py)
        && !error.is_instance_of::<PyMemoryError>(py)
}
