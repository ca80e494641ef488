//! Has the migrations read again that `store/schema.rs` compares the database with.

fn main() {
    println!("cargo:rerun-if-changed=../infra/migrations");
}
