//! Crates → a bill of materials in `CycloneDX` 1.6. Pure: the same crates give the same bytes, so
//! there is no time in it, and its serial number is made of its content.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Builder;

use super::crates::{Crate, Crates, Key};
use crate::manifest::Manifest;

/// The bill of what `manifest` lists.
pub(super) fn sbom(manifest: &Manifest, crates: &Crates) -> Value {
    let product = format!("aigen@{}", manifest.version);
    let mut components: Vec<Value> = crates.crates.iter().map(component).collect();
    components.extend(crates.linked.iter().map(|linked| {
        json!({
            "type": "library",
            "bom-ref": linked.name,
            "name": linked.name,
            "version": linked.version,
            "licenses": [{"expression": linked.license}],
        })
    }));
    let functions = manifest.functions.values().map(|function| {
        let package = function.file.trim_end_matches(".zip");
        json!({
            "type": "file",
            "bom-ref": function.file,
            "name": function.file,
            "hashes": [{"alg": "SHA-256", "content": function.sha256}],
            "properties": [{"name": "aigen:crate", "value": package}],
        })
    });
    components.extend(functions);
    let tools = manifest
        .tools
        .iter()
        .map(|(name, version)| json!({"type": "application", "name": name, "version": version}));
    let mut bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": tools.collect::<Vec<_>>()},
            "component": {
                "type": "application",
                "bom-ref": product,
                "name": "aigen",
                "version": manifest.version,
                "licenses": [{"expression": "Apache-2.0"}],
                "properties": [
                    {"name": "aigen:architecture", "value": manifest.architecture},
                    {"name": "aigen:commit", "value": manifest.commit.clone().unwrap_or_default()},
                ],
            },
        },
        "components": components,
        "dependencies": dependencies(&product, manifest, crates),
    });
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(bill.to_string())[..16]);
    bill["serialNumber"] =
        format!("urn:uuid:{}", Builder::from_random_bytes(digest).as_uuid()).into();
    bill
}

fn component((key, found): (&Key, &Crate)) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(key, found),
        "name": key.name,
        "version": key.version,
        "scope": "required",
    });
    if let Some(license) = &found.license {
        component["licenses"] = json!([{"expression": license}]);
    }
    if let Some(checksum) = &found.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    // A package URL names what a registry has.
    if !found.is_ours {
        component["purl"] = purl(key).into();
    }
    if let Some(repository) = &found.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    let functions: Vec<_> = found.functions.iter().map(String::as_str).collect();
    component["properties"] = json!([{"name": "aigen:functions", "value": functions.join(" ")}]);
    component
}

fn reference(key: &Key, found: &Crate) -> String {
    if found.is_ours { format!("aigen/{}@{}", key.name, key.version) } else { purl(key) }
}

/// The package URL; of what versions are made of, `+` alone needs an escape.
fn purl(Key { name, version }: &Key) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn dependencies(product: &str, manifest: &Manifest, crates: &Crates) -> Vec<Value> {
    let reference_of = |key: &Key| crates.crates.get(key).map(|found| reference(key, found));
    let files: Vec<_> = manifest.functions.values().map(|it| it.file.clone()).collect();
    let linked: Vec<_> = crates.linked.iter().map(|linked| linked.name.to_owned()).collect();
    let mut all = vec![json!({"ref": product, "dependsOn": files})];
    for file in &files {
        let package = file.trim_end_matches(".zip");
        let own = crates.crates.iter().find(|(key, found)| found.is_ours && key.name == package);
        let own = own.map(|(key, found)| reference(key, found));
        let on: Vec<_> = own.into_iter().chain(linked.iter().cloned()).collect();
        all.push(json!({"ref": file, "dependsOn": on}));
    }
    all.extend(crates.crates.iter().map(|(key, found)| {
        let on: Vec<_> = found.uses.iter().filter_map(reference_of).collect();
        json!({"ref": reference(key, found), "dependsOn": on})
    }));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::notices::tests::some_crates;
    use super::super::paper::tests::a_manifest;
    use super::*;

    #[test]
    fn the_same_content_gives_the_same_bill_and_another_gives_another_number() {
        let bill = sbom(&a_manifest(), &some_crates());
        assert_eq!(bill, sbom(&a_manifest(), &some_crates()));
        let mut other = a_manifest();
        other.version = "9.9.9".to_owned();
        let other = sbom(&other, &some_crates());
        assert_ne!(bill["serialNumber"], other["serialNumber"]);
        assert!(bill["serialNumber"].as_str().unwrap().starts_with("urn:uuid:"));
    }

    #[test]
    fn whatever_is_referred_to_is_there_once() {
        let bill = sbom(&a_manifest(), &some_crates());
        let refs = |items: &Value, name: &str| -> Vec<String> {
            let items = items.as_array().unwrap().iter();
            items.map(|item| item[name].as_str().unwrap().to_owned()).collect()
        };
        let mut there = refs(&bill["components"], "bom-ref");
        there.push(bill["metadata"]["component"]["bom-ref"].as_str().unwrap().to_owned());
        let set: BTreeSet<_> = there.iter().cloned().collect();
        assert_eq!(set.len(), there.len());
        for dependency in bill["dependencies"].as_array().unwrap() {
            let on = dependency["dependsOn"].as_array().unwrap().iter();
            for reference in on.map(|it| it.as_str().unwrap()).chain(dependency["ref"].as_str()) {
                assert!(set.contains(reference), "{reference}");
            }
        }
    }

    #[test]
    fn a_crate_of_a_registry_has_its_address_licence_and_checksum() {
        let bill = sbom(&a_manifest(), &some_crates());
        let components = bill["components"].as_array().unwrap();
        let found = components.iter().find(|it| it["name"] == "with-text").unwrap();
        assert_eq!(found["purl"], "pkg:cargo/with-text@1.0.0%2Bx");
        assert_eq!(found["licenses"], json!([{"expression": "MIT"}]));
        assert_eq!(found["hashes"][0]["content"], "ab");
        let ours = components.iter().find(|it| it["name"] == "worker").unwrap();
        assert!(ours["purl"].is_null());
    }
}
