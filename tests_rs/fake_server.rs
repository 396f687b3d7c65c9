//! A server in memory that fails, waits and changes its mind when it is told to, and notes what it is asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use quickcache::clock::Timeout;
use quickcache::tier::breaker::Shard;
use quickcache::tier::lease::{Lease, SEAL, TOKEN, is_placeholder, placeholder_head};
use quickcache::tier::remote::{Options, RemoteTier};
use quickcache::tier::server::{Condition, Failure, FailureKind, Server, Stored};

/// Longer than anything takes here: who waits so long waits for ever.
const LONG: Duration = Duration::from_secs(20);

/// A server, and the test's hold on it.
#[derive(Clone, Default)]
pub(crate) struct FakeServer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is there, by key.
pub(crate) type Values = HashMap<Vec<u8>, (Vec<u8>, Timeout)>;
type Change = Box<dyn FnOnce(&mut Values) + Send>;

#[derive(Default)]
struct State {
    values: Values,
    /// The names of the calls, in their order.
    calls: Vec<&'static str>,
    failing: HashMap<Shard, FailureKind>,
    /// What happens right before a call of that name.
    changes: VecDeque<(&'static str, Change)>,
    /// The name of calls that have to wait.
    held: Option<&'static str>,
}

impl FakeServer {
    /// A tier on it, whose courier looks in every millisecond.
    pub(crate) fn tier(&self) -> Arc<RemoteTier<Self>> {
        self.tier_with(|_| ())
    }

    pub(crate) fn tier_with(&self, change: impl FnOnce(&mut Options)) -> Arc<RemoteTier<Self>> {
        RemoteTier::seen_to_every(Duration::from_millis(1), self.clone(), options(change))
    }

    /// A tier on it, whose courier looks in once in every `interval`.
    pub(crate) fn tier_every(&self, interval: Duration) -> Arc<RemoteTier<Self>> {
        RemoteTier::seen_to_every(interval, self.clone(), options(|_| ()))
    }

    /// A tier on it, whose courier is not seen in this test.
    pub(crate) fn tier_left_alone(&self) -> Arc<RemoteTier<Self>> {
        self.tier_every(Duration::from_secs(3_600))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// From now on, calls to that shard fail.
    pub(crate) fn fail(&self, shard: u8, kind: FailureKind) {
        self.state().failing.insert(shard.into(), kind);
    }

    pub(crate) fn recover(&self, shard: u8) {
        self.state().failing.remove(&shard.into());
    }

    /// Have something happen right before the next call of that name.
    pub(crate) fn before(
        &self,
        call: &'static str,
        change: impl FnOnce(&mut Values) + Send + 'static,
    ) {
        self.state().changes.push_back((call, Box::new(change)));
    }

    /// Have calls of that name wait, until `let_go`.
    pub(crate) fn hold(&self, call: &'static str) {
        self.state().held = Some(call);
    }

    pub(crate) fn let_go(&self) {
        self.state().held = None;
        self.0.changed.notify_all();
    }

    /// Wait until there were as many calls of that name.
    pub(crate) fn wait_for(&self, call: &str, count: usize) {
        let state = self.state();
        let too_few = |state: &mut State| named(&state.calls, call) < count;
        let (state, waited) = self
            .0
            .changed
            .wait_timeout_while(state, LONG, too_few)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "no {count} calls of {call}: {:?}",
            state.calls
        );
    }

    pub(crate) fn put(&self, key: &[u8], bytes: &[u8]) {
        let value = (bytes.to_vec(), Timeout::FOREVER);
        self.state().values.insert(key.to_vec(), value);
    }

    pub(crate) fn holds(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.state().values.get(key).map(|(bytes, _)| bytes.clone())
    }

    pub(crate) fn take(&self, key: &[u8]) {
        self.state().values.remove(key);
    }

    /// The names of the calls since this was last asked.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    /// Begin a call: note it, and fail if it has to.
    fn called<'a>(
        &self,
        call: &'static str,
        keys: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<MutexGuard<'_, State>, Failure> {
        self.called_at(call, keys.into_iter().map(shard_of))
    }

    fn called_at(
        &self,
        call: &'static str,
        shards: impl IntoIterator<Item = Shard>,
    ) -> Result<MutexGuard<'_, State>, Failure> {
        let mut state = self.state();
        state.calls.push(call);
        self.0.changed.notify_all();
        let is_held = |state: &mut State| state.held == Some(call);
        let (mut state, waited) = self
            .0
            .changed
            .wait_timeout_while(state, LONG, is_held)
            .unwrap();
        assert!(!waited.timed_out(), "{call} was never let go");
        for shard in shards {
            if let Some(kind) = state.failing.get(&shard) {
                let failure = Failure::new(*kind, format!("{call} fails"));
                return Err(Failure {
                    shard: Some(shard),
                    ..failure
                });
            }
        }
        if state.changes.front().is_some_and(|(name, _)| *name == call)
            && let Some((_, change)) = state.changes.pop_front()
        {
            change(&mut state.values);
        }
        Ok(state)
    }
}

fn named(calls: &[&str], name: &str) -> usize {
    calls.iter().filter(|call| **call == name).count()
}

/// A key's shard is its first byte.
fn shard_of(key: &[u8]) -> Shard {
    key.first().copied().unwrap_or_default().into()
}

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options {
        prefix: Vec::new(),
        timeout: Timeout::FOREVER,
        deadline: LONG,
        leases: true,
        keeps_deletes: true,
        max_value_bytes: 1_000,
    };
    change(&mut options);
    options
}

fn holds(values: &Values, key: &[u8], condition: Condition<'_>) -> bool {
    let there = values.get(key).map(|(bytes, _)| bytes.as_slice());
    match condition {
        Condition::Always => true,
        Condition::Absent => there.is_none(),
        Condition::Leased(lease) => there.is_some_and(|there| there.ends_with(lease.token())),
        Condition::Unchanged(bytes) => there == Some(bytes),
    }
}

impl Server for FakeServer {
    fn get(&self, key: &[u8], with_life: bool, _: Instant) -> Result<Option<Stored>, Failure> {
        let state = self.called("get", [key])?;
        let stored = |(bytes, life): &(Vec<u8>, Timeout)| Stored {
            bytes: bytes.clone(),
            remaining: with_life.then_some(*life),
        };
        Ok(state.values.get(key).map(stored))
    }

    fn set(
        &self,
        key: &[u8],
        bytes: &[u8],
        life: Timeout,
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<bool, Failure> {
        let mut state = self.called("set", [key])?;
        if Instant::now() >= until {
            return Err(Failure::new(FailureKind::Timeout, "too late"));
        }
        let is_so = holds(&state.values, key, condition);
        if is_so {
            state.values.insert(key.to_vec(), (bytes.to_vec(), life));
        }
        Ok(is_so)
    }

    fn delete(&self, key: &[u8], _: Instant) -> Result<bool, Failure> {
        let mut state = self.called("delete", [key])?;
        Ok(state.values.remove(key).is_some())
    }

    fn delete_if(&self, key: &[u8], condition: Condition<'_>, _: Instant) -> Result<bool, Failure> {
        let mut state = self.called("delete_if", [key])?;
        let is_so = holds(&state.values, key, condition);
        Ok(is_so && state.values.remove(key).is_some())
    }

    fn unvalue(&self, key: &[u8], life: Timeout, _: Instant) -> Result<bool, Failure> {
        let mut state = self.called("unvalue", [key])?;
        let marked =
            |(bytes, _): &&mut (Vec<u8>, Timeout)| bytes.ends_with(&SEAL) && !is_placeholder(bytes);
        let Some(value) = state.values.get_mut(key).filter(marked) else {
            return Ok(false);
        };
        let token = value.0.split_off(value.0.len() - TOKEN);
        *value = ([placeholder_head(), &token].concat(), life);
        Ok(true)
    }

    fn mark(
        &self,
        key: &[u8],
        lease: &Lease,
        life: Timeout,
        _: bool,
        _: Instant,
    ) -> Result<(), Failure> {
        let mut state = self.called("mark", [key])?;
        if let Some((bytes, _)) = state.values.get_mut(key) {
            if bytes.ends_with(&SEAL) {
                bytes.truncate(bytes.len() - TOKEN);
            }
            bytes.extend_from_slice(lease.token());
        } else {
            let placeholder = (lease.placeholder(), life);
            state.values.insert(key.to_vec(), placeholder);
        }
        Ok(())
    }

    fn touch(&self, key: &[u8], life: Option<Timeout>, _: Instant) -> Result<bool, Failure> {
        let mut state = self.called("touch", [key])?;
        let value = state.values.get_mut(key);
        let Some(value) = value.filter(|(bytes, _)| !is_placeholder(bytes)) else {
            return Ok(false);
        };
        value.1 = life.unwrap_or(value.1);
        Ok(true)
    }

    fn increment(&self, key: &[u8], by: i64, _: Instant) -> Result<Option<i64>, Failure> {
        let mut state = self.called("increment", [key])?;
        let value = state.values.get_mut(key);
        let Some((bytes, _)) = value.filter(|(bytes, _)| !is_placeholder(bytes)) else {
            return Ok(None);
        };
        let sum = String::from_utf8_lossy(bytes).parse::<i64>().unwrap() + by;
        *bytes = sum.to_string().into_bytes();
        Ok(Some(sum))
    }

    fn get_many(&self, keys: &[Vec<u8>], _: Instant) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let state = self.called("get_many", keys.iter().map(Vec::as_slice))?;
        let bytes = |key| state.values.get(key).map(|(bytes, _)| bytes.clone());
        Ok(keys.iter().map(bytes).collect())
    }

    fn set_many(
        &self,
        items: &[(Vec<u8>, Vec<u8>)],
        life: Timeout,
        _: Instant,
    ) -> Result<(), Failure> {
        let keys = items.iter().map(|(key, _)| key.as_slice());
        let mut state = self.called("set_many", keys)?;
        let entry = |(key, bytes): &(Vec<u8>, Vec<u8>)| (key.clone(), (bytes.clone(), life));
        state.values.extend(items.iter().map(entry));
        Ok(())
    }

    fn delete_many(&self, keys: &[Vec<u8>], _: Instant) -> Result<u64, Failure> {
        let mut state = self.called("delete_many", keys.iter().map(Vec::as_slice))?;
        let there = keys
            .iter()
            .filter(|key| state.values.remove(*key).is_some());
        Ok(there.count() as u64)
    }

    fn clear(&self, prefix: &[u8], _: Duration) -> Result<(), Failure> {
        let mut state = self.called("clear", [prefix])?;
        state.values.retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }

    fn ping(&self, _: Instant) -> Result<(), Failure> {
        let all = self.state().failing.keys().copied().collect::<Vec<_>>();
        self.called_at("ping", all).map(drop)
    }

    fn shard(&self, key: &[u8]) -> Shard {
        shard_of(key)
    }

    fn probe(&self, shard: Shard, _: Instant) -> Result<(), Failure> {
        self.called_at("probe", [shard]).map(drop)
    }

    fn close(&self) {
        let _state = self.called_at("close", []);
    }

    fn connections(&self) -> u64 {
        1
    }
}

/// Wait until something is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "never so: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
