//! What the model is run with: the protocol or one with a planted bug, and who takes part.

/// What is left out of the protocol, or done in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    NoGeneration,
    GenerationAfterRead,
    CompareThenInsert,
    DropOnlyBefore,
    DropOnlyAfter,
    PushWithoutGeneration,
    FlushBeforeTracking,
    NoFlush,
    NoTrustDeadline,
    TrustFromAnswer,
    JoinAnyFlight,
    JoinWithoutTrust,
    JoinLate,
    HandOutRefused,
    HandOutUnanswered,
    StoreRefused,
    RememberRefused,
    RememberRefusedAtOnce,
    InsertOverwrite,
    PublishFirst,
}

/// Whose value a thread takes that waits for another's computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joining {
    /// That of one who noted the same generation, both while trusted.
    ByGeneration,
    /// That of any, if the thread came before the value went to the server and the server took it.
    ByLease,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Processes tell of their own clears and overwrites; else, the server tells of every change.
    pub(super) is_pubsub: bool,
    pub(super) joining: Joining,
    pub(super) bug: Option<Bug>,
}

impl Rules {
    pub(super) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// What a process does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    /// Threads that read again and again.
    pub(super) readers: u8,
    pub(super) clears: u8,
    pub(super) overwrites: u8,
    /// It has a memory and a listener. Else it asks the server each time.
    pub(super) is_coherent: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) processes: [Cast; 2],
    /// How often a program that knows nothing of us changes the source, and deletes or sets the key.
    pub(super) foreign: u8,
    /// How often a link breaks.
    pub(super) breaks: u8,
    /// How often the server, or its answer, is not reached when a computed value is to be stored.
    pub(super) losses: u8,
    pub(super) has_beats: bool,
}
