//! Stretches of time as sets: joined, cut, and measured in real time, whatever the wall clocks show.

use chrono::{DateTime, TimeDelta, Utc};

/// From a moment up to, and not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub to: DateTime<Utc>,
}

impl Span {
    /// How long it is; nothing for one that ends before it begins.
    pub fn length(self) -> TimeDelta {
        (self.to - self.from).max(TimeDelta::zero())
    }

    /// The part that lies in another one.
    pub fn within(self, other: Self) -> Option<Self> {
        let part = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (part.from < part.to).then_some(part)
    }
}

/// The moments that lie in any of `spans`, as spans in order that neither overlap nor touch.
pub fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.to);
    spans.sort_by_key(|span| span.from);
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}

/// The parts of `span` that lie in none of `holes`, which are in order and apart, as [`union`] gives them.
pub fn without(span: Span, holes: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    let mut from = span.from;
    for hole in holes.iter().filter_map(|hole| hole.within(span)) {
        if from < hole.from {
            left.push(Span { from, to: hole.from });
        }
        from = hole.to;
    }
    if from < span.to {
        left.push(Span { from, to: span.to });
    }
    left
}

/// How long spans are that do not overlap.
pub fn total(spans: &[Span]) -> TimeDelta {
    spans.iter().map(|span| span.length()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        Span { from: at(from), to: at(to) }
    }

    #[test]
    fn what_overlaps_or_touches_is_joined() {
        assert_eq!(union(vec![]), []);
        let spans = vec![span(50, 60), span(0, 10), span(5, 7), span(10, 20), span(30, 30), span(41, 40)];
        assert_eq!(union(spans), [span(0, 20), span(50, 60)]);
    }

    #[test]
    fn holes_are_cut_out() {
        assert_eq!(without(span(0, 10), &[]), [span(0, 10)]);
        assert_eq!(without(span(0, 10), &[span(-5, 2), span(4, 5), span(9, 20)]), [span(2, 4), span(5, 9)]);
        assert_eq!(without(span(0, 10), &[span(-1, 11)]), []);
        assert_eq!(without(span(0, 10), &[span(20, 30)]), [span(0, 10)]);
    }
}
