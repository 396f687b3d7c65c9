//! Which memory tiers are kept true to which servers: settings, and the links that follow from a cache's tiers.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use smallvec::SmallVec;

use super::any_tier::{Kind, look_ahead};
use super::key::Key;
use super::memory_cache::MemoryCache;
use super::raw::intern;
use super::redis_cache::RedisCache;
use super::shown::shown;
use super::{logging, raw, timeout};
use crate::clock::Timeout;
use crate::redis::listener::Listener;
use crate::tier::coherence::{Bounds, Hub, Link, Mode, Way};

/// What the keys of decorated functions begin with.
const OF_FUNCTIONS: &[u8] = b"quickcache.";
/// What goes before a tier's key prefix in the name of the channel on which its clears are published.
const CHANNEL: &[u8] = b"quickcache.clears:";
/// How long the first call waits for the servers to be linked. Until they are, memory is not used.
const SETTLE: Duration = Duration::from_millis(50);
/// The shortest time between two questions to a server.
const LEAST_BEAT: Duration = Duration::from_millis(10);

const DEFAULT: Settings = Settings {
    mode: Some(Mode::Tracking),
    bounds: Bounds {
        beat: Duration::from_secs(1),
        grace: Duration::ZERO,
    },
    begins: Vec::new(),
};

/// How memory is kept true.
#[derive(Clone)]
struct Settings {
    /// None: it is not.
    mode: Option<Mode>,
    bounds: Bounds,
    /// What all keys begin with, whoever asks, if it is known.
    begins: Vec<u8>,
}

/// The settings as Python has them.
#[pyclass(module = "quickcache._native", name = "_Coherence", frozen)]
pub(super) struct Coherence {
    settings: Settings,
    given: (Py<PyAny>, Py<PyAny>, Py<PyAny>, Py<PyAny>),
}

#[pymethods]
impl Coherence {
    #[new]
    #[pyo3(signature = (coherence, on_link_loss, beat, begins))]
    fn new(
        coherence: &Bound<'_, PyAny>,
        on_link_loss: &Bound<'_, PyAny>,
        beat: &Bound<'_, PyAny>,
        begins: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let settings = Settings {
            mode: mode_of(coherence)?,
            bounds: Bounds {
                beat: timeout::beat(beat)?.max(LEAST_BEAT),
                grace: grace_of(on_link_loss)?,
            },
            begins: begins.cast::<PyBytes>()?.as_bytes().to_vec(),
        };
        let given = |part: &Bound<'_, PyAny>| part.clone().unbind();
        let (coherence, lost) = (given(coherence), given(on_link_loss));
        Ok(Self {
            settings,
            given: (coherence, lost, given(beat), given(begins)),
        })
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let (coherence, lost, beat, begins) = &self.given;
        PyTuple::new(py, [coherence, lost, beat, begins])
    }
}

fn mode_of(given: &Bound<'_, PyAny>) -> PyResult<Option<Mode>> {
    match given.extract::<&str>() {
        Ok("tracking") => Ok(Some(Mode::Tracking)),
        Ok("pubsub") => Ok(Some(Mode::Pubsub)),
        Ok("off") => Ok(None),
        _ if given.is_none() => Ok(DEFAULT.mode),
        _ => Err(PyValueError::new_err(format!(
            "coherence is 'tracking' (the server tells each process of keys that change), 'pubsub' (processes \
             tell each other of their clears) or 'off', not {}",
            shown(given)?
        ))),
    }
}

fn grace_of(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    if given.extract::<&str>().is_ok_and(|text| text == "bypass") {
        return Ok(Duration::ZERO);
    }
    timeout::link_loss(given)
}

/// A memory tier that is kept true, and who listens for it.
#[derive(Clone)]
pub(super) struct Linked {
    link: Arc<Link>,
    listener: Arc<Listener>,
}

/// The links of a cache's memory tiers.
pub(super) struct Links {
    /// In the tiers' order.
    of_tiers: SmallVec<[Linked; 1]>,
    /// How long the tier below keeps what is computed.
    pub(super) life: Timeout,
    /// That tier.
    server: Py<RedisCache>,
}

impl Links {
    /// The link of the tier at a place, if memory is kept true at all.
    pub(super) fn in_force(&self, place: usize) -> Option<&Linked> {
        self.of_tiers
            .get(place)
            .filter(|linked| linked.is_in_force())
    }

    /// Whether values are read from the servers that are listened to, as far as is known: of a service with
    /// sentinels, one may have heard of a new primary before the other.
    pub(super) fn are_of_one_mind(&self) -> bool {
        let server = self.server.get();
        self.of_tiers
            .iter()
            .all(|linked| server.is_at(linked.link.hub()))
    }
}

impl Linked {
    /// Whether the server lets memory be kept true.
    fn is_in_force(&self) -> bool {
        self.link.hub().mode().is_some()
    }

    /// Whether the server tells of changes now; memory may serve for a while although it does not, and is flushed
    /// before it does again.
    pub(super) fn is_live(&self) -> bool {
        self.link.hub().age().is_some()
    }

    /// Whether nobody listens any more: what is read now may change unsaid.
    pub(super) fn is_retired(&self) -> bool {
        self.link.is_retired()
    }

    /// Note that a value was not kept in memory, since it may have changed.
    pub(super) fn count_refused_fill(&self) {
        self.link.count_refused_fill();
    }

    /// Have somebody listen; the first time, wait a moment until the server has answered.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        self.listener.wake();
        let hub = self.link.hub();
        if hub.unsettled_for().is_some_and(|since| since < SETTLE) {
            raw::detached(py, || self.listener.settle(SETTLE));
        }
        logging::hand_over(py, hub.take_notices())
    }
}

/// The links of the memory tiers of a cache, for an operation on `key`. None where they are not kept true.
pub(super) fn links(cache: &Bound<'_, PyAny>, key: &Key) -> PyResult<Option<Links>> {
    let py = cache.py();
    let Some(tiers) = look_ahead(cache)? else {
        return Ok(None);
    };
    let Some((Kind::Remote(lower), uppers)) = tiers.split_last() else {
        return Ok(None);
    };
    if uppers.is_empty() || lower.cache.get().reads_replicas() {
        return Ok(None);
    }
    let settings = settings_of(cache, uppers)?;
    let Some(mode) = settings.mode else {
        return Ok(None);
    };
    let redis = lower.cache.get();
    let prefix = redis.full(b"");
    let Some(head) = lower.naming.head() else {
        return Ok(None);
    };
    let listener = redis.listener(mode)?;
    let mut links = SmallVec::<[Linked; 1]>::new();
    for upper in uppers {
        let Kind::Memory(upper) = upper else {
            return Ok(None);
        };
        let Some(above) = upper.naming.head() else {
            return Ok(None);
        };
        let is_same = above == head;
        let text = key.bytes(py)?;
        let begins = settings.begins.as_slice();
        // All of a backend's keys, if that is one of them.
        let is_known =
            is_same && !begins.is_empty() && [&head, text.as_slice()].concat().starts_with(begins);
        let begins = if is_known {
            begins.to_vec()
        } else if text.starts_with(OF_FUNCTIONS) {
            [&head, OF_FUNCTIONS].concat()
        } else {
            head.to_vec()
        };
        let way = Way {
            prefix: [&prefix, begins.as_slice()].concat(),
            channel: [CHANNEL, &prefix].concat(),
            below: if is_same {
                prefix.clone()
            } else {
                [prefix.as_slice(), &head].concat()
            },
            above: if is_same { Vec::new() } else { above.to_vec() },
        };
        redis.publish(listener.hub(), &way.channel);
        links.push(linked(
            py,
            upper.cache.get(),
            &listener,
            &way,
            settings.bounds,
        ));
    }
    for linked in &links {
        linked.wake(py)?;
        redis.go_to(linked.link.hub());
    }
    Ok(Some(Links {
        server: lower.cache.clone().unbind(),
        of_tiers: links,
        life: lower.life(),
    }))
}

fn settings_of(cache: &Bound<'_, PyAny>, uppers: &[Kind<'_>]) -> PyResult<Settings> {
    let py = cache.py();
    let of_tier = uppers.iter().find_map(|upper| match upper {
        Kind::Memory(memory) => memory.coherence.as_ref(),
        _ => None,
    });
    if let Some(coherence) = of_tier {
        return Ok(coherence.bind(py).get().settings.clone());
    }
    let given = cache.getattr_opt(intern!(py, "_coherence"))?;
    let given = given.and_then(|given| given.cast_into::<Coherence>().ok());
    Ok(given.map_or(DEFAULT, |given| given.get().settings.clone()))
}

/// The link of a memory tier that leads this way: one that has more keys will do.
fn linked(
    py: Python<'_>,
    memory: &MemoryCache,
    listener: &Arc<Listener>,
    way: &Way,
    bounds: Bounds,
) -> Linked {
    let hub = listener.hub();
    let known = memory.links().with(py, |known| {
        let is_it = |known: &&Linked| known.link.has(hub, way, bounds);
        known.iter().find(is_it).cloned()
    });
    if let Some(known) = known.flatten() {
        return known;
    }
    let (link, is_more) = hub.link(&memory.tier().coherent(), way.clone(), bounds);
    let linked = Linked {
        link,
        listener: Arc::clone(listener),
    };
    let new = linked.clone();
    // Those that have fewer keys of the same way are not needed any more.
    let _old = memory.links().with(py, |known| {
        let (fewer, mut rest): (Vec<_>, Vec<_>) =
            std::mem::take(known).into_iter().partition(|known| {
                let link = &known.link;
                new.link.has(link.hub(), link.way(), link.bounds())
            });
        rest.push(new);
        *known = rest;
        fewer
    });
    if is_more {
        listener.renew();
    }
    linked
}

/// What there is to say of a cache's coherence.
#[pyfunction]
#[pyo3(name = "_coherence_stats")]
pub(super) fn stats<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = cache.py();
    let stats = PyDict::new(py);
    let tiers = look_ahead(cache)?.unwrap_or_default();
    let mut links = Vec::new();
    // All that the same memory depends on.
    let mut of_memory = Vec::new();
    let mut requested = None;
    if let Some((Kind::Remote(lower), uppers)) = tiers.split_last() {
        let mode = settings_of(cache, uppers)?.mode;
        if may_be_coherent(cache)? {
            requested = mode;
        }
        let hub = match mode {
            Some(mode) if !lower.cache.get().reads_replicas() => {
                Some(lower.cache.get().listener(mode)?)
            }
            _ => None,
        };
        for upper in uppers {
            if let (Kind::Memory(upper), Some(listener)) = (upper, &hub) {
                let all = upper.cache.get().links().with(py, |known| known.clone());
                let all = all.unwrap_or_default();
                let here = |known: &&Linked| Arc::ptr_eq(&known.listener, listener);
                links.extend(all.iter().filter(here).cloned());
                of_memory.extend(all.into_iter().filter(|known| !known.link.is_retired()));
            }
        }
    }
    let hub = links.first().map(|linked| linked.link.hub());
    // Before anything was asked, what is to be.
    let mode = hub
        .map_or(requested, |hub| hub.mode())
        .map_or("off", Mode::name);
    let age = hub.and_then(|hub| hub.age());
    let bounds = of_memory.iter().map(|linked| linked.link.bounds().in_all());
    let bound = bounds.min();
    let mut all = links.iter().chain(&of_memory);
    let is_trusted = all.all(|linked| linked.link.is_trusted());
    let of_others = of_memory
        .iter()
        .filter(|linked| !linked.link.is_trusted())
        .map(|linked| linked.link.hub());
    let reason = reasons(hub.into_iter().chain(of_others));
    let counts = hub.map(|hub| hub.stats()).unwrap_or_default();
    stats.set_item("coherence", mode)?;
    stats.set_item("trusted", !links.is_empty() && is_trusted)?;
    stats.set_item("reason", reason)?;
    stats.set_item("beat_age", age.map(|age| age.as_secs_f64()))?;
    stats.set_item("bound", bound.map(|bound| bound.as_secs_f64()))?;
    for (name, count) in counts.named() {
        stats.set_item(name, count)?;
    }
    let refused: u64 = links.iter().map(|linked| linked.link.refused_fills()).sum();
    stats.set_item("refused_fills", refused)?;
    Ok(stats)
}

/// Why memory is not kept true as was asked, or is not trusted, by any of these.
fn reasons<'a>(hubs: impl Iterator<Item = &'a Arc<Hub>>) -> Option<String> {
    let mut seen = Vec::new();
    let mut reasons = Vec::new();
    for hub in hubs {
        if !seen.contains(&Arc::as_ptr(hub)) {
            seen.push(Arc::as_ptr(hub));
            reasons.extend(hub.reason());
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Whether the memory of a cache is kept true, for a key or for what its settings say of all keys; other processes
/// are told of changes from now on, if that is for this one to do.
#[pyfunction]
#[pyo3(name = "_is_coherent", signature = (cache, key = None))]
pub(super) fn is_coherent(
    cache: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let py = cache.py();
    let key = if let Some(key) = key {
        key.clone()
    } else {
        PyString::from_bytes(py, &settings_of(cache, &[])?.begins)?.into_any()
    };
    let links = links(cache, &Key::from_object(&key))?;
    Ok(links.is_some_and(|links| links.in_force(0).is_some()))
}

/// Whether the memory of a cache could be kept true to the tier below.
#[pyfunction]
#[pyo3(name = "_may_be_coherent")]
pub(super) fn may_be_coherent(cache: &Bound<'_, PyAny>) -> PyResult<bool> {
    let tiers = look_ahead(cache)?.unwrap_or_default();
    let Some((Kind::Remote(lower), uppers)) = tiers.split_last() else {
        return Ok(false);
    };
    let are_memory = uppers
        .iter()
        .all(|upper| matches!(upper, Kind::Memory(memory) if memory.naming.head().is_some()));
    let is_named = lower.naming.head().is_some() && !lower.cache.get().reads_replicas();
    Ok(!uppers.is_empty() && are_memory && is_named)
}
