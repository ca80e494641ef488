//! Which ports a stack listens on, all of them on 127.0.0.1.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::part::Part;

/// How the port of a part is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortChoice {
    /// The environment variable that says which.
    pub variable: &'static str,
    /// Where the part listens when the variable is not set.
    pub usual: u16,
}

const GATEWAY: PortChoice = PortChoice { variable: "AIGEN_GATEWAY_PORT", usual: 4566 };
const POSTGRES: PortChoice = PortChoice { variable: "AIGEN_POSTGRES_PORT", usual: 54329 };
/// The model double's port. It is also an argument of the verb that serves it.
pub(crate) const MODEL: PortChoice = PortChoice { variable: "AIGEN_MODEL_PORT", usual: 4590 };

const fn choice(part: Part) -> PortChoice {
    match part {
        Part::Gateway => GATEWAY,
        Part::Postgres => POSTGRES,
        Part::Model => MODEL,
    }
}

/// The ports of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub gateway: u16,
    pub postgres: u16,
    pub model: u16,
}

impl Ports {
    pub(super) fn of(self, part: Part) -> u16 {
        match part {
            Part::Gateway => self.gateway,
            Part::Postgres => self.postgres,
            Part::Model => self.model,
        }
    }

    /// What the environment says; else where the part already runs, so that a second shell need not
    /// repeat the variables; else the default.
    pub(super) fn for_dev(
        variable: impl Fn(&str) -> Option<String>,
        running: impl Fn(Part) -> Option<u16>,
    ) -> Result<Self> {
        let choose = |part: Part| {
            let PortChoice { variable: name, usual } = choice(part);
            match variable(name) {
                Some(text) => parse(name, &text),
                None => Ok(running(part).unwrap_or(usual)),
            }
        };
        let ports = Self {
            gateway: choose(Part::Gateway)?,
            postgres: choose(Part::Postgres)?,
            model: choose(Part::Model)?,
        };
        ensure!(
            ports.gateway != ports.postgres
                && ports.gateway != ports.model
                && ports.postgres != ports.model,
            "two parts of the stack cannot share a port: gateway {}, Postgres {}, model double {}",
            ports.gateway,
            ports.postgres,
            ports.model
        );
        Ok(ports)
    }

    /// Three free ports for a stack that lives as long as a test run. They are taken from below the
    /// range that systems hand out for outgoing connections, starting at a place that differs by
    /// clone, so that two runs do not meet.
    pub(super) fn free(seed: u64, is_free: impl Fn(u16) -> bool) -> Result<Self> {
        const FIRST: u16 = 20_000;
        const COUNT: u16 = 10_000;
        let start = u16::try_from(seed % u64::from(COUNT)).unwrap_or_default();
        let mut free =
            (0..COUNT).map(|step| FIRST + (start + step) % COUNT).filter(|port| is_free(*port));
        let mut next =
            || free.next().context("no free port between 20000 and 29999: end some programs first");
        Ok(Self { gateway: next()?, postgres: next()?, model: next()? })
    }
}

fn parse(variable: &str, text: &str) -> Result<u16> {
    text.trim()
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
        .with_context(|| format!("{variable} must be a port from 1 to 65535, but is {text:?}"))
}

/// Whether nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// One sentence and what to do, before a part is started on a port that somebody else has.
pub(super) fn ensure_free(part: Part, number: u16) -> Result<()> {
    ensure!(
        is_free(number),
        "port {number} for {part} is in use by a program that this stack did not start: end that \
         program, or choose another port with {variable}=PORT",
        variable = choice(part).variable
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let ports = Ports::for_dev(nothing, |_| None).unwrap();
        assert_eq!(ports, Ports { gateway: 4566, postgres: 54329, model: 4590 });
    }

    #[test]
    fn a_variable_beats_a_running_part_and_that_beats_the_default() {
        let variable = |name: &str| (name == "AIGEN_GATEWAY_PORT").then(|| " 5000 ".to_owned());
        let ports = Ports::for_dev(variable, |part| (part != Part::Model).then_some(6000)).unwrap();
        assert_eq!(ports, Ports { gateway: 5000, postgres: 6000, model: 4590 });
    }

    #[test]
    fn what_is_no_port_is_refused_by_the_name_of_its_variable() {
        for text in ["", "0", "65536", "x"] {
            let error = parse("AIGEN_MODEL_PORT", text).unwrap_err().to_string();
            assert!(error.contains("AIGEN_MODEL_PORT"), "{error}");
        }
    }

    #[test]
    fn two_parts_on_one_port_are_refused() {
        assert!(Ports::for_dev(|_| Some("5000".to_owned()), |_| None).is_err());
    }

    #[test]
    fn free_ports_skip_those_in_use_and_wrap_around() {
        let ports = Ports::free(9_998, |port| port != 29_999).unwrap();
        assert_eq!(ports, Ports { gateway: 29_998, postgres: 20_000, model: 20_001 });
    }
}
