//! A cache key on its way to tiers: as Python's text and packed, each made when first wanted.

use std::sync::{Arc, OnceLock};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::raw::intern;
use super::shown::shown;
use crate::key::packed::{KeyPrefix, PackedKey};

/// A key, whichever way it came.
pub(super) struct Key {
    /// What it is made of, unless it was given.
    wire: Option<(Arc<KeyPrefix>, String)>,
    object: OnceLock<Py<PyAny>>,
    packed: OnceLock<PackedKey>,
}

impl Key {
    /// A key that was made here, of a prefix and codes.
    pub(super) fn from_wire(prefix: &Arc<KeyPrefix>, codes: String) -> Self {
        Self {
            wire: Some((Arc::clone(prefix), codes)),
            object: OnceLock::new(),
            packed: OnceLock::new(),
        }
    }

    /// A key that was given: a str, though other tiers than ours may take anything.
    pub(super) fn from_object(object: &Bound<'_, PyAny>) -> Self {
        Self {
            wire: None,
            object: OnceLock::from(object.clone().unbind()),
            packed: OnceLock::new(),
        }
    }

    /// The key as Python passes it on.
    pub(super) fn object<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        let object = self.object.get_or_init(|| {
            let text = self.wire.as_ref().map(|(prefix, codes)| prefix.text(codes));
            PyString::new(py, &text.unwrap_or_default())
                .into_any()
                .unbind()
        });
        object.bind(py)
    }

    /// The key as the memory tier keeps it. TypeError if it is not a str.
    pub(super) fn packed(&self, py: Python<'_>) -> PyResult<&PackedKey> {
        if let Some(packed) = self.packed.get() {
            return Ok(packed);
        }
        let packed = match &self.wire {
            Some((prefix, codes)) => prefix.pack(codes),
            None => pack(self.object(py))?,
        };
        Ok(self.packed.get_or_init(|| packed))
    }

    /// The key's text as servers have it, in UTF-8. TypeError if it is not a str.
    pub(super) fn bytes(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        match &self.wire {
            Some((prefix, codes)) => Ok(prefix.text(codes).into_bytes()),
            None => with_text(self.object(py), <[u8]>::to_vec),
        }
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.object.get())
    }
}

/// Pack a key given by Python. TypeError if it is not a str.
pub(super) fn pack(key: &Bound<'_, PyAny>) -> PyResult<PackedKey> {
    with_text(key, PackedKey::pack)
}

/// What `read` makes of the text of a key given by Python. TypeError if it is not a str.
pub(super) fn with_text<T>(key: &Bound<'_, PyAny>, read: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    let Ok(text) = key.cast::<PyString>() else {
        let name = key.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a cache key is a str, not {name}: {}",
            shown(key)?
        )));
    };
    if let Ok(text) = text.to_str() {
        return Ok(read(text.as_bytes()));
    }
    // Lone surrogates have no UTF-8, but a form of it that no other text has.
    let py = key.py();
    let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "surrogatepass"))?;
    Ok(read(bytes.cast::<PyBytes>()?.as_bytes()))
}

/// The str that a key's text is of.
pub(super) fn unpacked<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyBytes::new(py, text);
    bytes.call_method1(intern!(py, "decode"), ("utf-8", "surrogatepass"))
}

/// The items of a mapping of keys to values. TypeError for anything else.
pub(super) fn items<'py>(
    values: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>> + use<'py>> {
    let Some(items) = values.getattr_opt(intern!(values.py(), "items"))? else {
        let name = values.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "set_many takes a mapping of keys to values, not {name}"
        )));
    };
    let items = items.call0()?.try_iter()?;
    Ok(items.map(|item| item?.extract()))
}
