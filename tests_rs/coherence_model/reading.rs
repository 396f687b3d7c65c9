//! A thread that reads: from memory, from the server, or by the function, for itself or for the other thread.

use super::rules::{Bug, Joining, Rules};
use super::state::{Answer, Broken, READERS, Reading, Slot, State, Version};
use super::steps::Done;

fn returns(returned: Version, needed: Version) -> Option<Broken> {
    (returned < needed).then_some(Broken::StaleRead { returned, needed })
}

/// The one step that a thread that reads can take.
pub(super) fn read(state: &mut State, index: usize, reader: usize, rules: Rules) -> Done {
    let process = &mut state.processes[index];
    let me = &mut process.readers[reader];
    match me.at {
        // Memory and generation are looked at in one step: what comes between the two can come before or after.
        Reading::Idle => {
            if process.is_trusted
                && let Some(value) = process.memory
            {
                return Some(("finds it in memory", returns(value, process.floor)));
            }
            me.need = process.floor;
            let is_noted = process.is_trusted && !rules.has(Bug::GenerationAfterRead);
            me.noted = is_noted.then_some(process.generation);
            me.at = Reading::Missed;
            Some(("begins, and notes the generation", None))
        }
        Reading::Missed => {
            match state.slot {
                Slot::Value(value) => (me.at, me.value) = (Reading::Got, value),
                Slot::Absent | Slot::Placeholder(_) => me.at = Reading::Nothing,
            }
            Some(("GET", None))
        }
        Reading::Got if rules.has(Bug::GenerationAfterRead) && me.noted.is_none() => {
            me.noted = process.is_trusted.then_some(process.generation);
            me.at = Reading::NotedLate;
            Some(("notes the generation", None))
        }
        Reading::Got if rules.has(Bug::CompareThenInsert) => {
            let noted = me.noted;
            let may_insert = process.may_insert(noted, rules);
            if may_insert {
                process.readers[reader].at = Reading::Compared;
                return Some(("compares the generation", None));
            }
            Some(("returns it", finish(state, index, reader)))
        }
        Reading::Compared => {
            process.memory = Some(me.value);
            Some(("inserts and returns it", finish(state, index, reader)))
        }
        Reading::Got | Reading::NotedLate => {
            let (value, noted) = (me.value, me.noted);
            process.insert(value, noted, rules);
            Some((
                "inserts if it may, and returns it",
                finish(state, index, reader),
            ))
        }
        Reading::Nothing => Some((board(state, index, reader, rules), None)),
        Reading::Waiting => None,
        Reading::Unleased
        | Reading::Obstructed
        | Reading::Leased
        | Reading::Computed
        | Reading::Stored => fill(state, index, reader, rules),
    }
}

/// The one step that a thread can take that is to compute the value.
fn fill(state: &mut State, index: usize, reader: usize, rules: Rules) -> Done {
    let fresh_token = state.fresh_token();
    let process = &mut state.processes[index];
    let me = &mut process.readers[reader];
    match me.at {
        Reading::Unleased => {
            if state.slot != Slot::Absent {
                me.at = Reading::Obstructed;
                return Some(("SET NX, which finds something", None));
            }
            (me.at, me.token) = (Reading::Leased, Some(fresh_token));
            state.change(Slot::Placeholder(fresh_token), false, rules)?;
            Some(("SET NX", None))
        }
        Reading::Obstructed => {
            match state.slot {
                Slot::Absent => me.at = Reading::Unleased,
                Slot::Placeholder(token) => (me.at, me.token) = (Reading::Leased, Some(token)),
                Slot::Value(value) => {
                    (me.at, me.value) = (Reading::Got, value);
                    // Those who wait look for themselves.
                    land(state, index, reader, None);
                }
            }
            Some(("GET again", None))
        }
        Reading::Leased => {
            (me.at, me.value) = (Reading::Computed, state.source);
            Some(("runs the function", None))
        }
        Reading::Computed => {
            let (value, token) = (me.value, me.token.take());
            let is_accepted = token.map(Slot::Placeholder) == Some(state.slot);
            me.at = Reading::Stored;
            me.answer = if is_accepted {
                Answer::Accepted
            } else {
                Answer::Refused
            };
            if !is_accepted && !rules.has(Bug::StoreRefused) {
                return Some(("compare-and-set, refused", None));
            }
            state.change(Slot::Value(value), false, rules)?;
            let (stored, cleared) = (value, state.cleared);
            let is_late = stored < cleared;
            let broken = is_late.then_some(Broken::StoredBeforeClear { stored, cleared });
            let what = if is_accepted {
                "compare-and-set"
            } else {
                "SET, though it is refused"
            };
            Some((what, broken))
        }
        Reading::Stored => {
            let (value, answer) = (me.value, me.answer);
            if answer != Answer::Refused || rules.has(Bug::RememberRefused) {
                let noted = me.noted;
                process.insert(value, noted, rules);
            } else if rules.has(Bug::RememberRefusedAtOnce) && process.is_trusted {
                process.memory = Some(value);
            }
            let is_shared = rules.joining == Joining::ByGeneration
                || match answer {
                    Answer::Accepted => true,
                    Answer::Refused => rules.has(Bug::HandOutRefused),
                    Answer::None => rules.has(Bug::HandOutUnanswered),
                };
            let waited = land(state, index, reader, is_shared.then_some(value));
            let broken = finish(state, index, reader).or(waited);
            Some(("returns what it computed", broken))
        }
        _ => None,
    }
}

/// The computed value does not reach the server, or its answer does not come.
pub(super) fn lose_answer(state: &mut State, index: usize, reader: usize) -> Done {
    let me = &mut state.processes[index].readers[reader];
    let is_answered = me.at == Reading::Stored && me.answer != Answer::None;
    if me.at != Reading::Computed && !is_answered {
        return None;
    }
    state.losses_left = state.losses_left.checked_sub(1)?;
    (me.at, me.answer, me.token) = (Reading::Stored, Answer::None, None);
    Some(("has no answer", None))
}

/// The read is over.
fn finish(state: &mut State, index: usize, reader: usize) -> Option<Broken> {
    let me = std::mem::take(&mut state.processes[index].readers[reader]);
    returns(me.value, me.need)
}

/// Wait for the other thread's computation, or lead one.
fn board(state: &mut State, index: usize, reader: usize, rules: Rules) -> &'static str {
    let process = &mut state.processes[index];
    let mine = process.readers[reader].noted;
    let joins = process.flight.is_some_and(|leader| {
        let leader = &process.readers[usize::from(leader)];
        match rules.joining {
            Joining::ByGeneration => {
                let is_noted = mine.is_some() || rules.has(Bug::JoinWithoutTrust);
                rules.has(Bug::JoinAnyFlight) || is_noted && mine == leader.noted
            }
            Joining::ByLease => leader.at != Reading::Stored || rules.has(Bug::JoinLate),
        }
    });
    if joins {
        process.readers[reader].at = Reading::Waiting;
        return "waits for the other";
    }
    process.flight = u8::try_from(reader).ok();
    process.readers[reader].at = Reading::Unleased;
    "leads"
}

/// Leave the table, and tell the thread that waits, if one does: to take this value, or to go on by itself.
fn land(state: &mut State, index: usize, reader: usize, value: Option<Version>) -> Option<Broken> {
    let process = &mut state.processes[index];
    if process.flight.map(usize::from) == Some(reader) {
        process.flight = None;
    }
    let other = 1 - reader;
    // With two threads, it can wait for no other.
    if READERS != 2 || process.readers[other].at != Reading::Waiting {
        return None;
    }
    let waiting = &mut process.readers[other];
    let Some(value) = value else {
        waiting.at = Reading::Nothing;
        return None;
    };
    waiting.value = value;
    finish(state, index, other)
}
