//! What URLs of Redis servers say. Where redis-py 8.1 accepts a URL, the table has what its `parse_url` makes of it,
//! but for those listed as refused.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use quickcache::redis::config::{
    Address, CertReqs, Endpoint, Login, TlsOptions, Topology, parse, shown,
};

/// An endpoint in one line: `user:password@address/db`, then what else it has.
fn written(endpoint: &Endpoint) -> String {
    let Login { username, password } = &endpoint.login;
    let mut line = match (username, password) {
        (None, None) => String::new(),
        (username, password) => format!(
            "{}:{}@",
            username.as_deref().unwrap_or_default(),
            password.as_deref().unwrap_or_default()
        ),
    };
    line += &format!("{}/{}", endpoint.address, endpoint.db);
    if let Some(tls) = &endpoint.tls {
        line += " tls";
        for (name, path) in [
            ("ca", &tls.ca_certs),
            ("cert", &tls.certfile),
            ("key", &tls.keyfile),
        ] {
            if let Some(path) = path {
                line += &format!(" {name}={}", path.display());
            }
        }
        line += if tls.check_hostname { "" } else { " any-host" };
        line += match tls.cert_reqs {
            CertReqs::Required => "",
            CertReqs::None => " any-certificate",
        };
    }
    if let Some(name) = &endpoint.client_name {
        line += &format!(" name={name}");
    }
    line
}

fn all_written(endpoints: &[Endpoint]) -> String {
    let lines: Vec<_> = endpoints.iter().map(written).collect();
    lines.join(", ")
}

fn parsed_with(urls: &[&str], tls: &TlsOptions) -> String {
    match parse(urls, tls) {
        Ok(Topology::Single(endpoint)) => written(&endpoint),
        Ok(Topology::Replicated { primary, replicas }) => {
            format!("{} <- {}", written(&primary), all_written(&replicas))
        }
        Ok(Topology::Sentinel {
            sentinels,
            service,
            server,
        }) => format!(
            "{service} {} by {}",
            written(&server),
            all_written(&sentinels)
        ),
        Ok(Topology::Cluster { seeds }) => format!("cluster {}", all_written(&seeds)),
        Err(error) => error.to_string(),
    }
}

fn parsed(urls: &[&str]) -> String {
    parsed_with(urls, &TlsOptions::default())
}

fn check(table: &[(&str, &str)]) {
    for (url, expected) in table {
        assert_eq!(*expected, parsed(&[url]), "{url}");
    }
}

#[test]
fn a_server_is_named_as_redis_py_and_django_do() {
    check(&[
        ("redis://localhost", "localhost:6379/0"),
        ("redis://", "localhost:6379/0"),
        ("redis://:6380", "localhost:6380/0"),
        ("redis://:6380/2", "localhost:6380/2"),
        ("redis://Example.COM:6380/3", "example.com:6380/3"),
        ("redis://h:/1", "h:6379/1"),
        ("redis://h//1/", "h:6379/1"),
        (" redis://h/1\n", "h:6379/1"),
        ("redis://h?db=4", "h:6379/4"),
        ("redis://h/1?db=4", "h:6379/4"),
        ("redis://h/1?db=", "h:6379/1"),
        ("redis://h?db=2&db=3", "h:6379/2"),
        ("redis://h?client_name=worker-1", "h:6379/0 name=worker-1"),
        ("redis://[::1]", "[::1]:6379/0"),
        ("redis://[2001:DB8::1]:7000/1", "[2001:db8::1]:7000/1"),
        ("redis://[fe80::1%25eth0]:7000", "[fe80::1%eth0]:7000/0"),
        ("rediss://h", "h:6379/0 tls"),
    ]);
}

#[test]
fn users_and_passwords_stand_before_the_host_or_are_options() {
    check(&[
        ("redis://user:pass@h:1/2", "user:pass@h:1/2"),
        ("redis://:pass@h", ":pass@h:6379/0"),
        ("redis://user@h", "user:@h:6379/0"),
        ("redis://user:@h", "user:@h:6379/0"),
        ("redis://us%40er:p%3Aa%2Fs%C3%A9@h", "us@er:p:a/sé@h:6379/0"),
        ("redis://user:p:a@s@h", "user:p:a@s@h:6379/0"),
        ("redis://user:p+w%zz@h", "user:p+w%zz@h:6379/0"),
        (
            "redis://h?username=u&password=p%20q+r%2B",
            "u:p q r+@h:6379/0",
        ),
        ("redis://a:b@h?username=u&password=p", "a:b@h:6379/0"),
        ("redis://:b@h?username=u", "u:b@h:6379/0"),
        ("redis://:b,c;d@h", ":b,c;d@h:6379/0"),
        ("redis://user:p@:6380", "user:p@localhost:6380/0"),
    ]);
}

#[test]
fn a_socket_is_named_by_its_path() {
    check(&[
        ("unix:///run/redis.sock", "/run/redis.sock/0"),
        (
            "unix:///run/redis.sock?db=2&password=p&username=u",
            "u:p@/run/redis.sock/2",
        ),
        (
            "unix://user:p%2Fw@/run/redis%20x.sock?db=1",
            "user:p/w@/run/redis x.sock/1",
        ),
        ("unix://user@/run/r.sock", "user:@/run/r.sock/0"),
        ("unix:///run/r.sock/1", "/run/r.sock/1/0"),
    ]);
    let Ok(Topology::Single(endpoint)) = parse(&["unix:///run/r.sock"], &TlsOptions::default())
    else {
        panic!("one server");
    };
    assert_eq!(
        Address::Unix(PathBuf::from("/run/r.sock")),
        endpoint.address
    );
}

#[test]
fn options_of_tls_in_the_url_come_before_those_given_beside_it() {
    check(&[
        (
            "rediss://h?ssl_ca_certs=%2Fca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            "h:6379/0 tls ca=/ca.pem cert=/c.pem key=/k.pem",
        ),
        (
            "rediss://h?ssl_check_hostname=No&ssl_cert_reqs=optional",
            "h:6379/0 tls any-host",
        ),
        (
            "rediss://h?ssl_check_hostname=1&ssl_cert_reqs=required",
            "h:6379/0 tls",
        ),
        (
            "rediss://h?ssl_cert_reqs=none",
            "h:6379/0 tls any-certificate",
        ),
    ]);
    let given = TlsOptions {
        ca_certs: Some("/ca.pem".into()),
        check_hostname: false,
        cert_reqs: CertReqs::None,
        ..TlsOptions::default()
    };
    let urls = [
        "rediss://h",
        "redis://h",
        "rediss://h?ssl_ca_certs=/other.pem&ssl_check_hostname=true&ssl_cert_reqs=required",
    ];
    assert_eq!(
        "h:6379/0 tls ca=/ca.pem any-host any-certificate <- h:6379/0, h:6379/0 tls ca=/other.pem",
        parsed_with(&urls, &given)
    );
}

#[test]
fn options_about_connections_of_redis_py_are_passed_over() {
    let url = "redis://h?socket_timeout=1&protocol=3&health_check_interval=5&retry_on_timeout=yes\
               &decode_responses=True&max_connections=5&socket_keepalive=1&socket_connect_timeout=2";
    assert_eq!("h:6379/0", parsed(&[url]));
}

#[test]
fn several_servers_are_a_primary_and_its_replicas() {
    let expected = ":p@a:1/1 <- b:6379/1, /run/r.sock/1";
    let socket = "unix:///run/r.sock?db=1";
    assert_eq!(
        expected,
        parsed(&["redis://:p@a:1/1", "redis://b/1", socket])
    );
    let in_django = ["redis://:p@a:1/1, redis://b/1;unix:///run/r.sock?db=1"];
    assert_eq!(expected, parsed(&in_django));
}

#[test]
fn sentinels_have_logins_of_their_own() {
    check(&[
        ("redis+sentinel://h/mymaster", "mymaster :0/0 by h:26379/0"),
        (
            "redis+sentinel:///mymaster",
            "mymaster :0/0 by localhost:26379/0",
        ),
        (
            "redis+sentinel://u:p@a,b:5,[::1]:6/my%20master/2?sentinel_username=su&sentinel_password=s%40p",
            "my master u:p@:0/2 by su:s@p@a:26379/0, su:s@p@b:5/0, su:s@p@[::1]:6/0",
        ),
        (
            "rediss+sentinel://a/m?db=3&client_name=c&ssl_check_hostname=0&password=p",
            "m :p@:0/3 tls any-host name=c by a:26379/0 tls any-host name=c",
        ),
    ]);
}

#[test]
fn urls_of_a_cluster_are_joined() {
    let one = "cluster u:p@a:6379/0, u:p@b:2/0, u:p@c:3/0";
    assert_eq!(one, parsed(&["redis+cluster://u:p@a,b:2,c:3/0"]));
    let urls = ["redis+cluster://u:p@a,b:2", "redis+cluster://u:p@b:2,c:3"];
    assert_eq!(one, parsed(&urls));
    assert_eq!("cluster a:6379/0 tls", parsed(&["rediss+cluster://a?db=0"]));
}

const ENCODE: &str = "in a user or password, percent-encode '@', ':', '/', '?', '#', '&' and '%', such as '%40' \
                      for '@'";

/// What is wrong with it, of a URL that is shown as it was given.
fn refused(url: &str) -> String {
    let text = parsed(&[url]);
    let start = format!("url '{url}': ");
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
fn options_of_tls_are_not_given_for_nothing() {
    let given = TlsOptions {
        check_hostname: false,
        ..TlsOptions::default()
    };
    assert_eq!(
        "url 'redis://h': the options ssl_... take effect with TLS only: write 'rediss' for 'redis', or leave them \
         out",
        parsed_with(&["redis://h"], &given)
    );
}

#[test]
fn a_url_is_shown_without_its_passwords() {
    for (url, expected) in [
        ("redis://h:1/2?db=3", "redis://h:1/2?db=3"),
        ("redis://user:pass@h/1", "redis://user:***@h/1"),
        ("redis://:pass@h", "redis://:***@h"),
        ("redis://pass@h", "redis://***@h"),
        ("redis://pass:@h", "redis://***@h"),
        ("redis://:pa/ss@h", "redis://:***@h"),
        ("redis://:pa?ss@h", "redis://***"),
        ("redis://:pa#ss@h", "redis://***"),
        (
            "rediss://h?password=p&ssl_ca_certs=/ca.pem",
            "rediss://h?password=***&ssl_ca_certs=/ca.pem",
        ),
        ("redis://h?db=1;password=p", "redis://h?db=***"),
        ("redis://h?pass", "redis://h?***"),
        ("redis://h?db=1#pass", "redis://h?db=1#***"),
        ("http://user:pass@h", "http://user:***@h"),
        ("user:pass@h", "user:***@h"),
        ("redis:user:pass@h", "redis:***@h"),
        ("redis://:p@a;redis://:q@b", "redis://:***@a,redis://:***@b"),
    ] {
        assert_eq!(expected, shown(url), "{url}");
    }
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

/// All that is ever shown of these URLs.
fn all_texts(urls: &[&str]) -> Vec<String> {
    let mut texts: Vec<_> = urls.iter().map(|url| shown(url)).collect();
    match parse(urls, &TlsOptions::default()) {
        Ok(topology) => texts.push(format!("{topology:?} {topology:#?}")),
        Err(error) => texts.extend([format!("{error:?}"), error.to_string()]),
    }
    texts
}

/// URLs with a secret in each place that is meant for one, or that it is put in by mistake.
fn urls_with(secret: &str) -> Vec<String> {
    [
        "redis://:SECRET@h:6379/0",
        "redis://SECRET@h",
        "rediss://user:SECRET@h:port/0",
        "redis://user:SECRET@[::1/0",
        "redis://user:SECRET@h/db?client_name=x",
        "redis://h/0?password=SECRET",
        "redis://h/0?unknown=1&password=SECRET",
        "redis://h?passwrod=SECRET",
        "redis://h?ssl_password=SECRET&db=1",
        "rediss://h?password=SECRET&ssl_cert_reqs=perhaps",
        "unix://user:SECRET@/run/r.sock?db=1",
        "unix://:SECRET@run/r.sock",
        "unix:///run/r.sock?password=SECRET",
        "redis+sentinel://u:SECRET@a,b/m/0?sentinel_password=SECRET",
        "redis+sentinel://u:SECRET@a,b",
        "redis+cluster://u:SECRET@a,b/0",
        "redis+cluster://u:SECRET@a,b/1",
        "redis+cluster://u:SECRET@a,u:SECRET@b",
        "http://user:SECRET@h",
        "user:SECRET@h",
        "redis://:SECRET@a,redis://:SECRET@b/1",
    ]
    .map(|url| url.replace("SECRET", secret))
    .to_vec()
}

proptest! {
    // Without the sign that stands for a password: `p:*` would be found in `p:***`.
    #[test]
    fn no_password_is_ever_shown(tail in "[ -)+-~é]{6,20}", mixed in any::<prop::sample::Index>()) {
        let secret = format!("pW{}", tail.trim());
        let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
        let mut urls = urls_with(&secret);
        urls.extend(urls_with(&encoded));
        for url in &urls {
            let other = &urls[mixed.index(urls.len())];
            for list in [vec![url.as_str()], vec![url, other]] {
                for text in all_texts(&list) {
                    prop_assert!(!text.contains(&secret), "{secret} in {text}");
                    prop_assert!(!text.contains(&encoded), "{encoded} in {text}");
                }
            }
        }
    }

    #[test]
    fn any_user_and_password_percent_encoded_come_out_as_they_were(
        user in "\\PC{1,12}", password in "\\PC{1,12}", port in 1..=u16::MAX, db in 0..=u32::MAX,
    ) {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!("redis://{}:{}@h:{port}/{db}", encoded(&user), encoded(&password));
        let expected = format!("{user}:{password}@h:{port}/{db}");
        prop_assert_eq!(&expected, &parsed(&[&url]));
        let url = format!(
            "redis://h:{port}/?db={db}&username={}&password={}", encoded(&user), encoded(&password)
        );
        prop_assert_eq!(&expected, &parsed(&[&url]));
    }

    #[test]
    fn no_text_is_too_strange_for_an_answer(text in "\\PC{0,40}", scheme in 0..4_usize) {
        let scheme = ["", "redis://", "unix://", "rediss+sentinel://"][scheme];
        let url = format!("{scheme}{text}");
        let _ = shown(&url);
        let _ = parse(&[&url], &TlsOptions::default());
    }
}
