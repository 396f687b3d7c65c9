//! What keeps memory tiers true to a server that others write to: which tier wants to know of which keys, what the
//! server says of them, and until when its silence means that nothing changed.
//!
//! The rules stand here, and not how a server is asked. A **link** leads from a server's keys to a memory tier. All
//! links to the same servers share a **hub**, which a listener tells what it hears. Memory is trusted from the moment at
//! which each of the servers was asked and has answered since, for so long as each link's bound says. A server that is
//! linked anew may have changed anything before: everything is flushed after its reply, and then trusted.

mod hub;
mod link;

use std::time::Duration;

pub use hub::Hub;
pub use link::Link;

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
