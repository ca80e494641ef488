//! The list. Each was looked up in a stored copy of its tracker on 2026-11-27 and is told in our
//! own words; what could not be found there says so.

/// A bug of somebody else's.
pub struct Exhibit {
    /// Whose, and its number there.
    pub address: &'static str,
    pub seen: Seen,
}

/// Whether it was found.
pub enum Seen {
    Answered {
        /// What happened there, English and Japanese.
        story: [&'static str; 2],
        /// What answers it here.
        answer: [&'static str; 2],
        /// The source of the test that forces it here, and its name.
        path: &'static str,
        test: &'static str,
    },
    /// It is in no copy that could be searched, so that nothing is claimed of it.
    NotFound,
}

const SWEEP: &str = "functions/reconciler/src/tests/museum.rs";
const TAKEOVER: &str = "shared/tests/museum/takeover.rs";
const REPEATS: &str = "shared/tests/museum/repeats.rs";
const LIMITS: &str = "shared/tests/museum/limits.rs";

const fn answered(
    address: &'static str,
    story: [&'static str; 2],
    answer: [&'static str; 2],
    path: &'static str,
    test: &'static str,
) -> Exhibit {
    Exhibit { address, seen: Seen::Answered { story, answer, path, test } }
}

const fn not_found(address: &'static str) -> Exhibit {
    Exhibit { address, seen: Seen::NotFound }
}

pub const EXHIBITS: &[Exhibit] = &[
    answered(
        "riverqueue/river#1258",
        [
            "Thousands of jobs stood in `running` for up to three months; the rescuer by age did \
             not find them",
            "数千の仕事が最長三か月 `running` のまま残り、経過時間による救出では見つからなかった",
        ],
        [
            "Nothing is found by its age: an active row whose execution does not run is a drift, \
             and ends in the first sweep",
            "経過時間では探さない。実行が動いていない行はずれとみなし、最初の巡回で終わらせる",
        ],
        SWEEP,
        "what_was_left_running_for_months_ends_in_one_sweep",
    ),
    not_found("riverqueue/river#773"),
    answered(
        "riverqueue/river#1302",
        [
            "The rescuer wrote by the id alone; a job that had completed since it was read was \
             taken back and run again",
            "救出が ID だけで書き、読んだ後に完了した仕事を引き戻して再実行した",
        ],
        [
            "A repair names the status and the attempt that it saw, on a row that it has locked",
            "修復は見た状態と試行番号を、ロックした行で確かめてから書く",
        ],
        TAKEOVER,
        "a_repair_that_was_decided_before_the_worker_finished_changes_nothing",
    ),
    answered(
        "dbos-inc/dbos-transact-py#716",
        [
            "Postgres restarted during a recovery; whatever that met was dropped from it and \
             stayed PENDING for good",
            "復旧中に Postgres が再起動し、その間の仕事が復旧から外れて PENDING のまま残った",
        ],
        [
            "Recovery is no list in a process: the next sweep finds a row by what is wrong with it",
            "復旧の一覧をプロセスに持たない。次の巡回が、行のおかしさそのものから見つける",
        ],
        SWEEP,
        "a_database_that_goes_away_in_the_middle_of_a_sweep_strands_nobody",
    ),
    answered(
        "dbos-inc/dbos-transact-py#742",
        [
            "Of two recoveries with the same list the second did not get the workflow, and ran it \
             all the same",
            "同じ一覧を持つ二つの復旧のうち、取得に失敗した側もそのまま実行した",
        ],
        [
            "The name of an execution is the process id, so there is one; and of two workers only \
             the later attempt can write",
            "実行名はプロセス ID なので一つしかできない。二つのワーカーのうち書けるのは新しい試行だけ",
        ],
        TAKEOVER,
        "two_recoveries_by_the_same_stale_list_write_once",
    ),
    answered(
        "dbos-inc/dbos-transact-py#804",
        [
            "During a rolling restart the executor that was draining took a workflow again that \
             the new one had put back, and died with it",
            "入れ替え中、終了間際の実行器が、新しい実行器の戻した仕事を取り直し、そのまま落ちた",
        ],
        [
            "No process owns work: the next claim makes an attempt, at once, from any environment",
            "仕事を所有するプロセスはない。次の claim がどこからでもすぐに新しい試行を始める",
        ],
        TAKEOVER,
        "an_old_worker_that_takes_it_again_and_dies_does_not_strand_it",
    ),
    answered(
        "dbos-inc/dbos-transact-py#769",
        [
            "(Its title, from a public note of its reporter; the thread itself was not found.) A \
             clean-up that was cut off left results of steps behind, and a later workflow with the \
             same id was handed them",
            "（報告者の公開メモにある題名による。本文は見つからなかった。）掃除が途中で切れて途中結果が\
             残り、同じ ID の後の仕事がそれを受け取った",
        ],
        [
            "One statement deletes a process with all that belongs to it; the same id and key \
             begin with nothing",
            "一つの文がプロセスとそれに属するすべてを消す。同じ ID とキーでも何もないところから始まる",
        ],
        REPEATS,
        "nothing_of_a_deleted_process_is_there_for_one_with_the_same_id_and_key",
    ),
    answered(
        "dbos-inc/dbos-transact-java#305",
        [
            "Thousands of failed workflows were to be resumed; resuming went past the queue that \
             protects the service behind it",
            "数千の失敗した仕事を再開すると、背後のサービスを守るキューを通らなかった",
        ],
        [
            "A retry is a request like any other, and waits for its share of the model calls",
            "再試行もほかの要求と同じで、モデル呼び出しの割り当てを待つ",
        ],
        LIMITS,
        "a_crowd_that_is_retried_at_once_waits_like_any_other",
    ),
    answered(
        "triggerdotdev/trigger.dev#1566",
        [
            "After a nightly restart a task stood in the queue without being run, with thousands \
             of the same behind it",
            "夜間の再起動の後、仕事が実行されずに待ち続け、同じものが数千も後ろに並んだ",
        ],
        [
            "What is asked for again is told of the one that waits; a waiting one needs nobody who \
             remembers it",
            "同じ要求には待っている一つを知らせる。待つものは、覚えている者がいなくても次の許可で始まる",
        ],
        REPEATS,
        "what_waits_over_a_restart_is_not_doubled_and_begins_with_the_next_admission",
    ),
    answered(
        "triggerdotdev/trigger.dev#4819",
        [
            "Under the key of a run that had failed a single trigger began anew, and a batch \
             handed out the dead run as if it were good",
            "失敗した実行のキーで、単独の要求は新しく始まり、バッチは失敗した実行を有効なものとして返した",
        ],
        [
            "A key means one process in both, with whatever became of it; the way on is a retry, \
             in both",
            "キーはどちらでも一つのプロセスを指し、その結果のまま返す。先へ進むのはどちらも再試行による",
        ],
        REPEATS,
        "a_key_of_what_has_failed_means_the_same_alone_and_in_a_batch",
    ),
    answered(
        "hatchet-dev/hatchet#4778",
        [
            "What was free was told by the first rows in the order of their numbers; a late commit \
             with an early number let three or four run where two might",
            "空きを番号順の先頭行で数えたため、遅れて確定した若い番号の行により上限二のところで三、四が動いた",
        ],
        [
            "What is in use is the sum over what runs, looked at under one lock",
            "使用中の量は動いているものの合計で、一つのロックの下で数える",
        ],
        LIMITS,
        "a_commit_that_comes_late_with_an_early_number_gets_nobody_past_the_limit",
    ),
    not_found("hatchet-dev/hatchet#4930"),
    answered(
        "inngest/inngest#3549",
        [
            "After a burst the worker said nothing any more; runs stood in Queued, others in \
             Running for hours",
            "集中の後ワーカーが黙り、待ちのままの実行と、何時間も実行中のままの実行が残った",
        ],
        [
            "What runs beyond its limit is stopped by the sweep, and its calls go to whoever waits",
            "時間を超えて動くものは巡回が止め、その呼び出しは待っている者へ渡る",
        ],
        SWEEP,
        "workers_that_say_nothing_any_more_hold_nobody_up",
    ),
    answered(
        "restatedev/restate#5196",
        [
            "An invocation was suspended to wait for a result that only it could produce, and held \
             its key for ever",
            "自分しか作れない結果を待って停止し、キーを永久に握り続けた",
        ],
        [
            "What rests is waited for by the execution alone: when that ends, the process ends and \
             its target is free",
            "休んでいるものを待つのは実行だけ。実行が終わればプロセスも終わり、対象は空く",
        ],
        SWEEP,
        "a_batch_that_rests_and_is_never_tried_again_gives_its_target_free",
    ),
    answered(
        "restatedev/restate#3656",
        [
            "A cancel between two tries was reported as registered, and the tries went on",
            "再試行の合間の取り消しが、受け付けたと表示されながら効かなかった",
        ],
        [
            "A cancel is the status of the row, which every next step reads first",
            "取り消しは行の状態そのもので、次のどの段階も最初にそれを読む",
        ],
        TAKEOVER,
        "a_cancel_between_two_tries_is_the_end_of_it",
    ),
    not_found("taskforcesh/bullmq#3768"),
    answered(
        "celery/celery#5935",
        [
            "A task longer than the broker's visibility timeout was delivered again while it ran, \
             and all of them did the work",
            "可視性タイムアウトより長い仕事が実行中に再配達され、すべてが同じ作業をした",
        ],
        [
            "A message that comes again gets the plan that there is, or makes a newer attempt; the \
             older ones cannot write",
            "再び届いたものは今ある計画を受け取るか、新しい試行になる。古い試行は書けない",
        ],
        TAKEOVER,
        "a_message_that_is_delivered_again_and_again_does_the_work_once",
    ),
    answered(
        "graphile/worker#222",
        [
            "What a crashed worker had locked stayed locked for four hours, and its queue with it",
            "落ちたワーカーのロックが四時間残り、そのキューも止まった",
        ],
        [
            "Nothing is locked between statements: the next worker claims in the same second",
            "文の間にロックは残らない。次のワーカーが同じ秒のうちに claim する",
        ],
        TAKEOVER,
        "what_a_crashed_worker_had_is_claimed_again_in_the_same_second",
    ),
    answered(
        "aws-solutions/content-analysis-on-aws#3",
        [
            "Workflows whose state machine had failed stayed \"Started\" and filled the limit \
             until somebody deleted their records",
            "ステートマシンの失敗した仕事が「開始済み」のまま上限を埋め、記録を手で消すまで動かなかった",
        ],
        [
            "In use is what is active, and a failed execution's process is not after one sweep",
            "使用中なのは動いている行だけ。失敗した実行のプロセスは一度の巡回で終わる",
        ],
        SWEEP,
        "failed_executions_do_not_fill_the_queue",
    ),
    answered(
        "cdklabs/construct-hub#1885",
        [
            "A payload a little over the limit ended the execution between two states, where no \
             Catch is asked",
            "上限を少し超えた入出力により、Catch の効かない状態の間で実行が終わった",
        ],
        [
            "Only ids go from state to state; what ends without its Catch is found by its event or \
             the sweep",
            "状態の間を渡るのは ID だけ。Catch なしに終わったものは通知か巡回が見つける",
        ],
        SWEEP,
        "an_execution_that_ends_where_no_catch_is_asked_ends_its_process",
    ),
];
