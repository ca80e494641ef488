//! What models cost, as who asks for the report says: prices change, and differ by contract.

use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};

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

impl FromStr for Price {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts =
            text.rsplit_once('=').and_then(|(model, of)| Some((model, of.split_once(',')?)));
        let (model, (input, output)) =
            parts.context("it is written MODEL=IN,OUT, such as my-model=3,15")?;
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
    fn a_price_is_a_model_and_two_amounts() {
        let price: Price = "arn:aws:bedrock:eu:1:profile/a=b=3,0.5".parse().unwrap();
        let model = "arn:aws:bedrock:eu:1:profile/a=b".to_owned();
        assert_eq!(price, Price { model, input: 3.0, output: 0.5 });
        for wrong in ["m", "m=3", "m=3,x", "m=-1,2", "m=NaN,2", "m=1,2,3"] {
            assert!(wrong.parse::<Price>().is_err(), "{wrong}");
        }
    }
}
