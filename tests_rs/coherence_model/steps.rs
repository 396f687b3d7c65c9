//! The protocol: what may come next, one step at a time.

use super::listening::{beat, break_link, connect, deliver, lose_trust, pass_bound, track};
use super::reading::{lose_answer, read};
use super::rules::{Rules, Scene};
use super::state::{Broken, State};
use super::writing::{begin_write, foreign, write};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Reader(usize, usize),
    Writer(usize),
    Listener(usize),
    Foreign,
    Time,
}

/// A step that may come next, and where it leads.
pub(super) struct Step {
    pub(super) who: Who,
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) broken: Option<Broken>,
}

/// What was done, and which property that broke. None if it cannot be done now.
pub(super) type Done = Option<(&'static str, Option<Broken>)>;

/// Every step that may come next.
pub(super) fn steps(state: &State, scene: &Scene, rules: Rules) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut attempt = |who, act: &dyn Fn(&mut State) -> Done| {
        let mut next = *state;
        if let Some((what, broken)) = act(&mut next) {
            next.settle();
            let is_unlike = next.is_quiet_but_unlike(rules);
            let unlike = is_unlike.then_some(Broken::QuietButUnlike);
            steps.push(Step {
                who,
                what,
                state: next,
                broken: broken.or(unlike),
            });
        }
    };
    for (index, cast) in scene.processes.iter().enumerate() {
        for reader in 0..usize::from(cast.readers) {
            attempt(Who::Reader(index, reader), &|state| {
                read(state, index, reader, rules)
            });
            attempt(Who::Reader(index, reader), &|state| {
                lose_answer(state, index, reader)
            });
        }
        for is_overwrite in [false, true] {
            attempt(Who::Writer(index), &|state| {
                begin_write(state, index, is_overwrite)
            });
        }
        attempt(Who::Writer(index), &|state| write(state, index, rules));
        if cast.is_coherent {
            let listener = Who::Listener(index);
            attempt(listener, &|state| deliver(state, index, rules));
            attempt(listener, &|state| connect(state, index, rules));
            attempt(listener, &|state| track(state, index));
            attempt(listener, &|state| break_link(state, index));
            attempt(listener, &|state| lose_trust(state, index, rules));
            if scene.has_beats {
                attempt(listener, &|state| beat(state, index));
            }
        }
    }
    attempt(Who::Foreign, &|state| foreign(state, true, rules));
    attempt(Who::Foreign, &|state| foreign(state, false, rules));
    attempt(Who::Time, &|state| {
        pass_bound(state, rules);
        Some(("more than the bound passes", None))
    });
    steps
}
