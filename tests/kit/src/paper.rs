//! Papers that are made from what the tests know.

use std::{fs, path::Path};

/// Whether `docs/name` is `paper`. With `AIGEN_WRITE_PAPERS` it is written instead; `command` says
/// how, to who has to.
pub fn is_written(name: &str, paper: &str, command: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("AIGEN_WRITE_PAPERS").is_some() {
        fs::write(&path, paper).unwrap();
    }
    let is_right = fs::read_to_string(&path).is_ok_and(|written| written == paper);
    assert!(is_right, "write {name} anew: AIGEN_WRITE_PAPERS=1 {command}");
}
