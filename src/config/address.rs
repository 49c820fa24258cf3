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
    let host = host(&url);
    if let Some(address) = ip(&host) {
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

/// The host of an address, as names are compared.
pub(crate) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase()
}

/// The IP address that a host is written as, if it is.
pub(crate) fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
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
        // Taken for a path, it would make a folder that is called like the password.
        None if is_address(text) => {
            return Err(Problem::new("looks like an address, and one begins with `postgres://`")
                .hint("if it is the path of a file, write `sqlite:` before it"));
        }
        None => text,
    };
    if path.is_empty() || path.ends_with('/') || path.contains('?') || path.contains(":memory:") {
        return Err(Problem::new("must name a file on disk, without options, when it is SQLite"));
    }
    super::value::path(path)?;
    Ok(format!("sqlite:{path}"))
}

/// Whether a text that names no kind of database is an address that is mistyped or half of one: its beginning is one's, or
/// a login and a password stand before an `@`.
fn is_address(text: &str) -> bool {
    let rest = ["postgresql", "postgres"].iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| rest.starts_with(':') || rest.starts_with("//"))
        || text.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
}

fn postgres(rest: &str) -> Read<String> {
    let encode = "in a login or password write `@` as %40, `:` as %3A, `/` as %2F, `?` as %3F, `#` as %23";
    let problem = |text: String| Problem::new(text).hint(encode);
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, tail) = rest.split_at(authority);
    // libpq takes a login without a host, for a socket that the options name; the driver takes that login as options.
    let (login, place) = match place.strip_suffix('@') {
        Some(login) => (Some(login), ""),
        None => (None, place),
    };
    let mut url = Url::parse(&format!("postgres://{place}{tail}"))
        .map_err(|error| problem(format!("must be an address ({error})")))?;
    // asyncpg's `ssl=` is everybody else's `sslmode=`.
    let given = url.query_pairs().map(|(name, value)| {
        (if name == "ssl" { "sslmode".to_owned() } else { name.into_owned() }, value.into_owned())
    });
    let mut pairs: Vec<(String, String)> = given.collect();
    // An unescaped password would be cut here, and its rest would pass for a database name that may be shown. Behind the
    // name of an option a `@` is a value's.
    let path = tail.split('?').next().unwrap_or_default();
    let is_clean =
        !path.contains('@') && (!tail.contains('@') || pairs.iter().all(|(name, _)| is_option(name)));
    if url.fragment().is_some() || !is_clean {
        return Err(problem("must not hold a `#`, nor a `@` after the host".to_owned()));
    }
    if let Some(login) = login {
        let (user, password) =
            login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let named = [("user", Some(user)), ("password", password)];
        for (name, value) in named {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                pairs.push((name.to_owned(), decoded(value)));
            }
        }
    }
    if pairs.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Ok(url.into())
}

/// A part of an address without its percent signs. Among options, unlike elsewhere, `+` is a space.
fn decoded(part: &str) -> String {
    let Ok(url) = Url::parse(&format!("postgres:///?part={}", part.replace('+', "%2B"))) else {
        return part.to_owned();
    };
    url.query_pairs().next().map_or_else(|| part.to_owned(), |(_, value)| value.into_owned())
}

/// The address without the options that the driver does not know and would tell of with their values, and the names of
/// those. A name that cannot be one is not told.
pub(crate) fn known_options(url: &str) -> (String, Vec<String>) {
    let Ok(mut known) = Url::parse(url) else { return (url.to_owned(), Vec::new()) };
    let (kept, strange): (Vec<_>, Vec<_>) =
        known.query_pairs().into_owned().partition(|(name, _)| is_option(name));
    if strange.is_empty() {
        return (url.to_owned(), Vec::new());
    }
    known.set_query(None);
    if !kept.is_empty() {
        known.query_pairs_mut().extend_pairs(kept);
    }
    let is_name = |name: &String| {
        name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let names =
        strange.into_iter().map(|(name, _)| if is_name(&name) { name } else { super::HIDDEN.to_owned() });
    (known.into(), names.collect())
}

/// Whether the driver knows an option of an address.
fn is_option(name: &str) -> bool {
    const OPTIONS: [&str; 18] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ];
    OPTIONS.contains(&name) || name.starts_with("options[")
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

/// The passwords in the address of a database, as they are written there: before the host, and among the options.
pub(super) fn passwords(text: &str) -> Vec<String> {
    let Ok(url) = Url::parse(text) else { return Vec::new() };
    let options = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let of_options =
        options.filter(|(name, _)| *name == "password").map(|(_, value)| value.replace('+', "%20"));
    url.password().map(str::to_owned).into_iter().chain(of_options).collect()
}

/// A database's address for people: login, host, port and name; no password, no other options.
pub(super) fn shown_database(text: &str) -> String {
    let Some(rest) = text.strip_prefix("postgres://") else { return text.to_owned() };
    let Ok(url) = Url::parse(&format!("postgres://{rest}")) else { return super::HIDDEN.to_owned() };
    let user = option(&url, "user").unwrap_or_else(|| url.username().to_owned());
    let login = match (user.as_str(), has_password(text)) {
        ("", _) => String::new(),
        (user, true) => format!("{user}:{}@", super::HIDDEN),
        (user, false) => format!("{user}@"),
    };
    format!("postgres://{login}{}", server_and_name(&url))
}

/// Where a database is: host, port and name. Options come before what stands elsewhere in the address.
pub(crate) fn server_and_name(url: &Url) -> String {
    let port = option(url, "port").or_else(|| url.port().map(|port| port.to_string()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = option(url, "host").or_else(|| option(url, "hostaddr"));
    let host = host.unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
    let name = option(url, "dbname").map_or_else(|| url.path().to_owned(), |name| format!("/{name}"));
    format!("{host}{port}{name}")
}

fn option(url: &Url, wanted: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
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
            // libpq's forms of a socket's address, with a login and without a host.
            (
                "postgresql://u@/d?host=/run/postgresql&port=5433",
                "postgres:///d?host=%2Frun%2Fpostgresql&port=5433&user=u",
            ),
            ("postgresql://u:p%40q%26r@/d", "postgres:///d?user=u&password=p%40q%26r"),
            ("postgresql://%2Frun%2Fpostgresql/d", "postgres://%2Frun%2Fpostgresql/d"),
            ("postgresql://u@%2Frun%2Fpostgresql:5433/d", "postgres://u@%2Frun%2Fpostgresql:5433/d"),
            ("postgresql:///?host=/run&dbname=d", "postgres:///?host=%2Frun&dbname=d"),
            ("postgresql://[::1]:5433/d", "postgres://[::1]:5433/d"),
            ("postgres://h/d?application_name=me@here", "postgres://h/d?application_name=me%40here"),
            ("sqlite:///srv/a b.db", "sqlite:/srv/a b.db"),
            ("sqlite:mirror.db", "sqlite:mirror.db"),
            ("./mirror.db", "sqlite:./mirror.db"),
            ("postgres/mirror@home.db", "sqlite:postgres/mirror@home.db"),
            ("sqlite:/srv/a:b@c.db", "sqlite:/srv/a:b@c.db"),
        ] {
            assert_eq!(database(text).unwrap(), expected);
        }
        for text in [
            "mysql://h/d",
            "sqlite:",
            "sqlite::memory:",
            "host=h password=p",
            "u:p@h/d",
            "postgres:u:p@h/d",
            "postgres:/u@h/d",
            "postgresql//u:p@h/d",
            "postgres://u:1/b@h/d",
            "postgres://u:p#q@h/d",
            "postgres://u:1?p@h/d",
            "postgres://u:1/a?b=c@h/d",
            "a.db?mode=ro",
            "~/a.db",
            "/srv/",
        ] {
            assert!(database(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_option_that_the_driver_does_not_know_is_named_without_its_value() {
        let of = |text: &str| known_options(text);
        let address = "postgres://u@h/d?host=%2Frun&options=-c+a%3Db";
        assert_eq!(of(address), (address.to_owned(), vec![]));
        let (url, names) = of("postgres://h/d?passwrd=canary&sslmode=require&Canary%20=1");
        assert_eq!(url, "postgres://h/d?sslmode=require");
        assert_eq!(names, ["passwrd", "<hidden>"]);
        assert_eq!(of("postgres://h/d?sslpassword=canary").0, "postgres://h/d");
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
        let socket = database("postgres://u:p%2Fq@/d?host=/run").unwrap();
        assert_eq!(shown_database(&socket), "postgres://u:<hidden>@/run/d");
        assert_eq!(passwords(&socket), ["p%2Fq"]);
        assert_eq!(passwords("postgres://u:a@h/d?password=b"), ["a", "b"]);
    }
}
