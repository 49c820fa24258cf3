//! The listener: one task a connection, one port for all upstreams.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use super::{
    Options, Shared,
    cloud::Cloud,
    control,
    faults::{Action, Edit, Moment, gzip_bomb, patched},
    fintablo::FinTablo,
    google::Sheets,
    iiko::Iiko,
    journal::{Entry, SessionEvent, redact},
    render,
    telegram::Telegram,
    wire::{Connection, Delivery, Reply, Request},
};

/// The upstreams behind the port; a further one is a further line.
pub(super) static UPSTREAMS: [&dyn Upstream; 5] = [&Iiko, &FinTablo, &Sheets, &Telegram, &Cloud];

/// How long a second request at once waits for news of a client that hung up.
const HANGUP_GRACE: Duration = Duration::from_millis(25);

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It changes nothing.
    Read,
    /// It changes what the upstream holds.
    Write,
    /// It opens or closes a session.
    Session,
}

/// What an upstream makes of a request.
pub(super) struct Answer {
    /// The answer.
    pub(super) reply: Reply,
    /// What happened to the sessions.
    pub(super) event: Option<SessionEvent>,
}

/// One upstream.
pub(super) trait Upstream: Sync {
    /// Its name in the journal.
    fn name(&self) -> &'static str;
    /// The beginning of the paths that are its own.
    fn prefix(&self) -> &'static str;
    /// How many requests at once are in order.
    fn most_in_flight(&self, options: &Options) -> usize;
    /// The answer to one more, if the upstream minds.
    fn crowded(&self) -> Option<Reply>;
    /// The path as the journal shows it, without its secrets.
    fn shown_path(&self, request: &Request) -> String {
        request.path.clone()
    }
    /// What kind of request this is.
    fn access(&self, request: &Request) -> Access;
    /// The work.
    fn answer(&self, shared: &Shared, request: &Request) -> Answer;
    /// The rule that such a request breaks, although it is answered.
    fn violation(&self, _request: &Request) -> Option<String> {
        None
    }
    /// Whether the request may be carried out, for an effect that comes later; else the answer.
    fn admit(&self, _shared: &Shared, _request: &Request) -> Result<(), Reply> {
        Ok(())
    }
    /// The work on a request that was admitted earlier.
    fn belated(&self, shared: &Shared, request: &Request) -> Answer {
        self.answer(shared, request)
    }
    /// Forgets who is logged in; an answer if the request is thereby answered.
    fn expire(&self, shared: &Shared) -> Option<Reply>;
    /// 403 for want of a licence.
    fn licence_full(&self) -> Reply;
    /// 429.
    fn too_many(&self) -> Reply;
    /// The body of a list without records that otherwise looks like `reply`.
    fn emptied(&self, reply: &Reply) -> Bytes {
        render::emptied(&reply.content_type, &reply.body)
    }
    /// What stands on every answer, the `number`th.
    fn finish(&self, reply: Reply, _number: u64) -> Reply {
        reply
    }
}

/// What is said of what is not played: nobody is to take it for the upstream's word.
pub(super) fn not_played(what: &str) -> String {
    format!("not played by this stand-in: {what}")
}

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(converse(stream, Arc::clone(&shared))); }
                // Out of file handles, most likely: wait for connections to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one connection's requests; an error is the client's going.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    while let Ok(Some(request)) = connection.request().await {
        let upstream = UPSTREAMS.iter().find(|upstream| request.path.starts_with(upstream.prefix()));
        let open = if let Some(upstream) = upstream {
            answer(*upstream, &shared, &mut connection, &request).await
        } else {
            let reply = control::answer(&shared, &request);
            connection.deliver(&request, &reply, &date(&shared), &Delivery::Whole, || ()).await
        };
        if !open.unwrap_or(false) {
            return;
        }
    }
}

/// Answers one request of an upstream, as well or as badly as the faults want it.
async fn answer(
    upstream: &'static dyn Upstream,
    shared: &Arc<Shared>,
    connection: &mut Connection,
    request: &Request,
) -> io::Result<bool> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let arrived = shared.started.elapsed();
    let mut flight = shared.flights.start(upstream.name());
    let most = upstream.most_in_flight(&shared.options);
    if flight.together() > most {
        // So may this one be: it was sent and given up before it was read here.
        if let Err(gone) = connection.wait(HANGUP_GRACE).await {
            flight.abandon();
            return Err(gone);
        }
        flight.forget_abandoned();
    }
    let together = flight.together();
    let crowd = (together > most).then(|| format!("{together} requests at once"));

    let refused = crowd.as_ref().and_then(|_| upstream.crowded());
    let mut outcome = match refused {
        Some(reply) => Outcome::reply(reply),
        None => outcome(upstream, shared, request),
    };
    if let Some(pending) = outcome.pending.take() {
        outcome = match connection.patient(pending).await {
            Ok(Ok(Answer { reply, event })) => Outcome { event, ..Outcome::reply(reply) },
            // The client has gone, or the effect was given up with the sandbox.
            _ => Outcome::nothing(),
        };
    }
    let reply = upstream.finish(outcome.reply, NUMBER.fetch_add(1, Ordering::Relaxed));
    let access = upstream.access(request);
    let answered = !matches!(outcome.delivery, Delivery::Nothing | Delivery::Raw(_));
    shared.journal.add(Entry {
        seq: 0,
        at_ms: u64::try_from(arrived.as_millis()).unwrap_or(u64::MAX),
        upstream: upstream.name(),
        method: request.method.clone(),
        path: upstream.shown_path(request),
        query: redact(&request.query),
        write: access == Access::Write,
        session: access == Access::Session,
        event: outcome.event,
        status: answered.then_some(reply.status),
        violation: crowd.or_else(|| upstream.violation(request)),
    });

    let mut flight = Some(flight);
    let date = date(shared);
    let sent = match connection.wait(shared.options.latency + outcome.delay).await {
        Ok(()) => connection.deliver(request, &reply, &date, &outcome.delivery, || drop(flight.take())).await,
        Err(gone) => Err(gone),
    };
    if let (Err(_), Some(flight)) = (&sent, flight) {
        flight.abandon();
    }
    sent
}

/// What becomes of a request.
struct Outcome {
    reply: Reply,
    event: Option<SessionEvent>,
    delivery: Delivery,
    delay: Duration,
    /// The answer that comes with a late effect.
    pending: Option<oneshot::Receiver<Answer>>,
}

impl Outcome {
    /// A plain answer.
    fn reply(reply: Reply) -> Self {
        Self { reply, event: None, delivery: Delivery::Whole, delay: Duration::ZERO, pending: None }
    }

    /// No answer at all.
    fn nothing() -> Self {
        Self::reply(Reply::text(503, "")).by(Delivery::Nothing)
    }

    /// The same by another way.
    fn by(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The same with another body, if it was a good answer.
    fn with_body(mut self, body: impl FnOnce(&Reply) -> Bytes) -> Self {
        if self.reply.status == 200 {
            self.reply.body = body(&self.reply);
        }
        self
    }
}

/// Applies the edits and the fault that wait for this request, and lets the upstream work where the fault
/// allows it.
fn outcome(upstream: &'static dyn Upstream, shared: &Arc<Shared>, request: &Request) -> Outcome {
    let (before, after, action) = {
        let mut faults = shared.faults();
        let [before, after] = [Moment::Before, Moment::After].map(|moment| faults.due(request, moment));
        (before, after, faults.meet(request))
    };
    edit(shared, before);
    let outcome = carried_out(upstream, shared, request, action);
    edit(shared, after);
    outcome
}

/// Applies edits of the world.
fn edit(shared: &Shared, edits: Vec<Edit>) {
    if edits.is_empty() {
        return;
    }
    let mut world = shared.world();
    for edit in edits {
        edit(&mut world);
    }
}

/// Lets the upstream work as the fault allows it.
fn carried_out(
    upstream: &'static dyn Upstream,
    shared: &Arc<Shared>,
    request: &Request,
    action: Option<Action>,
) -> Outcome {
    let work_on = |request: &Request| {
        let Answer { reply, event } = upstream.answer(shared, request);
        Outcome { event, ..Outcome::reply(reply) }
    };
    let work = || work_on(request);
    let Some(action) = action else { return work() };
    match action {
        Action::Status { code, content_type, body, headers } => {
            Outcome::reply(Reply { headers, ..Reply::new(code, &content_type, body) })
        }
        Action::Cut { at } => work().by(Delivery::Cut(at)),
        Action::CutClose { at } => work().by(Delivery::CutClose(at)),
        Action::Damage { how, at } => {
            let whole = work();
            Outcome { reply: how.done_to(whole.reply.clone(), at), ..whole }
        }
        Action::Close => Outcome::nothing(),
        Action::CloseAfterEffect => work().by(Delivery::Nothing),
        Action::Slow { delay_ms } => Outcome { delay: Duration::from_millis(delay_ms), ..work() },
        Action::Late { delay_ms, hold } => match upstream.admit(shared, request) {
            Err(refusal) if hold => Outcome::reply(refusal),
            Err(_) => Outcome::nothing(),
            Ok(()) => {
                let answer = later(upstream, shared, request, delay_ms);
                Outcome { pending: hold.then_some(answer), ..Outcome::nothing() }
            }
        },
        Action::Doubled => {
            let first = work();
            let second = work();
            Outcome { event: first.event.or(second.event), ..second }
        }
        Action::Replayed { delay_ms } => {
            if upstream.admit(shared, request).is_ok() {
                later(upstream, shared, request, delay_ms);
            }
            work()
        }
        Action::PatchRequest { patch } => {
            let mut sent = request.clone();
            sent.body = patched(&request.body, &patch);
            work_on(&sent)
        }
        Action::PatchAnswer { patch } => work().with_body(|reply| patched(&reply.body, &patch)),
        Action::Drip { bytes_per_second, head } => work().by(Delivery::Drip { bytes_per_second, head }),
        Action::Garbage => {
            let garbage = Bytes::from_static(b"\x16\x03\x01\x00\xff\xfe SSH-2.0-not-http\r\n\0\0\0");
            Outcome::reply(Reply::text(503, "")).by(Delivery::Raw(garbage))
        }
        Action::Raw { bytes } => Outcome::reply(Reply::text(503, "")).by(Delivery::Raw(bytes)),
        Action::Html => Outcome::reply(Reply::new(200, "text/html;charset=UTF-8", LOGIN_PAGE)),
        Action::Empty => work().with_body(|_| Bytes::new()),
        Action::EmptyList => work().with_body(|reply| upstream.emptied(reply)),
        Action::Body { content_type, body } => Outcome::reply(Reply::new(200, &content_type, body)),
        Action::ExpireToken => upstream.expire(shared).map_or_else(work, Outcome::reply),
        Action::LicenceFull => Outcome::reply(upstream.licence_full()),
        Action::TooMany { retry_after } => {
            let reply = upstream.too_many();
            Outcome::reply(if retry_after.is_empty() {
                reply
            } else {
                reply.with("Retry-After", retry_after)
            })
        }
        Action::Redirect { location, code } => {
            Outcome::reply(Reply::text(code, "").with("Location", location))
        }
        Action::GzipBomb { unpacked } => {
            let reply = Reply::new(200, "application/json", gzip_bomb(unpacked));
            Outcome::reply(reply.with("Content-Encoding", "gzip"))
        }
    }
}

/// Carries a request out so much later and tells who still listens how it went.
fn later(
    upstream: &'static dyn Upstream,
    shared: &Arc<Shared>,
    request: &Request,
    delay_ms: u64,
) -> oneshot::Receiver<Answer> {
    let (sender, receiver) = oneshot::channel();
    let (spawner, shared, request) = (Arc::clone(shared), Arc::clone(shared), request.clone());
    spawner.late.spawn(async move {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        // Nobody need be listening.
        let _ = sender.send(upstream.belated(&shared, &request));
    });
    receiver
}

/// What a proxy or a wrong port answers.
const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Вход</title></head>\
    <body><form action=\"/login\"><input name=\"user\"><input type=\"password\"></form></body></html>\n";

/// The time of the upstreams, for the `Date` header.
fn date(shared: &Shared) -> String {
    shared.world().time().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
