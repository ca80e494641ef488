//! How many calls a batch may have in flight. It changes while the batch runs: others that wait get
//! some of it, and what others no longer need comes to it. Where the batch has given some back, or
//! could use more, it asks that whoever waits be admitted.

use std::{cell::Cell, convert::Infallible, future::poll_fn, pin::Pin, task::Poll};

use tokio::sync::Notify;

/// The number, and word of its changes.
#[derive(Debug)]
pub(crate) struct Slots {
    count: Cell<usize>,
    changed: Notify,
    wanted: Notify,
    is_making_room: Cell<bool>,
}

impl Slots {
    pub(crate) fn new(count: i16) -> Self {
        Self {
            count: Cell::new(at_least_one(count)),
            changed: Notify::new(),
            wanted: Notify::new(),
            is_making_room: Cell::new(false),
        }
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

    /// Has somebody be admitted, soon: see [`Self::keep_making_room`].
    pub(crate) fn want_room(&self) {
        self.wanted.notify_one();
    }

    /// Makes room by `make` whenever it is wanted. It runs beside the work and not in it, because
    /// the work may be dropped at any moment; whoever was being admitted then would have their
    /// share and nobody who starts them.
    pub(crate) async fn keep_making_room(&self, make: impl AsyncFn()) -> Infallible {
        loop {
            self.wanted.notified().await;
            self.is_making_room.set(true);
            make().await;
            self.is_making_room.set(false);
        }
    }

    /// Lets `keeping`, which is [`Self::keep_making_room`], finish what it has begun, and begin
    /// what is wanted.
    pub(crate) async fn finish_making_room(
        &self,
        mut keeping: Pin<&mut impl Future<Output = Infallible>>,
    ) {
        poll_fn(|context| {
            // Also what was wanted with the work's last step is begun by this.
            let Poll::Pending = keeping.as_mut().poll(context);
            if self.is_making_room.get() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

fn at_least_one(count: i16) -> usize {
    usize::try_from(count).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_that_is_being_made_when_the_work_is_dropped_is_made() {
        let (slots, done) = (Slots::new(1), Cell::new(0));
        let make = async || {
            tokio::task::yield_now().await;
            done.set(done.get() + 1);
        };
        let mut keeping = std::pin::pin!(slots.keep_making_room(make));
        slots.want_room();
        tokio::select! {
            biased;
            never = &mut keeping => match never {},
            () = async {} => {}
        }
        assert_eq!(done.get(), 0);
        slots.finish_making_room(keeping.as_mut()).await;
        assert_eq!(done.get(), 1);
        slots.finish_making_room(keeping.as_mut()).await;
        assert_eq!(done.get(), 1, "nothing was wanted since");
        slots.want_room();
        slots.finish_making_room(keeping).await;
        assert_eq!(done.get(), 2, "it was wanted with the last step");
    }

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
