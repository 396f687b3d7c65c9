//! The memory tier: lives to the tick, bounds, clears that win, and values dropped outside of locks.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use quickcache::clock::{Clock, ManualClock, SystemClock, Timeout};
use quickcache::error::Error;
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::memory::{MemoryTier, Write};

type Tier<V> = MemoryTier<V, Arc<ManualClock>>;

fn options(max_entries: u64) -> Options {
    Options {
        max_entries: Some(max_entries),
        max_bytes: None,
        timeout: Timeout::FOREVER,
        policy: Policy::TinyLfu,
    }
}

fn tier<V: Clone>(max_entries: u64) -> (Tier<V>, Arc<ManualClock>) {
    let clock = Arc::<ManualClock>::default();
    (
        MemoryTier::new(options(max_entries), Arc::clone(&clock)).unwrap(),
        clock,
    )
}

fn key(number: impl ToString) -> PackedKey {
    PackedKey::pack(number.to_string().as_bytes())
}

fn put<V: Clone>(tier: &Tier<V>, number: impl ToString, value: V, timeout: Timeout) -> bool {
    tier.set(key(number), value, 8, timeout, Write::Always)
        .is_some()
}

fn value<V: Clone>(tier: &Tier<V>, number: impl ToString) -> Option<V> {
    tier.get(&key(number)).map(|found| found.value)
}

const MINUTE: Duration = Duration::from_secs(60);
/// The ends of lives are even numbers of nanoseconds.
const TICK: Duration = Duration::from_nanos(2);

#[test]
fn a_value_lives_to_the_last_tick_and_no_longer() {
    let (tier, clock) = tier(10);
    put(&tier, 1, 'a', Timeout::after(MINUTE));
    clock.advance(MINUTE - TICK);
    assert_eq!(Some('a'), value(&tier, 1));
    clock.advance(TICK);
    assert_eq!(None, value(&tier, 1));
    assert_eq!((0, 1), (tier.len(), tier.stats().expirations));
}

#[test]
fn overwriting_renews_the_life() {
    let (tier, clock) = tier(10);
    put(&tier, 1, 'a', Timeout::after(MINUTE));
    clock.advance(MINUTE - TICK);
    put(&tier, 1, 'b', Timeout::after(MINUTE));
    clock.advance(MINUTE - TICK);
    assert_eq!(Some('b'), value(&tier, 1));
    clock.advance(TICK);
    assert_eq!(None, value(&tier, 1));
}

#[test]
fn one_value_is_removed_and_no_other_nor_what_is_computed_meanwhile() {
    let (tier, _) = tier(10);
    tier.remove_if(&key(1), |_: &char| true);
    put(&tier, 1, 'a', Timeout::FOREVER);
    let since = tier.generation();
    tier.remove_if(&key(1), |found| *found == 'b');
    assert_eq!(Some('a'), value(&tier, 1));

    let copy = tier.look_up(&key(1)).unwrap();
    tier.remove_if(&key(1), |found| *found == 'a');
    assert_eq!(None, value(&tier, 1));
    assert!(!tier.epochs().is_current(copy.epoch));
    let fill = Write::Fill(since);
    assert!(tier.set(key(1), 'b', 8, Timeout::FOREVER, fill).is_some());
}

#[test]
fn touching_renews_or_shortens_the_life() {
    let (tier, clock) = tier(10);
    put(&tier, 1, 'a', Timeout::after(MINUTE));
    clock.advance(MINUTE / 2);
    assert!(tier.touch(&key(1), Timeout::after(MINUTE)));
    clock.advance(MINUTE - TICK);
    assert_eq!(Some('a'), value(&tier, 1));
    assert!(tier.touch(&key(1), Timeout::NONE));
    assert_eq!(None, value(&tier, 1));
    assert!(!tier.touch(&key(1), Timeout::FOREVER));
}

#[test]
fn a_value_without_a_life_replaces_what_was_there() {
    let (tier, _) = tier(10);
    put(&tier, 1, 'a', Timeout::FOREVER);
    assert!(!put(&tier, 1, 'b', Timeout::NONE));
    assert_eq!(None, value(&tier, 1));
}

#[test]
fn an_idle_tier_lets_go_of_expired_values_when_it_is_next_used() {
    let (tier, clock) = tier(1_000);
    let alive = Arc::new(());
    for number in 0..500 {
        put(&tier, number, Arc::clone(&alive), Timeout::after(MINUTE));
    }
    put(
        &tier,
        "used",
        Arc::clone(&alive),
        Timeout::after(100 * MINUTE),
    );
    clock.advance(MINUTE);
    for _ in 0..50 {
        value(&tier, "used");
    }
    assert_eq!(
        2,
        Arc::strong_count(&alive),
        "the one used, and this test's own"
    );
}

/// A clock whose cheap reading moves in ticks, as the system's does.
#[derive(Default)]
struct Coarse(ManualClock);

impl Clock for Coarse {
    fn now(&self) -> u64 {
        self.precise() / self.tick() * self.tick()
    }
    fn precise(&self) -> u64 {
        self.0.precise()
    }
    fn tick(&self) -> u64 {
        4_000_000
    }
}

#[test]
fn under_a_coarse_clock_a_value_is_never_late_and_at_most_a_tick_early() {
    let step = Duration::from_micros(100);
    for offset in 0..80 {
        let clock = Arc::<Coarse>::default();
        let tier = MemoryTier::new(options(10), Arc::clone(&clock)).unwrap();
        clock.0.advance(MINUTE + offset * step);
        let life = Duration::from_millis(10);
        tier.set(key(1), 'a', 8, Timeout::after(life), Write::Always);
        let mut lived = Duration::ZERO;
        while tier.get(&key(1)).is_some() {
            assert!(lived < life, "served after {lived:?}");
            clock.0.advance(step);
            lived += step;
        }
        assert!(
            lived + Duration::from_millis(4) >= life,
            "gone after {lived:?}"
        );
    }
}

#[test]
fn the_system_clocks_cheap_reading_is_never_ahead_and_follows() {
    let first = SystemClock.now();
    while SystemClock.now() <= first + SystemClock.tick() {
        assert!(SystemClock.now() <= SystemClock.precise());
    }
    // far more than a tick, far less than a reading of another clock would be off
    assert!(SystemClock.now() + 1_000_000_000 > SystemClock.precise());
}

#[test]
fn no_more_entries_are_held_than_the_bound() {
    for policy in [Policy::TinyLfu, Policy::Lru] {
        let options = Options {
            policy,
            ..options(100)
        };
        let tier = MemoryTier::new(options, Arc::<ManualClock>::default()).unwrap();
        for number in 0..1_000 {
            put(&tier, number, number, Timeout::FOREVER);
        }
        assert_eq!(100, tier.len());
        assert_eq!(900, tier.stats().evictions);
    }
}

#[test]
fn small_bounds_are_kept_to() {
    for most in [1, 5, 30, 100] {
        let options = Options {
            policy: Policy::Lru,
            ..options(most)
        };
        let tier = MemoryTier::new(options, Arc::<ManualClock>::default()).unwrap();
        let alive = Arc::new(());
        for number in 0..10 * most {
            put(&tier, number, Arc::clone(&alive), Timeout::FOREVER);
            assert!(tier.contains(&key(number)));
            let held = Arc::strong_count(&alive) as u64 - 1;
            assert!(held <= most + most / 8 + most / 32, "{held} of {most}");
        }
    }
}

#[test]
fn reads_that_have_swept_all_slots_rest_for_a_second() {
    let (tier, clock) = tier(100);
    let short_lived = Arc::new(());
    let life = Duration::from_millis(100);
    for number in 0..3 {
        // Writes leave the sweep somewhere in a round.
        put(&tier, number, Arc::default(), Timeout::after(MINUTE));
    }
    put(
        &tier,
        "short",
        Arc::clone(&short_lived),
        Timeout::after(life),
    );
    let read = || (0..50).for_each(|_| drop(value(&tier, 0)));
    read();
    clock.advance(5 * life);
    read();
    assert_eq!(2, Arc::strong_count(&short_lived));
    clock.advance(6 * life);
    read();
    assert_eq!(1, Arc::strong_count(&short_lived));
}

#[test]
fn between_its_housekeeping_the_bound_is_exceeded_by_little() {
    let (tier, _) = tier(1_000);
    let most = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (tier, most) = (&tier, &most);
            scope.spawn(move || {
                for number in 0..5_000 {
                    put(tier, format!("{thread}.{number}"), (), Timeout::FOREVER);
                    if number % 8 == 0 {
                        let mut held = 0;
                        while !tier.try_visit(|()| held += 1) {}
                        most.fetch_max(held, SeqCst);
                    }
                }
            });
        }
    });
    // 1/32 and 64 beyond the bound, and one from each thread
    let most = most.into_inner();
    assert!((500..=1_000 + 31 + 64 + 8).contains(&most), "{most}");
}

#[test]
fn the_newest_stays_under_lru() {
    let options = Options {
        policy: Policy::Lru,
        ..options(10)
    };
    let tier = MemoryTier::new(options, Arc::<ManualClock>::default()).unwrap();
    for number in 0..100 {
        put(&tier, number, number, Timeout::FOREVER);
        tier.len();
        assert_eq!(Some(number), value(&tier, number));
    }
}

#[test]
fn no_more_bytes_are_held_than_the_bound() {
    let options = Options {
        max_bytes: Some(100_000),
        ..options(1_000_000)
    };
    let tier = MemoryTier::new(options, Arc::<ManualClock>::default()).unwrap();
    for number in 0..1_000 {
        tier.set(key(number), number, 1_000, Timeout::FOREVER, Write::Always);
    }
    let stats = tier.stats();
    assert!(stats.bytes <= 100_000, "{stats:?}");
    assert!(stats.entries >= 50, "{stats:?}");
}

#[test]
fn a_value_larger_than_the_bound_is_refused_and_the_old_one_is_gone() {
    let options = Options {
        max_bytes: Some(10_000),
        ..options(10)
    };
    let tier = MemoryTier::new(options, Arc::<ManualClock>::default()).unwrap();
    put(&tier, 1, 'a', Timeout::FOREVER);
    assert!(
        tier.set(key(1), 'b', 20_000, Timeout::FOREVER, Write::Always)
            .is_none()
    );
    assert_eq!((None, 1), (value(&tier, 1), tier.stats().refusals));
}

#[test]
fn a_bound_of_zero_is_an_error() {
    let error = MemoryTier::<(), _>::new(options(0), SystemClock)
        .err()
        .unwrap();
    assert_eq!(
        Error::ZeroBound {
            option: "max_entries"
        },
        error
    );
}

#[test]
fn what_was_computed_before_a_clear_is_not_stored_after_it() {
    let clears: [fn(&Tier<char>); 4] = [
        |tier| assert!(!tier.delete(&key(1))),
        |tier| tier.clear(),
        |tier| assert!(put(tier, 1, 'w', Timeout::FOREVER)),
        |tier| assert!(!tier.touch(&key(1), Timeout::NONE)),
    ];
    for (i, clear) in clears.into_iter().enumerate() {
        let (tier, _) = tier(10);
        let taken = tier.generation();
        clear(&tier);
        let stored = tier.set(key(1), 'o', 8, Timeout::FOREVER, Write::Fill(taken));
        assert!(stored.is_none(), "clear {i}");
        assert_ne!(Some('o'), value(&tier, 1), "clear {i}");
        let again = tier.generation();
        assert!(
            tier.set(key(1), 'n', 8, Timeout::FOREVER, Write::Fill(again))
                .is_some()
        );
        assert_eq!(Some('n'), value(&tier, 1), "clear {i}");
        assert!(
            tier.set(key(1), 'r', 8, Timeout::FOREVER, Write::Refresh(taken))
                .is_none(),
            "clear {i}"
        );
    }
}

#[test]
fn a_refresh_voids_what_was_read_before_it_and_a_fill_does_not() {
    for (write, expected) in [
        (Write::Refresh as fn(_) -> _, Some('r')),
        (Write::Fill, Some('o')),
    ] {
        let (tier, _) = tier(10);
        let read = tier.generation();
        assert!(
            tier.set(key(1), 'r', 8, Timeout::FOREVER, write(read))
                .is_some()
        );
        tier.set(key(1), 'o', 8, Timeout::FOREVER, Write::Fill(read));
        assert_eq!(expected, value(&tier, 1));
    }
}

/// Its value goes to its caller, so that an older one may be handed to nobody after it.
#[test]
fn a_refresh_that_a_clear_of_another_key_overtook_leaves_no_older_value() {
    let (tier, _) = tier(10);
    let mut refused = 0;
    for other in 2..2_000 {
        put(&tier, 1, 'o', Timeout::FOREVER);
        let begun = tier.begin();
        tier.delete(&key(other));
        let kept = tier.set(key(1), 'n', 8, Timeout::FOREVER, Write::Refresh(begun));
        refused += usize::from(kept.is_none());
        assert_eq!(kept.map(|_| 'n'), value(&tier, 1), "{other}");
    }
    assert!(refused > 0, "some keys are of its shard");
}

#[test]
fn eviction_and_expiry_void_no_computation() {
    let (tier, clock) = tier(2);
    put(&tier, 1, 'a', Timeout::after(MINUTE));
    let taken = tier.generation();
    clock.advance(MINUTE);
    assert_eq!(None, value(&tier, 1));
    assert!(
        tier.set(key(1), 'b', 8, Timeout::FOREVER, Write::Fill(taken))
            .is_some()
    );
}

/// Threads read a version, and store what they read if nothing was cleared since; one publishes new
/// versions and clears. After a clear has returned, no older version may be found.
#[test]
fn no_thread_finds_an_older_version_after_a_clear() {
    let tier = MemoryTier::<usize, _>::new(options(10), SystemClock).unwrap();
    let (source, cleared, calls) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let rounds = 5_000;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while cleared.load(SeqCst) < rounds {
                    let at_least = cleared.load(SeqCst);
                    let taken = tier.generation();
                    let version = if let Some(found) = tier.get(&key(1)) {
                        found.value
                    } else {
                        let version = source.load(SeqCst);
                        thread::yield_now();
                        tier.set(key(1), version, 8, Timeout::FOREVER, Write::Fill(taken));
                        version
                    };
                    calls.fetch_add(1, SeqCst);
                    if version < at_least {
                        cleared.store(rounds, SeqCst);
                        panic!("{version} after the clear of {at_least}");
                    }
                }
            });
        }
        for version in 1..=rounds {
            source.store(version, SeqCst);
            tier.delete(&key(1));
            if cleared.fetch_max(version, SeqCst) >= version {
                break;
            }
            // let the others read, and be in the middle of storing
            let seen = calls.load(SeqCst);
            while calls.load(SeqCst) == seen && cleared.load(SeqCst) < rounds {
                thread::yield_now();
            }
        }
    });
}

/// Between moka's answer and the look into the slab, a slot may be freed and used for another key.
#[test]
fn no_thread_finds_the_value_of_another_key() {
    let tier = MemoryTier::<u32, _>::new(options(4), SystemClock).unwrap();
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let tier = &tier;
            scope.spawn(move || {
                for step in 0..20_000_u32 {
                    let number = step.wrapping_mul(2_654_435_761).wrapping_add(thread) % 13;
                    if let Some(found) = tier.get(&key(number)) {
                        assert_eq!(number, found.value);
                    }
                    tier.set(key(number), number, 8, Timeout::FOREVER, Write::Always);
                    if step % 3 == 0 {
                        tier.delete(&key(number));
                    }
                }
            });
        }
    });
}

/// A value whose destructor uses the tier that held it.
#[derive(Clone)]
struct Reentrant(#[expect(dead_code, reason = "only dropped")] Arc<Inner>);
struct Inner {
    tier: Weak<Tier<Reentrant>>,
    number: u32,
    drops: Arc<AtomicUsize>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.drops.fetch_add(1, SeqCst);
        let Some(tier) = self.tier.upgrade() else {
            return;
        };
        let plain = |number| {
            Reentrant(Arc::new(Inner {
                tier: Weak::new(),
                number,
                drops: Arc::default(),
            }))
        };
        value(&tier, self.number);
        tier.delete(&key(self.number));
        put(
            &tier,
            self.number,
            plain(self.number),
            Timeout::after(MINUTE),
        );
        if self.number.is_multiple_of(5) {
            tier.clear();
        }
        tier.len();
    }
}

#[test]
fn destructors_may_use_the_tier_whatever_drops_the_value() {
    type End = fn(&Arc<Tier<Reentrant>>, &ManualClock);
    let ends: [End; 6] = [
        |tier, _| assert!(tier.delete(&key(1))),
        |tier, _| tier.clear(),
        |tier, _| {
            let plain = Inner {
                tier: Weak::new(),
                number: 1,
                drops: Arc::default(),
            };
            put(tier, 1, Reentrant(Arc::new(plain)), Timeout::FOREVER);
        },
        |tier, clock| {
            clock.advance(MINUTE);
            value(tier, 1);
        },
        |tier, clock| {
            clock.advance(MINUTE);
            tier.len();
        },
        |tier, _| {
            for number in 100..200 {
                let plain = Inner {
                    tier: Weak::new(),
                    number,
                    drops: Arc::default(),
                };
                put(tier, number, Reentrant(Arc::new(plain)), Timeout::FOREVER);
            }
            tier.len();
            tier.clear();
        },
    ];
    for number in [1, 5] {
        for end in ends {
            let (done, finished) = std::sync::mpsc::channel();
            thread::spawn(move || {
                let (tier, clock) = tier(20);
                let tier = Arc::new(tier);
                let drops = Arc::new(AtomicUsize::new(0));
                let inner = Inner {
                    tier: Arc::downgrade(&tier),
                    number,
                    drops: Arc::clone(&drops),
                };
                put(&tier, 1, Reentrant(Arc::new(inner)), Timeout::after(MINUTE));
                end(&tier, &clock);
                done.send(drops.load(SeqCst)).unwrap();
            });
            let drops = finished.recv_timeout(Duration::from_secs(5));
            assert_eq!(Ok(1), drops, "dropped once, and no hang");
        }
    }
}

#[test]
fn every_value_is_dropped_once() {
    let alive = Arc::new(());
    let (tier, clock) = tier(50);
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (tier, alive, clock) = (&tier, &alive, &clock);
            scope.spawn(move || {
                for step in 0..20_000_u32 {
                    let number = step.wrapping_mul(2_654_435_761).wrapping_add(thread) % 97;
                    match step % 7 {
                        0..=2 => {
                            let timeout = Timeout::after(Duration::from_secs(u64::from(number)));
                            put(tier, number, Arc::clone(alive), timeout);
                        }
                        3 | 4 => drop(value(tier, number)),
                        5 => drop(tier.delete(&key(number))),
                        _ if step % 1_001 == 6 => tier.clear(),
                        _ => clock.advance(Duration::from_millis(500)),
                    }
                }
            });
        }
    });
    let held = tier.len();
    assert_eq!(held + 1, Arc::strong_count(&alive));
    drop(tier);
    assert_eq!(1, Arc::strong_count(&alive));
}

#[cfg(unix)]
#[test]
fn a_fork_waits_for_nobody_for_long_and_the_child_goes_on() {
    let tier = Arc::new(MemoryTier::<u32, _>::new(options(100), SystemClock).unwrap());
    let stop = Arc::new(AtomicUsize::new(0));
    let busy: Vec<_> = (0..4)
        .map(|thread: u32| {
            let (tier, stop) = (Arc::clone(&tier), Arc::clone(&stop));
            thread::spawn(move || {
                let mut number = thread;
                while stop.load(SeqCst) == 0 {
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    tier.set(
                        key(number % 300),
                        number,
                        8,
                        Timeout::FOREVER,
                        Write::Always,
                    );
                    tier.get(&key(number % 277));
                    if number.is_multiple_of(5_000) {
                        tier.clear();
                    }
                }
            })
        })
        .collect();
    let failed = (0..50).find_map(|_| {
        crate::fork::child_failure(|| {
            for number in 0..1_000 {
                tier.set(key(number), number, 8, Timeout::FOREVER, Write::Always);
                tier.get(&key(number / 2));
            }
            tier.clear();
            tier.set(key(1), 1, 8, Timeout::FOREVER, Write::Always);
            tier.len() == 1
        })
    });
    stop.store(1, SeqCst);
    for thread in busy {
        thread.join().unwrap();
    }
    assert_eq!(None, failed);
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, u16, Option<u8>),
    Get(u8),
    Delete(u8),
    Touch(u8, Option<u8>),
    Contains(u8),
    Advance(u8),
    Clear,
    Len,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let life = || prop::option::of(0_u8..20);
    let number = || 0_u8..8;
    let step = prop_oneof![
        4 => (number(), any::<u16>(), life()).prop_map(|(key, value, life)| Step::Set(key, value, life)),
        4 => number().prop_map(Step::Get),
        1 => number().prop_map(Step::Delete),
        1 => (number(), life()).prop_map(|(key, life)| Step::Touch(key, life)),
        1 => number().prop_map(Step::Contains),
        2 => (0_u8..10).prop_map(Step::Advance),
        1 => Just(Step::Clear),
        1 => Just(Step::Len),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// With room for all, the tier is a map whose entries end.
    #[test]
    fn a_tier_with_room_is_a_map_with_ends(steps in steps()) {
        let (tier, clock) = tier::<u16>(1_000);
        let mut model = std::collections::HashMap::<u8, (u16, Option<u64>)>::new();
        let mut now = 0_u64;
        let timeout = |life: Option<u8>| life.map_or(Timeout::FOREVER, |seconds| {
            Timeout::after(Duration::from_secs(seconds.into()))
        });
        for step in steps {
            model.retain(|_, (_, end)| end.is_none_or(|end| end > now));
            match step {
                Step::Set(number, value, life) => {
                    put(&tier, number, value, timeout(life));
                    model.insert(number, (value, life.map(|life| now + u64::from(life))));
                }
                Step::Get(number) => {
                    prop_assert_eq!(model.get(&number).map(|held| held.0), value(&tier, number));
                }
                Step::Delete(number) => {
                    prop_assert_eq!(model.remove(&number).is_some(), tier.delete(&key(number)));
                }
                Step::Touch(number, life) => {
                    let held = model.get_mut(&number);
                    prop_assert_eq!(held.is_some(), tier.touch(&key(number), timeout(life)));
                    if let Some(held) = held {
                        held.1 = life.map(|life| now + u64::from(life));
                    }
                }
                Step::Contains(number) => {
                    prop_assert_eq!(model.contains_key(&number), tier.contains(&key(number)));
                }
                Step::Advance(seconds) => {
                    now += u64::from(seconds);
                    clock.advance(Duration::from_secs(seconds.into()));
                }
                Step::Clear => {
                    model.clear();
                    tier.clear();
                }
                Step::Len => prop_assert_eq!(model.len(), tier.len()),
            }
        }
    }
}
