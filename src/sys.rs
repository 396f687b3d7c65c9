//! The operating system's calls that have no safe wrapper: coarse time, and hooks around fork.
#![allow(unsafe_code)]

/// Nanoseconds of the system's coarse monotonic clock, which moves in ticks.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn coarse_now() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE, libc::clock_gettime)
}

/// Nanoseconds of the system's monotonic clock, on the same scale as `coarse_now`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn precise_now() -> u64 {
    read(libc::CLOCK_MONOTONIC, libc::clock_gettime)
}

/// How far `coarse_now` may lag behind `precise_now`, in nanoseconds.
///
/// Two of the kernel's ticks: the clock moves at each tick, but only by whole ticks, and the rest
/// waits for the next one. A lag of 6.7 ms was measured with ticks of 4 ms.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn coarse_tick() -> u64 {
    use std::sync::OnceLock;
    static TICK: OnceLock<u64> = OnceLock::new();
    *TICK.get_or_init(|| 2 * read(libc::CLOCK_MONOTONIC_COARSE, libc::clock_getres))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn read(
    clock: libc::clockid_t,
    call: unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int,
) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the call to fill; both clocks exist since Linux 2.6.32.
    let code = unsafe { call(clock, &raw mut time) };
    debug_assert_eq!(code, 0);
    // Neither part of a monotonic time is negative; how wide they are depends on the platform.
    let part = |value: libc::time_t| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable {
    use std::sync::OnceLock;
    use std::time::Instant;

    /// Nanoseconds since the first call.
    pub(crate) fn precise_now() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The same: there is no coarser clock to be had here.
    pub(crate) fn coarse_now() -> u64 {
        precise_now()
    }

    /// No tick: `coarse_now` is as fine as `precise_now`.
    pub(crate) fn coarse_tick() -> u64 {
        0
    }
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use portable::{coarse_now, coarse_tick, precise_now};

/// What an open file or socket is, whatever its number: its device and its place there. None if it is not open.
#[cfg(unix)]
pub(crate) fn identity(descriptor: std::os::fd::RawFd) -> Option<(u64, u64)> {
    let mut found = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a place for what is found; a number that is not open is an error and nothing else.
    let code = unsafe { libc::fstat(descriptor, found.as_mut_ptr()) };
    if code != 0 {
        return None;
    }
    // SAFETY: filled in, since the call succeeded.
    let found = unsafe { found.assume_init() };
    // How wide they are depends on the platform.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    Some((found.st_dev as u64, found.st_ino as u64))
}

/// Close a socket that this process inherited from the one that opened it; nothing else that has its number by
/// now, since a daemon closes all that it inherited, and opens files of its own.
#[cfg(unix)]
pub(crate) fn close_inherited(descriptor: std::os::fd::RawFd, was: Option<(u64, u64)>) {
    if was.is_some() && identity(descriptor) == was {
        // SAFETY: whoever had the number for its own is not in this process: a thread of the parent.
        let _code = unsafe { libc::close(descriptor) };
    }
}

/// End the connection of an open socket: who waits at it is told that there is nothing more.
#[cfg(unix)]
pub(crate) fn hang_up(descriptor: std::os::fd::RawFd) {
    // SAFETY: a number that is no socket of this process is an error and nothing else.
    let _code = unsafe { libc::shutdown(descriptor, libc::SHUT_RDWR) };
}

/// Have these called around every fork of this process, whoever forks.
#[cfg(unix)]
pub(crate) fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) {
    type Handler = unsafe extern "C" fn();
    // SAFETY: the handlers are functions of this library, which is never unloaded.
    let code = unsafe {
        libc::pthread_atfork(
            Some(prepare as Handler),
            Some(parent as Handler),
            Some(child as Handler),
        )
    };
    if code != 0 {
        log::error!(
            "pthread_atfork failed with code {code}: forking under load may hang the child"
        );
    }
}
