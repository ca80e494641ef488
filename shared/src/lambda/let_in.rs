//! Whom the function that migrates lets in to the database, by its variables.
//!
//! With `FUNCTIONS_ROLE=made` it makes three roles: for the functions, the reconciler and
//! diagnostics. `FUNCTIONS_LOGIN` says by what they log in:
//!
//! | `FUNCTIONS_LOGIN` | the variables |
//! |---|---|
//! | `password` (default) | `FUNCTIONS_`, `RECONCILER_` and `DIAGNOSTICS_SECRET_ARN` |
//! | `iam` | `FUNCTIONS_`, `RECONCILER_` and `DIAGNOSTICS_USER` |
//!
//! With `given` (default) all of them have one role, somebody's, by `FUNCTIONS_SECRET_ARN`.
//! Whoever has the owner's own secret needs nothing.

use aws_config::SdkConfig;

use crate::{
    environment::{Environment, EnvironmentError},
    store::{Access, Credentials, DatabaseConfig, DatabaseLogin},
};

/// One whom the function that migrates lets in.
#[derive(Debug)]
pub struct ToLetIn {
    /// What it may do.
    pub access: Access,
    /// Who it is.
    pub who: Who,
}

/// Who is let in, and how it proves itself.
#[derive(Debug)]
pub enum Who {
    /// The user of a secret.
    OfSecret {
        /// Where user and password are.
        credentials: Credentials,
        /// Whether the role is made here, with that password.
        is_made: bool,
    },
    /// A role that is made here, and logs in by tokens of IAM.
    ByToken {
        /// Its name.
        user: String,
    },
}

/// The roles that are made, and how the variables of each begin.
const MADE: [(Access, [&str; 2]); 3] = [
    (Access::Work, ["FUNCTIONS_SECRET_ARN", "FUNCTIONS_USER"]),
    (Access::Reconciling, ["RECONCILER_SECRET_ARN", "RECONCILER_USER"]),
    (Access::Reading, ["DIAGNOSTICS_SECRET_ARN", "DIAGNOSTICS_USER"]),
];

/// Reads who is let in besides the owner, who logs in by `owner`.
pub(super) fn read(
    environment: Environment<'_>,
    owner: &DatabaseConfig,
    aws: &SdkConfig,
) -> Result<Vec<ToLetIn>, EnvironmentError> {
    let of_secret = |access, secret_arn: String, is_made| {
        let login = DatabaseLogin::Password { secret_arn };
        let config = DatabaseConfig { login, ..owner.clone() };
        let credentials = Credentials::new(config, aws);
        ToLetIn { access, who: Who::OfSecret { credentials, is_made } }
    };
    let either = |name, [first, second]: [&'static str; 2]| {
        let wanted = format!("{first} or {second}");
        let parse = |text: &str| [first, second].iter().position(|word| *word == text);
        environment.parsed(name, 0, &wanted, parse)
    };
    if either("FUNCTIONS_ROLE", ["given", "made"])? == 0 {
        let secret_arn = environment.text("FUNCTIONS_SECRET_ARN");
        let another = secret_arn.filter(|secret_arn| {
            owner.login != DatabaseLogin::Password { secret_arn: secret_arn.clone() }
        });
        let one = another.map(|secret_arn| of_secret(Access::Shared, secret_arn, false));
        return Ok(one.into_iter().collect());
    }
    let by_token = either("FUNCTIONS_LOGIN", ["password", "iam"])? == 1;
    MADE.into_iter()
        .map(|(access, [secret_arn, user])| {
            if by_token {
                let user = environment.required(user)?;
                return Ok(ToLetIn { access, who: Who::ByToken { user } });
            }
            Ok(of_secret(access, environment.required(secret_arn)?, true))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    fn read_with(variables: &[(&str, &str)]) -> Result<Vec<String>, EnvironmentError> {
        let lookup = |name: &str| {
            let all = [&[("DATABASE_SECRET_ARN", "owner")], variables].concat();
            all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let environment = Environment::new(&lookup);
        let owner = DatabaseConfig::read(environment).unwrap();
        let aws = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let found = read(environment, &owner, &aws)?;
        let told = |ToLetIn { access, who }: ToLetIn| match who {
            Who::ByToken { user } => format!("{access:?}: {user}"),
            Who::OfSecret { credentials: Credentials::Secret { secret_arn, .. }, is_made } => {
                format!("{access:?}: {secret_arn}, {is_made}")
            }
            Who::OfSecret { .. } => format!("{access:?}: no secret"),
        };
        Ok(found.into_iter().map(told).collect())
    }

    #[test]
    fn a_role_that_is_somebody_s_is_one_for_all_and_the_owner_itself_is_none() {
        let one = read_with(&[("FUNCTIONS_SECRET_ARN", "theirs")]).unwrap();
        assert_eq!(one, ["Shared: theirs, false"]);
        let given = [("FUNCTIONS_ROLE", "given"), ("FUNCTIONS_SECRET_ARN", "owner")];
        assert_eq!([read_with(&given), read_with(&[])], [Ok(vec![]), Ok(vec![])]);
    }

    #[test]
    fn roles_that_are_made_are_three_by_secrets_or_by_tokens() {
        let made = [
            ("FUNCTIONS_ROLE", "made"),
            ("FUNCTIONS_SECRET_ARN", "f"),
            ("RECONCILER_SECRET_ARN", "r"),
            ("DIAGNOSTICS_SECRET_ARN", "d"),
        ];
        let three = ["Work: f, true", "Reconciling: r, true", "Reading: d, true"];
        assert_eq!(read_with(&made).unwrap(), three);
        let tokens = [
            ("FUNCTIONS_ROLE", "made"),
            ("FUNCTIONS_LOGIN", "iam"),
            ("FUNCTIONS_USER", "f"),
            ("RECONCILER_USER", "r"),
            ("DIAGNOSTICS_USER", "d"),
        ];
        let three = ["Work: f", "Reconciling: r", "Reading: d"];
        assert_eq!(read_with(&tokens).unwrap(), three);
        for all in [&made[..], &tokens] {
            let error = read_with(&all[..all.len() - 1]).unwrap_err();
            assert!(error.0.contains("DIAGNOSTICS_"), "{error}");
        }
    }

    #[test]
    fn a_word_that_is_neither_is_refused() {
        let role = read_with(&[("FUNCTIONS_ROLE", "mine")]).unwrap_err();
        assert_eq!(role.0, "FUNCTIONS_ROLE must be given or made");
        let login = read_with(&[("FUNCTIONS_ROLE", "made"), ("FUNCTIONS_LOGIN", "key")]);
        assert_eq!(login.unwrap_err().0, "FUNCTIONS_LOGIN must be password or iam");
    }
}
