"""Makes a template for `sam local start-api` out of what `sam build` made: .aws-sam/build/local.yaml.

Where a path has ANY beside other methods, SAM local sends all of them to the function of ANY, or gives all of them the
authorizer of one, and which one differs from start to start (its routes go through a set). So ANY is left out there.
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
    # JSON is YAML; the dates of a template are texts.
    (BUILD / "local.yaml").write_text(json.dumps(template, indent=1, default=str))


if __name__ == "__main__":
    main()
