//! Models: all orders that threads may come in, up to three changes of thread that need not be.
//!
//! `make verify`, or `RUSTFLAGS="--cfg loom" cargo test --profile quick --no-default-features --test models`.
#![cfg(loom)]

mod combining;
mod flights;
mod tier;

/// Run a model in all its orders. `LOOM_MAX_PREEMPTIONS` has more, or fewer, changes of thread tried.
fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 20_000;
    builder.check(run);
}
