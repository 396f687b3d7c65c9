//! Clusters, on sockets: redirections, nodes that do not agree, and slots that nobody serves.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quickcache::clock::Timeout;
use quickcache::redis::client::Client;
use quickcache::tier::server::FailureKind::NotReady;
use quickcache::tier::server::{Condition, Failure, FailureKind, Server};

use crate::wire_server::{WireServer, client, later, within};

/// Of slots 15495 and 3300, by the first half and the second.
const HIGH: &[u8] = b"a";
const LOW: &[u8] = b"b";

fn bytes(result: Result<Option<quickcache::tier::server::Stored>, Failure>) -> Option<Vec<u8>> {
    result.unwrap().map(|found| found.bytes)
}

fn kind<T>(result: Result<T, Failure>) -> Option<FailureKind> {
    result.err().map(|failure| failure.kind)
}

/// What CLUSTER SLOTS says: ranges, and the ports of whose they are.
fn slots(ranges: &[(u16, u16, u16)]) -> String {
    let range = |(first, last, port): &(u16, u16, u16)| {
        format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
    };
    let ranges: Vec<_> = ranges.iter().map(range).collect();
    format!("*{}\r\n{}", ranges.len(), ranges.concat())
}

/// Nodes whose answers depend on the ports of all: what they do with the number of the node and the command.
fn nodes(
    count: usize,
    answer: impl Fn(usize, &[u16], &str) -> String + Send + Sync + 'static,
) -> (Vec<WireServer>, Client) {
    let ports = Arc::new(OnceLock::<Vec<u16>>::new());
    let answer = Arc::new(answer);
    let nodes: Vec<_> = (0..count)
        .map(|node| {
            let (ports, answer) = (Arc::clone(&ports), Arc::clone(&answer));
            WireServer::answering(move |_, command| answer(node, ports.wait(), command))
        })
        .collect();
    ports
        .set(nodes.iter().map(|node| node.port).collect())
        .unwrap();
    let client = client(&[&format!("redis+cluster://{}", nodes[0].address())]);
    (nodes, client)
}

fn halves(ports: &[u16]) -> String {
    slots(&[(0, 8_191, ports[0]), (8_192, 16_383, ports[1])])
}

fn of_node(node: usize) -> String {
    format!("$1\r\n{node}\r\n")
}

#[test]
fn each_key_is_asked_of_the_node_that_has_it() {
    let (nodes, client) = nodes(2, |node, ports, command| match command {
        "CLUSTER SLOTS" => halves(ports),
        "GET a" | "GET b" => of_node(node),
        _ => "+OK\r\n".to_owned(),
    });
    assert_eq!(Some(b"1".to_vec()), bytes(client.get(HIGH, false, later())));
    assert_eq!(Some(b"0".to_vec()), bytes(client.get(LOW, false, later())));
    let found = client.get_many(&[HIGH.to_vec(), LOW.to_vec()], later());
    assert_eq!(Ok(vec![Some(b"1".to_vec()), Some(b"0".to_vec())]), found);
    assert_eq!(1, nodes[0].count("CLUSTER"));
    assert_eq!((2, 2), (nodes[0].count("GET b"), nodes[1].count("GET a")));
    assert_ne!(client.shard(HIGH), client.shard(LOW));
}

#[test]
fn a_slot_that_has_moved_is_asked_for_where_it_is_from_then_on() {
    let moved = Arc::new(AtomicUsize::new(0));
    let has_moved = Arc::clone(&moved);
    let (nodes, client) = nodes(2, move |node, ports, command| match command {
        "CLUSTER SLOTS" if has_moved.load(SeqCst) == 0 => slots(&[(0, 16_383, ports[0])]),
        "CLUSTER SLOTS" => halves(ports),
        _ if node == 0 => format!("-MOVED 15495 127.0.0.1:{}\r\n", ports[1]),
        _ => of_node(node),
    });
    assert_eq!(Some(b"1".to_vec()), bytes(client.get(HIGH, false, later())));
    moved.store(1, SeqCst);
    assert_eq!(Some(b"1".to_vec()), bytes(client.get(HIGH, false, later())));
    assert_eq!((1, 2), (nodes[0].count("GET a"), nodes[1].count("GET a")));
    // Of many keys as well.
    assert_eq!(2, nodes[0].count("CLUSTER"));
}

#[test]
fn of_many_keys_those_that_have_moved_are_asked_for_where_they_are() {
    let (_nodes, client) = nodes(2, |node, ports, command| match command {
        "CLUSTER SLOTS" => slots(&[(0, 16_383, ports[0])]),
        "GET a" if node == 0 => format!("-MOVED 15495 127.0.0.1:{}\r\n", ports[1]),
        _ => of_node(node),
    });
    let found = client.get_many(&[HIGH.to_vec(), LOW.to_vec()], later());
    assert_eq!(Ok(vec![Some(b"1".to_vec()), Some(b"0".to_vec())]), found);
}

#[test]
fn a_slot_on_its_way_is_asked_for_with_asking_and_that_is_not_remembered() {
    let (nodes, client) = nodes(2, |node, ports, command| match command {
        "CLUSTER SLOTS" => slots(&[(0, 16_383, ports[0])]),
        "ASKING" => "+OK\r\n".to_owned(),
        _ if node == 0 => format!("-ASK 15495 127.0.0.1:{}\r\n", ports[1]),
        _ => of_node(node),
    });
    for _ in 0..2 {
        assert_eq!(Some(b"1".to_vec()), bytes(client.get(HIGH, false, later())));
    }
    assert_eq!(2, nodes[0].count("GET a"));
    assert_eq!(
        vec!["ASKING", "GET a", "ASKING", "GET a"],
        nodes[1].commands()
    );
}

#[test]
fn nodes_that_send_to_each_other_are_not_kept_busy() {
    for word in ["MOVED", "ASK"] {
        let (nodes, client) = nodes(2, move |node, ports, command| match command {
            "CLUSTER SLOTS" => halves(ports),
            "ASKING" => "+OK\r\n".to_owned(),
            _ => format!("-{word} 15495 127.0.0.1:{}\r\n", ports[1 - node]),
        });
        assert!(client.get(HIGH, false, within(1_000)).is_err());
        let asked = nodes[0].count("GET") + nodes[1].count("GET");
        // Some thirty. Without a pause there were thousands.
        assert!((6..60).contains(&asked), "asked {asked} times");
    }
}

#[test]
fn a_cluster_without_all_slots_serves_those_it_has() {
    for missing_first in [true, false] {
        let (nodes, client) = nodes(1, move |node, ports, command| match command {
            "CLUSTER SLOTS" if missing_first => slots(&[(8_192, 16_383, ports[0])]),
            "CLUSTER SLOTS" => slots(&[(0, 8_191, ports[0])]),
            "PING" => "+PONG\r\n".to_owned(),
            _ => of_node(node),
        });
        let (served, missing) = if missing_first {
            (HIGH, LOW)
        } else {
            (LOW, HIGH)
        };
        assert_eq!(
            Some(b"0".to_vec()),
            bytes(client.get(served, false, later()))
        );
        let failure = client.get(missing, false, within(50)).unwrap_err();
        assert_eq!((NotReady, true), (failure.kind, failure.is_unsent));
        assert_eq!(0, nodes[0].count("GET missing"));
        // Its nodes are found back, and what nobody has is not. To forget all, all are needed.
        assert_eq!(None, kind(client.probe(client.shard(served), later())));
        assert_eq!(
            Some(NotReady),
            kind(client.probe(client.shard(missing), later()))
        );
        assert_eq!(Some(NotReady), kind(client.ping(later())));
        assert_eq!(
            Some(NotReady),
            kind(client.clear(b"", Duration::from_secs(1)))
        );
    }
}

#[test]
fn whoever_knows_of_all_slots_is_believed_rather_than_who_knows_of_some() {
    let (nodes, _) = nodes(2, |node, ports, command| match (command, node) {
        ("CLUSTER SLOTS", 0) => slots(&[(0, 8_191, ports[0])]),
        ("CLUSTER SLOTS", _) => halves(ports),
        _ => of_node(node),
    });
    let addresses = format!("{},{}", nodes[0].address(), nodes[1].address());
    let client = client(&[&format!("redis+cluster://{addresses}")]);
    assert_eq!(Some(b"1".to_vec()), bytes(client.get(HIGH, false, later())));
}

#[test]
fn a_failure_tells_which_node_failed() {
    let (_nodes, client) = nodes(2, |node, ports, command| match command {
        "CLUSTER SLOTS" => halves(ports),
        _ if node == 1 => String::new(),
        "DEL b" => ":1\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let set = |key, until| client.set(key, b"v", Timeout::FOREVER, Condition::Always, until);
    assert_eq!(Ok(true), set(LOW, later()));
    let shard = Some(client.shard(HIGH));
    let keys = [LOW.to_vec(), HIGH.to_vec()];
    for failure in [
        set(HIGH, within(100)).unwrap_err(),
        client.delete_many(&keys, within(100)).unwrap_err(),
        client.ping(within(100)).unwrap_err(),
        client.clear(b"", Duration::from_millis(100)).unwrap_err(),
    ] {
        // Which kind depends on when the time is over.
        assert!(failure.kind.tells_of_outage());
        assert_eq!(shard, failure.shard);
    }
    assert_eq!(None, kind(client.probe(client.shard(LOW), later())));
    assert!(client.probe(client.shard(HIGH), within(100)).is_err());
}

#[test]
fn a_shard_whose_slots_another_has_by_now_is_back() {
    let failed_over = Arc::new(AtomicUsize::new(0));
    let has = Arc::clone(&failed_over);
    let (_nodes, client) = nodes(2, move |node, ports, command| match command {
        "CLUSTER SLOTS" if has.load(SeqCst) == 0 => halves(ports),
        "CLUSTER SLOTS" => slots(&[(0, 16_383, ports[0])]),
        _ if node == 1 => String::new(),
        _ => of_node(node),
    });
    assert!(client.get(HIGH, false, within(50)).is_err());
    let shard = client.shard(HIGH);
    assert!(client.probe(shard, within(50)).is_err());
    failed_over.store(1, SeqCst);
    assert_eq!(None, kind(client.probe(shard, later())));
    assert_eq!(Some(b"0".to_vec()), bytes(client.get(HIGH, false, later())));
}
