//! Putting rows or columns in order with few steps: moves of whole blocks, then insertions, then removals. Google refuses
//! to remove all rows that are not frozen, so what is new comes before what is old goes.

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
    let removed = removed_behind(length, &kept);
    let mut target: Vec<usize> = removed[0].clone();
    for place in &kept {
        target.push(*place);
        target.extend(&removed[place + 1]);
    }
    let mut steps = moves(&target);
    // What is removed is still there, behind what it stood behind, while the new ones are inserted.
    let mut stays: Vec<bool> = vec![false; removed[0].len()];
    for run in wanted.chunk_by(|one, next| one.place().is_none() && next.place().is_none()) {
        if let Some(place) = run[0].place() {
            stays.push(true);
            stays.resize(stays.len() + removed[place + 1].len(), false);
        } else {
            steps.push(Step::Insert { at: stays.len(), count: run.len() });
            stays.resize(stays.len() + run.len(), true);
        }
    }
    let mut end = stays.len();
    while let Some(last) = stays[..end].iter().rposition(|stays| !stays) {
        end = stays[..last].iter().rposition(|stays| *stays).map_or(0, |place| place + 1);
        steps.push(Step::Delete { at: end, count: last + 1 - end });
    }
    steps
}

/// The places that are removed, by the kept one that they stand behind: those behind none come first.
fn removed_behind(length: usize, kept: &[usize]) -> Vec<Vec<usize>> {
    let mut removed = vec![Vec::new(); length + 1];
    let mut stays = vec![false; length];
    for place in kept {
        stays[*place] = true;
    }
    let mut anchor = 0;
    for (place, stays) in stays.into_iter().enumerate() {
        if stays {
            anchor = place + 1;
        } else {
            removed[anchor].push(place);
        }
    }
    removed
}

/// Moves blocks upwards until the order is `target`.
fn moves(target: &[usize]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut order: Vec<usize> = (0..target.len()).collect();
    let mut at = 0;
    while at < target.len() {
        if order[at] == target[at] {
            at += 1;
            continue;
        }
        let from =
            order[at..].iter().position(|place| *place == target[at]).expect("nothing is named twice") + at;
        let run = order[from..].iter().zip(&target[at..]).take_while(|(one, other)| one == other).count();
        steps.push(Step::Move { from, count: run, to: at });
        order[at..from + run].rotate_right(run);
        at += run;
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
        // All at once: the new ones are there before the old ones go.
        assert_eq!(
            steps(3, &[Origin::New(()), Origin::New(())]),
            [Step::Insert { at: 3, count: 2 }, Step::Delete { at: 0, count: 3 }]
        );
    }
}
