//! The rooms of `src/` stand on floors: each uses only rooms that stand before it in the list at the head of `src/lib.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The sources, by their path below `src/`.
fn sources(folder: &Path, below: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, below, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(below).unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The rooms in the order of the list.
fn floors(lib: &str) -> Vec<String> {
    let items = lib.lines().filter_map(|line| line.strip_prefix("//! - "));
    let heads = items.map(|item| item.split_once(": ").expect("an item says what it is for").0);
    let names = heads.flat_map(|head| head.split(", "));
    names.map(|name| name.trim_matches(['[', ']', '`']).to_owned()).collect()
}

/// The words and signs of a source, without comments and texts.
fn tokens(source: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
        let raw = rest.strip_prefix('r').map(|after| after.bytes().take_while(|byte| *byte == b'#').count());
        let raw = raw.filter(|marks| rest[1 + marks..].starts_with('"'));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(marks) = raw {
            let end = format!("\"{}", "#".repeat(marks));
            let begin = 2 + marks;
            begin + rest[begin..].find(&end).expect("a text ends") + end.len()
        } else if first == '"' {
            let mut escaped = false;
            let end = |sign: char| {
                let ends = sign == '"' && !escaped;
                escaped = sign == '\\' && !escaped;
                ends
            };
            rest[1..].find(end).expect("a text ends") + 2
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            rest.find('"').unwrap() + 2
        } else if is_word(first) {
            let length = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The rooms that a source names, in `use crate::…` and in paths alike.
fn used(source: &str) -> BTreeSet<&str> {
    let tokens = tokens(source);
    let mut rooms = BTreeSet::new();
    for (at, _) in tokens.windows(2).enumerate().filter(|(_, pair)| **pair == ["crate", "::"]) {
        let after = &tokens[at + 2..];
        if after[0] != "{" {
            rooms.insert(after[0]);
            continue;
        }
        let (mut depth, mut is_first) = (0, false);
        for token in after {
            match *token {
                "{" => (depth, is_first) = (depth + 1, depth == 0),
                "}" => depth -= 1,
                "," => is_first = depth == 1,
                name if is_first => {
                    rooms.insert(name);
                    is_first = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    sources(&src, &src, &mut found);
    let lib = found.remove(Path::new("lib.rs")).unwrap();
    found.remove(Path::new("main.rs")).unwrap();
    let floors = floors(&lib);
    let floor = |room: &str| floors.iter().position(|known| known == room);
    let mut wrong = Vec::new();
    let mut rooms = BTreeSet::new();
    for (path, source) in &found {
        let room = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        rooms.insert(room.to_owned());
        for other in used(source).into_iter().filter(|other| *other != room) {
            if floor(other).is_none_or(|other| Some(other) >= floor(room)) {
                wrong.push(format!("src/{}: {room} uses {other}", path.display()));
            }
        }
    }
    assert_eq!(rooms, floors.iter().cloned().collect(), "src/lib.rs lists each room once");
    assert!(wrong.is_empty(), "upwards:\n{}", wrong.join("\n"));
}

#[test]
fn what_a_source_uses_is_found() {
    let source = r##"
        use crate::{
            error::{Failure, Kind}, // crate::comment
            store::Store,
            tables::{self, Feed},
        };
        pub(crate) use crate::clock::Clock;
        fn text() -> &'static str { r#"crate::raw"# }
        fn path(quote: char) -> crate::http::Answer { "a \" crate::text"; quote == '"'; crate::files::named::read() }
    "##;
    assert_eq!(
        used(source).into_iter().collect::<Vec<_>>(),
        ["clock", "error", "files", "http", "store", "tables"]
    );
}

#[test]
fn no_file_is_too_long_to_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        sources(&root.join(folder), root, &mut found);
    }
    let long = |(path, source): (&PathBuf, &String)| {
        let lines = source.lines().count();
        (lines > 600).then(|| format!("{}: {lines} lines", path.display()))
    };
    assert_eq!(found.iter().filter_map(long).collect::<Vec<_>>(), [""; 0]);
}
