//! What is going to happen: the clients' acts and the faults, each with its time. Pure: the same
//! seed, number of jobs and minutes give the same plan. What an act or a fault then meets is not
//! planned: the processes that there are at that moment are drawn from by the fault's `pick`.

mod act;
mod fault;

use std::time::Duration;

pub(super) use act::{Act, Draft, JobKind, What};
pub(super) use fault::{FUNCTIONS, Fault, FaultKind};

/// What is going to happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// By their times.
    pub(super) acts: Vec<Act>,
    /// By their times.
    pub(super) faults: Vec<Fault>,
    /// How many users there are.
    pub(super) users: usize,
    /// How long clients go on to ask.
    pub(super) lasts: Duration,
}

impl Plan {
    /// The plan of so many jobs in such a time.
    pub(super) fn of(seed: u64, jobs: u32, lasts: Duration, with_deployment: bool) -> Self {
        let users = usize::try_from(jobs / 20).unwrap_or(usize::MAX).clamp(4, 60);
        let acts = act::acts(seed, jobs, lasts, users);
        let faults = fault::faults(seed, lasts, with_deployment);
        Self { acts, faults, users, lasts }
    }

    /// How many jobs are asked for.
    #[cfg(test)]
    fn jobs(&self) -> usize {
        self.acts.iter().map(Act::jobs).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TWO_MINUTES: Duration = Duration::from_mins(2);

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_another() {
        let plan = |seed| Plan::of(seed, 200, TWO_MINUTES, false);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn a_plan_has_as_many_jobs_as_were_asked_for_in_the_time_that_there_is() {
        for (seed, jobs) in [(1, 1), (2, 200), (3, 3_000)] {
            let plan = Plan::of(seed, jobs, TWO_MINUTES, true);
            assert_eq!(plan.jobs(), usize::try_from(jobs).unwrap());
            let times = plan.acts.iter().map(|act| act.at);
            assert!(times.clone().is_sorted() && times.clone().all(|at| at < TWO_MINUTES));
            assert!(plan.acts.iter().all(|act| act.user < plan.users));
            assert!(plan.faults.iter().map(|fault| fault.at).is_sorted());
            // The stack has to be left in peace before the end, and no fault outlives the others.
            assert!(plan.faults.iter().all(|fault| fault.at + fault.lasts < TWO_MINUTES));
        }
    }

    #[test]
    fn every_kind_of_fault_comes_and_a_deployment_only_where_it_is_asked_for() {
        for seed in 0..20 {
            let kinds = |with| {
                let plan = Plan::of(seed, 200, TWO_MINUTES, with);
                plan.faults.iter().map(|fault| fault.kind).collect::<BTreeSet<_>>()
            };
            let all: BTreeSet<_> = FaultKind::ALL.into_iter().collect();
            assert_eq!(kinds(true), all);
            let rest = all.into_iter().filter(|kind| *kind != FaultKind::Deployment).collect();
            assert_eq!(kinds(false), rest);
        }
    }

    #[test]
    fn every_kind_of_job_and_act_comes() {
        let plan = Plan::of(5, 400, TWO_MINUTES, false);
        let mut kinds = BTreeSet::new();
        let (mut repeated, mut regretted, mut low, mut replacing) = (0, 0, 0, 0);
        let (mut batches, mut looks, mut retries) = (0, 0, 0);
        for act in &plan.acts {
            match &act.what {
                What::Job(draft) => {
                    kinds.insert(draft.kind);
                    repeated += usize::from(draft.repeats > 0);
                    regretted += usize::from(draft.cancel_after.is_some());
                    low += usize::from(draft.low);
                    replacing += usize::from(draft.replace);
                    retries += usize::from(draft.retries);
                }
                What::Batch { .. } => batches += 1,
                What::Look => looks += 1,
            }
        }
        let all: BTreeSet<_> = JobKind::ALL.into_iter().collect();
        assert_eq!(kinds, all);
        let counts = [repeated, regretted, low, replacing, batches, looks, retries];
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}
