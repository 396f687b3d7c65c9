//! What is to be logged by whoever is next able to: threads that serve the tiers may not enter Python.
//!
//! Of one kind, one line is kept in ten seconds; it says how many like it there were.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use log::Level;

use crate::clock::{Clock, SystemClock};
use crate::gate;
use crate::sync::Mutex;

const INTERVAL: Duration = Duration::from_secs(10);
/// Lines kept while nobody fetches them.
const MOST: usize = 100;

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub level: Level,
    /// The line.
    pub text: String,
}

/// Lines by kinds.
#[derive(Debug)]
pub struct Notices<K, C = SystemClock> {
    clock: C,
    has_any: AtomicBool,
    lines: Mutex<Lines<K>>,
}

#[derive(Debug)]
struct Lines<K> {
    waiting: VecDeque<Notice>,
    kinds: HashMap<K, Kind>,
}

#[derive(Debug, Clone, Copy)]
struct Kind {
    /// Nanoseconds by the clock, from when on there may be another line.
    next: u64,
    kept_back: u64,
}

impl<K: Hash + Eq, C: Clock> Notices<K, C> {
    /// None so far.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            has_any: AtomicBool::new(false),
            lines: Mutex::new(Lines {
                waiting: VecDeque::new(),
                kinds: HashMap::new(),
            }),
        }
    }

    /// Have a line logged, unless there was one of its kind just now.
    pub fn say(&self, level: Level, kind: K, text: impl FnOnce() -> String) {
        let now = self.clock.now();
        let _pass = gate::enter();
        let mut lines = self.lines.lock();
        let kind = lines.kinds.entry(kind).or_insert(Kind {
            next: 0,
            kept_back: 0,
        });
        if now < kind.next {
            kind.kept_back += 1;
            return;
        }
        let interval = u64::try_from(INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        let kept_back = kind.kept_back;
        *kind = Kind {
            next: now.saturating_add(interval),
            kept_back: 0,
        };
        let mut text = text();
        if kept_back > 0 {
            text = format!("{text} ({kept_back} more like it before)");
        }
        if lines.waiting.len() >= MOST {
            lines.waiting.pop_front();
        }
        lines.waiting.push_back(Notice { level, text });
        self.has_any.store(true, SeqCst);
    }

    /// What has come since, oldest first.
    pub fn take(&self) -> Vec<Notice> {
        if !self.has_any.load(SeqCst) {
            return Vec::new();
        }
        let _pass = gate::enter();
        let mut lines = self.lines.lock();
        self.has_any.store(false, SeqCst);
        lines.waiting.drain(..).collect()
    }
}
