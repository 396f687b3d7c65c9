//! A cluster: which node has which keys, as far as it was told.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use redis::Value;

use super::config::Address;
use super::connection::named_address;
use crate::tier::breaker::Shard;

/// How many slots keys are spread over.
const SLOTS: u16 = 16_384;

/// The slot of a key: by what stands in its first braces, if anything does.
/// See <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOTS
}

/// The primaries and their slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// First and last slot, in order, and whose they are.
    ranges: Vec<(u16, u16, Address)>,
    /// What was told of single slots since.
    moved: HashMap<u16, Address>,
}

impl Slots {
    /// What `CLUSTER SLOTS` says, asked of `asked`. None for anything else.
    pub(super) fn read(reply: &Value, asked: &Address) -> Option<Self> {
        let Value::Array(parts) = reply else {
            return None;
        };
        let mut ranges = parts
            .iter()
            .map(|range| read_range(range, asked))
            .collect::<Option<Vec<_>>>()?;
        ranges.sort_by_key(|(first, ..)| *first);
        Some(Self {
            ranges,
            moved: HashMap::new(),
        })
    }

    /// Whose a slot is, if anybody's.
    pub(super) fn primary(&self, slot: u16) -> Option<&Address> {
        self.moved.get(&slot).or_else(|| {
            let place = self.ranges.partition_point(|(_, last, _)| *last < slot);
            let (first, _, address) = self.ranges.get(place)?;
            (*first <= slot).then_some(address)
        })
    }

    /// Note that a slot has moved.
    pub(super) fn note_moved(&mut self, slot: u16, to: Address) {
        self.moved.insert(slot, to);
    }

    /// All primaries.
    pub(super) fn primaries(&self) -> Vec<Address> {
        let mut primaries = Vec::new();
        for (_, _, address) in &self.ranges {
            if !primaries.contains(address) {
                primaries.push(address.clone());
            }
        }
        primaries
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether every slot is somebody's.
    pub(super) fn is_whole(&self) -> bool {
        let mut next = 0;
        for (first, last, _) in &self.ranges {
            if *first != next {
                return false;
            }
            next = last + 1;
        }
        next == SLOTS
    }
}

fn read_range(range: &Value, asked: &Address) -> Option<(u16, u16, Address)> {
    let Value::Array(parts) = range else {
        return None;
    };
    let [first, last, Value::Array(primary), ..] = parts.as_slice() else {
        return None;
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let [host, port, ..] = primary.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
        Value::SimpleString(host) => host.clone(),
        _ => String::new(),
    };
    let (first, last) = (number(first)?, number(last)?);
    let in_range = first <= last && last < SLOTS;
    in_range.then_some((first, last, named_address(&host, number(port)?, asked)))
}

/// The shard of a primary, as breakers know it.
pub(super) fn shard_of(primary: &Address) -> Shard {
    let mut hasher = std::hash::DefaultHasher::new();
    primary.hash(&mut hasher);
    hasher.finish()
}

/// Where an error says that a key is, or may be: `MOVED 3999 127.0.0.1:6381`.
pub(super) fn redirection(detail: &str, asked: &Address) -> Option<(u16, Address)> {
    let (slot, address) = detail.split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = named_address(host, port.parse().ok()?, asked);
    let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
    Some((slot, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        let host = host.to_owned();
        Address::Tcp { host, port }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn asked() -> Address {
        tcp("seed.example", 7_000)
    }

    /// A range as Redis 7 tells it: its nodes with their ids and more.
    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let more = Value::Array(vec![text("hostname"), text("other.example")]);
        let primary = Value::Array(vec![host, Value::Int(port), text("07c37df"), more]);
        let replica = Value::Array(vec![text("10.0.0.9"), Value::Int(7_009), text("e7d1eec")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), primary, replica])
    }

    fn read(ranges: Vec<Value>) -> Option<Slots> {
        Slots::read(&Value::Array(ranges), &asked())
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        for (key, slot) in [
            ("123456789", 12_739),
            ("", 0),
            ("foo", 12_182),
            ("bar", 5_061),
            ("hello", 866),
        ] {
            assert_eq!(slot, slot_of(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn the_slot_is_that_of_what_stands_in_the_first_braces() {
        for (key, tag) in [
            ("{user1000}.following", "user1000"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("{}", "{}"),
            ("{}{x}", "{}{x}"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("}{x}", "x"),
            ("{x", "{x"),
            ("x}", "x}"),
        ] {
            let whole = crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % SLOTS;
            assert_eq!(whole, slot_of(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn what_a_cluster_says_of_its_slots_is_read() {
        let slots = read(vec![
            range(5_461, 10_922, text("10.0.0.2"), 7_002),
            range(0, 5_460, text(""), 7_001),
            range(10_923, 16_383, Value::Nil, 7_003),
        ])
        .unwrap();
        assert_eq!(Some(&tcp("seed.example", 7_001)), slots.primary(0));
        assert_eq!(Some(&tcp("seed.example", 7_001)), slots.primary(5_460));
        assert_eq!(Some(&tcp("10.0.0.2", 7_002)), slots.primary(5_461));
        assert_eq!(Some(&tcp("seed.example", 7_003)), slots.primary(16_383));
        assert_eq!((true, 3), (slots.is_whole(), slots.primaries().len()));
        let named = read(vec![range(0, 16_383, text("node.example"), 7_001)]).unwrap();
        assert_eq!(vec![tcp("node.example", 7_001)], named.primaries());
        let unknown = read(vec![range(0, 16_383, text("?"), 7_001)]).unwrap();
        assert_eq!(vec![tcp("seed.example", 7_001)], unknown.primaries());
    }

    #[test]
    fn slots_that_nobody_has_are_nobodys() {
        for ranges in [
            vec![(1, 16_383)],
            vec![(0, 16_382)],
            vec![(0, 99), (101, 16_383)],
            vec![(0, 100), (100, 16_383)],
            vec![],
        ] {
            let told = ranges
                .iter()
                .map(|(first, last)| range(*first, *last, text("h"), 1));
            assert!(!read(told.collect()).unwrap().is_whole(), "{ranges:?}");
        }
        let host = || text("10.0.0.2");
        let slots = read(vec![range(1, 99, host(), 1), range(101, 16_382, host(), 1)]).unwrap();
        let nobodys = [0, 100, 16_383, u16::MAX].map(|slot| slots.primary(slot));
        assert_eq!([None; 4], nobodys);
        let others = [1, 99, 101, 16_382].map(|slot| slots.primary(slot).is_some());
        assert_eq!([true; 4], others);
        assert_eq!((false, 1), (slots.is_empty(), slots.primaries().len()));
    }

    #[test]
    fn a_slot_that_moved_is_its_new_nodes_and_the_others_are_as_before() {
        let mut slots = read(vec![range(0, 16_383, text("10.0.0.1"), 1)]).unwrap();
        slots.note_moved(7, tcp("10.0.0.2", 2));
        assert_eq!(Some(&tcp("10.0.0.2", 2)), slots.primary(7));
        assert_eq!(Some(&tcp("10.0.0.1", 1)), slots.primary(8));
        let mut none = Slots::default();
        none.note_moved(7, tcp("10.0.0.2", 2));
        assert_eq!((true, None), (none.primary(7).is_some(), none.primary(8)));
    }

    #[test]
    fn what_is_no_list_of_slots_is_refused_as_a_whole() {
        let good = || range(0, 8_191, text("h"), 1);
        for bad in [
            range(9_000, 8_999, text("h"), 1),
            range(8_192, 16_384, text("h"), 1),
            range(-1, 16_383, text("h"), 1),
            range(8_192, 16_383, text("h"), 65_536),
            range(8_192, 16_383, text("h"), -1),
            Value::Array(vec![Value::Int(8_192), Value::Int(16_383)]),
            Value::Array(vec![Value::Int(0), Value::Int(1), Value::Array(vec![])]),
            Value::Array(vec![]),
            Value::Nil,
            text("x"),
        ] {
            assert_eq!(None, read(vec![good(), bad.clone()]), "{bad:?}");
        }
        assert_eq!(None, Slots::read(&Value::Okay, &asked()));
    }

    #[test]
    fn redirections_name_a_slot_and_an_address() {
        for (detail, address) in [
            ("3999 127.0.0.1:6381", tcp("127.0.0.1", 6_381)),
            ("3999 node.example:6381", tcp("node.example", 6_381)),
            ("3999 ::1:6381", tcp("::1", 6_381)),
            ("3999 [2001:db8::1]:6381", tcp("2001:db8::1", 6_381)),
            ("3999 :6381", tcp("seed.example", 6_381)),
            ("3999 ?:6381", tcp("seed.example", 6_381)),
        ] {
            let found = redirection(detail, &asked());
            assert_eq!(Some((3_999, address)), found, "{detail}");
        }
        for detail in [
            "",
            "3999",
            "3999 127.0.0.1",
            "3999 127.0.0.1:",
            "3999 127.0.0.1:65536",
            "-1 127.0.0.1:6381",
            "16384 127.0.0.1:6381",
            "x 127.0.0.1:6381",
        ] {
            assert_eq!(None, redirection(detail, &asked()), "{detail}");
        }
    }

    #[test]
    fn primaries_with_different_addresses_are_different_shards() {
        let addresses = [tcp("a", 1), tcp("a", 2), tcp("b", 1)];
        let shards: std::collections::HashSet<_> = addresses.iter().map(shard_of).collect();
        assert_eq!(3, shards.len());
        assert_eq!(shard_of(&tcp("a", 1)), shard_of(&tcp("a", 1)));
    }
}
