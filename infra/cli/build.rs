//! The migrations are built into the program: a new file there must build it anew.

#[allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
