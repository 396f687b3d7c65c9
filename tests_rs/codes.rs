//! Values as wire keys have them: written into one buffer, and coded by definition. For the tests and for
//! `fuzz/`.

use quickcache::key::wire::{Codes, Container, LONGEST_CODES, md5_hex};

#[derive(Debug, Clone)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub(crate) enum Value {
    Text(String),
    Plain(String),
    Number(i64),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Substitute(String, Box<Value>),
}

/// The codes of a key, written.
pub(crate) fn written(values: &[Value]) -> String {
    let mut codes = Codes::new();
    for value in values {
        codes.value();
        write(&mut codes, value);
    }
    codes.into_codes()
}

/// The codes of a key, by definition.
pub(crate) fn defined(values: &[Value]) -> String {
    let joined = values.iter().map(code).collect::<Vec<_>>().join(",");
    if joined.chars().count() > LONGEST_CODES {
        format!("H{}", md5_hex(joined.as_bytes()))
    } else {
        joined
    }
}

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
