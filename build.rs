//! The migrations are compiled into the binary, so that a new one is a reason to build it again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
