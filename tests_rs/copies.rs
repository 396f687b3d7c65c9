//! Fronts of a memory tier: no copy of what is no longer so, and none kept for long.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use quickcache::clock::{Clock, ManualClock, Timeout};
use quickcache::flow::copies::{Copies, Fronts};
use quickcache::flow::front::{Front, Held, Swept};
use quickcache::flow::generation::Epochs;
use quickcache::key::local::LocalKey;
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::memory::{MemoryTier, Write};

type Tier<V> = MemoryTier<V, Arc<ManualClock>>;
type Local = LocalKey;

const MINUTE: Duration = Duration::from_secs(60);
const LARGER_THAN_ALL: usize = 1 << 40;

/// A front behind a lock of its own.
struct Near<V>(Mutex<Front<V>>);

impl<V: Clone + Send> Copies<V> for Near<V> {
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> Swept {
        self.0.lock().unwrap().sweep(slots, epochs, now, dead)
    }
    fn clear(&self, dead: &mut Vec<V>) {
        self.0.lock().unwrap().clear(dead);
    }
    fn take_hits(&self) -> u64 {
        self.0.lock().unwrap().take_hits()
    }
}

/// A function that a tier caches for, with its front.
struct Function<V> {
    tier: Arc<Tier<V>>,
    near: Arc<Near<V>>,
}

impl<V: Clone + Send + 'static> Function<V> {
    fn new(tier: &Arc<Tier<V>>, bound: usize) -> Self {
        let near = Arc::new(Near(Mutex::new(Front::new(bound))));
        let known: Weak<Near<V>> = Arc::downgrade(&near);
        tier.add_front(known);
        Self {
            tier: Arc::clone(tier),
            near,
        }
    }

    /// What the front alone has.
    fn hit(&self, number: usize) -> Option<V> {
        let tier = &self.tier;
        let mut front = self.near.0.lock().unwrap();
        let found = front.get(&local(number), tier.epochs(), tier.clock(), tier.era());
        found.map(|(value, _)| value)
    }

    fn look_up(&self, number: usize) -> Option<Held<V>> {
        self.tier.look_up(&key(number))
    }

    fn keep(&self, number: usize, held: Held<V>) {
        let tier = &self.tier;
        let mut dead = Vec::new();
        let now = tier.clock().now();
        let mut front = self.near.0.lock().unwrap();
        front.insert(
            &local(number),
            held,
            tier.era(),
            tier.epochs(),
            now,
            &mut dead,
        );
        drop(front);
    }

    /// As a call does it: the front, else the tier, of whose answer the front then has a copy.
    fn call(&self, number: usize) -> Option<V> {
        self.hit(number).or_else(|| {
            let held = self.look_up(number)?;
            self.keep(number, held.clone());
            Some(held.value)
        })
    }

    fn copies(&self) -> usize {
        self.near.0.lock().unwrap().len()
    }

    /// How many slots its front has.
    fn slots(&self) -> usize {
        let round = || {
            self.near
                .sweep(usize::MAX, &Epochs::new(1), 0, &mut Vec::new())
        };
        // the first may begin in the midst of them
        round();
        round().looked_at
    }
}

fn local(number: usize) -> Vec<u64> {
    let mut key = Local::new();
    key.integer(i64::try_from(number).unwrap());
    key.finish().to_vec()
}

fn key(number: usize) -> PackedKey {
    PackedKey::pack(number.to_string().as_bytes())
}

fn options(max_entries: u64) -> Options {
    Options {
        max_entries: Some(max_entries),
        max_bytes: None,
        timeout: Timeout::FOREVER,
        policy: Policy::Lru,
    }
}

fn tier_with<V: Clone>(options: Options) -> (Arc<Tier<V>>, Arc<ManualClock>) {
    let clock = Arc::<ManualClock>::default();
    let tier = MemoryTier::new(options, Arc::clone(&clock)).unwrap();
    (Arc::new(tier), clock)
}

fn tier<V: Clone>(max_entries: u64) -> (Arc<Tier<V>>, Arc<ManualClock>) {
    tier_with(options(max_entries))
}

fn put<V: Clone>(tier: &Tier<V>, number: usize, value: V, timeout: Timeout) -> bool {
    tier.set(key(number), value, 8, timeout, Write::Always)
        .is_some()
}

/// All that ends a value, or the life that it was given; and what is held then.
type End = (&'static str, fn(&Tier<usize>, &ManualClock), Option<usize>);

const ENDS: [End; 13] = [
    ("delete", |tier, _| assert!(tier.delete(&key(1))), None),
    ("remove", |tier, _| assert!(tier.remove(&key(1))), None),
    ("clear", |tier, _| tier.clear(), None),
    (
        "overwrite",
        |tier, _| assert!(put(tier, 1, 11, Timeout::FOREVER)),
        Some(11),
    ),
    (
        "settled overwrite",
        |tier, _| {
            assert!(
                tier.set(key(1), 11, 8, Timeout::FOREVER, Write::Again)
                    .is_some()
            );
        },
        Some(11),
    ),
    (
        "fill",
        |tier, _| {
            let fill = Write::Fill(tier.generation());
            assert!(tier.set(key(1), 11, 8, Timeout::FOREVER, fill).is_some());
        },
        Some(11),
    ),
    (
        "refresh",
        |tier, _| {
            let refresh = Write::Refresh(tier.generation());
            assert!(tier.set(key(1), 11, 8, Timeout::FOREVER, refresh).is_some());
        },
        Some(11),
    ),
    (
        "overwrite without a life",
        |tier, _| assert!(!put(tier, 1, 11, Timeout::NONE)),
        None,
    ),
    (
        "overwrite that is too large",
        |tier, _| {
            let large = LARGER_THAN_ALL;
            assert!(
                tier.set(key(1), 11, large, Timeout::FOREVER, Write::Always)
                    .is_none()
            );
        },
        None,
    ),
    (
        "touch",
        |tier, _| assert!(tier.touch(&key(1), Timeout::FOREVER)),
        Some(10),
    ),
    (
        "touch without a life",
        |tier, _| assert!(tier.touch(&key(1), Timeout::NONE)),
        None,
    ),
    ("expiry", |_, clock| clock.advance(MINUTE), None),
    (
        "eviction",
        |tier, _| {
            for number in 100..300 {
                put(tier, number, number, Timeout::FOREVER);
            }
            tier.len();
        },
        None,
    ),
];

fn with_a_value() -> (Arc<Tier<usize>>, Arc<ManualClock>, [Function<usize>; 2]) {
    let (tier, clock) = tier_with(Options {
        max_bytes: Some(1 << 30),
        ..options(100)
    });
    put(&tier, 1, 10, Timeout::after(MINUTE));
    let functions = [Function::new(&tier, 160), Function::new(&tier, 160)];
    (tier, clock, functions)
}

#[test]
fn no_copy_counts_once_its_value_or_its_life_has_ended() {
    for (name, end, then) in ENDS {
        let (tier, clock, functions) = with_a_value();
        for function in &functions {
            assert_eq!(Some(10), function.call(1));
            assert_eq!(Some(10), function.hit(1), "{name}");
        }
        end(&tier, &clock);
        for function in &functions {
            assert_eq!(None, function.hit(1), "{name}");
            assert_eq!(then, function.call(1), "{name}");
            assert_eq!(then, function.hit(1), "{name}");
        }
    }
}

#[test]
fn no_copy_counts_that_is_made_of_what_was_read_before_the_end() {
    for (name, end, then) in ENDS {
        let (tier, clock, functions) = with_a_value();
        let held = functions[0].look_up(1).unwrap();
        end(&tier, &clock);
        for function in &functions {
            function.keep(1, held.clone());
            assert_eq!(None, function.hit(1), "{name}");
            assert_eq!(then, function.call(1), "{name}");
            function.keep(1, held.clone());
            assert_eq!(None, function.hit(1), "{name}, and read again");
        }
    }
}

#[test]
fn a_shortened_life_is_short_for_copies_too() {
    let (tier, clock, [function, _]) = with_a_value();
    function.call(1);
    assert!(tier.touch(&key(1), Timeout::after(MINUTE / 2)));
    assert_eq!(Some(10), function.call(1));
    clock.advance(MINUTE / 2);
    assert_eq!((None, None), (function.hit(1), function.call(1)));
}

#[test]
fn copies_of_other_values_stay() {
    let (tier, clock) = tier(10_000);
    let function = Function::new(&tier, 16_000);
    for number in 0..40 {
        put(&tier, number, number, Timeout::after(MINUTE));
        function.call(number);
    }
    tier.delete(&key(1));
    tier.touch(&key(2), Timeout::FOREVER);
    put(&tier, 3, 33, Timeout::FOREVER);
    clock.advance(MINUTE / 2);
    tier.len();
    let hits = (4..40).filter(|&number| function.hit(number) == Some(number));
    // two keys in 8,192 shards may share one
    assert!(hits.count() >= 34);
}

#[test]
fn a_front_answers_for_nothing_that_was_evicted() {
    for policy in [Policy::Lru, Policy::TinyLfu] {
        let (tier, _) = tier_with(Options {
            policy,
            ..options(100)
        });
        let function = Function::new(&tier, 1_600);
        let mut hits = 0;
        for number in 0..2_000 {
            put(&tier, number, number, Timeout::FOREVER);
            function.call(number);
            function.call(number / 2);
            // in the midst of an era
            if number % 100 == 30 {
                tier.len();
                for number in (0..number).filter(|&number| function.hit(number).is_some()) {
                    hits += 1;
                    assert!(tier.contains(&key(number)), "{number}, by {policy:?}");
                }
            }
        }
        // How many differs with the seeds of the hashes: 96 were seen.
        assert!(hits > 30, "{hits} by {policy:?}");
    }
}

#[test]
fn what_is_used_through_a_front_alone_stays_in_the_tier() {
    let (tier, _) = tier(1_000);
    let function = Function::new(&tier, 1_600);
    put(&tier, 1, 1, Timeout::FOREVER);
    let mut misses = 0;
    for number in 10..6_000 {
        put(&tier, number, number, Timeout::FOREVER);
        if function.call(1).is_none() {
            misses += 1;
            put(&tier, 1, 1, Timeout::FOREVER);
        }
    }
    assert_eq!(0, misses);
}

#[test]
fn the_era_moves_when_half_of_what_fits_was_stored() {
    let (tier, _) = tier(1_000);
    let mut eras = 0;
    for number in 0..11_000 {
        let era = tier.era();
        put(&tier, number, number, Timeout::FOREVER);
        eras += usize::from(tier.era() != era);
    }
    // of some 500 stores each
    assert!((20..=23).contains(&eras), "{eras}");
}

#[test]
fn hits_of_fronts_are_hits_of_the_tier_each_once() {
    let (tier, _) = tier(100);
    let functions = [Function::new(&tier, 160), Function::new(&tier, 160)];
    for number in 0..50 {
        put(&tier, number, number, Timeout::FOREVER);
    }
    thread::scope(|scope| {
        for thread in 0..4 {
            let function = &functions[thread % 2];
            scope.spawn(move || {
                for step in 0..5_000 {
                    assert!(function.call(step % 50).is_some());
                }
            });
        }
    });
    assert_eq!(20_000, tier.stats().hits);
    assert_eq!(20_000, tier.stats().hits);
}

/// A front that only notes how many slots it is to look at.
struct Noted {
    /// Slots of this round that were looked at.
    done: Mutex<usize>,
    slots: usize,
    looked: Mutex<Vec<usize>>,
}

impl Noted {
    fn new(fronts: &Fronts<()>, slots: usize) -> Arc<Self> {
        let noted = Arc::new(Self {
            slots,
            done: Mutex::default(),
            looked: Mutex::default(),
        });
        let known: Weak<Self> = Arc::downgrade(&noted);
        fronts.add(known);
        noted
    }

    fn looked(&self) -> Vec<usize> {
        std::mem::take(&mut self.looked.lock().unwrap())
    }
}

impl Copies<()> for Noted {
    fn sweep(&self, slots: usize, _: &Epochs, _: u64, _: &mut Vec<()>) -> Swept {
        if self.slots == 0 {
            return Swept {
                looked_at: 0,
                is_through: true,
            };
        }
        let mut done = self.done.lock().unwrap();
        let looked_at = slots.min(self.slots - *done);
        *done = (*done + looked_at) % self.slots;
        self.looked.lock().unwrap().push(looked_at);
        Swept {
            looked_at,
            is_through: *done == 0,
        }
    }
    fn clear(&self, _: &mut Vec<()>) {}
    fn take_hits(&self) -> u64 {
        1
    }
}

fn sweep_after(bumps: usize, epochs: &Epochs, fronts: &Fronts<()>) {
    (0..bumps).for_each(|_| epochs.bump(0));
    fronts.sweep(epochs, || 0, &mut Vec::new());
}

#[test]
fn each_bump_has_16_slots_looked_at_by_one_call_2048_at_most() {
    let (epochs, fronts) = (Epochs::new(8), Fronts::default());
    let front = Noted::new(&fronts, 100_000);
    sweep_after(1, &epochs, &fronts);
    sweep_after(3, &epochs, &fronts);
    assert_eq!([16, 48], front.looked()[..]);
    sweep_after(200, &epochs, &fronts);
    assert_eq!([2_048], front.looked()[..]);
    sweep_after(1, &epochs, &fronts);
    assert_eq!(
        [3_200 - 2_048 + 16],
        front.looked()[..],
        "what was left over"
    );
}

#[test]
fn fronts_are_looked_at_in_turn_each_as_much_as_it_has() {
    let (epochs, fronts) = (Epochs::new(8), Fronts::default());
    let all = [60, 60, 60].map(|slots| Noted::new(&fronts, slots));
    let looked = || {
        all.each_ref()
            .map(|front| front.looked().iter().sum::<usize>())
    };
    let mut totals = [0; 3];
    for _ in 0..45 {
        sweep_after(4, &epochs, &fronts);
        let now = looked();
        assert_eq!(4 * 16, now.iter().sum::<usize>());
        assert!(now.iter().all(|&slots| slots <= 60), "{now:?}");
        for (total, slots) in totals.iter_mut().zip(now) {
            *total += slots;
        }
    }
    assert_eq!([15 * 4 * 16; 3], totals);
    sweep_after(60, &epochs, &fronts);
    assert!(looked().iter().all(|&slots| (60..=120).contains(&slots)));
    sweep_after(1, &epochs, &fronts);
    assert_eq!(16, looked().iter().sum::<usize>(), "the rest is not owed");
}

#[test]
fn no_front_is_left_out() {
    let (epochs, fronts) = (Epochs::new(8), Fronts::default());
    let all = [1_000, 10, 0, 500].map(|slots| Noted::new(&fronts, slots));
    for _ in 0..400 {
        sweep_after(1, &epochs, &fronts);
    }
    for front in all {
        let looked: usize = front.looked().iter().sum();
        assert!(looked >= 2 * front.slots, "{looked} of {}", front.slots);
    }
}

#[test]
fn fronts_that_are_gone_are_passed_over() {
    let (epochs, fronts) = (Epochs::new(8), Fronts::default());
    sweep_after(5, &epochs, &fronts);
    let gone = Noted::new(&fronts, 100);
    let front = Noted::new(&fronts, 100);
    drop(gone);
    sweep_after(1, &epochs, &fronts);
    assert_eq!([16], front.looked()[..]);
    assert_eq!(1, fronts.take_hits());
}

/// A value that counts how many of its kind there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Arc<Self> {
        alive.fetch_add(1, SeqCst);
        Arc::new(Self(Arc::clone(alive)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn under_churn_few_values_are_kept_beyond_what_the_tier_holds() {
    type Churn = fn(&Tier<Arc<Counted>>, usize, Arc<Counted>);
    // with the most values that the tier itself holds of each
    let churns: [(&str, usize, Churn); 4] = [
        ("evicted", 1_000 + 31 + 64, |tier, step, value| {
            put(tier, step, value, Timeout::FOREVER);
        }),
        ("deleted", 501, |tier, step, value| {
            put(tier, step, value, Timeout::FOREVER);
            tier.delete(&key(step.saturating_sub(500)));
        }),
        ("overwritten", 701, |tier, step, value| {
            put(tier, step % 700, value, Timeout::FOREVER);
        }),
        ("expired", 501, |tier, step, value| {
            put(tier, step, value, Timeout::after(MINUTE));
            tier.clock().advance(MINUTE / 500);
        }),
    ];
    for (name, held, churn) in churns {
        let (tier, _) = tier(1_000);
        let functions = [1_600, 1_600].map(|bound| Function::new(&tier, bound));
        let alive = Arc::new(AtomicUsize::new(0));
        let mut most = 0;
        for step in 0..8_000 {
            churn(&tier, step, Counted::new(&alive));
            functions[step % 2].call(step);
            functions[step % 2].call(step % 700);
            most = most.max(alive.load(SeqCst));
        }
        let slots: usize = functions.iter().map(Function::slots).sum();
        let bound = held + slots / 32 + 64;
        assert!(most <= bound, "{name}: {most} values, {bound} at most");
        drop(functions);
        drop(tier);
        assert_eq!(0, alive.load(SeqCst));
    }
}

#[test]
fn a_clear_lets_go_of_all_copies_at_once() {
    let (tier, _) = tier(1_000);
    let functions = [1_600, 1_600].map(|bound| Function::new(&tier, bound));
    let alive = Arc::new(AtomicUsize::new(0));
    for number in 0..500 {
        put(&tier, number, Counted::new(&alive), Timeout::FOREVER);
        for function in &functions {
            function.call(number);
        }
    }
    assert_eq!(500, alive.load(SeqCst));
    tier.clear();
    assert_eq!(0, alive.load(SeqCst));
    assert_eq!(0, functions.iter().map(Function::copies).sum::<usize>());
}

/// A value whose destructor uses the tier and the front that held it.
struct Reentrant {
    function: Weak<Function<Arc<Reentrant>>>,
    drops: Arc<AtomicUsize>,
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.drops.fetch_add(1, SeqCst);
        if let Some(function) = self.function.upgrade() {
            function.call(1);
            function.tier.delete(&key(2));
            put(&function.tier, 1, plain(), Timeout::FOREVER);
            function.call(1);
            function.tier.clear();
            function.tier.len();
        }
    }
}

fn plain() -> Arc<Reentrant> {
    Arc::new(Reentrant {
        function: Weak::new(),
        drops: Arc::default(),
    })
}

#[test]
fn destructors_may_use_the_tier_and_the_front_that_let_go_of_them() {
    type End = fn(&Tier<Arc<Reentrant>>, &Function<Arc<Reentrant>>);
    let ends: [(&str, End); 4] = [
        ("swept", |tier, _| {
            for number in 10..200 {
                put(tier, number, plain(), Timeout::FOREVER);
            }
        }),
        ("cleared", |tier, _| tier.clear()),
        ("deleted", |tier, _| {
            tier.delete(&key(1));
            tier.delete(&key(3));
        }),
        ("replaced in the front", |tier, function| {
            put(tier, 1, plain(), Timeout::FOREVER);
            function.call(1);
        }),
    ];
    for (name, end) in ends {
        let (done, finished) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let (tier, _) = tier(20);
            let function = Arc::new(Function::new(&tier, 32));
            let drops = Arc::new(AtomicUsize::new(0));
            let value = Arc::new(Reentrant {
                function: Arc::downgrade(&function),
                drops: Arc::clone(&drops),
            });
            put(&tier, 1, value, Timeout::FOREVER);
            drop(function.call(1));
            end(&tier, &function);
            done.send(drops.load(SeqCst)).unwrap();
        });
        let drops = finished.recv_timeout(Duration::from_secs(5));
        assert_eq!(Ok(1), drops, "{name}: dropped once, and no hang");
    }
}

/// Keys with a source of versions each. Readers fill the front from the tier and the tier from the
/// source; writers publish a version, and set it, or delete or clear. Once that has returned, no
/// reader that begins finds an older version.
#[test]
fn no_reader_finds_an_older_version_after_a_write_has_returned() {
    const KEYS: usize = 3;
    const ROUNDS: usize = 2_500;
    // so small that keys of the writers are evicted by others now and then
    let (tier, _) = tier::<usize>(8);
    let functions = [Function::new(&tier, 16), Function::new(&tier, 16)];
    let versions = || [const { AtomicUsize::new(0) }; KEYS];
    let (sources, floors) = (versions(), versions());
    let (reads, hits, running) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(KEYS),
    );
    let read = |function: &Function<usize>, number: usize, step: usize| {
        let floor = floors[number].load(SeqCst);
        let version = if let Some(version) = function.hit(number) {
            hits.fetch_add(1, SeqCst);
            version
        } else {
            let since = tier.generation();
            if let Some(held) = function.look_up(number) {
                let version = held.value;
                if step.is_multiple_of(2) {
                    thread::yield_now();
                }
                function.keep(number, held);
                version
            } else {
                let version = sources[number].load(SeqCst);
                thread::yield_now();
                let fill = Write::Fill(since);
                tier.set(key(number), version, 8, Timeout::FOREVER, fill);
                version
            }
        };
        reads.fetch_add(1, SeqCst);
        assert!(
            version >= floor,
            "{version} of {number} after the write of {floor}"
        );
    };
    let write = |number: usize, version: usize| {
        sources[number].store(version, SeqCst);
        match version % 8 {
            0 => tier.clear(),
            1..4 => drop(tier.delete(&key(number))),
            _ => drop(put(&tier, number, version, Timeout::FOREVER)),
        }
        floors[number].store(version, SeqCst);
        // let the others read, and be in the middle of keeping a copy
        let seen = reads.load(SeqCst);
        while !version.is_multiple_of(3)
            && reads.load(SeqCst) < seen + 3
            && running.load(SeqCst) <= KEYS
        {
            thread::yield_now();
        }
    };
    // A reader that failed ends the others too.
    let stop_all = |failed: &thread::Result<()>| {
        if failed.is_err() {
            running.store(usize::MAX, SeqCst);
        }
    };
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let (read, running, functions, stop_all) = (&read, &running, &functions, &stop_all);
            scope.spawn(move || {
                let mut step = thread;
                let mut all = || {
                    while (1..=KEYS).contains(&running.load(SeqCst)) {
                        step += 1;
                        read(&functions[thread % 2], step % KEYS, step);
                    }
                };
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut all));
                stop_all(&done);
                if let Err(failed) = done {
                    std::panic::resume_unwind(failed);
                }
            });
        }
        for number in 0..KEYS {
            let (write, running) = (&write, &running);
            scope.spawn(move || {
                for version in 1..=ROUNDS {
                    if running.load(SeqCst) > KEYS {
                        return;
                    }
                    write(number, version);
                }
                running.fetch_sub(1, SeqCst);
            });
        }
    });
    assert!(hits.load(SeqCst) > 0, "of {reads:?} reads");
}
