//! Addresses of upstreams and databases: one spelling each, and no secrets in them where they do not belong.

use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;

use super::value::{Problem, Read};

fn base_url(text: &str) -> Read<Url> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("https://") && !lower.starts_with("http://") {
        return Err(Problem::new("must begin with `https://`")
            .hint("such as `https://chain.iiko.it:443` or `https://api.fintablo.ru`"));
    }
    let url = Url::parse(text).map_err(|error| Problem::new(format!("must be an address ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new("must not hold a login or password").hint(
            "iiko's go into IIKO_LOGIN and IIKO_PASSWORD, a token into FINTABLO_TOKEN or TELEGRAM_BOT_TOKEN",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Problem::new("must end before any `?` or `#`"));
    }
    Ok(url)
}

/// The address of an API root, without a slash at its end.
pub(super) fn api_base(text: &str) -> Read<String> {
    Ok(base_url(text)?.as_str().trim_end_matches('/').to_owned())
}

/// The address of a heartbeat, without a slash at its end. It opens the check, so it travels unencrypted only where a
/// private network's own monitoring is.
pub(super) fn heartbeat(text: &str) -> Read<String> {
    let url = api_base(&text.replace(super::JOB_PLACE, "job"))?;
    if reach(&url) == Reach::Public {
        return Err(Problem::new("must begin with `https://`")
            .hint("plain http is possible only to this machine or a private network"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The address of an iiko server, ending in `/resto`, however much of that was given.
pub(super) fn iiko_base(text: &str) -> Read<String> {
    let whole = api_base(text)?;
    let root = whole.strip_suffix("/api").filter(|root| root.ends_with("/resto")).unwrap_or(&whole);
    let root = root.strip_suffix("/resto").unwrap_or(root).trim_end_matches('/');
    Ok(format!("{root}/resto"))
}

/// How far a plain-HTTP address lets a password travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Encrypted, whatever the host.
    Https,
    /// Does not leave this machine.
    Loopback,
    /// Stays in a private network: its addresses, single-label names, names that no public DNS serves.
    Private,
    /// Anywhere.
    Public,
}

/// The reach of an address that [`api_base`] or [`iiko_base`] accepted.
pub(super) fn reach(base: &str) -> Reach {
    let Ok(url) = Url::parse(base) else { return Reach::Public };
    if url.scheme() == "https" {
        return Reach::Https;
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address_reach(address);
    }
    let private = [".local", ".lan", ".internal", ".home.arpa"];
    if host == "localhost" {
        Reach::Loopback
    } else if !host.contains('.') || private.iter().any(|end| host.ends_with(end)) {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// Whether nobody on the way can read what is sent to that address.
pub(crate) fn is_confidential(text: &str) -> bool {
    api_base(text).is_ok_and(|base| matches!(reach(&base), Reach::Https | Reach::Loopback))
}

fn address_reach(address: IpAddr) -> Reach {
    let private = match address {
        _ if address.is_loopback() => return Reach::Loopback,
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // 100.64.0.0/10 is what carriers and overlay networks hand out.
            address.is_private() || address.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => is_private_v6(address),
    };
    if private { Reach::Private } else { Reach::Public }
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let mapped = address.to_ipv4_mapped().is_some_and(|address| address.is_private());
    address.is_unique_local() || address.is_unicast_link_local() || mapped
}

const POSTGRES: [&str; 3] = ["postgres://", "postgresql://", "postgresql+asyncpg://"];

/// The one spelling of a database: `postgres://…` or `sqlite:PATH`.
pub(super) fn database(text: &str) -> Read<String> {
    if let Some(rest) = POSTGRES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
        return postgres(rest);
    }
    let path = match text.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None if text.contains("://") => {
            return Err(Problem::new("must be `postgres://…`, `sqlite:PATH` or the path of a file")
                .hint("other databases are not supported"));
        }
        None if text.contains('=') && (text.contains(' ') || text.starts_with("host=")) => {
            return Err(Problem::new("must be a `postgres://…` address, not a list of `name=value`"));
        }
        None => text,
    };
    if path.is_empty() || path.ends_with('/') || path.contains('?') || path.contains(":memory:") {
        return Err(Problem::new("must name a file on disk, without options, when it is SQLite"));
    }
    super::value::path(path)?;
    Ok(format!("sqlite:{path}"))
}

fn postgres(rest: &str) -> Read<String> {
    let encode = "in a login or password write `@` as %40, `:` as %3A, `/` as %2F, `?` as %3F, `#` as %23";
    let mut url = Url::parse(&format!("postgres://{rest}"))
        .map_err(|error| Problem::new(format!("must be an address ({error})")).hint(encode))?;
    // An unescaped password would be cut here, and its rest would pass for a database name that may be shown.
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if url.fragment().is_some() || rest[authority..].contains('@') {
        return Err(Problem::new("must not hold a `#`, nor a `@` after the host").hint(encode));
    }
    // asyncpg's `ssl=` is everybody else's `sslmode=`.
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| (if name == "ssl" { "sslmode".to_owned() } else { name.into() }, value.into()))
        .collect();
    if pairs.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Ok(url.into())
}

/// Whether the address of a database holds a password. In doubt it does.
pub(super) fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
        return text.to_ascii_lowercase().contains("password=");
    };
    // The last `@` counts, and every `/` before it: an unescaped password may hold both.
    let login = rest.rsplit_once('@').map_or("", |(login, _)| login);
    login.contains(':') || rest.to_ascii_lowercase().contains("password=")
}

/// The password in the address of a database, as it is written there.
pub(super) fn password(text: &str) -> Option<String> {
    Url::parse(text).ok()?.password().map(str::to_owned)
}

/// A database's address for people: login, host, port and name; no password, no options.
pub(super) fn shown_database(text: &str) -> String {
    let Some(rest) = text.strip_prefix("postgres://") else { return text.to_owned() };
    let Ok(url) = Url::parse(&format!("postgres://{rest}")) else { return super::HIDDEN.to_owned() };
    let login = match (url.username(), has_password(text)) {
        ("", _) => String::new(),
        (user, true) => format!("{user}:{}@", super::HIDDEN),
        (user, false) => format!("{user}@"),
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("postgres://{login}{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iiko_address_has_one_spelling() {
        for text in [
            "https://a.ru",
            "https://a.ru/",
            "https://A.ru/resto",
            "https://a.ru/resto/",
            "https://a.ru:443/resto/api/",
        ] {
            assert_eq!(iiko_base(text).unwrap(), "https://a.ru/resto", "{text}");
        }
        assert_eq!(iiko_base("https://a.ru:8443/co/resto").unwrap(), "https://a.ru:8443/co/resto");
        for text in [
            "a.ru",
            "ftp://a.ru",
            "https://u@a.ru",
            "https://u:p@a.ru",
            "https://a.ru/?key=1",
            "https://a.ru#x",
            "https://",
        ] {
            assert!(iiko_base(text).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_http_reaches_as_far_as_its_host() {
        for host in ["127.0.0.1", "127.9.9.9:81", "[::1]", "localhost", "LOCALHOST:8080", "0x7f000001"] {
            assert_eq!(reach(&api_base(&format!("http://{host}")).unwrap()), Reach::Loopback, "{host}");
        }
        for host in ["10.1.2.3", "192.168.0.9", "172.16.0.1", "100.64.0.1", "[fd00::1]", "iiko", "iiko.local"]
        {
            assert_eq!(reach(&format!("http://{host}")), Reach::Private, "{host}");
        }
        for host in
            ["8.8.8.8", "172.32.0.1", "localhost.evil.ru", "127.0.0.1.evil.ru", "iiko.ru", "[2001:db8::1]"]
        {
            assert_eq!(reach(&format!("http://{host}")), Reach::Public, "{host}");
        }
        assert_eq!(reach("https://iiko.ru"), Reach::Https);
    }

    #[test]
    fn a_database_has_one_spelling() {
        for (text, expected) in [
            ("postgresql+asyncpg://u:p@h:5433/d?ssl=require", "postgres://u:p@h:5433/d?sslmode=require"),
            ("postgresql://h/d", "postgres://h/d"),
            ("postgres:///d?host=/run/postgresql", "postgres:///d?host=%2Frun%2Fpostgresql"),
            ("sqlite:///srv/a b.db", "sqlite:/srv/a b.db"),
            ("sqlite:mirror.db", "sqlite:mirror.db"),
            ("./mirror.db", "sqlite:./mirror.db"),
        ] {
            assert_eq!(database(text).unwrap(), expected);
        }
        for text in [
            "mysql://h/d",
            "sqlite:",
            "sqlite::memory:",
            "host=h password=p",
            "postgres://u:1/b@h/d",
            "postgres://u:p#q@h/d",
            "a.db?mode=ro",
            "~/a.db",
            "/srv/",
        ] {
            assert!(database(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_seen_wherever_it_hides() {
        for text in [
            "postgres://u:p@h/d",
            "postgres://h/d?Password=p",
            "postgresql+asyncpg://u:a/b@c@h/d",
            "host=h password=p",
        ] {
            assert!(has_password(text), "{text}");
        }
        for text in ["postgres://u@h:5432/d", "postgres://h:5432/d", "sqlite:/a:b@c.db", "/srv/a.db"] {
            assert!(!has_password(text), "{text}");
        }
        assert_eq!(shown_database("postgres://u:p@h:1/d?password=x"), "postgres://u:<hidden>@h:1/d");
    }
}
