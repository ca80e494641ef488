use super::*;

/// The locked files and, with the other ending, what they were made from.
const LOCKS: [&str; 6] = ["clients", "gateway", "interpreter", "linters", "lock", "tools"];

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(parse_version("3 11\n"), Some((3, 11)));
    assert!(parse_version("3 9") < Some(OLDEST_PYTHON));
    assert_eq!(parse_version("Python"), None);
}

#[test]
fn every_pin_is_exact_and_has_a_hash() {
    for name in LOCKS {
        let pins = pins(&read(&format!("{name}.txt")));
        assert!(!pins.is_empty(), "{name}");
        for Pin { package, hashes } in &pins {
            let (_, version) = package.split_once("==").expect(package);
            assert!(!version.is_empty() && !version.contains(['*', ',']), "{package}");
            assert!(!hashes.is_empty(), "{package} has no hash");
            for hash in hashes {
                let digest = hash.strip_prefix("--hash=sha256:").expect(hash);
                assert_eq!(digest.len(), 64, "{package}: {hash}");
                assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{package}: {hash}");
            }
        }
    }
}

#[test]
fn what_is_asked_for_is_what_is_locked() {
    for name in LOCKS {
        let locked = pins(&read(&format!("{name}.txt")));
        let asked = read(&format!("{name}.in"));
        for asked in asked.lines().filter_map(|line| line.split('#').next().map(str::trim)) {
            let package = without_extras(asked);
            assert!(
                package.is_empty() || locked.iter().any(|pin| pin.package == package),
                "{package} is not in {name}.txt: run `bash infra/requirements/lock`"
            );
        }
    }
}

#[test]
fn the_shells_pip_settings_are_foreign_but_for_those_of_the_registry() {
    for name in ["PIP_TARGET", "PIP_USER", "PIP_NO_DEPS", "PIP_NO_BINARY", "PIP_REQUIREMENT"] {
        assert!(is_foreign_pip_setting(name), "{name}");
    }
    for name in ["PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY", "PIP_CONFIG_FILE", "PATH", "PIPX_HOME"] {
        assert!(!is_foreign_pip_setting(name), "{name}");
    }
}

/// One requirement of a locked file.
struct Pin {
    /// `name==version`, without its extras and marker.
    package: String,
    /// What pip is given for it, `--hash=sha256:…` each.
    hashes: Vec<String>,
}

/// The requirements of a locked file: one a line, which backslashes continue.
fn pins(text: &str) -> Vec<Pin> {
    text.replace("\\\n", " ")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let requirement = line.split(';').next().unwrap_or_default();
            let requirement = requirement.split("--").next().unwrap_or_default();
            let hashes = line.split_whitespace().filter(|word| word.starts_with("--"));
            Pin {
                package: without_extras(requirement.trim()),
                hashes: hashes.map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// `name==version` of `name[extras]==version`.
fn without_extras(requirement: &str) -> String {
    match (requirement.split_once('['), requirement.split_once(']')) {
        (Some((name, _)), Some((_, version))) => format!("{name}{version}"),
        _ => requirement.to_owned(),
    }
}

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../requirements");
    fs::read_to_string(folder.join(name)).unwrap()
}
