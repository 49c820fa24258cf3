//! Counts the requests that are being answered at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// The requests in flight at each upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<BTreeMap<&'static str, Air>>>);

/// The requests in flight at one upstream.
#[derive(Debug, Default)]
struct Air {
    last: u64,
    current: BTreeSet<u64>,
    abandoned: BTreeSet<u64>,
}

/// A request being answered; dropping it ends the flight.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Flights,
    upstream: &'static str,
    number: u64,
    others: BTreeSet<u64>,
}

impl Flights {
    /// Starts a flight and remembers which others were in the air.
    pub(super) fn start(&self, upstream: &'static str) -> Flight {
        let (number, others) = self.with(upstream, |air| {
            let others = air.current.clone();
            air.last += 1;
            air.current.insert(air.last);
            (air.last, others)
        });
        Flight { flights: self.clone(), upstream, number, others }
    }

    fn with<T>(&self, upstream: &'static str, work: impl FnOnce(&mut Air) -> T) -> T {
        work(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(upstream).or_default())
    }
}

impl Flight {
    /// How many flights, this one included, were in the air when it started.
    pub(super) fn together(&self) -> usize {
        self.others.len() + 1
    }

    /// Leaves out the flights whose client had hung up: a client that gave up waiting and asks again has not
    /// broken a rule, and the end of its old connection may be noticed only after its new request.
    pub(super) fn forget_abandoned(&mut self) {
        let others = &mut self.others;
        self.flights.with(self.upstream, |air| others.retain(|other| !air.abandoned.contains(other)));
    }

    /// Ends the flight because its client has gone.
    pub(super) fn abandon(self) {
        self.flights.with(self.upstream, |air| air.abandoned.insert(self.number));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.with(self.upstream, |air| air.current.remove(&self.number));
    }
}
