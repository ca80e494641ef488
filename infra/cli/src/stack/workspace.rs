//! Where the workspace is, from any folder in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The file that only the workspace's root has at this place.
const LANDMARK: &str = "infra/cli/Cargo.toml";

/// The workspace's root, seen from the current folder.
pub(super) fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder cannot be read")?;
    above(&here).with_context(|| {
        format!("{} is not inside the project: go to its folder first", here.display())
    })
}

fn above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|candidate| candidate.join(LANDMARK).is_file()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_a_folder_deep_inside() {
        let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack");
        let root = above(&inside).expect("the crate is in the workspace");
        assert!(root.join("Cargo.lock").is_file());
    }

    #[test]
    fn a_folder_outside_has_no_root() {
        assert_eq!(above(Path::new("/")), None);
    }
}
