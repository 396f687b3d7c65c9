//! The core of the Python package quickcache: keys, tiers, and the way of a call.

pub mod clock;
pub mod codec;
pub mod entry;
pub mod error;
pub mod flow;
pub mod gate;
pub mod key;
pub mod notices;
pub mod redis;
pub mod stats;
pub mod tier;

mod sync;
mod sys;

#[cfg(feature = "python")]
mod python;
