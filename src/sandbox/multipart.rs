//! Bodies in parts, `multipart/form-data` (RFC 7578), read as strictly as a server may.

/// A part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The parameter.
    pub(super) name: String,
    /// The file's name; none for a part of text.
    pub(super) file_name: Option<String>,
    /// What it holds.
    pub(super) content: Vec<u8>,
}

/// The parts of a body, or why it has none.
pub(super) fn parts(body: &[u8], content_type: &str) -> Result<Vec<Part>, &'static str> {
    let boundary = content_type
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"'))
        .filter(|value| (1..=70).contains(&value.len()))
        .ok_or("the parts have no boundary")?;
    // Every boundary but the first stands on a line of its own, and so has the end of a line before it.
    let mark = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(&mark[2..]).ok_or("the body does not begin with its boundary")?;
    let mut parts = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return if end.is_empty() || end == b"\r\n" {
                Ok(parts)
            } else {
                Err("something follows the last part")
            };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or("a boundary does not end its line")?;
        let end = find(part, &mark).ok_or("the last part does not end")?;
        parts.push(part_of(&part[..end])?);
        rest = &part[end + mark.len()..];
    }
}

fn part_of(part: &[u8]) -> Result<Part, &'static str> {
    let head = find(part, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
    let headers = std::str::from_utf8(&part[..head]).map_err(|_| "a part's headers are no text")?;
    let disposition = headers
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value.trim())
        .filter(|value| value.starts_with("form-data;"))
        .ok_or("a part does not say what it is")?;
    let quoted = |name: &str| {
        let mut pairs = disposition.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"').to_owned())
    };
    let name = quoted("name").ok_or("a part has no name")?;
    Ok(Part { name, file_name: quoted("filename"), content: part[head + 4..].to_vec() })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xy";

    fn body(parts: &str) -> String {
        format!("--xy\r\n{parts}\r\n--xy--\r\n")
    }

    #[test]
    fn texts_and_files_are_told_apart() {
        let text = "Content-Disposition: form-data; name=\"chat_id\"\r\n\r\n-100";
        let file = "Content-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n1--xy\r\n\r\n-";
        let both = parts(body(&format!("{text}\r\n--xy\r\n{file}")).as_bytes(), TYPE).unwrap();
        let part = |name: &str, file: Option<&str>, content: &str| Part {
            name: name.to_owned(),
            file_name: file.map(str::to_owned),
            content: content.into(),
        };
        // A boundary inside a line is a part of the file.
        assert_eq!(both, [part("chat_id", None, "-100"), part("photo", Some("a.png"), "1--xy\r\n\r\n-")]);
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused() {
        let good = body("Content-Disposition: form-data; name=\"a\"\r\n\r\n1");
        assert_eq!(parts(good.as_bytes(), TYPE).unwrap().len(), 1);
        for length in 0..good.len() - 2 {
            assert!(parts(&good.as_bytes()[..length], TYPE).is_err(), "{length}");
        }
        for (body, kind) in [
            (good.clone(), "multipart/form-data"),
            (good.clone(), "multipart/form-data; boundary=zz"),
            (format!("{good}more"), TYPE),
            (format!("\r\n{good}"), TYPE),
            (body("Content-Disposition: attachment; name=\"a\"\r\n\r\n1"), TYPE),
            (body("Content-Disposition: form-data\r\n\r\n1"), TYPE),
            (body("1"), TYPE),
        ] {
            assert!(parts(body.as_bytes(), kind).is_err(), "{kind} {body}");
        }
    }
}
