//! What keeps a call true and fast: generations that void what was read before a clear, and copies
//! near the call.

pub mod copies;
pub mod front;
pub mod generation;

mod table;
