//! Packed keys are one-to-one with their texts, however these are made.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use quickcache::key::packed::{KeyPrefix, PackedKey};

// Two texts with 0xFF between them, which no UTF-8 has.
fuzz_target!(|data: &[u8]| -> Corpus {
    let mut texts = data
        .splitn(2, |&byte| byte == 0xFF)
        .map(std::str::from_utf8);
    let (Some(Ok(one)), Some(Ok(other))) = (texts.next(), texts.next()) else {
        return Corpus::Reject;
    };
    let packed = [one, other].map(|text| PackedKey::pack(text.as_bytes()));
    assert_eq!(one.as_bytes(), packed[0].unpack());
    assert_eq!(other.as_bytes(), packed[1].unpack());
    assert_eq!(one == other, packed[0] == packed[1]);
    let prefix = KeyPrefix::new(one);
    let text = prefix.text(other);
    let at_once = prefix.pack(other);
    assert_eq!(text.as_bytes(), at_once.unpack());
    assert_eq!(PackedKey::pack(text.as_bytes()), at_once);
    Corpus::Keep
});
