//! The front alone: copies that count and no others, exact keys, bounds, marks, sweeps.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use quickcache::clock::{Clock, Deadline, ManualClock, Timeout};
use quickcache::flow::front::{Front, Held, Seat};
use quickcache::flow::generation::{Epoch, Epochs};
use quickcache::key::local::LocalKey;

type Key = LocalKey;

const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_nanos(1);
const ALL: usize = usize::MAX;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static DROPPED_INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Runs a call of the front, which must not drop any value.
fn inside<R>(call: impl FnOnce() -> R) -> R {
    INSIDE.set(true);
    let result = call();
    INSIDE.set(false);
    assert_eq!(0, DROPPED_INSIDE.take(), "dropped inside of the front");
    result
}

/// A value that says if the front drops it, instead of handing it over.
#[derive(Debug, Clone)]
struct Copy(Arc<Inner>);

#[derive(Debug)]
struct Inner(usize);

impl Drop for Inner {
    fn drop(&mut self) {
        DROPPED_INSIDE.set(DROPPED_INSIDE.get() + usize::from(INSIDE.get()));
    }
}

/// A front with all that it takes to use it.
struct Table {
    front: Front<Copy>,
    epochs: Epochs,
    clock: ManualClock,
    era: u8,
    dead: Vec<Copy>,
    /// One of each value that was ever put in.
    made: usize,
}

impl Table {
    fn new(bound: usize) -> Self {
        Self {
            front: Front::new(bound),
            epochs: Epochs::new(64),
            clock: ManualClock::default(),
            era: 0,
            dead: Vec::new(),
            made: 0,
        }
    }

    fn find(&mut self, key: &[u64]) -> Option<(usize, Seat)> {
        let found = inside(|| self.front.get(key, &self.epochs, &self.clock, self.era));
        found.map(|(copy, seat)| (copy.0.0, seat))
    }

    fn get(&mut self, key: &[u64]) -> Option<usize> {
        self.find(key).map(|(value, _)| value)
    }

    fn get_again(&mut self, seat: Seat) -> Option<usize> {
        let (epochs, clock) = (&self.epochs, &self.clock);
        let found = inside(|| {
            self.front
                .take(seat, epochs, || Some(clock.now()), self.era)
        });
        found.map(|copy| copy.0.0)
    }

    fn epoch(&self, shard: u64) -> Epoch {
        self.epochs.current(shard << 32)
    }

    fn bump(&self, shard: u64) {
        self.epochs.bump(shard << 32);
    }

    fn put_with(&mut self, key: &[u64], value: usize, deadline: Deadline, epoch: Epoch) {
        let held = Held {
            value: Copy(Arc::new(Inner(value))),
            deadline,
            epoch,
        };
        self.made += 1;
        let now = self.clock.now();
        let Self {
            front,
            epochs,
            dead,
            ..
        } = self;
        inside(|| front.insert(key, held, self.era, epochs, now, dead));
    }

    fn put(&mut self, key: &[u64], shard: u64, value: usize) {
        self.put_with(key, value, Deadline::NEVER, self.epoch(shard));
    }

    fn put_for(&mut self, life: Duration, key: &[u64], value: usize) {
        let deadline = Deadline::of(Timeout::after(life), &self.clock).unwrap();
        self.put_with(key, value, deadline, self.epoch(0));
    }

    /// Look at so many slots, or for `ALL` at each once more. How many there were to look at.
    fn sweep(&mut self, slots: usize) -> usize {
        let now = self.clock.now();
        let mut looked_at = 0;
        for _ in 0..2 {
            let left = slots.saturating_sub(looked_at);
            let swept = inside(|| self.front.sweep(left, &self.epochs, now, &mut self.dead));
            looked_at = if slots == ALL {
                swept.looked_at
            } else {
                looked_at + swept.looked_at
            };
        }
        looked_at
    }

    fn clear(&mut self) {
        inside(|| self.front.clear(&mut self.dead));
    }

    /// Values that were let go since this was last asked, in order.
    fn let_go(&mut self) -> Vec<usize> {
        let mut numbers: Vec<_> = self.dead.drain(..).map(|copy| copy.0.0).collect();
        numbers.sort_unstable();
        numbers
    }

    fn values(&self) -> Vec<usize> {
        let mut numbers = Vec::new();
        let all: Result<(), ()> = self.front.try_for_each(|copy| {
            numbers.push(copy.0.0);
            Ok(())
        });
        assert_eq!(Ok(()), all);
        numbers.sort_unstable();
        numbers
    }
}

/// A key of as many words, of which the last one alone tells keys apart.
fn key(length: usize, number: usize) -> Vec<u64> {
    let mut words = vec![7; length];
    words[length - 1] = number as u64;
    words
}

/// A key as they are, of one word or of many.
fn text_key(number: usize) -> Vec<u64> {
    let mut key = Key::new();
    key.ascii(&b"0123456789".repeat(10)[..5 * number]);
    key.finish().to_vec()
}

/// Short keys, the longest of them, and long ones, by folding and by ahash.
const LENGTHS: [usize; 5] = [1, 2, 5, 6, 9];

#[test]
fn a_copy_counts_until_its_shard_is_bumped() {
    for length in LENGTHS {
        let mut table = Table::new(64);
        table.put(&key(length, 1), 1, 10);
        table.put(&key(length, 2), 2, 20);
        assert_eq!(Some(10), table.get(&key(length, 1)));
        table.bump(1);
        assert_eq!(None, table.get(&key(length, 1)));
        assert_eq!(Some(20), table.get(&key(length, 2)), "of another shard");
        table.put(&key(length, 1), 1, 11);
        assert_eq!(Some(11), table.get(&key(length, 1)));
    }
}

#[test]
fn a_copy_of_what_was_read_before_a_bump_never_counts() {
    let mut table = Table::new(64);
    let noted = table.epoch(1);
    table.bump(1);
    table.put_with(&key(1, 1), 10, Deadline::NEVER, noted);
    assert_eq!(None, table.get(&key(1, 1)));
    table.put(&key(1, 1), 1, 11);
    table.put_with(&key(1, 1), 10, Deadline::NEVER, noted);
    assert_eq!(None, table.get(&key(1, 1)));
}

#[test]
fn a_bump_of_all_shards_voids_all_copies() {
    let mut table = Table::new(64);
    for number in 0..10 {
        table.put(&key(1, number), number as u64, number);
    }
    table.epochs.bump_all();
    for number in 0..10 {
        assert_eq!(None, table.get(&key(1, number)));
    }
}

#[test]
fn a_copy_counts_to_its_last_tick_and_no_longer() {
    let mut table = Table::new(64);
    table.put_for(MINUTE, &key(1, 1), 10);
    table.put(&key(1, 2), 0, 20);
    table.clock.advance(MINUTE - TICK);
    assert_eq!(Some(10), table.get(&key(1, 1)));
    table.clock.advance(TICK);
    assert_eq!(None, table.get(&key(1, 1)));
    assert_eq!(Some(20), table.get(&key(1, 2)), "for ever");
}

#[test]
fn a_key_has_one_copy_the_newest() {
    for length in LENGTHS {
        let mut table = Table::new(64);
        for value in 0..100 {
            table.put(&key(length, 1), value as u64 % 3, value);
            assert_eq!(Some(value), table.get(&key(length, 1)));
            assert_eq!(1, table.front.len());
        }
        assert_eq!((0..99).collect::<Vec<_>>(), table.let_go());
    }
}

#[test]
fn all_words_of_a_key_are_compared() {
    for length in LENGTHS {
        for differs in 0..length {
            let (one, mut other) = (vec![7; length], vec![7; length]);
            other[differs] = 8;
            // a full table of 8 slots is looked through as a whole
            let mut table = Table::new(8);
            for number in 0..20 {
                table.put(&key(length, 100 + number), 0, number);
            }
            table.put(&one, 0, 30);
            assert_eq!(None, table.get(&other), "word {differs} of {length}");
            table.put(&other, 0, 40);
            assert_eq!(Some(40), table.get(&other));
            assert_ne!(Some(40), table.get(&one));
        }
    }
}

/// The numbers that a front's debug form has under a name. The secrets of its hasher are nowhere else.
fn debugged(front: &Front<Copy>, name: &str) -> Vec<u64> {
    let text = format!("{front:?}");
    text.split(&format!(" {name}: "))
        .skip(1)
        .map(|rest| {
            let digits = rest.split(|next: char| !next.is_ascii_digit()).next();
            digits.unwrap().parse().unwrap()
        })
        .collect()
}

/// A key of as many words as another, with its hash, for a front's own secrets.
fn of_equal_hash(front: &Front<Copy>, key: &[u64]) -> Vec<u64> {
    let (seed, factor) = (debugged(front, "seed")[0], debugged(front, "factor")[0]);
    let hash = |words: &[u64]| {
        words.iter().fold(seed, |hash, word| {
            let product = u128::from(hash ^ word) * u128::from(factor);
            u64::try_from(product & u128::from(u64::MAX)).unwrap()
                ^ u64::try_from(product >> 64).unwrap()
        })
    };
    let last = key.len() - 1;
    let mut other = key.to_vec();
    other[last - 1] ^= 1;
    other[last] = hash(&key[..last]) ^ key[last] ^ hash(&other[..last]);
    assert_eq!(hash(key), hash(&other));
    other
}

#[test]
fn keys_of_one_hash_are_two_keys() {
    for length in [2, 5, 6] {
        let mut table = Table::new(64);
        let one = key(length, 1);
        let other = of_equal_hash(&table.front, &one);
        table.put(&one, 0, 10);
        assert_eq!(None, table.get(&other));
        table.put(&other, 0, 20);
        assert_eq!((Some(10), Some(20)), (table.get(&one), table.get(&other)));
        if length > 5 {
            let hashes = debugged(&table.front, "hash");
            assert_eq!((2, hashes[0]), (hashes.len(), hashes[1]), "this test's own");
        }
    }
}

#[test]
fn a_function_of_nothing_has_its_one_copy() {
    let mut table = Table::new(64);
    assert_eq!(None, table.get(&[]));
    table.put(&[], 0, 10);
    table.put(&[], 0, 11);
    assert_eq!((Some(11), 1), (table.get(&[]), table.front.len()));
    table.bump(0);
    assert_eq!(None, table.get(&[]));
}

#[test]
fn the_tier_is_asked_once_in_each_era() {
    let mut table = Table::new(64);
    table.put(&key(1, 1), 0, 10);
    for era in 1..100 {
        table.era = era;
        assert_eq!(None, table.get(&key(1, 1)));
        table.put(&key(1, 1), 0, 10);
        assert_eq!(Some(10), table.get(&key(1, 1)));
    }
}

#[test]
fn the_tier_is_asked_once_in_4096_hits_and_told_of_all_others() {
    let mut table = Table::new(64);
    table.put(&key(1, 1), 0, 10);
    for _ in 0..5_000 {
        table.get(&key(1, 2));
    }
    let mut asked = Vec::new();
    for call in 1..=3 * 4_096 {
        if table.get(&key(1, 1)).is_none() {
            asked.push(call);
            assert_eq!(None, table.get(&key(1, 1)), "until the tier has answered");
            table.put(&key(1, 1), 0, 10);
        }
    }
    assert_eq!([4_096, 8_192, 12_288], asked[..]);
    assert_eq!(3 * 4_095, table.front.take_hits());
    assert_eq!(0, table.front.take_hits());
}

#[test]
fn what_is_no_hit_is_not_counted_as_one() {
    let mut table = Table::new(64);
    table.get(&key(1, 1));
    table.put_for(MINUTE, &key(1, 1), 10);
    table.era = 1;
    table.get(&key(1, 1));
    table.era = 0;
    table.bump(0);
    table.get(&key(1, 1));
    table.put_for(MINUTE, &key(1, 1), 11);
    table.clock.advance(MINUTE);
    table.get(&key(1, 1));
    assert_eq!(0, table.front.take_hits());
    table.put(&key(1, 1), 0, 12);
    table.get(&key(1, 1));
    assert_eq!(1, table.front.take_hits());
}

/// Something that is done to a table, by name.
type Change = (&'static str, fn(&mut Table));

#[test]
fn a_seat_has_its_copy_while_that_counts() {
    let seated = || {
        let mut table = Table::new(64);
        table.put(&key(1, 2), 2, 20);
        table.put_for(MINUTE, &key(1, 1), 10);
        let (_, seat) = table.find(&key(1, 1)).unwrap();
        assert_eq!(Some(10), table.get_again(seat));
        (table, seat)
    };
    let ends: [Change; 4] = [
        ("bump", |table| table.bump(0)),
        ("bump of all", |table| table.epochs.bump_all()),
        ("deadline", |table| table.clock.advance(MINUTE)),
        ("era", |table| table.era += 1),
    ];
    for (name, end) in ends {
        let (mut table, seat) = seated();
        end(&mut table);
        assert_eq!(None, table.get_again(seat), "{name}");
    }
    let (mut table, seat) = seated();
    table.bump(1);
    table.clock.advance(MINUTE - TICK);
    assert_eq!(Some(10), table.get_again(seat), "bump of another shard");
}

#[test]
fn a_seat_has_nothing_once_a_slot_was_written() {
    let writes: [Change; 5] = [
        ("put", |table| table.put(&key(1, 1), 0, 11)),
        ("put of another key", |table| table.put(&key(1, 3), 0, 30)),
        ("growth", |table| {
            (5..30).for_each(|number| table.put(&key(1, number), 0, number));
        }),
        ("sweep", |table| {
            table.bump(2);
            table.sweep(ALL);
        }),
        ("clear", Table::clear),
    ];
    for (name, write) in writes {
        let mut table = Table::new(64);
        table.put(&key(1, 1), 0, 10);
        table.put(&key(1, 2), 2, 20);
        let (_, seat) = table.find(&key(1, 1)).unwrap();
        write(&mut table);
        assert_eq!(None, table.get_again(seat), "{name}");
    }
}

#[test]
fn hits_at_a_seat_are_hits() {
    let mut table = Table::new(64);
    table.put(&key(1, 1), 0, 10);
    let (_, seat) = table.find(&key(1, 1)).unwrap();
    let asked: Vec<_> = (2..=5_000)
        .filter(|_| table.get_again(seat).is_none())
        .collect();
    assert_eq!((4_096..=5_000).collect::<Vec<_>>(), asked);
    assert_eq!(4_095, table.front.take_hits());
}

#[test]
fn a_bound_of_zero_keeps_nothing() {
    let mut table = Table::new(0);
    table.put(&key(1, 1), 0, 10);
    assert_eq!(None, table.get(&key(1, 1)));
    assert_eq!((true, vec![10]), (table.front.is_empty(), table.let_go()));
    assert_eq!(0, table.sweep(ALL));
}

#[test]
fn it_grows_with_use_to_its_bound_and_not_beyond() {
    for (bound, most) in [(1, 1), (2, 2), (5, 8), (64, 64), (100, 128), (1_000, 1_024)] {
        let mut table = Table::new(bound);
        assert_eq!(0, table.sweep(ALL));
        table.put(&key(1, 0), 0, 0);
        assert_eq!(most.min(8), table.sweep(ALL), "slots for one");
        let mut slots = most.min(8);
        for number in 1..3_000 {
            table.put(&key(1, number), 0, number);
            let now = table.sweep(ALL);
            assert!(
                now == slots || now == 2 * slots,
                "{slots} slots, then {now}"
            );
            slots = now;
            assert!(slots <= most && table.front.len() <= slots);
            assert_eq!(Some(number), table.get(&key(1, number)), "the newest");
        }
        assert_eq!(most, slots);
        assert_eq!(3_000, table.let_go().len() + table.front.len());
    }
}

/// It does not grow for the sake of one full window: seven of a thousand were lost at the most in a
/// thousand tables, which costs a question to the tier for each.
#[test]
fn below_its_bound_it_keeps_nearly_everything() {
    for length in LENGTHS {
        let mut table = Table::new(1 << 14);
        for number in 0..1_000 {
            table.put(&text_and(length, number), 0, number);
        }
        let found = (0..1_000).filter_map(|number| {
            let found = table.get(&text_and(length, number))?;
            assert_eq!(number, found);
            Some(found)
        });
        assert!(found.count() > 970);
    }
}

/// Words as of a text, which are spread better than small numbers.
fn text_and(length: usize, number: usize) -> Vec<u64> {
    let number = number as u64;
    key(length, 0)
        .into_iter()
        .map(|word| word ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31))
        .collect()
}

#[test]
fn what_was_put_under_short_keys_stays_when_a_longer_one_comes() {
    for _ in 0..50 {
        let mut table = Table::new(32);
        for number in 0..18 {
            table.put(&key(1, number), number as u64 % 2, number);
        }
        table.bump(0);
        table.sweep(ALL);
        let (_, seat) = table.find(&key(1, 1)).unwrap();
        table.put(&key(7, 100), 3, 100);
        assert_eq!(None, table.get_again(seat));
        for number in (1..18).step_by(2) {
            assert_eq!(Some(number), table.get(&key(1, number)));
            table.put(&key(1, number), 3, 100 + number);
        }
        assert_eq!(Some(100), table.get(&key(7, 100)));
        assert_eq!((10, 18), (table.front.len(), table.dead.len()));
        assert_eq!(11, table.front.take_hits());
    }
}

#[test]
fn copies_that_count_no_more_do_not_make_it_grow() {
    let mut table = Table::new(1 << 14);
    for number in 0..5_000 {
        let shard = number as u64 % 64;
        table.put(&key(1, number), shard, number);
        table.bump(shard);
    }
    assert!(table.sweep(ALL) <= 16);
    assert_eq!(0, table.front.len());
    for number in 0..5_000 {
        table.put_for(MINUTE, &key(1, number), number);
        table.clock.advance(MINUTE);
    }
    assert!(table.sweep(ALL) <= 16);
}

#[test]
fn marks_do_not_make_it_grow() {
    let mut table = Table::new(1 << 14);
    for number in 0..5_000 {
        table.put(&key(1, number), 1, number);
        table.bump(1);
        table.sweep(2);
    }
    assert!(table.sweep(ALL) <= 16);
}

#[test]
fn a_full_window_lets_go_of_a_copy_for_the_new_one() {
    let mut table = Table::new(8);
    for number in 0..1_000 {
        table.put(&key(1, number), 0, number);
        assert_eq!(Some(number), table.get(&key(1, number)));
    }
    assert_eq!(8, table.front.len());
    assert_eq!(992, table.dead.len());
}

#[test]
fn marks_do_not_hide_what_was_put_behind_them() {
    for round in 0..300 {
        let mut table = Table::new(32);
        for number in 0..20 {
            table.put(&key(1, number), number as u64 % 2, number);
        }
        table.bump(round % 2);
        table.sweep(ALL);
        assert_eq!(10, table.front.len());
        for number in 0..20 {
            let counts = number as u64 % 2 != round % 2;
            assert_eq!(counts.then_some(number), table.get(&key(1, number)));
        }
        // and each of these is found again, not put in a mark before itself
        for number in 0..20 {
            table.put(&key(1, number), 3, 100 + number);
        }
        assert_eq!((100..120).collect::<Vec<_>>(), table.values());
        table.bump(3);
        for number in 0..20 {
            assert_eq!(None, table.get(&key(1, number)));
        }
    }
}

#[test]
fn marks_are_used_anew_and_go_when_nothing_is_behind_them() {
    let mut table = Table::new(64);
    for round in 0..1_000 {
        for number in 0..20 {
            table.put(&key(1, 20 * round + number), 0, number);
        }
        assert_eq!(20, table.front.len(), "round {round}");
        table.bump(0);
        table.sweep(ALL);
    }
    assert!(table.sweep(ALL) <= 64);
    assert_eq!((0, 20_000), (table.front.len(), table.dead.len()));
}

#[test]
fn a_round_of_sweeps_lets_go_of_all_that_counts_no_more_and_of_nothing_else() {
    for step in [1, 3, 32, ALL] {
        let mut table = Table::new(1_024);
        for number in 0..300 {
            match number % 3 {
                0 => table.put(&key(1, number), 0, number),
                1 => table.put(&key(1, number), 1, number),
                _ => table.put_for(MINUTE, &key(1, number), number),
            }
        }
        let slots = table.sweep(ALL);
        table.sweep(step.min(100));
        table.let_go();
        let kept = |number: &usize| number.is_multiple_of(3);
        let before = table.values();
        table.clock.advance(MINUTE);
        table.bump(1);
        let mut looked = 0;
        while looked < slots {
            let now = table.sweep(step.min(slots - looked));
            assert_eq!(step.min(slots - looked), now);
            looked += now;
        }
        let (stay, go): (Vec<_>, Vec<_>) = before.into_iter().partition(kept);
        assert_eq!((stay.clone(), go), (table.values(), table.let_go()));
        for number in stay {
            assert_eq!(Some(number), table.get(&key(1, number)));
        }
    }
}

#[test]
fn a_sweep_goes_on_where_the_last_one_ended() {
    let mut table = Table::new(64);
    for number in 0..40 {
        table.put(&key(1, number), 1, number);
    }
    assert_eq!(64, table.sweep(ALL));
    table.sweep(13);
    table.bump(1);
    for left in (0..8).rev() {
        table.sweep(8);
        assert!(table.front.len() <= 8 * left, "{} left", table.front.len());
    }
}

#[test]
fn clearing_lets_go_of_everything_and_it_may_be_used_again() {
    let mut table = Table::new(64);
    for number in 0..30 {
        table.put(&key(1, number), 0, number);
    }
    table.sweep(5);
    table.clear();
    assert_eq!((0..30).collect::<Vec<_>>(), table.let_go());
    assert_eq!(
        (None, true),
        (table.get(&key(1, 1)), table.front.is_empty())
    );
    table.put(&key(1, 1), 0, 31);
    assert_eq!(Some(31), table.get(&key(1, 1)));
}

#[test]
fn a_copy_takes_one_reference_and_gives_it_back() {
    let alive = Arc::new(());
    let (epochs, clock) = (Epochs::new(8), ManualClock::default());
    let mut front = Front::new(16);
    let mut dead = Vec::new();
    for number in 0..1_000_u64 {
        let held = Held {
            value: Arc::clone(&alive),
            deadline: Deadline::NEVER,
            epoch: epochs.current((number % 8) << 32),
        };
        front.insert(&[number % 50], held, 0, &epochs, 0, &mut dead);
        drop(front.get(&[number % 37], &epochs, &clock, 0));
        if number % 5 == 0 {
            epochs.bump((number % 8) << 32);
            front.sweep(3, &epochs, 0, &mut dead);
        }
        assert_eq!(1 + front.len() + dead.len(), Arc::strong_count(&alive));
    }
    drop(dead);
    drop(front);
    assert_eq!(1, Arc::strong_count(&alive));
}

#[derive(Debug, Clone)]
enum Step {
    /// Of a key and a shard, perhaps with a life, perhaps with an epoch that is no more.
    Put(u8, u8, Option<u8>, bool),
    Get(u8),
    /// Where the key was found last.
    GetAgain(u8),
    Bump(u8),
    BumpAll,
    Advance(u8),
    Era,
    Sweep(u8),
    Clear,
    TakeHits,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || 0_u8..18;
    let step = prop_oneof![
        8 => (number(), 0_u8..4, prop::option::weighted(0.4, 0_u8..20), prop::bool::weighted(0.1))
            .prop_map(|(key, shard, life, late)| Step::Put(key, shard, life, late)),
        8 => number().prop_map(Step::Get),
        8 => number().prop_map(Step::GetAgain),
        2 => (0_u8..4).prop_map(Step::Bump),
        1 => (0_u8..5).prop_map(Step::Advance),
        3 => (0_u8..20).prop_map(Step::Sweep),
        1 => prop_oneof![Just(Step::BumpAll), Just(Step::Era), Just(Step::Clear), Just(Step::TakeHits)],
    ];
    prop::collection::vec(step, 0..200)
}

/// What a copy is known by, and what it depends on.
struct Known {
    value: usize,
    shard: u8,
    counts: bool,
    end: Option<u64>,
    era: u8,
}

fn void(model: &mut HashMap<u8, Known>, shard: u8) {
    for known in model.values_mut().filter(|known| known.shard == shard) {
        known.counts = false;
    }
}

/// The value of a key, if it counts.
fn counting(model: &HashMap<u8, Known>, number: u8, now: u64, era: u8) -> Option<usize> {
    let known = model.get(&number)?;
    let counts = known.counts && known.end.is_none_or(|end| end > now) && known.era == era;
    counts.then_some(known.value)
}

/// Runs steps on a front and on a map. With room for all, the front has just what the map has that
/// counts; without, nothing else.
fn run(bound: usize, has_room: bool, steps: Vec<Step>) {
    let mut table = Table::new(bound);
    let mut model = HashMap::<u8, Known>::new();
    let (mut now, mut hits) = (0_u64, 0_u64);
    let mut gone = Vec::new();
    let mut seats = HashMap::new();
    for step in steps {
        match step {
            Step::Put(number, shard, life, late) => {
                let epoch = table.epoch(shard.into());
                if late {
                    table.bump(shard.into());
                    void(&mut model, shard);
                }
                let deadline = life.map_or(Some(Deadline::NEVER), |life| {
                    let life = Duration::from_secs(life.into());
                    Deadline::of(Timeout::after(life), &table.clock)
                });
                let Some(deadline) = deadline else { continue };
                let value = table.made;
                table.put_with(&text_key(number.into()), value, deadline, epoch);
                let known = Known {
                    value,
                    shard,
                    counts: !late,
                    end: life.map(|life| now + u64::from(life)),
                    era: table.era,
                };
                model.insert(number, known);
            }
            Step::Get(number) => {
                let expected = counting(&model, number, now, table.era);
                let found = table.find(&text_key(number.into()));
                let found = found.map(|(value, seat)| {
                    hits += 1;
                    seats.insert(number, seat);
                    value
                });
                assert!(
                    expected == found || (!has_room && found.is_none()),
                    "{expected:?}, but found {found:?}"
                );
            }
            Step::GetAgain(number) => {
                let Some(&seat) = seats.get(&number) else {
                    continue;
                };
                if let Some(found) = table.get_again(seat) {
                    hits += 1;
                    let expected = counting(&model, number, now, table.era);
                    assert_eq!(expected, Some(found), "at its seat");
                }
            }
            Step::Bump(shard) => {
                table.bump(shard.into());
                void(&mut model, shard);
            }
            Step::BumpAll => {
                table.epochs.bump_all();
                for known in model.values_mut() {
                    known.counts = false;
                }
            }
            Step::Advance(seconds) => {
                now += u64::from(seconds);
                table.clock.advance(Duration::from_secs(seconds.into()));
            }
            Step::Era => table.era += 1,
            Step::Sweep(slots) => drop(table.sweep(slots.into())),
            Step::Clear => {
                table.clear();
                model.clear();
            }
            Step::TakeHits => assert_eq!(std::mem::take(&mut hits), table.front.take_hits()),
        }
        assert_eq!(table.values().len(), table.front.len());
        assert!(table.front.len() <= bound.next_power_of_two());
        gone.extend(table.let_go());
    }
    assert_eq!(hits, table.front.take_hits());
    // each value is in the front or was let go, once
    gone.extend(table.values());
    gone.sort_unstable();
    assert_eq!((0..table.made).collect::<Vec<_>>(), gone);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// A table of 32 slots is looked through as a whole, so 18 keys always find a place.
    #[test]
    fn a_front_with_room_is_a_map_of_what_counts(steps in steps()) {
        run(32, true, steps);
    }

    #[test]
    fn a_front_without_room_has_nothing_but_what_counts(steps in steps(), bound in 1_usize..12) {
        run(bound, false, steps);
    }
}
