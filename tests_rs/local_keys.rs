//! Local keys are one-to-one with sequences of values, and their hashes spread.

use std::collections::HashSet;

use proptest::prelude::*;
use quickcache::key::local::{Constant, LocalHasher, LocalKey, ShortKey};

use crate::values::{Value, read, words};

type Key = LocalKey;

fn assert_reads_back(values: Vec<Value>) {
    let (read, rest) = read(&words(&values), values.len());
    assert_eq!(values, read);
    assert!(
        rest.len() < 8 && rest.iter().all(|&byte| byte == 0),
        "{rest:?} after {values:?}"
    );
}

/// Sequences of one length have different keys, and none begins with another.
fn assert_told_apart(sequences: &[Vec<Value>]) {
    let mut keys: Vec<_> = sequences
        .iter()
        .map(|values| (words(values), values))
        .collect();
    // a key that begins another then stands right before one that it begins
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in keys.windows(2) {
        assert!(!pair[1].0.starts_with(&pair[0].0), "{pair:?}");
    }
}

fn ascii(text: impl Into<String>) -> Value {
    Value::Ascii(text.into())
}

const TEXTS: [fn(String) -> Value; 3] = [Value::Ascii, Value::Utf8, Value::Bytes];

#[test]
fn texts_of_all_lengths_read_back_from_wherever_in_a_word_they_begin() {
    for (text, filler, length) in each_text() {
        for before in 0..8 {
            let value = text(filler.repeat(length));
            assert_reads_back(vec![
                ascii("b".repeat(before)),
                value,
                Value::Integer(i64::MAX),
            ]);
        }
    }
}

#[test]
fn texts_are_told_apart_by_kind_by_length_and_by_zeros_at_their_end() {
    let each: Vec<_> = each_text()
        .map(|(text, filler, length)| vec![text(filler.repeat(length))])
        .filter(|values| !matches!(&values[0], Value::Ascii(text) if !text.is_ascii()))
        .collect::<HashSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(3 * (1 + 2 * 130) + 2 * 130, each.len());
    assert_told_apart(&each);
}

/// Each kind of text, with each length, of letters and of NULs; and of two bytes a letter.
fn each_text() -> impl Iterator<Item = (fn(String) -> Value, &'static str, usize)> {
    TEXTS.into_iter().flat_map(|text| {
        let ends = ["a", "\0", "é"].into_iter();
        ends.flat_map(move |filler| (0..=130).map(move |length| (text, filler, length)))
    })
}

fn limits() -> Vec<i64> {
    let around = |limit: i64| (-2..=2).filter_map(move |by| limit.checked_add(by));
    let mut limits: Vec<_> = [0, i32::MIN.into(), i32::MAX.into(), i64::MIN, i64::MAX]
        .into_iter()
        .chain([i64::from(u32::MAX), 1 << 8, 1 << 16, 1 << 40, 1 << 56])
        .flat_map(around)
        .collect();
    limits.sort_unstable();
    limits.dedup();
    limits
}

#[test]
fn integers_around_the_limits_read_back_from_wherever_in_a_word_they_begin() {
    for limit in limits() {
        for before in 0..8 {
            let before = ascii("b".repeat(before));
            assert_reads_back(vec![before, Value::Integer(limit), Value::True]);
        }
    }
}

#[test]
fn integers_around_the_limits_are_told_apart() {
    let each = |number| vec![Value::Integer(number)];
    assert_told_apart(&limits().into_iter().map(each).collect::<Vec<_>>());
}

#[test]
fn a_key_has_the_bytes_of_its_values_and_no_more_than_seven_after_them() {
    for count in 0..=700 {
        let values = vec![Value::None; count];
        assert_eq!(count.div_ceil(8), words(&values).len());
        assert_reads_back(values);
    }
}

#[test]
fn a_key_may_have_more_words_than_the_stack_takes() {
    let uuids: Vec<_> = (0..50)
        .map(|number| Value::Uuid(u128::MAX / 50 * number))
        .collect();
    for count in 0..=uuids.len() {
        assert_reads_back(uuids[..count].to_vec());
    }
    assert_reads_back(vec![ascii("long".repeat(10_000)), Value::Utc(7)]);
}

#[test]
fn a_finished_key_may_be_asked_again() {
    for count in 0..=400 {
        let mut key = Key::new();
        (0..count).for_each(|_| key.constant(Constant::True));
        let first = key.finish().to_vec();
        assert_eq!(first, key.finish());
    }
}

#[test]
fn a_short_key_is_the_key_of_its_value() {
    for number in limits() {
        let short = ShortKey::integer(number);
        assert_eq!(i32::try_from(number).is_ok(), short.is_some());
        if let Some(short) = short {
            assert_eq!(words(&[Value::Integer(number)]), [short]);
        }
    }
    for length in 0..=130 {
        let text: String = ('0'..='z').cycle().take(length).collect();
        for text in [text, "\0".repeat(length), "\x7F".repeat(length)] {
            let short = ShortKey::ascii(text.as_bytes());
            assert_eq!(length < 40, short.is_some());
            if let Some(short) = short {
                assert_eq!(words(&[ascii(text)]), short.words());
            }
        }
    }
}

#[test]
fn values_of_different_kinds_are_told_apart() {
    assert_told_apart(
        &[
            Value::None,
            Value::True,
            Value::False,
            Value::Integer(0),
            Value::Integer(1),
            Value::Integer(1 << 40),
            Value::Float(0),
            Value::Float(1),
            Value::Float(1 << 63),
            Value::Uuid(0),
            Value::Uuid(1),
            Value::Uuid(1 << 64),
            Value::Naive(1),
            Value::Utc(1),
            ascii(""),
            ascii("1"),
            Value::Bytes("1".into()),
            Value::Utf8("1".into()),
            Value::List(vec![]),
            Value::Dict(vec![]),
            Value::Set(vec![]),
        ]
        .map(|value| vec![value]),
    );
}

#[test]
fn containers_are_told_apart_by_kind_and_by_where_they_end() {
    let [one, two] = [1, 2].map(Value::Integer);
    let list = Value::List;
    let shapes = [
        list(vec![one.clone(), two.clone()]),
        Value::Set(vec![one.clone(), two.clone()]),
        Value::Dict(vec![(one.clone(), two.clone())]),
        list(vec![two.clone(), one.clone()]),
        list(vec![one.clone(), list(vec![two.clone()])]),
        list(vec![list(vec![one.clone()]), two.clone()]),
        list(vec![list(vec![one.clone(), two.clone()])]),
        list(vec![list(vec![one.clone()]), list(vec![two.clone()])]),
        list(vec![list(vec![list(vec![one.clone()]), two.clone()])]),
        list(vec![one.clone(), two.clone(), list(vec![])]),
        list(vec![list(vec![]), one.clone(), two.clone()]),
        list(vec![one, list(vec![]), two]),
    ];
    for shape in &shapes {
        assert_reads_back(vec![shape.clone()]);
    }
    assert_told_apart(&shapes.map(|shape| vec![shape]));
}

#[test]
fn neighbours_are_told_apart_by_where_the_one_ends() {
    let texts = ["", "a", "b", "ab", "ba", "aab", "aba", "aabb", "\0", "\0\0"];
    for text in TEXTS {
        let pairs: Vec<_> = texts
            .iter()
            .flat_map(|a| {
                texts
                    .iter()
                    .map(move |b| vec![text((*a).into()), text((*b).into())])
            })
            .collect();
        assert_told_apart(&pairs);
    }
}

/// Values from wide ranges, or a few, so that two sequences are often nearly the same.
fn values(wide: bool) -> impl Strategy<Value = Value> {
    let leaf = if wide {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<i32>().prop_map(|number| Value::Integer(number.into())),
            any::<u64>().prop_map(Value::Float),
            any::<u128>().prop_map(Value::Uuid),
            any::<u64>().prop_map(Value::Naive),
            any::<u64>().prop_map(Value::Utc),
            "[\\x00-\\x7F]{0,130}".prop_map(Value::Ascii),
            ".{0,40}".prop_map(Value::Utf8),
            "[\\x00-\\x7F]{0,130}".prop_map(Value::Bytes),
        ]
        .boxed()
    } else {
        prop_oneof![
            Just(Value::None),
            Just(Value::True),
            (-1_i64..2).prop_map(Value::Integer),
            (-1_i64..2).prop_map(|by| Value::Integer(i64::from(i32::MAX) + by)),
            (0_u64..2).prop_map(Value::Float),
            (0_u128..2).prop_map(|high| Value::Uuid(high << 64)),
            "[\\x00a]{0,9}".prop_map(Value::Ascii),
            "[\\x00a]{0,2}".prop_map(Value::Utf8),
            "[\\x00a]{0,2}".prop_map(Value::Bytes),
        ]
        .boxed()
    };
    leaf.prop_recursive(3, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Set),
            prop::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Dict),
        ]
    })
}

fn sequences(wide: bool, length: usize) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(values(wide), length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_values_read_back(values in (0_usize..5).prop_flat_map(|length| sequences(true, length))) {
        let (read, rest) = read(&words(&values), values.len());
        prop_assert_eq!(values, read);
        prop_assert!(rest.len() < 8 && rest.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn keys_of_as_many_values_are_equal_if_and_only_if_these_are(
        (a, b) in (1_usize..4).prop_flat_map(|length| (sequences(false, length), sequences(false, length))),
    ) {
        prop_assert_eq!(a == b, words(&a) == words(&b));
        prop_assert_eq!(a == b, words(&a).starts_with(&words(&b)));
    }

    #[test]
    fn one_value_makes_the_difference(
        values in (1_usize..5).prop_flat_map(|length| sequences(true, length)),
        other in values(false),
        at in any::<prop::sample::Index>(),
    ) {
        let mut edited = values.clone();
        edited[at.index(values.len())] = other;
        prop_assert_eq!(values == edited, words(&values) == words(&edited));
        prop_assert_eq!(values == edited, words(&values).starts_with(&words(&edited)));
    }
}

/// How many of 4,096 slots as many keys take: 63% of them if the hash were a random one.
fn slots_taken(hasher: &LocalHasher, keys: &[Vec<u64>]) -> usize {
    assert_eq!(4_096, keys.len());
    // the bits that a front takes
    let slot = |key: &Vec<u64>| hasher.hash(key) >> 8 & 4_095;
    keys.iter().map(slot).collect::<HashSet<_>>().len()
}

/// By the median of 21 hashers: with few secrets, a folded product leaves most slots out.
#[test]
fn keys_in_use_are_spread_over_the_slots() {
    let kinds: [fn(i64) -> Vec<Value>; 7] = [
        |number| vec![Value::Integer(number)],
        |number| vec![Value::Integer(number * 1_000)],
        |number| vec![Value::Integer(number + (1 << 40))],
        |number| vec![ascii(number.to_string())],
        |number| vec![ascii(format!("user-{number:07}"))],
        |number| vec![Value::Integer(number & 63), Value::Integer(number >> 6)],
        |number| vec![ascii(format!("{number:060}")), Value::None],
    ];
    for (kind, values) in kinds.into_iter().enumerate() {
        let keys: Vec<_> = (0..4_096).map(|number| words(&values(number))).collect();
        let mut taken: Vec<_> = (0..21)
            .map(|_| slots_taken(&LocalHasher::new(), &keys))
            .collect();
        taken.sort_unstable();
        assert!(taken[10] > 2_000, "keys of kind {kind}: {taken:?}");
    }
}

#[test]
fn each_hasher_hashes_in_a_way_of_its_own_and_its_copies_in_the_same() {
    let (one, other) = (LocalHasher::new(), LocalHasher::new());
    let copy = one.clone();
    for values in [
        vec![Value::Integer(7)],
        vec![ascii("sixteen letters.")],
        vec![ascii("seven words and more: ".repeat(3))],
    ] {
        let key = words(&values);
        assert_ne!(one.hash(&key), other.hash(&key));
        assert_eq!(one.hash(&key), copy.hash(&key));
    }
}

#[test]
fn every_word_of_a_key_changes_its_hash() {
    let hasher = LocalHasher::new();
    for length in 1..20 {
        for bit in (0..64 * length).step_by(7) {
            let key = vec![5; length];
            let mut changed = key.clone();
            changed[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(hasher.hash(&key), hasher.hash(&changed), "bit {bit}");
        }
    }
}
