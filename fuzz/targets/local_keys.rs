//! Local keys are one-to-one with sequences of values, and none begins another of as many.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quickcache::key::local::{LocalHasher, ShortKey};

#[path = "../../tests_rs/values.rs"]
mod values;
use values::{Value, read, words};

fuzz_target!(|sequences: (Vec<Value>, Vec<Value>)| {
    let (one, mut other) = (cleaned(sequences.0), cleaned(sequences.1));
    for values in [&one, &other] {
        let (read, rest) = read(&words(values), values.len());
        assert_eq!(*values, read);
        assert!(rest.len() < 8 && rest.iter().all(|&byte| byte == 0));
    }
    // As long as the one, with its values at the end: nearly the same are what could be mistaken.
    other.truncate(one.len());
    other.extend_from_slice(&one[other.len()..]);
    let (a, b) = (words(&one), words(&other));
    assert_eq!(one == other, a == b);
    assert_eq!(one == other, a.starts_with(&b));
    let hasher = LocalHasher::new();
    assert!(one != other || hasher.hash(&a) == hasher.hash(&b));
    match &one[..] {
        [Value::Ascii(text)] => {
            let short = ShortKey::ascii(text.as_bytes());
            assert_eq!(text.len() < 40, short.is_some());
            assert!(short.is_none_or(|short| short.words() == a));
        }
        [Value::Integer(number)] => {
            assert!(ShortKey::integer(*number).is_none_or(|short| a == [short]));
        }
        _ => {}
    }
});

/// No text that is not ASCII as if it were.
fn cleaned(values: Vec<Value>) -> Vec<Value> {
    let all = |values: Vec<Value>| values.into_iter().map(clean).collect();
    all(values)
}

fn clean(value: Value) -> Value {
    match value {
        Value::Ascii(text) | Value::Bytes(text) if !text.is_ascii() => Value::Utf8(text),
        Value::List(items) => Value::List(cleaned(items)),
        Value::Set(items) => Value::Set(cleaned(items)),
        Value::Dict(items) => {
            let items = items.into_iter();
            Value::Dict(
                items
                    .map(|(name, item)| (clean(name), clean(item)))
                    .collect(),
            )
        }
        other => other,
    }
}
