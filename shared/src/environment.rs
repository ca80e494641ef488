//! Reading environment variables. The template sets them, and names each with its meaning and unit.

use std::{ops::RangeInclusive, time::Duration};

/// A variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EnvironmentError(pub String);

/// Where variables are looked up. A test gives its own, so that it need not touch the process's.
#[derive(Clone, Copy)]
pub struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'static> {
    /// The process's own.
    #[must_use]
    pub const fn of_process() -> Self {
        Self(&|name| std::env::var(name).ok())
    }
}

impl<'a> Environment<'a> {
    /// One that looks variables up by `lookup`.
    #[must_use]
    pub const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// The text of `name`; an empty one counts as not set.
    #[must_use]
    pub fn text(self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.is_empty())
    }

    /// The text of `name`, which must be set.
    ///
    /// # Errors
    /// When it is not set.
    pub fn required(self, name: &str) -> Result<String, EnvironmentError> {
        self.text(name).ok_or_else(|| {
            let sets = "infra/template.yaml sets it";
            EnvironmentError(format!("the environment variable {name} is not set; {sets}"))
        })
    }

    /// The span of `name`, given in whole seconds above 0.
    ///
    /// # Errors
    /// When it is none.
    pub fn seconds(self, name: &str, default: u64) -> Result<Duration, EnvironmentError> {
        let parse = |text: &str| text.parse().ok().filter(|seconds| *seconds > 0);
        self.parsed(name, default, "a whole number of seconds above 0", parse)
            .map(Duration::from_secs)
    }

    /// The whole number of `name`, within `range`.
    ///
    /// # Errors
    /// When it is none.
    pub fn count(
        self,
        name: &str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, EnvironmentError> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let parse = |text: &str| text.parse().ok().filter(|count| range.contains(count));
        self.parsed(name, default, &wanted, parse)
    }

    /// What `parse` makes of `name`, or `default` where it is not set.
    ///
    /// # Errors
    /// When `parse` makes nothing of it: then the error says that it must be `wanted`.
    pub fn parsed<T>(
        self,
        name: &str,
        default: T,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, EnvironmentError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => {
                parse(&text).ok_or_else(|| EnvironmentError(format!("{name} must be {wanted}")))
            }
        }
    }
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let lookup = |name: &str| (name == "WAIT").then(|| "soon".to_owned());
        let environment = Environment::new(&lookup);
        assert!(environment.required("SECRET").unwrap_err().0.contains("SECRET is not set"));
        let wrong = environment.seconds("WAIT", 1).unwrap_err();
        assert_eq!(wrong.0, "WAIT must be a whole number of seconds above 0");
        assert!(environment.count("WAIT", 1, 1..=64).unwrap_err().0.contains("from 1 to 64"));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let environment = Environment::new(&|_| Some(String::new()));
        assert_eq!(environment.seconds("WAIT", 7), Ok(Duration::from_secs(7)));
        assert!(environment.required("WAIT").is_err());
    }
}
