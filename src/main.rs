//! The `zerkalo` binary.
fn main() {}
