"""Checks that a bill of materials is valid CycloneDX and contains every crate of a list: `bill.py BILL LIST`."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

bill, crates = sys.argv[1:]
with open(bill) as file:
    text = file.read()
parsed = json.loads(text)
version = SchemaVersion.from_version(parsed["specVersion"])
error = JsonStrictValidator(version).validate_str(text)
if error:
    sys.exit(f"{bill} is not valid CycloneDX {parsed['specVersion']}: {error}")
named = {(component["name"], component["version"]) for component in [*parsed["components"], parsed["metadata"]["component"]]}
with open(crates) as file:
    wanted = {tuple(line.split()) for line in file}
missing = sorted(wanted - named)
if missing or not wanted:
    sys.exit(f"{bill} does not contain {missing}")


def lacks_hash(component):
    is_published = component.get("purl", "").startswith("pkg:cargo/") and "registry" in component.get("bom-ref", "")
    return is_published and not component.get("hashes")


unhashed = [component["name"] for component in parsed["components"] if lacks_hash(component)]
if unhashed:
    sys.exit(f"{bill} has no hashes of {unhashed}")
print(f"{parsed['metadata']['component']['name']}: CycloneDX {parsed['specVersion']}, {len(wanted)} crates")
