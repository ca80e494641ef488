//! The model double: this very program, as a child of its own, and the real model that it passes
//! calls on to, if there is one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::command;
use super::health;
use super::http;
use super::instance::Instance;
use super::part::Part;
use super::ports;
use super::process;
use super::record::Record;
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use crate::model_double;

/// Which model is to answer.
#[derive(Debug, Default, clap::Args)]
pub struct ModelArgs {
    /// Let a real model answer: an OpenAI-compatible server (Ollama, vLLM, llama.cpp), such as
    /// <http://127.0.0.1:11434>. It holds until `--model-url none`.
    #[arg(long, value_name = "URL")]
    model_url: Option<String>,
    /// The model's name there; by default the first that the server names.
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
}

/// The real model behind the double.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    url: String,
    name: Option<String>,
}

impl Upstream {
    fn path(dir: &Path) -> PathBuf {
        dir.join("upstream.json")
    }

    /// What an earlier `up` was told.
    fn read(dir: &Path) -> Result<Option<Self>> {
        let path = Self::path(dir);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .with_context(|| format!("{} is not what `up --model-url` writes", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// What holds after `up` was told `args`.
    fn after(before: Option<Self>, args: ModelArgs) -> Result<Option<Self>> {
        let url = match args.model_url.as_deref() {
            Some("none") => {
                ensure!(
                    args.model_name.is_none(),
                    "--model-url none lets no model answer, so --model-name names nothing"
                );
                return Ok(None);
            }
            Some(url) => model_double::base_url(url).map_err(anyhow::Error::msg)?.to_string(),
            None => match (before, args.model_name) {
                (Some(before), Some(name)) => {
                    return Ok(Some(Self { name: Some(name), ..before }));
                }
                (before, None) => return Ok(before),
                (None, Some(_)) => {
                    anyhow::bail!("--model-name goes with --model-url: no model server is known")
                }
            },
        };
        Ok(Some(Self { url, name: args.model_name }))
    }

    /// One line for whoever brought the stack up.
    pub(super) fn told(&self) -> String {
        let name = self.name.as_deref().unwrap_or("the first model");
        format!(
            "answers come from {name} at {}; `cargo aigen up --model-url none` brings the model \
             double back",
            self.url
        )
    }
}

/// Remembers which model is to answer from now on, and says which.
pub(super) fn choose(instance: &Instance, args: ModelArgs) -> Result<Option<Upstream>> {
    let before = Upstream::read(&instance.dir)?;
    let after = Upstream::after(before.clone(), args)?;
    if after != before {
        let path = Upstream::path(&instance.dir);
        match &after {
            None => stamp::remove(&path)?,
            Some(upstream) => {
                instance.make_dirs()?;
                stamp::write_whole(&path, &serde_json::to_string_pretty(upstream)?)?;
            }
        }
    }
    Ok(after)
}

/// Starts the model double, unless it runs from this very build of the program.
pub(super) async fn ensure(instance: &Instance, reporter: &Reporter) -> Result<()> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let file =
        program.metadata().with_context(|| format!("{} cannot be read", program.display()))?;
    let upstream = Upstream::read(&instance.dir)?;
    let config = Fingerprint::new()
        .text(&instance.ports.model.to_string())
        .text(&serde_json::to_string(&upstream)?)
        .text(&format!("{} {} {}", file.mtime(), file.mtime_nsec(), file.size()))
        .finish();
    let record = Record::read(&instance.dir, Part::Model);
    if record.is_some_and(|record| record.is_alive() && record.config == config) {
        return Ok(());
    }
    process::end(instance, Part::Model).await?;
    ports::ensure_free(Part::Model, instance.ports.model)?;
    let what = format!("Starting the model double on 127.0.0.1:{}", instance.ports.model);
    reporter
        .step(&what, async {
            let mut serve = command::clean(program);
            serve.args(["model-double", "--port", &instance.ports.model.to_string()]);
            if let Some(Upstream { url, name }) = &upstream {
                serve.args(["--upstream", url]);
                serve.args(name.iter().flat_map(|name| ["--upstream-model", name]));
            }
            let record = process::start(instance, Part::Model, &mut serve, &config)?;
            let client = http::client()?;
            let url = format!("{}/_calls", instance.model_url());
            health::wait(instance, Part::Model, &record, Duration::from_secs(20), || {
                http::ask(&client, &url)
            })
            .await
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: Option<&str>, name: Option<&str>) -> ModelArgs {
        ModelArgs { model_url: url.map(str::to_owned), model_name: name.map(str::to_owned) }
    }

    fn upstream(name: Option<&str>) -> Upstream {
        Upstream { url: "http://127.0.0.1:1/v1/".to_owned(), name: name.map(str::to_owned) }
    }

    fn after(before: Option<Upstream>, url: Option<&str>, name: Option<&str>) -> Option<Upstream> {
        Upstream::after(before, args(url, name)).unwrap()
    }

    #[test]
    fn a_model_stays_until_another_is_named_or_none() {
        let url = Some("http://127.0.0.1:1");
        let named = || Some(upstream(Some("a")));
        assert_eq!(after(None, None, None), None);
        assert_eq!(after(None, url, Some("a")), named());
        assert_eq!(after(named(), None, None), named());
        assert_eq!(after(named(), None, Some("b")), Some(upstream(Some("b"))));
        assert_eq!(after(named(), url, None), Some(upstream(None)));
        assert_eq!(after(named(), Some("none"), None), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (url, name, why) in [
            (None, Some("a"), "--model-url"),
            (Some("none"), Some("a"), "--model-name"),
            (Some("https://api.example"), None, "https"),
        ] {
            let error = Upstream::after(None, args(url, name)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_was_written_down_is_read_back_and_nothing_is_none() {
        let dir = std::env::temp_dir().join(format!("aigen-upstream-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(Upstream::read(&dir).unwrap(), None);
        let text = serde_json::to_string(&upstream(Some("a"))).unwrap();
        fs::write(Upstream::path(&dir), text).unwrap();
        assert_eq!(Upstream::read(&dir).unwrap(), Some(upstream(Some("a"))));
        fs::write(Upstream::path(&dir), "{").unwrap();
        assert!(Upstream::read(&dir).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
