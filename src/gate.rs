//! The gate that keeps fork away from locks that are held.
//!
//! A child inherits memory but no threads: a lock held by another thread at the fork stays locked
//! for good, and a thread inside moka leaves crossbeam's collector pinned. So everything that takes
//! a lock of the core passes this gate, and a fork waits until nobody is inside. The hooks are the
//! C library's: they also run where a C program forks without Python's knowledge.
//!
//! Two rules make it safe: nobody waits for the interpreter or runs foreign code inside, and nobody
//! enters twice (a fork that waits between the two would wait for ever).

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::flow::trust;

static INSIDE: AtomicUsize = AtomicUsize::new(0);
static FORKING: AtomicBool = AtomicBool::new(false);
/// How many forks led to this process.
static FORKS: AtomicU64 = AtomicU64::new(0);
static HOOKS: Once = Once::new();

/// Proof of being inside; leaves when dropped.
#[derive(Debug)]
pub struct Pass(());

/// Pass the gate, after a fork under way.
pub fn enter() -> Pass {
    loop {
        INSIDE.fetch_add(1, SeqCst);
        if !FORKING.load(SeqCst) {
            return Pass(());
        }
        INSIDE.fetch_sub(1, SeqCst);
        pause_while(|| FORKING.load(SeqCst));
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// Have forks wait at the gate from now on.
pub fn install() {
    HOOKS.call_once(|| {
        #[cfg(unix)]
        crate::sys::at_fork(before, after_in_parent, after_in_child);
    });
}

/// How many forks led to this process, counted since the hooks were installed: what was noted of threads
/// under another number is of threads that are not here.
pub fn forks() -> u64 {
    FORKS.load(SeqCst)
}

extern "C" fn before() {
    while FORKING.swap(true, SeqCst) {
        pause_while(|| FORKING.load(SeqCst));
    }
    pause_while(|| INSIDE.load(SeqCst) > 0);
}

extern "C" fn after_in_parent() {
    FORKING.store(false, SeqCst);
}

extern "C" fn after_in_child() {
    // Threads that knocked while the gate was shut are not here any more.
    INSIDE.store(0, SeqCst);
    FORKS.fetch_add(1, SeqCst);
    trust::withdraw_all();
    FORKING.store(false, SeqCst);
}

fn pause_while(busy: impl Fn() -> bool) {
    for _ in 0..100 {
        if !busy() {
            return;
        }
        thread::yield_now();
    }
    while busy() {
        thread::sleep(Duration::from_micros(50));
    }
}
