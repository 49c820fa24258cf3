//! Every parser over the seeds of its fuzzer, as they are and damaged: `fuzz/` does the same for longer, on a nightly
//! toolchain. Rounds by `ZERKALO_TEST_FUZZ`.

use super::process::{Dice, number_from};
use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};
use zerkalo::fuzzing::{TARGETS, Target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The seeds of a target, each with its name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("seeds").join(target);
    names(&folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// Runs a target, and keeps the input that it does not survive where a debugger finds it; what went wrong.
fn survive(name: &str, target: Target, bytes: &[u8], told: &str) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| target(bytes))).map_err(|_| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.input"));
        fs::write(&path, bytes).unwrap();
        let shown = String::from_utf8_lossy(bytes);
        format!("{name} does not survive {told}, kept as {}:\n{shown}", path.display())
    })
}

/// Runs every target, and tells of all that do not survive.
fn all_survive(run: impl Fn(&str, Target) -> Result<(), String>) {
    let wrong: Vec<String> = TARGETS.iter().filter_map(|(name, target)| run(name, *target).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_target_has_seeds_and_a_fuzzer() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("seeds")), targets);
    let sources = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), sources);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &targets {
        let source = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("run(\"{name}\", bytes)")), "{source}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(seeds(name).len() >= 4, "{name} has few seeds");
    }
}

#[test]
fn every_input_of_the_corpora_is_survived() {
    all_survive(|name, target| {
        let mut seeds = seeds(name).into_iter();
        seeds.try_for_each(|(seed, bytes)| survive(name, target, &bytes, &format!("the seed {seed}")))
    });
}

#[test]
fn damaged_inputs_are_survived() {
    let (rounds, seed) =
        (number_from("ZERKALO_TEST_FUZZ", 250), number_from("ZERKALO_TEST_SEED", 20_261_122));
    all_survive(|name, target| {
        let seeds: Vec<Vec<u8>> = seeds(name).into_iter().map(|(_, bytes)| bytes).collect();
        let mut dice = Dice(seed);
        (0..rounds).try_for_each(|round| {
            let mut bytes = pick(&seeds, &mut dice).clone();
            for _ in 0..=dice.below(3) {
                damage(&mut bytes, pick::<Vec<u8>>(&seeds, &mut dice), &mut dice);
            }
            survive(name, target, &bytes, &format!("round {round} of seed {seed}"))
        })
    });
}

fn pick<'a, T>(list: &'a [T], dice: &mut Dice) -> &'a T {
    &list[usize::try_from(dice.below(list.len() as u64)).unwrap()]
}

/// What parsers stumble over.
const WORDS: [&[u8]; 40] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"<",
    b">",
    b"</",
    b"/>",
    b"&",
    b"&#0;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    b"\xe2\x80\xae",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"0.1",
    b"'",
    b"${",
    b"=",
    b"#",
    b"''",
    b"!",
    b"id",
];

/// Changes one thing.
fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let mut place = |length: usize| usize::try_from(dice.below(length as u64 + 1)).unwrap();
    let (at, to) = (place(bytes.len()), place(bytes.len()));
    let (from, until) = (at.min(to), at.max(to));
    let (begin, end) = (place(other.len()), place(other.len()));
    match dice.below(7) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(from..until.min(from + 40))),
        2 => drop(bytes.splice(at..at, pick(&WORDS, dice).iter().copied())),
        3 => drop(bytes.splice(from..until.min(from + 3), pick(&WORDS, dice).iter().copied())),
        4 => {
            let copy = bytes[from..until].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => drop(bytes.splice(at..at, other[begin.min(end)..begin.max(end)].iter().copied())),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
}
