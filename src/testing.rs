//! Switches of the acceptance stories: where a process kills itself, and which known mistake it makes.
//!
//! They work in debug builds only; a release build holds none of them. The stories must see each mistake caught, or they
//! would prove nothing.

/// The environment name of the step at which the process is killed: `NAME`, or `NAME:N` for the `N`th time.
#[cfg(debug_assertions)]
const STOP_AT: &str = "ZERKALO_TEST_STOP_AT";

/// The environment name of the mistake.
#[cfg(debug_assertions)]
const BUG: &str = "ZERKALO_TEST_BUG";

/// Every step at which a process can be killed, in the order of a night.
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

/// Dies here, as a power cut would have it, when the environment asks for it.
#[cfg(debug_assertions)]
pub(crate) fn step(name: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    debug_assert!(STEPS.contains(&name), "`{name}` is no step");
    let Ok(wanted) = std::env::var(STOP_AT) else { return };
    let (wanted, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == time.parse().unwrap_or(1) {
        // The signal cannot be caught, so nothing after this line happens.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Whether the environment asks for a mistake.
#[cfg(debug_assertions)]
pub(crate) fn bug(name: &str) -> bool {
    std::env::var(BUG).is_ok_and(|wanted| wanted == name)
}

#[cfg(not(debug_assertions))]
pub(crate) fn step(_name: &str) {}

#[cfg(not(debug_assertions))]
pub(crate) fn bug(_name: &str) -> bool {
    false
}
