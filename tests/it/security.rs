//! `SECURITY.md` names the test of each promise; what it names is there.

use std::{fs, path::Path};

/// The pieces of a text that are set as code, each with what is set as code behind it on the same line.
fn code(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().flat_map(|line| {
        let pieces: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        (0..pieces.len()).map(move |at| (pieces[at], pieces[at + 1..].to_vec())).collect::<Vec<_>>()
    })
}

/// Whether a piece is the name of a function that tells a story.
fn is_story(piece: &str) -> bool {
    piece.contains('_') && piece.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_')
}

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let text = read("SECURITY.md");
    let mut named = 0;
    for (piece, behind) in code(&text) {
        let is_path = |piece: &str| piece.strip_suffix(".rs").is_some_and(|path| !path.contains(' '));
        let (file, story) = match piece.split_once("::") {
            Some((module, story)) => (format!("tests/it/{module}.rs"), Some(story)),
            None if is_path(piece) => (piece.to_owned(), None),
            // A test of a module stands before its file: `a`, `b` in `src/x.rs`.
            None if is_story(piece) => {
                let Some(file) = behind.iter().find(|piece| is_path(piece)) else { continue };
                ((*file).to_owned(), Some(piece))
            }
            None => continue,
        };
        let source = read(&file);
        let is_there = |story: &str| source.contains(&format!("fn {story}("));
        assert!(story.is_none_or(is_there), "{file} has no `{}`", story.unwrap_or_default());
        named += 1;
    }
    assert!(named > 40, "only {named} were found");
}
