//! Every state that a scene can come to, breadth first, so that the way to a violation is a shortest one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::rules::{Rules, Scene};
use super::state::{Broken, Slot, State};
use super::steps::{Step, Who, steps};

pub(super) enum Found {
    /// The number of states, in none of which a property is broken.
    Sound(usize),
    Violation(Trace),
}

/// A shortest way to a violation.
pub(super) struct Trace {
    pub(super) steps: Vec<String>,
    pub(super) broken: Broken,
    /// How many states were looked at until then.
    pub(super) states: usize,
}

struct Node {
    state: State,
    before: usize,
    who: Who,
    what: &'static str,
}

/// Try every order of steps.
pub(super) fn search(scene: &Scene, rules: Rules) -> Found {
    let mut seen = Seen::default();
    let mut nodes = Vec::new();
    // A value from before is a state on the way from nothing as well: begun there, ways are shorter.
    for (before, slot) in [Slot::Absent, Slot::Value(0)].into_iter().enumerate() {
        let mut state = State::first(scene, slot);
        state.settle();
        seen.insert(&state, before, &nodes);
        nodes.push(Node {
            state,
            before,
            who: Who::Time,
            what: "",
        });
    }
    let mut next = 0;
    while next < nodes.len() {
        for step in steps(&nodes[next].state, scene, rules) {
            if let Some(broken) = step.broken {
                return Found::Violation(trace(&nodes, next, &step, broken));
            }
            let number = nodes.len();
            if seen.insert(&step.state, number, &nodes) {
                nodes.push(Node {
                    state: step.state,
                    before: next,
                    who: step.who,
                    what: step.what,
                });
            }
        }
        next += 1;
    }
    Found::Sound(nodes.len())
}

/// Which states were seen: numbers by hash. Equal hashes are told apart by the states themselves.
#[derive(Default)]
struct Seen(HashMap<u64, usize, BuildHasherDefault<Mixer>>);

impl Seen {
    /// Whether it is new.
    fn insert(&mut self, state: &State, number: usize, nodes: &[Node]) -> bool {
        let mut mixer = Mixer::default();
        state.hash(&mut mixer);
        let mut hash = mixer.finish();
        while let Some(&found) = self.0.get(&hash) {
            if nodes[found].state == *state {
                return false;
            }
            hash = hash.wrapping_add(1);
        }
        self.0.insert(hash, number);
        true
    }
}

/// A hash in few instructions, as tests are built without optimisation.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.mix(u64::from(byte));
        }
    }
    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }
    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
    fn write_isize(&mut self, number: isize) {
        self.mix(number.cast_unsigned() as u64);
    }
    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(0x517c_c1b7_2722_0a95)
    }
}

fn trace(nodes: &[Node], last: usize, step: &Step, broken: Broken) -> Trace {
    let mut steps = vec![line(step.who, step.what, &step.state)];
    let mut number = last;
    while nodes[number].before != number {
        let node = &nodes[number];
        steps.push(line(node.who, node.what, &node.state));
        number = node.before;
    }
    steps.push(line(Who::Time, "begins", &nodes[number].state));
    steps.reverse();
    Trace {
        steps,
        broken,
        states: nodes.len(),
    }
}

/// A step, and what there is after it.
fn line(who: Who, what: &str, state: &State) -> String {
    let name = |index: usize| if index == 0 { "A" } else { "B" };
    let who = match who {
        Who::Reader(index, reader) => format!("{}, reader {}", name(index), reader + 1),
        Who::Writer(index) => format!("{}, writer", name(index)),
        Who::Listener(index) => format!("{}, listener", name(index)),
        Who::Foreign => "another program".to_owned(),
        Who::Time => "time".to_owned(),
    };
    let mut line = format!("{:<64} | {:?}", format!("{who}: {what}"), state.slot);
    for (index, process) in state.processes.iter().enumerate() {
        if let Some(value) = process.memory {
            let name = name(index);
            let trust = if process.is_trusted {
                ""
            } else {
                ", untrusted"
            };
            write!(line, "; memory of {name} {value}{trust}").unwrap();
        }
    }
    line
}
