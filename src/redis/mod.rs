//! The tier in Redis or Valkey, shared by processes and machines.
//!
//! Of the redis crate this uses what makes commands and the kinds of replies and errors, and not its connections:
//! these know no deadline for an operation as a whole, and a child of a fork cannot close them without a word.

pub mod busy_poll;
pub mod client;
pub mod combine;
pub mod config;
pub mod listener;
pub mod reply;
pub mod tls;

mod cluster;
mod commands;
mod connection;
mod node;
mod process;
mod published;
mod request;
mod routes;
mod said_unasked;
mod scripts;
mod sentinel;
mod stream;
mod url;
