//! How long answers are watched for.

use quickcache::redis::watch::Watch;

/// How often it was looked whether an answer is there, which came after so many looks, or never.
fn looks(watch: &mut Watch, answer_after: Option<u32>) -> u32 {
    let mut looks = 0;
    watch.until(|| {
        looks += 1;
        answer_after.is_some_and(|after| looks > after)
    });
    looks
}

#[test]
fn is_watched_until_the_answer_is_there() {
    let mut watch = Watch::default();
    for _ in 0..100 {
        assert_eq!(4, looks(&mut watch, Some(3)));
    }
}

#[test]
fn after_answers_that_took_too_long_it_is_tried_ever_more_rarely() {
    let mut watch = Watch::default();
    let mut tried = Vec::new();
    for answer in 0..5_000 {
        if looks(&mut watch, None) > 0 {
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
fn after_an_answer_that_came_soon_the_next_is_watched_for() {
    let mut watch = Watch::default();
    while looks(&mut watch, None) > 0 {}
    while looks(&mut watch, Some(0)) == 0 {}
    assert_eq!(1, looks(&mut watch, Some(0)));
    assert!(looks(&mut watch, None) > 0);
    assert!(looks(&mut watch, None) > 0, "the first in vain is forgiven");
}
