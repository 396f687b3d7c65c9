//! Tests of the core, which needs no Python.
#![cfg(not(loom))]
// Numbers as keys by value, and times known to be long enough, read better.
#![allow(clippy::needless_pass_by_value, clippy::unchecked_time_subtraction)]

mod certificates;
mod codec;
mod codec_hostile;
mod codes;
mod coherence;
mod coherence_model;
mod copies;
mod fake_server;
mod flight;
mod fork;
mod front;
mod generations;
mod keys;
mod local_keys;
mod memory;
mod redis_busy_poll;
mod redis_cluster;
mod redis_config;
mod redis_forks;
mod redis_refused;
mod redis_reply;
mod redis_shown;
mod redis_tls;
mod redis_wire;
mod redis_wire_tls;
mod remote;
mod remote_deletes;
mod remote_leases;
mod stack;
mod values;
mod wire_server;
