//! All links to the same servers: what these are asked to tell of, and what their words and their silence mean.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use log::Level;

use super::{Bounds, Coherent, Link, Mode, Way};
use crate::clock::SystemClock;
use crate::gate;
use crate::notices::{Notice, Notices};
use crate::stats::{CoherenceCounters, CoherenceStats};
use crate::sync::Mutex;

/// Keys that are voided at a time, without a fork in between.
const BATCH: usize = 64;
/// No mode.
const OFF: u8 = 2;

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
    /// When links were added of which the servers have said nothing yet, in milliseconds; 0: there are none.
    unsettled_since: AtomicU64,
    last_used: AtomicU64,
    /// Moves with all that a session has to know of.
    revision: AtomicU64,
    counters: CoherenceCounters,
    notices: Notices<About>,
    made: Instant,
}

#[derive(Default)]
struct State {
    links: Vec<Weak<Link>>,
    /// The forks that led to the process that the servers tell. A child of it has yet to ask them.
    forks: u64,
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
    /// What was lost and not found again, and why: it has been said.
    lost: Option<String>,
    /// Which modes the servers refused, and why.
    refused: Vec<String>,
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
            state: Mutex::new(State {
                forks: gate::forks(),
                ..State::default()
            }),
            unsettled_since: AtomicU64::new(1),
            last_used: AtomicU64::new(0),
            revision: AtomicU64::new(0),
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
        let link = Arc::new(Link::new(self, memory, way, bounds));
        // Not before the servers tell of its keys.
        link.trust_since(None);
        let mode = self.mode();
        let wanted = link.way().wanted(mode);
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
                self.settle(false);
            }
            is_more
        };
        self.revise();
        if !is_more {
            self.renew();
            if !link.is_trusted() {
                self.settle(false);
            }
        }
        (link, is_more)
    }

    /// What the servers are to be asked for, and the version to answer with. Of prefixes, the
    /// fewest that have all keys that are wanted: servers refuse one that begins with another.
    pub fn wanted(&self) -> (Vec<Vec<u8>>, u64) {
        let mode = self.mode();
        let (links, version) = {
            let _pass = gate::enter();
            let state = self.state.lock();
            (state.links(), state.version)
        };
        let all = links.iter().map(|link| link.way().wanted(mode));
        let wanted = fewest(all, mode != Some(Mode::Pubsub));
        {
            let _pass = gate::enter();
            self.state.lock().told.clone_from(&wanted);
        }
        (wanted, version)
    }

    fn links(&self) -> Vec<Arc<Link>> {
        let _pass = gate::enter();
        self.state.lock().links()
    }

    /// How often the servers are to be asked.
    pub fn beat(&self) -> Duration {
        let links = self.links();
        let beat = links.iter().map(|link| link.bounds().beat).min();
        beat.unwrap_or(Duration::from_secs(1))
    }

    /// For how long memory may serve at most that is not told of changes.
    pub fn grace(&self) -> Duration {
        let links = self.links();
        let grace = links.iter().map(|link| link.bounds().grace).max();
        grace.unwrap_or_default()
    }

    /// Whether a session that tells by this version tells of all there is to be told.
    pub fn is_current(&self, version: u64) -> bool {
        let _pass = gate::enter();
        self.state.lock().version == version
    }

    /// Moves when a session may have to end, begin anew or ask at other times.
    pub fn revision(&self) -> u64 {
        self.revision.load(SeqCst)
    }

    pub(super) fn revise(&self) {
        self.revision.fetch_add(1, SeqCst);
    }

    /// Whether nobody wants to know any more.
    pub fn is_idle(&self) -> bool {
        let _pass = gate::enter();
        let state = self.state.lock();
        !state.links.iter().any(|link| link.strong_count() > 0)
    }

    /// Whether the servers tell this process, and not one that it is a child of.
    pub(super) fn is_here(&self) -> bool {
        let _pass = gate::enter();
        self.state.lock().forks == gate::forks()
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
    pub(super) fn milliseconds_of(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.made);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX) + 1
    }

    pub(super) fn age_of(&self, moment: &AtomicU64) -> Option<Duration> {
        let moment = moment.load(Relaxed);
        let age = self.since_made().saturating_sub(moment);
        (moment > 0).then(|| Duration::from_millis(age))
    }

    /// Whether the servers have answered or failed.
    pub fn is_settled(&self) -> bool {
        self.unsettled_since.load(SeqCst) == 0
    }

    /// How long they have done neither, if that is so.
    pub fn unsettled_for(&self) -> Option<Duration> {
        self.age_of(&self.unsettled_since)
    }

    fn settle(&self, is_settled: bool) {
        let since = if is_settled { 0 } else { self.since_made() };
        self.unsettled_since.store(since, SeqCst);
    }

    /// In a new process, or for a new listener: nothing was told by anybody.
    pub fn begin(&self) {
        self.settle(false);
        self.revise();
        let links = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            state.nodes.clear();
            state.checked = None;
            state.lost = None;
            state.forks = gate::forks();
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
        self.revise();
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
        let was_known = {
            let _pass = gate::enter();
            self.state.lock().checked.take().is_some()
        };
        self.distrust("the service", was_known, why);
    }

    /// A server has begun to tell of changes: what was read before may have changed unsaid.
    pub fn linked(&self, node: &str, version: u64, asked: Instant) {
        self.flush();
        let was_lost = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            let known = state.nodes.entry(node.to_owned()).or_insert(None);
            *known = Some((version, asked));
            state.base().is_some() && state.lost.take().is_some()
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

    /// A server tells of no changes any more. Whether it had until now.
    pub fn lost(&self, node: &str, why: &dyn fmt::Display) -> bool {
        let was_linked = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            // One that is no server of these any more is not missed.
            let Some(known) = state.nodes.get_mut(node) else {
                return false;
            };
            known.take().is_some()
        };
        self.distrust(node, was_linked, why);
        was_linked
    }

    /// Nobody listens any more, until somebody asks again: memory has nothing of these servers, and does not wait for
    /// them.
    pub fn retire(&self) {
        for link in self.links() {
            link.retire();
        }
    }

    /// Nobody tells of changes for now: memory is off where it may not serve nevertheless.
    pub fn pause(&self) {
        let links = self.links().into_iter();
        for link in links.filter(|link| link.bounds().grace.is_zero()) {
            link.trust_since(None);
        }
    }

    /// Use memory no more, or not for long.
    fn distrust(&self, node: &str, was_linked: bool, why: &dyn fmt::Display) {
        let (links, is_news) = {
            let _pass = gate::enter();
            let mut state = self.state.lock();
            let is_news = state.lost.is_none();
            state.lost = Some(format!("{node} does not tell of changes: {why}"));
            (state.links(), is_news)
        };
        self.settle(true);
        self.pause();
        if is_news {
            self.notices.say(Level::Warn, About::Lost, || {
                // Only with grace, and if there ever was an answer.
                let serving = links.iter().filter(|link| link.is_trusted());
                let bound = serving.map(|link| link.bounds().in_all()).max();
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
        self.counters.link_losses.add(u64::from(was_linked));
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
        let said = format!(
            "the server does not allow coherence='{}': {why}",
            refused.name()
        );
        {
            let _pass = gate::enter();
            self.state.lock().refused.push(said.clone());
        }
        // Who sees another mode is told why.
        self.mode.store(next.map_or(OFF, |mode| mode as u8), SeqCst);
        self.revise();
        self.settle(next.is_none());
        for link in self.links() {
            link.trust_since(None);
        }
        self.notices.say(Level::Warn, About::Refused(refused), || {
            format!("{said}; {instead}")
        });
        next
    }

    /// Some keys were changed.
    pub fn invalidate<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) {
        let links = self.links();
        let links: Vec<_> = links
            .iter()
            .filter_map(|link| Some((link.way(), link.memory()?)))
            .collect();
        let mut keys = keys.into_iter().peekable();
        let mut key_above = Vec::new();
        while keys.peek().is_some() {
            let _pass = gate::enter();
            for key in keys.by_ref().take(BATCH) {
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
                // Who sees the number may rely on it.
                self.counters.invalidations.add(1);
            }
        }
    }

    /// Any key may have been changed.
    pub fn flush(&self) {
        // Once each: many links may lead to one memory.
        let memories: BTreeMap<_, _> = self
            .links()
            .iter()
            .filter_map(|link| link.memory())
            .map(|memory| (Arc::as_ptr(&memory).addr(), memory))
            .collect();
        for memory in memories.values() {
            memory.flush();
        }
        self.counters.flushes.add(1);
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
        self.settle(true);
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

    /// Why memory is not kept true as was asked, or is not trusted; None: there is nothing to say.
    pub fn reason(&self) -> Option<String> {
        let _pass = gate::enter();
        let state = self.state.lock();
        let reasons: Vec<_> = state.refused.iter().chain(&state.lost).cloned().collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
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
        if self.forks != gate::forks() {
            return None;
        }
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
