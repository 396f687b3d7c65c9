//! Wire keys are the original's text; packed keys are one-to-one with them.

use proptest::prelude::*;
use quickcache::key::packed::{KeyPrefix, PackedKey};
use quickcache::key::wire::{Codes, Container, md5_hex};

use crate::codes::{Value, defined, written};

const D41D: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn key(write: impl FnOnce(&mut Codes)) -> String {
    let mut codes = Codes::new();
    write(&mut codes);
    KeyPrefix::new("f.0123abcd").text(&codes.into_codes())
}

#[test]
fn values_are_joined_by_commas() {
    let two = key(|codes| {
        codes.value();
        codes.hashed('u', b"");
        codes.value();
        codes.plain("n", "1");
    });
    assert_eq!(format!("quickcache.f.0123abcd/u{D41D},n1"), two);
}

#[test]
fn a_function_of_nothing_has_a_key() {
    assert_eq!("quickcache.f.0123abcd/", key(|_| ()));
}

#[test]
fn a_list_is_the_hash_of_its_codes_in_order() {
    let list = key(|codes| {
        codes.value();
        let mut open = codes.open(Container::List);
        for number in ["2", "1"] {
            codes.element(&mut open);
            codes.plain("n", number);
        }
        codes.close(&open);
    });
    assert_eq!(
        format!("quickcache.f.0123abcd/L{}", md5_hex(b"n2,n1")),
        list
    );
}

#[test]
fn a_set_is_the_hash_of_its_codes_sorted() {
    let set = key(|codes| {
        codes.value();
        let mut open = codes.open(Container::Set);
        for number in ["2", "10", "1"] {
            codes.element(&mut open);
            codes.plain("n", number);
        }
        codes.close(&open);
    });
    assert_eq!(
        format!("quickcache.f.0123abcd/S{}", md5_hex(b"n1,n10,n2")),
        set
    );
}

#[test]
fn empty_elements_still_have_their_commas() {
    let list = key(|codes| {
        codes.value();
        let mut open = codes.open(Container::List);
        for _ in 0..3 {
            codes.element(&mut open);
        }
        codes.close(&open);
    });
    assert_eq!(format!("quickcache.f.0123abcd/L{}", md5_hex(b",,")), list);
}

#[test]
fn codes_are_hashed_from_151_characters_on_and_not_bytes() {
    let of = |text: &str| {
        key(|codes| {
            codes.value();
            codes.plain("n", text);
        })
    };
    let (fits, longer) = ("é".repeat(149), "é".repeat(150));
    assert_eq!(format!("quickcache.f.0123abcd/n{fits}"), of(&fits));
    let hash = md5_hex(format!("n{longer}").as_bytes());
    assert_eq!(format!("quickcache.f.0123abcd/H{hash}"), of(&longer));
}

#[test]
fn a_key_of_one_text_takes_no_allocation() {
    let text = format!("quickcache.permissions.0123abcd/u{D41D}");
    assert_eq!(0, PackedKey::pack(text.as_bytes()).heap_size());
}

#[test]
fn a_key_is_24_bytes() {
    assert_eq!(24, size_of::<PackedKey>());
}

/// Texts like keys and nearly like keys.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("quickcache.".to_owned()),
        Just("f.0123abcd/".to_owned()),
        Just("g.0123ABCD/".to_owned()),
        Just(D41D.to_owned()),
        "[uLDSHEpQnN,./]",
        "[0-9a-f]{8}",
        "[0-9a-f]{31,33}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Prefixes as functions have them, and as nobody should.
fn prefixes() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,40}(\\.\\.)?\\.[0-9a-f]{8}",
        "[é-ü]{1,42}\\.[0-9a-f]{8}",
        "[a-z]{150,180}\\.[0-9a-f]{8}",
        texts()
    ]
}

/// Values as wire keys have them, in few levels.
fn values() -> impl Strategy<Value = Vec<Value>> {
    let leaf = prop_oneof![
        ".{0,5}".prop_map(Value::Text),
        "[,.é0-9]{0,50}".prop_map(Value::Plain),
        any::<i64>().prop_map(Value::Number),
    ];
    let value = leaf.prop_recursive(3, 20, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 0..4);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            several().prop_map(Value::List),
            several().prop_map(Value::Set),
            pairs.prop_map(Value::Dict),
            ("[a-z.]{0,9}", inner.clone())
                .prop_map(|(class, value)| Value::Substitute(class, Box::new(value))),
        ]
    });
    prop::collection::vec(value, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn codes_written_into_one_buffer_are_what_their_definition_says(values in values()) {
        prop_assert_eq!(defined(&values), written(&values));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_packed_key_unpacks_to_its_text(text in texts()) {
        let unpacked = PackedKey::pack(text.as_bytes()).unpack();
        prop_assert_eq!(text.as_bytes(), &unpacked[..]);
    }

    #[test]
    fn packed_keys_are_equal_if_and_only_if_their_texts_are(a in texts(), b in texts()) {
        let equal = PackedKey::pack(a.as_bytes()) == PackedKey::pack(b.as_bytes());
        prop_assert_eq!(a == b, equal);
    }

    #[test]
    fn a_prefix_packed_once_makes_the_same_keys(prefix in prefixes(), codes in texts()) {
        let prefix = KeyPrefix::new(&prefix);
        prop_assert_eq!(PackedKey::pack(prefix.text(&codes).as_bytes()), prefix.pack(&codes));
    }

    #[test]
    fn lone_surrogates_are_packed_as_well(text in texts(), at in 0_usize..4) {
        let mut bytes = text.into_bytes();
        let at = at.min(bytes.len());
        bytes.splice(at..at, [0xED, 0xA0, 0x80]);
        prop_assert_eq!(&bytes, &PackedKey::pack(&bytes).unpack());
    }
}
