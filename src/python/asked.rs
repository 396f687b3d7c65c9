//! What is noted of tiers before a value is read or computed for them.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::SmallVec;

use super::any_tier::{AnyTier, in_order};
use super::foreign;
use super::guard::TIERED_CACHE;
use super::key::Key;
use super::memory_cache::MemoryCache;
use super::raw::intern;
use crate::flow::generation::{Generation, Watch};
use crate::key::packed::PackedKey;

/// The tiers that were asked, by their places, and when.
#[derive(Default)]
pub(super) struct Asked(pub(super) SmallVec<[AskedTier; 1]>);

/// One tier: when it was asked, and for what.
pub(super) struct AskedTier {
    /// The memory tier, if it is one.
    pub(super) cache: Option<Py<MemoryCache>>,
    /// Whether it is a tier on a server, where values are stored under leases.
    pub(super) is_remote: bool,
    pub(super) generation: Generation,
    pub(super) key: AskedKey,
}

/// What a tier was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) enum AskedKey {
    /// The key itself.
    #[default]
    Plain,
    /// Another that was made of it, by a prefix function.
    Other(PackedKey),
    /// Nothing.
    Skipped,
}

/// What tells one computation from another: a key, and the keys that were made of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    key: PackedKey,
    others: Vec<AskedKey>,
}

impl FlightKey {
    fn new(key: &PackedKey, others: impl Iterator<Item = AskedKey>) -> Self {
        let mut others: Vec<_> = others.collect();
        if others.iter().all(|other| *other == AskedKey::Plain) {
            others = Vec::new();
        }
        Self {
            key: key.clone(),
            others,
        }
    }

    /// The key that the tiers' own are made of.
    pub(super) fn plain(&self) -> &PackedKey {
        &self.key
    }
}

impl Asked {
    /// Tiers that are not asked, but to be written only if nothing is cleared from now on.
    pub(super) fn now(cache: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut asked = SmallVec::new();
        each_tier(cache, |tier| {
            asked.push(tier.noted().begun());
            Ok(())
        })?;
        Ok(Self(asked))
    }

    /// What tells the computation of `key` from others, where the tiers of `cache` are asked by others
    /// than this package; None where these may have made other keys of it.
    pub(super) fn flight_apart(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Key,
    ) -> PyResult<Option<FlightKey>> {
        let mut keys = Vec::with_capacity(self.0.len());
        let mut is_known = true;
        each_tier(cache, |tier| {
            match tier.would_ask_for(key)? {
                Some(key) => keys.push(key),
                None => is_known = false,
            }
            Ok(())
        })?;
        // A key that is no text is for the tiers to refuse.
        let Ok(plain) = key.packed(cache.py()) else {
            return Ok(None);
        };
        let is_known = is_known && !keys.is_empty() && keys.len() == self.0.len();
        Ok(is_known.then(|| FlightKey::new(plain, keys.into_iter())))
    }

    /// The first of the tiers, if it is a memory tier, and the key it was asked for.
    pub(super) fn memory<'a>(
        &'a self,
        key: &'a PackedKey,
    ) -> Option<(&'a Py<MemoryCache>, &'a PackedKey)> {
        let first = self.0.first()?;
        Some((first.cache.as_ref()?, first.key.or(key)?))
    }

    /// Whether the right to compute has to be taken somewhere.
    pub(super) fn has_remote(&self) -> bool {
        self.0.iter().any(|tier| tier.is_remote)
    }

    /// Whether nobody can tell in which order they are written.
    pub(super) fn are_ours(&self) -> bool {
        let is_ours = |tier: &AskedTier| tier.is_remote || tier.cache.is_some();
        self.0.iter().all(is_ours)
    }

    /// What tells the computation of `key` from others; None if nobody else may have its value.
    pub(super) fn flight(&self, key: &PackedKey) -> Option<FlightKey> {
        if self.0.iter().all(|tier| tier.key == AskedKey::Skipped) {
            return None;
        }
        Some(FlightKey::new(
            key,
            self.0.iter().map(|tier| tier.key.clone()),
        ))
    }

    /// Have clears of other keys not count for what is computed for `key`. One that is no text is for the tiers to
    /// refuse.
    pub(super) fn watch(&self, py: Python<'_>, key: &Key) -> Watches {
        let Ok(key) = key.packed(py) else {
            return Watches::default();
        };
        self.0.iter().filter_map(|tier| tier.watch(key)).collect()
    }

    /// Whether `key` has not been cleared since in these tiers, which are those of `mine`.
    pub(super) fn are_current(&self, mine: &Self, key: &PackedKey) -> bool {
        let are_same = |tier: &AskedTier, mine: &AskedTier| match (&tier.cache, &mine.cache) {
            (Some(cache), Some(mine)) => cache.is(mine),
            (None, None) => true,
            _ => false,
        };
        self.0.len() == mine.0.len()
            && self
                .0
                .iter()
                .zip(&mine.0)
                .all(|(tier, mine)| are_same(tier, mine) && !tier.was_cleared(key))
    }
}

/// Keys that are watched while a value is computed for them, in each of the tiers.
pub(super) type Watches = SmallVec<[Watch; 1]>;

/// Look at the tiers of a cache, if nobody notices.
fn each_tier<'py>(
    cache: &Bound<'py, PyAny>,
    mut look: impl FnMut(AnyTier<'py>) -> PyResult<()>,
) -> PyResult<()> {
    if TIERED_CACHE.holds_for(cache) {
        let caches = cache.getattr(intern!(cache.py(), "caches"))?;
        // Anything but a list or a tuple might tell that it was looked at.
        if !caches.is_exact_instance_of::<PyList>() && !caches.is_exact_instance_of::<PyTuple>() {
            return Ok(());
        }
    }
    in_order(cache)?.try_for_each(|tier| look(tier?))
}

impl AskedTier {
    /// The same, for what may be a refresh that begins now.
    fn begun(self) -> Self {
        let generation = match &self.cache {
            None => foreign::begin(),
            Some(cache) => cache.get().tier().begin(),
        };
        Self { generation, ..self }
    }

    fn watch(&self, key: &PackedKey) -> Option<Watch> {
        match &self.cache {
            None => Some(foreign::watch(key)),
            Some(cache) => Some(cache.get().tier().watch(self.key.or(key)?)),
        }
    }

    fn was_cleared(&self, key: &PackedKey) -> bool {
        match &self.cache {
            None => foreign::was_cleared_since(key, self.generation),
            Some(cache) => self.key.or(key).is_some_and(|key| {
                let tier = cache.get().tier();
                tier.was_cleared_here_since(key, self.generation)
            }),
        }
    }
}

impl AskedKey {
    fn or<'a>(&'a self, plain: &'a PackedKey) -> Option<&'a PackedKey> {
        match self {
            Self::Plain => Some(plain),
            Self::Other(other) => Some(other),
            Self::Skipped => None,
        }
    }
}
