//! HTTP/1.1 on a raw socket: reading requests, and writing answers whole or damaged.
//!
//! A server library would repair or refuse what the faults are for (a body shorter than its `Content-Length`,
//! an answer without a length, bytes that are no HTTP), so the few rules that the stand-in needs are written
//! out here.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind},
    pin::pin,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// The longest request head and body that are read.
const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 64 << 20;
/// How much of an answer is held back until its request no longer counts as in flight.
const LAST_PIECE: usize = 1024;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// `GET`, `POST`, …
    pub(super) method: String,
    /// The path without its query, not decoded.
    pub(super) path: String,
    /// The query's parameters, decoded, in their order.
    pub(super) query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub(super) body: Bytes,
}

impl Request {
    /// The first header called `name`.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of cookie `name`.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case("cookie"));
        let mut pairs =
            cookies.flat_map(|(_, value)| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The parameters of a form body; none if the body is no form.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        let form = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if form { parameters(&String::from_utf8_lossy(&self.body)) } else { Vec::new() }
    }

    /// Whether an `Accept` header, if there is one, allows `content_type`.
    pub(super) fn accepts(&self, content_type: &str) -> bool {
        let wanted = content_type.split(';').next().unwrap_or_default();
        let family = wanted.split('/').next().unwrap_or_default();
        self.header("accept").is_none_or(|accept| {
            accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim()).any(|range| {
                range == "*/*" || range == wanted || range.strip_suffix("/*").is_some_and(|of| of == family)
            })
        })
    }

    /// Whether the client wants the connection closed after the answer.
    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Splits and decodes `a=1&b=2`.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// Undoes percent and plus encoding; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let coded = tail.get(..2).filter(|_| *first == b'%');
        let byte = coded.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An answer before it is put on the wire.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The status code.
    pub(super) status: u16,
    /// Headers beside `Date`, `Content-Type` and the length.
    pub(super) headers: Vec<(String, String)>,
    /// The content type; empty for none.
    pub(super) content_type: String,
    /// The body, shared with whoever else sends the same.
    pub(super) body: Bytes,
}

impl Reply {
    /// An answer with a body.
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), content_type: content_type.to_owned(), body: body.into() }
    }

    /// A sentence as `text/plain`, which is how the iiko server answers everything that goes wrong.
    pub(super) fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain;charset=UTF-8", text.into())
    }

    /// The same answer with a further header.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The head; without a length the body ends where the connection does.
    fn head(&self, date: &str, length: bool, close: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\nDate: {date}\r\n", self.status, reason(self.status));
        let mut line = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        };
        if !self.content_type.is_empty() {
            line("Content-Type", &self.content_type);
        }
        if length {
            line("Content-Length", &self.body.len().to_string());
        }
        if close {
            line("Connection", "close");
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// The reason phrase of the statuses that the upstreams use.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// How an answer reaches the client.
#[derive(Debug, Clone)]
pub(super) enum Delivery {
    /// As it should.
    Whole,
    /// The first bytes of the body under the full length, then the end of the connection.
    Cut(usize),
    /// The first bytes of the body without a length, then the end of the connection.
    CutClose(usize),
    /// So many bytes a second; the head too if `head`.
    Drip {
        /// Bytes a second.
        bytes_per_second: u32,
        /// Whether the head drips too.
        head: bool,
    },
    /// Bytes that are no answer at all, then the end of the connection.
    Raw(Bytes),
    /// The end of the connection.
    Nothing,
}

/// A client's connection with what was read ahead.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    /// A connection just accepted.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next request; `None` when the client is done.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        let (mut request, length) = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(invalid("head too long"));
            }
            if !self.more().await? {
                return Ok(None);
            }
        };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = match length {
            Some(length) => self.take(length).await?,
            None => self.chunks().await?,
        };
        Ok(Some(request))
    }

    /// Parses a complete head off the buffer: the request and its body's length, `None` for a chunked body.
    fn head(&mut self) -> io::Result<Option<(Request, Option<usize>)>> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut headers);
        let status = parsed.parse(&self.buffer).map_err(|error| invalid(&error.to_string()))?;
        let httparse::Status::Complete(end) = status else { return Ok(None) };
        let (path, query) =
            parsed.path.map_or(("", ""), |target| target.split_once('?').unwrap_or((target, "")));
        let header = |header: &httparse::Header<'_>| {
            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
        };
        let request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: parameters(query),
            headers: parsed.headers.iter().map(header).collect(),
            body: Bytes::new(),
        };
        self.buffer.advance(end);
        if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Some((request, None)));
        }
        let length =
            request.header("content-length").map_or(Ok(0), str::parse).map_err(|_| invalid("length"))?;
        Ok(Some((request, Some(length))))
    }

    /// The next `length` bytes.
    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        if length > MAX_BODY {
            return Err(invalid("body too long"));
        }
        while self.buffer.len() < length {
            if !self.more().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// A chunked body.
    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let size = httparse::parse_chunk_size(&self.buffer).map_err(|_| invalid("chunk size"))?;
            let httparse::Status::Complete((start, size)) = size else {
                if !self.more().await? {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            let size = usize::try_from(size).map_err(|_| invalid("chunk size"))?;
            self.buffer.advance(start);
            let chunk = self.take(size).await?;
            body.extend_from_slice(&chunk);
            self.take(2).await?;
            if size == 0 {
                return Ok(body.freeze());
            }
            if body.len() > MAX_BODY {
                return Err(invalid("body too long"));
            }
        }
    }

    /// Reads further; false at the end.
    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Waits; fails when the client hangs up meanwhile.
    pub(super) async fn wait(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        self.patient(sleep(time)).await
    }

    /// Waits for `work`; fails when the client hangs up meanwhile.
    pub(super) async fn patient<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        let mut work = pin!(work);
        let mut byte = [0];
        tokio::select! {
            done = &mut work => return Ok(done),
            peeked = self.stream.peek(&mut byte) => if peeked? == 0 {
                return Err(ErrorKind::ConnectionAborted.into());
            },
        }
        // It sent its next request already, so nothing more can be learnt from the socket.
        Ok(work.await)
    }

    /// Sends `reply` in the given manner and says whether the connection stays open. `released` is called
    /// before the last piece leaves: no client can hold the whole answer and still be counted as waiting for
    /// it.
    pub(super) async fn deliver(
        &mut self,
        request: &Request,
        reply: &Reply,
        date: &str,
        delivery: &Delivery,
        released: impl FnOnce() + Send,
    ) -> io::Result<bool> {
        let body = if request.method == "HEAD" { Bytes::new() } else { reply.body.clone() };
        let close = request.closes();
        match delivery {
            Delivery::Whole => {
                self.send(reply.head(date, true, close), body, released).await?;
                if !close {
                    return Ok(true);
                }
            }
            Delivery::Cut(at) => {
                let cut = body.slice(..body.len().min(*at));
                self.send(reply.head(date, true, close), cut, released).await?;
            }
            Delivery::CutClose(at) => {
                let cut = body.slice(..body.len().min(*at));
                self.send(reply.head(date, false, true), cut, released).await?;
            }
            Delivery::Drip { bytes_per_second, head } => {
                let mut dripping = body.clone();
                if *head {
                    dripping = [reply.head(date, true, true), body.to_vec()].concat().into();
                } else {
                    self.stream.write_all(&reply.head(date, true, true)).await?;
                }
                let last = dripping.split_off(dripping.len().saturating_sub(1));
                self.drip(dripping, *bytes_per_second).await?;
                released();
                self.stream.write_all(&last).await?;
            }
            Delivery::Raw(bytes) => self.send(Vec::new(), bytes.clone(), released).await?,
            Delivery::Nothing => released(),
        }
        self.stream.shutdown().await?;
        Ok(false)
    }

    /// Writes a head and a body, the last piece after `released`.
    async fn send(
        &mut self,
        mut head: Vec<u8>,
        mut body: Bytes,
        released: impl FnOnce() + Send,
    ) -> io::Result<()> {
        if body.len() > LAST_PIECE {
            let last = body.split_off(body.len() - LAST_PIECE);
            self.stream.write_all(&head).await?;
            self.stream.write_all(&body).await?;
            released();
            return self.stream.write_all(&last).await;
        }
        head.extend_from_slice(&body);
        released();
        self.stream.write_all(&head).await
    }

    /// Writes slowly, ten times a second or byte by byte.
    async fn drip(&mut self, mut bytes: Bytes, bytes_per_second: u32) -> io::Result<()> {
        let speed = bytes_per_second.max(1);
        let piece = (speed / 10).max(1);
        let pause = Duration::from_secs_f64(f64::from(piece) / f64::from(speed));
        while !bytes.is_empty() {
            let size = bytes.len().min(usize::try_from(piece).unwrap_or(usize::MAX));
            self.stream.write_all(&bytes.split_to(size)).await?;
            self.wait(pause).await?;
        }
        Ok(())
    }
}

/// What a client sent is no HTTP.
fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let expected = [("name", "Бар 1"), ("empty", ""), ("bad", "%zz")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parameters("name=%D0%91%D0%B0%D1%80+1&empty=&bad=%zz"), expected);
    }

    #[test]
    fn accept_is_obeyed() {
        let request = |accept: &str| Request {
            headers: vec![("Accept".to_owned(), accept.to_owned())],
            ..Request::default()
        };
        assert!(Request::default().accepts("text/plain"));
        assert!(request("*/*").accepts("application/xml"));
        assert!(request("application/json, text/*;q=0.5").accepts("text/plain;charset=UTF-8"));
        assert!(!request("application/json").accepts("application/xml"));
    }
}
