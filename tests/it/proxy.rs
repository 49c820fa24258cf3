//! A proxy before a `PostgreSQL` server that cuts a connection at a chosen moment: before a request reaches the server, as
//! soon as it has, or when the server has answered and nobody has heard it.

use super::{harness::block_on, postgres::Server};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::Notify,
};

/// The proxy. It takes no more connections once it is dropped.
pub(crate) struct Proxy {
    port: u16,
    script: Arc<Mutex<Script>>,
    listening: tokio::task::JoinHandle<()>,
}

/// What is to be done, and what was.
#[derive(Debug, Default)]
struct Script {
    /// Connections that were made.
    connections: usize,
    /// Requests that the server was to answer, of all connections.
    turns: usize,
    cut: Option<(Where, When)>,
    cuts: usize,
    /// Nobody is let through any more once something was cut.
    ends: bool,
}

/// Which request is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Where {
    /// The `n`th one.
    Turn(usize),
    /// The next one whose text holds this.
    Text(&'static str),
}

/// When it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The server never gets it.
    Unsent,
    /// The server gets it, and its client is gone.
    Unanswered,
    /// The server has answered, and nobody has heard it.
    Unheard,
}

impl Proxy {
    /// A proxy before a server.
    pub(crate) fn before(server: &Server) -> Self {
        let socket = server.socket();
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let script = Arc::<Mutex<Script>>::default();
            let listening = tokio::spawn(listen(listener, socket, Arc::clone(&script)));
            Self { port, script, listening }
        })
    }

    /// A database's address through it.
    pub(crate) fn url(&self, database: &str) -> String {
        let name = database.rsplit_once("localhost/").unwrap().1.split('?').next().unwrap();
        format!("postgres://zerkalo@127.0.0.1:{}/{name}", self.port)
    }

    /// Cuts one request, and counts from now on.
    pub(crate) fn cut(&self, place: Where, when: When) {
        *self.script.lock().unwrap() = Script { cut: Some((place, when)), ..Script::default() };
    }

    /// Cuts one request, and takes no connection after it.
    pub(crate) fn cut_for_good(&self, place: Where, when: When) {
        *self.script.lock().unwrap() = Script { cut: Some((place, when)), ends: true, ..Script::default() };
    }

    /// How many connections there were and how many requests, their logins aside; counts from now on.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let script = std::mem::take(&mut *self.script.lock().unwrap());
        (script.connections, script.turns)
    }

    /// Cuts nothing more; how many requests there were, and how many of them were cut.
    pub(crate) fn rest(&self) -> (usize, usize) {
        let script = std::mem::take(&mut *self.script.lock().unwrap());
        (script.turns, script.cuts)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, socket: PathBuf, script: Arc<Mutex<Script>>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let ended = {
            let mut script = script.lock().unwrap();
            script.connections += 1;
            script.ends && script.cuts > 0
        };
        if !ended {
            let (socket, script) = (socket.clone(), Arc::clone(&script));
            // A connection that breaks off has told its client so.
            tokio::spawn(async move { drop(serve(client, socket, script).await) });
        }
    }
}

async fn serve(mut client: TcpStream, socket: PathBuf, script: Arc<Mutex<Script>>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = UnixStream::connect(socket).await?;
    loop {
        let message = untyped(&mut client).await?;
        // A request for encryption is declined; the next one is the start.
        if message.len() == 8 && message[4..6] == [4, 210] {
            client.write_all(b"N").await?;
            continue;
        }
        server.write_all(&message).await?;
        break;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mute, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (deaf, told) = (Arc::clone(&mute), Arc::clone(&answered));
    let back = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            if deaf.load(Ordering::SeqCst) {
                // Ready for the next query: everything before it is answered.
                if read >= 6 && buffer[read - 6..read - 1] == [b'Z', 0, 0, 0, 5] {
                    break;
                }
            } else if to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        told.notify_one();
    });
    while let Ok(message) = typed(&mut from_client).await {
        let cut = script.lock().unwrap().judge(&message);
        if cut == Some(When::Unsent) {
            break;
        }
        mute.store(cut.is_some(), Ordering::SeqCst);
        to_server.write_all(&message).await?;
        if cut == Some(When::Unheard) {
            answered.notified().await;
        }
        if cut.is_some() {
            break;
        }
    }
    back.abort();
    Ok(())
}

impl Script {
    /// Whether a message is cut, and when.
    fn judge(&mut self, message: &[u8]) -> Option<When> {
        // What the server is to answer: a simple query, or the end of an extended one.
        if !matches!(message[0], b'Q' | b'S') {
            return None;
        }
        self.turns += 1;
        let (place, when) = self.cut.clone()?;
        let hit = match place {
            Where::Turn(turn) => self.turns == turn,
            Where::Text(text) => message.windows(text.len()).any(|part| part == text.as_bytes()),
        };
        if !hit {
            return None;
        }
        self.cut = None;
        self.cuts += 1;
        Some(when)
    }
}

/// A message of the start: its length, then the rest.
async fn untyped(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[..4].try_into().unwrap()) as usize;
    message.resize(length, 0);
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// A message: its kind, its length, then the rest.
async fn typed(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize;
    message.resize(length + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}
