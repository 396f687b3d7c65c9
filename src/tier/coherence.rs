//! What keeps memory tiers true to a server that others write to: which tier wants to know of which keys, what the
//! server says of them, and until when its silence means that nothing changed.
//!
//! The rules stand here, and not how a server is asked. A **link** leads from a server's keys to a memory tier. All
//! links to the same servers share a **hub**, which a listener tells what it hears. Memory is trusted from the moment at
//! which each of the servers was asked and has answered since, for so long as each link's bound says. A server that is
//! linked anew may have changed anything before: everything is flushed after its reply, and then trusted.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use log::Level;

use crate::clock::SystemClock;
use crate::gate;
use crate::notices::{Notice, Notices};
use crate::stats::{CoherenceCounters, CoherenceStats};
use crate::sync::Mutex;

/// Keys that are voided at a time, without a fork in between.
const BATCH: usize = 64;
/// No mode.
const OFF: u8 = 2;
/// How many links there were, of all hubs: a memory tier may have several.
static LINKS: AtomicU64 = AtomicU64::new(0);

/// What a memory tier does to stay true. Threads that are not attached to an interpreter call it.
pub trait Coherent: Send + Sync {
    /// The tier's clock, as fine as it can tell.
    fn precise(&self) -> u64;
    /// By this link, have values that need trust count until a moment of the tier's clock; 0: not at all.
    fn trust(&self, link: u64, until: u64);
    /// Have values not depend on this link any more.
    fn leave(&self, link: u64);
    /// Void the value of a key, and what was read or computed for it before. Within the gate.
    fn invalidate(&self, key: &[u8]);
    /// Void all values that need trust, and what was read or computed before.
    fn flush(&self);
}

/// Who tells of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// The server, whoever makes them.
    Tracking = 0,
    /// Processes that clear or overwrite a key, by a channel of the server's.
    Pubsub = 1,
}

impl Mode {
    /// As it is written in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracking => "tracking",
            Self::Pubsub => "pubsub",
        }
    }
}

/// From the keys of a server to those of a memory tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What the keys begin with of which the server is to tell.
    pub prefix: Vec<u8>,
    /// Where processes tell each other of them.
    pub channel: Vec<u8>,
    /// What the keys begin with on the server, and not in memory.
    pub below: Vec<u8>,
    /// What they begin with in memory instead.
    pub above: Vec<u8>,
}

impl Way {
    /// What the server has to be asked for.
    fn wanted(&self, mode: Option<Mode>) -> &[u8] {
        match mode {
            Some(Mode::Pubsub) => &self.channel,
            _ => &self.prefix,
        }
    }
}

/// How long a link is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The time between two questions to a server, and that which it has to answer.
    pub beat: Duration,
    /// For how long memory may serve after the server should have answered; zero: memory is off at once.
    pub grace: Duration,
}

impl Bounds {
    /// The age of the oldest question whose answer counts.
    pub fn in_all(self) -> Duration {
        self.beat * 2 + self.grace
    }
}

/// A memory tier that is kept true to a server.
pub struct Link {
    id: u64,
    hub: Arc<Hub>,
    memory: Weak<dyn Coherent>,
    way: Way,
    bounds: Bounds,
    refused_fills: AtomicU64,
    /// When the question was asked whose answer it was last trusted for; 0: it is not trusted.
    trusted_since: AtomicU64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Link");
        debug.field("way", &self.way).finish_non_exhaustive()
    }
}

impl Link {
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

    /// Whether memory may serve now, as far as it is for this link to say.
    pub fn is_trusted(&self) -> bool {
        let age = self.hub.age_of(&self.trusted_since);
        age.is_some_and(|age| age < self.bounds.in_all())
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

    fn trust_since(&self, asked: Option<Instant>) {
        let Some(memory) = self.memory.upgrade() else {
            return;
        };
        let since = asked.map_or(0, |asked| self.hub.milliseconds_of(asked));
        self.trusted_since.store(since, Relaxed);
        let Some(asked) = asked else {
            memory.trust(self.id, 0);
            return;
        };
        // In this order: time that passes in between shortens the trust.
        let now = memory.precise();
        let left = self.bounds.in_all().saturating_sub(asked.elapsed());
        let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        memory.trust(self.id, now.saturating_add(left));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.upgrade() {
            memory.leave(self.id);
        }
    }
}

/// What a log line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum About {
    Lost,
    Back,
    Refused(Mode),
    Unpublished,
}

/// All links to the same servers.
pub struct Hub {
    requested: Mode,
    /// The mode in force, which the servers may not allow.
    mode: AtomicU8,
    state: Mutex<State>,
    /// Whether the servers have answered or failed since links were added.
    is_settled: AtomicBool,
    last_used: AtomicU64,
    counters: CoherenceCounters,
    notices: Notices<About>,
    made: Instant,
}

#[derive(Default)]
struct State {
    links: Vec<Weak<Link>>,
    /// Moves when the servers have to be asked to tell of more.
    version: u64,
    /// What they were asked to tell of last.
    told: Vec<Vec<u8>>,
    /// The servers, and of each the version it tells by and when the question was asked that it answered last.
    nodes: HashMap<String, Option<(u64, Instant)>>,
    /// When it was last asked which servers there are. None: it was not.
    checked: Option<Instant>,
    /// Whether that need not be asked.
    is_fixed: bool,
    /// Whether a link was lost, which has been said.
    is_lost: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Hub");
        debug.field("mode", &self.mode()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub without links or servers.
    pub fn new(mode: Mode) -> Arc<Self> {
        gate::install();
        Arc::new(Self {
            requested: mode,
            mode: AtomicU8::new(mode as u8),
            state: Mutex::default(),
            is_settled: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
            counters: CoherenceCounters::default(),
            notices: Notices::new(SystemClock),
            made: Instant::now(),
        })
    }

    /// The mode in force; None if the servers allow none.
    pub fn mode(&self) -> Option<Mode> {
        match self.mode.load(SeqCst) {
            0 => Some(Mode::Tracking),
            1 => Some(Mode::Pubsub),
            _ => None,
        }
    }

    /// The mode that was asked for.
    pub fn requested(&self) -> Mode {
        self.requested
    }

    /// Keep a memory tier true. Whether the servers have to be asked to tell of more keys than so far.
    pub fn link(
        self: &Arc<Self>,
        memory: &Arc<dyn Coherent>,
        way: Way,
        bounds: Bounds,
    ) -> (Arc<Link>, bool) {
        let link = Arc::new(Link {
            id: LINKS.fetch_add(1, SeqCst),
            hub: Arc::clone(self),
            memory: Arc::downgrade(memory),
            way,
            bounds,
            refused_fills: AtomicU64::new(0),
            trusted_since: AtomicU64::new(0),
        });
        // Not before the servers tell of its keys.
        link.trust_since(None);
        let mode = self.mode();
        let wanted = link.way.wanted(mode);
        let is_more = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            state.links.retain(|link| link.strong_count() > 0);
            state.links.push(Arc::downgrade(&link));
            let is_more = !state.told.iter().any(|known| match mode {
                Some(Mode::Pubsub) => known == wanted,
                _ => wanted.starts_with(known),
            });
            if is_more {
                state.version += 1;
                self.is_settled.store(false, SeqCst);
            }
            is_more
        };
        if !is_more {
            self.renew();
            if !link.is_trusted() {
                self.is_settled.store(false, SeqCst);
            }
        }
        (link, is_more)
    }

    /// What the servers are to be asked for, the version to answer with, and how often they are to be asked. Of
    /// prefixes, the fewest that have all keys that are wanted: servers refuse one that begins with another.
    pub fn wanted(&self) -> (Vec<Vec<u8>>, u64, Duration) {
        let mode = self.mode();
        let (links, version) = {
            let _pass = gate::enter();
            let state = self.state.lock();
            (state.links(), state.version)
        };
        let all = links.iter().map(|link| link.way.wanted(mode));
        let wanted = fewest(all, mode != Some(Mode::Pubsub));
        {
            let _pass = gate::enter();
            self.state.lock().told.clone_from(&wanted);
        }
        let beat = links.iter().map(|link| link.bounds.beat).min();
        (wanted, version, beat.unwrap_or(Duration::from_secs(1)))
    }

    /// Whether a session that tells by this version tells of all there is to be told.
    pub fn is_current(&self, version: u64) -> bool {
        let _pass = gate::enter();
        self.state.lock().version == version
    }

    /// Whether nobody wants to know any more.
    pub fn is_idle(&self) -> bool {
        let _pass = gate::enter();
        let state = self.state.lock();
        !state.links.iter().any(|link| link.strong_count() > 0)
    }

    /// Note that somebody asks a tier of a link.
    pub fn note_use(&self) {
        self.last_used.store(self.since_made(), Relaxed);
    }

    /// How long nobody has.
    pub fn unused_for(&self) -> Duration {
        let since = self
            .since_made()
            .saturating_sub(self.last_used.load(Relaxed));
        Duration::from_millis(since)
    }

    fn since_made(&self) -> u64 {
        self.milliseconds_of(Instant::now())
    }

    /// A moment in milliseconds since there is a hub, from 1 on.
    fn milliseconds_of(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.made);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX) + 1
    }

    fn age_of(&self, moment: &AtomicU64) -> Option<Duration> {
        let moment = moment.load(Relaxed);
        let age = self.since_made().saturating_sub(moment);
        (moment > 0).then(|| Duration::from_millis(age))
    }

    /// Whether the servers have answered or failed.
    pub fn is_settled(&self) -> bool {
        self.is_settled.load(SeqCst)
    }

    /// In a new process, or for a new listener: nothing was told by anybody.
    pub fn begin(&self) {
        self.is_settled.store(false, SeqCst);
        let links = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            state.nodes.clear();
            state.checked = None;
            state.version += 1;
            state.links()
        };
        for link in links {
            link.trust_since(None);
        }
    }

    /// These are the servers, as was asked at that moment. Those that are not known yet are added; the ones that are
    /// none any more are returned.
    pub fn set_nodes(&self, nodes: &[String], asked: Instant) -> Vec<String> {
        let (gone, is_changed) = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            state.checked = Some(asked);
            let is_gone = |node: &&String| !nodes.contains(node);
            let gone: Vec<_> = state.nodes.keys().filter(is_gone).cloned().collect();
            state.nodes.retain(|node, _| nodes.contains(node));
            let is_linked = state.nodes.values().any(Option::is_some);
            let mut is_changed = !gone.is_empty();
            for node in nodes {
                is_changed |= !state.nodes.contains_key(node);
                state.nodes.entry(node.clone()).or_insert(None);
            }
            (gone, is_changed && is_linked)
        };
        if is_changed {
            self.flush();
        }
        self.renew();
        gone
    }

    /// There is one server, and there will be no other.
    pub fn set_only_node(&self, node: &str) {
        let _pass = gate::enter();
        let mut state = self.state.lock();
        state.nodes.entry(node.to_owned()).or_insert(None);
        state.is_fixed = true;
    }

    /// Whether that is one of the servers.
    pub fn has_node(&self, node: &str) -> bool {
        let _pass = gate::enter();
        self.state.lock().nodes.contains_key(node)
    }

    /// It is not known any more which servers there are.
    pub fn lost_track(&self, why: &dyn fmt::Display) {
        {
            let _pass = gate::enter();
            if self.state.lock().checked.take().is_some() {
                self.counters.link_losses.add(1);
            }
        }
        self.distrust("the service", why);
    }

    /// A server has begun to tell of changes: what was read before may have changed unsaid.
    pub fn linked(&self, node: &str, version: u64, asked: Instant) {
        self.flush();
        let was_lost = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            let known = state.nodes.entry(node.to_owned()).or_insert(None);
            *known = Some((version, asked));
            state.base().is_some() && std::mem::take(&mut state.is_lost)
        };
        self.renew();
        if was_lost {
            self.notices.say(Level::Warn, About::Back, || {
                format!("{node} tells of changes again: memory is used, and begins empty")
            });
        }
    }

    /// A server has answered what it was asked at that moment.
    pub fn answered(&self, node: &str, version: u64, asked: Instant) {
        {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            if let Some(known) = state.nodes.get_mut(node) {
                *known = Some((version, asked));
            }
        }
        self.renew();
    }

    /// A server tells of no changes any more.
    pub fn lost(&self, node: &str, why: &dyn fmt::Display) {
        {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            // One that is no server of these any more is not missed.
            let Some(known) = state.nodes.get_mut(node) else {
                return;
            };
            if known.take().is_some() {
                self.counters.link_losses.add(1);
            }
        }
        self.distrust(node, why);
    }

    /// Nobody tells of changes for now: memory is off where it may not serve nevertheless.
    pub fn pause(&self) {
        let links = {
            let _pass = gate::enter();
            self.state.lock().links()
        };
        for link in links.iter().filter(|link| link.bounds.grace.is_zero()) {
            link.trust_since(None);
        }
    }

    /// Use memory no more, or not for long.
    fn distrust(&self, node: &str, why: &dyn fmt::Display) {
        let (links, is_news) = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            let is_news = !std::mem::replace(&mut state.is_lost, true);
            (state.links(), is_news)
        };
        self.is_settled.store(true, SeqCst);
        self.pause();
        if is_news {
            self.notices.say(Level::Warn, About::Lost, || {
                let with_grace = links.iter().filter(|link| !link.bounds.grace.is_zero());
                let bound = with_grace.map(|link| link.bounds.in_all()).max();
                let until = match bound {
                    Some(bound) => format!(
                        "memory serves until {} s after the last question that was answered",
                        bound.as_secs_f64()
                    ),
                    None => "memory is not used until it does".to_owned(),
                };
                format!("{node} does not tell of changes, and {until}: {why}")
            });
        }
    }

    /// The servers refuse the mode in force. The one that is used instead is returned, if there is one.
    pub fn refused(&self, why: &dyn fmt::Display) -> Option<Mode> {
        let refused = self.mode()?;
        let (next, instead) = match refused {
            Mode::Tracking => (
                Some(Mode::Pubsub),
                "processes tell each other of their clears instead (coherence='pubsub'), and of what other \
                 programs change, memory is not told before its own timeout",
            ),
            Mode::Pubsub => (
                None,
                "memory is used without being told of changes (coherence='off'), until its own timeout",
            ),
        };
        self.mode.store(next.map_or(OFF, |mode| mode as u8), SeqCst);
        self.is_settled.store(next.is_none(), SeqCst);
        let links = {
            let _pass = gate::enter();
            self.state.lock().links()
        };
        for link in links {
            link.trust_since(None);
        }
        self.notices.say(Level::Warn, About::Refused(refused), || {
            format!(
                "the server does not allow coherence='{}': {why}; {instead}",
                refused.name()
            )
        });
        next
    }

    /// Some keys were changed.
    pub fn invalidate<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) {
        let links = {
            let _pass = gate::enter();
            self.state.lock().links()
        };
        let links: Vec<_> = links
            .iter()
            .filter_map(|link| Some((&link.way, link.memory.upgrade()?)))
            .collect();
        let mut keys = keys.into_iter().peekable();
        let mut key_above = Vec::new();
        while keys.peek().is_some() {
            let _pass = gate::enter();
            for key in keys.by_ref().take(BATCH) {
                self.counters.invalidations.add(1);
                for (way, memory) in &links {
                    let Some(rest) = key.strip_prefix(way.below.as_slice()) else {
                        continue;
                    };
                    if way.above.is_empty() {
                        memory.invalidate(rest);
                    } else {
                        key_above.clear();
                        key_above.extend_from_slice(&way.above);
                        key_above.extend_from_slice(rest);
                        memory.invalidate(&key_above);
                    }
                }
            }
        }
    }

    /// Any key may have been changed.
    pub fn flush(&self) {
        let links = {
            let _pass = gate::enter();
            self.state.lock().links()
        };
        self.counters.flushes.add(1);
        // Once each: many links may lead to one memory.
        let memories: BTreeMap<_, _> = links
            .iter()
            .filter_map(|link| link.memory.upgrade())
            .map(|memory| (Arc::as_ptr(&memory).addr(), memory))
            .collect();
        for memory in memories.values() {
            memory.flush();
        }
    }

    /// Trust as far as all servers have answered.
    fn renew(&self) {
        let (base, links) = {
            let _pass = gate::enter();
            let state = self.state.lock();
            (state.base(), state.links())
        };
        let Some(base) = base else { return };
        for link in links {
            link.trust_since(Some(base));
        }
        self.is_settled.store(true, SeqCst);
    }

    /// Note that a change could not be told to others.
    pub fn note_unpublished(&self, why: &dyn fmt::Display) {
        self.notices.say(Level::Error, About::Unpublished, || {
            format!("a clear was not published, and other processes keep what they have in memory: {why}")
        });
    }

    /// Lines for the log, which whoever can is to hand over.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    /// The counters.
    pub fn stats(&self) -> CoherenceStats {
        self.counters.snapshot()
    }

    /// Since when no server has been asked that has answered; None if there is one that has not.
    pub fn age(&self) -> Option<Duration> {
        let _pass = gate::enter();
        Some(self.state.lock().base()?.elapsed())
    }
}

impl State {
    fn links(&self) -> Vec<Arc<Link>> {
        self.links.iter().filter_map(Weak::upgrade).collect()
    }

    /// The moment since which all servers have told of changes, as far as that is known.
    fn base(&self) -> Option<Instant> {
        let answered = self.nodes.values().map(|known| match known {
            Some((version, asked)) if *version == self.version => Some(*asked),
            _ => None,
        });
        let oldest = answered.collect::<Option<Vec<_>>>()?.into_iter().min()?;
        if self.is_fixed {
            return Some(oldest);
        }
        Some(oldest.min(self.checked?))
    }
}

/// All of these once; of prefixes, not those that begin with another.
fn fewest<'a>(all: impl Iterator<Item = &'a [u8]>, are_prefixes: bool) -> Vec<Vec<u8>> {
    let mut sorted: Vec<_> = all.collect();
    sorted.sort_unstable();
    let mut fewest: Vec<Vec<u8>> = Vec::new();
    for one in sorted {
        let is_had = |last: &Vec<u8>| last == one || are_prefixes && one.starts_with(last);
        if !fewest.last().is_some_and(is_had) {
            fewest.push(one.to_vec());
        }
    }
    fewest
}
