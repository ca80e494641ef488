//! Reads the output of `cargo test` and counts.

/// What a test run came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub ignored: u64,
    /// The names of the tests that failed.
    pub failures: Vec<String>,
}

impl Tally {
    /// Takes one line of output into account.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.read_result(result);
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    fn read_result(&mut self, result: &str) {
        let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(number), Some(what)) =
                (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The one line that people and CI look for.
    pub(super) fn summary(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_programs_are_added_up_and_failures_are_named() {
        let output = "\
running 3 tests
test a::works ... ok
test a::breaks ... FAILED
test a::later ... ignored

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s

     Running tests/other.rs
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        let expected =
            Tally { passed: 3, failed: 1, ignored: 1, failures: vec!["a::breaks".to_owned()] };
        assert_eq!(tally, expected);
        assert_eq!(tally.summary(), "3 passed, 1 failed, 1 skipped");
    }
}
