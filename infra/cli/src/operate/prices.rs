//! What models cost, as whoever asks says: prices change, and differ by contract.

use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::Deserialize;

/// What a model costs, in US dollars for a million tokens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Price {
    /// The model, as the figures name it.
    pub model: String,
    /// A million of the question.
    pub input: f64,
    /// A million of the answer.
    pub output: f64,
}

/// Of a cache, a token that is read costs so much of one that is not; and one that is put into it.
const CACHE_READ: f64 = 0.1;
const CACHE_WRITE: f64 = 1.25;

/// Tokens, apart by what they cost.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counted {
    #[serde(rename = "inputTokens")]
    pub input: u64,
    #[serde(rename = "outputTokens")]
    pub output: u64,
    #[serde(rename = "cacheReadInputTokens")]
    pub cache_read: u64,
    #[serde(rename = "cacheWriteInputTokens")]
    pub cache_write: u64,
}

impl Price {
    /// What they cost, in US dollars.
    pub(super) fn of(&self, tokens: Counted) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        let millions = |tokens: u64| tokens as f64 / 1e6;
        let cached =
            millions(tokens.cache_read) * CACHE_READ + millions(tokens.cache_write) * CACHE_WRITE;
        (millions(tokens.input) + cached) * self.input + millions(tokens.output) * self.output
    }
}

/// The prices that were given.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Prices {
    /// What a model costs, in US dollars for a million tokens in and out; for each model once (or
    /// `AIGEN_PRICES`, with spaces between them).
    #[arg(long = "price", value_name = "MODEL=IN,OUT", env = "AIGEN_PRICES")]
    #[arg(hide_env_values = true)]
    given: Vec<Several>,
}

/// Those of one option, or of the environment, where an empty text is none.
#[derive(Debug, Clone)]
struct Several(Vec<Price>);

impl FromStr for Several {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split_whitespace().map(str::parse).collect::<Result<_>>().map(Self)
    }
}

impl Prices {
    /// All of them.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Price> {
        self.given.iter().flat_map(|several| &several.0)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// That of a model: the last that was given.
    pub(super) fn of(&self, model: &str) -> Option<&Price> {
        self.all().rfind(|price| price.model == model)
    }

    #[cfg(test)]
    pub(super) fn example(text: &str) -> Self {
        Self { given: vec![text.parse().unwrap()] }
    }
}

impl FromStr for Price {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts =
            text.rsplit_once('=').and_then(|(model, of)| Some((model, of.split_once(',')?)));
        let (model, (input, output)) =
            parts.context("it is written MODEL=IN,OUT, such as my-model=3,15")?;
        ensure!(!model.is_empty(), "it names no model");
        let price = |text: &str| -> Result<f64> {
            let price: f64 = text.trim().parse().with_context(|| format!("{text} is no price"))?;
            ensure!(price.is_finite() && price >= 0.0, "{text} is no price");
            Ok(price)
        };
        Ok(Self { model: model.to_owned(), input: price(input)?, output: price(output)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_stand_in_one_text_and_an_empty_one_is_none() {
        let prices = Prices::example(" a=1,2  b=3,4 ");
        assert_eq!(prices.of("b").unwrap().output.to_string(), "4");
        assert!(prices.of("c").is_none() && Prices::example("").is_empty());
    }

    #[test]
    fn a_price_is_a_model_and_two_amounts() {
        let price: Price = "arn:aws:bedrock:eu:1:profile/a=b=3,0.5".parse().unwrap();
        let model = "arn:aws:bedrock:eu:1:profile/a=b".to_owned();
        assert_eq!(price, Price { model, input: 3.0, output: 0.5 });
        for wrong in ["=1,2", "m", "m=3", "m=3,x", "m=-1,2", "m=NaN,2", "m=1,2,3"] {
            assert!(wrong.parse::<Price>().is_err(), "{wrong}");
        }
    }
}
