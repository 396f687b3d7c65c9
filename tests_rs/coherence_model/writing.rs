//! Who changes values: threads that clear or overwrite, and programs that know nothing of us.

use super::rules::{Bug, Rules};
use super::state::{Slot, State, Writing};
use super::steps::Done;

/// The source changes, for which a clear or an overwrite follows.
pub(super) fn begin_write(state: &mut State, index: usize, is_overwrite: bool) -> Done {
    // Whoever overwrites is alone until the server has it, as by a lock in the source: of two that come in the
    // wrong order nobody could tell.
    let is_at_work = |at| matches!(at, Writing::Begun | Writing::Dropped);
    let is_alone = state.processes.iter().all(|process| {
        let is_exclusive = is_overwrite || process.writer.is_overwrite;
        !(is_exclusive && is_at_work(process.writer.at))
    });
    let writer = &mut state.processes[index].writer;
    let left = if is_overwrite {
        &mut writer.overwrites_left
    } else {
        &mut writer.clears_left
    };
    if writer.at != Writing::Idle || *left == 0 || !is_alone {
        return None;
    }
    *left -= 1;
    state.source += 1;
    (writer.at, writer.version) = (Writing::Begun, state.source);
    writer.is_overwrite = is_overwrite;
    Some(("changes the source", None))
}

/// The one step that a thread can take that clears or overwrites.
pub(super) fn write(state: &mut State, index: usize, rules: Rules) -> Done {
    let process = &mut state.processes[index];
    let writer = &mut process.writer;
    let version = writer.version;
    match writer.at {
        Writing::Idle => None,
        Writing::Begun => {
            writer.at = Writing::Dropped;
            if !rules.has(Bug::DropOnlyAfter) {
                process.drop_memory();
            }
            Some(("drops what memory has", None))
        }
        Writing::Dropped if rules.has(Bug::PublishFirst) => {
            writer.at = Writing::PublishedFirst;
            state.tell(true)?;
            Some(("PUBLISH", None))
        }
        Writing::Dropped | Writing::PublishedFirst => {
            let is_published = !rules.is_pubsub || writer.at == Writing::PublishedFirst;
            writer.at = if is_published {
                Writing::Answered
            } else {
                Writing::Done
            };
            let is_overwrite = writer.is_overwrite;
            let slot = if is_overwrite {
                Slot::Value(version)
            } else {
                Slot::Absent
            };
            state.cleared = state.cleared.max(version);
            state.change(slot, true, rules)?;
            Some((if is_overwrite { "SET" } else { "DEL" }, None))
        }
        Writing::Done => {
            writer.at = Writing::Answered;
            state.tell(true)?;
            Some(("PUBLISH", None))
        }
        Writing::Answered => {
            writer.at = Writing::Idle;
            writer.version = 0;
            let is_overwrite = std::mem::take(&mut writer.is_overwrite);
            if !rules.has(Bug::DropOnlyBefore) {
                process.drop_memory();
            }
            if rules.has(Bug::InsertOverwrite) && is_overwrite && process.is_trusted {
                process.memory = Some(version);
            }
            process.floor = process.floor.max(version);
            state.returned = state.returned.max(version);
            Some(("drops what memory has, and returns", None))
        }
    }
}

/// A program that knows nothing of us changes the source, and deletes or sets the key.
pub(super) fn foreign(state: &mut State, is_delete: bool, rules: Rules) -> Done {
    state.foreign_left = state.foreign_left.checked_sub(1)?;
    state.source += 1;
    let slot = if is_delete {
        Slot::Absent
    } else {
        Slot::Value(state.source)
    };
    state.cleared = state.source;
    state.returned = state.source;
    state.change(slot, true, rules)?;
    Some((if is_delete { "DEL" } else { "SET" }, None))
}
