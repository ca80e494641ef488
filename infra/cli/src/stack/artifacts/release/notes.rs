//! Whether a version is the one that CHANGELOG.md tells of. Pure.

use anyhow::{Context, Result, ensure};

/// The version of the newest heading, `## [1.2.3] - 2026-11-27` or `## [Unreleased]`.
fn newest(changelog: &str) -> Option<&str> {
    let heading = changelog.lines().find_map(|line| line.strip_prefix("## ["))?;
    heading.split(']').next()
}

/// Refuses a tag that is not of this version, or a version that the changelog does not open with.
///
/// # Errors
///
/// Which of the three differs, and what to do.
pub(super) fn agree(tag: &str, version: &str, changelog: &str) -> Result<()> {
    ensure!(
        tag.strip_prefix('v') == Some(version),
        "the tag {tag} is not v{version}, the version in Cargo.toml: tag the commit that bears the \
         version, or set the version first"
    );
    let newest = newest(changelog).context("CHANGELOG.md has no heading `## [version]`")?;
    ensure!(
        newest == version,
        "CHANGELOG.md opens with [{newest}] and not with [{version}]: give what is released its \
         heading, `## [{version}] - YYYY-MM-DD`, and commit before tagging"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = include_str!("../../../../../../CHANGELOG.md");

    #[test]
    fn tag_version_and_newest_heading_have_to_be_one() {
        let told = "# Changelog\n\n## [1.2.0] - 2026-11-27\n\n## [1.1.0] - 2026-10-01\n";
        assert!(agree("v1.2.0", "1.2.0", told).is_ok());
        for (tag, version, changelog, part) in [
            ("1.2.0", "1.2.0", told, "the tag 1.2.0"),
            ("v1.2.1", "1.2.0", told, "the tag v1.2.1"),
            ("v1.1.0", "1.1.0", told, "opens with [1.2.0]"),
            ("v1.2.0", "1.2.0", "## [Unreleased]\n\n## [1.2.0]\n", "opens with [Unreleased]"),
            ("v1.2.0", "1.2.0", "# Changelog\n", "no heading"),
        ] {
            let error = agree(tag, version, changelog).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    /// All crates have the workspace's version, and this is one of them.
    #[test]
    fn the_changelog_opens_with_this_version_or_with_what_will_be_the_next() {
        let version = env!("CARGO_PKG_VERSION");
        let newest = newest(REAL).unwrap();
        let announced = REAL.contains(&format!("What will be {version}."));
        assert!(newest == version || (newest == "Unreleased" && announced), "{newest}, {version}");
    }

    #[test]
    fn versions_of_the_changelog_are_numbers_and_fall() {
        let headings = REAL.lines().filter_map(|line| line.strip_prefix("## ["));
        let names = headings.filter_map(|line| line.split(']').next());
        let versions: Vec<Vec<u64>> = names
            .filter(|name| *name != "Unreleased")
            .map(|name| name.split('.').map(|part| part.parse().unwrap()).collect())
            .collect();
        assert!(versions.iter().all(|version| version.len() == 3));
        assert!(versions.is_sorted_by(|newer, older| newer > older), "{versions:?}");
    }
}
