//! A memory tier with fronts before it is a map whose entries end: none late, none old, none too many.
#![no_main]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quickcache::clock::{Clock, ManualClock, Timeout};
use quickcache::flow::copies::Copies;
use quickcache::flow::front::{Front, Held, Swept};
use quickcache::flow::generation::{Epochs, Generation};
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::memory::{MemoryTier, Write};

/// Few, so that steps meet at the same ones.
const KEYS: u8 = 8;

type Value = Arc<u32>;
type Tier = MemoryTier<Value, Arc<ManualClock>>;

#[derive(Debug)]
enum Step {
    Set(u8, Option<u8>, u16),
    /// Note what there is to note before a value is computed.
    Note,
    Fill(u8, Option<u8>),
    Refresh(u8, Option<u8>),
    Get(u8),
    /// Through one of the fronts.
    Call(bool, u8),
    /// What one of the fronts has by itself.
    Hit(bool, u8),
    /// Look a value up, to keep a copy of it later.
    Look(u8),
    Keep(bool),
    Delete(u8),
    Touch(u8, Option<u8>),
    Contains(u8),
    Advance(u8),
    Clear,
    Len,
}

impl Step {
    /// Three bytes, of which each says one thing, are a step.
    fn of([kind, key, argument]: [u8; 3]) -> Self {
        let key = key % KEYS;
        let which = argument % 2 == 0;
        let life = (argument > 99).then_some(argument % 4 * 10);
        match kind % 20 {
            0..=2 => Self::Set(key, life, u16::from(argument)),
            3 => Self::Note,
            4 => Self::Fill(key, life),
            5 => Self::Refresh(key, life),
            6 => Self::Get(key),
            7..=9 => Self::Call(which, key),
            10 | 11 => Self::Hit(which, key),
            12 => Self::Look(key),
            13 => Self::Keep(which),
            14 => Self::Delete(key),
            15 => Self::Touch(key, life),
            16 => Self::Contains(key),
            17 => Self::Advance(argument % 16),
            18 => Self::Clear,
            _ => Self::Len,
        }
    }
}

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

/// What was last set under a key, and when it ends.
struct Model {
    values: HashMap<u8, (u32, Option<u64>)>,
    now: u64,
    /// Whether all of it is there: nothing was ever evicted.
    is_all: bool,
}

impl Model {
    fn get(&self, key: u8) -> Option<u32> {
        let &(value, end) = self.values.get(&key)?;
        end.is_none_or(|end| end > self.now).then_some(value)
    }

    fn check(&self, key: u8, found: Option<u32>) {
        match found {
            Some(found) => assert_eq!(self.get(key), Some(found), "key {key}"),
            None => assert!(!self.is_all || self.get(key).is_none(), "key {key} is lost"),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let clock = Arc::<ManualClock>::default();
    let Some((&[capacity, max_bytes], steps)) = data.split_first_chunk::<2>() else {
        return;
    };
    // Some have room for all keys and long eras, in which fronts answer by themselves.
    let capacity = match capacity {
        0..64 => Some(u64::from(capacity % 12 + 1)),
        64..200 => Some(1_000),
        _ => None,
    };
    let max_bytes = (max_bytes > 200).then(|| u64::from(max_bytes) * 10);
    let options = Options {
        max_entries: capacity,
        max_bytes,
        timeout: Timeout::FOREVER,
        policy: if data.len() % 2 == 0 {
            Policy::Lru
        } else {
            Policy::TinyLfu
        },
    };
    let tier = Tier::new(options, Arc::clone(&clock)).unwrap();
    let nears = [64, 2].map(|bound| Arc::new(Near(Mutex::new(Front::new(bound)))));
    for near in &nears {
        let known: Weak<Near> = Arc::downgrade(near);
        tier.add_front(known);
    }
    let mut model = Model {
        values: HashMap::new(),
        now: 0,
        is_all: capacity.is_none_or(|most| most >= u64::from(KEYS)) && max_bytes.is_none(),
    };
    let mut noted: Option<(Generation, HashMap<u8, u32>)> = None;
    // When each key was last written by request, by a count of such writes.
    let mut writes = 0_u32;
    let mut written = HashMap::<u8, u32>::new();
    let mut looked: Option<(u8, Held<Value>)> = None;
    let mut values = 0_u32;
    let life = |life: Option<u8>| {
        life.map_or(Timeout::FOREVER, |life| {
            Timeout::after(Duration::from_secs(life.into()))
        })
    };
    let name = |key: u8| PackedKey::pack(format!("key {key}").as_bytes());
    let words = |key: u8| [u64::from(key), 1, 2, 3, 4, 5, 6][..1 + usize::from(key % 7)].to_vec();
    let hit = |near: &Near, key: u8| {
        let mut front = near.0.lock().unwrap();
        let found = front.get(&words(key), tier.epochs(), tier.clock(), tier.era());
        found.map(|(value, _)| *value)
    };
    let keep = |near: &Near, key: u8, held: Held<Value>| {
        let mut dead = Vec::new();
        let mut front = near.0.lock().unwrap();
        front.insert(
            &words(key),
            held,
            tier.era(),
            tier.epochs(),
            clock.now(),
            &mut dead,
        );
    };
    for step in steps.as_chunks::<3>().0 {
        let step = Step::of(*step);
        let now = model.now;
        let end = |life: Option<u8>| life.map(|life| now + u64::from(life));
        match step {
            Step::Set(key, lives, size) => {
                values += 1;
                writes += 1;
                written.insert(key, writes);
                let size = usize::from(size);
                let kept = tier.set(
                    name(key),
                    Arc::new(values),
                    size,
                    life(lives),
                    Write::Always,
                );
                model.values.remove(&key);
                if kept.is_some() {
                    model.values.insert(key, (values, end(lives)));
                } else {
                    assert!(lives == Some(0) || max_bytes.is_some());
                }
            }
            Step::Note => noted = Some((tier.generation(), written.clone())),
            Step::Fill(key, lives) | Step::Refresh(key, lives) => {
                let is_fill = matches!(step, Step::Fill(..));
                let Some((generation, before)) = &noted else {
                    continue;
                };
                values += 1;
                let write = if is_fill { Write::Fill } else { Write::Refresh }(*generation);
                let kept = tier.set(name(key), Arc::new(values), 8, life(lives), write);
                // Whoever shares its shard may void it too; its own clear must.
                let is_void = before.get(&key) != written.get(&key);
                assert!(
                    kept.is_none() || !is_void,
                    "stored what a write has voided: {key}"
                );
                if !is_fill && (kept.is_some() || lives == Some(0)) {
                    writes += 1;
                    written.insert(key, writes);
                }
                if kept.is_some() {
                    model.values.insert(key, (values, end(lives)));
                } else if !is_fill && (lives == Some(0) || max_bytes.is_some()) {
                    // Not kept, and what was there may be gone.
                    let found = tier.get(&name(key)).map(|found| *found.value);
                    if found.is_none() {
                        model.values.remove(&key);
                    }
                }
            }
            Step::Get(key) => {
                let found = tier.get(&name(key)).map(|found| *found.value);
                model.check(key, found);
            }
            Step::Call(which, key) => {
                let near = &nears[usize::from(which)];
                let found = hit(near, key).or_else(|| {
                    let held = tier.look_up(&name(key))?;
                    keep(near, key, held.clone());
                    Some(*held.value)
                });
                model.check(key, found);
            }
            Step::Hit(which, key) => {
                if let found @ Some(_) = hit(&nears[usize::from(which)], key) {
                    model.check(key, found);
                }
            }
            Step::Look(key) => {
                looked = tier.look_up(&name(key)).map(|held| (key, held));
                model.check(key, looked.as_ref().map(|(_, held)| *held.value));
            }
            Step::Keep(which) => {
                if let Some((key, held)) = looked.take() {
                    keep(&nears[usize::from(which)], key, held);
                }
            }
            Step::Delete(key) => {
                writes += 1;
                written.insert(key, writes);
                let held = tier.delete(&name(key));
                model.check(key, held.then(|| model.get(key)).flatten());
                assert!(!held || model.get(key).is_some());
                model.values.remove(&key);
            }
            Step::Touch(key, lives) => {
                if lives == Some(0) {
                    writes += 1;
                    written.insert(key, writes);
                }
                let held = tier.touch(&name(key), life(lives));
                assert!(!held || model.get(key).is_some());
                assert!(held || !model.is_all || model.get(key).is_none());
                if let Some(value) = model.values.get_mut(&key).filter(|_| held) {
                    value.1 = end(lives);
                }
            }
            Step::Contains(key) => {
                let held = tier.contains(&name(key));
                assert!(!held || model.get(key).is_some());
                assert!(held || !model.is_all || model.get(key).is_none());
            }
            Step::Advance(seconds) => {
                model.now += u64::from(seconds);
                clock.advance(Duration::from_secs(seconds.into()));
            }
            Step::Clear => {
                writes += 1;
                for key in 0..KEYS {
                    written.insert(key, writes);
                }
                model.values.clear();
                tier.clear();
            }
            Step::Len => {
                let held = tier.len();
                let alive = (0..KEYS).filter(|&key| model.get(key).is_some()).count();
                assert!(
                    if model.is_all {
                        held == alive
                    } else {
                        held <= alive
                    },
                    "{held} of {alive}"
                );
                assert!(capacity.is_none_or(|most| held as u64 <= most));
                let stats = tier.stats();
                assert!(
                    max_bytes.is_none_or(|most| stats.bytes <= most),
                    "{stats:?}"
                );
                let mut visited = 0;
                assert!(tier.try_visit(|_| visited += 1));
                assert_eq!(held, visited);
            }
        }
    }
});
