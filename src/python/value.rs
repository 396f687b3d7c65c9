//! Values kept apart from their callers: what one does to a returned value, no other sees.
//!
//! Immutable values are shared as they are. Plain containers (exact dict, list, set and tuple of
//! plain data) are kept as a private copy and copied again for each caller. Anything else is kept
//! pickled. What is identical inside one value stays identical in its copies.

use std::collections::{HashMap, HashSet};

use pyo3::exceptions::{PyException, PyMemoryError, PyRecursionError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyFrozenSet, PyInt,
    PyList, PyRange, PySet, PyString, PyTime, PyTuple, PyType, PyTzInfo, PyTzInfoAccess,
};

use super::errors::UncacheableValueError;
use super::raw;
use super::raw::intern;
use super::raw::object::{Kind, Object};

/// Containers within one another beyond which a value is pickled instead of copied.
const DEEPEST_COPY: usize = 100;
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

/// Whether an exception says that a value cannot be serialised, and not that something else went wrong.
pub(super) fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyException>(py)
        && !error.is_instance_of::<PyRecursionError>(py)
        && !error.is_instance_of::<PyMemoryError>(py)
}

/// The tuples and frozensets that were found immutable, by address: each is looked into once, however
/// many places it stands in. Only for the time of one walk, in which none of them can go away.
#[derive(Default)]
struct Immutables {
    known: Addresses,
    /// Whether any was a member of an enumeration, through whose class all is reached that is global to
    /// its methods.
    lead_on: bool,
}

type Addresses = HashSet<usize, ahash::RandomState>;

/// Whether nobody can change the value: the types known for it, and tuples and frozensets of those.
fn is_immutable(value: &Bound<'_, PyAny>, depth: usize, known: &mut Immutables) -> PyResult<bool> {
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

/// A container and its copy; None while a tuple's is being made.
type Copied<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// Copies plain containers, each once.
struct Copier<'py> {
    /// By address: the container, kept alive so that the address stays its own, and its copy.
    copies: HashMap<usize, Copied<'py>, ahash::RandomState>,
    immutables: Immutables,
    /// Whether a container was met a second time.
    met_again: bool,
    /// Whether what is copied is the caller's, and has yet to be found plain.
    examine: bool,
    size: usize,
}

impl<'py> Copier<'py> {
    fn new(examine: bool) -> Self {
        Self {
            copies: HashMap::default(),
            immutables: Immutables::default(),
            met_again: false,
            examine,
            size: 0,
        }
    }

    /// A copy of `value`; None if there is something in it that is not plain data.
    fn copy(
        &mut self,
        value: &Bound<'py, PyAny>,
        depth: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if is_immutable(value, depth, &mut self.immutables)? {
            self.count(value)?;
            return Ok(Some(value.clone()));
        }
        if self.examine {
            self.size = self.size.saturating_add(size_of(value)?);
        }
        if depth > DEEPEST_COPY {
            return Ok(None);
        }
        if let Some((_, copy)) = self.copies.get(&value.as_ptr().addr()) {
            self.met_again = true;
            // None: a tuple that contains itself and is still being copied; pickle knows how
            return Ok(copy.clone());
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let copy = list.get_slice(0, usize::MAX);
            self.remember(value, Some(copy.as_any()));
            for index in 0..copy.len() {
                let Some(item) = self.copy(&copy.get_item(index)?, depth + 1)? else {
                    return Ok(None);
                };
                copy.set_item(index, item)?;
            }
            Ok(Some(copy.into_any()))
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            let copy = dict.copy()?;
            self.remember(value, Some(copy.as_any()));
            let mut copies = Vec::new();
            for (key, item) in copy.iter() {
                if !is_immutable(&key, depth + 1, &mut self.immutables)? {
                    return Ok(None);
                }
                self.count(&key)?;
                match self.copy(&item, depth + 1)? {
                    Some(same) if same.is(&item) => {}
                    Some(copy) => copies.push((key, copy)),
                    None => return Ok(None),
                }
            }
            if !put_back(&copy, copies)? {
                return Ok(None);
            }
            Ok(Some(copy.into_any()))
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            let copy = copy_set(set)?;
            self.remember(value, Some(&copy));
            for item in copy.cast::<PySet>()? {
                if !is_immutable(&item, depth + 1, &mut self.immutables)? {
                    return Ok(None);
                }
                self.count(&item)?;
            }
            Ok(Some(copy))
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.remember(value, None);
            let mut items = Vec::with_capacity(tuple.len());
            for item in tuple {
                let Some(item) = self.copy(&item, depth + 1)? else {
                    return Ok(None);
                };
                items.push(item);
            }
            let copy = PyTuple::new(value.py(), items)?.into_any();
            self.remember(value, Some(&copy));
            Ok(Some(copy))
        } else {
            Ok(None)
        }
    }

    /// What a copied container is copied by from now on: itself if nothing in it has to be copied, or
    /// else a recipe. That is a tuple of the container, and of the place (key or index) and the part of
    /// each item that has to be. So nobody walks through the rest again.
    fn part(&mut self, container: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = container.py();
        let mut recipe = vec![container.clone()];
        if let Ok(dict) = container.cast_exact::<PyDict>() {
            for (key, item) in dict.iter() {
                if !is_immutable(&item, 0, &mut self.immutables)? {
                    recipe.extend([key, self.part(item)?]);
                }
            }
        } else if !container.is_exact_instance_of::<PySet>() {
            for (index, item) in container.try_iter()?.enumerate() {
                let item = item?;
                if !is_immutable(&item, 0, &mut self.immutables)? {
                    recipe.extend([index.into_pyobject(py)?.into_any(), self.part(item)?]);
                }
            }
        }
        if recipe.len() == 1 {
            return Ok(container);
        }
        let own = (recipe.len() + 5) * std::mem::size_of::<usize>();
        self.size = self.size.saturating_add(own);
        Ok(PyTuple::new(py, recipe)?.into_any())
    }

    fn count(&mut self, immutable: &Bound<'py, PyAny>) -> PyResult<()> {
        if self.examine {
            self.size = self.size.saturating_add(size_of_whole(immutable)?);
        }
        Ok(())
    }

    fn remember(&mut self, value: &Bound<'py, PyAny>, copy: Option<&Bound<'py, PyAny>>) {
        self.copies
            .insert(value.as_ptr().addr(), (value.clone(), copy.cloned()));
    }
}

/// A copy of one container with nothing to be copied in it.
fn copy_flat<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        Ok(dict.copy()?.into_any())
    } else if let Ok(list) = value.cast_exact::<PyList>() {
        Ok(list.get_slice(0, usize::MAX).into_any())
    } else if let Ok(set) = value.cast_exact::<PySet>() {
        copy_set(set)
    } else {
        Ok(value.clone())
    }
}

/// A copy made by a recipe: of its container, with copies of the parts in their places.
fn copy_tree<'py>(recipe: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    let [container, parts @ ..] = recipe.as_slice() else {
        return Ok(recipe.clone().into_any());
    };
    let parts = parts.as_chunks::<2>().0;
    if let Ok(tuple) = container.cast_exact::<PyTuple>() {
        let mut items = tuple.as_slice().to_vec();
        for [place, part] in parts {
            items[place.extract::<usize>()?] = copy_part(part)?;
        }
        return Ok(PyTuple::new(recipe.py(), items)?.into_any());
    }
    let copy = copy_flat(container)?;
    if let Ok(dict) = copy.cast_exact::<PyDict>() {
        for [key, part] in parts {
            dict.set_item(key, copy_part(part)?)?;
        }
    } else if let Ok(list) = copy.cast_exact::<PyList>() {
        for [place, part] in parts {
            list.set_item(place.extract()?, copy_part(part)?)?;
        }
    }
    Ok(copy)
}

/// A copy of a part: of a recipe's, which is a tuple, or of a container with nothing to be copied in it.
fn copy_part<'py>(part: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    part.cast_exact::<PyTuple>()
        .map_or_else(|_| copy_flat(part), copy_tree)
}

/// Put copied items back under their keys. False if a key is not found by its own hash any more.
fn put_back(
    dict: &Bound<'_, PyDict>,
    copies: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
) -> PyResult<bool> {
    let len = dict.len();
    for (key, item) in copies {
        dict.set_item(key, item)?;
    }
    Ok(dict.len() == len)
}

/// Whether the value has to be looked into when it is copied.
fn is_container(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyDict>()
        || value.is_exact_instance_of::<PyList>()
        || value.is_exact_instance_of::<PySet>()
        || value.is_exact_instance_of::<PyTuple>()
}

/// A copy made from the hashes that the set has: no element's `__hash__` is called.
fn copy_set<'py>(set: &Bound<'py, PySet>) -> PyResult<Bound<'py, PyAny>> {
    set.call_method0(intern!(set.py(), "copy"))
}

/// An estimate of an object's own memory in bytes, without what it refers to.
fn size_of(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if value.is_none() || value.is_exact_instance_of::<PyBool>() {
        return Ok(0);
    }
    if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>() {
        return Ok(28);
    }
    let py = value.py();
    let size = raw::method(&value.get_type(), intern!(py, "__sizeof__"), &[value]);
    let size = size.and_then(|size| size.extract());
    match size {
        // A class may say anything of its size, and what it says is only an estimate.
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(64),
        // Ctrl-C is none of its business.
        size => size,
    }
}

/// An estimate of the memory of a value and of all that stands in it, where that can be seen: plain
/// containers are looked into, each once.
fn size_of_whole(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !is_container(value) && !value.is_exact_instance_of::<PyFrozenSet>() {
        return size_of(value);
    }
    let mut size = 0_usize;
    let mut seen = Addresses::default();
    let mut left = vec![value.clone()];
    while let Some(value) = left.pop() {
        let is_frozen = value.is_exact_instance_of::<PyFrozenSet>();
        if (is_frozen || is_container(&value)) && !seen.insert(value.as_ptr().addr()) {
            continue;
        }
        size = size.saturating_add(size_of(&value)?);
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            left.extend_from_slice(tuple.as_slice());
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            left.extend(list.iter());
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            for (key, item) in dict.iter() {
                left.extend([key, item]);
            }
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            left.extend(set.iter());
        } else if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
            left.extend(set.iter());
        }
    }
    Ok(size)
}
