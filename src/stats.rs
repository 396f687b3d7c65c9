//! Counters of a tier: private atomics, public snapshot.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the tier was made.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter),* }

        /// What the counters said at one moment, and what the tier held then.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Values held now.
            pub entries: u64,
            /// Their estimated size, in bytes.
            pub bytes: u64,
        }

        impl Counters {
            pub(crate) fn snapshot(&self, entries: u64, bytes: u64) -> Stats {
                Stats { $($name: self.$name.0.load(Relaxed),)* entries, bytes }
            }
        }

        impl Stats {
            /// Each count with its name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)* ("entries", self.entries), ("bytes", self.bytes)]
            }
        }
    };
}

counters! {
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
    /// Values dropped at the end of their life.
    expirations,
    /// Values not kept: larger than the tier's bound, or void by a clear since they were read.
    refusals,
    /// Values found that could not be decoded.
    undecodable,
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
