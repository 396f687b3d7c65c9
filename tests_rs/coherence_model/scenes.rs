//! Who takes part in a search, and how much of everything happens.

use super::rules::{Cast, Scene};

const NOBODY: Cast = Cast {
    readers: 0,
    clears: 0,
    overwrites: 0,
    is_coherent: false,
};
/// Clears once, and has no memory.
const CLEARER: Cast = Cast {
    clears: 1,
    ..NOBODY
};
/// Reads by one thread, and has a memory.
const READER: Cast = Cast {
    readers: 1,
    is_coherent: true,
    ..NOBODY
};
const TWO_READERS: Cast = Cast {
    readers: 2,
    ..READER
};
const QUIET: Scene = Scene {
    name: "",
    processes: [NOBODY, NOBODY],
    foreign: 0,
    breaks: 0,
    losses: 0,
    has_beats: false,
};

pub(super) const OWN: Scene = Scene {
    name: "one process: a thread reads, another clears once",
    processes: [
        Cast {
            clears: 1,
            ..READER
        },
        NOBODY,
    ],
    ..QUIET
};

pub(super) const OWN_TWO: Scene = Scene {
    name: "one process: two threads read, another clears once",
    processes: [
        Cast {
            clears: 1,
            ..TWO_READERS
        },
        NOBODY,
    ],
    ..QUIET
};

pub(super) const OWN_TWO_TWICE: Scene = Scene {
    name: "one process: two threads read, another clears twice",
    processes: [
        Cast {
            clears: 2,
            ..TWO_READERS
        },
        NOBODY,
    ],
    ..QUIET
};

pub(super) const OTHER: Scene = Scene {
    name: "A clears once; B reads, its link breaks; beats",
    processes: [CLEARER, READER],
    breaks: 1,
    has_beats: true,
    ..QUIET
};

pub(super) const OTHER_TWICE: Scene = Scene {
    name: "A clears twice; B reads, its link breaks; beats",
    processes: [
        Cast {
            clears: 2,
            ..NOBODY
        },
        READER,
    ],
    ..OTHER
};

pub(super) const OTHER_TWO: Scene = Scene {
    name: "A clears once; two threads of B read",
    processes: [CLEARER, TWO_READERS],
    ..QUIET
};

pub(super) const OTHER_TWO_BREAK: Scene = Scene {
    name: "A clears once; two threads of B read, its link breaks",
    breaks: 1,
    ..OTHER_TWO
};

pub(super) const OTHER_TWO_LOSS: Scene = Scene {
    name: "A clears once; two threads of B read, an answer is lost",
    losses: 1,
    ..OTHER_TWO
};

pub(super) const FILLED_ELSEWHERE: Scene = Scene {
    name: "A reads and clears once; B reads without a memory",
    processes: [
        Cast {
            clears: 1,
            ..READER
        },
        Cast {
            is_coherent: false,
            ..READER
        },
    ],
    ..QUIET
};

pub(super) const BOTH: Scene = Scene {
    name: "A reads and clears once; B reads",
    processes: [
        Cast {
            clears: 1,
            ..READER
        },
        READER,
    ],
    ..QUIET
};

pub(super) const OVERWRITE: Scene = Scene {
    name: "A reads and overwrites once; B clears once",
    processes: [
        Cast {
            overwrites: 1,
            ..READER
        },
        CLEARER,
    ],
    ..QUIET
};

pub(super) const OVERWRITE_FILLED: Scene = Scene {
    name: "A reads and overwrites once; B clears once and reads",
    processes: [
        Cast {
            overwrites: 1,
            ..READER
        },
        Cast {
            readers: 1,
            ..CLEARER
        },
    ],
    ..QUIET
};

pub(super) const FOREIGN: Scene = Scene {
    name: "A reads; another program deletes or sets, twice",
    processes: [READER, NOBODY],
    foreign: 2,
    ..QUIET
};

pub(super) const FOREIGN_FILLED: Scene = Scene {
    name: "A reads; B without a memory; another program, twice",
    processes: [
        READER,
        Cast {
            is_coherent: false,
            ..READER
        },
    ],
    ..FOREIGN
};
