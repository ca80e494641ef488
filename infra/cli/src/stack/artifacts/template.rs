//! The template, read and rewritten as text: its comments, anchors and short functions (`!Ref`)
//! stay as they are, and only paths change.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

const FUNCTION: &str = "Type: AWS::Serverless::Function";
const CODE: &str = "CodeUri: ";
const DEFINITION: &str = "DefinitionUri: ";
const NAME: &str = "FunctionName: !Sub \"${NamePrefix}";
const ALIAS: &str = "AutoPublishAlias: ";

/// A function of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its logical id.
    pub id: String,
    /// The folder of its crate, seen from the template's.
    pub folder: String,
    /// Its deployed name, without the prefix of a stack.
    pub name: String,
    /// The alias that the template gives it, if it does.
    pub alias: Option<String>,
}

impl Function {
    /// Its crate, which bears the name of its folder.
    pub(super) fn package(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

/// The functions, in the template's order.
///
/// # Errors
///
/// When there is none, or one that does not say where its code is, or what it is called.
pub(super) fn functions(template: &str) -> Result<Vec<Function>> {
    let value = |id: &str, start: &str| {
        let mut of_id = with_ids(template).filter(|(other, _)| *other == id);
        let value = of_id.find_map(|(_, line)| line.trim_start().strip_prefix(start))?;
        Some(value.trim().trim_end_matches('"').to_owned())
    };
    let mut functions = Vec::new();
    let mut declared = 0;
    for (id, line) in with_ids(template) {
        declared += usize::from(line.trim() == FUNCTION);
        if let Some(folder) = line.trim_start().strip_prefix(CODE) {
            functions.push(Function {
                id: id.to_owned(),
                folder: folder.trim().to_owned(),
                name: value(id, NAME)
                    .with_context(|| format!("{id} has no FunctionName with the prefix"))?,
                alias: value(id, ALIAS),
            });
        }
    }
    ensure!(declared > 0, "the template has no functions");
    ensure!(
        declared == functions.len(),
        "{declared} functions in the template, but {} say a CodeUri of their own",
        functions.len()
    );
    Ok(functions)
}

/// The template with each function's code at `code(id)` beside it, and with the other files, which
/// are named from `folder`, by their whole paths.
pub(super) fn relocated(
    template: &str,
    folder: &Path,
    code: impl Fn(&str) -> String,
) -> Result<String> {
    let lines = with_ids(template).map(|(id, line)| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let rest = line.trim_start();
        if rest.starts_with(CODE) {
            Ok(format!("{indent}{CODE}{}\n", json!(code(id))))
        } else if let Some(file) = rest.strip_prefix(DEFINITION) {
            let path = folder.join(file.trim());
            let path = path.to_str().context("the project's path is not UTF-8")?;
            // A JSON text is a YAML text, whatever is in the path.
            Ok(format!("{indent}{DEFINITION}{}\n", json!(path)))
        } else {
            Ok(format!("{line}\n"))
        }
    });
    lines.collect()
}

/// The template with another default for one of its parameters.
///
/// # Errors
///
/// When there is no such parameter, or it has no default.
pub(super) fn with_default(template: &str, parameter: &str, value: &str) -> Result<String> {
    let mut replaced = 0;
    let lines = with_ids(template).map(|(id, line)| {
        if id == parameter && line.starts_with("    Default: ") {
            replaced += 1;
            format!("    Default: {value}\n")
        } else {
            format!("{line}\n")
        }
    });
    let text: String = lines.collect();
    ensure!(replaced == 1, "the template's parameter {parameter} has no default");
    Ok(text)
}

/// Each line with the name that it stands under: of a resource, where it belongs to one.
fn with_ids(template: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut id = "";
    template.lines().map(move |line| {
        if let Some(name) = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'))
            && name.chars().all(char::is_alphanumeric)
        {
            id = name;
        }
        (id, line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"Resources:
  One:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${NamePrefix}first"
      CodeUri: ../functions/one
      AutoPublishAlias: live
      Environment:
        Variables:
          ARN: !Ref Machine # stays
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machine/a.json
"#;

    fn real() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn only_the_paths_change() {
        let text = relocated(SMALL, Path::new("/a b"), |id| format!("{id}.zip")).unwrap();
        let expected = SMALL
            .replace("../functions/one", "\"One.zip\"")
            .replace("machine/a.json", "\"/a b/machine/a.json\"");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_function_without_code_is_refused() {
        let without = SMALL.replace("      CodeUri: ../functions/one\n", "");
        assert!(functions(&without).is_err());
        assert!(functions("Resources:\n").is_err());
    }

    #[test]
    fn a_function_has_its_crate_its_deployed_name_and_its_alias() {
        let function = functions(SMALL).unwrap().remove(0);
        assert_eq!((function.package(), function.name.as_str()), ("one", "first"));
        assert_eq!(function.alias.as_deref(), Some("live"));
        let without = SMALL.replace("${NamePrefix}", "");
        assert!(functions(&without).unwrap_err().to_string().contains("One has no FunctionName"));
    }

    #[test]
    fn a_default_is_changed_and_nothing_else() {
        let real = real();
        let changed = with_default(&real, "Architecture", "x86_64").unwrap();
        let other = real.lines().zip(changed.lines()).filter(|(a, b)| a != b).collect::<Vec<_>>();
        assert_eq!(other, [("    Default: arm64", "    Default: x86_64")]);
        assert!(with_default(&real, "Nothing", "x").is_err());
    }

    #[test]
    fn every_function_of_the_real_template_is_found_with_its_crate() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let functions = functions(&real()).unwrap();
        assert!(functions.iter().any(|function| function.id == "CancelHandler"));
        for function in functions {
            let manifest = root.join(&function.folder).join("Cargo.toml");
            assert!(manifest.is_file(), "{}: {}", function.id, manifest.display());
        }
    }

    #[test]
    fn no_path_of_the_real_template_stays_behind() {
        let text = relocated(&real(), Path::new("/x"), |id| format!("{id}.zip")).unwrap();
        assert!(!text.contains("../functions"));
        assert!(text.contains("DefinitionUri: \"/x/statemachine/ai-generation.asl.json\""));
        assert!(text.contains("CodeUri: \"CancelHandler.zip\""));
        assert_eq!(text.lines().count(), real().lines().count());
    }
}
