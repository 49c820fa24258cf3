//! What this process is to its host: it leaves no core dump, a second signal ends it, and a limit on files does not.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::{
    sync::{Once, mpsc},
    thread,
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a run has to end by itself after a second signal.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a last word may take: whoever reads it may have stopped reading.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Keeps the memory of this process, and with it every password, out of core dumps and out of debuggers of the same user.
/// systemd's units forbid dumps, cron does not; and where dumps go to a program, the limit alone does not count.
pub fn keep_memory() {
    let no_dumps = Rlimit { current: Some(0), maximum: Some(0) };
    let done = [setrlimit(Resource::Core, no_dumps), set_dumpable_behavior(DumpableBehavior::NotDumpable)];
    for error in done.into_iter().filter_map(Result::err) {
        // Never seen: whoever may have less asks for nothing.
        tracing::warn!("core dumps of this process cannot be forbidden: {error}");
    }
}

/// From now on a file that may not grow (`ulimit -f`) is told like a disk that is full: by itself, that signal would end
/// this process with its session open. It is caught whether anybody listens or not. To be called on a runtime.
pub(crate) fn outlive_file_limits() {
    if let Err(error) = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())) {
        tracing::warn!("a limit on the size of files would end this process: {error}");
    }
}

/// The signals that ask a process to stop, their numbers and their names.
pub(crate) fn listen() -> [(Signal, u8, &'static str); 3] {
    let listen = |kind| signal(kind).expect("signals can be listened to on a tokio runtime");
    [
        (listen(SignalKind::terminate()), 15, "SIGTERM"),
        (listen(SignalKind::interrupt()), 2, "SIGINT"),
        (listen(SignalKind::hangup()), 1, "SIGHUP"),
    ]
}

/// Waits for one of the signals.
pub(crate) async fn next(signals: &mut [(Signal, u8, &'static str)]) -> (u8, &'static str) {
    let received = futures_util::future::select_all(signals.iter_mut().map(|(signal, number, name)| {
        Box::pin(async {
            signal.recv().await;
            (*number, *name)
        })
    }));
    received.await.0
}

/// From now on a second signal ends this process, whatever it is doing. Who listens to signals takes from them what they
/// do by themselves, and whoever waits for a disk or for a reader does not listen.
pub(crate) fn end_at_second_signal() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let (listens, ready) = mpsc::channel();
        let watcher = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(watch(listens)),
                Err(error) => tracing::warn!("a second signal may go unheard: {error}"),
            }
        });
        match watcher {
            // Fails when the watcher has ended, which has said why.
            Ok(_) => drop(ready.recv()),
            Err(error) => tracing::warn!("a second signal may go unheard: {error}"),
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever would log out and unlock is what does not come to an end"
)]
async fn watch(listens: mpsc::Sender<()>) {
    let mut signals = listen();
    drop(listens);
    let (first, _) = next(&mut signals).await;
    next(&mut signals).await;
    tokio::time::sleep(PATIENCE).await;
    let word = || {
        tracing::warn!(
            "stopped a second time, and ended at once; the next run ends the iiko session and logs this one"
        );
    };
    drop(thread::Builder::new().spawn(word));
    tokio::time::sleep(LAST_WORD).await;
    std::process::exit(128 + i32::from(first));
}
