//! What the reconciler can be asked about its capacity, as it goes over the wire.

use clap::{ArgGroup, value_parser};
use serde::Serialize;

/// What `pause` and `drain` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// Why, for whoever looks next.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Refuse new requests meanwhile, instead of having them wait.
    #[arg(long)]
    refuse: bool,
}

/// What `limit` can be told. Nothing: it shows.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("change").multiple(true)))]
pub(crate) struct LimitArgs {
    /// Model calls that all processes together may have in flight.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), group = "change")]
    calls: Option<u32>,
    /// Model calls that the processes of one user may have in flight.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), group = "change")]
    per_user: Option<u32>,
    /// Take the operator's limits back: what is deployed holds again.
    #[arg(long, group = "change", conflicts_with_all = ["calls", "per_user"])]
    reset: bool,
    /// Why, for whoever looks next.
    #[arg(long, value_name = "TEXT", requires = "change")]
    reason: Option<String>,
}

impl LimitArgs {
    /// Whether there is a limit to change.
    pub(super) const fn changes(&self) -> bool {
        self.calls.is_some() || self.per_user.is_some() || self.reset
    }
}

/// One question or command. A field that is not there leaves things as they are.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Order {
    /// How is it?
    Capacity,
    /// Admit nothing.
    Pause {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(skip_serializing_if = "is_false")]
        refuse: bool,
        by: String,
    },
    /// Admit again.
    Resume { by: String },
    /// So much at once.
    Limit {
        #[serde(skip_serializing_if = "Option::is_none")]
        calls: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        calls_per_user: Option<u32>,
        #[serde(skip_serializing_if = "is_false")]
        reset: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        by: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Order {
    pub(super) fn pause(args: &PauseArgs, by: String) -> Self {
        Self::Pause { reason: args.reason.clone(), refuse: args.refuse, by }
    }

    /// Without a limit to change it is a question.
    pub(super) fn limit(args: &LimitArgs, by: String) -> Self {
        let LimitArgs { calls, per_user, reset, reason } = args;
        if !args.changes() {
            return Self::Capacity;
        }
        Self::Limit {
            calls: *calls,
            calls_per_user: *per_user,
            reset: *reset,
            reason: reason.clone(),
            by,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Limit {
        #[command(flatten)]
        limit: LimitArgs,
    }

    fn limit(args: &[&str]) -> Result<Value, clap::Error> {
        let args = Limit::try_parse_from([&["limit"], args].concat())?;
        Ok(serde_json::to_value(Order::limit(&args.limit, "hanako".to_owned())).unwrap())
    }

    fn pause(reason: Option<&str>, refuse: bool) -> Value {
        let args = PauseArgs { reason: reason.map(str::to_owned), refuse };
        serde_json::to_value(Order::pause(&args, "hanako".to_owned())).unwrap()
    }

    #[test]
    fn a_pause_says_who_and_only_what_was_said_of_it() {
        assert_eq!(pause(None, false), json!({"action": "pause", "by": "hanako"}));
        assert_eq!(
            pause(Some("upgrade"), true),
            json!({"action": "pause", "reason": "upgrade", "refuse": true, "by": "hanako"})
        );
    }

    #[test]
    fn resuming_says_who() {
        let order = Order::Resume { by: "hanako".to_owned() };
        assert_eq!(
            serde_json::to_value(order).unwrap(),
            json!({"action": "resume", "by": "hanako"})
        );
    }

    #[test]
    fn a_limit_without_options_only_asks() {
        assert_eq!(limit(&[]).unwrap(), json!({"action": "capacity"}));
    }

    #[test]
    fn a_limit_that_is_not_named_stays_as_it_is() {
        assert_eq!(
            limit(&["--per-user", "4"]).unwrap(),
            json!({"action": "limit", "callsPerUser": 4, "by": "hanako"})
        );
        assert_eq!(
            limit(&["--calls", "8", "--per-user", "4", "--reason", "quota"]).unwrap(),
            json!({"action": "limit", "calls": 8, "callsPerUser": 4, "reason": "quota",
                   "by": "hanako"})
        );
    }

    #[test]
    fn resetting_names_no_limit() {
        assert_eq!(
            limit(&["--reset"]).unwrap(),
            json!({"action": "limit", "reset": true, "by": "hanako"})
        );
        assert!(limit(&["--reset", "--calls", "8"]).is_err());
    }

    #[test]
    fn no_calls_at_all_is_a_pause_and_no_limit() {
        assert!(limit(&["--calls", "0"]).is_err());
    }

    #[test]
    fn a_reason_alone_changes_nothing_and_is_refused() {
        assert!(limit(&["--reason", "why"]).is_err());
    }
}
