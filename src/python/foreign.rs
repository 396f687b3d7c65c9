//! Tiers in Python: any object with `get`, `set` and `delete`, called as 0.5.4 calls it.
//!
//! Such a tier cannot compare and set in one step. So what fills a gap in it is compared, set, and
//! compared again: deleted, if a clear came between. Clears of these tiers are ordered here, for the
//! whole process, as far as they go through this package.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock};

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyString, PyTuple, PyType};

use super::asked::AskedKey;
use super::key::{self, Key};
use super::naming::{PrefixText, is_force_skip, prefix_text};
use super::raw;
use super::raw::intern;
use crate::flow::generation::{Generation, Generations, Watch};
use crate::gate;
use crate::key::packed::PackedKey;
use crate::tier::memory::Write;

/// A tier in Python for the time of one operation.
pub(super) struct Foreign<'py> {
    /// What is asked: what is within the presets, if there are any.
    cache: Bound<'py, PyAny>,
    presets: Option<Presets<'py>>,
    /// On what condition values are set.
    pub(super) write: Cell<Write>,
    /// When this tier was first asked.
    pub(super) asked: Generation,
    /// Whether the last write was overtaken while others could read it.
    pub(super) was_overtaken: Cell<bool>,
    /// The key it was asked for, where a prefix function has its say.
    asked_for: RefCell<AskedKey>,
}

/// What CacheWithPresets puts around a cache.
struct Presets<'py> {
    timeout: Bound<'py, PyAny>,
    /// A function whose text goes before the key.
    prefix: Option<Bound<'py, PyAny>>,
}

impl<'py> Foreign<'py> {
    pub(super) fn new(cache: Bound<'py, PyAny>) -> Self {
        Self {
            cache,
            presets: None,
            write: Cell::new(Write::Always),
            asked: CLEARS.generations.now(),
            was_overtaken: Cell::new(false),
            asked_for: RefCell::default(),
        }
    }

    /// The same within a CacheWithPresets.
    pub(super) fn with_presets(
        cache: Bound<'py, PyAny>,
        timeout: Bound<'py, PyAny>,
        prefix: Option<Bound<'py, PyAny>>,
    ) -> Self {
        Self {
            presets: Some(Presets { timeout, prefix }),
            ..Self::new(cache)
        }
    }

    /// Whether a prefix function makes its keys.
    pub(super) fn has_prefix(&self) -> bool {
        self.presets
            .as_ref()
            .is_some_and(|presets| presets.prefix.is_some())
    }

    /// The value under `key`, or Ellipsis.
    pub(super) fn get(&self, key: &Key) -> PyResult<Bound<'py, PyAny>> {
        let py = self.cache.py();
        self.write.set(Write::Fill(self.asked));
        let default = [(intern!(py, "default"), py.Ellipsis())].into_py_dict(py)?;
        let value = self.call(intern!(py, "get"), key, None, Some(&default))?;
        Ok(value.unwrap_or_else(|| py.Ellipsis().into_bound(py)))
    }

    /// Set `key`, on the condition of `write`.
    pub(super) fn set(&self, key: &Key, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = self.cache.py();
        let timeout = self
            .presets
            .as_ref()
            .map(|presets| [(intern!(py, "timeout"), &presets.timeout)].into_py_dict(py));
        let timeout = timeout.transpose()?;
        let set = || self.call(intern!(py, "set"), key, Some(value), timeout.as_ref());
        let set = || set().map(|_| true);
        let overtaken = written(py, key, self.write.get(), set, Some(|| self.remove(key)))?;
        if overtaken {
            self.was_overtaken.set(true);
        }
        Ok(())
    }

    /// Forget `key`.
    pub(super) fn delete(&self, key: &Key) -> PyResult<()> {
        around(self.cache.py(), key, || self.remove(key))
    }

    fn remove(&self, key: &Key) -> PyResult<()> {
        self.call(intern!(self.cache.py(), "delete"), key, None, None)
            .map(drop)
    }

    /// Call a method as CacheWithPresets does, or as it is. None if a prefix function skips this cache.
    fn call(
        &self,
        name: &Bound<'py, PyString>,
        key: &Key,
        value: Option<&Bound<'py, PyAny>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.cache.py();
        let method = raw::attribute(&self.cache, name.as_unbound())?;
        let plain = key.object(py).clone();
        let prefix = self.presets.as_ref().and_then(|it| it.prefix.as_ref());
        let full = match prefix {
            None => plain,
            Some(prefix) => match prefix_text(prefix)? {
                PrefixText::Text(text) => self.noted(text.add(plain)?),
                PrefixText::Skip => {
                    self.asked_for.replace(AskedKey::Skipped);
                    return Ok(None);
                }
            },
        };
        let args = match value {
            None => PyTuple::new(py, [full])?,
            Some(value) => PyTuple::new(py, [&full, value])?,
        };
        match raw::call(&method, &args, keywords) {
            Ok(returned) => Ok(Some(returned)),
            // CacheWithPresets stands for what is raised within, too.
            Err(error) if self.presets.is_some() && is_force_skip(py, &error)? => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn noted(&self, full: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
        // What is no text, the cache is to refuse.
        if let Ok(key) = key::pack(&full) {
            self.asked_for.replace(AskedKey::Other(key));
        }
        full
    }

    /// What tells the values of this tier under one key apart, if anything does.
    ///
    /// A backend of Django's may put a tenant's name before each key, by a KEY_FUNCTION of the user's.
    pub(super) fn asked_for(&self, key: &Key) -> PyResult<AskedKey> {
        let py = self.cache.py();
        let asked_for = self.asked_for.borrow().clone();
        if !may_make_keys(&self.cache)? || matches!(asked_for, AskedKey::Skipped) {
            return Ok(asked_for);
        }
        let function = raw::attribute(&self.cache, intern!(py, "key_func").as_unbound())?;
        if is_named(
            &function,
            "django.core.cache.backends.base",
            "default_key_func",
        )? {
            return Ok(asked_for);
        }
        let plain = match &asked_for {
            AskedKey::Other(key) => {
                PyString::new(py, &String::from_utf8_lossy(&key.unpack())).into_any()
            }
            _ => key.object(py).clone(),
        };
        let made = raw::method(&self.cache, intern!(py, "make_key"), &[&plain])?;
        Ok(key::pack(&made).map_or(AskedKey::Skipped, AskedKey::Other))
    }
}

/// Whether a cache is one of Django's, by its class: asking the object itself for what it may not have
/// would show.
fn may_make_keys(cache: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = cache.get_type();
    if is_named(class.as_any(), "django.utils.connection", "ConnectionProxy")? {
        return Ok(true);
    }
    let Some(base) =
        super::immutable::loaded(cache.py(), "django.core.cache.backends.base", "BaseCache")?
    else {
        return Ok(false);
    };
    base.cast_into::<PyType>()
        .map_or(Ok(false), |base| class.is_subclass(&base))
}

fn is_named(object: &Bound<'_, PyAny>, module: &str, name: &str) -> PyResult<bool> {
    let py = object.py();
    let is = |attribute: &Bound<'_, PyString>, text: &str| {
        let found = object.getattr_opt(attribute)?;
        Ok::<_, PyErr>(
            found.is_some_and(|found| found.extract::<&str>().is_ok_and(|found| found == text)),
        )
    };
    Ok(is(intern!(py, "__name__"), name)? && is(intern!(py, "__module__"), module)?)
}

/// The order of clears of what lies in tiers in Python.
struct Clears {
    generations: Arc<Generations>,
    hasher: ahash::RandomState,
}

static CLEARS: LazyLock<Clears> = LazyLock::new(|| {
    gate::install();
    Clears {
        generations: Arc::new(Generations::new(1_024)),
        hasher: ahash::RandomState::new(),
    }
});

thread_local! {
    /// The key that this thread is filling a tier for: what a tier does for it in tiers of its own, such as
    /// several as one in Python, clears nothing.
    static FILLING: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Filling(Option<u64>);

impl Filling {
    fn begin(key: Option<u64>) -> Self {
        Self(FILLING.replace(key))
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        FILLING.set(self.0);
    }
}

/// Make what is common to all, before there are threads to wait for it.
pub(super) fn prepare() {
    LazyLock::force(&CLEARS);
}

impl Clears {
    fn fingerprint(&self, key: &PackedKey) -> u64 {
        self.hasher.hash_one(key.as_bytes())
    }

    /// None for a key that is no text.
    fn fingerprint_of(&self, py: Python<'_>, key: &Key) -> Option<u64> {
        key.packed(py).ok().map(|key| self.fingerprint(key))
    }

    fn clear(&self, fingerprint: Option<u64>) {
        if let Some(fingerprint) = fingerprint
            && FILLING.get() != Some(fingerprint)
        {
            let _pass = gate::enter();
            self.generations.lock(fingerprint).clear();
        }
    }

    fn was_cleared_since(&self, fingerprint: Option<u64>, since: Generation) -> bool {
        fingerprint.is_some_and(|fingerprint| {
            let _pass = gate::enter();
            self.generations.lock(fingerprint).was_cleared_since(since)
        })
    }

    fn is_refresh_overtaken(&self, fingerprint: Option<u64>, begun: Generation) -> bool {
        fingerprint.is_some_and(|fingerprint| {
            let _pass = gate::enter();
            self.generations.lock(fingerprint).has_newer_than(begun)
        })
    }

    /// Void what was read before now, for a refresh that began at that moment.
    fn refresh(&self, fingerprint: Option<u64>, begun: Generation) {
        if let Some(fingerprint) = fingerprint {
            let _pass = gate::enter();
            self.generations.lock(fingerprint).refresh(begun);
        }
    }

    /// Do what replaces or forgets a key: what is read before it or meanwhile is void.
    fn around<T>(&self, fingerprint: Option<u64>, op: impl FnOnce() -> T) -> T {
        self.clear(fingerprint);
        let done = op();
        self.clear(fingerprint);
        done
    }
}

/// Write a tier that cannot compare and set in one step with this process's clears, on the condition of
/// `write`: `set` says whether it kept the value, `remove` undoes it; None where `set` compares by itself. Whether
/// what was written was overtaken while others could read it.
pub(super) fn written(
    py: Python<'_>,
    key: &Key,
    write: Write,
    set: impl FnOnce() -> PyResult<bool>,
    remove: Option<impl FnOnce() -> PyResult<()>>,
) -> PyResult<bool> {
    let fingerprint = CLEARS.fingerprint_of(py, key);
    let (since, is_refresh) = match write {
        Write::Always | Write::Again => {
            return CLEARS.around(fingerprint, || set().map(|kept| !kept));
        }
        Write::Fill(since) | Write::Unchanged(since) => (since, false),
        Write::Refresh(since) => (since, true),
    };
    let is_overtaken = || {
        if is_refresh {
            CLEARS.is_refresh_overtaken(fingerprint, since)
        } else {
            CLEARS.was_cleared_since(fingerprint, since)
        }
    };
    if remove.is_some() && is_overtaken() {
        // A newer refresh may be about to write: what is there until then is older than both.
        return match remove {
            Some(remove) if is_refresh => remove().map(|()| false),
            _ => Ok(false),
        };
    }
    let within = Filling::begin(fingerprint);
    if is_refresh {
        CLEARS.refresh(fingerprint, since);
    }
    let mut overtaken = !set()?;
    if let Some(remove) = remove
        && !overtaken
        && is_overtaken()
    {
        remove()?;
        overtaken = true;
    }
    drop(within);
    if is_refresh {
        CLEARS.refresh(fingerprint, since);
    }
    Ok(overtaken)
}

/// Do what replaces or forgets a key: what is read before it or meanwhile is void.
pub(super) fn around<T>(py: Python<'_>, key: &Key, op: impl FnOnce() -> T) -> T {
    CLEARS.around(CLEARS.fingerprint_of(py, key), op)
}

/// The moment now.
pub(super) fn now() -> Generation {
    CLEARS.generations.now()
}

/// Void what was read from tiers in Python, or computed for them, under `key`.
pub(super) fn clear(py: Python<'_>, key: &Key) {
    CLEARS.clear(CLEARS.fingerprint_of(py, key));
}

/// The moment now, told from all others: when a refresh begins.
pub(super) fn begin() -> Generation {
    CLEARS.generations.begin()
}

/// Whether a key of tiers in Python was cleared since.
pub(super) fn was_cleared_since(key: &PackedKey, since: Generation) -> bool {
    CLEARS.was_cleared_since(Some(CLEARS.fingerprint(key)), since)
}

/// Have clears of other keys not count for this one, for as long as the watch is kept.
pub(super) fn watch(key: &PackedKey) -> Watch {
    CLEARS.generations.watch(CLEARS.fingerprint(key))
}

/// `clear`, for a key given by Python.
#[pyfunction]
#[pyo3(name = "_void")]
pub(super) fn void(key: &Bound<'_, PyAny>) {
    clear(key.py(), &Key::from_object(key));
}
