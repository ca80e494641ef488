"""Rules of cfn-guard on the ways to deploy: `guard.py CFN-GUARD OURS AWS-S FOLDER`.

Ours hold for each way. For each of them a copy that breaks it proves that it can fail, and that no other has to be broken for it.
AWS's, those of Control Tower, hold for the way with all switched on that a reviewer may want, but for what is named here."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path


def guard(program, rules, data):
    """The names of the rules that the data break."""
    told = subprocess.run(
        [program, "validate", "--rules", rules, "--data", data, "--show-summary", "all"],
        capture_output=True, text=True, check=False,
    )
    failed = set(re.findall(r"\.guard/(\w+)\s+FAIL", told.stdout))
    # 0: they hold; 19: some do not.
    assert told.returncode in (0, 19) and bool(failed) == (told.returncode == 19), told.stdout[:2000] + told.stderr
    return failed


def statement(name, sid):
    def found(it):
        policies = it["Resources"][name]["Properties"]["Policies"]
        return next(each for policy in policies for each in policy["PolicyDocument"]["Statement"] if each["Sid"] == sid)

    return found


def properties(name):
    return lambda it: it["Resources"][name]["Properties"]


def resource(name):
    return lambda it: it["Resources"][name]


# Which way to deploy, what is changed there, and to what; None takes it away.
BROKEN = {
    "a_role_names_each_action": [
        ("rds", statement("CancelHandlerRole", "StopExecutions"), "Action", ["states:Stop*"]),
        ("rds", statement("CancelHandlerRole", "StopExecutions"), "Action", "*"),
        ("rds", properties("MigratorRole"), "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
    "a_role_names_each_resource": [
        ("rds", statement("CancelHandlerRole", "StopExecutions"), "Resource", "*"),
        ("rds", statement("AiGenerationWorkerRole", "InvokeModels"), "Resource", [{"Ref": "ModelIds"}, "*"]),
    ],
    "a_role_is_for_a_service_of_aws": [
        ("rds", lambda it: properties("MigratorRole")(it)["AssumeRolePolicyDocument"]["Statement"][0], "Principal", {"AWS": "*"}),
    ],
    "a_function_has_a_role_and_a_log_group_of_the_stack": [
        ("rds", properties("Diagnostics"), "LoggingConfig", None),
        ("rds", properties("Diagnostics"), "Role", "arn:aws:iam::123456789012:role/somebody"),
    ],
    "logs_are_not_kept_for_ever": [("rds", properties("HttpApiLogs"), "RetentionInDays", None)],
    "queues_are_encrypted": [("rds", properties("DeadLetters"), "SqsManagedSseEnabled", False)],
    "nobody_but_our_gateway_and_our_rules_calls_a_function": [
        ("rds", properties("RetryPermission"), "Principal", "*"),
        ("rds", properties("RetryPermission"), "SourceArn", None),
    ],
    "whoever_asks_has_a_token": [("own-users", properties("StatusRoute"), "AuthorizationType", "NONE")],
    "requests_are_logged_and_limited": [("rds", properties("HttpApiStage"), "AccessLogSettings", None)],
    "a_domain_takes_no_old_tls": [
        ("own-domain", lambda it: properties("ApiDomain")(it)["DomainNameConfigurations"][0], "SecurityPolicy", None),
    ],
    "accounts_outlive_the_stack": [("rds", resource("UserPool"), "DeletionPolicy", "Delete")],
    "a_secret_is_in_no_template": [("rds", properties("DatabaseSecret"), "SecretString", "secret")],
    "a_made_database_is_encrypted_backed_up_and_hard_to_lose": [
        ("created", properties("DatabaseCluster"), "StorageEncrypted", False),
        ("created", properties("DatabaseCluster"), "BackupRetentionPeriod", 1),
        ("created", resource("DatabaseCluster"), "DeletionPolicy", None),
        ("created", properties("DatabaseCluster"), "DeletionProtection", False),
        ("created", properties("DatabaseInstance"), "PubliclyAccessible", True),
    ],
    "a_proxy_wants_tls": [("created-with-proxy", properties("DatabaseProxyServer"), "RequireTLS", False)],
    "networks_are_open_to_nobody_outside": [
        ("created", lambda it: properties("DatabaseSecurityGroup")(it)["SecurityGroupIngress"][0], "CidrIp", "0.0.0.0/0"),
    ],
}

# What AWS's rules want and do not get.
EXCEPTIONS = {
    # CloudWatch encrypts logs with a key of its own; the lines hold no user's text and no secret.
    "cloudwatch_log_group_encrypted_check",
    # It reads addresses that are one text only. Ours are put together, and a rule of ours asks for them.
    "lambda_function_public_access_prohibited_check",
    # Enhanced monitoring is paid, and wants a role more. Performance Insights is on, and Aurora's own metrics are there.
    "rds_instance_enhanced_monitoring_enabled_check",
    # PostgreSQL's log may show a row that a statement failed on, and so a user's text: it stays in the database.
    "rds_cluster_logging_enabled_check",
    # The one queue is for dead letters itself.
    "sqs_dlq_check",
}
CAREFUL = "careful.json"


def main(program, rules, of_aws, folder):
    wrong = []
    for path in sorted(folder.glob("*.json")):
        wrong += [f"{path.stem} breaks {rule}" for rule in sorted(guard(program, rules, path))]
    named = set(re.findall(r"^rule (\w+)", rules.read_text(encoding="utf-8"), re.MULTILINE))
    wrong += [f"nothing here breaks the rule {rule}" for rule in sorted(named ^ set(BROKEN))]
    copies = [(rule, *change) for rule, changes in BROKEN.items() for change in changes]
    broken = folder / "broken.template"
    for rule, name, place, key, value in copies:
        template = copy.deepcopy(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
        if value is None:
            del place(template)[key]
        else:
            place(template)[key] = value
        broken.write_text(json.dumps(template), encoding="utf-8")
        failed = guard(program, rules, broken)
        if failed != {rule}:
            wrong.append(f"{name} with {key}: {value} breaks {sorted(failed)}, and not {rule}")
    broken.unlink()
    failed = guard(program, of_aws, folder / CAREFUL)
    wrong += [f"AWS's rule {rule} is broken" for rule in sorted(failed - EXCEPTIONS)]
    wrong += [f"AWS's rule {rule} holds: it is no exception" for rule in sorted(EXCEPTIONS - failed)]
    print("\n".join(wrong) or f"{len(named)} promises, {len(copies)} ways to break them seen, AWS's rules but for {len(EXCEPTIONS)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(Path, sys.argv[2:])))
