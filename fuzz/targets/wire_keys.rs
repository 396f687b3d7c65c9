//! Wire keys written into one buffer are what their definition says, made of many texts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quickcache::key::packed::{KeyPrefix, PackedKey};
use quickcache::key::wire::{Codes, Container, LONGEST_CODES, md5_hex};

#[derive(Debug, arbitrary::Arbitrary)]
enum Value {
    Text(String),
    Plain(String),
    Number(i64),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Substitute(String, Box<Value>),
}

fuzz_target!(|key: (Vec<Value>, u32)| {
    let (values, hash) = key;
    let mut codes = Codes::new();
    for value in &values {
        codes.value();
        write(&mut codes, value);
    }
    let written = codes.into_codes();
    let joined = values.iter().map(code).collect::<Vec<_>>().join(",");
    let defined = if joined.chars().count() > LONGEST_CODES {
        format!("H{}", md5_hex(joined.as_bytes()))
    } else {
        joined
    };
    assert_eq!(defined, written);
    let prefix = KeyPrefix::new(&format!("f.{:08x}", hash % 7));
    let packed = prefix.pack(&written);
    assert_eq!(PackedKey::pack(prefix.text(&written).as_bytes()), packed);
    assert_eq!(prefix.text(&written).as_bytes(), packed.unpack());
});

fn write(codes: &mut Codes, value: &Value) {
    match value {
        Value::Text(text) => codes.hashed('u', text.as_bytes()),
        Value::Plain(text) => codes.plain("f", text),
        Value::Number(number) => codes.number(*number),
        Value::List(items) => write_all(codes, Container::List, items),
        Value::Set(items) => write_all(codes, Container::Set, items),
        Value::Dict(items) => {
            let mut dict = codes.open(Container::Dict);
            for (name, item) in items {
                codes.element(&mut dict);
                let mut pair = codes.open(Container::List);
                for part in [name, item] {
                    codes.element(&mut pair);
                    write(codes, part);
                }
                codes.close(&pair);
            }
            codes.close(&dict);
        }
        Value::Substitute(class, value) => {
            let open = codes.open(Container::List);
            write(codes, value);
            codes.close_substitute(&open, class);
        }
    }
}

fn write_all(codes: &mut Codes, container: Container, items: &[Value]) {
    let mut open = codes.open(container);
    for item in items {
        codes.element(&mut open);
        write(codes, item);
    }
    codes.close(&open);
}

/// A value's code, by definition.
fn code(value: &Value) -> String {
    let hashed = |letter, text: &str| format!("{letter}{}", md5_hex(text.as_bytes()));
    let codes = |items: &[Value]| items.iter().map(code).collect::<Vec<_>>();
    match value {
        Value::Text(text) => hashed('u', text),
        Value::Plain(text) => format!("f{text}"),
        Value::Number(number) => format!("n{number}"),
        Value::List(items) => hashed('L', &codes(items).join(",")),
        Value::Set(items) => {
            let mut codes = codes(items);
            codes.sort();
            hashed('S', &codes.join(","))
        }
        Value::Dict(items) => {
            let pair =
                |(name, item): &(Value, Value)| hashed('L', &[code(name), code(item)].join(","));
            let mut codes: Vec<_> = items.iter().map(pair).collect();
            codes.sort();
            hashed('D', &codes.join(","))
        }
        Value::Substitute(class, value) => hashed('Q', &format!("{class},{}", code(value))),
    }
}
