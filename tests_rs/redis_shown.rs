//! What is shown of URLs of Redis servers: all but the passwords.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use quickcache::redis::config::{TlsOptions, parse, shown};

#[test]
fn a_url_is_shown_without_its_passwords() {
    for (url, expected) in [
        ("redis://h:1/2?db=3", "redis://h:1/2?db=3"),
        ("redis://user:pass@h/1", "redis://user:***@h/1"),
        ("redis://:pass@h", "redis://:***@h"),
        ("redis://pass@h", "redis://***@h"),
        ("redis://pass:@h", "redis://***@h"),
        ("redis://:pa/ss@h", "redis://:***@h"),
        ("redis://pa/s:s@h", "redis://***@h"),
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
        // The '@' is missing, or encoded.
        ("redis://user:pass%40h/1", "redis://user:***"),
        ("redis://user:pass", "redis://user:***"),
        ("redis://a:1,b:pass/0", "redis://a:***"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://[::1]:pass/0", "redis://[::1]:***"),
        ("redis://:p@a;redis://:q@b", "redis://:***@a,redis://:***@b"),
    ] {
        assert_eq!(expected, shown(url), "{url}");
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
        "redis://user:xSECRET",
        "redis://h:xSECRET/0",
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
    fn no_text_is_too_strange_for_an_answer(text in "\\PC{0,40}", scheme in 0..4_usize) {
        let scheme = ["", "redis://", "unix://", "rediss+sentinel://"][scheme];
        let url = format!("{scheme}{text}");
        let _ = shown(&url);
        let _ = parse(&[&url], &TlsOptions::default());
    }
}
