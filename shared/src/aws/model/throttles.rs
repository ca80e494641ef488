//! Which models have refused calls for their quota of late: they are asked after the others.

use std::cell::RefCell;

/// The models that rest, as far as whoever asks knows.
#[derive(Debug, Default)]
pub struct Throttles {
    resting: RefCell<Vec<String>>,
    new: RefCell<Vec<String>>,
}

impl Throttles {
    /// `resting` have refused a call a short while ago, the one longest ago first.
    #[must_use]
    pub const fn new(resting: Vec<String>) -> Self {
        Self { resting: RefCell::new(resting), new: RefCell::new(Vec::new()) }
    }

    /// Those that have refused a call since this was asked last.
    #[must_use]
    pub fn take_new(&self) -> Vec<String> {
        self.new.take()
    }

    /// `ids` in the order in which they are asked: those that do not rest as they are preferred,
    /// then the others, the one longest at rest first.
    pub(super) fn in_order<'a>(&self, ids: &'a [String]) -> Vec<&'a String> {
        let resting = self.resting.borrow();
        let place = |id: &&String| resting.iter().position(|rests| rests == *id);
        let mut ordered: Vec<_> = ids.iter().collect();
        ordered.sort_by_key(|id| place(id).map_or(0, |place| place + 1));
        ordered
    }

    pub(super) fn rests(&self, id: &str) -> bool {
        self.resting.borrow().iter().any(|rests| rests == id)
    }

    pub(super) fn refused(&self, id: &str) {
        let mut resting = self.resting.borrow_mut();
        resting.retain(|rests| rests != id);
        resting.push(id.to_owned());
        self.new.borrow_mut().push(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        ["first", "second", "third"].map(str::to_owned).into()
    }

    #[test]
    fn who_rests_is_asked_after_the_others_and_the_latest_last() {
        let throttles = Throttles::new(vec!["second".into()]);
        assert_eq!(throttles.in_order(&ids()), ["first", "third", "second"]);
        throttles.refused("first");
        assert_eq!(throttles.in_order(&ids()), ["third", "second", "first"]);
        throttles.refused("second");
        assert_eq!(throttles.in_order(&ids()), ["third", "first", "second"]);
        assert_eq!(throttles.take_new(), ["first", "second"]);
        assert!(throttles.take_new().is_empty());
    }

    #[test]
    fn where_nobody_rests_the_preference_holds() {
        assert_eq!(Throttles::default().in_order(&ids()), ["first", "second", "third"]);
    }
}
