"""Runs the tests of a build with mutants: which test reaches which mutants, and which test catches a mutant.

A mutant is tried first with the tests that caught mutants of the same function before (noticed.json) and with the unit
tests of its crate. For the remaining mutants, every test runs once in its own process without a mutant, and the switch
records the mutants that it reaches. Only tests that reach a mutant can catch it; fast tests that reach few others are tried
first.
"""

import collections
import concurrent.futures
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import time

# The test binaries, and the folder in which each runs.
WHOLE = {"integration": "tests", "one_hash": "tests", "command": "hallpass"}
# The number and the seconds of tests in a batch. A process runs its tests in the order of their names, so the first batch
# is small.
FIRST, LATER = (6, 3.0), (60, 25.0)

LATE = "late"
# `breadth` is the number of mutants that the test reaches: a test that reaches few checks these closely.
Test = collections.namedtuple("Test", "binary name seconds breadth")


class Suite:
    def __init__(self, executables, folder, units, noticed):
        self.executables, self.folder, self.units = executables, folder, units
        self.reaching = collections.defaultdict(list)
        # Function -> the number of its mutants that each test caught.
        self.noticed = collections.defaultdict(collections.Counter)
        for function, tests in noticed.items():
            self.noticed[function] = collections.Counter(dict.fromkeys(tests, 1))
        self.lock, self.checking, self.sound = threading.Lock(), threading.Lock(), {}

    def directory(self, binary):
        return self.folder / (WHOLE.get(binary) or self.units[binary])

    def environment(self, binary, **more):
        # What cargo sets, for tests that look for files of their package.
        fixed = {"CARGO_MANIFEST_DIR": str(self.directory(binary)), "HALLPASS_TEST_BROWSER": "off", "RUST_BACKTRACE": "0"}
        return {**os.environ, **fixed, **more}

    def names(self, binary):
        def listing(*options):
            command = [self.executables[binary], "--list", "--format=terse", *options]
            out = subprocess.run(command, cwd=self.directory(binary), check=True, capture_output=True, text=True).stdout
            return {line.removesuffix(": test") for line in out.splitlines() if line.endswith(": test")}

        return sorted(listing() - listing("--ignored"))

    def likely(self, function, count=6):
        """Returns the tests that caught most mutants of a function."""
        with self.lock:
            return [test for test, _ in self.noticed[function].most_common(count)]

    def try_known(self, number, function, package):
        """Tries the tests that probably catch the mutant, and returns the one that does, or None."""
        known = [Test(*test.split(" ", 1), 4.0, 0) for test in self.likely(function)]
        batches = list(self.batches([test for test in known if test.binary in self.executables]))
        unit = package.replace("-", "_") + "-unit"
        for batch in [[Test(unit, None, 5.0, 0)]] * self.is_sound(unit) + batches:
            found = self.first_failure(number, batch)
            if found:
                return self.remember(function, found)
        return None

    def is_sound(self, unit):
        """Returns whether the binary exists and all of its tests pass without a mutant."""
        with self.checking:
            if unit not in self.sound:
                self.sound[unit] = unit in self.executables and not self.first_failure(0, [Test(unit, None, 5.0, 0)])
            return self.sound[unit]

    def remember(self, function, found):
        with self.lock:
            self.noticed[function][re.sub(r": (hangs|exit).*", "", found)] += 1
        return found

    def measure(self, jobs, ends, known, files):
        """Runs every test once that is not in `known`, the results of earlier builds, to which it adds. `files` has the file
        of each mutant. Returns False if the time limit was reached."""
        tests = [(binary, name) for binary in self.executables for name in self.names(binary)]
        left = [test for test in tests if not (test[0] in WHOLE and " ".join(test) in known)]
        print(f"{len(tests)} tests; {len(left)} of them run once to see what they reach", flush=True)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for (binary, name), found in zip(left, pool.map(lambda test: self.measure_one(*test, ends), left)):
                if found == LATE:
                    continue
                if found is None:
                    print(f"fails without any mutant, left out: {binary} {name}", flush=True)
                known[f"{binary} {name}"] = found
        if not all(" ".join(test) in known for test in tests):
            return False
        by_file = collections.defaultdict(set)
        for binary, name in tests:
            seconds, reached = known[f"{binary} {name}"] or (0, [])
            test = Test(binary, name, seconds, len(reached))
            for number in reached:
                self.reaching[number].append(test)
                by_file[files[number]].add(test)
        if len(left) < len(tests):
            # Mutants that are newer than the measurement: every test that reaches their file may reach them.
            for number in files.keys() - self.reaching.keys():
                self.reaching[number] = list(by_file[files[number]])
        for found in self.reaching.values():
            found.sort(key=lambda test: test.seconds * test.breadth)
        return True

    def measure_one(self, binary, name, ends):
        if time.monotonic() > ends:
            return LATE
        with tempfile.NamedTemporaryFile("r") as file:
            began = time.monotonic()
            command = [self.executables[binary], "--exact", name, "--test-threads=1"]
            try:
                done = subprocess.run(
                    command, cwd=self.directory(binary), env=self.environment(binary, HALLPASS_MUTANTS_REACHED=file.name),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return None
            seconds = time.monotonic() - began
            return None if done.returncode else (seconds, sorted({int(line) for line in file if line.strip()}))

    def first_failure(self, number, batch):
        """Runs tests of one binary with a mutant, and returns the first that fails, or None."""
        binary, names = batch[0].binary, [test.name for test in batch if test.name]
        limit = 30 + 8 * sum(test.seconds for test in batch)
        process = subprocess.Popen(
            [self.executables[binary], "--test-threads=2", *(["--exact", *names] if names else [])],
            cwd=self.directory(binary), env=self.environment(binary, HALLPASS_MUTANT=str(number)), text=True, errors="replace",
            start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30)),
        )  # fmt: skip
        timer = threading.Timer(limit, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        try:
            for line in process.stdout:
                failed = re.match(r"test (\S+).* \.\.\. FAILED", line)
                if failed:
                    return f"{binary} {failed[1]}"
            code = process.wait()
            why = "hangs or dies" if code < 0 else f"exit {code}"
            return None if code == 0 else f"{binary} {(names or ['any'])[0]}: {why}"
        finally:
            timer.cancel()
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def order(self, number, function, cap):
        """Returns the tests to try, in order, and the number of those left out because of `cap` seconds."""
        tests, likely = self.reaching[number], self.likely(function)
        first = [test for test in tests if f"{test.binary} {test.name}" in likely]
        chosen, seconds = [], 0.0
        for test in first + [test for test in tests if test not in first]:
            if chosen and seconds + test.seconds > cap:
                break
            chosen.append(test)
            seconds += test.seconds
        return chosen, len(tests) - len(chosen)

    def batches(self, tests):
        waiting, bounds = {}, FIRST
        for test in tests:
            batch = waiting.setdefault(test.binary, [])
            batch.append(test)
            if len(batch) >= bounds[0] or sum(one.seconds for one in batch) >= bounds[1]:
                yield waiting.pop(test.binary)
                bounds = LATER
        yield from waiting.values()

    def try_one(self, number, function, cap, ends):
        """Returns the test that catches the mutant, or None; the number of tests tried; and how many more reach it."""
        tests, left = self.order(number, function, cap)
        tried = 0
        for batch in self.batches(tests):
            if time.monotonic() > ends:
                break
            found = self.first_failure(number, batch)
            tried += len(batch)
            if found:
                return self.remember(function, found), tried, 0
        return None, tried, len(tests) - tried + left
