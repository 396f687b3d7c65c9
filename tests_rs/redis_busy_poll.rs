//! How often answers are polled for.

use quickcache::redis::busy_poll::BusyPoll;

#[test]
fn polls_until_the_answer_is_there() {
    let mut poll = BusyPoll::default();
    for _ in 0..100 {
        let mut looks = 0;
        poll.until(|| {
            looks += 1;
            looks == 1
        });
        assert_eq!(1, looks);
    }
}

#[test]
fn gives_up_on_an_answer_that_does_not_come() {
    BusyPoll::default().until(|| false);
}

#[test]
fn after_answers_that_took_too_long_it_is_tried_ever_more_rarely() {
    let mut poll = BusyPoll::default();
    let mut tried = Vec::new();
    for answer in 0..5_000 {
        if poll.is_due() {
            tried.push(answer);
            poll.note(false);
        }
    }
    let waits: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024, 1_024],
        waits
    );
}

#[test]
fn after_an_answer_that_came_soon_the_next_is_polled_for() {
    let mut poll = BusyPoll::default();
    for _ in 0..4 {
        while !poll.is_due() {}
        poll.note(false);
    }
    while !poll.is_due() {}
    poll.note(true);
    assert!(poll.is_due());
    poll.note(false);
    assert!(poll.is_due(), "the first in vain is forgiven");
}
