//! Failpoints: where the acceptance stories kill a process, as a power cut would.
//!
//! They are there with the feature `failpoints` alone, which this package's own tests switch on (Cargo.toml). What
//! `cargo build` and `cargo install` make holds none of them, debug or release.

/// Every step at which a process can be killed, in the order of a night.
#[cfg(feature = "failpoints")]
pub const STEPS: [&str; 14] = [
    "entered",
    "reported",
    "planned",
    "looked-up",
    "drafting",
    "draft-sent",
    "drafted",
    "compared",
    "processing",
    "process-sent",
    "verified",
    "done",
    "balances",
    "told",
];

/// The environment name of the step at which the process is killed: `NAME`, or `NAME:N` for the `N`th time.
#[cfg(feature = "failpoints")]
const STOP_AT: &str = "ZERKALO_TEST_STOP_AT";

/// Dies here when the environment asks for it.
#[cfg(feature = "failpoints")]
pub(crate) fn step(name: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    assert!(STEPS.contains(&name), "`{name}` is no step");
    let Ok(wanted) = std::env::var(STOP_AT) else { return };
    let (wanted, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == time.parse().unwrap_or(1) {
        // The signal cannot be caught, so nothing after this line happens.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing: this build holds no failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn step(_name: &str) {}
