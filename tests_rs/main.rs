//! Tests of the core, which needs no Python.
#![cfg(not(loom))]
// Numbers as keys by value, and times known to be long enough, read better.
#![allow(clippy::needless_pass_by_value, clippy::unchecked_time_subtraction)]

mod certificates;
mod codes;
mod copies;
mod flight;
mod front;
mod generations;
mod keys;
mod local_keys;
mod memory;
mod redis_config;
mod redis_refused;
mod redis_shown;
mod redis_tls;
mod stack;
mod values;
