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
    Some((slot.parse().ok()?, address))
}
