//! FinTablo under `/v1`: its lists, as its public OpenAPI description has them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::{
    Options, Shared, recorded, render,
    server::{Access, Answer, Upstream, not_played},
    wire::{Reply, Request},
    world::{Page as Shown, Paging, Total},
};

/// FinTablo.
pub(super) struct FinTablo;

/// One of the lists.
pub(super) struct List {
    /// The last part of its path.
    pub(super) name: &'static str,
    /// Its parameters and what they mean.
    parameters: &'static [(&'static str, Filter)],
}

impl List {
    /// Whether it comes in pages.
    fn is_paged(&self) -> bool {
        self.parameters.iter().any(|(_, filter)| matches!(filter, Filter::Page))
    }
}

/// What a parameter does.
#[derive(Clone, Copy)]
enum Filter {
    /// The field of the same name is this number.
    Number,
    /// The field of the same name is this word; the words that exist, if the description lists them.
    Word(&'static [&'static str]),
    /// The field of the same name holds this text.
    Part,
    /// One of an employee's positions has this word in the field of the same name.
    Position,
    /// The field of this name is this date or later.
    From(&'static str),
    /// The field of this name is this date or earlier.
    To(&'static str),
    /// The number of the page.
    Page,
}

use Filter::{From as Since, Number, Page, Part, Position, To as Until, Word};

const FLOWS: &[&str] = &["income", "outcome", "transfer"];
const ACTIVITIES: &[&str] = &["operating", "financial", "investment"];
const MONEYBAGS: &[&str] = &["nal", "bank", "card", "electron", "acquiring"];
const PNL_TYPES: &[&str] = &["income", "costprice", "outcome", "refund"];

/// The lists with their parameters (FinTablo OpenAPI, paths).
pub(super) const LISTS: &[List] = &[
    List {
        name: "category",
        parameters: &[
            ("parentId", Number),
            ("group", Word(FLOWS)),
            ("type", Word(ACTIVITIES)),
            ("pnlType", Word(&[])),
        ],
    },
    List {
        name: "moneybag",
        parameters: &[
            ("type", Word(MONEYBAGS)),
            ("currency", Word(&[])),
            ("groupId", Number),
            ("archived", Number),
            ("hideInTotal", Number),
            ("withoutNds", Number),
        ],
    },
    List {
        name: "partner",
        parameters: &[("name", Part), ("inn", Word(&[])), ("comment", Part), ("groupId", Number)],
    },
    List { name: "direction", parameters: &[("parentId", Number), ("archived", Number)] },
    List { name: "moneybag-group", parameters: &[] },
    List { name: "goods", parameters: &[] },
    List {
        name: "obtaining",
        parameters: &[
            ("goodsId", Number),
            ("partnerId", Number),
            ("dateTo", Until("date")),
            ("dateFrom", Since("date")),
            ("currency", Word(&[])),
        ],
    },
    List { name: "job", parameters: &[("directionId", Number)] },
    List {
        name: "deal",
        parameters: &[
            ("name", Part),
            ("directionId", Number),
            ("statusId", Number),
            ("partnerId", Number),
            ("responsibleId", Number),
            ("currency", Word(&[])),
            ("startDateFrom", Since("startDate")),
            ("startDateTo", Until("startDate")),
            ("endDateFrom", Since("endDate")),
            ("endDateTo", Until("endDate")),
            ("actDateFrom", Since("actDate")),
            ("actDateTo", Until("actDate")),
            ("page", Page),
        ],
    },
    List { name: "obligation-status", parameters: &[] },
    List {
        name: "obligation",
        parameters: &[
            ("name", Part),
            ("directionId", Number),
            ("statusId", Number),
            ("partnerId", Number),
            ("categoryId", Number),
            ("dealId", Number),
            ("currency", Word(&[])),
            ("actDateFrom", Since("actDate")),
            ("actDateTo", Until("actDate")),
        ],
    },
    List {
        name: "pnl-category",
        parameters: &[
            ("name", Part),
            ("type", Word(PNL_TYPES)),
            ("pnlType", Word(&[])),
            ("categoryId", Number),
            ("comment", Part),
        ],
    },
    List {
        name: "employees",
        parameters: &[
            ("name", Part),
            ("type", Position),
            ("post", Position),
            ("department", Position),
            ("comment", Part),
        ],
    },
];

/// The requests of the last minute.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<Instant>);

impl Rate {
    /// Counts a request; with the limit reached, says for how long.
    pub(super) fn count(&mut self, limit: usize, window: Duration) -> Result<(), Duration> {
        let now = Instant::now();
        while self.0.front().is_some_and(|at| now.duration_since(*at) >= window) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(first) if self.0.len() >= limit => Err(window.saturating_sub(now.duration_since(*first))),
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }
}

/// An answer without a list: `{"status":…,"statusText":…}`.
fn refusal(status: u16, text: &str) -> Reply {
    Reply::new(status, "application/json", json!({"status": status, "statusText": text}).to_string())
}

fn unplayed(what: &str) -> Reply {
    refusal(501, &not_played(what))
}

fn unauthorized() -> Reply {
    refusal(401, "Your request was made with invalid credentials.")
}

/// The envelope of a list, with further members of it.
fn envelope(items: &Bytes, members: &str) -> Bytes {
    [br#"{"status":200"#, members.as_bytes(), br#","items":"#, items.as_ref(), b"}"].concat().into()
}

/// A value as the text to compare with: `5`, `"5"` and `5.0` are one number.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string())
        }
        _ => String::new(),
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%d.%m.%Y").ok()
}

/// The parameters with which lists are paged, here and elsewhere.
const PAGING: [&str; 8] =
    ["page", "perPage", "per-page", "per_page", "pageSize", "page_size", "limit", "offset"];

/// The filter that a request's parameter asks for, checked; none of one that means nothing to the list.
fn check<'a>(
    list: &List,
    name: &'a str,
    value: &'a str,
) -> Result<Option<(&'a str, &'a str, Filter)>, Reply> {
    let Some((_, filter)) = list.parameters.iter().find(|(known, _)| *known == name) else {
        // A list that comes whole stays so whatever page is asked for.
        if !list.is_paged() && PAGING.contains(&name) {
            return Ok(None);
        }
        return Err(unplayed(&format!("the parameter {name} of {}", list.name)));
    };
    let valid = match filter {
        Number => value.parse::<i64>().is_ok(),
        Page => value.parse::<usize>().is_ok_and(|page| page > 0),
        Word(words) => words.is_empty() || words.contains(&value),
        Since(_) | Until(_) if date(value).is_none() => {
            return Err(refusal(400, "Required date format is dd.mm.YYYY"));
        }
        _ => true,
    };
    if valid { Ok(Some((name, value, *filter))) } else { Err(refusal(400, &format!("Invalid {name}"))) }
}

/// Whether a record passes a filter.
fn keep(record: &Value, (name, value, filter): (&str, &str, Filter)) -> bool {
    match filter {
        Page => true,
        Number | Word(_) => plain(&record[name]) == value,
        Part => plain(&record[name]).to_lowercase().contains(&value.to_lowercase()),
        Position => record["positions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|position| position[name] == value)),
        Since(field) => date(&plain(&record[field])).is_some_and(|day| Some(day) >= date(value)),
        Until(field) => date(&plain(&record[field])).is_some_and(|day| Some(day) <= date(value)),
    }
}

/// The list that a request asks for, or why not.
fn answer(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let options = &shared.options;
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if token != Some(options.fintablo_token.as_str()) {
        return Err(unauthorized());
    }
    if let Err(wait) = shared.rate().count(options.fintablo_limit, options.fintablo_window) {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        return Err(refusal(429, "Too many requests").with("Retry-After", seconds.to_string()));
    }
    let name = request.path.strip_prefix("/v1/").unwrap_or_default();
    let name = name.strip_suffix('/').unwrap_or(name);
    let list = LISTS.iter().find(|list| list.name == name && request.method == "GET");
    let list = list.ok_or_else(|| unplayed(&format!("{} {name}", request.method)))?;
    if !request.accepts("application/json") {
        return Err(refusal(406, "Not Acceptable"));
    }
    let filters = request.query.iter().filter_map(|(name, value)| check(list, name, value).transpose());
    let filters: Vec<_> = filters.collect::<Result<_, _>>()?;
    let page =
        filters.iter().rfind(|(_, _, filter)| matches!(filter, Page)).map_or("1", |(_, value, _)| value);
    let page = page.parse::<usize>().unwrap_or(1);
    let paging = list.is_paged().then(|| shared.world().deal_pages.clone());
    let chosen = |record: &Value| filters.iter().all(|filter| keep(record, *filter));

    let key = format!("fintablo/{name}");
    let Some(whole) = shared.recorded.whole(&key) else {
        let world = shared.world();
        let records = world.fintablo.get(name).into_iter().flatten().filter(|record| chosen(record));
        return show(paging.as_ref(), page, &records.collect::<Vec<_>>(), render::json);
    };
    let records = shared.recorded.records(&key, chosen).unwrap_or_default();
    let on_one_page = paging.as_ref().is_none_or(|paging| records.len() <= paging.size);
    let is_whole = on_one_page && filters.is_empty();
    if is_whole && first_byte(&whole) == Some(b'{') {
        return Ok(Reply::new(200, "application/json", whole));
    }
    show(
        paging.as_ref(),
        page,
        &records,
        |records| {
            if is_whole { whole.clone() } else { recorded::join(records) }
        },
    )
}

fn first_byte(body: &Bytes) -> Option<u8> {
    body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// The answer that shows one page of `records`, or all of them without pages.
fn show<T>(
    paging: Option<&Paging>,
    page: usize,
    records: &[T],
    render: impl FnOnce(&[T]) -> Bytes,
) -> Result<Reply, Reply> {
    let all = Paging { size: usize::MAX, ..Paging::default() };
    let items = match paging.unwrap_or(&all).page(page, records.len()) {
        Shown::Deals(range) => render(&records[range]),
        Shown::Invented => format!(r#"[{{"id":{},"name":"Сделка"}}]"#, 900_000_000 + page).into(),
        Shown::NotFound => return Err(refusal(404, "Page not found.")),
    };
    let count = records.len();
    let reply = |members: &str| Reply::new(200, "application/json", envelope(&items, members));
    Ok(match paging.map_or(Total::Nowhere, |paging| paging.total) {
        Total::Nowhere => reply(""),
        Total::Header(name) => reply("").with(name, count.to_string()),
        Total::Body(name) => reply(&format!(r#","{name}":{count}"#)),
    })
}

impl Upstream for FinTablo {
    fn name(&self) -> &'static str {
        "fintablo"
    }

    fn prefix(&self) -> &'static str {
        "/v1/"
    }

    /// Our own promise to FinTablo, whose description only limits requests a minute.
    fn most_in_flight(&self, _: &Options) -> usize {
        4
    }

    fn crowded(&self) -> Option<Reply> {
        None
    }

    fn access(&self, request: &Request) -> Access {
        if request.method == "GET" || request.method == "HEAD" { Access::Read } else { Access::Write }
    }

    fn answer(&self, shared: &Shared, request: &Request) -> Answer {
        Answer { reply: answer(shared, request).unwrap_or_else(|refusal| refusal), event: None }
    }

    fn expire(&self, _: &Shared) -> Option<Reply> {
        Some(unauthorized())
    }

    fn licence_full(&self) -> Reply {
        refusal(403, "Forbidden")
    }

    fn too_many(&self) -> Reply {
        refusal(429, "Too many requests")
    }

    fn emptied(&self, _: &Reply) -> Bytes {
        envelope(&Bytes::from_static(b"[]"), "")
    }

    /// Every answer carries the id of its request (FinTablo OpenAPI, tracing).
    fn finish(&self, reply: Reply, number: u64) -> Reply {
        reply.with("X-Request-Id", format!("sandbox-{number:08}"))
    }
}
