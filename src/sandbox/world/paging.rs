//! How FinTablo pages its deals: the description says 500 a page and the number of the page, and leaves open what comes
//! behind the last one.

use std::ops::Range;

/// How the deals are paged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Deals on a page.
    pub size: usize,
    /// Whether every page is the first.
    pub ignores_page: bool,
    /// What comes behind the last page.
    pub beyond: Beyond,
    /// Pages that come empty although others follow; their deals are nowhere.
    pub holes: Vec<usize>,
    /// Where an answer says how many deals there are in all.
    pub total: Total,
}

/// What comes behind the last page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Beyond {
    /// An empty list.
    #[default]
    Empty,
    /// 404.
    NotFound,
    /// The last page again.
    Last,
    /// The first page again, then the second, and so on.
    Around,
    /// A deal that was never seen before, for ever.
    Endless,
}

/// Where an answer says how many deals there are in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Total {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In a header of this name.
    Header(&'static str),
    /// In a member of this name beside the list.
    Body(&'static str),
}

/// What a page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox) enum Page {
    /// These of the deals.
    Deals(Range<usize>),
    /// A deal that is in no list.
    Invented,
    /// The page does not exist.
    NotFound,
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            size: 500,
            ignores_page: false,
            beyond: Beyond::Empty,
            holes: Vec::new(),
            total: Total::Nowhere,
        }
    }
}

impl Paging {
    /// What page `number` (from 1) of `count` deals holds.
    pub(in crate::sandbox) fn page(&self, number: usize, count: usize) -> Page {
        let number = if self.ignores_page { 1 } else { number };
        if self.holes.contains(&number) {
            return Page::Deals(0..0);
        }
        let last = count.div_ceil(self.size).max(1);
        let number = match self.beyond {
            _ if number <= last => number,
            Beyond::Empty => return Page::Deals(0..0),
            Beyond::NotFound => return Page::NotFound,
            Beyond::Endless => return Page::Invented,
            Beyond::Last => last,
            Beyond::Around => (number - 1) % last + 1,
        };
        let start = (number - 1) * self.size;
        Page::Deals(start..count.min(start.saturating_add(self.size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_the_last_page() {
        let paging = |beyond| Paging { size: 2, beyond, ..Paging::default() };
        for (beyond, fourth) in [
            (Beyond::Empty, Page::Deals(0..0)),
            (Beyond::NotFound, Page::NotFound),
            (Beyond::Last, Page::Deals(4..5)),
            (Beyond::Around, Page::Deals(0..2)),
            (Beyond::Endless, Page::Invented),
        ] {
            let paging = paging(beyond);
            assert_eq!(paging.page(1, 5), Page::Deals(0..2));
            assert_eq!(paging.page(3, 5), Page::Deals(4..5));
            assert_eq!(paging.page(4, 5), fourth, "{beyond:?}");
            assert_eq!(paging.page(1, 0), Page::Deals(0..0), "{beyond:?}");
        }
        let holed = Paging { holes: vec![2], ..paging(Beyond::Empty) };
        assert_eq!((holed.page(2, 5), holed.page(3, 5)), (Page::Deals(0..0), Page::Deals(4..5)));
        let deaf = Paging { ignores_page: true, ..paging(Beyond::Empty) };
        assert_eq!(deaf.page(7, 5), Page::Deals(0..2));
    }
}
