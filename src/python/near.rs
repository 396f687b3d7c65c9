//! Hits from a function's front: looked up under its lock, where no Python may run.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};
use smallvec::SmallVec;

use super::arguments::Arguments;
use super::bind::Signature;
use super::first::FirstMemory;
use super::local;
use super::memory_cache::MemoryCache;
use super::plan::{Made, Path, Skip, VaryOn};
use super::raw::attached::Attached;
use super::raw::object::Object;
use super::raw::read;
use super::raw::vector::{Recorded, Vector};
use crate::clock::{Clock, Deadline};
use crate::flow::copies::Copies;
use crate::flow::front::{Front, Held, Seat, Swept};
use crate::flow::generation::Epochs;
use crate::key::local::LocalKey;

/// A front behind its lock, as the tier knows it.
type Guarded = Attached<Front<Object>>;

impl Copies<Object> for Guarded {
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<Object>) -> Swept {
        let swept = self.try_with(|front| front.sweep(slots, epochs, now, dead));
        swept.unwrap_or(Swept {
            looked_at: 0,
            is_through: true,
        })
    }

    fn clear(&self, dead: &mut Vec<Object>) {
        self.try_with(|front| front.clear(dead));
    }

    fn take_hits(&self) -> u64 {
        self.try_with(Front::take_hits).unwrap_or(0)
    }
}

/// The memory tier that a function asks first, and the copies of what it holds.
pub(super) struct Near {
    pub(super) first: FirstMemory,
    front: Arc<Guarded>,
    /// How to make a local key without Python; None where there is no such way.
    way: Option<Way>,
    /// Whether anything in the front ever had a deadline.
    has_deadlines: AtomicBool,
}

/// What of a call's arguments its local key is made of.
struct Way {
    values: SmallVec<[Place; 4]>,
    /// The argument that says whether the cache is passed over.
    skip: Option<usize>,
    /// Whether all there is to it is the one parameter that the function has, or an attribute of that.
    is_of_one: bool,
    /// Whether the same arguments are always the same values.
    has_memo: bool,
}

struct Place {
    slot: usize,
    attribute: Option<Attribute>,
}

/// An attribute that is read from objects of a class that was seen to need no Python for it.
struct Attribute {
    name: Py<PyString>,
    class: AtomicUsize,
    tag: AtomicU32,
    /// Where it lies in such an object, in two halves; 0 if that is not known.
    place: AtomicU64,
}

impl Drop for Near {
    fn drop(&mut self) {
        let hits = Copies::take_hits(&*self.front);
        self.first.cache.get().tier().count_hits(hits);
    }
}

impl Near {
    /// The front that was used so far if it serves the same values still, or else a new one.
    pub(super) fn new(
        py: Python<'_>,
        first: FirstMemory,
        made: &Made,
        known: Option<&Self>,
    ) -> Self {
        let known = known.filter(|known| known.first.is_as(&first));
        let front = known.map_or_else(
            || new_front(first.cache.get()),
            |known| Arc::clone(&known.front),
        );
        let way = if first.prefix.is_none() {
            Way::of(py, made)
        } else {
            None
        };
        let has_deadlines = known.is_some_and(Self::has_deadlines);
        Self {
            first,
            front,
            way,
            has_deadlines: AtomicBool::new(has_deadlines),
        }
    }

    /// Whether hits are likely to take a clock.
    #[inline]
    pub(super) fn has_deadlines(&self) -> bool {
        self.has_deadlines.load(Relaxed)
    }

    /// What time it is.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.first.cache.get().tier().clock().now()
    }

    /// The copy at the seat of an earlier hit. None too if that is at another by now, or if it takes to know
    /// what time it is.
    #[inline(always)]
    #[allow(clippy::inline_always)] // for calls with the last call's arguments
    pub(super) fn hit_again(
        &self,
        py: Python<'_>,
        seat: &Seat,
        now: Option<u64>,
    ) -> Option<Object> {
        let tier = self.first.cache.get().tier();
        let mut front = self.front.hold(py)?;
        front.take(*seat, tier.epochs(), || now, tier.era())
    }

    /// What the front has for a call, if all that it takes can be had without Python.
    pub(super) fn hit(
        &self,
        py: Python<'_>,
        signature: &Signature,
        arguments: &Arguments<'_, '_>,
        memo: &mut Memo,
    ) -> Option<Object> {
        let way = self.way.as_ref()?;
        let mut key = LocalKey::new();
        if !way.write(&mut key, py, signature, arguments) {
            return None;
        }
        let (object, seat) = self.find(py, key.finish())?;
        if way.has_memo && memo.is_worth_it(seat) {
            memo.note(way, signature, arguments, seat);
        }
        Some(object)
    }

    /// The copy for a call that comes down to one short value, unless it is the last one again or takes
    /// what time it is to know: by integers and by texts apart, so that what is known of their keys is
    /// made use of.
    #[inline(always)]
    #[allow(clippy::inline_always)] // for calls of many arguments by turns
    pub(super) fn hit_of_one(
        &self,
        py: Python<'_>,
        call: &Vector<'_, '_>,
        memo: &mut Memo,
        now: Option<u64>,
    ) -> Option<Object> {
        let way = self.way.as_ref()?;
        let place = way.values.first().filter(|_| way.is_of_one)?;
        let argument = call.only()?;
        let read;
        let value = match &place.attribute {
            None => argument,
            Some(attribute) => {
                read = attribute.read(argument)?;
                &read
            }
        };
        if let Some(key) = local::short_integer(value) {
            self.hit_of_short(py, &[key], memo, now)
        } else {
            self.hit_of_short(py, local::short_text(value)?.words(), memo, now)
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn hit_of_short(
        &self,
        py: Python<'_>,
        words: &[u64],
        memo: &mut Memo,
        now: Option<u64>,
    ) -> Option<Object> {
        let mut front = self.front.hold(py)?;
        let seat = front.seat_of(words)?;
        if memo.last == Some(seat) && self.way.as_ref()?.has_memo {
            return None;
        }
        memo.last = Some(seat);
        let tier = self.first.cache.get().tier();
        front.take(seat, tier.epochs(), || now, tier.era())
    }

    #[inline]
    fn find(&self, py: Python<'_>, words: &[u64]) -> Option<(Object, Seat)> {
        let tier = self.first.cache.get().tier();
        self.front.with(py, |front| {
            front.get(words, tier.epochs(), tier.clock(), tier.era())
        })?
    }

    /// What the front has under a key.
    pub(super) fn get(&self, py: Python<'_>, words: &[u64]) -> Option<Object> {
        self.find(py, words).map(|(object, _)| object)
    }

    /// Keep a copy of what the cache holds.
    pub(super) fn insert(&self, py: Python<'_>, words: &[u64], held: Held<Object>) {
        let tier = self.first.cache.get().tier();
        let mut dead = Vec::new();
        let now = tier.clock().now();
        if held.deadline != Deadline::NEVER {
            self.has_deadlines.store(true, Relaxed);
        }
        self.front.with(py, |front| {
            front.insert(words, held, tier.era(), tier.epochs(), now, &mut dead);
        });
    }

    /// Note of which class an argument's attribute was read, if the next time needs no Python.
    pub(super) fn learn(&self, arguments: &Arguments<'_, '_>) {
        let Some(way) = &self.way else { return };
        for place in &way.values {
            if let (Some(attribute), Some(value)) =
                (&place.attribute, arguments.positional().get(place.slot))
            {
                attribute.learn(value);
            }
        }
    }

    /// Show the objects held to the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.first.traverse(visit)?;
        // As in the cache.
        if !self.first.cache.get().may_lead_on() {
            return Ok(());
        }
        let visited = self
            .front
            .try_with(|front| front.try_for_each(|object| visit.call(&*object.visited())));
        // The lock is held for moments, by attached threads, which the collector has stopped.
        debug_assert!(visited.is_some(), "a lock was held during a collection");
        visited.unwrap_or(Ok(()))
    }
}

/// The arguments of the last call that was answered from the front twice in a row, and where: the
/// same objects again need not be read again.
///
/// Only of objects that cannot change, and these are kept alive, so that an address stays theirs.
#[derive(Default)]
pub(super) struct Memo {
    noted: Option<(Recorded, Seat)>,
    /// Where the last hit was, and the last one that was noted or could not be.
    last: Option<Seat>,
    tried: Option<Seat>,
    /// Hits at that seat by other objects: to note these each time would cost more than it saves.
    futile: u32,
}

impl Memo {
    /// The seat for a call with these arguments.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn seat_of(&self, call: &Vector<'_, '_>) -> Option<&Seat> {
        let (arguments, seat) = self.noted.as_ref()?;
        arguments.is_of(call).then_some(seat)
    }

    #[inline]
    fn is_worth_it(&mut self, seat: Seat) -> bool {
        if self.last != Some(seat) {
            self.last = Some(seat);
            return false;
        }
        if self.tried == Some(seat) {
            self.futile = self.futile.wrapping_add(1);
            return self.futile.is_multiple_of(64);
        }
        true
    }

    #[inline(never)]
    fn note(
        &mut self,
        way: &Way,
        signature: &Signature,
        arguments: &Arguments<'_, '_>,
        seat: Seat,
    ) {
        self.tried = Some(seat);
        self.noted = None;
        if !signature.is_filled_by(arguments) {
            return;
        }
        let places: Option<SmallVec<[usize; 5]>> = way
            .slots()
            .map(|slot| {
                let (place, value) = signature.place_of(arguments, slot?)?;
                local::is_lasting(value).then_some(place)
            })
            .collect();
        let recorded = places.and_then(|places| Recorded::of(arguments, &places));
        self.noted = recorded.map(|recorded| (recorded, seat));
    }
}

impl Way {
    /// The places of the parameters that a call varies on; None for one that is not known by place.
    fn slots(&self) -> impl Iterator<Item = Option<usize>> {
        let values = self
            .values
            .iter()
            .map(|place| place.attribute.is_none().then_some(place.slot));
        values.chain(self.skip.map(Some))
    }

    fn of(py: Python<'_>, made: &Made) -> Option<Self> {
        let VaryOn::Paths(paths) = &made.vary_on else {
            return None;
        };
        let skip = match made.skip.as_ref()? {
            Skip::Never => None,
            Skip::Argument(argument) => Some(argument.slot?),
            Skip::Function(_) => return None,
        };
        let values: SmallVec<[Place; 4]> = paths
            .iter()
            .map(|path| Place::of(py, path))
            .collect::<Option<_>>()?;
        Some(Self {
            is_of_one: values.len() == 1 && skip.is_none() && made.signature.as_ref()?.is_of_one(),
            has_memo: values.iter().all(|place| place.attribute.is_none()),
            values,
            skip,
        })
    }

    #[inline]
    fn write(
        &self,
        key: &mut LocalKey,
        py: Python<'_>,
        signature: &Signature,
        arguments: &Arguments<'_, '_>,
    ) -> bool {
        if !signature.accepts(py, arguments) {
            return false;
        }
        if let Some(slot) = self.skip {
            let value = signature.value(py, arguments, slot);
            let Ok(Some(value)) = &value else {
                return false;
            };
            let value = value.get();
            // Anything else may run Python to say whether it is true.
            if !value.is_none() && !value.is(&*PyBool::new(py, false)) {
                return false;
            }
        }
        for place in &self.values {
            if place.attribute.is_none()
                && let Some(value) = arguments.positional().get(place.slot)
                && signature.is_positional(place.slot)
            {
                if !local::write(key, value) {
                    return false;
                }
            } else if !place.write(key, py, signature, arguments) {
                return false;
            }
        }
        true
    }
}

impl Place {
    fn of(py: Python<'_>, path: &Path) -> Option<Self> {
        let attribute = match &path.attributes[..] {
            [] => None,
            [name] => Some(Attribute {
                name: name.clone_ref(py),
                class: AtomicUsize::new(0),
                tag: AtomicU32::new(0),
                place: AtomicU64::new(0),
            }),
            _ => return None,
        };
        Some(Self {
            slot: path.argument.slot?,
            attribute,
        })
    }

    #[inline(never)]
    fn write(
        &self,
        key: &mut LocalKey,
        py: Python<'_>,
        signature: &Signature,
        arguments: &Arguments<'_, '_>,
    ) -> bool {
        let Ok(Some(value)) = signature.value(py, arguments, self.slot) else {
            return false;
        };
        match &self.attribute {
            None => local::write(key, value.get()),
            Some(attribute) => attribute
                .read(value.get())
                .is_some_and(|value| local::write(key, &value)),
        }
    }
}

impl Attribute {
    fn learn(&self, object: &Bound<'_, PyAny>) {
        let class = object.get_type();
        let tag = if read::has_plain_attribute(&class, self.name.bind(object.py())) {
            super::raw::version_tag(&class)
        } else {
            0
        };
        let value = if tag == 0 {
            None
        } else {
            read::attribute(object, &self.name)
        };
        let place = value.and_then(|value| read::place(object, &value));
        let (begin, place) = place.unwrap_or_default();
        self.place
            .store(u64::from(begin) << 32 | u64::from(place), Relaxed);
        self.class.store(class.as_ptr().addr(), Relaxed);
        self.tag.store(tag, Relaxed);
    }

    #[inline]
    fn read<'py>(&self, object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let (class, tag) = (self.class.load(Relaxed), self.tag.load(Relaxed));
        if tag == 0 || !read::is_of_class(object, class, tag) {
            return None;
        }
        let place = self.place.load(Relaxed);
        #[allow(clippy::cast_possible_truncation)] // its halves
        let halves = ((place >> 32) as u32, place as u32);
        if place != 0
            && let Some(value) = read::value(object, halves)
        {
            return Some(value);
        }
        read::attribute(object, &self.name)
    }
}

/// The slots that tests want every front to have: `QUICKCACHE_FRONT_SLOTS`.
fn forced_bound() -> Option<usize> {
    static FORCED: LazyLock<Option<usize>> = LazyLock::new(|| {
        let forced = std::env::var("QUICKCACHE_FRONT_SLOTS").ok()?;
        forced.parse().ok()
    });
    *FORCED
}

/// A front that the memory tier knows of. One smaller than what is used of the tier would be of
/// little use, and a table wants room.
fn new_front(cache: &MemoryCache) -> Arc<Guarded> {
    const MOST: u64 = 1 << 26;
    let entries = cache.tier().options().max_entries.unwrap_or(MOST).min(MOST);
    let bound = usize::try_from(entries * 8 / 5).unwrap_or(usize::MAX);
    let bound = forced_bound().unwrap_or(bound);
    let front = Arc::new(Attached::new(Front::new(bound)));
    let known: Arc<dyn Copies<Object>> = Arc::<Guarded>::clone(&front);
    cache.tier().add_front(Arc::downgrade(&known) as Weak<_>);
    front
}
