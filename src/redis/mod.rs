//! The tier in Redis or Valkey, shared by processes and machines.

pub mod config;
pub mod tls;
mod url;
