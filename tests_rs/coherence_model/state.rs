//! What the model knows: a server with one key, and processes with a memory, a listener and threads.

use std::fmt;

use super::rules::{Bug, Rules, Scene};

/// As many messages wait for a listener at most. A step that would have more wait is not tried.
const MOST_WAITING: usize = 4;

pub(super) const PROCESSES: usize = 2;
pub(super) const READERS: usize = 2;

/// A value is the version that its source had when it was read.
pub(super) type Version = u8;

/// What the server has under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Absent,
    /// The placeholder of a lease, with its token.
    Placeholder(u8),
    Value(Version),
}

/// What the server tells a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    /// From here on it tells of changes.
    Tracked {
        is_old: bool,
    },
    Changed {
        by_clear: bool,
    },
    /// The answer to a beat, old if more than the bound has passed since that was sent.
    Pong {
        is_old: bool,
    },
}

/// Messages on their way, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Messages([Option<Message>; MOST_WAITING]);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// This process has no listener, and so no use for its memory.
    #[default]
    None,
    /// TRACKING is on its way.
    Asked,
    Up,
    /// The server tells nothing more, and the process does not know.
    HalfOpen,
}

/// Where a thread that reads is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Reading {
    #[default]
    Idle,
    /// Memory had nothing, and the generation is noted.
    Missed,
    /// The server's value is on its way.
    Got,
    /// Under two of the bugs: the generation is noted only now; it was compared, and the value not yet inserted.
    NotedLate,
    Compared,
    /// The server had no value.
    Nothing,
    /// It waits for the other thread's computation.
    Waiting,
    /// It is to ask for a lease.
    Unleased,
    /// Something was in the way of the lease.
    Obstructed,
    Leased,
    Computed,
    /// The server's answer to the value is on its way.
    Stored,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) at: Reading,
    /// Nothing older may be returned.
    pub(super) need: Version,
    /// The generation, if the process was trusted.
    pub(super) noted: Option<u8>,
    pub(super) token: Option<u8>,
    pub(super) value: Version,
    pub(super) answer: Answer,
}

/// What the server says to a value that was computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    #[default]
    None,
    Accepted,
    Refused,
}

/// Where a thread that writes is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Writing {
    #[default]
    Idle,
    /// The source has changed.
    Begun,
    /// Memory was dropped for the first time.
    Dropped,
    /// Under one of the bugs: it was published too early.
    PublishedFirst,
    /// The server has done it.
    Done,
    /// The answer is on its way.
    Answered,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    pub(super) at: Writing,
    pub(super) version: Version,
    pub(super) is_overwrite: bool,
    pub(super) clears_left: u8,
    pub(super) overwrites_left: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) memory: Option<Version>,
    pub(super) generation: u8,
    pub(super) is_trusted: bool,
    pub(super) link: Link,
    pub(super) messages: Messages,
    /// The thread that computes for all.
    pub(super) flight: Option<u8>,
    /// A read that begins now may return nothing older.
    pub(super) floor: Version,
    pub(super) readers: [Reader; READERS],
    pub(super) writer: Writer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) source: Version,
    pub(super) slot: Slot,
    /// The newest version that the server has done a clear or an overwrite for.
    pub(super) cleared: Version,
    /// The newest version whose clear or overwrite has returned.
    pub(super) returned: Version,
    pub(super) foreign_left: u8,
    pub(super) breaks_left: u8,
    pub(super) losses_left: u8,
    pub(super) processes: [Process; PROCESSES],
}

/// A property that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Broken {
    StaleRead { returned: Version, needed: Version },
    StoredBeforeClear { stored: Version, cleared: Version },
    QuietButUnlike,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleRead { returned, needed } => {
                write!(f, "a read returns version {returned}, and needs {needed}")
            }
            Self::StoredBeforeClear { stored, cleared } => {
                write!(
                    f,
                    "the server has version {stored}, and a clear for {cleared} was before"
                )
            }
            Self::QuietButUnlike => write!(f, "all is quiet, and memory is stale"),
        }
    }
}

impl Messages {
    /// None if there are too many.
    pub(super) fn push(&mut self, message: Message) -> Option<()> {
        let place = self.0.iter_mut().find(|place| place.is_none())?;
        *place = Some(message);
        Some(())
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        self.0.rotate_left(1);
        self.0[MOST_WAITING - 1].take()
    }

    pub(super) fn has(self, is_it: impl Fn(&Message) -> bool) -> bool {
        self.0.iter().flatten().any(is_it)
    }

    pub(super) fn grow_old(&mut self) {
        for message in self.0.iter_mut().flatten() {
            if let Message::Tracked { is_old } | Message::Pong { is_old } = message {
                *is_old = true;
            }
        }
    }
}

impl Process {
    /// Void what was read before now, and let go of what memory has.
    pub(super) fn drop_memory(&mut self) {
        let noted = self.readers.iter().filter_map(|reader| reader.noted);
        self.generation = noted.fold(self.generation, u8::max) + 1;
        self.memory = None;
    }

    /// Insert, if nothing came between: compared and written in one step.
    pub(super) fn insert(&mut self, value: Version, noted: Option<u8>, rules: Rules) {
        if self.may_insert(noted, rules) {
            self.memory = Some(value);
        }
    }

    pub(super) fn may_insert(&self, noted: Option<u8>, rules: Rules) -> bool {
        let is_current = noted == Some(self.generation) || rules.has(Bug::NoGeneration);
        self.is_trusted && is_current
    }

    fn is_told(&self) -> bool {
        let is_tracked = |message: &Message| matches!(message, Message::Tracked { .. });
        self.link == Link::Up && !self.messages.has(is_tracked)
    }

    /// Whether it is sure to know of all clears that have returned.
    fn has_heard(&self) -> bool {
        let is_clear = |message: &Message| *message == Message::Changed { by_clear: true };
        self.link == Link::None || self.is_told() && !self.messages.has(is_clear)
    }

    fn is_quiet(&self) -> bool {
        self.messages == Messages::default()
            && matches!(self.link, Link::None | Link::Up)
            && self.writer.at == Writing::Idle
            && self.readers.iter().all(|reader| reader.at == Reading::Idle)
    }
}

impl State {
    /// Where a scene begins, all asleep.
    pub(super) fn first(scene: &Scene, slot: Slot) -> Self {
        let process = |index: usize| {
            let cast = &scene.processes[index];
            Process {
                is_trusted: cast.is_coherent,
                link: if cast.is_coherent {
                    Link::Up
                } else {
                    Link::None
                },
                writer: Writer {
                    clears_left: cast.clears,
                    overwrites_left: cast.overwrites,
                    ..Writer::default()
                },
                ..Process::default()
            }
        };
        Self {
            source: 0,
            slot,
            cleared: 0,
            returned: 0,
            foreign_left: scene.foreign,
            breaks_left: scene.breaks,
            losses_left: scene.losses,
            processes: std::array::from_fn(process),
        }
    }

    /// The server changes the key, and under tracking tells of it. None if too many messages wait.
    pub(super) fn change(&mut self, slot: Slot, by_clear: bool, rules: Rules) -> Option<()> {
        // A delete of nothing is no change.
        if (self.slot, slot) != (Slot::Absent, Slot::Absent) && !rules.is_pubsub {
            self.tell(by_clear)?;
        }
        self.slot = slot;
        Some(())
    }

    /// Every listener is to be told. None if too many messages wait.
    pub(super) fn tell(&mut self, by_clear: bool) -> Option<()> {
        for process in &mut self.processes {
            if process.link == Link::Up {
                process.messages.push(Message::Changed { by_clear })?;
            }
        }
        Some(())
    }

    pub(super) fn fresh_token(&self) -> u8 {
        let of_slot = match self.slot {
            Slot::Placeholder(token) => Some(token),
            Slot::Absent | Slot::Value(_) => None,
        };
        let readers = self.processes.iter().flat_map(|process| &process.readers);
        let tokens = readers.filter_map(|reader| reader.token).chain(of_slot);
        tokens.max().map_or(0, |token| token + 1)
    }

    /// Note what reads that begin from now on need, and give the same names to what differs in names alone:
    /// generations and tokens are compared, and nothing else is done with them.
    pub(super) fn settle(&mut self) {
        let mut tokens = Names::default();
        if let Slot::Placeholder(token) = &mut self.slot {
            rename(token, &mut tokens);
        }
        for process in &mut self.processes {
            if process.has_heard() {
                process.floor = process.floor.max(self.returned);
            }
            let mut generations = Names::default();
            rename(&mut process.generation, &mut generations);
            for reader in &mut process.readers {
                if let Some(noted) = &mut reader.noted {
                    rename(noted, &mut generations);
                }
                if let Some(token) = &mut reader.token {
                    rename(token, &mut tokens);
                }
            }
        }
    }

    /// Whether all is quiet, and some memory has another value than the server. By pubsub nobody hears that the server
    /// has none any more; then it may be no older than the last clear.
    pub(super) fn is_quiet_but_unlike(&self, rules: Rules) -> bool {
        let is_unlike = |value| match self.slot {
            Slot::Value(other) => value != other,
            Slot::Absent | Slot::Placeholder(_) => !rules.is_pubsub || value < self.cleared,
        };
        self.processes.iter().all(Process::is_quiet)
            && self
                .processes
                .iter()
                .any(|process| process.memory.is_some_and(is_unlike))
    }
}

/// Names by the order in which they are met.
#[derive(Default)]
struct Names {
    met: [u8; 2 + PROCESSES * READERS],
    count: u8,
}

/// Replace a name by the number of those met before it.
fn rename(name: &mut u8, names: &mut Names) {
    for place in 0..names.count {
        if names.met[usize::from(place)] == *name {
            *name = place;
            return;
        }
    }
    names.met[usize::from(names.count)] = *name;
    *name = names.count;
    names.count += 1;
}
