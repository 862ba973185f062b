"""The functions of a build on the Runtime Interface Emulator of aws-sam-cli, over the services of aws.py."""

import glob
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

from aws import REGION, free_port, stop

TABLES = {"HALLPASS_USERS_TABLE": "Users", "HALLPASS_TOKENS_TABLE": "Tokens", "HALLPASS_ATTEMPTS_TABLE": "Attempts"}
FUNCTIONS = ["VerifyAuthorizer", "Generate", "Revoke", "Console", "Prune", "Notify"]
KEYLESS = ["Prune", "Notify"]
QEMU = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"]


class Emulated:
    """A function on an emulator. The standard errors of both go to one file."""

    def __init__(self, emulator, command, environment, log):
        self.port = free_port()
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [emulator, *addresses, *command], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def invoke(self, event):
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                return {"status": error.code}
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                last_error = error
            self.check_process()
        raise last_error

    def check_process(self):
        try:
            self.process.wait(0.05)
        except subprocess.TimeoutExpired:
            return
        raise RuntimeError(f"the emulator exited: {self.log.read_text()}")

    def stop(self):
        stop(self.process)


class Functions:
    """Starts and invokes the functions of the build `given.build`, which may lack the functions `lacking`."""

    def __init__(self, given, folder, aws, lacking=()):
        self.given, self.folder, self.aws = given, folder, aws
        for function in FUNCTIONS:
            is_built = pathlib.Path(given.build, function, "bootstrap").is_file()
            if not is_built and function not in lacking:
                sys.exit(f"{given.build} has no {function}/bootstrap; run `sam build`")
        self.emulator = folder / "aws-lambda-rie"
        shutil.copy(given.emulator or emulator(), self.emulator)
        self.emulator.chmod(0o755)
        self.running, self.started = {}, []

    def command(self, function):
        binary = str(pathlib.Path(self.given.build, function, "bootstrap").resolve())
        return [*(QEMU if self.given.qemu else []), binary]

    def environment(self, function, changes=()):
        """Returns the variables of Lambda and the template. Only PATH comes from this process's environment."""
        settings = {"HALLPASS_DYNAMODB_ENDPOINT": self.aws.url, "HALLPASS_SECRETS_ENDPOINT": self.aws.url, **TABLES}
        if function not in KEYLESS:
            settings["HALLPASS_KEYS_SECRET"] = "KeyRing"
        lambdas = {
            "PATH": os.environ["PATH"],
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "a secret access key",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "300" if function in KEYLESS else "30",
        }
        return lambdas | settings | dict(changes)

    def start(self, function, name=None, changes=()):
        log = self.folder / f"{name or function}.log"
        self.started.append(Emulated(self.emulator, self.command(function), self.environment(function, changes), log))
        return self.started[-1]

    def invoke(self, function, event):
        if function not in self.running:
            self.running[function] = self.start(function)
        return self.running[function].invoke(event)

    def stop(self):
        for function in self.started:
            function.stop()


def emulator():
    """Returns the path of the emulator in the Python environment of `sam`."""
    processor = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    sam = shutil.which("sam") or sys.exit("sam, which has the Runtime Interface Emulator, is not installed; or use --emulator")
    root = pathlib.Path(sam).resolve().parents[1]
    found = glob.glob(f"{root}/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{processor}")
    return found[0] if found else sys.exit(f"no Runtime Interface Emulator under {root}; pass its path with --emulator")
