"""The time of a run, in which nobody waits.

The clock of a run moves by the seconds that its calls are said to take and by the waits between
retries, and only outside of batches, which run side by side. A call that takes longer than its
state allows meets that state's time limit; a clock beyond the machine's limit meets that one.
"""

import os
import sys
import threading
from collections import defaultdict, deque
from types import SimpleNamespace

import double
from moto.stepfunctions.parser.asl.component.common.retry import (
    jitter_strategy_decl,
    retrier_decl,
)
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.utils import TMP_THREADS

# Real seconds. How long a call waits for what has to happen meanwhile, how long for one call more
# that there should not be, and how long for what is left of a run to end.
PATIENCE, GRACE, FAREWELL = 20, 0.05, 5
# More than any path has: the machine goes round in circles.
TOO_MANY_CALLS = 1000
interpreters_retry = execute_state.ExecutionState._handle_retry
here = threading.local()


class Run:
    """What happens in one execution, and what is to be answered in it."""

    def __init__(self, script):
        self.answers = defaultdict(deque)
        for at, answers in script["answers"].items():
            self.answers[at].extend(answers)
        self.longest_waits = script["longestWaits"]
        self.calls, self.waits, self.timed_out = [], [], []
        self.crowd = Crowd(script["together"])
        self.clock = 0
        self.limit = None
        self.limit_is_known = threading.Event()
        self.late = threading.Event()
        # Whatever still hangs ends with it.
        self.over = threading.Event()

    def answer_to(self, at, function, payload):
        if self.over.is_set():
            self.hang()
        if len(self.calls) == TOO_MANY_CALLS:
            print(f"{TOO_MANY_CALLS} calls, the last at {at}", file=sys.stderr, flush=True)
            os._exit(1)
        self.calls.append({"at": at, "function": function, "payload": payload})
        if at.startswith("Batch "):
            self.crowd.join()
        answer = self.answers[at].popleft() if self.answers[at] else {"returns": {}}
        if "hangs" in answer:
            self.hang()
        end = here.end
        allowed = end.allowed()
        takes = answer.get("takes", 0)
        self.passes(min(takes, allowed), at)
        if takes > allowed:
            self.timed_out.append(at)
            end.expire()
            self.hang()
        return answer

    def waited(self, seconds, drawn_up_to, at):
        wait = ("exactly", seconds) if drawn_up_to is None else ("upTo", drawn_up_to)
        self.waits.append({"at": at, wait[0]: whole(wait[1])})
        self.passes(seconds, at)

    def passes(self, seconds, at):
        if " " in at:
            return
        self.clock += seconds
        self.limit_is_known.wait()
        if self.limit is not None and self.clock > self.limit:
            self.late.set()
            self.hang()

    def hang(self):
        """The call never ends: not before the run does, unless that waits for it."""
        self.over.wait(PATIENCE)
        if (end := getattr(here, "end", None)) is not None:
            end.expire()
        raise SystemExit

    def report(self):
        # Copies: what hangs may go on yet.
        return {
            "calls": [*self.calls],
            "waits": [*self.waits],
            "timedOut": [*self.timed_out],
            "atOnce": self.crowd.most,
        }

    def end(self):
        """Ends what an aborted map has left, so that it does not meddle with the next run."""
        self.over.set()
        self.crowd.dissolve()
        for thread in TMP_THREADS:
            threading.Thread.join(thread, FAREWELL)
        TMP_THREADS.clear()


def whole(seconds):
    """A whole number as such: the interpreter reckons with others."""
    return int(seconds) if seconds == int(seconds) else seconds


class Crowd:
    """How many batches are in flight at once: `size` of them wait until they are that many."""

    def __init__(self, together):
        self.size, self.total = together or (0, 0)
        self.dissolved = False
        self.changed = threading.Condition()
        self.arrived = self.inside = self.most = 0

    def join(self):
        with self.changed:
            self.arrived += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
            if self.size:
                wave = min(-(-self.arrived // self.size) * self.size, self.total)
                self.changed.wait_for(lambda: self.dissolved or self.arrived >= wave, PATIENCE)
                self.changed.wait_for(lambda: self.dissolved, GRACE)
            self.inside -= 1

    def dissolve(self):
        with self.changed:
            self.dissolved = True
            self.changed.notify_all()


class TaskEnd(threading.Event):
    """Set when a task has ended. Its state's time limit passes when the run says so."""

    def __init__(self):
        super().__init__()
        self.limit = None
        self.limit_is_known = threading.Event()
        self.expired = False
        here.newest = self

    def wait(self, timeout=None):
        self.limit = timeout
        self.limit_is_known.set()
        super().wait()
        return not self.expired

    def allowed(self):
        self.limit_is_known.wait()
        return self.limit

    def expire(self):
        self.expired = True
        self.set()


class TaskThread(threading.Thread):
    """A task's thread, which knows the task's end: the interpreter makes that one just before."""

    def __init__(self, **rest):
        super().__init__(**rest)
        self.end = here.newest

    def run(self):
        here.end = self.end
        super().run()


def keep_time_of(run):
    """Puts the run's clock in the place of the real one, wherever the interpreter has one."""

    class MachineThread(threading.Thread):
        def join(self, timeout=None):
            if run.limit_is_known.is_set():
                # The machine within a map has no limit of its own.
                return super().join()
            run.limit = timeout
            run.limit_is_known.set()
            while self.is_alive() and not run.late.is_set():
                super().join(0.002)

    def retry(state, env, failure_event):
        here.at = double.place(state.name, env.states.get_input())
        here.drawn_up_to = None
        return interpreters_retry(state, env, failure_event)

    def uniform(_, most):
        here.drawn_up_to = most
        return most if run.longest_waits else 0

    execute_state.ExecutionState._handle_retry = retry
    execute_state.threading = SimpleNamespace(Event=TaskEnd)
    execute_state.Thread = TaskThread
    jitter_strategy_decl.random = SimpleNamespace(uniform=uniform)
    program.threading = SimpleNamespace(Thread=MachineThread)
    retrier_decl.time = SimpleNamespace(
        sleep=lambda seconds: run.waited(seconds, here.drawn_up_to, here.at)
    )
