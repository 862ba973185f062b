"""Writes a template for `sam local start-api` from the output of `sam build`: .aws-sam/build/local.yaml.

If a path has ANY and other methods, SAM local sends all of them to the function of ANY, or uses one authorizer for all,
which varies from start to start because it keeps routes in a set. ANY is therefore removed from such paths. It also leaves
out an authorizer that is named by an alias, so the authorizer is named by its function.
"""

import json
import pathlib

import yaml

BUILD = pathlib.Path(__file__).resolve().parents[2] / ".aws-sam" / "build"


def api_events(resource):
    events = resource["Properties"].get("Events", {}) if resource["Type"] == "AWS::Serverless::Function" else {}
    return {name: event["Properties"] for name, event in events.items() if event["Type"] == "Api"}


def main():
    template = yaml.safe_load((BUILD / "template.yaml").read_text())
    functions = [resource for resource in template["Resources"].values() if api_events(resource)]
    events = [event for function in functions for event in api_events(function).values()]
    named = {event["Path"] for event in events if event["Method"] != "ANY"}
    for function in functions:
        for name, event in api_events(function).items():
            if event["Method"] == "ANY" and event["Path"] in named:
                del function["Properties"]["Events"][name]
    for authorizer in template["Resources"]["Api"]["Properties"]["Auth"]["Authorizers"].values():
        function, _ = authorizer["FunctionArn"]["Ref"].split(".")
        authorizer["FunctionArn"] = {"Fn::GetAtt": [function, "Arn"]}
    # JSON is valid YAML. The dates of a template are written as strings.
    (BUILD / "local.yaml").write_text(json.dumps(template, indent=1, default=str))


if __name__ == "__main__":
    main()
