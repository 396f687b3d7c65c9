//! Deletes that could not be delivered: kept until they can, and until then the key is not trusted.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crate::gate;
use crate::sync::Mutex;

/// How many are kept.
const MOST: usize = 10_000;

/// The deletes of one tier.
#[derive(Debug, Default)]
pub struct Undelivered {
    /// Asked without the lock, since there are none most of the time.
    count: AtomicUsize,
    /// The number of the next one. Written under the lock.
    next: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of the last delete of each key.
    keys: HashMap<Vec<u8>, u64>,
    /// Keys by their numbers; those that have a later one are skipped.
    order: VecDeque<(u64, Vec<u8>)>,
    /// The number up to which they are on their way to the server.
    under_way: Option<u64>,
}

/// Some deletes on their way.
#[derive(Debug)]
pub struct Batch {
    /// The keys.
    pub keys: Vec<Vec<u8>>,
    last: u64,
}

impl Undelivered {
    /// Keep a delete. Whether another was given up for it.
    pub fn add(&self, key: &[u8]) -> bool {
        let _pass = gate::enter();
        let mut queue = self.queue.lock();
        let number = self.next.fetch_add(1, SeqCst);
        queue.keys.insert(key.to_vec(), number);
        queue.order.push_back((number, key.to_vec()));
        let mut gave_up = false;
        while queue.keys.len() > MOST
            && let Some((number, key)) = queue.order.pop_front()
        {
            gave_up |= queue.forget(&key, number);
        }
        if queue.order.len() > 2 * MOST {
            let Queue { keys, order, .. } = &mut *queue;
            order.retain(|(number, key)| keys.get(key) == Some(number));
        }
        self.count.store(queue.keys.len(), SeqCst);
        gave_up
    }

    /// Whether the key's delete has yet to be delivered.
    pub fn has(&self, key: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let _pass = gate::enter();
        self.queue.lock().keys.contains_key(key)
    }

    /// Whether the key's delete is on its way at this moment.
    pub fn is_under_way(&self, key: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let _pass = gate::enter();
        let queue = self.queue.lock();
        let number = queue.keys.get(key);
        number.is_some_and(|number| queue.under_way.is_some_and(|last| *number < last))
    }

    /// This moment, among the deletes.
    pub fn now(&self) -> u64 {
        self.next.load(SeqCst)
    }

    /// The key was deleted or overwritten, which was begun at `since`: what was kept of it before has no purpose
    /// any more. A later delete has: it may have been meant for what was just written.
    pub fn remove(&self, key: &[u8], since: u64) {
        if self.is_empty() {
            return;
        }
        let _pass = gate::enter();
        let mut queue = self.queue.lock();
        queue.forget_before(key, since);
        self.count.store(queue.keys.len(), SeqCst);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count.load(SeqCst) == 0
    }

    /// All of them, to be delivered, the oldest first. They stay until that is said.
    pub fn begin(&self) -> Batch {
        let _pass = gate::enter();
        let mut queue = self.queue.lock();
        let Queue { keys, order, .. } = &*queue;
        let last_of_its_key = |(number, key): &&(u64, Vec<u8>)| keys.get(key) == Some(number);
        let keys = order.iter().filter(last_of_its_key);
        let keys: Vec<_> = keys.map(|(_, key)| key.clone()).collect();
        let last = self.now();
        queue.under_way = Some(last);
        Batch { keys, last }
    }

    /// Note which keys of a batch were deleted.
    pub fn end(&self, batch: &Batch, delivered: &[Vec<u8>]) {
        let _pass = gate::enter();
        let mut queue = self.queue.lock();
        queue.under_way = None;
        for key in delivered {
            // Deleted again meanwhile: to be delivered again.
            queue.forget_before(key, batch.last);
        }
        queue.trim();
        self.count.store(queue.keys.len(), SeqCst);
    }

    /// Forget all from before `since`, at which the server was told to forget all keys.
    pub fn clear(&self, since: u64) {
        let _pass = gate::enter();
        let mut queue = self.queue.lock();
        queue.keys.retain(|_, number| *number >= since);
        queue.trim();
        self.count.store(queue.keys.len(), SeqCst);
    }
}

impl Queue {
    fn forget_before(&mut self, key: &[u8], since: u64) {
        if self.keys.get(key).is_some_and(|number| *number < since) {
            self.keys.remove(key);
        }
    }

    /// Drop what leads the order and does not count any more.
    fn trim(&mut self) {
        while let Some((number, key)) = self.order.front()
            && self.keys.get(key) != Some(number)
        {
            self.order.pop_front();
        }
    }

    fn forget(&mut self, key: &[u8], number: u64) -> bool {
        let is_last = self.keys.get(key) == Some(&number);
        if is_last {
            self.keys.remove(key);
        }
        is_last
    }
}
