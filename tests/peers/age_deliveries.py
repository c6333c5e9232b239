"""Opens what the program hands out by files with an age implementation we did not write.

Rehearses a playbook that sets console passwords anew, sealed to two help desks, and opens every file with each
key; with a stranger's key none opens. Prints `N passed, 0 failed`.
"""

import json
import sys
import tempfile
from pathlib import Path

import pyrage
from program import Operator

ACCOUNT = "111122223333"
WORLD = """
world: 1
now: 2026-03-24T07:10:00Z
responder: { account: "111122223333", role: responder }
accounts:
  "111122223333":
    password_policy: { minimum_length: 14, users_may_change: true }
    users:
      alice: { path: /staff/, password: { created_at: 2025-01-02T03:04:05Z } }
      "b.o+b@example": { path: /staff/, password: { created_at: 2025-01-02T03:04:05Z } }
    roles:
      responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "999988887777" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
"""
PLAYBOOK = """portcullis: 1
name: passwords
title: Everybody gets a new password
mode: breach
gate: { proof: settled, margin: 60s }
inputs:
  help_desks: { type: list of age-recipient, required: true }
targets:
  staff: ${{ inventory.users_in_path("/staff/") }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.staff }}
    uses: iam.user.quarantine
    with: { user: "${{ each.name }}" }
  - id: sessions
    phase: contain
    for_each: ${{ targets.staff }}
    uses: iam.user.revoke-sessions
    with: { user: "${{ each.name }}" }
  - id: reset
    phase: rotate
    for_each: ${{ targets.staff }}
    uses: iam.login-profile.force-reset
    with: { user: "${{ each.name }}", deliver_to: "${{ inputs.help_desks }}" }
"""

passed, failed = 0, 0


def check(what: str, condition: bool) -> None:
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {what}", file=sys.stderr)


def opened(key, sealed: bytes) -> bytes | None:
    try:
        return pyrage.decrypt(sealed, [key])
    except pyrage.DecryptError:
        return None


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "passwords").mkdir()
        (directory / "passwords" / "playbook.yaml").write_text(PLAYBOOK)
        one, two, stranger = (pyrage.x25519.Identity.generate() for _ in range(3))
        inputs = json.dumps({"help_desks": [str(one.to_public()), str(two.to_public())]})
        (directory / "passwords" / "world.yaml").write_text(f"{WORLD}rehearsal:\n  inputs: {inputs}\n")
        said = Operator(directory, None).runs("rehearse", "passwords")
        check(f"it ends with 11: {said}", said.exit == 11)
        (case,) = (directory / "cases").iterdir()
        files = sorted(path.name for path in (case / "deliveries").iterdir())
        check(f"one file for each: {files}", files == ["alice.password.age", "b.o+b@example.password.age"])
        passwords = set()
        for path in (case / "deliveries").iterdir():
            sealed = path.read_bytes()
            plain = opened(one, sealed)
            check(f"{path.name} opens with either key", plain is not None and plain == opened(two, sealed))
            check(f"{path.name} opens for nobody else", opened(stranger, sealed) is None)
            handed = json.loads(plain)
            check("it says whose it is", path.name == f"{handed['username']}.password.age")
            check("and where to sign in", handed["sign_in_url"] == f"https://{ACCOUNT}.signin.aws.amazon.com/console")
            passwords.add(handed["password"])
        check("no two are alike", len(passwords) == 2)
        every = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
        every += [said.out.encode(), said.err.encode()]
        check("no password is in any byte written", not any(p.encode() in b for p in passwords for b in every))
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(0 if passed and not failed else 1)


main()
