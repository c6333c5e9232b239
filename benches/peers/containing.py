"""The same users cut off by Portcullis, by Cloud Custodian and by a boto3 script, at the same slow cloud.

    cargo build --release && python3 benches/peers/containing.py [--users N] [--program PATH]

The cloud is a rehearsal cloud on loopback: it answers after 40 ms and admits 25 calls a second, a second's worth at
once. Each has its own, with the same users. Its audit tells what was asked, refused and done, and when. Prints a line
for each; nothing is asserted about time, but whoever leaves somebody uncut fails the comparison.

What is not the same. Cloud Custodian can deny users everything and deactivate keys, and cannot deny sessions: it has a
write less to make for each user. It finds its users and their keys itself, and so does the script find the keys;
Portcullis knows them from the plan it made before, which is a call less for each user, and is what the plan is for: the
calls and the time that planning takes stand beside it. Neither of the others looks whether anything it did is there.
Portcullis looks twice, and denies sessions a second time: that comes after everybody was cut, and is not counted here.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "peers"))

import environment  # noqa: E402
from processes import Server, tidy_up_when_ended  # noqa: E402

PLACE = REPOSITORY / "target" / "custodian-venv"
ACCOUNT = "111122223333"
RATE = 25
LATENCY = "40ms"
WITHIN = 600

PLAYBOOK = """\
portcullis: 1
name: sweep
title: Everybody is cut
mode: breach
gate: { proof: settled, margin: 10s }
targets:
  everybody: ${{ inventory.users().filter(user, user.path == "/staff/").map(user, user.name) }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.quarantine
    with: { user: "${{ each }}" }
  - id: keys-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.access-key.deactivate
    with: { user: "${{ each }}", keys: all }
  - id: sessions-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.revoke-sessions
    with: { user: "${{ each }}" }
"""

POLICY = """\
policies:
  - name: cut-everybody-off
    resource: aws.iam-user
    filters:
      - { type: value, key: Path, value: /staff/ }
    actions:
      - { type: set-policy, state: attached, arn: "arn:aws:iam::aws:policy/AWSDenyAll" }
      - { type: remove-keys, disable: true }
"""


@dataclass
class Came:
    """What a contestant came to."""

    name: str
    # Until the last write of everybody's first cut, from when it was started and from its first write.
    from_start: float
    from_first_write: float
    calls: int
    refused: int
    writes: int
    missing: list[str]
    note: str = ""

    def __str__(self) -> str:
        uncut = f"; NOT DONE: {len(self.missing)}, as {self.missing[:3]}" if self.missing else ""
        return (
            f"{self.name:<16} {self.from_first_write:6.1f} s from first to last write, {self.from_start:6.1f} s from its "
            f"start; {self.calls} calls admitted ({self.writes} writes), {self.refused} refused{uncut}{self.note}"
        )


class Cloud:
    """A served cloud of its own, and the environment to work in it."""

    def __init__(self, program: Path, directory: Path, users: list[str]):
        self.audit_file = directory / "audit.jsonl"
        world = directory / "world.yaml"
        world.write_text(world_of(users))
        command = [program, "cloud", "serve", "--world", world, "--listen", "127.0.0.1:0", "--audit", self.audit_file]
        plain = {"PATH": os.environ["PATH"], "HOME": str(directory), "AWS_EC2_METADATA_DISABLED": "true"}
        self.server = Server(command, plain, subprocess.DEVNULL)
        told = self.server.lines_until(lambda line: line.startswith("export AWS_SESSION_TOKEN="))
        exports = dict(line.removeprefix("export ").split("=", 1) for line in told)
        self.environment = plain | exports
        # The bucket is full when it begins, whoever begins.
        time.sleep(1.5)

    def stop(self) -> list[dict]:
        """Ends it; what was asked of it."""
        self.server.process.send_signal(signal.SIGINT)
        self.server.process.wait(WITHIN)
        self.server.stop()
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()]


def world_of(users: list[str]) -> str:
    """Users with two keys each, and a responder who may do everything."""
    of_users = "".join(
        f"      {user}: {{ path: /staff/, keys: [{{ id: AKIAEXAMPLE{n:07}AA }}, {{ id: AKIAEXAMPLE{n:07}BB }}] }}\n"
        for n, user in enumerate(users)
    )
    return f"""\
world: 1
now: 2026-03-24T07:10:00Z
lag: 4s
latency: {LATENCY}
rate_limit: {RATE}
responder: {{ account: "{ACCOUNT}", role: responder }}
accounts:
  "{ACCOUNT}":
    roles:
      responder:
        max_session: 12h
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        trust: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Principal: {{ AWS: "arn:aws:iam::111122223333:root" }}, Action: "sts:AssumeRole" }}] }}
    users:
{of_users}"""


def run(command: list, cloud: Cloud, directory: Path) -> tuple[datetime.datetime, int]:
    """Runs a contestant; when it was started, and how it ended."""
    started = datetime.datetime.now(datetime.UTC)
    with (directory / "said").open("ab") as said:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=directory,
            env=cloud.environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=WITHIN,
            check=False,
        )
    return started, done.returncode


def judged(name: str, audit: list[dict], started: datetime.datetime, users: list[str], wanted: dict[str, int]) -> Came:
    """What the audit says of the first cut of everybody, made after `started`."""
    after = [event for event in audit if at(event) >= started]
    lacking = {(user, operation): times for user in users for operation, times in wanted.items()}
    first = last = None
    until = 0
    for n, event in enumerate(after):
        cut = (event["resource"].rsplit("/", 1)[-1], event["operation"])
        if event["took_effect"] and lacking.get(cut, 0) > 0:
            lacking[cut] -= 1
            first, last, until = first or at(event), at(event), n
    counted = [event for event in after[: until + 1] if event["service"] == "iam"]
    missing = [f"{operation} of {user}" for (user, operation), times in lacking.items() if times]
    return Came(
        name,
        (last - started).total_seconds() if last else 0.0,
        (last - first).total_seconds() if last else 0.0,
        sum(not event["error"] for event in counted),
        sum(bool(event["error"]) for event in counted),
        sum(event["writes"] and event["took_effect"] for event in counted),
        missing,
    )


def at(event: dict) -> datetime.datetime:
    """When a request came in."""
    whole, _, rest = event["at"].rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{whole}.{(rest + '000000')[:6]}+00:00")


def portcullis(program: Path, users: list[str], directory: Path) -> Came:
    """Plans, and then carries the plan out."""
    (directory / "playbook.yaml").write_text(PLAYBOOK)
    cloud = Cloud(program, directory, users)
    where = ["--endpoint-url", cloud.environment["AWS_ENDPOINT_URL"]]
    began, _ = run([program, "plan", "playbook.yaml", "-o", "plan.json", *where], cloud, directory)
    # The bucket fills again, as it was for the others.
    time.sleep(1.5)
    started, code = run([program, "run", "plan.json", "--yes", *where], cloud, directory)
    audit = cloud.stop()
    if code != 11:
        print((directory / "said").read_text()[-2000:], file=sys.stderr)
    wanted = {"AttachUserPolicy": 1, "UpdateAccessKey": 2, "PutUserPolicy": 1}
    came = judged("portcullis", audit, started, users, wanted)
    planning = [event for event in audit if began <= at(event) < started]
    took = (at(planning[-1]) - began).total_seconds() if planning else 0
    came.note = f"; planned before in {took:.1f} s with {sum(not event['error'] for event in planning)} calls"
    return came


def custodian(program: Path, users: list[str], directory: Path) -> Came:
    """Cloud Custodian, with the nearest it has."""
    (directory / "policy.yml").write_text(POLICY)
    cloud = Cloud(program, directory, users)
    tool = PLACE / "bin" / "custodian"
    command = [tool, "run", "--region", "us-east-1", "--output-dir", directory / "out", "--cache-period", "0", "policy.yml"]
    started, code = run(command, cloud, directory)
    audit = cloud.stop()
    if code != 0:
        print((directory / "said").read_text()[-2000:], file=sys.stderr)
    return judged("cloud custodian", audit, started, users, {"AttachUserPolicy": 1, "UpdateAccessKey": 2})


def script(program: Path, users: list[str], directory: Path, interpreter: Path) -> Came:
    """The script, told whom to cut."""
    cloud = Cloud(program, directory, users)
    started, code = run([interpreter, HERE / "script.py", *users], cloud, directory)
    audit = cloud.stop()
    if code != 0:
        print((directory / "said").read_text()[-2000:], file=sys.stderr)
    wanted = {"AttachUserPolicy": 1, "UpdateAccessKey": 2, "PutUserPolicy": 1}
    return judged("boto3 script", audit, started, users, wanted)


def main() -> None:
    """All three, one after the other."""
    tidy_up_when_ended()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--program", type=Path, default=REPOSITORY / "target" / "release" / "portcullis")
    given = parser.parse_args()
    interpreter = environment.python(PLACE, HERE / "requirements.txt")
    users = [f"u{n:05}" for n in range(given.users)]
    least = 4 * given.users
    print(f"{given.users} users with two keys each, 25 calls a second, 40 ms an answer; least to write: {least} calls")
    came = []
    for name, contestant in (
        ("portcullis", portcullis),
        ("custodian", custodian),
        ("script", lambda *rest: script(*rest, interpreter)),
    ):
        with tempfile.TemporaryDirectory(prefix=f"portcullis-bench-{name}-") as directory:
            came.append(contestant(given.program.resolve(), users, Path(directory)))
        print(came[-1], flush=True)
    ours, others = came[0], came[1:]
    for other in others:
        print(
            f"{other.name}: {other.from_first_write / ours.from_first_write:.2f} times our time from first to last write, "
            f"{other.from_start / ours.from_start:.2f} times from its start, {other.calls / ours.calls:.2f} times our calls"
        )
    print(f"ours beyond the least: {ours.calls - least} calls")
    sys.exit(1 if any(one.missing for one in came) else 0)


if __name__ == "__main__":
    main()
