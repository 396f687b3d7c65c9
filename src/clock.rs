//! Time as the tiers see it: lives, deadlines, and the clock they are measured by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys;

/// A monotonic clock in nanoseconds.
pub trait Clock: Send + Sync {
    /// Now, in whole ticks: cheap, and never ahead of `precise`.
    fn now(&self) -> u64;
    /// Now, as fine as the clock can tell.
    fn precise(&self) -> u64;
    /// How far `now` may lag behind `precise`.
    fn tick(&self) -> u64;
}

/// The system's clock: 6 ns a reading where it has a coarse one, 28 ns elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        sys::coarse_now()
    }
    fn precise(&self) -> u64 {
        sys::precise_now()
    }
    fn tick(&self) -> u64 {
        sys::coarse_tick()
    }
}

/// A clock that stands still until it is turned.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Turn the clock forward.
    pub fn advance(&self, by: Duration) {
        let turned = |now: u64| Some(now.saturating_add(nanoseconds(by)));
        let _before = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, turned);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    fn precise(&self) -> u64 {
        self.now()
    }
    fn tick(&self) -> u64 {
        0
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> u64 {
        (**self).now()
    }
    fn precise(&self) -> u64 {
        (**self).precise()
    }
    fn tick(&self) -> u64 {
        (**self).tick()
    }
}

/// How long a value may live; for ever is the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(u64);

impl Timeout {
    /// A life without end.
    pub const FOREVER: Self = Self(u64::MAX);
    /// No life at all: what is set with it is not kept.
    pub const NONE: Self = Self(0);

    /// A life of `duration`; 584 years and more are for ever.
    pub const fn after(duration: Duration) -> Self {
        Self(nanoseconds(duration))
    }

    /// The life as a duration; None is for ever.
    pub fn duration(self) -> Option<Duration> {
        (self != Self::FOREVER).then(|| Duration::from_nanos(self.0))
    }
}

/// The moment from which a value counts no more; its lowest bit says whether the value counts only while its tier
/// is trusted (see `flow::trust`), so that a copy has to carry no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// No such moment.
    pub const NEVER: Self = Self(u64::MAX);
    /// No such moment, but only while the tier is trusted.
    const NEVER_ON_TRUST: Self = Self(u64::MAX - 2);
    const ON_TRUST: u64 = 1;

    /// The end of a life that begins now; None if there is none left to live.
    ///
    /// Deadlines are compared with the coarse clock, which lags by up to a tick; so one tick is
    /// taken off: a value is never served late, and is gone at most a tick early.
    pub fn of(timeout: Timeout, clock: &impl Clock) -> Option<Self> {
        match timeout {
            Timeout::FOREVER => Some(Self::NEVER),
            Timeout::NONE => None,
            Timeout(life) => {
                let end = clock.precise().saturating_add(life);
                let end = end.saturating_sub(clock.tick());
                Some(Self(end.min(Self::NEVER_ON_TRUST.0 - 1) & !Self::ON_TRUST))
            }
        }
    }

    /// The same for a value that counts only while its tier is trusted.
    #[must_use]
    pub fn on_trust(self) -> Self {
        if self == Self::NEVER {
            Self::NEVER_ON_TRUST
        } else {
            Self(self.0 | Self::ON_TRUST)
        }
    }

    /// Whether the value counts only while its tier is trusted.
    pub fn needs_trust(self) -> bool {
        self != Self::NEVER && self.0 & Self::ON_TRUST != 0
    }

    /// Whether the moment has come at `now`, a reading of the deadline's clock.
    pub fn has_passed_at(self, now: u64) -> bool {
        self.0 <= now && self != Self::NEVER
    }

    /// The life that is left.
    pub fn remaining(self, clock: &impl Clock) -> Timeout {
        if self >= Self::NEVER_ON_TRUST {
            Timeout::FOREVER
        } else {
            Timeout(self.0.saturating_sub(clock.now()))
        }
    }
}

const fn nanoseconds(duration: Duration) -> u64 {
    let nanoseconds = duration.as_nanos();
    if nanoseconds > u64::MAX as u128 {
        u64::MAX
    } else {
        #[allow(clippy::cast_possible_truncation)] // compared
        let nanoseconds = nanoseconds as u64;
        nanoseconds
    }
}
