//! Values as local keys have them, written and read back: for the tests and for `fuzz/`.

use quickcache::key::local::{Constant, Container, Fixed, LocalKey, Text};

/// What can be written into a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub(crate) enum Value {
    None,
    True,
    False,
    Integer(i64),
    Float(u64),
    Uuid(u128),
    Naive(u64),
    Utc(u64),
    Ascii(String),
    Utf8(String),
    Bytes(String),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Set(Vec<Value>),
}

fn write(key: &mut LocalKey, value: &Value) {
    match value {
        Value::None => key.constant(Constant::None),
        Value::True => key.constant(Constant::True),
        Value::False => key.constant(Constant::False),
        Value::Integer(number) => key.integer(*number),
        Value::Float(bits) => key.fixed(Fixed::Float, u128::from(*bits), 8),
        Value::Uuid(number) => key.fixed(Fixed::Uuid, *number, 16),
        Value::Naive(moment) => key.fixed(Fixed::Naive, u128::from(*moment), 8),
        Value::Utc(moment) => key.fixed(Fixed::Utc, u128::from(*moment), 8),
        Value::Ascii(text) => key.ascii(text.as_bytes()),
        Value::Utf8(text) => key.text(Text::Utf8, text.as_bytes()),
        Value::Bytes(text) => key.text(Text::Bytes, text.as_bytes()),
        Value::List(items) => {
            key.container(Container::List, items.len());
            for item in items {
                write(key, item);
            }
        }
        Value::Set(items) => {
            key.container(Container::Set, items.len());
            for item in items {
                write(key, item);
            }
        }
        Value::Dict(items) => {
            key.container(Container::Dict, items.len());
            for (name, item) in items {
                write(key, name);
                write(key, item);
            }
        }
    }
}

/// The words of the key of these values.
pub(crate) fn words(values: &[Value]) -> Vec<u64> {
    let mut key = LocalKey::new();
    for value in values {
        write(&mut key, value);
    }
    key.finish().to_vec()
}

/// Reads values back from the words of a key.
struct Reader(Vec<u8>);

impl Reader {
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.0.split_off(bytes);
        std::mem::replace(&mut self.0, rest)
    }

    fn number<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        self.take(BYTES).try_into().unwrap()
    }

    fn length(&mut self) -> usize {
        let length = usize::try_from(u64::from_le_bytes(self.number())).unwrap();
        assert!(length <= self.0.len(), "a length of {length}");
        length
    }

    fn text(&mut self, length: usize) -> String {
        String::from_utf8(self.take(length)).unwrap()
    }

    fn long_text(&mut self) -> String {
        let length = self.length();
        self.text(length)
    }

    fn values(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> Value {
        let [tag] = self.number();
        match tag {
            1 => Value::None,
            2 => Value::True,
            3 => Value::False,
            4 => Value::Ascii(self.long_text()),
            5 => Value::Utf8(self.long_text()),
            6 => Value::Bytes(self.long_text()),
            7 => {
                let length = self.length();
                Value::List(self.values(length))
            }
            8 => {
                let length = self.length();
                Value::Dict((0..length).map(|_| (self.value(), self.value())).collect())
            }
            9 => {
                let length = self.length();
                Value::Set(self.values(length))
            }
            10 => Value::Integer(i32::from_le_bytes(self.number()).into()),
            11 => Value::Integer(i64::from_le_bytes(self.number())),
            12 => Value::Float(u64::from_le_bytes(self.number())),
            13 => Value::Uuid(u128::from_le_bytes(self.number())),
            14 => Value::Naive(u64::from_le_bytes(self.number())),
            15 => Value::Utc(u64::from_le_bytes(self.number())),
            0x20..=0x7F => Value::Ascii(self.text(usize::from(tag) - 0x20)),
            _ => panic!("no such tag: {tag}"),
        }
    }
}

/// The values that a key's words say, and the bytes that are left.
pub(crate) fn read(words: &[u64], count: usize) -> (Vec<Value>, Vec<u8>) {
    let mut reader = Reader(words.iter().flat_map(|word| word.to_le_bytes()).collect());
    (reader.values(count), reader.0)
}
