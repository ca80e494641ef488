//! How many calls a batch may have in flight. It changes while the batch runs: others that wait get
//! some of it, and what others no longer need comes to it.

use std::cell::Cell;

use tokio::sync::Notify;

/// The number, and word of its changes.
#[derive(Debug)]
pub(crate) struct Slots {
    count: Cell<usize>,
    changed: Notify,
}

impl Slots {
    pub(crate) fn new(count: i16) -> Self {
        Self { count: Cell::new(at_least_one(count)), changed: Notify::new() }
    }

    /// How many calls may be in flight now. At least one, so that a batch that has something left
    /// gets on.
    pub(crate) const fn get(&self) -> usize {
        self.count.get()
    }

    /// It is so many from now on.
    pub(crate) fn set(&self, count: i16) {
        if self.count.replace(at_least_one(count)) != at_least_one(count) {
            self.changed.notify_one();
        }
    }

    /// Returns once the number has changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn at_least_one(count: i16) -> usize {
    usize::try_from(count).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_heard_of_also_by_who_listens_later() {
        let slots = Slots::new(1);
        slots.set(4);
        slots.changed().await;
        assert_eq!(slots.get(), 4);
        slots.set(0);
        assert_eq!(slots.get(), 1);
    }
}
