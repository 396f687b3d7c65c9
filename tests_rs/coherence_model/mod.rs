//! A model of the protocol that keeps memory true across processes: all orders of its steps, for one key.
//!
//! Nothing of the crate's is run here. The model says what the protocol is: what is one step, and what may come between
//! two. A value is the version that its source had when it was read; who clears changes the source first. Held are,
//! in every state:
//!
//! 1. In a process whose clear has returned, no read that begins then returns an older version.
//! 2. Nor does one in another process, once that was told of all clears, over a link that is whole, or more time than
//!    the bound has passed. When all is quiet, a memory has nothing, or what the server has.
//! 3. The server never takes what was computed before a clear that it has done since.
//!
//! A search that finds nothing shows little unless the same search finds what is wrong: so each rule of the protocol is
//! broken once, and the shortest way to the harm is found. `--nocapture` shows them, `COHERENCE_MODEL=large` has larger
//! scenes searched: half a minute with `--profile quick`.

mod listening;
mod reading;
mod rules;
mod scenes;
mod search;
mod state;
mod steps;
mod writing;

use std::time::Instant;

use rules::{Bug, Joining, Rules, Scene};
use scenes::{
    BOTH, FILLED_ELSEWHERE, FOREIGN, FOREIGN_FILLED, OTHER, OTHER_TWICE, OTHER_TWO,
    OTHER_TWO_BREAK, OTHER_TWO_LOSS, OVERWRITE, OVERWRITE_FILLED, OWN, OWN_TWO, OWN_TWO_TWICE,
};
use search::{Found, Trace, search};

const SCENES: [(Scene, Joining); 9] = [
    (OWN_TWO, Joining::ByGeneration),
    (OWN_TWO, Joining::ByLease),
    (OTHER_TWICE, Joining::ByLease),
    (OTHER_TWO, Joining::ByGeneration),
    (OTHER_TWO_BREAK, Joining::ByLease),
    (OTHER_TWO_LOSS, Joining::ByLease),
    (FILLED_ELSEWHERE, Joining::ByLease),
    (OVERWRITE, Joining::ByLease),
    (FOREIGN, Joining::ByLease),
];

const LARGE_SCENES: [(Scene, Joining); 7] = [
    (OWN_TWO_TWICE, Joining::ByLease),
    (OWN_TWO_TWICE, Joining::ByGeneration),
    (OTHER_TWO_BREAK, Joining::ByGeneration),
    (OTHER_TWO_LOSS, Joining::ByGeneration),
    (BOTH, Joining::ByLease),
    (OVERWRITE_FILLED, Joining::ByLease),
    (FOREIGN_FILLED, Joining::ByLease),
];

/// A bug, and where it does harm.
struct Planted(Bug, &'static str, Scene, Rules);

const TRACKING: Rules = Rules {
    is_pubsub: false,
    joining: Joining::ByLease,
    bug: None,
};
const PUBSUB: Rules = Rules {
    is_pubsub: true,
    ..TRACKING
};
const BY_GENERATION: Rules = Rules {
    joining: Joining::ByGeneration,
    ..TRACKING
};

#[rustfmt::skip]
const BUGS: [Planted; 22] = [
    Planted(Bug::NoGeneration, "no generation", OWN, TRACKING),
    Planted(Bug::NoGeneration, "no generation, by pubsub", OTHER, PUBSUB),
    Planted(Bug::GenerationAfterRead, "the generation is noted after the GET", OWN, TRACKING),
    Planted(Bug::CompareThenInsert, "compared and inserted in two steps", OWN, TRACKING),
    Planted(Bug::PushWithoutGeneration, "a push drops, and voids nothing on its way", OTHER, TRACKING),
    Planted(Bug::DropOnlyBefore, "a clear drops only before the DEL", OWN, TRACKING),
    Planted(Bug::DropOnlyBefore, "the same by pubsub", OWN, PUBSUB),
    Planted(Bug::FlushBeforeTracking, "flushed before TRACKING is done", OTHER, TRACKING),
    Planted(Bug::FlushBeforeTracking, "the same by pubsub", OTHER, PUBSUB),
    Planted(Bug::NoFlush, "no flush when linked anew", OTHER, TRACKING),
    Planted(Bug::NoTrustDeadline, "no trust deadline", OTHER, TRACKING),
    Planted(Bug::TrustFromAnswer, "trusted since a beat's answer, not since it was sent", OTHER, TRACKING),
    Planted(Bug::JoinAnyFlight, "joiners without a generation", OTHER_TWO, BY_GENERATION),
    Planted(Bug::JoinWithoutTrust, "joiners by generation, though nobody tells of clears", OTHER_TWO, BY_GENERATION),
    Planted(Bug::JoinLate, "joiners by lease, after the server was asked", OTHER_TWO, TRACKING),
    Planted(Bug::HandOutRefused, "joiners by lease have what was refused", OTHER_TWO, TRACKING),
    Planted(Bug::HandOutUnanswered, "joiners by lease have what nobody answered for", OTHER_TWO_LOSS, TRACKING),
    Planted(Bug::StoreRefused, "the server has what was refused", OTHER, TRACKING),
    Planted(Bug::RememberRefusedAtOnce, "memory has what was refused, whatever the generation", OWN, TRACKING),
    Planted(Bug::InsertOverwrite, "memory has what was set, whatever came since", OVERWRITE, TRACKING),
    Planted(Bug::InsertOverwrite, "the same by pubsub", OVERWRITE, PUBSUB),
    Planted(Bug::PublishFirst, "published before the DEL", OTHER, PUBSUB),
];

/// The number of states, in all of which the properties hold.
fn sound(scene: &Scene, rules: Rules) -> usize {
    match search(scene, rules) {
        Found::Sound(states) => states,
        Found::Violation(trace) => panic!("{}, {rules:?}:\n{}", scene.name, shown(&trace)),
    }
}

fn shown(trace: &Trace) -> String {
    format!("    {}\n    {}", trace.steps.join("\n    "), trace.broken)
}

fn is_sound(is_pubsub: bool) {
    let is_large = std::env::var("COHERENCE_MODEL").is_ok_and(|size| size == "large");
    let larger = if is_large { &LARGE_SCENES[..] } else { &[] };
    let mut total = 0;
    for (scene, joining) in SCENES.iter().chain(larger) {
        // By pubsub, nobody tells of other programs.
        if is_pubsub && scene.foreign > 0 {
            continue;
        }
        let rules = Rules {
            is_pubsub,
            joining: *joining,
            bug: None,
        };
        let begun = Instant::now();
        let states = sound(scene, rules);
        total += states;
        let mode = if is_pubsub { "pubsub" } else { "tracking" };
        let (name, joining) = (scene.name, format!("{joining:?}"));
        let took = begun.elapsed().as_secs_f32();
        println!("{mode:<8}  {joining:<12}  {name:<56}  {states:>7} states  {took:>4.1} s");
    }
    println!("in all {total} states");
}

#[test]
fn by_tracking_no_order_of_steps_breaks_a_property() {
    is_sound(false);
}

#[test]
fn by_pubsub_no_order_of_steps_breaks_a_property() {
    is_sound(true);
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for Planted(bug, title, scene, rules) in BUGS {
        let rules = Rules {
            bug: Some(bug),
            ..rules
        };
        match search(&scene, rules) {
            Found::Sound(_) => missed.push(title),
            Found::Violation(trace) => {
                let (steps, states) = (trace.steps.len() - 1, trace.states);
                let name = scene.name;
                println!("{title}\n  ({name}; {steps} steps, {states} states)");
                println!("{}\n", shown(&trace));
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Two rules of the protocol are more than the properties ask for: that memory is dropped before the DEL as well, so
/// that a clear which waits for its answer leaves nothing old meanwhile; and that nothing is kept in memory that the
/// server refused, whose generation has passed, or will have.
#[test]
fn a_drop_before_the_del_and_a_look_at_the_answer_are_not_what_the_properties_rest_on() {
    for bug in [Bug::DropOnlyAfter, Bug::RememberRefused] {
        for (scene, rules) in [
            (OWN_TWO, TRACKING),
            (OTHER, TRACKING),
            (OTHER_TWO_LOSS, PUBSUB),
            (OVERWRITE, PUBSUB),
        ] {
            let rules = Rules {
                bug: Some(bug),
                ..rules
            };
            sound(&scene, rules);
        }
    }
}
