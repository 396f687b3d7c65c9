//! What threads meet at: locks, atomics, parking, and moka. Under `--cfg loom` the models' own, with which
//! loom tries the orders that threads may come in (see `tests_rs/models`).

#[cfg(not(loom))]
mod real {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread;

    pub(crate) use moka::sync::Cache;
    pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

    /// A static that is made when it is first used.
    macro_rules! lazy {
        ($name:ident: $type:ty = $init:expr) => {
            static $name: std::sync::LazyLock<$type> = std::sync::LazyLock::new(|| $init);
        };
    }
    pub(crate) use lazy;
}
#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(loom)]
#[path = "../tests_rs/models/stand_ins.rs"]
mod stand_ins;
#[cfg(loom)]
pub(crate) use stand_ins::*;
