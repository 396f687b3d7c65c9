//! Counters of a tier: private atomics, public snapshot.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($(#[$of:meta])* $Counters:ident -> $Stats:ident {
        $($(#[$doc:meta])* $name:ident),* $(,)?
    } and { $($(#[$more_doc:meta])* $more:ident),* $(,)? }) => {
        $(#[$of])*
        #[derive(Debug, Default)]
        pub(crate) struct $Counters { $(pub(crate) $name: Counter),* }

        /// What the counters said at one moment, and what else there was to say then.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $Stats {
            $($(#[$doc])* pub $name: u64,)*
            $($(#[$more_doc])* pub $more: u64,)*
        }

        impl $Counters {
            pub(crate) fn snapshot(&self, $($more: u64),*) -> $Stats {
                $Stats { $($name: self.$name.0.load(Relaxed),)* $($more),* }
            }
        }

        impl $Stats {
            /// Each count with its name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)* $((stringify!($more), self.$more)),*]
            }
        }
    };
}

counters! {
    /// Counts since a memory tier was made.
    Counters -> Stats {
        /// Values found.
        hits,
        /// Keys asked for and not found.
        misses,
        /// Values written.
        stores,
        /// Values deleted by request.
        deletes,
        /// Values dropped or refused for want of room.
        evictions,
        /// Values dropped at the end of their life, or since a server told that they had changed.
        expirations,
        /// Values not kept: larger than the tier's bound, or void by a clear since they were read.
        refusals,
        /// Values found that could not be decoded.
        undecodable,
    } and {
        /// Values held now.
        entries,
        /// Their estimated size, in bytes.
        bytes,
    }
}

counters! {
    /// Counts since a remote tier was made in this process.
    RemoteCounters -> RemoteStats {
        /// Values found.
        hits,
        /// Keys asked for and not found, or not asked for since there was no answer to be had.
        misses,
        /// Values written.
        stores,
        /// Values deleted by request.
        deletes,
        /// Values not kept: too large, or void by a clear since they were read.
        refusals,
        /// Values found that could not be decoded.
        undecodable,
        /// Operations that failed, for whatever reason.
        errors,
        /// Those of them that had no answer within the deadline.
        timeouts,
        /// Operations not tried, since the server was known to be away.
        rejections,
        /// How often the server was found to be away.
        breaker_opens,
        /// Deletes that could not be delivered, and were kept.
        deletes_queued,
        /// Deletes that were delivered later.
        deletes_resent,
        /// Deletes that were given up, since there were too many.
        deletes_lost,
        /// Keys found to be computed by nobody else.
        leases,
        /// Keys found to be computed by somebody else already.
        leases_shared,
        /// Calls that waited for a value that another process computed.
        waits,
        /// Those of them that computed it in the end.
        wait_timeouts,
    } and {
        /// Connections made.
        connections,
    }
}

counters! {
    /// Counts of what keeps memory tiers true to servers.
    CoherenceCounters -> CoherenceStats {
        /// Keys that were said to have changed.
        invalidations,
        /// How often everything was voided, since anything may have changed.
        flushes,
        /// How often a server was lost that told of changes.
        link_losses,
    } and {}
}

/// One count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn take_back(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }
}
