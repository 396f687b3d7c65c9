//! URLs of Redis servers that are refused, and what the errors say.

use quickcache::redis::config::{CertReqs, TlsOptions, parse, shown};

use crate::redis_config::{parsed, parsed_with};

const ENCODE: &str = "in a user or password, percent-encode '@', ':', '/', '?', '#', '&' and '%', such as '%40' \
                      for '@'";

/// What is wrong with a URL.
fn refused(url: &str) -> String {
    let text = parsed(&[url]);
    let start = format!("url '{}': ", shown(url));
    text.strip_prefix(&start)
        .unwrap_or_else(|| panic!("{text} does not begin with {start}"))
        .replace(ENCODE, "ENCODE")
}

#[test]
fn an_error_says_what_would_be_right() {
    let table = [
        (
            "http://h",
            "it must begin with 'redis://' or 'rediss://' or 'unix://' or 'redis+sentinel://' or \
             'rediss+sentinel://' or 'redis+cluster://' or 'rediss+cluster://'",
        ),
        (
            "redis://h:abc",
            "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; ENCODE",
        ),
        (
            "redis://h:70000",
            "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; ENCODE",
        ),
        // redis-py takes 6379 for 0.
        (
            "redis://h:0",
            "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; ENCODE",
        ),
        (
            "redis://h:+1",
            "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; ENCODE",
        ),
        (
            "redis://::1",
            "a port must be a number from 1 to 65535, and an IPv6 address be in brackets; ENCODE",
        ),
        (
            "redis://[h]:1",
            "in brackets there must be an IPv6 address, such as '[::1]:6379'",
        ),
        (
            "redis://[::1]1",
            "in brackets there must be an IPv6 address, such as '[::1]:6379'",
        ),
        ("redis://h%20x", "a host must have no spaces in it"),
        // redis-py takes database 0 for the first, 12 for the second, and -1 for the third.
        (
            "redis://h/abc",
            "the database must be a number, as in 'redis://localhost:6379/0'; ENCODE",
        ),
        (
            "redis://h/1/2",
            "the database must be a number, as in 'redis://localhost:6379/0'; ENCODE",
        ),
        (
            "redis://h?db=-1",
            "the database must be a number, as in 'redis://localhost:6379/0'; ENCODE",
        ),
        (
            "redis://a,b",
            "it must have one host: for several, write 'redis+cluster://' or 'redis+sentinel://', or a list of \
             URLs for a primary and its replicas",
        ),
        // redis-py drops the host, here and after '#' what follows.
        (
            "unix://run/r.sock",
            "it must have the whole path of a socket, as in 'unix:///run/redis/redis.sock?db=0'",
        ),
        (
            "unix://",
            "it must have the whole path of a socket, as in 'unix:///run/redis/redis.sock?db=0'",
        ),
        (
            "redis://h?ssl_cert_reqs=none",
            "ssl_cert_reqs takes effect with TLS only: write 'rediss' for 'redis', or leave it out",
        ),
        (
            "rediss://h?ssl_cert_reqs=CERT_NONE",
            "ssl_cert_reqs must be 'required', 'optional' or 'none'",
        ),
        (
            "rediss://h?ssl_check_hostname=off",
            "ssl_check_hostname must be 'true' or 'false'",
        ),
        (
            "redis+sentinel://h",
            "it must name the service that the sentinels watch, as in 'redis+sentinel://host:26379/mymaster/0'",
        ),
        (
            "redis+sentinel://a,,b/m",
            "there must be a host on each side of a comma",
        ),
        (
            "redis+cluster://a/1",
            "a cluster has no database but 0: leave it out",
        ),
        (
            "redis+cluster://a?db=1",
            "a cluster has no database but 0: leave it out",
        ),
    ];
    for (url, expected) in table {
        assert_eq!(expected, refused(url), "{url}");
    }
}

#[test]
fn an_unknown_option_is_named_with_those_there_are() {
    let ignored = "protocol, health_check_interval, retry_on_timeout, decode_responses, max_connections, \
                   socket_keepalive, socket_timeout, socket_connect_timeout";
    assert_eq!(
        format!(
            "url 'redis://h?passwrod=***': there is no option 'passwrod'; accepted are username, password, db, \
             client_name, {ignored}"
        ),
        parsed(&["redis://h?passwrod=hunter2"])
    );
    assert_eq!(
        format!(
            "url 'rediss+sentinel://h/m?x=***': there is no option 'x'; accepted are username, password, db, \
             client_name, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_check_hostname, ssl_cert_reqs, \
             sentinel_username, sentinel_password, {ignored}"
        ),
        parsed(&["rediss+sentinel://h/m?x="])
    );
    assert_eq!(
        "url 'redis://h?sentinel_password=***': sentinel_password is for 'redis+sentinel://' only: leave it out",
        parsed(&["redis://h?sentinel_password=p"])
    );
    assert_eq!(
        "url 'redis://h?client_name=***': client_name must be of ASCII letters, digits and signs, without spaces",
        parsed(&["redis://h?client_name=a+b"])
    );
}

#[test]
fn a_list_is_of_one_kind() {
    let kinds = "a list holds a primary and its replicas, or nodes of one cluster";
    let table: [(&[&str], String); 7] = [
        (
            &[],
            "url must be the URL of a Redis server, such as 'redis://localhost:6379/0', or a list of at least one"
                .to_owned(),
        ),
        (
            &["redis://:p@a", "redis+cluster://:q@b"],
            format!("url 'redis+cluster://:***@b': it is not of the same kind as 'redis://:***@a': {kinds}"),
        ),
        (
            &["redis+cluster://b", "unix:///a"],
            format!("url 'unix:///a': it is not of the same kind as 'redis+cluster://b': {kinds}"),
        ),
        (
            &["redis+sentinel://a/m", "redis+sentinel://b/m"],
            "url 'redis+sentinel://b/m': all sentinels belong in one URL: \
             'redis+sentinel://host:26379,host:26379/service/0'"
                .to_owned(),
        ),
        (
            &["redis://a/1", "redis://b"],
            "url 'redis://b': a replica must have the database of its primary 'redis://a/1'".to_owned(),
        ),
        (
            &["redis+cluster://:p@a", "redis+cluster://:q@b"],
            "url 'redis+cluster://:***@b': the URLs of one cluster must agree in all but the hosts, and \
             'redis+cluster://:***@a' has another scheme, user, password or option"
                .to_owned(),
        ),
        (
            &["redis+cluster://a", "rediss+cluster://b"],
            "url 'rediss+cluster://b': the URLs of one cluster must agree in all but the hosts, and \
             'redis+cluster://a' has another scheme, user, password or option"
                .to_owned(),
        ),
    ];
    for (urls, expected) in table {
        assert_eq!(expected, parsed(urls));
    }
}

#[test]
fn options_of_tls_that_mean_nothing_are_refused() {
    let given = TlsOptions {
        check_hostname: false,
        ..TlsOptions::default()
    };
    assert_eq!(
        "url 'redis://h': the options ssl_... take effect with TLS only: write 'rediss' for 'redis', or leave them \
         out",
        parsed_with(&["redis://h"], &given)
    );
    assert_eq!(
        "ssl_cert_reqs must be 'required' or 'optional' or 'none', not 'CERT_NONE'",
        CertReqs::named("CERT_NONE").unwrap_err().to_string()
    );
}

#[test]
fn raw_signs_in_a_password_are_refused_and_not_taken_for_parts_of_the_url() {
    for url in [
        "redis://:6/w@h/0",
        "redis://:6?w@h",
        "redis://:6#w@h",
        "redis+sentinel://:6/w@h",
        "redis+sentinel://:6/w@h/m",
        "redis+cluster://u:a@b,u:c@d",
        "unix://:6/w@/run/r.sock",
        "redis://:%FF@h",
    ] {
        let error = parse(&[url], &TlsOptions::default());
        assert!(error.is_err(), "{url}: {error:?}");
    }
}
