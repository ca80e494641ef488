//! A person at a shell: a home of one's own, and nothing of the shell that runs the tests.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use tokio::process::Command;

use crate::double::Double;

/// What a run has come to.
pub struct Run {
    pub code: i32,
    /// Standard output.
    pub answer: String,
    /// Standard error.
    pub aside: String,
}

impl Run {
    /// Fails unless the command could not run, and each of these was said.
    #[track_caller]
    pub fn fails_with(&self, parts: &[&str]) {
        assert_eq!((self.code, self.answer.as_str()), (2, ""), "{}", self.aside);
        for part in parts {
            assert!(self.aside.contains(part), "{part:?} is not in:\n{}", self.aside);
        }
    }
}

pub struct Person {
    home: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Person {
    /// Someone with keys in the shell and no files, who reaches the double alone.
    pub fn with_keys(double: &Double) -> Self {
        let mut person = Self::without_keys(&double.url);
        person.set("AWS_ACCESS_KEY_ID", "AKIAOFSHELL");
        person.set("AWS_SECRET_ACCESS_KEY", "secret");
        person.set("AWS_REGION", "eu-west-1");
        person
    }

    pub fn without_keys(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home = env::temp_dir().join(format!("aigen-person-{}-{number}", process::id()));
        fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
        let mut person = Self { home, variables: Vec::new() };
        person.set("AWS_ENDPOINT_URL", url);
        // There is no machine's role to ask for.
        person.set("AWS_EC2_METADATA_DISABLED", "true");
        person
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// Writes a file below the home.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.home.join(path), text).unwrap();
    }

    /// Types a command.
    pub async fn types(&self, words: &[&str]) -> Run {
        let mut command = self.command(words);
        command.stdout(Stdio::piped());
        Self::run(command).await
    }

    /// Types a command whose answer goes where there is no room.
    pub async fn types_onto_a_full_disk(&self, words: &[&str]) -> Run {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = self.command(words);
        command.stdout(full);
        Self::run(command).await
    }

    async fn run(mut command: Command) -> Run {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            answer: text(output.stdout),
            aside: text(output.stderr),
        }
    }

    /// Types a command whose answer nobody reads, and says how it ended.
    pub async fn types_for_a_reader_who_left(&self, words: &[&str]) -> i32 {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command(words).stdout(writer).status().await.unwrap().code().unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aigen"));
        command
            .args(words)
            .current_dir(&self.home)
            .env_clear()
            .env("HOME", &self.home)
            .env("LANG", "C")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}
