//! The stop-list's day: for each product how long it was in stop within the working hours, and where nobody knows.
//!
//! All of it is a pure function of what the database holds: [`Day::of`]. The renderings are Russian, because the staff
//! read them: [`message`], and [`picture::draw`].

mod canvas;
pub mod picture;
pub mod span;
mod text;
mod told;

pub use self::{
    span::Span,
    text::{alarm, message, title},
    told::Report,
};
use crate::{
    config::Stoplist,
    schedule::first_moment,
    store::stoplist::{Sample, Stretch},
};
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use hashbrown::HashMap;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An organization of which nothing was heard for so long before a day is no longer one of the chain's.
const FORGOTTEN: TimeDelta = TimeDelta::days(7);

/// The working hours of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The day on which they begin.
    pub date: NaiveDate,
    /// The business's time zone.
    pub zone: Tz,
    /// From their beginning to their end.
    pub span: Span,
}

impl Hours {
    /// The working hours that begin on `date`. Where clocks are changed, they are as long as they really are.
    pub fn of(date: NaiveDate, zone: Tz, settings: &Stoplist) -> Self {
        let ends_on = if settings.day_end > settings.day_start { Some(date) } else { date.succ_opt() };
        let ends_on = ends_on.expect("the calendar goes on for 260,000 years");
        let from = first_moment(date.and_time(settings.day_start), zone);
        let to = first_moment(ends_on.and_time(settings.day_end), zone);
        Self { date, zone, span: Span { from, to } }
    }

    /// The latest working hours that have begun at `now`.
    pub fn latest(now: DateTime<Utc>, zone: Tz, settings: &Stoplist) -> Self {
        let today = Self::of(now.with_timezone(&zone).date_naive(), zone, settings);
        match today.date.pred_opt() {
            Some(yesterday) if today.span.from >= now => Self::of(yesterday, zone, settings),
            _ => today,
        }
    }

    /// The moments between which stretches and samples say all that a report at `now` can know: samples are needed
    /// for so long after the end as a gap may last.
    pub fn asked(&self, now: DateTime<Utc>, settings: &Stoplist) -> Span {
        let gap = TimeDelta::from_std(settings.max_gap).unwrap_or(TimeDelta::days(1));
        Span { from: self.span.from, to: now.min(self.span.to + gap) }
    }
}

/// A product and its time in stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id in iiko.
    pub id: Uuid,
    /// Its name, as the newest reading has it.
    pub name: String,
    /// When it was in stop, on any terminal and in any size; at least one.
    pub stops: Vec<Span>,
}

impl Product {
    /// Its time in stop in whole minutes: the nearest, and never none.
    pub fn minutes(&self) -> i64 {
        rounded(span::total(&self.stops))
    }
}

/// A time in whole minutes: the nearest, and never none.
fn rounded(time: TimeDelta) -> i64 {
    ((time.num_seconds() + 30) / 60).max(1)
}

/// An organization of which readings are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lacking {
    /// Its id in iikoCloud.
    pub id: Uuid,
    /// Its name, where a reading had one: see [`Day::named`].
    pub name: Option<String>,
}

/// One day of the stop-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The working hours.
    pub hours: Hours,
    /// The end of the hours, or the moment of the report in hours that still go on.
    pub until: DateTime<Utc>,
    /// Whether anything at all is known of them.
    pub known: bool,
    /// When nothing is known of one organization or more, for a minute at least: nobody read its stop-list.
    pub gaps: Vec<Span>,
    /// Whether other organizations are known of during the gaps.
    pub partly: bool,
    /// The organizations that have gaps, where others have none.
    pub lacking: Vec<Lacking>,
    /// The longest stopped first.
    pub products: Vec<Product>,
}

impl Day {
    /// The day that a history shows at `now`. `stretches` and `samples` are those of [`Hours::asked`].
    pub fn of(
        hours: Hours,
        now: DateTime<Utc>,
        settings: &Stoplist,
        stretches: &[Stretch],
        samples: &[Sample],
    ) -> Self {
        let until = now.min(hours.span.to);
        let window = Span { from: hours.span.from, to: until };
        let gaps = gaps(window, hours.asked(now, settings), settings, samples);
        let all = told(&span::union(gaps.values().flatten().copied().collect()));
        let unknown = |gaps: &Vec<Span>| *gaps == [window];
        let counts = |balance: Decimal| settings.count_limited || balance <= Decimal::ZERO;
        let mut products: BTreeMap<Uuid, (DateTime<Utc>, Product)> = BTreeMap::new();
        for stretch in stretches.iter().filter(|stretch| counts(stretch.balance)) {
            let span = Span { from: stretch.started_at, to: stretch.ended_at.unwrap_or(until) };
            // Of an organization that was never read, or long ago, nothing is known.
            let (Some(span), Some(gaps)) = (span.within(window), gaps.get(&stretch.organization_id)) else {
                continue;
            };
            let stops = span::without(span, gaps);
            let (newest, product) = products.entry(stretch.product_id).or_insert_with(|| {
                let product =
                    Product { id: stretch.product_id, name: stretch.name.clone(), stops: Vec::new() };
                (stretch.started_at, product)
            });
            if stretch.started_at > *newest {
                (*newest, product.name) = (stretch.started_at, stretch.name.clone());
            }
            product.stops.extend(stops);
        }
        Self {
            hours,
            until,
            known: !gaps.values().all(unknown),
            partly: gaps.values().any(|gaps| told(gaps) != all),
            lacking: lacking(&gaps),
            gaps: all,
            products: ranked(products.into_values().map(|(_, product)| product)),
        }
    }

    /// The same day with the names of the organizations that lack readings.
    #[must_use]
    pub fn named(mut self, names: &HashMap<Uuid, String>) -> Self {
        for lacking in &mut self.lacking {
            lacking.name = names.get(&lacking.id).cloned();
        }
        self.lacking.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }

    /// Whether the working hours still go on.
    pub fn is_in_progress(&self) -> bool {
        self.until < self.hours.span.to
    }

    /// The time in stop of all products, in minutes: the sum of what each one shows.
    pub fn minutes(&self) -> i64 {
        self.products.iter().map(Product::minutes).sum()
    }

    /// The day for machines. Times are UTC.
    pub fn to_json(&self) -> Value {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let spans = |spans: &[Span]| -> Vec<Value> {
            spans.iter().map(|span| json!({ "from": time(span.from), "to": time(span.to) })).collect()
        };
        let product = |product: &Product| {
            json!({
                "id": product.id,
                "name": product.name,
                "minutes": product.minutes(),
                "stops": spans(&product.stops),
            })
        };
        json!({
            "date": self.hours.date,
            "timezone": self.hours.zone.name(),
            "from": time(self.hours.span.from),
            "to": time(self.hours.span.to),
            "until": time(self.until),
            "known": self.known,
            "gaps": spans(&self.gaps),
            "partly": self.partly,
            "lacking": self.lacking,
            "products": self.products.iter().map(product).collect::<Vec<_>>(),
            "total_minutes": self.minutes(),
        })
    }
}

/// When nothing is known of each organization: from a reading to the next one that lies further off than
/// `stoplist.max_gap`, before the first one ever, and after the last one.
fn gaps(window: Span, asked: Span, settings: &Stoplist, samples: &[Sample]) -> BTreeMap<Uuid, Vec<Span>> {
    let mut readings: BTreeMap<Uuid, Vec<DateTime<Utc>>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.taken_at <= asked.to) {
        readings.entry(sample.organization_id).or_default().push(sample.taken_at);
    }
    let longest = TimeDelta::from_std(settings.max_gap).unwrap_or(TimeDelta::MAX);
    let mut gaps = BTreeMap::new();
    for (organization, mut moments) in readings {
        moments.sort_unstable();
        let (Some(first), Some(last)) = (moments.first().copied(), moments.last().copied()) else { continue };
        if window.from - last > FORGOTTEN {
            continue;
        }
        let silences = moments.windows(2).map(|pair| Span { from: pair[0], to: pair[1] });
        let silences = silences.chain([Span { from: last, to: asked.to }]);
        let long = silences.filter(|silence| silence.length() > longest);
        let unread = [Span { from: window.from, to: first }].into_iter().chain(long);
        gaps.insert(organization, span::union(unread.filter_map(|silence| silence.within(window)).collect()));
    }
    gaps
}

/// The gaps that are worth a word. The first reading of a morning comes some seconds after the hours have begun where cron
/// begins with them.
fn told(gaps: &[Span]) -> Vec<Span> {
    gaps.iter().filter(|gap| gap.length() >= TimeDelta::minutes(1)).copied().collect()
}

/// The organizations that have gaps worth a word; none where all have some.
fn lacking(gaps: &BTreeMap<Uuid, Vec<Span>>) -> Vec<Lacking> {
    let with_gaps = gaps.iter().filter(|(_, gaps)| !told(gaps).is_empty());
    let lacking: Vec<Lacking> = with_gaps.map(|(id, _)| Lacking { id: *id, name: None }).collect();
    if lacking.len() < gaps.len() { lacking } else { Vec::new() }
}

/// The products that were stopped at all, the longest stopped first, then by name.
fn ranked(products: impl Iterator<Item = Product>) -> Vec<Product> {
    let joined = products.map(|product| Product { stops: span::union(product.stops), ..product });
    let mut products: Vec<Product> = joined.filter(|product| !product.stops.is_empty()).collect();
    products.sort_by_cached_key(|product| {
        (std::cmp::Reverse(product.minutes()), product.name.to_lowercase(), product.id)
    });
    products
}

#[cfg(test)]
mod tests;
