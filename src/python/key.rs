//! A cache key on its way to tiers: as Python's text and packed, each made when first wanted.

use std::cell::OnceCell;

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::key::packed::PackedKey;

/// A key, whichever way it came.
pub(super) struct Key<'py> {
    py: Python<'py>,
    wire: Option<String>,
    object: OnceCell<Bound<'py, PyAny>>,
    packed: OnceCell<PackedKey>,
}

impl<'py> Key<'py> {
    /// A key that was made here.
    pub(super) fn from_wire(py: Python<'py>, wire: String) -> Self {
        Self {
            py,
            wire: Some(wire),
            object: OnceCell::new(),
            packed: OnceCell::new(),
        }
    }

    /// A key that was given: a str, though other tiers than ours may take anything.
    pub(super) fn from_object(object: Bound<'py, PyAny>) -> Self {
        Self {
            py: object.py(),
            wire: None,
            object: OnceCell::from(object),
            packed: OnceCell::new(),
        }
    }

    /// The key as Python passes it on.
    pub(super) fn object(&self) -> &Bound<'py, PyAny> {
        self.object.get_or_init(|| {
            let wire = self.wire.as_deref().unwrap_or_default();
            PyString::new(self.py, wire).into_any()
        })
    }

    /// The key as the memory tier keeps it. TypeError if it is not a str.
    pub(super) fn packed(&self) -> PyResult<&PackedKey> {
        if let Some(packed) = self.packed.get() {
            return Ok(packed);
        }
        let packed = match &self.wire {
            Some(wire) => PackedKey::pack(wire.as_bytes()),
            None => pack(self.object())?,
        };
        Ok(self.packed.get_or_init(|| packed))
    }
}

/// A key kept over a call into Python.
pub(super) struct UnboundKey {
    wire: Option<String>,
    object: Option<Py<PyAny>>,
    packed: Option<PackedKey>,
}

impl Key<'_> {
    /// The same key, to be kept over a call into Python.
    pub(super) fn unbind(self) -> UnboundKey {
        UnboundKey {
            wire: self.wire,
            object: self.object.into_inner().map(Bound::unbind),
            packed: self.packed.into_inner(),
        }
    }
}

impl UnboundKey {
    /// The key again.
    pub(super) fn bind<'py>(&self, py: Python<'py>) -> Key<'py> {
        let object = self.object.as_ref().map(|object| object.bind(py).clone());
        Key {
            py,
            wire: self.wire.clone(),
            object: object.map_or_else(OnceCell::new, OnceCell::from),
            packed: self
                .packed
                .clone()
                .map_or_else(OnceCell::new, OnceCell::from),
        }
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)
    }
}

/// Pack a key given by Python. TypeError if it is not a str.
pub(super) fn pack(key: &Bound<'_, PyAny>) -> PyResult<PackedKey> {
    let Ok(text) = key.cast::<PyString>() else {
        let name = key.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a cache key is a str, not {name}: {}",
            key.repr()?
        )));
    };
    if let Ok(text) = text.to_str() {
        return Ok(PackedKey::pack(text.as_bytes()));
    }
    // Lone surrogates have no UTF-8, but a form of it that no other text has.
    let py = key.py();
    let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "surrogatepass"))?;
    Ok(PackedKey::pack(bytes.cast::<PyBytes>()?.as_bytes()))
}
