//! How long answers are polled for.

use quickcache::redis::busy_poll::BusyPoll;

/// How often it was looked whether an answer is there, which came after so many looks, or never.
fn looks(poll: &mut BusyPoll, answer_after: Option<u32>) -> u32 {
    let mut looks = 0;
    poll.until(|| {
        looks += 1;
        answer_after.is_some_and(|after| looks > after)
    });
    looks
}

#[test]
fn polls_until_the_answer_is_there() {
    let mut poll = BusyPoll::default();
    for _ in 0..100 {
        assert_eq!(4, looks(&mut poll, Some(3)));
    }
}

#[test]
fn after_answers_that_took_too_long_it_is_tried_ever_more_rarely() {
    let mut poll = BusyPoll::default();
    let mut tried = Vec::new();
    for answer in 0..5_000 {
        if looks(&mut poll, None) > 0 {
            tried.push(answer);
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
    while looks(&mut poll, None) > 0 {}
    while looks(&mut poll, Some(0)) == 0 {}
    assert_eq!(1, looks(&mut poll, Some(0)));
    assert!(looks(&mut poll, None) > 0);
    assert!(looks(&mut poll, None) > 0, "the first in vain is forgiven");
}
