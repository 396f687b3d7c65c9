//! A process that listens: what it is told, its link, and until when it is trusted.

use super::rules::{Bug, Rules};
use super::state::{Link, Message, Messages, State};
use super::steps::Done;

/// The next message reaches the process.
pub(super) fn deliver(state: &mut State, index: usize, rules: Rules) -> Done {
    let process = &mut state.processes[index];
    match process.messages.pop()? {
        Message::Tracked { is_old } => {
            process.is_trusted |= !is_old;
            if rules.has(Bug::FlushBeforeTracking) || rules.has(Bug::NoFlush) {
                return Some(("hears that TRACKING is done", None));
            }
            process.drop_memory();
            Some(("hears that TRACKING is done, and flushes", None))
        }
        Message::Changed { .. } => {
            let generation = process.generation;
            process.drop_memory();
            if rules.has(Bug::PushWithoutGeneration) {
                process.generation = generation;
            }
            Some(("hears of a change", None))
        }
        Message::Pong { is_old } => {
            process.is_trusted |= !is_old || rules.has(Bug::TrustFromAnswer);
            Some(("hears the answer to its beat", None))
        }
    }
}

/// The process notices that the link is broken, connects and asks to be told. What was on its way is lost.
pub(super) fn connect(state: &mut State, index: usize, rules: Rules) -> Done {
    let process = &mut state.processes[index];
    if process.link != Link::HalfOpen {
        return None;
    }
    process.link = Link::Asked;
    process.messages = Messages::default();
    if rules.has(Bug::FlushBeforeTracking) {
        process.drop_memory();
    }
    Some(("notices, connects and sends TRACKING", None))
}

/// The server begins to tell of changes.
pub(super) fn track(state: &mut State, index: usize) -> Done {
    let process = &mut state.processes[index];
    if process.link != Link::Asked {
        return None;
    }
    process.link = Link::Up;
    process.messages.push(Message::Tracked { is_old: false })?;
    Some(("TRACKING is done", None))
}

/// The server tells nothing more; what it has told may still arrive.
pub(super) fn break_link(state: &mut State, index: usize) -> Done {
    let process = &mut state.processes[index];
    if process.link != Link::Up {
        return None;
    }
    state.breaks_left = state.breaks_left.checked_sub(1)?;
    process.link = Link::HalfOpen;
    Some(("the link breaks", None))
}

/// The trust deadline passes, as it may at any time.
pub(super) fn lose_trust(state: &mut State, index: usize, rules: Rules) -> Done {
    let process = &mut state.processes[index];
    if rules.has(Bug::NoTrustDeadline) || !process.is_trusted {
        return None;
    }
    process.is_trusted = false;
    Some(("the trust deadline passes", None))
}

/// A beat is sent, and the server answers it; one at a time.
pub(super) fn beat(state: &mut State, index: usize) -> Done {
    let process = &mut state.processes[index];
    let is_answer = |message: &Message| !matches!(message, Message::Changed { .. });
    if process.link != Link::Up || process.messages.has(is_answer) {
        return None;
    }
    process.messages.push(Message::Pong { is_old: false })?;
    Some(("sends a beat", None))
}

/// More time passes than the bound: no deadline that was set before is still to come, and no beat that was sent before
/// sets one. Whatever clear has returned before, it counts everywhere.
pub(super) fn pass_bound(state: &mut State, rules: Rules) {
    for process in &mut state.processes {
        process.is_trusted &= rules.has(Bug::NoTrustDeadline);
        process.floor = process.floor.max(state.returned);
        process.messages.grow_old();
    }
}
