"""Holds `test_state.py` against the API's description, and its judgement against invented answers.

Prints the number of questions. That is as far as one gets without an account.
"""

import json

import botocore.session
import test_state
from botocore.validate import ParamValidator


def answer_as(expected):
    """An answer of AWS's that is just what is expected."""
    given = ("status", "nextState", "error", "cause")
    answer = {name: expected[name] for name in given if name in expected}
    inspection = {"errorDetails": {"retryBackoffIntervalSeconds": expected.get("upTo", 0)}}
    if "output" in expected:
        answer["output"] = json.dumps(expected["output"])
    if "payload" in expected:
        inspection["afterParameters"] = json.dumps({"Payload": expected["payload"]})
    if "maxConcurrency" in expected:
        inspection["maxConcurrency"] = expected["maxConcurrency"]
        inspection["afterItemSelector"] = json.dumps(expected["afterItemSelector"])
    return {**answer, "inspectionData": inspection}


def main():
    api = botocore.session.get_session().get_service_model("stepfunctions")
    shape = api.operation_model("TestState").input_shape
    asked = 0
    for fact, request, expected in test_state.questions():
        asked += 1
        faults = ParamValidator().validate(request, shape)
        assert not faults.has_errors(), f"{fact}: {faults.generate_report()}"
        assert request["stateName"] in test_state.states(), fact
        differences = list(test_state.differences(expected, answer_as(expected)))
        assert not differences, f"{fact}: {differences}"
        for name in expected:
            # A wait is at fault only above its bound.
            other = expected[name] + 1 if name == "upTo" else "other"
            wrong = answer_as({**expected, name: other})
            assert list(test_state.differences(expected, wrong)), f"{fact}: {name} is not judged"
    print(asked)


if __name__ == "__main__":
    main()
