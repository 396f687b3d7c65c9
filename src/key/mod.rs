//! Cache keys: the original's text, the same packed, and the values alone for a hit in memory.

pub mod local;
pub mod packed;
pub mod wire;
