//! Which requests go through a proxy: one rule for all upstreams.
//!
//! The proxy is the one that `HTTPS_PROXY` names, else `ALL_PROXY`, in either case of letters. Only requests over https go
//! through it, in a tunnel that it cannot look into. What is sent over plain http holds secrets that a proxy would read,
//! and is meant for a private network; what is meant for this machine never leaves it; and `NO_PROXY` names hosts that are
//! reached without it.

use crate::{
    config::address::{host, ip},
    error::{Failure, Kind, Result},
    redact,
};
use reqwest::Url;
use std::net::IpAddr;

/// The environment names of the proxy, the first that is set counts.
const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Those of the hosts that are reached without it.
const EXEMPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Where it is, with the login for it if it wants one.
    pub(super) address: Url,
    /// Where the address was found.
    name: &'static str,
}

/// The proxy on the way to `base`; none where the way is straight.
pub(super) fn on_the_way_to(base: &str) -> Result<Option<Proxy>> {
    choose(base, |name| std::env::var(name).ok())
}

/// What a message calls the other end of the connection to `base`: host and port, and the proxy before it.
pub(super) fn way_to(base: &str) -> String {
    let place = |url: &Url| match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => "no host".to_owned(),
    };
    let there = Url::parse(base).map_or_else(|_| "no host".to_owned(), |url| place(&url));
    match on_the_way_to(base) {
        Ok(Some(Proxy { address, name })) => {
            format!("{there} through the proxy {} of {name}", place(&address))
        }
        Ok(None) | Err(_) => there,
    }
}

fn choose(base: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>> {
    let Ok(url) = Url::parse(base) else { return Ok(None) };
    let host = host(&url);
    if url.scheme() != "https" || is_loopback(&host) {
        return Ok(None);
    }
    let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let Some((name, text)) = NAMES.into_iter().find_map(|name| Some((name, set(name)?))) else {
        return Ok(None);
    };
    let exempt = EXEMPT.into_iter().find_map(set).unwrap_or_default();
    if exempt.split([',', ' ']).any(|entry| is_meant(entry.trim(), &host, url.port_or_known_default())) {
        return Ok(None);
    }
    Ok(Some(Proxy { address: address_of(name, &text)?, name }))
}

/// The address of a proxy as it is written in such a variable: its scheme may be missing.
fn address_of(name: &str, text: &str) -> Result<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty())) else {
        // What is wrong may be a password with characters that an address cannot hold.
        return Err(Failure::new(Kind::Usage, format!("{name} is not the address of an HTTP proxy")).hint(
            "it looks like http://proxy.example:3128; in a login or password write `@` as %40, `/` as %2F",
        ));
    };
    if let Some(password) = url.password() {
        redact::remember(password);
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || ip(host).is_some_and(|address| address.is_loopback())
}

/// Whether an entry of `NO_PROXY` means this host: `*`, a domain with all that is below it, an address, a network
/// (`10.0.0.0/8`), a name or an address also with a port.
fn is_meant(entry: &str, host: &str, port: Option<u16>) -> bool {
    let entry = entry.to_ascii_lowercase();
    if entry.is_empty() || entry == "*" {
        return !entry.is_empty();
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network = ip(network).zip(bits.parse().ok()).zip(ip(host));
        return network.is_some_and(|((network, bits), address)| is_within(address, network, bits));
    }
    let bare = ip(&entry).is_none().then(|| entry.rsplit_once(':')).flatten();
    let (name, wanted) = match bare.and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?))) {
        Some((name, port)) => (name, Some(port)),
        None => (entry.as_str(), None),
    };
    if wanted.is_some() && wanted != port {
        return false;
    }
    if let (Some(named), Some(address)) = (ip(name), ip(host)) {
        return named == address;
    }
    let domain = name.trim_start_matches('*').trim_start_matches('.');
    let below = host.strip_suffix(domain);
    !domain.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether the first `bits` bits of both addresses are the same.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (one, other, length) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one).into(), u32::from(other).into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other), 128),
        _ => return false,
    };
    let differing: u128 = one ^ other;
    bits <= length && differing.checked_shr(length - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy to `base` with these variables set, as host and port.
    fn proxy(base: &str, set: &[(&str, &str)]) -> Option<String> {
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let proxy = choose(base, variable).unwrap()?;
        Some(format!("{} {}", proxy.name, proxy.address))
    }

    #[test]
    fn a_proxy_sees_nothing_that_it_could_read() {
        let all = [
            ("HTTP_PROXY", "http://plain:1"),
            ("HTTPS_PROXY", "http://tunnel:3128"),
            ("ALL_PROXY", "http://all:2"),
        ];
        let tunnel = || Some("HTTPS_PROXY http://tunnel:3128/".to_owned());
        for (base, expected) in [
            ("https://sheets.googleapis.com", tunnel()),
            ("https://api.telegram.org/bot", tunnel()),
            ("https://10.0.0.1:8443/resto", tunnel()),
            ("http://iiko.lan:8080/resto", None),
            ("http://10.0.0.1/resto", None),
            ("http://example.org", None),
            ("http://127.0.0.1:9", None),
            ("https://127.0.0.1:9", None),
            ("https://127.3.2.1", None),
            ("https://[::1]:9/", None),
            ("https://localhost", None),
            ("https://LOCALHOST.", None),
        ] {
            assert_eq!(proxy(base, &all), expected, "{base}");
        }
        let one = |set: (&str, &str)| proxy("https://a.example", &[set]);
        assert_eq!(one(("ALL_PROXY", "p:2")).as_deref(), Some("ALL_PROXY http://p:2/"));
        assert_eq!(one(("https_proxy", "https://p")).as_deref(), Some("https_proxy https://p/"));
        assert_eq!(one(("HTTP_PROXY", "http://p")), None, "it is for plain http");
        assert_eq!(one(("HTTPS_PROXY", " ")), None);
    }

    #[test]
    fn exempt_hosts_are_reached_straight() {
        for (exempt, base, is_straight) in [
            ("*", "https://a.example", true),
            ("a.example", "https://a.example", true),
            ("a.example", "https://b.a.example:8443", true),
            (".a.example", "https://a.example", true),
            ("*.a.example", "https://b.a.example", true),
            ("A.Example", "https://a.example", true),
            ("a.example:443", "https://a.example", true),
            ("a.example:8443", "https://a.example", false),
            ("a.example", "https://ba.example", false),
            ("x, 10.0.0.0/8 ,y", "https://10.200.3.4", true),
            ("10.0.0.0/8", "https://11.0.0.1", false),
            ("10.0.0.0/33", "https://10.0.0.1", false),
            ("0.0.0.0/0", "https://11.0.0.1", true),
            ("10.0.0.7", "https://10.0.0.7:444", true),
            ("10.0.0.7:444", "https://10.0.0.7", false),
            ("fd00::/8", "https://[fd00::1]", true),
            ("fd00::1", "https://[fd00::1]", true),
            ("fd00::2", "https://[fd00::1]", false),
            ("", "https://a.example", false),
        ] {
            let found = proxy(base, &[("HTTPS_PROXY", "p:1"), ("NO_PROXY", exempt)]);
            assert_eq!(found.is_none(), is_straight, "{exempt} {base}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_shown() {
        for text in ["socks5://p:1080", "http://", "http://u:c4n4ry/x@p:1:2", "http://p:99999"] {
            let failure = choose("https://a.example", |_| Some(text.to_owned())).map(drop);
            // Here `NO_PROXY` has the same text, which means no host.
            let failure = failure.unwrap_err().to_string();
            assert!(failure.contains("HTTPS_PROXY is not") && !failure.contains("c4n4ry"), "{failure}");
        }
    }
}
