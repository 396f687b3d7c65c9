//! Copies of plain containers: exact dict, list, set and tuple of plain data.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};

use super::immutable::{DEEPEST_COPY, Immutables, is_immutable};
use super::raw::intern;
use super::sizes::{size_of, size_of_whole};

/// A container and its copy; None while a tuple's is being made.
type Copied<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// Copies plain containers, each once.
pub(super) struct Copier<'py> {
    /// By address: the container, kept alive so that the address stays its own, and its copy.
    copies: HashMap<usize, Copied<'py>, ahash::RandomState>,
    pub(super) immutables: Immutables,
    /// Whether a container was met a second time.
    pub(super) met_again: bool,
    /// Whether what is copied is the caller's, and has yet to be found plain.
    examine: bool,
    /// An estimate in bytes of what was examined.
    pub(super) size: usize,
}

impl<'py> Copier<'py> {
    /// Has copied nothing yet. `examine`: what it copies is the caller's.
    pub(super) fn new(examine: bool) -> Self {
        Self {
            copies: HashMap::default(),
            immutables: Immutables::default(),
            met_again: false,
            examine,
            size: 0,
        }
    }

    /// A copy of `value`; None if there is something in it that is not plain data.
    pub(super) fn copy(
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
    pub(super) fn part(&mut self, container: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
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
pub(super) fn copy_flat<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
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
pub(super) fn copy_tree<'py>(recipe: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
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

/// A copy made from the hashes that the set has: no element's `__hash__` is called.
fn copy_set<'py>(set: &Bound<'py, PySet>) -> PyResult<Bound<'py, PyAny>> {
    set.call_method0(intern!(set.py(), "copy"))
}
