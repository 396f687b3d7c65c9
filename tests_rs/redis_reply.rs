//! Replies are read as the redis crate's parser reads them, and not a byte more.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use proptest::prelude::*;
use quickcache::redis::reply::Replies;
use quickcache::tier::server::{Failure, FailureKind};
use redis::Value;

fn read(mut bytes: &[u8]) -> Result<Value, Failure> {
    Replies::of(&mut bytes).read()
}

fn kind(bytes: &[u8]) -> Option<FailureKind> {
    read(bytes).err().map(|failure| failure.kind)
}

fn bytes(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

/// Gives one byte at a time.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn each_kind_of_reply_is_read() {
    for (text, expected) in [
        ("+OK\r\n", Value::Okay),
        ("+QUEUED\r\n", Value::SimpleString("QUEUED".to_owned())),
        (":-17\r\n", Value::Int(-17)),
        ("$-1\r\n", Value::Nil),
        ("$0\r\n\r\n", bytes("")),
        ("$6\r\na\r\nb\r\n\r\n", bytes("a\r\nb\r\n")),
        ("*-1\r\n", Value::Nil),
        ("*0\r\n", Value::Array(Vec::new())),
        (
            "*3\r\n:1\r\n$-1\r\n*1\r\n$1\r\na\r\n",
            Value::Array(vec![
                Value::Int(1),
                Value::Nil,
                Value::Array(vec![bytes("a")]),
            ]),
        ),
    ] {
        assert_eq!(Ok(expected), read(text.as_bytes()), "{text:?}");
    }
}

#[test]
fn what_resp_3_has_beside_is_read_where_it_was_agreed() {
    for (text, expected) in [
        (
            ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n",
            Value::Array(vec![bytes("invalidate"), Value::Array(vec![bytes("a")])]),
        ),
        (
            ">2\r\n$10\r\ninvalidate\r\n_\r\n",
            Value::Array(vec![bytes("invalidate"), Value::Nil]),
        ),
        (
            "%1\r\n$5\r\nproto\r\n:3\r\n",
            Value::Array(vec![bytes("proto"), Value::Int(3)]),
        ),
        ("~1\r\n#t\r\n", Value::Array(vec![Value::Boolean(true)])),
        ("+PONG\r\n", Value::SimpleString("PONG".to_owned())),
    ] {
        let read_in_3 = Replies::of_resp3(&mut text.as_bytes()).read();
        assert_eq!(Ok(expected), read_in_3, "{text:?}");
    }
    for text in [">0\r\n", "%0\r\n", "_\r\n", "#t\r\n", "*1\r\n_\r\n"] {
        let kind = kind(text.as_bytes());
        assert_eq!(Some(FailureKind::Protocol), kind, "{text:?}");
    }
}

#[test]
fn an_error_is_a_reply_with_a_code_and_the_rest() {
    let Ok(Value::ServerError(error)) = read(b"-MOVED 3999 127.0.0.1:6381\r\n") else {
        panic!("it is an error");
    };
    assert_eq!(
        ("MOVED", Some("3999 127.0.0.1:6381")),
        (error.code(), error.details())
    );
}

#[test]
fn nothing_is_taken_of_what_follows_a_reply() {
    let mut stream = BufReader::new(&b"$1\r\na\r\n:5\r\nrest"[..]);
    let mut replies = Replies::of(&mut stream);
    assert_eq!(Ok(bytes("a")), replies.read());
    assert_eq!(Ok(Value::Int(5)), replies.read());
    assert_eq!(b"rest", stream.buffer());
}

#[test]
fn what_is_no_reply_is_a_failure_of_the_protocol() {
    for text in [
        "HTTP/1.1 400 Bad Request\r\n",
        "\0",
        "\r\n",
        "$x\r\n",
        "$\r\n",
        "$-2\r\n",
        "*-2\r\n",
        ":\r\n",
        ":1.5\r\n",
        ":99999999999999999999\r\n",
        "$3\r\nabcde\r\n",
        "+OK\n",
        "$536870913\r\n",
        "$9223372036854775807\r\n",
    ] {
        assert_eq!(
            Some(FailureKind::Protocol),
            kind(text.as_bytes()),
            "{text:?}"
        );
    }
    assert_eq!(Some(FailureKind::Protocol), kind(b"+\xff\r\n"));
    assert_eq!(Some(FailureKind::Protocol), kind(&b"+".repeat(70_000)));
    assert_eq!(Some(FailureKind::Protocol), kind(&b"*1\r\n".repeat(100)));
}

#[test]
fn a_reply_that_breaks_off_is_a_connection_that_broke() {
    let whole = b"*4\r\n$3\r\nabc\r\n:1\r\n+OK\r\n$-1\r\n";
    assert!(read(whole).is_ok());
    for length in 0..whole.len() {
        assert_eq!(
            Some(FailureKind::Unreachable),
            kind(&whole[..length]),
            "{length}"
        );
    }
    assert_eq!(
        Some(FailureKind::Unreachable),
        kind(b"*9223372036854775807\r\n:1\r\n")
    );
}

/// The time is up in its midst.
#[test]
fn a_reply_that_is_not_there_in_time_is_a_timeout() {
    struct Late;
    impl Read for Late {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::TimedOut.into())
        }
    }
    for begin in ["", "+O", "$3\r\na", "*2\r\n:1\r\n", "$3\r\nabc\r"] {
        let mut stream = BufReader::new(begin.as_bytes().chain(Late));
        let failure = Replies::of(&mut stream).read().unwrap_err();
        assert_eq!(FailureKind::Timeout, failure.kind, "{begin:?}");
    }
}

#[test]
fn a_large_value_is_read_whole() {
    let value: Vec<_> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let reply = [b"$3000000\r\n", &value[..], b"\r\n:7\r\n"].concat();
    let mut stream = BufReader::with_capacity(64 * 1024, &reply[..]);
    let mut replies = Replies::of(&mut stream);
    assert_eq!(Ok(Value::BulkString(value)), replies.read());
    assert_eq!(Ok(Value::Int(7)), replies.read());
}

fn written(reply: &Value, into: &mut Vec<u8>) {
    match reply {
        Value::Nil => into.extend(b"$-1\r\n"),
        Value::Okay => into.extend(b"+OK\r\n"),
        Value::Int(number) => into.extend(format!(":{number}\r\n").bytes()),
        Value::SimpleString(text) => into.extend(format!("+{text}\r\n").bytes()),
        Value::BulkString(bytes) => {
            into.extend(format!("${}\r\n", bytes.len()).bytes());
            into.extend(bytes);
            into.extend(b"\r\n");
        }
        Value::Array(values) => {
            into.extend(format!("*{}\r\n", values.len()).bytes());
            for value in values {
                written(value, into);
            }
        }
        other => panic!("{other:?}"),
    }
}

fn replies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        "[A-Z]{3}".prop_map(Value::SimpleString),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
    ];
    leaf.prop_recursive(3, 30, 8, |inner| {
        prop::collection::vec(inner, 0..8).prop_map(Value::Array)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_whatever_pieces_it_comes(expected in replies()) {
        let mut bytes = Vec::new();
        written(&expected, &mut bytes);
        prop_assert_eq!(Ok(expected.clone()), redis::parse_redis_value(&bytes));
        prop_assert_eq!(Ok(expected.clone()), read(&bytes));
        let mut stream = BufReader::with_capacity(1, Dripping(&bytes));
        prop_assert_eq!(Ok(expected), Replies::of(&mut stream).read());
        prop_assert!(stream.fill_buf().unwrap().is_empty());
    }

    /// Of what the crate's parser takes for a reply in RESP 2, the same is read.
    #[test]
    fn other_bytes_are_read_as_by_the_redis_crate(
        bytes in prop::collection::vec(
            prop::sample::select(b"+-:$*OK0123\r\n\xff".to_vec()), 0..30,
        ),
    ) {
        let found = read(&bytes);
        if let (Ok(expected), Ok(found)) = (redis::parse_redis_value(&bytes), found) {
            prop_assert_eq!(expected, found);
        }
    }
}
