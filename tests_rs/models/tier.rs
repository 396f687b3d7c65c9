//! The memory tier and the fronts before it, in all orders: what was cleared is never found again.

use std::sync::{Arc, Weak};

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;
use quickcache::clock::{ManualClock, Timeout};
use quickcache::flow::copies::Copies;
use quickcache::flow::front::{Front, Held, Swept};
use quickcache::flow::generation::Epochs;
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::memory::{MemoryTier, Write};

use crate::model;

type Value = Arc<u32>;
type Tier = MemoryTier<Value, Arc<ManualClock>>;

struct Near(Mutex<Front<Value>>);

impl Copies<Value> for Near {
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<Value>) -> Swept {
        self.0.lock().unwrap().sweep(slots, epochs, now, dead)
    }
    fn clear(&self, dead: &mut Vec<Value>) {
        self.0.lock().unwrap().clear(dead);
    }
    fn take_hits(&self) -> u64 {
        self.0.lock().unwrap().take_hits()
    }
}

/// A function of one key, whose values a tier keeps and a front copies.
struct Function {
    tier: Tier,
    near: Arc<Near>,
    source: AtomicU32,
}

const WORDS: [u64; 1] = [7];

fn key() -> PackedKey {
    PackedKey::pack(b"key")
}

impl Function {
    fn new() -> Arc<Self> {
        let options = Options {
            max_entries: Some(10),
            max_bytes: None,
            timeout: Timeout::FOREVER,
            policy: Policy::Lru,
        };
        let near = Arc::new(Near(Mutex::new(Front::new(8))));
        let known: Weak<Near> = Arc::downgrade(&near);
        let tier = Tier::new(options, Arc::default()).unwrap();
        tier.add_front(known);
        Arc::new(Self {
            tier,
            near,
            source: AtomicU32::new(0),
        })
    }

    fn put(&self, value: u32, write: Write) -> Option<Held<Value>> {
        self.tier
            .set(key(), Arc::new(value), 8, Timeout::FOREVER, write)
    }

    fn keep(&self, held: Held<Value>) {
        let tier = &self.tier;
        let mut dead = Vec::new();
        let mut front = self.near.0.lock().unwrap();
        front.insert(&WORDS, held, tier.era(), tier.epochs(), 0, &mut dead);
    }

    fn hit(&self) -> Option<u32> {
        let tier = &self.tier;
        let mut front = self.near.0.lock().unwrap();
        let found = front.get(&WORDS, tier.epochs(), tier.clock(), tier.era());
        found.map(|(value, _)| *value)
    }

    /// What memory has, of which the front then has a copy.
    fn look(&self) -> Option<u32> {
        self.hit().or_else(|| {
            let held = self.tier.look_up(&key())?;
            let value = *held.value;
            self.keep(held);
            Some(value)
        })
    }

    /// As a call goes: the front, the tier, and else the source, of whose answer both have a copy.
    fn call(&self) -> u32 {
        let noted = self.tier.generation();
        self.look().unwrap_or_else(|| {
            let value = self.source.load(SeqCst);
            if let Some(held) = self.put(value, Write::Fill(noted)) {
                self.keep(held);
            }
            value
        })
    }
}

/// Something that makes 1 of the 0 that there was, while another thread does `meanwhile`.
fn against(
    before: fn(&Function),
    change: fn(&Function),
    meanwhile: fn(&Function),
    then: fn(&Function),
) {
    model(2, move || {
        let function = Function::new();
        before(&function);
        let other = {
            let function = Arc::clone(&function);
            thread::spawn(move || meanwhile(&function))
        };
        function.source.store(1, SeqCst);
        change(&function);
        then(&function);
        other.join().unwrap();
        then(&function);
        assert_nothing_is_lost(&function);
    });
}

/// No value is held twice, and each slot is in use once.
fn assert_nothing_is_lost(function: &Function) {
    let held = function.tier.len();
    let mut values = 0;
    assert!(function.tier.try_visit(|_| values += 1));
    assert_eq!(held, values);
    assert!(held <= 1, "one key has {held} values");
}

fn is_stored(function: &Function) {
    function.put(0, Write::Always);
}

fn is_missing(_: &Function) {}

fn clear(function: &Function) {
    function.tier.clear();
}

fn delete(function: &Function) {
    function.tier.delete(&key());
}

fn overwrite(function: &Function) {
    function.put(1, Write::Always);
}

fn call(function: &Function) {
    function.call();
}

fn call_twice(function: &Function) {
    function.call();
    function.call();
}

fn look_twice(function: &Function) {
    function.look();
    function.look();
}

fn new_is_called(function: &Function) {
    assert_eq!(1, function.call(), "the old value, after the change");
}

fn old_is_no_hit(function: &Function) {
    assert_ne!(Some(0), function.hit(), "a copy of the old value");
    assert_ne!(Some(0), function.look(), "the old value");
    assert_ne!(Some(0), function.hit(), "a new copy of the old value");
}

#[test]
fn a_copy_from_before_a_delete_is_not_handed_out_after_it() {
    against(is_stored, delete, look_twice, old_is_no_hit);
}

#[test]
fn a_copy_from_before_an_overwrite_is_not_handed_out_after_it() {
    against(is_stored, overwrite, look_twice, old_is_no_hit);
}

#[test]
fn a_copy_from_before_a_clear_is_not_handed_out_after_it() {
    against(is_stored, clear, look_twice, old_is_no_hit);
}

#[test]
fn what_was_computed_before_a_delete_is_not_stored_after_it() {
    against(is_missing, delete, call, new_is_called);
}

#[test]
fn what_was_computed_before_a_clear_is_not_stored_after_it() {
    against(is_missing, clear, call, new_is_called);
}

#[test]
fn of_a_fill_and_an_overwrite_the_overwrite_stays() {
    against(is_missing, overwrite, call, new_is_called);
}

#[test]
fn after_a_delete_the_new_value_is_computed_and_kept() {
    against(is_stored, delete, call_twice, new_is_called);
}

/// Each overwrite puts a slot on the stack of those to be freed, and takes off what lies there.
#[test]
fn of_two_overwrites_one_value_is_left() {
    against(is_stored, overwrite, overwrite, new_is_called);
}
