//! One memory tier's link to a server: which keys go by it, and until when it is trusted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::{Bounds, Coherent, Hub, Way};

/// How many links there were, of all hubs: a memory tier may have several.
static LINKS: AtomicU64 = AtomicU64::new(0);
/// In the place of a moment: it is not trusted.
const NEVER: u64 = 0;
/// Memory does not depend on it.
const RETIRED: u64 = u64::MAX;

/// A memory tier that is kept true to a server.
pub struct Link {
    id: u64,
    hub: Arc<Hub>,
    memory: Weak<dyn Coherent>,
    way: Way,
    bounds: Bounds,
    refused_fills: AtomicU64,
    /// When the question was asked whose answer it was last trusted for.
    trusted_since: AtomicU64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Link");
        debug.field("way", &self.way).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        hub: &Arc<Hub>,
        memory: &Arc<dyn Coherent>,
        way: Way,
        bounds: Bounds,
    ) -> Self {
        Self {
            id: LINKS.fetch_add(1, SeqCst),
            hub: Arc::clone(hub),
            memory: Arc::downgrade(memory),
            way,
            bounds,
            refused_fills: AtomicU64::new(0),
            trusted_since: AtomicU64::new(NEVER),
        }
    }

    /// Whether all keys go by it that go this way within these bounds.
    pub fn has(&self, hub: &Arc<Hub>, way: &Way, bounds: Bounds) -> bool {
        let (own, other) = (&self.way, way);
        let is_same = (&own.channel, &own.below, &own.above, self.bounds)
            == (&other.channel, &other.below, &other.above, bounds);
        is_same && Arc::ptr_eq(&self.hub, hub) && other.prefix.starts_with(&own.prefix)
    }

    /// Which keys go by it.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Whether memory has nothing that came by it, and does not depend on it, since nobody listens any more. What
    /// comes by it now is not to be kept there.
    pub fn is_retired(&self) -> bool {
        self.trusted_since.load(SeqCst) == RETIRED
    }

    /// Whether memory may serve now, as far as it is for this link to say.
    pub fn is_trusted(&self) -> bool {
        if self.is_retired() {
            return false;
        }
        let age = self.hub.age_of(&self.trusted_since);
        self.hub.is_here() && age.is_some_and(|age| age < self.bounds.in_all())
    }

    /// Who is told of the server.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// How long it is trusted.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Note that a value was not kept in memory, since it may have changed since it was read or computed.
    pub fn count_refused_fill(&self) {
        self.refused_fills.fetch_add(1, Relaxed);
    }

    /// How often that was.
    pub fn refused_fills(&self) -> u64 {
        self.refused_fills.load(Relaxed)
    }

    /// The tier at its end, if that is still there.
    pub(super) fn memory(&self) -> Option<Arc<dyn Coherent>> {
        self.memory.upgrade()
    }

    /// Trust it for the answer to a question that was asked at that moment; None: no more.
    pub(super) fn trust_since(&self, asked: Option<Instant>) {
        let Some(memory) = self.memory.upgrade() else {
            return;
        };
        let until = asked.map_or(0, |asked| {
            // In this order: time that passes in between shortens the trust.
            let now = memory.precise();
            let left = self.bounds.in_all().saturating_sub(asked.elapsed());
            now.saturating_add(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
        });
        memory.trust(self.id, until);
        // From now on memory does depend on it.
        let since = asked.map_or(NEVER, |asked| self.hub.milliseconds_of(asked));
        self.trusted_since.store(since, SeqCst);
    }

    /// Have memory have nothing that came by it, and not depend on it.
    pub(super) fn retire(&self) {
        // In this order: nothing more comes by it, then nothing of it is left.
        self.trusted_since.store(RETIRED, SeqCst);
        if let Some(memory) = self.memory.upgrade() {
            memory.flush();
            memory.leave(self.id);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.retire();
        self.hub.revise();
    }
}
