use super::*;

const FORM: Form = Form { root: Some("employees"), record: "employee", lists: &[] };

impl From<BadFrame> for String {
    fn from(bad: BadFrame) -> Self {
        format!("{bad:?}")
    }
}

type Records = Result<Vec<(String, Option<&'static str>)>, String>;

fn cut(form: Form, chunks: &[&[u8]]) -> Records {
    let mut framer = Framer::new(form, 1 << 20);
    let mut records = Vec::new();
    for chunk in chunks {
        framer.feed::<String>(chunk, &mut |bytes, broken| {
            records.push((String::from_utf8_lossy(bytes).into_owned(), broken));
            Ok(())
        })?;
    }
    framer.finish()?;
    Ok(records)
}

/// In one piece, in two at every place, and byte by byte.
fn records(form: Form, text: &[u8]) -> Records {
    let whole = cut(form, &[text]);
    for at in 1..text.len() {
        let (first, second) = text.split_at(at);
        assert_eq!(cut(form, &[first, second]), whole, "cut at {at} of {}", String::from_utf8_lossy(text));
    }
    assert_eq!(cut(form, &text.chunks(1).collect::<Vec<_>>()), whole);
    whole
}

const WHOLE: &str = "<employee ><id>1</id><employee>true</employee><a b=\"x>y\" c='\"'/><![CDATA[</employee>]]><!-- \
                     </employee>--><?pi </employee>?></employee>";

#[test]
fn a_broken_record_leaves_its_neighbours_alone() {
    for (broken, why) in [
        ("<employee><id>2</id><name>A & B</name></employee>", None),
        ("<employee><na&me>x</na&me></employee>", None),
        ("<employee/>", None),
        ("<employee><name>x</nome></employee>", Some("its tags do not pair up")),
        ("<employee><name>x<b></name><employee>true</employee></employee>", Some("its tags do not pair up")),
        ("<employee></name></employee>", Some("its tags do not pair up")),
        ("<employee><name>1 < 2</name></employee>", Some("a `<` begins no tag")),
        ("<employee><name>1 <2</name><<a/></employee>", Some("a `<` begins no tag")),
        ("<employee><name>1 <b</name></employee>", Some("a tag is not closed")),
        ("<employee><name a=\"x>1</name></employee>", Some("a tag is not closed")),
        ("<employee><name a=it's>1</name></employee>", Some("a tag is not closed")),
    ] {
        let head = "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n";
        let text = format!("{head}<employees>{WHOLE}\n{broken} {WHOLE}</employees> ");
        let expected = vec![(WHOLE.to_owned(), None), (broken.to_owned(), why), (WHOLE.to_owned(), None)];
        assert_eq!(records(FORM, text.as_bytes()), Ok(expected), "{broken}");
    }
}

#[test]
fn what_would_be_a_guess_is_refused() {
    let good = "<employee><id>1</id></employee>";
    for (inside, says) in [
        ("<employee><id>1</id>", "Uncertain"),
        ("<employee><id>1<employee>true</id>", "Uncertain"),
        ("<employee><employee>true</id></employee>", "Uncertain"),
        ("<employee <id>1</id></employee>", "Uncertain"),
        ("<employee><id>1</id></employee ", "Uncertain"),
        ("<employee></id></employee></employee>", "Foreign"),
        ("<employee></id></employee> text", "Foreign"),
        ("<employee><id>1</id><!DOCTYPE x></employee>", "Foreign"),
        ("<employee></employee><a", "Foreign"),
        ("<![CDATA[x]]>", "Foreign"),
        ("<", "Foreign"),
        ("<other/>", "Foreign"),
    ] {
        let text = format!("<employees>{good}{inside}{good}</employees>");
        let refused = records(FORM, text.as_bytes()).unwrap_err();
        assert!(refused.starts_with(says), "{inside}: {refused}");
    }
    let foreign = "<employees/><employees/>";
    for text in
        ["", " \n", "text", "<!DOCTYPE employees><employees/>", "</employees>", "<employees/>x", foreign]
    {
        assert!(records(FORM, text.as_bytes()).unwrap_err().starts_with("Foreign"), "{text}");
    }
    let whole = format!("<employees>{WHOLE}</employees>");
    for at in 1..whole.len() {
        assert_eq!(cut(FORM, &[&whole.as_bytes()[..at]]), Err("Cut".to_owned()), "{}", &whole[..at]);
    }
}

#[test]
fn a_root_of_any_name_needs_a_record_unless_it_is_a_known_one() {
    let form = Form { root: None, record: "r", lists: &[] };
    let roots =
        [("<report/>", Some(0)), ("<rows></rows>", Some(0)), ("<x><r/></x>", Some(1)), ("<x/>", None)];
    for (text, count) in roots {
        assert_eq!(records(form, text.as_bytes()).ok().map(|records| records.len()), count, "{text}");
    }
}

#[test]
fn of_a_record_that_is_too_long_the_beginning_is_told_and_the_others_are_whole() {
    let record = |inside: &str| format!("<employee><id>7</id>{inside}</employee>");
    let long = record(&"<e/>x<employee>1</employee>".repeat(2_000));
    let text = format!("<employees>{}{long}{}</employees>", record("1"), record("2"));
    for size in [1, 7, 4_096] {
        let mut framer = Framer::new(FORM, 20_000);
        let mut told = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            let taken = framer.feed::<String>(chunk, &mut |bytes, broken| {
                told.push((bytes.len(), broken));
                assert!(bytes.starts_with(b"<employee><id>7</id>"));
                Ok(())
            });
            assert_eq!(taken, Ok(()));
            assert!(framer.waiting() <= 20_000 + size);
        }
        framer.finish().unwrap();
        let whole = record("1").len();
        assert_eq!(told, [(whole, None), (HEAD, Some(OVERSIZED)), (whole, None)], "{size}");
    }
}

#[test]
fn a_record_that_is_nested_without_end_takes_no_room() {
    let deep = format!("<employee>{}</employee>", "<a>".repeat(1_000));
    let text = format!("<employees>{deep}<employee></employee></employees>");
    let records = records(FORM, text.as_bytes()).unwrap();
    assert_eq!(records[0].1, Some("it is nested more than 64 levels deep"));
    assert_eq!(records[1], ("<employee></employee>".to_owned(), None));
}
