//! What one process knows of the servers. A child of it begins anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::cluster::Slots;
use super::config::Address;
use super::connection::Role;
use super::node::Node;
use crate::gate;
use crate::sync::Mutex;

/// What one process knows.
pub(super) struct Process {
    pub(super) forks: u64,
    pub(super) nodes: Mutex<HashMap<(Address, Role), Arc<Node>>>,
    /// The primary that a sentinel has named.
    primary: Mutex<Option<Address>>,
    slots: Mutex<Arc<Slots>>,
    /// Whether what is known of the slots may be out of date.
    pub(super) is_stale: AtomicBool,
    pub(super) is_refreshing: AtomicBool,
    /// Which replica is read next.
    pub(super) turn: AtomicUsize,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            forks: gate::forks(),
            nodes: Mutex::default(),
            primary: Mutex::default(),
            slots: Mutex::default(),
            is_stale: AtomicBool::new(true),
            is_refreshing: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        }
    }

    pub(super) fn slots(&self) -> Arc<Slots> {
        let _pass = gate::enter();
        Arc::clone(&self.slots.lock())
    }

    pub(super) fn set_slots(&self, slots: Slots) {
        let slots = Arc::new(slots);
        let _old = {
            let _pass = gate::enter();
            std::mem::replace(&mut *self.slots.lock(), slots)
        };
    }

    pub(super) fn primary(&self) -> Option<Address> {
        let _pass = gate::enter();
        self.primary.lock().clone()
    }

    pub(super) fn set_primary(&self, address: Option<Address>) {
        let _pass = gate::enter();
        *self.primary.lock() = address;
    }
}
