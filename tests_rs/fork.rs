//! fork, for a test: a child that runs a closure, and a parent that waits for it.
#![cfg(unix)]
#![allow(unsafe_code)]

use std::time::{Duration, Instant};

/// What went wrong in a child that runs `work`, which returns whether all is well.
pub(crate) fn child_failure(work: impl FnOnce() -> bool) -> Option<String> {
    // SAFETY: the child runs only `work` and leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => Some("no fork".into()),
        0 => {
            let code = i32::from(!work());
            // SAFETY: leaves at once, with no handlers of a parent whose threads are gone.
            unsafe { libc::_exit(code) }
        }
        child => {
            let started = Instant::now();
            loop {
                let mut status = 0;
                // SAFETY: a child of ours, and a place for its status.
                let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
                if ended == child {
                    return (status != 0).then(|| format!("status {status}"));
                }
                if started.elapsed() > Duration::from_secs(10) {
                    // SAFETY: a child of ours that has not been waited for.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                    return Some("hung".into());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Close all files and sockets but the first three, as daemons do.
pub(crate) fn close_all() {
    for number in 3..1_024 {
        // SAFETY: in a child that knows of none of them; most are not open.
        let _code = unsafe { libc::close(number) };
    }
}
