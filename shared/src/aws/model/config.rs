//! Which models to ask, and how long to wait for one.

use std::time::Duration;

use crate::environment::{Environment, EnvironmentError};

/// Which models to ask, and how long to wait for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// `MODEL_IDS`: model or inference-profile ids, in order of preference, separated by commas.
    pub ids: Vec<String>,
    /// `MODEL_TIMEOUT_SECONDS`: of one call; 120 by default.
    pub timeout: Duration,
}

impl ModelConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let ids: Vec<String> = environment
            .required("MODEL_IDS")?
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        if ids.is_empty() {
            return Err(EnvironmentError("MODEL_IDS names no model".to_owned()));
        }
        Ok(Self { ids, timeout: environment.seconds("MODEL_TIMEOUT_SECONDS", 120)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ids: &str) -> Result<ModelConfig, EnvironmentError> {
        ModelConfig::read(Environment::new(&|name| (name == "MODEL_IDS").then(|| ids.to_owned())))
    }

    #[test]
    fn models_are_an_ordered_list() {
        let config = read("first, second").unwrap();
        assert_eq!(config.ids, ["first", "second"]);
        assert_eq!(config.timeout, Duration::from_mins(2));
    }

    #[test]
    fn a_list_of_nothing_is_refused_by_name() {
        assert!(read(" , ").unwrap_err().0.contains("MODEL_IDS"));
    }
}
