"""The shipped playbook for a leaked key, run by the built program against moto.

moto is an implementation of AWS that somebody else wrote, boto3 a client that somebody else wrote. What a run
came to is judged by what boto3 then finds in the account, never by what the program says of itself. moto
verifies every signature and authorises every call by the policies in it, the program's included.

What moto does not do, and is not judged here: an inactive key still works in it, sessions are not tied to their
user, and a deny of sessions issued before a moment cuts long-term keys too.
"""

import fcntl
import json
import shutil
import socket
import sys
import tempfile
import time
import unittest
from datetime import UTC, datetime
from pathlib import Path

from aws_account import ADMINISTRATOR, REGION, Account, Moto
from environment import REPOSITORY
from processes import tidy_up_when_ended
from program import Operator, Said, leaks, words

PLAYBOOK = REPOSITORY / "playbooks" / "leaked-access-key"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"

# moto enforces at once, so that waiting longer would show nothing more; on AWS the playbook's minute stands.
MARGIN = ("--margin", "2", "--within", "10")
# moto lets inactive keys in, so that the gate the playbook asks for stays shut; `WhatIsEnforced` has that.
SOON = (*MARGIN, "--gate", "settled")

# What may be asked for before somebody has said yes: it changes nothing and reveals no secret.
READS = {
    "iam:GetAccessKeyLastUsed",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountSummary",
    "iam:GetLoginProfile",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListMFADevices",
    "iam:ListRoles",
    "iam:ListSSHPublicKeys",
    "iam:ListServiceSpecificCredentials",
    "iam:ListSigningCertificates",
    "iam:ListUsers",
    "iam:SimulatePrincipalPolicy",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "sts:GetCallerIdentity",
}

REFUSED, STOPPED, NOT_PROVEN, HELD, INTERRUPTED = 5, 10, 11, 13, 130


class Story(unittest.TestCase):
    """A leaked key in a fresh account, and a responder at a terminal in a fresh directory."""

    moto_options: tuple[str, ...] = ()

    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="portcullis-peers-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        cls.moto = Moto(cls.root, *cls.moto_options)
        cls.addClassCleanup(cls.moto.stop)

    def setUp(self):
        self.account = Account(self.moto)
        self.directory = self.root / self.id().rsplit(".", 1)[-1]
        self.directory.mkdir()
        self.operator = Operator(self.directory, self.account.responder)
        self.addCleanup(self.no_secret_shows)

    def no_secret_shows(self):
        """Nothing written or said in any test holds a secret that was handed out or stored in it."""
        self.assertEqual(leaks(self.directory, self.account.secrets()), [])

    # -- what the operator types ------------------------------------------------------------------

    def given(self, **instead: str) -> list[str]:
        """The playbook's inputs."""
        inputs = {
            "access_key_id": self.account.leaked["AccessKeyId"],
            "leaked_at": "2026-03-19T00:00:00Z",
            "deliver_to": Account.SECRET,
        }
        return [part for name, value in (inputs | instead).items() for part in ("-i", f"{name}={value}")]

    def there(self) -> list[str]:
        """The endpoint, said on the command line as it must be."""
        return ["--endpoint-url", self.moto.url]

    def plan(self, *more: str, gate: tuple[str, ...] = SOON) -> Said:
        """A plan, saved; of an account whose users were there before."""
        self.let_the_second_pass()
        options = [*self.given(), *gate, *self.there(), *more]
        return self.operator.runs("plan", PLAYBOOK, *options, "-o", "plan.json", "--replace")

    def let_the_second_pass(self):
        """AWS tells whole seconds, and what is made in the second of a survey counts as having come since."""
        iam = self.account.client("iam")
        users = iam.list_users()["Users"]
        keys = [iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"] for user in users]
        made = [one["CreateDate"] for one in users + sum(keys, [])]
        while datetime.now(UTC).replace(microsecond=0) <= max(made):
            time.sleep(0.02)

    def run_plan(self, **how) -> Said:
        """The saved plan, carried out."""
        return self.operator.runs("run", "plan.json", "--yes", *self.there(), **how)

    # -- what is judged -----------------------------------------------------------------------------

    def ends(self, said: Said, code: int, *mentions: str):
        """An invocation ended as it should, and whoever reads it is told why."""
        self.assertEqual(said.exit, code, str(said))
        self.assertNotIn("panicked", said.err, str(said))
        for mention in mentions:
            self.assertIn(mention, words(said.out + said.err), str(said))

    def refuses(self, *arguments, mentions: tuple[str, ...] = (), by: Operator | None = None, **how):
        """An invocation is refused, in words, with a next thing to do; the account is as it was."""
        before = self.account.snapshot()
        said = (by or self.operator).runs(*arguments, **how)
        self.ends(said, REFUSED, *mentions)
        self.assertIn("error", said.err, str(said))
        self.assertEqual(self.account.snapshot(), before)

    def writes_nothing(self, *arguments) -> tuple[Said, list[str]]:
        """An invocation leaves the account as it was, and asks for nothing that could do otherwise."""
        before = self.account.snapshot()
        self.moto.record()
        said = self.operator.runs(*arguments)
        asked = self.moto.recorded()
        self.assertEqual(self.account.snapshot(), before, str(said))
        self.assertLessEqual(set(asked), READS)
        return said, asked

    def attached(self) -> set[str]:
        """The managed policies attached to the victim."""
        found = self.account.client("iam").list_attached_user_policies(UserName=Account.VICTIM)
        return {policy["PolicyArn"] for policy in found["AttachedPolicies"]}

    def inline(self) -> dict[str, dict]:
        """The victim's inline policies."""
        iam = self.account.client("iam")
        names = iam.list_user_policies(UserName=Account.VICTIM)["PolicyNames"]
        return {
            name: iam.get_user_policy(UserName=Account.VICTIM, PolicyName=name)["PolicyDocument"]
            for name in names
        }

    def judge_cut(self):
        """Quarantined, sessions denied, and of the keys that were there none is active."""
        self.assertIn(DENY_ALL, self.attached())
        self.judge_sessions_denied()
        self.judge_old_keys_dead()
        self.assertFalse(self.account.lets_in(self.account.leaked))
        self.assertFalse(self.account.lets_in(self.account.hung_on))

    def judge_old_keys_dead(self):
        """No key that was there before is active; none but the one used up is gone."""
        keys = self.account.keys()
        old = [key for key in (self.account.leaked, self.account.hung_on) if key]
        for key in old:
            self.assertIn(keys.get(key["AccessKeyId"]), ("Inactive", None))
        self.assertEqual(keys.get(self.account.leaked["AccessKeyId"]), "Inactive")

    def judge_sessions_denied(self):
        """Exactly one inline policy came, and it denies everything to sessions issued before a moment."""
        new = {name: said for name, said in self.inline().items() if name != "work"}
        self.assertEqual(len(new), 1, new)
        ((_, document),) = new.items()
        (statement,) = document["Statement"]
        self.assertEqual(statement["Effect"], "Deny")
        self.assertEqual((statement["Action"], statement["Resource"]), ("*", "*"))
        self.assertEqual(list(statement["Condition"]), ["DateLessThan"])
        self.assertEqual(list(statement["Condition"]["DateLessThan"]), ["aws:TokenIssueTime"])

    def judge_replaced(self):
        """One new active key, in the secret, and a key pair that the account accepts."""
        account, keys = self.account, self.account.keys()
        (new,) = [key for key, status in keys.items() if status == "Active"]
        old = {key["AccessKeyId"] for key in (account.leaked, account.hung_on) if key}
        self.assertNotIn(new, old)
        self.assertEqual(len(keys), 2)
        delivered = account.delivered()
        pair = {"AccessKeyId": new, "SecretAccessKey": delivered["secret_access_key"]}
        self.assertEqual(delivered["access_key_id"], new)
        # Every other field is kept, and none was added.
        expected = account.held | {"access_key_id": new, "secret_access_key": pair["SecretAccessKey"]}
        self.assertEqual(delivered, expected)
        owner = f"arn:aws:iam::{account.number}:user/{Account.VICTIM}"
        self.assertEqual(account.knows(pair), owner)
        self.assertIsNone(account.knows(pair | {"SecretAccessKey": account.leaked["SecretAccessKey"]}))
        # Two versions, AWS's own labels on them, and none of ours left.
        secrets = account.client("secretsmanager")
        labels = secrets.describe_secret(SecretId=Account.SECRET)["VersionIdsToStages"]
        self.assertEqual(sorted(labels.values()), [["AWSCURRENT"], ["AWSPREVIOUS"]])

    def judge_lifted(self):
        """The quarantine is gone in every form; what the owner was allowed before, he is allowed again."""
        self.assertEqual(self.attached(), {"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"})
        self.judge_sessions_denied()
        self.assertIn("work", self.inline())
        user = self.account.client("iam").get_user(UserName=Account.VICTIM)["User"]
        self.assertNotIn("PermissionsBoundary", user)

    def judge_nothing_issued(self, before: dict):
        """No key came, and no version of the secret."""
        after = self.account.snapshot()
        old = {key["AccessKeyId"] for key in (self.account.leaked, self.account.hung_on)}
        self.assertEqual(set(self.account.keys()), old)
        self.assertEqual(after["secrets"], before["secrets"])


class TheWholeWay(Story):
    """A plan, its run, and what is left afterwards."""

    def test_a_playbook_is_checked_without_a_cloud(self):
        """`check` needs neither credentials nor an endpoint."""
        said, asked = self.writes_nothing("check", PLAYBOOK)
        self.ends(said, 0)
        self.assertEqual(asked, [])
        self.ends(Operator(self.directory, None).runs("check", PLAYBOOK), 0)

    def test_planning_writes_nothing(self):
        """Neither `plan` nor `run --dry-run`, of a playbook and of a saved plan."""
        said, asked = self.writes_nothing(
            "plan", PLAYBOOK, *self.given(), *SOON, *self.there(), "-o", "plan.json", "--replace"
        )
        self.ends(said, 0, self.account.leaked["AccessKeyId"], self.account.hung_on["AccessKeyId"])
        self.assertTrue(asked)
        said, asked = self.writes_nothing(
            "run", PLAYBOOK, "--dry-run", *self.given(), *SOON, *self.there()
        )
        self.ends(said, 0, Account.VICTIM)
        self.assertTrue(asked)
        said, _ = self.writes_nothing("run", "plan.json", "--dry-run", *self.there())
        self.ends(said, 0, Account.VICTIM)
        self.assertEqual(self.operator.cases(), [])

    def test_a_leaked_key_is_cut_and_replaced(self):
        """The whole way, with the log at its most talkative; then again, which changes nothing."""
        others = self.account.others()
        self.assertTrue(self.account.lets_in(self.account.leaked))
        self.assertTrue(self.account.lets_in(self.account.hung_on))
        self.ends(self.plan(), 0)
        self.ends(self.run_plan(RUST_LOG="trace"), NOT_PROVEN)
        self.judge_old_keys_dead()
        self.assertNotIn(self.account.hung_on["AccessKeyId"], self.account.keys())
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)
        self.assertTrue(self.account.lets_in(self.account.bystander))

        case = self.operator.case()
        said, _ = self.writes_nothing("resume", case, *self.there())
        self.ends(said, NOT_PROVEN)
        said, asked = self.writes_nothing("status", case)
        self.ends(said, 0)
        self.assertEqual(asked, [])

    def test_an_operator_who_types_the_account_needs_no_saved_plan(self):
        """The same from the playbook at once; where a slot is free, no key is used up."""
        self.account = Account(self.moto, second_key=False)
        self.let_the_second_pass()
        self.operator = Operator(self.directory, self.account.responder)
        others = self.account.others()
        options = [*self.given(), *SOON, *self.there()]
        said = self.operator.runs("run", PLAYBOOK, *options, typing=f"{self.account.number}\n")
        self.ends(said, NOT_PROVEN)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)


class WhatIsEnforced(Story):
    """The gate as the playbook has it: every cut is to be shown enforced, on users made for it and removed again."""

    def proofs(self) -> dict[str, str | None]:
        """How surely every change is proven, by the case."""
        told = json.loads(self.operator.runs("status", self.operator.case(), "--format", "json").out)
        self.assertEqual(told["canaries_left"], [])
        return {change["id"]: change["proof"] for change in told["changes"]}

    def test_an_account_that_denies_but_lets_inactive_keys_in(self):
        """moto enforces denies and no status: the deny is shown on a canary, the keys are not, and nothing is issued."""
        before, others = self.account.snapshot(), self.account.others()
        self.ends(self.plan(gate=MARGIN), 0, "portcullis-canary")
        self.ends(self.run_plan(), HELD, "an access key made inactive", "still let in")
        self.judge_cut()
        self.judge_nothing_issued(before)
        # No canary is left, and nobody else was touched.
        self.assertEqual(self.account.others(), others)
        proofs = self.proofs()
        self.assertEqual(proofs["quarantine.1"], "enforced")
        self.assertEqual((proofs["keys-off.1"], proofs["keys-off.2"]), ("settled", "settled"))
        self.ends(self.operator.runs("resume", self.operator.case(), *self.there()), HELD)
        self.judge_cut()
        self.judge_nothing_issued(before)
        self.assertEqual(self.account.others(), others)

    def test_an_account_that_enforces_nothing(self):
        """Whoever asks is let in, whatever the policies say: nothing is shown, and the gate rightly stays shut."""
        before, others = self.account.snapshot(), self.account.others()
        self.ends(self.plan(gate=MARGIN), 0)
        self.moto.enforce_nothing()
        self.ends(self.run_plan(), HELD, "still let in")
        self.moto.enforce()
        self.judge_cut()
        self.judge_nothing_issued(before)
        self.assertEqual(self.account.others(), others)
        self.assertNotIn("enforced", self.proofs().values())

    def test_a_gate_that_is_lowered_for_one_run(self):
        """It opens on what was read twice, and the run does not call itself proven."""
        others = self.account.others()
        self.ends(self.plan(), 0)
        self.ends(self.run_plan(), NOT_PROVEN)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)

    def test_somebody_who_comes_in_after_the_run_is_found_by_a_look(self):
        """A user and a key of his own: a person is called, until both are gone. moto keeps no log that could be looked into."""
        self.ends(self.plan(), 0)
        self.ends(self.run_plan(), NOT_PROVEN)
        look = ("verify", self.operator.case(), "--no-trail", *self.there())
        self.ends(self.operator.runs(*look), NOT_PROVEN)
        iam = self.account.client("iam")
        iam.create_user(UserName="come-since")
        key = iam.create_access_key(UserName="come-since")["AccessKey"]["AccessKeyId"]
        self.ends(self.operator.runs(*look), HELD, key, "has come since the case was last planned")
        iam.delete_access_key(UserName="come-since", AccessKeyId=key)
        iam.delete_user(UserName="come-since")
        self.ends(self.operator.runs(*look), NOT_PROVEN)

    def test_a_leaked_key_that_the_responder_holds_is_tried_itself(self):
        """It is refused, and moto names no reason: nothing is shown by it, and nothing of it is stored."""
        self.ends(self.plan(), 0)
        held = self.directory / "held.json"
        held.write_text(json.dumps({"AccessKey": {k: self.account.leaked[k] for k in ("AccessKeyId", "SecretAccessKey")}}))
        # The one file in which it rightly stands; gone before the rest is searched.
        self.addCleanup(held.unlink)
        with open(held, "rb") as file:
            said = self.operator.runs(
                "run", "plan.json", "--yes", *self.there(), "--credential-fd", str(file.fileno()), keeping=(file.fileno(),)
            )
        self.ends(said, NOT_PROVEN, "Credentials that were tried", "no answer", "not authorized to perform")


class LessThanEverything(Story):
    """A responder who may not do all, and a secret that is not as it should be."""

    def limit_the_responder_to(self, *statements: dict):
        """Replaces his administrator's rights."""
        iam = self.account.client("iam")
        if iam.list_attached_user_policies(UserName="responder")["AttachedPolicies"]:
            iam.detach_user_policy(UserName="responder", PolicyArn=ADMINISTRATOR)
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="responder", PolicyName="limits", PolicyDocument=document)

    def test_the_permissions_a_plan_names_are_enough(self):
        """They and the reads of the survey, and not one call more."""
        self.ends(self.plan(), 0)
        plan = json.loads((self.directory / "plan.json").read_text())["content"]["plan"]
        named = {one["action"] for change in plan["changes"] for one in change["permissions"]}
        self.limit_the_responder_to(
            {"Effect": "Allow", "Action": sorted(READS | named), "Resource": "*"}
        )
        others = self.account.others()
        self.ends(self.run_plan(), NOT_PROVEN)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)

    def test_a_responder_who_came_through_a_role_and_a_profile(self):
        """As in most accounts: short-lived credentials of a role, and a region, from a named profile."""
        session = self.account.session_of_a_role("incident-response")
        aws = self.directory / "home" / ".aws"
        aws.mkdir()
        (aws / "config").write_text(f"[profile incident]\nregion = {REGION}\n")
        (aws / "credentials").write_text(
            f"[incident]\naws_access_key_id = {session['AccessKeyId']}\n"
            f"aws_secret_access_key = {session['SecretAccessKey']}\n"
            f"aws_session_token = {session['SessionToken']}\n"
        )
        # The one file in which those secrets rightly stand; gone before the rest is searched.
        self.addCleanup((aws / "credentials").unlink)
        self.operator = Operator(self.directory, None)
        del self.operator.environment["AWS_REGION"]
        others = self.account.others()
        who = ["--profile", "incident"]
        self.ends(self.plan(*who), 0, "assumed-role/incident-response")
        run = ("run", "plan.json", "--yes", *self.there())
        self.ends(self.operator.runs(*run, *who), NOT_PROVEN)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)

    def test_a_refused_listing_stops_no_cut_and_lifts_no_quarantine(self):
        """Whoever may hold something unseen is not let in again; once it can be seen, he is."""
        listing = "iam:ListServiceSpecificCredentials"
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        self.limit_the_responder_to(everything, {"Effect": "Deny", "Action": listing, "Resource": "*"})
        others = self.account.others()
        self.ends(self.plan(), 0, listing)
        self.ends(self.run_plan(), HELD, listing)
        self.judge_cut()
        self.judge_replaced()
        self.assertEqual(self.account.others(), others)
        self.limit_the_responder_to(everything)
        others = self.account.others()
        self.ends(self.operator.runs("resume", self.operator.case(), *self.there()), NOT_PROVEN)
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)

    def test_a_responder_who_may_only_look_changes_nothing(self):
        """He can plan; his run is refused call by call, goes no further, and says what is missing."""
        self.limit_the_responder_to({"Effect": "Allow", "Action": sorted(READS), "Resource": "*"})
        before = self.account.snapshot()
        self.ends(self.plan(), 0)
        self.ends(self.run_plan(), HELD, "iam:AttachUserPolicy")
        self.assertEqual(self.account.snapshot(), before)

    def test_a_secret_that_cannot_take_a_key(self):
        """It holds plain text, which a key would overwrite: the cuts stand, nothing is minted or lost."""
        self.account.client("secretsmanager").put_secret_value(
            SecretId=Account.SECRET, SecretString="canary-plain-77d0"
        )
        before = self.account.snapshot()
        self.ends(self.plan(), 0)
        self.ends(self.run_plan(), HELD, "JSON")
        self.assertIn(DENY_ALL, self.attached())
        self.judge_old_keys_dead()
        self.assertNotIn("Active", self.account.keys().values())
        self.assertEqual(self.account.snapshot()["secrets"], before["secrets"])


class Interruptions(Story):
    """A run that is stopped while it waits for its cuts to settle, and is gone on with."""

    def stopped(self, stop) -> Said:
        """Begins a run, does `stop` to it once the first cuts are seen, and waits for its end."""
        self.ends(self.plan(), 0)
        with self.operator.starts("run", "plan.json", "--yes", *self.there()) as running:
            running.until_it_says("waiting")
            stop(running)
            said = running.end()
        self.judge_old_keys_dead()
        self.assertIn(DENY_ALL, self.attached())
        return said

    def goes_on(self):
        """Resuming comes to the same as a run that was never stopped."""
        self.ends(self.operator.runs("resume", self.operator.case(), *self.there()), NOT_PROVEN)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()

    def test_a_disk_that_fills_up_on_the_way(self):
        """The run stops before the next change; the cuts stand and nothing was issued."""
        before = self.account.snapshot()
        said = self.stopped(lambda running: running.let_files_grow_no_more(self.operator.case()))
        self.ends(said, STOPPED, "portcullis resume")
        self.judge_nothing_issued(before)
        self.goes_on()

    def test_an_operator_who_presses_control_c(self):
        """The run stops at a safe point, and says how to go on."""
        before = self.account.snapshot()
        said = self.stopped(lambda running: running.interrupt())
        self.ends(said, INTERRUPTED, "portcullis resume")
        self.judge_nothing_issued(before)
        self.goes_on()


class Refusals(Story):
    """Bad input: told clearly, exit code 5, and the account as it was."""

    def refuses_to_plan(self, *options: str, **how):
        """A plan is refused, and none is left behind."""
        self.refuses("plan", PLAYBOOK, *options, "-o", "refused.json", **how)
        self.assertFalse((self.directory / "refused.json").exists())

    def test_an_account_that_is_not_typed_right(self):
        """Another account's number, or nothing at all."""
        options = ["run", PLAYBOOK, *self.given(), *SOON, *self.there()]
        for typed in ("123456789013\n", "yes\n", ""):
            self.refuses(*options, typing=typed, mentions=("nothing was changed",))
        self.assertEqual(self.operator.cases(), [])

    def test_an_unread_plan_is_not_waved_through(self):
        """`--yes` is for a saved plan only: with a playbook it is a wrong command line."""
        said, asked = self.writes_nothing("run", PLAYBOOK, "--yes", *self.given(), *self.there())
        self.ends(said, 2, "--yes")
        self.assertEqual(asked, [])

    def test_an_endpoint_that_is_down(self):
        """Nobody listens there."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and never listens
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            self.refuses_to_plan(*self.given(), "--endpoint-url", url, mentions=("--endpoint-url",))

    def test_an_endpoint_from_the_environment(self):
        """Left in a shell, it would send the response to wherever it points; it has to be said."""
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM"):
            self.refuses_to_plan(*self.given(), mentions=(name, self.moto.url), **{name: self.moto.url})
        self.ends(self.plan(), 0)
        self.refuses("run", "plan.json", "--yes", AWS_ENDPOINT_URL=self.moto.url)

    def test_an_endpoint_from_the_configuration(self):
        """The same from a file that somebody wrote once."""
        aws = self.directory / "home" / ".aws"
        aws.mkdir()
        (aws / "config").write_text(f"[default]\nendpoint_url = {self.moto.url}\n")
        self.refuses_to_plan(*self.given(), mentions=(self.moto.url,))

    def test_an_endpoint_other_than_the_plans(self):
        """A plan made against one endpoint is not run against another."""
        self.ends(self.plan(), 0)
        other = self.moto.url.replace("127.0.0.1", "localhost")
        self.refuses("run", "plan.json", "--yes", "--endpoint-url", other, mentions=(self.moto.url,))

    def test_a_key_that_nobody_has(self):
        """The leaked key's id is of no account we can see."""
        unknown = "AKIAIOSFODNN7UNKNOWN"
        self.refuses_to_plan(*self.given(access_key_id=unknown), *self.there(), mentions=(unknown,))

    def test_a_secret_that_is_not_there(self):
        """Found out before anything is cut, not when the key is minted."""
        options = [*self.given(deliver_to="deploy/misspelt"), *self.there()]
        self.refuses_to_plan(*options, mentions=("deploy/misspelt",))

    def test_credentials_that_are_missing_or_not_accepted(self):
        """None at all, a secret that does not fit, a key that nobody has."""
        responder = self.account.responder
        wrong = responder | {"SecretAccessKey": self.account.bystander["SecretAccessKey"]}
        nobody = responder | {"AccessKeyId": "AKIAIOSFODNN7UNKNOWN"}
        for key in (None, wrong, nobody):
            by = Operator(self.directory, key)
            by.count = self.operator.count = self.operator.count + 1
            self.refuses_to_plan(*self.given(), *self.there(), mentions=("credentials",), by=by)

    def test_a_target_that_is_the_caller(self):
        """Nobody saws off the branch he sits on, whether he plans or runs what another planned."""
        self.account.client("iam").attach_user_policy(
            UserName=Account.VICTIM, PolicyArn=ADMINISTRATOR
        )
        self.ends(self.plan(), 0)
        victim = Operator(self.directory, self.account.leaked)
        victim.count = 100
        self.refuses_to_plan(*self.given(), *self.there(), by=victim, mentions=("lock-out",))
        self.refuses("run", "plan.json", "--yes", *self.there(), by=victim, mentions=("lock-out",))

    def test_a_plan_that_was_edited(self):
        """Whoever edits a plan has not had it approved."""
        self.ends(self.plan(), 0)
        plan = self.directory / "plan.json"
        text = plan.read_text()
        edits = [
            (Account.VICTIM, Account.BYSTANDER),
            (self.account.leaked["AccessKeyId"], self.account.bystander["AccessKeyId"]),
            ('"settled"', '"enforced"'),
            ("breach", "planned"),
            (self.account.number, "123456789013"),
        ]
        for old, new in edits:
            self.assertIn(old, text)
            plan.write_text(text.replace(old, new))
            self.refuses("run", "plan.json", "--yes", *self.there(), mentions=("plan.json",))
        plan.write_text(text[: len(text) // 2])
        self.refuses("run", "plan.json", "--yes", *self.there(), mentions=("plan.json",))

    def test_a_journal_or_a_case_that_was_edited(self):
        """A line changed, taken out, or put in another's place; a plan swapped under a case."""
        self.ends(self.plan(gate=MARGIN), 0)
        self.ends(self.run_plan(), HELD)
        case = self.operator.case()
        journal, plan = case / "journal.jsonl", case / "rounds" / "1" / "plan.json"
        lines = journal.read_text().splitlines(keepends=True)
        middle = len(lines) // 2
        damaged = {
            "changed": [*lines[:middle], lines[middle].replace("2026", "2025"), *lines[middle + 1 :]],
            "taken out": lines[:middle] + lines[middle + 1 :],
            "swapped": [*lines[:1], lines[2], lines[1], *lines[3:]],
            "headless": lines[1:],
        }
        for how, there in damaged.items():
            with self.subTest(how):
                self.assertNotEqual(there, lines)
                journal.write_text("".join(there))
                self.refuses("resume", case, *self.there(), mentions=("journal",))
                self.ends(self.operator.runs("status", case), REFUSED, "journal")
        journal.write_text("".join(lines))
        text = plan.read_text()
        plan.write_text(text.replace('"enforced"', '"settled"'))
        self.assertNotEqual(plan.read_text(), text)
        self.refuses("resume", case, *self.there(), mentions=("plan",))
        plan.write_text(text)
        self.ends(self.operator.runs("resume", case, *self.there()), HELD)

    def test_a_case_directory_that_cannot_be_made(self):
        """There is a file in its place."""
        self.ends(self.plan(), 0)
        (self.directory / "cases").write_text("not a directory\n")
        self.refuses("run", "plan.json", "--yes", *self.there(), mentions=("--cases",))
        below = self.directory / "cases" / "below"
        self.refuses("run", "plan.json", "--yes", *self.there(), "--cases", below, mentions=("--cases",))

    def test_a_disk_that_is_full(self):
        """From the start: no case, and nothing is begun."""
        self.ends(self.plan(), 0)
        run = ("run", "plan.json", "--yes", *self.there())
        for room in (0, 1000):
            self.refuses(*run, largest_file=room, mentions=("--cases",))
        self.assertEqual(self.operator.cases(), [])

    def test_a_case_that_somebody_works_on(self):
        """Two at once would undo each other's order."""
        self.ends(self.plan(gate=MARGIN), 0)
        self.ends(self.run_plan(), HELD)
        case = self.operator.case()
        with open(case / "journal.jsonl", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refuses("resume", case, *self.there(), mentions=("another process",))


class WhatIsNotShown(Story):
    """moto as it comes, which has no `ListServiceSpecificCredentials`: what the user holds is not wholly seen."""

    moto_options = ("--as-it-comes",)
    listing = "iam:ListServiceSpecificCredentials"

    def judge_all_but_the_lift(self, others: dict):
        """All is cut and the key replaced; but whoever may hold something unseen is not let in again."""
        self.judge_cut()
        self.judge_replaced()
        self.assertEqual(self.account.others(), others)

    def test_a_listing_that_fails_stops_no_cut_and_lifts_no_quarantine(self):
        """moto answers the listing with an HTTP 500."""
        others = self.account.others()
        self.ends(self.plan(), 0, self.listing)
        self.ends(self.run_plan(), HELD, f"--accept-gap {self.listing}")
        self.judge_all_but_the_lift(others)

    def test_a_gap_that_was_accepted_is_lifted_over(self):
        """The whole way on moto with nothing added to it."""
        others = self.account.others()
        self.ends(self.plan("--accept-gap", self.listing), 0, self.listing)
        self.ends(self.run_plan(), NOT_PROVEN, self.listing)
        self.judge_old_keys_dead()
        self.judge_replaced()
        self.judge_lifted()
        self.assertEqual(self.account.others(), others)


def main() -> None:
    """Runs the tests and says how many passed."""
    tidy_up_when_ended()
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(tests)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses) + len(result.skipped)
    print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not result.testsRun else 0)


main()
