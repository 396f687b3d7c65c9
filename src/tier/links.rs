//! What threads may do to slots that must not touch the values in them: no lock, no allocation. The eviction listener
//! pushes slots to a stack, to be freed; and slots can be marked as void.
//!
//! Each slot has one link, in chunks that never move, so a slot can be on the stack once. Whoever
//! takes, takes all: with pushes and whole takes only, there is no ABA problem.

use std::sync::OnceLock;
// No model's concern: a mark that is seen late is a change that is heard of late.
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::sync::atomic::{AtomicU32, Ordering};

const NONE: u32 = u32::MAX;
const FIRST_CHUNK: usize = 256;
// 256 * (2^25 - 1) slots: far more than fit into memory
const CHUNKS: usize = 25;

/// The links of all slots, and the head of the stack.
#[derive(Debug)]
pub(super) struct Links {
    head: AtomicU32,
    /// What was taken from the stack and has yet to be passed on. Written under the slab's lock.
    rest: AtomicU32,
    chunks: [OnceLock<Box<[Link]>>; CHUNKS],
}

/// What there is of one slot.
#[derive(Debug)]
struct Link {
    /// The slot below it on the stack.
    next: AtomicU32,
    is_void: AtomicBool,
}

impl Link {
    fn new() -> Self {
        Self {
            next: AtomicU32::new(NONE),
            is_void: AtomicBool::new(false),
        }
    }
}

impl Links {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicU32::new(NONE),
            rest: AtomicU32::new(NONE),
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Make the link of a new slot. False if there can be no more.
    pub(super) fn reserve(&self, slot: u32) -> bool {
        let (chunk, _) = place(slot);
        let Some(cell) = self.chunks.get(chunk) else {
            return false;
        };
        cell.get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| Link::new()).collect());
        true
    }

    /// Say whether what is in a slot counts for nobody. A mark may come late, and hit what the slot is used for
    /// next: that is then missed, and never more.
    pub(super) fn set_void(&self, slot: u32, is_void: bool) {
        if let Some(link) = self.link(slot) {
            link.is_void.store(is_void, SeqCst);
        }
    }

    pub(super) fn is_void(&self, slot: u32) -> bool {
        self.link(slot)
            .is_some_and(|link| link.is_void.load(SeqCst))
    }

    fn link(&self, slot: u32) -> Option<&Link> {
        let (chunk, offset) = place(slot);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// Put a slot on the stack. Neither allocates nor locks nor panics.
    pub(super) fn push(&self, slot: u32) {
        let Some(link) = self.link(slot) else { return };
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.next.store(head, Ordering::Relaxed);
            match self
                .head
                .compare_exchange_weak(head, slot, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(newer) => head = newer,
            }
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == NONE && self.rest.load(Ordering::Relaxed) == NONE
    }

    /// Take `most` slots, those first that were taken before and not passed on; pass each on. One caller at a time.
    pub(super) fn take(&self, most: usize, mut each: impl FnMut(u32)) {
        let mut slot = self.rest.load(Ordering::Relaxed);
        for _ in 0..most {
            if slot == NONE {
                slot = self.head.swap(NONE, Ordering::Acquire);
            }
            if slot == NONE {
                break;
            }
            // read first: once passed on, the slot may be used and pushed again
            let next = self
                .link(slot)
                .map_or(NONE, |link| link.next.load(Ordering::Relaxed));
            each(slot);
            slot = next;
        }
        self.rest.store(slot, Ordering::Relaxed);
    }
}

/// The chunk and the place in it of a slot: each chunk is twice as long as the one before.
fn place(slot: u32) -> (usize, usize) {
    let position = slot as usize + FIRST_CHUNK;
    let chunk = (position / FIRST_CHUNK).ilog2() as usize;
    (chunk, position - (FIRST_CHUNK << chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_dense_and_in_order() {
        let mut expected = Vec::new();
        for chunk in 0..4 {
            expected.extend((0..FIRST_CHUNK << chunk).map(|offset| (chunk, offset)));
        }
        let found: Vec<_> = (0..u32::try_from(expected.len()).unwrap())
            .map(place)
            .collect();
        assert_eq!(expected, found);
    }

    #[test]
    fn what_is_pushed_by_many_threads_is_taken_once() {
        let links = Links::new();
        let slots = 4 * 5_000_u32;
        assert!((0..slots).all(|slot| links.reserve(slot)));
        let taken = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (links, taken) = (&links, &taken);
                scope.spawn(move || {
                    for slot in (0..slots).filter(|slot| slot % 4 == thread) {
                        links.push(slot);
                        if slot % 7 == 0 {
                            let mut taken = taken.lock().unwrap();
                            links.take(5, |slot| taken.push(slot));
                        }
                    }
                });
            }
        });
        let mut taken = taken.into_inner().unwrap();
        links.take(usize::MAX, |slot| taken.push(slot));
        taken.sort_unstable();
        assert_eq!((0..slots).collect::<Vec<_>>(), taken);
    }
}
