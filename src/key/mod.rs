//! Cache keys: the original's text, and the same packed.

pub mod packed;
pub mod wire;
