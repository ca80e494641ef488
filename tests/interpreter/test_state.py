"""Asks AWS itself about the states on the paths of the table: `aws stepfunctions test-state`.

    python3 tests/interpreter/test_state.py [--dry-run] [any option of the AWS CLI, as --region]

It has never been run against AWS: whoever wrote it had no account. Its requests are checked
against the AWS CLI's own description of the API, and its judgement against invented answers. So a
difference that it prints may be its own fault.

TestState looks at one state at a time, with a mock for what Lambda answers. That makes each step of
a path a question: retried after how long, caught by whom, with what in the output. How a whole
execution goes is not asked, nor what runs side by side, nor time limits. The caller needs the
permission states:TestState and no role. `aws` is among the pinned tools (`cargo aigen tools`).
`--dry-run` prints the questions, with what is expected, instead of asking them.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
DEFINITION = HERE / "../../infra/statemachine/ai-generation.asl.json"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:any"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:ai-generation:run"
PROCESS = {"processId": "p1"}
# Where a state goes when it succeeds, and when its error is final.
NEXT = {"Generate": "Batches", "Batch": None, "GiveUp": None, "Settle": "Failed"}
CAUGHT_BY = {"Generate": "Settle", "Batch": "GiveUp", "GiveUp": None, "Settle": "Failed"}


def main(arguments):
    dry = "--dry-run" in arguments
    options = [argument for argument in arguments if argument != "--dry-run"]
    asked = faults = 0
    for fact, request, expected in questions():
        asked += 1
        if dry:
            print(json.dumps({"fact": fact, "request": request, "expected": expected}))
            continue
        different = differences(expected, ask(request, options))
        faults += bool(different)
        for line in different:
            print(f"{fact}: {request['stateName']}: {line}")
    print(f"{asked} questions, {faults} with another answer", file=sys.stderr)
    return 1 if faults else 0


def ask(request, options):
    command = ["aws", "stepfunctions", "test-state", "--output", "json", *options]
    command += ["--cli-input-json", json.dumps(request)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def questions():
    """Each question once, with the first fact that asks it."""
    seen = set()
    for path in paths():
        for state, input, mock, retries, expected in steps(path):
            request = {
                "definition": definition(),
                "stateName": state,
                "input": json.dumps(input),
                "inspectionLevel": "DEBUG",
            }
            if mock is not None:
                # Of what Lambda's answer has to have, ours has only what the machine reads.
                request["mock"] = {**mock, "fieldValidationMode": "NONE"}
                request["context"] = json.dumps({"Execution": {"Id": EXECUTION}})
                request["stateConfiguration"] = {"retrierRetryCount": retries}
            key = json.dumps(request)
            if key not in seen:
                seen.add(key)
                yield path["fact"], request, expected


def steps(path):
    """The states of a path: (name, input, mock, retries before, what is expected)."""
    input = path.get("input", PROCESS)
    plan = {"batches": [f"b{number + 1}" for number in range(path.get("batches", 0))]}
    plan["batchesAtOnce"] = path.get("batchesAtOnce", max(1, len(plan["batches"])))
    planned = {**input, "next": plan}
    last, retries = {}, Counter()
    for step in path.get("steps", []):
        state, _, batch = step["at"].partition(" ")
        before = state_input(state, batch, planned, input, last)
        waits = seconds(step.get("retriedAfter", ""))
        for number, wait in enumerate(waits):
            error = named(step, number)
            retrier = (step["at"], retrier_of(state, error["error"]))
            retries[retrier] += 1
            # What waits as long as the one before it tells nothing new, but for the last.
            if number in (0, len(waits) - 1) or wait != waits[number - 1]:
                expected = {"status": "RETRIABLE", "upTo": wait, "payload": asks(state, before)}
                yield state, before, mocked(error), retries[retrier] - 1, expected
        if "fails" in step and not waits:
            error = named(step, 0)
            last[step["at"]] = error
            retrier = (step["at"], retrier_of(state, error["error"]))
            yield state, before, mocked(error), retries[retrier], final(state, before, error)
        elif "returns" in step:
            yield state, before, *answered(path, state, before, step["returns"])
    if "Batches" in path["states"].split(" ") and path["ends"] != "FAILED States.Runtime":
        yield "Generate", input, *answered(path, "Generate", input, plan)
        yield "Batches", planned, mock_of([None] * len(plan["batches"])), 0, {
            "status": "SUCCEEDED",
            "output": planned,
            "maxConcurrency": plan["batchesAtOnce"],
            "afterItemSelector": [{**PROCESS, "batchId": batch} for batch in plan["batches"]],
        }
    if path["ends"].startswith("FAILED ") and "Failed" in path["states"]:
        ends_with = error_of_machine(last)
        failed = {"status": "FAILED", **ends_with}
        yield "Failed", {**input, "failure": as_caught(ends_with)}, None, 0, failed


def state_input(state, batch, planned, input, last):
    if state == "Generate":
        return input
    if state == "Settle":
        return {**input, "failure": as_caught(error_of_machine(last))}
    item = {**PROCESS, "batchId": "b1" if batch == "*" else batch}
    if state == "GiveUp":
        given_up_for = last.get(f"Batch {batch}", last.get("Batch *"))
        item["giveUp"] = as_caught(given_up_for)
    return item


def error_of_machine(last):
    """Generate's error, or that of the GiveUp that failed."""
    return next(error for at, error in last.items() if at.split(" ")[0] in ("Generate", "GiveUp"))


def final(state, before, error):
    """What follows from an error that is not retried."""
    caught_by = CAUGHT_BY[state]
    if caught_by is None:
        return {"status": "FAILED", "error": error["error"]}
    field = {"Generate": "failure", "Batch": "giveUp"}.get(state)
    output = {**before, field: as_caught(error)} if field else before
    return {"status": "CAUGHT_ERROR", "nextState": caught_by, "output": output}


def answered(path, state, before, payload):
    """The mock of an answer, no retries, and what follows from it."""
    expected = {"status": "SUCCEEDED", "output": before, "payload": asks(state, before)}
    if NEXT[state]:
        expected["nextState"] = NEXT[state]
    if state == "Generate" and path["ends"] == "FAILED States.Runtime":
        expected = {"status": "FAILED", "error": "States.Runtime"}
        if "Batches" in path["states"]:
            expected = {"status": "SUCCEEDED", "nextState": "Batches"}
    elif state == "Generate":
        plan = {name: payload[name] for name in ("batches", "batchesAtOnce")}
        expected["output"] = {**before, "next": plan}
    return mock_of({"StatusCode": 200, "Payload": payload}), 0, expected


def mock_of(result):
    return {"result": json.dumps(result)}


def mocked(error):
    return {"errorOutput": error}


def named(step, number):
    """The error of one call of a step."""
    name = step["fails"][number % len(step["fails"])]
    says = step.get("says", "it went wrong") * step.get("saysTimes", 1)
    return {"error": name, "cause": "" if name == "States.Timeout" else says}


def as_caught(error):
    return {"Error": error["error"], "Cause": error["cause"]}


def seconds(waits):
    """[5, 60, 60] of "5 60*2"."""
    numbers = []
    for part in waits.split():
        wait, _, times = part.partition("*")
        numbers += [int(wait)] * int(times or 1)
    return numbers


def retrier_of(state, error):
    """Which of a state's retriers an error is for."""
    retriers = states()[state]["Retry"]
    return next((n for n, one in enumerate(retriers) if error in one["ErrorEquals"]), None)


def asks(state, before):
    """The payload that the state asks its Lambda with."""
    if state in ("Batch", "GiveUp"):
        return before
    asked = {**PROCESS, "executionArn": EXECUTION}
    if state == "Settle":
        asked["error"], asked["cause"] = before["failure"]["Error"], before["failure"]["Cause"]
    return asked


def differences(expected, answer):
    inspection = answer.get("inspectionData", {})
    found = {**answer, "maxConcurrency": inspection.get("maxConcurrency")}
    found["afterItemSelector"] = json.loads(inspection.get("afterItemSelector", "null"))
    found["output"] = json.loads(answer.get("output") or "null")
    found["payload"] = json.loads(inspection.get("afterParameters", "{}")).get("Payload")
    wait = inspection.get("errorDetails", {}).get("retryBackoffIntervalSeconds")
    if "upTo" in expected and not (wait is not None and 0 <= wait <= expected["upTo"]):
        yield f"waits {wait} s, expected up to {expected['upTo']}"
    for name in expected.keys() - {"upTo"}:
        if found.get(name) != expected[name]:
            yield f"{name} is {found.get(name)}, expected {expected[name]}"


def paths():
    for file in sorted(HERE.glob("paths/*.json")):
        yield from json.loads(file.read_text())


def definition():
    text = DEFINITION.read_text()
    return text.replace("${WorkerArn}", ARN).replace("${ReconcilerArn}", ARN)


def states():
    of_machine = json.loads(definition())["States"]
    return {**of_machine, **of_machine["Batches"]["ItemProcessor"]["States"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
