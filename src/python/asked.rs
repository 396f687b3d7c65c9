//! What is noted of tiers before a value is read or computed for them.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::SmallVec;

use super::foreign;
use super::guard::TIERED_CACHE;
use super::memory_cache::MemoryCache;
use super::tiered::AnyTier;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;

/// The tiers that were asked, by their places, and when.
#[derive(Default)]
pub(super) struct Asked(pub(super) SmallVec<[AskedTier; 1]>);

/// One tier: when it was asked, and for what.
pub(super) struct AskedTier {
    /// The memory tier, if it is one.
    pub(super) cache: Option<Py<MemoryCache>>,
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
    /// The key that the tiers' own are made of.
    pub(super) fn plain(&self) -> &PackedKey {
        &self.key
    }
}

impl Asked {
    /// Tiers that are not asked, but to be written only if nothing is cleared from now on.
    pub(super) fn now(cache: &Bound<'_, PyAny>) -> PyResult<Self> {
        let noted = |tier: Bound<'_, PyAny>| Ok::<_, PyErr>(AnyTier::of(tier)?.noted().begun());
        let mut asked = SmallVec::new();
        if !TIERED_CACHE.holds_for(cache) {
            asked.push(noted(cache.clone())?);
            return Ok(Self(asked));
        }
        let caches = cache.getattr(pyo3::intern!(cache.py(), "caches"))?;
        // Anything but a list or a tuple might tell that it was looked at.
        if caches.is_exact_instance_of::<PyList>() || caches.is_exact_instance_of::<PyTuple>() {
            for tier in caches.try_iter()? {
                asked.push(noted(tier?)?);
            }
        }
        Ok(Self(asked))
    }

    /// The first of the tiers, if it is a memory tier, and the key it was asked for.
    pub(super) fn memory<'a>(
        &'a self,
        key: &'a PackedKey,
    ) -> Option<(&'a Py<MemoryCache>, &'a PackedKey)> {
        let first = self.0.first()?;
        Some((first.cache.as_ref()?, first.key.or(key)?))
    }

    /// What tells the computation of `key` from others; None if nobody else may have its value.
    pub(super) fn flight(&self, key: &PackedKey) -> Option<FlightKey> {
        if self.0.iter().all(|tier| tier.key == AskedKey::Skipped) {
            return None;
        }
        let is_plain = self.0.iter().all(|tier| tier.key == AskedKey::Plain);
        let others = if is_plain {
            Vec::new()
        } else {
            self.0.iter().map(|tier| tier.key.clone()).collect()
        };
        let key = key.clone();
        Some(FlightKey { key, others })
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

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut caches = self.0.iter().filter_map(|tier| tier.cache.as_ref());
        caches.try_for_each(|cache| visit.call(cache))
    }
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

    fn was_cleared(&self, key: &PackedKey) -> bool {
        match &self.cache {
            None => foreign::was_cleared_since(key, self.generation),
            Some(cache) => self.key.or(key).is_some_and(|key| {
                let tier = cache.get().tier();
                tier.was_cleared_since(key, self.generation)
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
