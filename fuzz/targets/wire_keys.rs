//! Wire keys written into one buffer are what their definition says, made of many texts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quickcache::key::packed::{KeyPrefix, PackedKey};

#[path = "../../tests_rs/codes.rs"]
mod codes;
use codes::{Value, defined, written};

fuzz_target!(|key: (Vec<Value>, u32)| {
    let (values, hash) = key;
    let codes = written(&values);
    assert_eq!(defined(&values), codes);
    let prefix = KeyPrefix::new(&format!("f.{:08x}", hash % 7));
    let packed = prefix.pack(&codes);
    assert_eq!(PackedKey::pack(prefix.text(&codes).as_bytes()), packed);
    assert_eq!(prefix.text(&codes).as_bytes(), packed.unpack());
});
