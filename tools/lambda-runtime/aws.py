"""The AWS services that the functions need, on this machine: MiniStack (from PyPI) with the tables of template.yaml, a
keyring in its Secrets Manager, and the four demo users of `cargo run -- dev`.

    pip install ministack
    python3 tools/lambda-runtime/aws.py                        # on 127.0.0.1:4566, until Ctrl-C
    python3 tools/lambda-runtime/aws.py --address 172.17.0.1   # reachable for containers on Docker's bridge

Everything is in memory, and the passwords and the key are public: use it for tests only.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "us-east-1"

# The form of the first keyring, as the template's GenerateSecretString creates it.
KEY = base64.urlsafe_b64encode(hashlib.sha256(b"a stand-in for AWS has no secret").digest()).rstrip(b"=").decode()
RING = json.dumps({"id": "first", "signs_from": 0, "key": KEY})

# The properties of AWS::DynamoDB::Table that are copied unchanged to CreateTable.
TABLE_PROPERTIES = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "BillingMode"]


class Template(yaml.SafeLoader):
    """A YAML loader that ignores CloudFormation's tags, which the tables do not use."""


Template.add_multi_constructor("!", lambda loader, tag, node: None)


class Rejected(Exception):
    """The emulator responded with an error."""


class Aws:
    """A running MiniStack. Leaving the `with` block stops it."""

    def __init__(self, address="127.0.0.1", port=None):
        self.address, self.port = address, port or free_port(address)
        self.url = f"http://{self.address}:{self.port}"
        self.process = None

    def __enter__(self):
        installed = pathlib.Path(sys.executable).with_name("ministack")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"BIND_HOST": self.address, "GATEWAY_PORT": str(self.port), "MINISTACK_REGION": REGION}
        # MiniStack's own calls go to MiniStack, never to the real AWS.
        environment["AWS_ENDPOINT_URL"] = self.url
        environment |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        command = str(installed) if installed.exists() else shutil.which("ministack")
        if not command:
            sys.exit("MiniStack is not installed; run: pip install ministack")
        self.process = subprocess.Popen(
            [command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self.wait()
            self.fill()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        stop(self.process)

    def wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Rejected(f"MiniStack exited with status {self.process.returncode}; is {self.url} taken?")
            try:
                return self.dynamodb("ListTables", {})
            except (OSError, Rejected):
                time.sleep(0.1)
        raise Rejected(f"MiniStack does not respond on {self.url}")

    def fill(self):
        resources = yaml.load((ROOT / "template.yaml").read_text(), Template)["Resources"]
        for name, resource in resources.items():
            if resource["Type"] == "AWS::DynamoDB::Table":
                properties = resource["Properties"]
                table = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
                if "StreamSpecification" in properties:
                    table["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
                self.dynamodb("CreateTable", {"TableName": name, **table})
        self.secret("KeyRing", RING)
        for user in json.loads(pathlib.Path(__file__).with_name("users.json").read_text()):
            self.dynamodb("PutItem", {"TableName": "Users", "Item": user})

    def dynamodb(self, operation, request):
        return self.call("dynamodb", f"DynamoDB_20120810.{operation}", "1.0", request)

    def secret(self, name, text):
        request = {"Name": name, "SecretString": text, "ClientRequestToken": "0" * 32}
        return self.call("secretsmanager", "secretsmanager.CreateSecret", "1.1", request)

    def call(self, service, target, version, request):
        # MiniStack takes service and region from the scope of a signature that it does not check.
        scope = f"Credential=local/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {scope}",
            "Content-Type": f"application/x-amz-json-{version}",
            "X-Amz-Target": target,
        }
        try:
            call = urllib.request.Request(self.url, json.dumps(request).encode(), headers)
            with urllib.request.urlopen(call, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise Rejected(f"{target}: {error.read().decode()}") from None


def stop(process):
    """Ends a process, by force if it does not end in ten seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(address="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def main():
    arguments = argparse.ArgumentParser(description="Starts the AWS services that the functions need, on this machine.")
    arguments.add_argument("--address", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=4566)
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Aws(given.address, given.port) as aws:
        print(f"ready {aws.url}", flush=True)
        try:
            sys.exit(aws.process.wait())
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
