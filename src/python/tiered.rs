//! What is done with all tiers of a cache: get, claim and set of a decorated function, and `TieredCache`'s own methods.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;
use smallvec::SmallVec;

use super::any_tier::{AnyTier, Kind, in_caches, in_order, single};
use super::asked::Asked;
use super::guard::TIERED_CACHE;
use super::key::Key;
use super::logging;
use super::memory_cache::MemoryCache;
use super::naming::PrefixText;
use super::raw::intern;
use super::raw::object::Object;
use super::remote::{Claimed, Claiming, How};
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::tier::memory::Write;
use crate::tier::{Tier, stack};

/// What a cache has for a key.
pub(super) enum Answer<'py> {
    /// A value, and what the first tier holds of it, if it was there.
    Value(Bound<'py, PyAny>, Option<Held<Object>>),
    Nothing(Asked),
}

/// The value under `key` in the first tier of a cache that has it, promoted to those before.
///
/// `known` is what the first tier's prefix function said, if it was asked already.
pub(super) fn get<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    known: Option<PrefixText<'py>>,
) -> PyResult<Answer<'py>> {
    let mut missed = Vec::new();
    let mut known = Some(known);
    let tiers = in_order(cache)?.inspect(|tier| {
        if let (Ok(tier), Some(Some(known))) = (tier, known.take())
            && let Kind::Memory(memory) = &tier.kind
        {
            *memory.naming.known.borrow_mut() = Some(known);
        }
    });
    let Some(hit) = stack::get(tiers, key, &mut missed)? else {
        let asked = missed.iter().map(|tier| tier.asked(key));
        return Ok(Answer::Nothing(Asked(asked.collect::<PyResult<_>>()?)));
    };
    if logging::debug_enabled(cache.py())? && TIERED_CACHE.holds_for(cache) {
        log_hit(&missed, &hit.tier)?;
    }
    let held = if missed.is_empty() {
        hit.tier.held().map(|(_, held)| held)
    } else {
        None
    };
    Ok(Answer::Value(hit.found.value, held))
}

/// The rights to store what is computed, by the tiers' places.
#[derive(Default)]
pub(super) struct Claims {
    granted: SmallVec<[(usize, Claimed); 1]>,
    /// Whether a tier granted none although it answered: what is computed is for nobody else.
    pub(super) are_apart: bool,
    /// Whether a tier did not answer that memory is to be kept true to: what is computed is for nobody who comes
    /// after this.
    pub(super) are_unwatched: bool,
}

impl Claims {
    /// Give them back.
    pub(super) fn release(self, py: Python<'_>) {
        for (_, claimed) in self.granted {
            claimed.release(py);
        }
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.granted
            .iter()
            .try_for_each(|(_, claimed)| claimed.traverse(visit))
    }
}

/// What there is to do about a missing value.
pub(super) enum Claim<'py> {
    /// Nothing: another process has computed it. What the first tier holds of it, if it was promoted there.
    Value(Bound<'py, PyAny>),
    /// Compute it.
    Compute(Claims),
}

/// Take the rights to compute the value under `key` in the tiers that were asked for it.
pub(super) fn claim<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    asked: &Asked,
    write: fn(Generation) -> Write,
    how: How,
) -> PyResult<Claim<'py>> {
    let mut claims = Claims::default();
    let mut above = Vec::new();
    for (place, tier) in in_order(cache)?.enumerate() {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        if let Kind::Remote(remote) = &tier.kind {
            match remote.claim(key, how)? {
                Claiming::Compute(claim) => {
                    claims.are_unwatched |= claim.is_none()
                        && remote.cache.get().has_leases()
                        && is_kept_true(&above, key)?;
                    claims.granted.extend(claim.map(|claim| (place, claim)));
                }
                Claiming::ComputeApart => claims.are_apart = true,
                Claiming::Value(found) => {
                    stack::promote(&above, key, &found)?;
                    return Ok(Claim::Value(found.value));
                }
            }
        }
        above.push(tier);
    }
    Ok(Claim::Compute(claims))
}

/// Whether memory among these tiers is kept true.
fn is_kept_true(tiers: &[AnyTier<'_>], key: &Key) -> PyResult<bool> {
    for tier in tiers {
        if let Kind::Memory(memory) = &tier.kind
            && memory.linked(key)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What became of a value that was computed.
pub(super) enum Kept {
    /// It is kept, as far as can be told. If `first` is all there is to the cache, what that holds.
    As(Option<Held<Object>>),
    /// A server refused it: the key was cleared meanwhile, by whichever process. Or it did not say, and memory is
    /// to be kept true to it.
    Overtaken,
}

/// Set `key` in every tier of a cache; in those that were asked, only if it was not cleared since.
pub(super) fn set<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    value: &Bound<'py, PyAny>,
    asked: &Asked,
    claims: Claims,
    write: fn(Generation) -> Write,
    first: Option<&Py<MemoryCache>>,
) -> PyResult<Kept> {
    let replaces = asked
        .0
        .first()
        .is_some_and(|tier| write(tier.generation).replaces());
    let mut claims = claims.granted.into_iter().peekable();
    let mut as_asked = |(place, tier): (usize, PyResult<AnyTier<'py>>)| {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        if let (Kind::Remote(remote), Some((_, claim))) =
            (&tier.kind, claims.next_if(|(claimed, _)| *claimed == place))
        {
            remote.claim.replace(Some(claim));
        }
        Ok(tier)
    };
    let Some(tier) = single(cache)? else {
        let tiers = in_order(cache)?.enumerate().map(as_asked);
        if asked.are_ours() {
            let tiers = tiers.collect::<PyResult<Vec<_>>>()?;
            let is_refused = stack::fill(&tiers, key, value, replaces)?;
            let is_unanswered = |tier: &AnyTier<'_>| match &tier.kind {
                Kind::Remote(remote) => remote.was_unanswered.get(),
                _ => false,
            };
            if is_refused || tiers.iter().any(is_unanswered) && is_kept_true(&tiers, key)? {
                return Ok(Kept::Overtaken);
            }
        } else {
            stack::set(tiers, key, value)?;
        }
        return Ok(Kept::As(None));
    };
    let tier = as_asked((0, Ok(tier)))?;
    tier.set(key, value, None)?;
    if let Kind::Remote(remote) = &tier.kind
        && remote.was_overtaken.get()
    {
        return Ok(Kept::Overtaken);
    }
    let held = tier.held();
    let held = held.and_then(|(cache, held)| first?.is(cache).then_some(held));
    Ok(Kept::As(held))
}

fn log_hit<'py>(missed: &[AnyTier<'py>], hit: &AnyTier<'py>) -> PyResult<()> {
    let py = hit.object.py();
    let class_name = |tier: &AnyTier<'py>| {
        let class = tier.object.getattr(intern!(py, "__class__"))?;
        class.getattr(intern!(py, "__name__"))
    };
    let missed = missed
        .iter()
        .map(class_name)
        .collect::<PyResult<Vec<_>>>()?;
    logging::debug(py, "missed caches: {}", PyList::new(py, missed)?.as_any())?;
    logging::debug(py, "hit cache: {}", &class_name(hit)?)
}

/// `TieredCache.get`, for whatever has `caches`.
#[pyfunction]
#[pyo3(name = "_get")]
pub(super) fn get_in_order<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Bound<'_, PyAny>,
    default: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let key = Key::from_object(key);
    let mut missed = Vec::new();
    let Some(hit) = stack::get(in_caches(cache)?, &key, &mut missed)? else {
        return Ok(default);
    };
    if logging::debug_enabled(cache.py())? {
        log_hit(&missed, &hit.tier)?;
    }
    Ok(hit.found.value)
}

/// `TieredCache.set`.
#[pyfunction]
#[pyo3(name = "_set")]
pub(super) fn set_in_order(
    cache: &Bound<'_, PyAny>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    stack::set(in_caches(cache)?, &Key::from_object(key), value)
}

/// `TieredCache.delete`.
#[pyfunction]
#[pyo3(name = "_delete")]
pub(super) fn delete_in_order(cache: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    stack::delete(in_caches(cache)?, &Key::from_object(key))
}
