//! The core of the Python package quickcache: keys, tiers, and the way of a call.

#[cfg(feature = "python")]
mod python;
