//! What keeps a call true and fast: generations that void what was read before a clear, one
//! computation for all who miss, and copies near the call.

pub mod copies;
pub mod flight;
pub mod front;
pub mod generation;
pub mod trust;

mod table;
