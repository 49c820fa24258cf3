//! The upstreams: answers that were rendered beforehand, so that rendering them is not measured.

use anyhow::{Context as _, Result};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

type Store = Arc<Mutex<HashMap<String, Arc<Vec<u8>>>>>;

/// A server of whole HTTP answers. What it lacks it asks the sandbox for once.
pub(crate) struct Answers {
    pub(crate) address: SocketAddr,
    store: Store,
}

impl Answers {
    /// Serves until the process ends.
    pub(crate) fn start(sandbox: Option<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let store = Store::default();
        let shared = Arc::clone(&store);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // An error is the client's going.
                std::thread::spawn(move || drop(converse(&stream, &shared, sandbox)));
            }
        });
        Ok(Self { address, store })
    }

    /// Answers `path` with this JSON.
    pub(crate) fn put(&self, path: &str, body: &[u8]) {
        self.store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), Arc::new(answer("application/json", body)));
    }
}

fn answer(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn converse(stream: &TcpStream, store: &Store, sandbox: Option<SocketAddr>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut head = String::new();
        let mut length = 0;
        loop {
            let start = head.len();
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
            let line = head[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let target = head.split(' ').nth(1).context("a request line")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("timestamp=")).collect();
        let key = format!("{path}?{}", query.join("&"));
        let known = |key: &str| store.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let reply = match known(&key).or_else(|| known(path)) {
            Some(reply) => reply,
            None if path.ends_with("/logout") => Arc::new(answer("text/plain", b"")),
            None if sandbox.is_none() => Arc::new(answer("text/plain", b"token-of-a-bench")),
            None => {
                let reply = Arc::new(forward(sandbox.context("checked")?, &head, &body)?);
                store.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&reply));
                reply
            }
        };
        (&mut &*stream).write_all(&reply)?;
    }
}

fn forward(sandbox: SocketAddr, head: &str, body: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(sandbox)?;
    let head = head.strip_suffix("\r\n").context("a head ends with an empty line")?;
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let text = String::from_utf8(reply)?;
    // The sandbox closes; the client is to keep its connection.
    let (head, body) = text.split_once("\r\n\r\n").context("an answer has a head")?;
    let kept: Vec<&str> =
        head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    Ok(format!("{}\r\n\r\n{body}", kept.join("\r\n")).into_bytes())
}
