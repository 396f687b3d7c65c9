//! Connections of a client: deadlines, replies that are none, and connections that break.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use quickcache::clock::Timeout;
use quickcache::redis::client::Client;
use quickcache::tier::server::FailureKind::{
    LogIn, NotReady, Protocol, Refused, Timeout as TimedOut, Unreachable,
};
use quickcache::tier::server::{Condition, Failure, FailureKind, Server};

use crate::wire_server::{WireServer, client, later, within};

const NIL: &str = "$-1\r\n";

pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn kind<T>(result: Result<T, Failure>) -> Option<FailureKind> {
    result.err().map(|failure| failure.kind)
}

pub(crate) fn get(client: &Client, key: &str) -> Result<Option<String>, Failure> {
    let found = client.get(key.as_bytes(), false, later())?;
    Ok(found.map(|found| String::from_utf8(found.bytes).unwrap()))
}

/// Answers GET with the key.
pub(crate) fn echo(command: &str) -> String {
    bulk(command.strip_prefix("GET ").unwrap_or("?"))
}

#[test]
fn a_deadline_is_for_all_of_an_answer_however_it_trickles() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let server = WireServer::talking(move |peer| {
        peer.command();
        peer.say("$1000\r\n");
        for _ in 0..1_000 {
            thread::sleep(Duration::from_millis(20));
            if !peer.say("x") {
                return;
            }
            counted.fetch_add(1, SeqCst);
        }
        peer.say("\r\n");
    });
    let client = server.client();
    assert_eq!(Some(TimedOut), kind(client.get(b"k", false, within(100))));
    let sent = sent.load(SeqCst);
    // Some five. A deadline for each read would have let all of them come.
    assert!(sent < 100, "{sent} bytes were waited for");
    assert_eq!(1, server.connections());
}

#[test]
fn an_answer_in_pieces_is_one_answer() {
    let server = WireServer::talking(|peer| {
        while let Some(command) = peer.command() {
            for byte in echo(&command).chars() {
                peer.say(&byte.to_string());
            }
        }
    });
    let client = server.client();
    for key in ["one", "another"] {
        assert_eq!(Ok(Some(key.to_owned())), get(&client, key));
    }
    assert_eq!(1, server.connections());
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time_and_its_connection_with_it() {
    let server = WireServer::talking(|peer| {
        while let Some(command) = peer.command() {
            if peer.number > 1 {
                peer.say(&echo(&command));
            }
        }
    });
    let client = server.client();
    assert_eq!(Some(TimedOut), kind(client.get(b"a", false, within(50))));
    assert_eq!(Ok(Some("b".to_owned())), get(&client, "b"));
    assert_eq!(2, server.connections());
}

#[test]
fn a_moment_that_has_passed_is_too_late_for_anything() {
    let server = WireServer::answering(|_, command| echo(command));
    let client = server.client();
    assert_eq!(Some(TimedOut), kind(client.get(b"a", false, within(0))));
    assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
    assert_eq!(Some(TimedOut), kind(client.get(b"b", false, within(0))));
    assert_eq!(vec!["GET a"], server.commands());
}

/// Together with the answer, after it, or half and half: what is left of it may look like an answer.
#[test]
fn a_reply_too_many_never_becomes_the_next_answer() {
    for (with, after) in [
        ("$5\r\nstray\r\n", ""),
        ("", "$5\r\nstray\r\n"),
        ("$5\r\nst", "ray\r\n"),
        ("$11\r\n", "$5\r\nstray\r\n\r\n"),
    ] {
        let (sender, receiver) = mpsc::channel();
        let server = WireServer::talking(move |peer| {
            while let Some(command) = peer.command() {
                let is_first = peer.number == 1;
                peer.say(&format!(
                    "{}{}",
                    echo(&command),
                    if is_first { with } else { "" }
                ));
                if is_first {
                    // When the client has had what it asked for, and before it asks for more.
                    assert!(peer.seen.wait_for("GET go"));
                    peer.say(after);
                    sender.send(()).unwrap();
                }
            }
        });
        let (client, other) = (server.client(), server.client());
        assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
        assert_eq!(Ok(Some("go".to_owned())), get(&other, "go"));
        receiver.recv().unwrap();
        assert_eq!(
            Ok(Some("b".to_owned())),
            get(&client, "b"),
            "{with:?} {after:?}"
        );
        drop((client, other));
        assert_eq!(vec!["GET a", "GET go", "GET b"], server.commands());
    }
}

/// The rest may come when the next command has been sent already.
#[test]
fn after_more_than_an_answer_a_connection_is_not_used_again() {
    let server = WireServer::answering(|number, command| {
        let too_many = if number == 1 { "$11\r\n" } else { "" };
        format!("{}{too_many}", echo(command))
    });
    let client = server.client();
    assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
    assert_eq!(Ok(Some("b".to_owned())), get(&client, "b"));
    assert_eq!(2, server.connections());
}

#[test]
fn replies_of_every_kind_leave_the_connection_in_use() {
    let server = WireServer::answering(|_, command| {
        let word = command.split(' ').next().unwrap_or_default();
        let reply = match word {
            "SET" if command.ends_with("NX") => NIL,
            "SET" => "+OK\r\n",
            "DEL" => ":1\r\n",
            "MGET" => "*2\r\n$1\r\na\r\n$-1\r\n",
            "EVALSHA" => "-NOSCRIPT No matching script. Please use EVAL.\r\n",
            "EVAL" => ":-5\r\n",
            "PING" => "+PONG\r\n",
            "SCAN" => "*2\r\n$1\r\n0\r\n*0\r\n",
            _ => "-ERR unknown command\r\n",
        };
        reply.to_owned()
    });
    let client = server.client();
    let set = |condition| client.set(b"k", b"v", Timeout::FOREVER, condition, later());
    assert_eq!(Ok(true), set(Condition::Always));
    assert_eq!(Ok(false), set(Condition::Absent));
    assert_eq!(Ok(true), client.delete(b"k", later()));
    let keys = [b"a".to_vec(), b"b".to_vec()];
    assert_eq!(
        Ok(vec![Some(b"a".to_vec()), None]),
        client.get_many(&keys, later())
    );
    assert_eq!(Ok(Some(-5)), client.increment(b"k", 1, later()));
    assert_eq!(Ok(()), client.ping(later()));
    assert_eq!(Ok(()), client.clear(b"p", Duration::from_secs(10)));
    assert_eq!(Some(Refused), kind(get(&client, "k")));
    assert_eq!((1, 1), (server.connections(), client.connections()));
}

#[test]
fn a_connection_closed_while_nobody_used_it_is_replaced_even_for_what_is_sent_once() {
    let (sender, receiver) = mpsc::channel();
    let server = WireServer::talking(move |peer| {
        while let Some(command) = peer.command() {
            if command.starts_with("EVALSHA") {
                peer.say(":7\r\n");
            } else {
                peer.say(&echo(&command));
                peer.close();
                return sender.send(()).unwrap();
            }
        }
    });
    let client = server.client();
    assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
    receiver.recv().unwrap();
    assert_eq!(Ok(Some(7)), client.increment(b"k", 1, later()));
    assert_eq!((2, 1), (server.connections(), server.count("EVALSHA")));
}

#[test]
fn what_must_not_be_done_twice_is_not_sent_twice_and_all_else_is() {
    let server = WireServer::answering(|number, command| match number {
        1 | 2 => String::new(),
        _ => echo(command),
    });
    let client = server.client();
    assert_eq!(Some(Unreachable), kind(client.increment(b"k", 1, later())));
    assert_eq!((1, 1), (server.connections(), server.count("EVALSHA")));
    assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
    assert_eq!((3, 2), (server.connections(), server.count("GET a")));
}

#[test]
fn a_script_is_sent_whole_to_a_server_that_does_not_know_it() {
    let knows = Arc::new(AtomicUsize::new(0));
    let server = WireServer::answering(move |_, command| {
        if command.starts_with("EVAL ") {
            knows.store(1, SeqCst);
        }
        match knows.load(SeqCst) {
            0 => "-NOSCRIPT No matching script.\r\n".to_owned(),
            _ => ":8\r\n".to_owned(),
        }
    });
    let client = server.client();
    for _ in 0..2 {
        assert_eq!(Ok(Some(8)), client.increment(b"k", 1, later()));
    }
    assert_eq!((2, 1), (server.count("EVALSHA"), server.count("EVAL ")));
}

#[test]
fn what_is_no_answer_is_a_failure_of_the_protocol() {
    for garbage in [
        "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(),
        "\0\0\0\0".to_owned(),
        "$x\r\n".to_owned(),
        "$3\r\nabcde\r\n".to_owned(),
        ":1\r\n".to_owned(),
        "+OK\r\n".to_owned(),
        "*1\r\n$1\r\na\r\n".to_owned(),
        "*1\r\n".repeat(1_000),
    ] {
        let server = WireServer::answering({
            let garbage = garbage.clone();
            move |_, _| garbage.clone()
        });
        let client = server.client();
        assert_eq!(Some(Protocol), kind(get(&client, "k")), "{garbage:?}");
        assert_eq!(1, server.count("GET"), "{garbage:?}");
    }
}

#[test]
fn a_set_that_is_not_answered_as_one_did_not_happen() {
    for answer in [":1\r\n", "$2\r\nOK\r\n", "*0\r\n", "+QUEUED\r\n"] {
        let server = WireServer::answering(move |_, _| answer.to_owned());
        let client = server.client();
        let done = client.set(b"k", b"v", Timeout::FOREVER, Condition::Always, later());
        assert_eq!(Some(Protocol), kind(done));
        let item = (b"k".to_vec(), b"v".to_vec());
        let done = client.set_many(&[item], Timeout::FOREVER, later());
        assert_eq!(Some(Protocol), kind(done));
    }
}

#[test]
fn lengths_that_cannot_be_are_no_reason_to_reserve_memory() {
    for start in [
        "$9223372036854775807\r\n",
        "*9223372036854775807\r\n",
        "%4611686018427387903\r\n",
    ] {
        let server = WireServer::talking(move |peer| {
            peer.command();
            peer.say(start);
            peer.say("$1\r\na\r\n");
            peer.close();
        });
        let client = server.client();
        assert!(client.get(b"k", false, within(100)).is_err());
    }
}

#[test]
fn each_refusal_is_of_its_kind() {
    for (refusal, expected) in [
        ("NOAUTH Authentication required.", LogIn),
        ("WRONGPASS invalid username-password pair", LogIn),
        ("LOADING Redis is loading the dataset in memory", NotReady),
        ("BUSY Redis is busy running a script", NotReady),
        ("MASTERDOWN Link with MASTER is down", NotReady),
        (
            "OOM command not allowed when used memory > 'maxmemory'.",
            Refused,
        ),
        (
            "READONLY You can't write against a read only replica.",
            Refused,
        ),
        ("NOPERM this user has no permissions", Refused),
        ("ERR value is not an integer or out of range", Refused),
        // Not of a cluster's.
        ("MOVED 1 127.0.0.1:1", Refused),
    ] {
        let server = WireServer::answering(move |_, _| format!("-{refusal}\r\n"));
        let client = server.client();
        let failure = get(&client, "k").unwrap_err();
        assert_eq!(expected, failure.kind, "{refusal}");
        assert!(failure.text.contains(refusal), "{}", failure.text);
        assert_eq!(1, server.count("GET"));
    }
}

#[test]
fn who_is_not_let_in_asks_nothing() {
    let server = WireServer::answering(|_, command| match command {
        "AUTH someone secret" => "-WRONGPASS invalid username-password pair\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let url = format!("redis://someone:secret@{}/3", server.address());
    let client = client(&[&url]);
    let failure = get(&client, "k").unwrap_err();
    assert_eq!((LogIn, true), (failure.kind, failure.is_unsent));
    assert!(!failure.text.contains("secret"), "{}", failure.text);
    drop(client);
    assert_eq!(vec!["AUTH someone secret", "SELECT 3"], server.commands());
}

#[test]
fn a_server_that_refuses_connections_is_not_asked_over_and_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(&[&format!("redis://{address}/0")]);
    let failure = get(&client, "k").unwrap_err();
    assert_eq!((Unreachable, true), (failure.kind, failure.is_unsent));
}

#[test]
fn where_a_replica_does_not_answer_the_primary_has_time_left_to() {
    let primary = WireServer::answering(|_, command| echo(command));
    let replica = WireServer::talking(|peer| while peer.command().is_some() {});
    let urls = [&primary, &replica].map(|server| format!("redis://{}/0", server.address()));
    let client = client(&[&urls[0], &urls[1]]);
    let found = client.get(b"a", false, within(1_000)).unwrap();
    assert_eq!(Some(b"a".to_vec()), found.map(|found| found.bytes));
    assert_eq!((1, 1), (primary.count("GET"), replica.count("GET")));
}
