"""What AWS makes of the template: SAM's own translator, then conditions, rules and parameters as CloudFormation reads them."""

import copy
import os

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

NOTHING = {"Ref": "AWS::NoValue"}


def read(path):
    """The template as `sam deploy` sends it: code and definition lie in a bucket."""
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in ("CodeUri", "DefinitionUri"):
            if name in properties:
                properties[name] = "s3://bucket/" + properties[name].lstrip("./")
    return template


def values(template, given):
    """Each parameter's value, as a text."""
    unknown = set(given) - set(template["Parameters"])
    assert not unknown, f"there is no parameter {unknown}"
    all_values = {}
    for name, parameter in template["Parameters"].items():
        value = str(given.get(name, parameter.get("Default", "")))
        allowed = [str(it) for it in parameter.get("AllowedValues", [])]
        assert not allowed or value in allowed, f"{name}={value} is not one of {allowed}"
        all_values[name] = value
    return all_values


class Reader:
    """Reads conditions and rules with these values of the parameters."""

    def __init__(self, template, given):
        self.template, self.values = template, values(template, given)
        self.known = {}

    def holds(self, expression):
        if isinstance(expression, str):
            if expression not in self.known:
                self.known[expression] = self.holds(self.template["Conditions"][expression])
            return self.known[expression]
        [(name, arguments)] = expression.items()
        match name:
            case "Condition":
                return self.holds(arguments)
            case "Fn::And":
                return all([self.holds(it) for it in arguments])
            case "Fn::Or":
                return any([self.holds(it) for it in arguments])
            case "Fn::Not":
                return not self.holds(arguments[0])
            case "Fn::Equals":
                one, other = (str(self.values[it["Ref"]]) if isinstance(it, dict) else str(it) for it in arguments)
                return one == other
        raise AssertionError(f"{name} is not read here")

    def broken_rules(self):
        """The names of the rules that a deployment with these values breaks."""
        rules = self.template.get("Rules", {}).items()
        applied = [(name, rule) for name, rule in rules if self.holds(rule.get("RuleCondition", {"Fn::And": []}))]
        return {name for name, rule in applied for it in rule["Assertions"] if not self.holds(it["Assert"])}

    def chosen(self, value):
        """The value with each Fn::If decided, and without what is then nothing; a parameter is its value."""
        if isinstance(value, list):
            return [it for it in map(self.chosen, value) if it != NOTHING]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Fn::If"}:
            condition, yes, no = value["Fn::If"]
            return self.chosen(yes if self.holds(condition) else no)
        if set(value) == {"Ref"} and value["Ref"] in self.values:
            return self.typed(value["Ref"])
        chosen = {name: self.chosen(it) for name, it in value.items()}
        return {name: it for name, it in chosen.items() if it != NOTHING}


    def typed(self, name):
        value, parameter = self.values[name], self.template["Parameters"][name]
        if parameter["Type"] == "Number":
            return float(value) if "." in value else int(value)
        return value == "true" if parameter.get("AllowedValues") == ["true", "false"] else value


def resolve(template, given):
    """The template that CloudFormation carries out, without conditions and references to parameters."""
    template = Translator({}, Parser(), None).translate(copy.deepcopy(template), dict(given))
    reader = Reader(template, given)
    there = {
        section: {
            name: reader.chosen({key: it for key, it in item.items() if key != "Condition"})
            for name, item in template[section].items()
            if "Condition" not in item or reader.holds(item["Condition"])
        }
        for section in ("Resources", "Outputs")
    }
    for name, value in given.items():
        parameter = template["Parameters"][name]
        parameter["Default"] = next((it for it in parameter.get("AllowedValues", []) if str(it) == value), value)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Parameters": template["Parameters"], **there}


def references(value):
    """Whatever Ref, GetAtt and Sub of a value name."""
    if isinstance(value, list):
        for it in value:
            yield from references(it)
    elif isinstance(value, dict):
        for name, it in value.items():
            if name == "Ref":
                yield it
            elif name == "Fn::GetAtt":
                yield it[0] if isinstance(it, list) else it.split(".")[0]
            elif name == "Fn::Sub":
                text, own = (it, {}) if isinstance(it, str) else it
                names = [part.split("}")[0] for part in text.split("${")[1:]]
                yield from (each.split(".")[0] for each in names if each not in own and not each.startswith("!"))
                yield from references(own)
            else:
                yield from references(it)
