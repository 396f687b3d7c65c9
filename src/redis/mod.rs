//! The tier in Redis or Valkey, shared by processes and machines.

pub mod config;
mod url;
