"""Runs every peer test against the built program: `python3 tests/peers/run.py`.

A peer is somebody else's part: an implementation of AWS (moto), a client of AWS (boto3), one of age (pyrage). It makes the environment
they live in, from packages pinned by hash. A peer that is not to be had is a failure, and so is a test that is
not there; nothing is ever skipped. The last line is `N passed, N failed`.
"""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import environment
from processes import Server, tidy_up_when_ended
from program import PROGRAM

HERE = Path(__file__).resolve().parent
WORLD = HERE / "cloud_serve_world.yaml"
# Where the rehearsal cloud says what it offers, one `op(Iam, "GetUser", ...)` for each operation.
OPERATIONS = environment.REPOSITORY / "src" / "sim" / "operations.rs"
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed\b", re.MULTILINE)
WITHIN = 1200


def main() -> None:
    """Every peer test, one after the other."""
    tidy_up_when_ended()
    if not PROGRAM.exists():
        sys.exit(f"there is no {PROGRAM.relative_to(environment.REPOSITORY)}: run `cargo build` first")
    python = environment.python()
    passed = failed = 0
    for name, run in (
        ("moto_leaked_key.py", program_meets_moto),
        ("cloud_serve.py", boto3_meets_cloud),
        ("age_deliveries.py", program_alone),
    ):
        print(f"\n== {name}", flush=True)
        counts = run(python, HERE / name)
        passed, failed = passed + counts[0], failed + counts[1]
    print(f"\n{passed} passed, {failed} failed", flush=True)
    sys.exit(0 if passed and not failed else 1)


def program_meets_moto(python: Path, test: Path) -> tuple[int, int]:
    """Our program, and an AWS that somebody else wrote."""
    return outcome(python, test, plain_environment())


def program_alone(python: Path, test: Path) -> tuple[int, int]:
    """Our program, whose files somebody else's program opens."""
    return outcome(python, test, plain_environment())


def boto3_meets_cloud(python: Path, test: Path) -> tuple[int, int]:
    """Our rehearsal cloud, and a client that somebody else wrote."""
    command = [PROGRAM, "cloud", "serve", "--world", WORLD, "--listen", "127.0.0.1:0"]
    try:
        cloud = Server(command, plain_environment(), None)
        told = cloud.lines_until(lambda line: line.startswith("export AWS_SESSION_TOKEN="))
    except (OSError, RuntimeError) as error:
        print(f"the rehearsal cloud cannot be served: {error}", flush=True)
        return 0, 1
    exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
    try:
        return outcome(python, test, plain_environment() | exports, "--operations", offered())
    finally:
        cloud.stop()


def offered() -> str:
    """Every operation that the rehearsal cloud offers, as `iam:GetUser,...`; each must be driven."""
    table = OPERATIONS.read_text().split("pub const OPERATIONS", 1)[1].split("\n];", 1)[0]
    found = re.findall(r"\bop\(\s*(\w+),\s*\"(\w+)\"", table)
    assert found and len(found) == len(re.findall(r"\bop\(", table)), "the table is written otherwise"
    return ",".join(f"{service.lower()}:{name}" for service, name in found)


def plain_environment() -> dict[str, str]:
    """This environment without anybody's AWS settings, and with no way to find others."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return ours | nowhere | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONUNBUFFERED": "1"}


def outcome(python: Path, test: Path, around: dict[str, str], *arguments: str) -> tuple[int, int]:
    """Runs one test file, shows what it says, and counts: as it says itself, and one failure if it breaks."""
    if not test.exists():
        print(f"there is no {test.name}", flush=True)
        return 0, 1
    said = []
    test_run = subprocess.Popen(
        [str(python), str(test), *arguments],
        env=around,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Told to end, it tidies up after itself; so it is never killed.
    in_time = threading.Timer(WITHIN, test_run.terminate)
    in_time.start()
    try:
        for line in test_run.stdout:
            said.append(line)
            if not COUNTS.fullmatch(line.strip()):
                print(line, end="", flush=True)
        test_run.wait()
    finally:
        in_time.cancel()
        if test_run.poll() is None:
            test_run.terminate()
            test_run.wait()
    found = COUNTS.findall("".join(said))
    passed, failed = (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)
    if test_run.returncode != 0 or not found:
        failed = max(failed, 1)
    return passed, failed


if __name__ == "__main__":
    main()
