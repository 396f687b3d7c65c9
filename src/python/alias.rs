//! Caches of ours behind Django's backends and aliases, found without entering Python.
//!
//! Django makes a backend for each thread, and all of them anew when its settings change. Those of one alias are
//! alike, so that any of them tells what there is: until the settings, a class or one of them is changed.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use super::backend::{Backend, Store};
use super::guard::{self, DJANGO_BACKEND, DJANGO_KEYS};
use super::key;
use super::naming::Text;
use super::raw::attached::Attached;
use super::raw::intern;
use super::raw::words::Words;
use super::raw::{self, watch};

/// What there is of Django, told by those who import it.
struct Django {
    /// The class of what stands for an alias, and `django.core.cache.caches`.
    proxy: Py<PyType>,
    caches: Py<PyAny>,
}

static DJANGO: OnceLock<Django> = OnceLock::new();

/// Called when the backends' class has just been made.
#[pyfunction]
#[pyo3(name = "_seal_django")]
pub(super) fn seal(
    backend: &Bound<'_, PyType>,
    proxy: Py<PyType>,
    caches: Py<PyAny>,
) -> PyResult<()> {
    let _ = DJANGO.set(Django { proxy, caches });
    DJANGO_KEYS.close(backend)?;
    DJANGO_BACKEND.close(backend)
}

/// A backend of ours, or what stands for one, as a tier was given it.
#[derive(Clone)]
pub(super) struct Aliased<'py> {
    given: Bound<'py, PyAny>,
    /// The backend, or one that is like it.
    backend: Bound<'py, Backend>,
}

/// Says, while it lives, that a backend is no longer like others of its alias.
pub(super) struct Apart {
    /// Where: the backends of Django's settings as they are now; and over which cache.
    place: (usize, usize),
    /// What the first of the two is the address of.
    _backends: Py<PyAny>,
}

static APART: Attached<Vec<(usize, usize)>> = Attached::new(Vec::new());

impl Apart {
    pub(super) fn from(backend: &Bound<'_, Backend>) -> PyResult<Option<Self>> {
        let (Some(django), py) = (DJANGO.get(), backend.py()) else {
            return Ok(None);
        };
        let backends = django.backends(py)?;
        let place = (backends.as_ptr().addr(), backend.get().address());
        APART.with(py, |apart| apart.push(place));
        Ok(Some(Self {
            place,
            _backends: backends.unbind(),
        }))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        APART.try_with(|apart| {
            let found = apart.iter().position(|place| *place == self.place);
            found.map(|found| apart.swap_remove(found))
        });
        watch::note_change();
    }
}

/// What an alias stood for when it was last looked up.
struct Known {
    /// None for a backend of others, or one that was changed.
    backend: Option<Py<Backend>>,
    /// Of `caches`, which Django keeps alive, and of the class.
    words: Words,
    changes: u64,
    _class: Py<PyType>,
}

static KNOWN: LazyLock<Attached<HashMap<String, Known>>> =
    LazyLock::new(|| Attached::new(HashMap::new()));

impl<'py> Aliased<'py> {
    /// None for anything that is not of ours, or no longer as it was made.
    pub(super) fn of(given: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        let Some(django) = DJANGO.get() else {
            return Ok(None);
        };
        let backend = if let Ok(backend) = given.cast::<Backend>() {
            backend.get().is_as_made(backend).then(|| backend.clone())
        } else if given.get_type().is(&django.proxy) {
            django.backend_of(given)?
        } else {
            None
        };
        Ok(backend.map(|backend| Self {
            given: given.clone(),
            backend,
        }))
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.backend.get().store()
    }

    /// The life that the backend gives to values for which nothing else is said.
    pub(super) fn default_timeout(&self) -> PyResult<Bound<'py, PyAny>> {
        self.given
            .getattr(intern!(self.given.py(), "default_timeout"))
    }

    /// What goes before each key; None if a function of the user's makes them.
    pub(super) fn head(&self) -> Option<Box<[u8]>> {
        self.backend.get().head_now(self.given.py())
    }

    /// The key as Django makes it.
    pub(super) fn key(&self, text: &[u8]) -> PyResult<Text> {
        let py = self.given.py();
        let mut usual = Text::new();
        if Backend::write_usual_text(&self.backend, text, &mut usual) {
            return Ok(usual);
        }
        let name = intern!(py, "make_and_validate_key");
        let made = self.given.call_method1(name, (key::unpacked(py, text)?,))?;
        key::with_text(&made, Text::from_slice)
    }

    /// The objects that are gone through.
    pub(super) fn through(&self) -> [Py<PyAny>; 2] {
        [
            self.given.clone().unbind(),
            self.backend.clone().into_any().unbind(),
        ]
    }

    /// Have it noticed when this stands for something else. False where that cannot be had.
    pub(super) fn watch(&self, words: &mut Words) -> bool {
        let is_given = self.given.is(&self.backend);
        let proxy = (!is_given).then_some(&self.given);
        proxy.is_none_or(|proxy| watch_alias(proxy, words))
            && guard::watch_class(&self.backend.get_type(), words)
    }
}

fn watch_alias(proxy: &Bound<'_, PyAny>, words: &mut Words) -> bool {
    let caches = DJANGO.get().map(|django| django.caches.bind(proxy.py()));
    caches.is_some_and(|caches| watch_object(proxy, words) && watch_object(caches, words))
}

fn watch_object(object: &Bound<'_, PyAny>, words: &mut Words) -> bool {
    words.class_of(object);
    guard::watch_class(&object.get_type(), words) && guard::watch_attributes(object, words)
}

impl Django {
    /// The backend of ours that a proxy stands for.
    fn backend_of<'py>(&self, proxy: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Backend>>> {
        let py = proxy.py();
        let Some(alias) = raw::own_dict(proxy).and_then(|dict| self.alias(&dict)) else {
            return Ok(None);
        };
        let Ok(name) = alias.to_str() else {
            return Ok(None);
        };
        let known = KNOWN.with(py, |known| {
            let known = known.get(name)?;
            let stands = Some(known.changes) == watch::changes(py) && known.words.are_as_before();
            stands.then(|| known.backend.as_ref().map(|backend| backend.clone_ref(py)))
        });
        if let Some(known) = known.flatten() {
            return Ok(known.map(|backend| backend.into_bound(py)));
        }
        self.look_up(py, name)
    }

    /// Where Django keeps each thread's backends, until its settings change.
    fn backends<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.caches.bind(py).getattr(intern!(py, "_connections"))
    }

    /// The alias that a proxy stands for, in Django's own settings.
    fn alias<'py>(&self, dict: &Bound<'py, PyDict>) -> Option<Bound<'py, PyString>> {
        let py = dict.py();
        let connections = dict.get_item(intern!(py, "_connections")).ok()??;
        let alias = dict.get_item(intern!(py, "_alias")).ok()??;
        let is_djangos = connections.is(&self.caches);
        alias.cast_into_exact().ok().filter(|_| is_djangos)
    }

    #[inline(never)]
    fn look_up<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, Backend>>> {
        // Noted first: whatever changes from here on has the next one look again.
        let changes = watch::changes(py);
        let caches = self.caches.bind(py);
        let found = caches.get_item(name)?;
        let class = found.get_type();
        let mut words = Words::default();
        let is_watched = watch_object(caches, &mut words) && guard::watch_class(&class, &mut words);
        let backend = found.cast_into::<Backend>().ok();
        let backend = backend.filter(|backend| backend.get().is_as_made(backend));
        // Another thread's may have been changed, which is then not like this one.
        let backends = self.backends(py)?.as_ptr().addr();
        let backend = backend.filter(|backend| {
            let place = (backends, backend.get().address());
            APART.with(py, |apart| !apart.contains(&place)) == Some(true)
        });
        let known = changes.filter(|_| is_watched).map(|changes| Known {
            backend: backend.clone().map(Bound::unbind),
            words,
            changes,
            _class: class.unbind(),
        });
        let _old = KNOWN.with(py, |place| match known {
            Some(known) => place.insert(name.to_owned(), known),
            None => place.remove(name),
        });
        Ok(backend)
    }
}
