//! Memory tiers that are kept true to servers: what is trusted, and until when.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use quickcache::clock::{Clock, ManualClock, Timeout};
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::coherence::{Bounds, Coherent, Hub, Link, Mode, Way};
use quickcache::tier::memory::{MemoryTier, Write};

type Tier = MemoryTier<u64, Arc<ManualClock>>;

const SECOND: Duration = Duration::from_secs(1);
const SERVER: &str = "server";

struct Fixture {
    clock: Arc<ManualClock>,
    tier: Tier,
    hub: Arc<Hub>,
}

fn fixture() -> Fixture {
    let clock = Arc::new(ManualClock::default());
    clock.advance(100 * SECOND);
    let options = Options {
        max_entries: Some(10_000),
        max_bytes: None,
        timeout: Timeout::FOREVER,
        policy: Policy::Lru,
    };
    let tier = MemoryTier::new(options, Arc::clone(&clock)).unwrap();
    let hub = Hub::new(Mode::Tracking);
    hub.set_only_node(SERVER);
    Fixture { clock, tier, hub }
}

fn way(prefix: &str) -> Way {
    Way {
        prefix: prefix.into(),
        channel: b"clears".into(),
        below: prefix.into(),
        above: Vec::new(),
    }
}

fn bounds(grace: Duration) -> Bounds {
    Bounds {
        beat: 5 * SECOND,
        grace,
    }
}

impl Fixture {
    fn link(&self, prefix: &str) -> Arc<Link> {
        self.link_within(prefix, bounds(Duration::ZERO))
    }

    fn link_within(&self, prefix: &str, bounds: Bounds) -> Arc<Link> {
        let (link, _) = self.hub.link(&self.tier.coherent(), way(prefix), bounds);
        link
    }

    /// The same memory before another server, which is not linked yet.
    fn second(&self) -> (Arc<Hub>, Arc<Link>) {
        let hub = Hub::new(Mode::Tracking);
        hub.set_only_node("second");
        let (link, _) = hub.link(&self.tier.coherent(), way(""), bounds(Duration::ZERO));
        (hub, link)
    }

    /// A server is linked that tells of all that is wanted.
    fn listen(&self) {
        let (_, version) = self.hub.wanted();
        self.hub.linked(SERVER, version, Instant::now());
    }

    fn fill(&self, name: &str, value: u64) -> bool {
        let since = self.tier.generation();
        self.fill_since(name, value, Write::Fill(since))
    }

    fn fill_since(&self, name: &str, value: u64, write: Write) -> bool {
        let life = Timeout::FOREVER;
        let held = self.tier.set_on_trust(key(name), value, 8, life, write);
        held.is_some()
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.tier.get(&key(name)).map(|found| found.value)
    }
}

fn key(name: &str) -> PackedKey {
    PackedKey::pack(name.as_bytes())
}

#[test]
fn nothing_is_kept_before_the_server_tells_of_changes() {
    let it = fixture();
    assert!(!it.fill("a", 1));
    let _link = it.link("");
    assert!(!it.fill("a", 1));
    it.listen();
    assert!(it.fill("a", 1));
    assert_eq!(Some(1), it.get("a"));
}

#[test]
fn what_needs_no_trust_is_there_all_the_time() {
    let it = fixture();
    let _link = it.link("");
    let kept = it
        .tier
        .set(key("own"), 1, 8, Timeout::FOREVER, Write::Always);
    assert!(kept.is_some());
    it.listen();
    it.hub.flush();
    it.hub.lost(SERVER, &"a test");
    assert_eq!(Some(1), it.get("own"));
}

#[test]
fn trust_ends_by_itself_after_two_beats() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    assert!(it.fill("a", 1));
    it.clock.advance(9 * SECOND);
    assert_eq!(Some(1), it.get("a"));
    it.clock.advance(SECOND);
    assert_eq!(None, it.get("a"));
    assert!(!it.fill("b", 1));
    assert!(!it.tier.contains(&key("a")));
    // What was asked is answered: nothing was missed.
    let (_, version) = it.hub.wanted();
    it.hub.answered(SERVER, version, Instant::now());
    assert_eq!(Some(1), it.get("a"));
}

#[test]
fn an_answer_counts_from_when_it_was_asked_for() {
    let it = fixture();
    let link = it.link_within(
        "",
        Bounds {
            beat: Duration::from_millis(20),
            grace: Duration::ZERO,
        },
    );
    let asked = Instant::now();
    sleep(Duration::from_millis(50));
    let (_, version) = it.hub.wanted();
    it.hub.linked(SERVER, version, asked);
    assert!(!it.fill("a", 1));
    assert!(!link.is_trusted());
}

#[test]
fn a_lost_link_turns_memory_off_and_a_new_one_begins_empty() {
    let it = fixture();
    let link = it.link("");
    it.listen();
    assert!(it.fill("a", 1));
    let before = it.tier.generation();
    assert_eq!(None, it.hub.reason());
    it.hub.lost(SERVER, &"a test");
    assert!(!link.is_trusted());
    assert_eq!(None, it.get("a"));
    let reason = format!("{SERVER} does not tell of changes: a test");
    assert_eq!(Some(reason), it.hub.reason());
    it.listen();
    assert!(link.is_trusted());
    assert_eq!(None, it.hub.reason());
    assert_eq!(None, it.get("a"));
    // Read before the new link, it may have changed unsaid.
    assert!(!it.fill_since("a", 1, Write::Fill(before)));
    assert!(it.fill("a", 2));
    let stats = it.hub.stats();
    assert_eq!((1, 2), (stats.link_losses, stats.flushes));
}

#[test]
fn with_a_grace_memory_serves_that_much_longer() {
    let it = fixture();
    let _link = it.link_within("", bounds(30 * SECOND));
    it.listen();
    assert!(it.fill("a", 1));
    it.hub.lost(SERVER, &"a test");
    it.clock.advance(39 * SECOND);
    assert_eq!(Some(1), it.get("a"));
    assert!(it.fill("b", 2));
    it.clock.advance(2 * SECOND);
    assert_eq!((None, None), (it.get("a"), it.get("b")));
}

#[test]
fn what_the_server_tells_voids_the_value_and_what_was_read_before() {
    let it = fixture();
    let _link = it.link("p:");
    it.listen();
    let before = it.tier.generation();
    assert!(it.fill("a", 1));
    it.hub.invalidate([&b"other:a"[..], b"p:b"]);
    assert_eq!(Some(1), it.get("a"));
    it.hub.invalidate([&b"p:a"[..]]);
    assert_eq!(None, it.get("a"));
    assert!(!it.fill_since("a", 1, Write::Fill(before)));
    assert!(it.fill("a", 2));
}

#[test]
fn a_key_may_have_another_name_in_memory() {
    let it = fixture();
    let other = Way {
        below: b"p:1:".into(),
        above: b"m:".into(),
        ..way("p:1:")
    };
    let (_link, _) = it
        .hub
        .link(&it.tier.coherent(), other, bounds(Duration::ZERO));
    it.listen();
    assert!(it.fill("m:a", 1));
    it.hub.invalidate([&b"p:1:a"[..]]);
    assert_eq!(None, it.get("m:a"));
}

#[test]
fn a_flush_leaves_nothing_that_needs_trust() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    for number in 0..1_000 {
        assert!(it.fill(&number.to_string(), number));
    }
    it.hub.flush();
    assert_eq!(None, it.get("7"));
    assert_eq!(0, it.tier.len());
}

#[test]
fn more_keys_than_are_told_of_have_to_be_asked_for_first() {
    let it = fixture();
    let _narrow = it.link("p:quickcache.");
    it.listen();
    assert!(it.fill("a", 1));
    let (_covered, is_more) = it.hub.link(
        &it.tier.coherent(),
        way("p:quickcache.f"),
        bounds(Duration::ZERO),
    );
    assert!(!is_more);
    assert!(it.fill("b", 1));
    let (_wide, is_more) = it
        .hub
        .link(&it.tier.coherent(), way("p:"), bounds(Duration::ZERO));
    assert!(is_more);
    assert_eq!(None, it.get("a"));
    let (wanted, version) = it.hub.wanted();
    assert_eq!(vec![b"p:".to_vec()], wanted);
    assert!(it.hub.is_current(version));
    it.listen();
    assert!(it.fill("a", 1));
}

#[test]
fn what_is_told_by_too_few_prefixes_is_not_trusted() {
    let it = fixture();
    let _narrow = it.link("p:quickcache.");
    let (_, before) = it.hub.wanted();
    let wide = it.link("p:");
    it.hub.linked(SERVER, before, Instant::now());
    assert!(!wide.is_trusted());
    assert!(!it.fill("a", 1));
}

#[test]
fn every_server_of_a_cluster_has_to_tell() {
    let it = fixture();
    let hub = Hub::new(Mode::Tracking);
    let (link, _) = hub.link(&it.tier.coherent(), way(""), bounds(Duration::ZERO));
    let (_, version) = hub.wanted();
    let nodes = ["one".to_owned(), "two".to_owned()];
    hub.set_nodes(&nodes, Instant::now());
    hub.linked("one", version, Instant::now());
    assert!(!link.is_trusted());
    hub.linked("two", version, Instant::now());
    assert!(link.is_trusted());
    assert!(it.fill("a", 1));
    // A third one has keys of which nobody tells yet.
    let three = ["one".to_owned(), "two".to_owned(), "three".to_owned()];
    assert!(hub.set_nodes(&three, Instant::now()).is_empty());
    assert_eq!(None, it.get("a"));
    hub.linked("three", version, Instant::now());
    assert!(it.fill("a", 1));
    hub.lost_track(&"a test");
    assert_eq!(None, it.get("a"));
    assert_eq!(
        vec!["two".to_owned()],
        hub.set_nodes(&["one".to_owned(), "three".to_owned()], Instant::now())
    );
}

#[test]
fn memory_of_two_servers_is_trusted_while_both_tell() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    let (hub, second) = it.second();
    assert!(!it.fill("a", 1));
    let (_, version) = hub.wanted();
    hub.linked("second", version, Instant::now());
    assert!(it.fill("a", 1));
    hub.lost("second", &"a test");
    assert_eq!(None, it.get("a"));
    // Nobody needs it any more.
    drop(second);
    assert!(it.fill("b", 1));
}

#[test]
fn memory_does_not_depend_on_servers_that_nobody_listens_to_any_more() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    let (hub, second) = it.second();
    hub.lost("second", &"a test");
    assert!(!it.fill("a", 1));
    hub.retire();
    assert!(second.is_retired() && !second.is_trusted());
    assert!(it.fill("a", 1));
    // Somebody asks for it again.
    hub.begin();
    assert!(!second.is_retired() && !second.is_trusted());
    assert_eq!(None, it.get("a"));
}

#[test]
fn memory_is_said_to_serve_only_if_it_does() {
    for (has_answered, says) in [
        (false, "memory is not used until it does"),
        (true, "memory serves until 11 s after"),
    ] {
        let it = fixture();
        let _link = it.link_within("", bounds(SECOND));
        if has_answered {
            it.listen();
        }
        it.hub.lost(SERVER, &"a test");
        let [said] = it.hub.take_notices().try_into().unwrap();
        assert!(said.text.contains(says), "{}", said.text);
    }
}

#[test]
fn what_is_refused_is_replaced_by_less() {
    let hub = Hub::new(Mode::Tracking);
    assert_eq!(None, hub.reason());
    assert_eq!(Some(Mode::Pubsub), hub.refused(&"a test"));
    let first = "the server does not allow coherence='tracking': a test";
    assert_eq!(Some(first), hub.reason().as_deref());
    assert_eq!(
        (Mode::Tracking, Some(Mode::Pubsub)),
        (hub.requested(), hub.mode())
    );
    assert_eq!(None, hub.refused(&"another"));
    assert_eq!(None, hub.mode());
    let both = format!("{first}; the server does not allow coherence='pubsub': another");
    assert_eq!(Some(both), hub.reason());
    let said = hub.take_notices();
    assert!(
        said[0].text.contains("coherence='pubsub'") && said[1].text.contains("coherence='off'")
    );
}

#[test]
fn a_value_that_others_may_write_over_is_not_kept_by_request() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    assert!(it.fill("a", 1));
    assert!(!it.fill_since("a", 2, Write::Always));
    assert_eq!(None, it.get("a"));
    assert!(!it.fill_since("a", 2, Write::Again));
}

#[test]
fn a_new_life_does_not_make_a_value_count_without_trust() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    assert!(it.fill("a", 1));
    assert!(it.tier.touch(&key("a"), Timeout::after(1_000 * SECOND)));
    assert_eq!(Some(1), it.get("a"));
    it.hub.lost(SERVER, &"a test");
    assert_eq!(None, it.get("a"));
}

#[test]
fn a_hundred_thousand_voided_keys_are_let_go_of_by_and_by() {
    let it = fixture();
    let _link = it.link("");
    it.listen();
    let names: Vec<_> = (0..9_000).map(|number: u64| number.to_string()).collect();
    for name in &names {
        assert!(it.fill(name, 1));
    }
    it.hub.invalidate(names.iter().map(String::as_bytes));
    assert!(names.iter().all(|name| it.get(name).is_none()));
    assert_eq!(0, it.tier.len());
    assert_eq!(9_000, it.hub.stats().invalidations);
}

#[test]
fn the_clock_of_a_tier_is_what_its_trust_is_measured_by() {
    let it = fixture();
    let coherent: Arc<dyn Coherent> = it.tier.coherent();
    coherent.trust(u64::MAX, it.clock.now() + 2_000);
    assert!(it.tier.is_trusted());
    it.clock.advance(Duration::from_micros(2));
    assert!(!it.tier.is_trusted());
    coherent.leave(u64::MAX);
    assert!(!it.tier.is_trusted());
}
