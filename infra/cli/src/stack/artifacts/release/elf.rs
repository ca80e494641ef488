//! What a built program says of itself: the processor it is for, the newest glibc that it needs,
//! and names of folders that should not be in it. Pure.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::endian::Endianness;
use object::read::elf::{FileHeader, SectionHeader};

use super::Arch;

/// The newest glibc that `provided.al2023` has symbols of.
pub(super) const NEWEST_GLIBC: Glibc = Glibc { major: 2, minor: 34, patch: 0 };

/// A version of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glibc {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Glibc {
    /// Of the name of a symbol's version, such as `GLIBC_2.2.5`. `GLIBC_PRIVATE` is none, and newer
    /// than all: who needs it fits one build of glibc alone.
    fn read(name: &str) -> Option<Result<Self>> {
        let version = name.strip_prefix("GLIBC_")?;
        let mut parts = version.split('.').map(str::parse);
        let mut part = |needed: bool| match parts.next() {
            Some(number) => number.ok(),
            None => (!needed).then_some(0),
        };
        let read =
            (|| Some(Self { major: part(true)?, minor: part(true)?, patch: part(false)? }))();
        Some(read.with_context(|| format!("it needs {name}, which is no version of glibc")))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch } = self;
        write!(out, "{major}.{minor}")?;
        if *patch == 0 { Ok(()) } else { write!(out, ".{patch}") }
    }
}

/// The newest glibc that `program` needs symbols of, once it is known to be for `arch`.
///
/// # Errors
///
/// When it is no ELF file of 64 bits, is for another processor, or needs what Lambda does not have.
pub(super) fn check(program: &[u8], arch: Arch) -> Result<Option<Glibc>> {
    let header =
        FileHeader64::<Endianness>::parse(program).context("it is no ELF file of 64 bits")?;
    let endian = header.endian().context("its byte order is not known")?;
    let machine = header.e_machine(endian);
    let expected = match arch {
        Arch::Arm64 => EM_AARCH64,
        Arch::X86_64 => EM_X86_64,
    };
    ensure!(
        machine == expected,
        "it is for another processor than {} (ELF machine {machine}, not {expected})",
        arch.name()
    );
    let newest = newest_glibc(program, header, endian)?;
    if let Some(newest) = newest.filter(|newest| *newest > NEWEST_GLIBC) {
        bail!(
            "it needs symbols of glibc {newest}, and provided.al2023 has {NEWEST_GLIBC}: the \
             linker that it was built with links against a newer one"
        );
    }
    Ok(newest)
}

/// The newest version in `.gnu.version_r`.
fn newest_glibc(
    program: &[u8],
    header: &FileHeader64<Endianness>,
    endian: Endianness,
) -> Result<Option<Glibc>> {
    let sections = header.sections(endian, program).context("its sections cannot be read")?;
    let mut newest = None;
    for section in sections.iter() {
        let Some((mut libraries, strings)) =
            section.gnu_verneed(endian, program).context("its symbols' versions cannot be read")?
        else {
            continue;
        };
        let strings = sections.strings(endian, program, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                if let Some(glibc) = Glibc::read(&name) {
                    newest = newest.max(Some(glibc?));
                }
            }
        }
    }
    Ok(newest)
}

/// Which of these texts are in the program.
pub(super) fn found_in<'a>(program: &[u8], texts: &'a [String]) -> Vec<&'a str> {
    texts
        .iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty() && contains(program, text.as_bytes()))
        .collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return true };
    let mut from = bytes;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<String> {
        Glibc::read(name).map(|read| read.map_or_else(|_| "?".to_owned(), |it| it.to_string()))
    }

    #[test]
    fn versions_of_glibc_are_compared_by_their_numbers() {
        let of = |name: &str| Glibc::read(name).unwrap().unwrap();
        assert!(of("GLIBC_2.4") < of("GLIBC_2.34") && of("GLIBC_2.2.5") < of("GLIBC_2.3"));
        assert!(of("GLIBC_2.34") <= NEWEST_GLIBC && of("GLIBC_2.35") > NEWEST_GLIBC);
        assert_eq!(read("GLIBC_2.2.5").as_deref(), Some("2.2.5"));
        assert_eq!(read("GCC_3.0"), None);
        assert_eq!(read("GLIBC_PRIVATE").as_deref(), Some("?"));
        assert_eq!(read("GLIBC_2.x").as_deref(), Some("?"));
    }

    /// This test is a program of this machine's own, which needs some glibc.
    #[test]
    fn a_program_is_for_one_processor_and_needs_a_glibc() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let (mine, other) = if cfg!(target_arch = "aarch64") {
            (Arch::Arm64, Arch::X86_64)
        } else {
            (Arch::X86_64, Arch::Arm64)
        };
        let wrong = check(&me, other).unwrap_err().to_string();
        assert!(wrong.starts_with("it is for another processor"), "{wrong}");
        match check(&me, mine) {
            Ok(glibc) => assert!(glibc.is_some_and(|it| it <= NEWEST_GLIBC)),
            // Linked here, against whatever this machine has.
            Err(error) => assert!(error.to_string().contains("needs symbols of glibc"), "{error}"),
        }
        assert!(check(b"#!/bin/sh\n", mine).is_err());
    }

    #[test]
    fn a_text_is_found_wherever_it_stands() {
        let texts = ["/place/a".to_owned(), "/b".to_owned(), String::new()];
        assert_eq!(found_in(b"\0/plac/place/a", &texts), ["/place/a"]);
        assert_eq!(found_in(b"/bx/home/", &texts), ["/b"]);
        assert!(found_in(b"", &texts).is_empty());
    }
}
