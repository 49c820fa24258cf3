//! Putting rows or columns in order with few steps: removals, then moves of whole blocks, then insertions.

/// Where a row or column of the wanted order comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<T> {
    /// It is there, at this place.
    Here(usize),
    /// It is new.
    New(T),
}

/// One step; places are those at its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Removes a block.
    Delete { at: usize, count: usize },
    /// Moves a block upwards.
    Move { from: usize, count: usize, to: usize },
    /// Inserts new ones.
    Insert { at: usize, count: usize },
}

/// The steps that turn `0..length` into `wanted`. What `wanted` does not name is removed.
pub(super) fn steps<T>(length: usize, wanted: &[Origin<T>]) -> Vec<Step> {
    let kept: Vec<usize> = wanted.iter().filter_map(Origin::place).collect();
    let mut stays = vec![false; length];
    for place in &kept {
        stays[*place] = true;
    }
    let mut steps = Vec::new();
    let mut end = length;
    while let Some(last) = (0..end).rev().find(|place| !stays[*place]) {
        let first = (0..last).rev().find(|place| stays[*place]).map_or(0, |place| place + 1);
        steps.push(Step::Delete { at: first, count: last + 1 - first });
        end = first;
    }
    let mut order: Vec<usize> = (0..length).filter(|place| stays[*place]).collect();
    let mut at = 0;
    while at < kept.len() {
        if order[at] == kept[at] {
            at += 1;
            continue;
        }
        let from =
            order.iter().skip(at).position(|place| *place == kept[at]).expect("nothing is named twice") + at;
        let run = order[from..].iter().zip(&kept[at..]).take_while(|(one, other)| one == other).count();
        steps.push(Step::Move { from, count: run, to: at });
        order[at..from + run].rotate_right(run);
        at += run;
    }
    let mut place = 0;
    while place < wanted.len() {
        let new = wanted[place..].iter().take_while(|origin| origin.place().is_none()).count();
        if new > 0 {
            steps.push(Step::Insert { at: place, count: new });
        }
        place += new.max(1);
    }
    steps
}

impl<T> Origin<T> {
    /// Where it is, unless it is new.
    pub(super) fn place(&self) -> Option<usize> {
        match self {
            Self::Here(place) => Some(*place),
            Self::New(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does the steps to a list; new ones are `None`.
    fn done(length: usize, steps: &[Step]) -> Vec<Option<usize>> {
        let mut list: Vec<Option<usize>> = (0..length).map(Some).collect();
        for step in steps {
            match *step {
                Step::Delete { at, count } => drop(list.drain(at..at + count)),
                Step::Move { from, count, to } => list[to..from + count].rotate_right(count),
                Step::Insert { at, count } => drop(list.splice(at..at, (0..count).map(|_| None))),
            }
        }
        list
    }

    #[test]
    fn any_order_is_reached() {
        let mut seed = 7_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for length in 0..12 {
            for _ in 0..300 {
                let mut wanted: Vec<Origin<()>> = (0..length).map(Origin::Here).collect();
                for _ in 0..random(4) {
                    if !wanted.is_empty() {
                        wanted.remove(random(wanted.len()));
                    }
                }
                for _ in 0..random(6) {
                    if wanted.len() > 1 {
                        let (one, other) = (random(wanted.len()), random(wanted.len()));
                        wanted.swap(one, other);
                    }
                }
                for _ in 0..random(4) {
                    wanted.insert(random(wanted.len() + 1), Origin::New(()));
                }
                let expected: Vec<Option<usize>> = wanted.iter().map(Origin::place).collect();
                assert_eq!(done(length, &steps(length, &wanted)), expected);
            }
        }
    }

    #[test]
    fn what_is_in_order_needs_no_step_and_blocks_move_as_one() {
        let here =
            |places: &[usize]| places.iter().map(|place| Origin::<()>::Here(*place)).collect::<Vec<_>>();
        assert_eq!(steps(5, &here(&[0, 1, 2, 3, 4])), []);
        assert_eq!(steps(5, &here(&[1, 2, 3, 4, 0])), [Step::Move { from: 1, count: 4, to: 0 }]);
        assert_eq!(
            steps(6, &here(&[0, 3, 5])),
            [Step::Delete { at: 4, count: 1 }, Step::Delete { at: 1, count: 2 }]
        );
    }
}
