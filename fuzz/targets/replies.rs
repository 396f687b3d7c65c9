//! Whatever a server answers, reading it ends without harm; what the redis crate takes for a reply is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quickcache::redis::reply::Replies;

fuzz_target!(|bytes: &[u8]| {
    let mut stream = bytes;
    let found = Replies::of(&mut stream).read();
    if let (Ok(found), Ok(expected)) = (found, redis::parse_redis_value(bytes)) {
        assert_eq!(expected, found);
    }
});
