//! Where a process can be killed on purpose, only this package's own tests can do it.

use super::{harness::Engine, nights::Street};
use std::process::Command;

/// The features that this package has in a build, as cargo resolves them.
fn features(edges: &str) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--quiet", "--locked", "--offline", "--depth=0", "--prefix=none", "--format={f}"]);
    let output = command.args(["--edges", edges]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn what_is_built_or_installed_has_no_failpoints_and_what_is_tested_has() {
    assert_eq!(features("normal"), "");
    assert_eq!(features("normal,dev"), "failpoints,fuzzing", "and so the line above can fail");
}

#[test]
fn a_failpoint_kills_once_its_time_has_come() {
    let mut street = Street::new(Engine::Sqlite);
    let night = ["negative-transfer", "--scheduled", "23:00", "--grace", "55m"];
    let rows = |street: &Street| street.world.count("document_outbox");
    street.world.set("ZERKALO_TEST_STOP_AT", "reported");
    assert_eq!((street.world.run(&night).code, rows(&street)), (None, 0));
    street.world.set("ZERKALO_TEST_STOP_AT", "drafted:2");
    assert_eq!((street.world.run(&night).code, rows(&street)), (None, 3));
    street.world.set("ZERKALO_TEST_STOP_AT", "drafted:9");
    assert_ne!(street.world.run(&night).code, None, "there is no ninth draft");
}
