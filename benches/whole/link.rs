//! A slow link to the database: delays each direction, counts turns and bytes.

use anyhow::Result;
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

/// What went over one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traffic {
    /// How often the client waited for an answer, connecting included.
    pub(crate) turns: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    client_spoke_last: bool,
}

type Connections = Arc<Mutex<Vec<Traffic>>>;

/// The link.
pub(crate) struct Link {
    pub(crate) port: u16,
    connections: Connections,
}

impl Link {
    /// Forwards to `port`, each direction `delay` late, until the process ends.
    pub(crate) fn start(port: u16, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let own = listener.local_addr()?.port();
        let connections = Connections::default();
        let shared = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(carry(&client, port, delay, &shared)));
            }
        });
        Ok(Self { port: own, connections })
    }

    /// What went over each connection since the last call.
    pub(crate) fn take(&self) -> Vec<Traffic> {
        std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn carry(client: &TcpStream, port: u16, delay: Duration, connections: &Connections) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let place = {
        let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push(Traffic { turns: 1, ..Traffic::default() });
        connections.len() - 1
    };
    let count = |from_client: bool, bytes: usize| {
        let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(traffic) = connections.get_mut(place) else { return };
        if from_client {
            traffic.sent += bytes as u64;
        } else {
            traffic.received += bytes as u64;
            traffic.turns += u64::from(traffic.client_spoke_last);
        }
        traffic.client_spoke_last = from_client;
    };
    // TCP's own handshake is a round trip, too, which loopback does not show.
    let open_at = Instant::now() + 2 * delay;
    std::thread::scope(|scope| {
        let (back, forth) = (&server, client);
        scope.spawn(move || pump(back, forth, delay, Instant::now(), |bytes| count(false, bytes)));
        pump(client, &server, delay, open_at, |bytes| count(true, bytes));
    });
    Ok(())
}

/// Carries bytes one way. A second thread waits, so that bytes that follow each other closely are late together.
fn pump(mut from: &TcpStream, to: &TcpStream, delay: Duration, open_at: Instant, count: impl Fn(usize)) {
    let (sender, late) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut to = to;
            for (at, bytes) in late {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            // The other side may have closed already.
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 {
                break;
            }
            count(read);
            if sender.send((Instant::now().max(open_at) + delay, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
        drop(sender);
    });
}
