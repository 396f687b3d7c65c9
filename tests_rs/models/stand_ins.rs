//! What stands in for locks, parking and moka in the models: loom's, with parking_lot's way of locking.

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use loom::sync::MutexGuard;
pub(crate) use loom::sync::atomic;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

/// `parking_lot::Mutex`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap()
    }
}

/// `parking_lot::RwLock`.
#[derive(Debug)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }
    pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap()
    }
    pub(crate) fn try_read(&self) -> Option<loom::sync::RwLockReadGuard<'_, T>> {
        self.0.try_read().ok()
    }
    pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap()
    }
}

pub(crate) mod thread {
    pub(crate) use loom::thread::{Thread, ThreadId, current};
    pub(crate) use std::thread::Builder;

    /// Without a limit: who is not woken waits for ever, which loom reports.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        loom::thread::park();
    }
}

macro_rules! lazy {
    ($name:ident: $type:ty = $init:expr) => {
        loom::lazy_static! { static ref $name: $type = $init; }
    };
}
pub(crate) use lazy;

/// `moka::sync::Cache`, as far as its callers see it: who writes a key holds the key's lock, calls the
/// listener after the map was changed and before the call returns, and evicts when asked to keep house.
pub(crate) struct Cache<K, V, S> {
    map: Mutex<HashMap<K, V, S>>,
    keys: Mutex<HashMap<K, Arc<Mutex<()>>>>,
    settings: Settings<K, V>,
}

type Listener<K, V> = Box<dyn Fn(Arc<K>, V, RemovalCause) + Send + Sync>;

pub(crate) struct Settings<K, V> {
    listener: Option<Listener<K, V>>,
    capacity: usize,
}

impl Cache<u64, (), ()> {
    pub(crate) fn builder<K, V>() -> Settings<K, V> {
        Settings {
            listener: None,
            capacity: usize::MAX,
        }
    }
}

impl<K, V> Settings<K, V> {
    pub(crate) fn eviction_policy(self, _: EvictionPolicy) -> Self {
        self
    }
    pub(crate) fn weigher(self, _: impl Fn(&K, &V) -> u32) -> Self {
        self
    }
    pub(crate) fn max_capacity(self, capacity: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap();
        Self { capacity, ..self }
    }
    pub(crate) fn eviction_listener(
        self,
        listener: impl Fn(Arc<K>, V, RemovalCause) + Send + Sync + 'static,
    ) -> Self {
        let listener: Option<Listener<K, V>> = Some(Box::new(listener));
        Self { listener, ..self }
    }
    pub(crate) fn build_with_hasher<S>(self, hasher: S) -> Cache<K, V, S> {
        Cache {
            map: Mutex::new(HashMap::with_hasher(hasher)),
            keys: Mutex::default(),
            settings: self,
        }
    }
}

impl<K: std::hash::Hash + Eq + Copy, V: Clone, S: std::hash::BuildHasher> Cache<K, V, S> {
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.map.lock().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.change(key, RemovalCause::Replaced, |map| map.insert(key, value));
    }

    pub(crate) fn invalidate(&self, key: &K) {
        self.change(*key, RemovalCause::Explicit, |map| map.remove(key));
    }

    /// Evict whatever comes first until the rest fits.
    pub(crate) fn run_pending_tasks(&self) {
        loop {
            let one = {
                let map = self.map.lock();
                (map.len() > self.settings.capacity).then(|| *map.keys().next().unwrap())
            };
            let Some(key) = one else { return };
            self.change(key, RemovalCause::Size, |map| map.remove(&key));
        }
    }

    fn change(
        &self,
        key: K,
        cause: RemovalCause,
        change: impl FnOnce(&mut HashMap<K, V, S>) -> Option<V>,
    ) {
        let own = Arc::clone(self.keys.lock().entry(key).or_default());
        let _own = own.lock();
        let old = change(&mut self.map.lock());
        if let (Some(old), Some(listener)) = (old, &self.settings.listener) {
            listener(Arc::new(key), old, cause);
        }
    }
}
