//! What URLs of Redis servers say. Where redis-py 8.1 accepts a URL, the table has what its `parse_url` makes of it,
//! but for those listed as refused.

use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use quickcache::redis::config::{Address, CertReqs, Endpoint, Login, TlsOptions, Topology, parse};

/// An endpoint in one line: `user:password@address/db`, then what else it has.
fn written(endpoint: &Endpoint) -> String {
    let Login { username, password } = &endpoint.login;
    let login = match (username, password) {
        (None, None) => String::new(),
        (username, password) => format!(
            "{}:{}@",
            username.as_deref().unwrap_or_default(),
            password.as_deref().unwrap_or_default()
        ),
    };
    let mut words = vec![format!("{login}{}/{}", endpoint.address, endpoint.db)];
    if let Some(tls) = &endpoint.tls {
        words.push("tls".to_owned());
        let files = [
            ("ca", &tls.ca_certs),
            ("cert", &tls.certfile),
            ("key", &tls.keyfile),
        ];
        words.extend(
            files
                .into_iter()
                .filter_map(|(name, path)| Some(format!("{name}={}", path.as_ref()?.display()))),
        );
        if !tls.check_hostname {
            words.push("any-host".to_owned());
        }
        if tls.cert_reqs == CertReqs::None {
            words.push("any-certificate".to_owned());
        }
    }
    words.extend(
        endpoint
            .client_name
            .iter()
            .map(|name| format!("name={name}")),
    );
    words.join(" ")
}

fn all_written(endpoints: &[Endpoint]) -> String {
    let lines: Vec<_> = endpoints.iter().map(written).collect();
    lines.join(", ")
}

/// What the URLs say, in a line, or the error.
pub(crate) fn parsed_with(urls: &[&str], tls: &TlsOptions) -> String {
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

pub(crate) fn parsed(urls: &[&str]) -> String {
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
    let Ok(Topology::Single(endpoint)) = parse(&["redis://user:p:a@s@h"], &TlsOptions::default())
    else {
        panic!("one server");
    };
    let expected = Login {
        username: Some("user".to_owned()),
        password: Some("p:a@s".to_owned()),
    };
    assert_eq!(expected, endpoint.login);
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

proptest! {
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
}
