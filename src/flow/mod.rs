//! What keeps a call true: generations that void what was read before a clear.

pub mod generation;
