"""Runs a state machine on moto's interpreter, with scripted answers in place of its Lambdas.

A line of standard input is {"definition": its text, "runs": [Run, …]}; for each a line goes to
standard output, with a report of each run. No time passes: a wait between retries is written down
and not waited for, and how long a call takes is what the script says of it. `double.py` answers
the calls, `patience.py` keeps the time.

A run is {"input", "answers": {"Generate": [Answer, …], "Batch b1": [Answer, …], …}, "together",
"longestWaits"}. An answer is {"returns": payload} or {"fails": error name, "says": message}, both
with "takes" (seconds) if they take any, or {"hangs": true}. A call that the script does not foresee
is answered with {}; the report has it, and so whoever expects something else sees it.
"""

import json
import logging
import sys
from types import SimpleNamespace

import double
import patience
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.backend.execution import SyncExecution

ACCOUNT, REGION = "123456789012", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ai-generation"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:ai-generation:run"


def interpret(definition, script):
    """One execution, from its start to its end."""
    run = patience.Run(script)
    double.answer_for(run)
    patience.keep_time_of(run)
    execution = SyncExecution(
        name="run",
        sm_type="STANDARD",
        role_arn=ROLE,
        exec_arn=EXECUTION,
        account_id=ACCOUNT,
        region_name=REGION,
        state_machine=SimpleNamespace(
            arn=MACHINE, name="ai-generation", sm_type="STANDARD", definition=definition
        ),
        start_date="2026-01-01T00:00:00.000Z",
        cloud_watch_logging_session=None,
        activity_store={},
        input_data=json.dumps(script["input"]),
    )
    execution.start()
    report = {
        "status": execution.status,
        "output": execution.output,
        "error": execution.error,
        "cause": execution.cause,
        **states(execution.to_history_output()["events"]),
        **run.report(),
    }
    run.end()
    return report


def states(events):
    """The states that were entered: those of the machine in order, and those of each batch."""
    of_machine, of_batches = [], {}
    for event in events:
        entered = event.get("stateEnteredEventDetails")
        if entered is None:
            continue
        batch = double.batch_of(json.loads(entered["input"]))
        names = of_machine if batch is None else of_batches.setdefault(batch, [])
        names.append(entered["name"])
    return {"states": of_machine, "batchStates": of_batches}


def parse_once(definition):
    """The interpreter parses for each execution; one definition has many runs here."""
    parsed = AmazonStateLanguageParser.parse(definition)
    execution_worker.AmazonStateLanguageParser = SimpleNamespace(parse=lambda _: parsed)


def main():
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        order = json.loads(line)
        parse_once(order["definition"])
        reports = [interpret(order["definition"], script) for script in order["runs"]]
        print(json.dumps(reports), flush=True)


if __name__ == "__main__":
    main()
