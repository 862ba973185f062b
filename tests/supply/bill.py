"""Whether a bill of materials is CycloneDX and names every crate of a list: `bill.py BILL LIST`."""

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
    sys.exit(f"{bill} is not CycloneDX {parsed['specVersion']}: {error}")
named = {(it["name"], it["version"]) for it in [*parsed["components"], parsed["metadata"]["component"]]}
with open(crates) as file:
    wanted = {tuple(line.split()) for line in file}
missing = sorted(wanted - named)
if missing or not wanted:
    sys.exit(f"{bill} lacks {missing}")
unhashed = [it["name"] for it in parsed["components"] if it.get("purl", "").startswith("pkg:cargo/") and "registry" in it.get("bom-ref", "") and not it.get("hashes")]
if unhashed:
    sys.exit(f"{bill} has no hash of {unhashed}")
print(f"{parsed['metadata']['component']['name']}: CycloneDX {parsed['specVersion']}, {len(wanted)} crates")
