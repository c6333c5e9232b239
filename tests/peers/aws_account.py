"""An AWS account in moto, seeded and looked at with boto3."""

import base64
import json
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs

import boto3
from botocore.config import Config

from processes import Server

HERE = Path(__file__).resolve().parent
REGION = "us-east-1"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
# boto3 repeats nothing: a refusal is looked at as it came.
CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=30, connect_timeout=5)


class Moto:
    """moto in a process of its own, emptied before each use."""

    def __init__(self, directory: Path, *options: str):
        self.recording = directory / "recording"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            # Without it AWS's own managed policies do not exist, and none can be attached.
            "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
            "MOTO_RECORDER_FILEPATH": str(self.recording),
        }
        self.log = open(directory / "moto.log", "ab")
        command = [sys.executable, HERE / "moto_server.py", *options]
        self.server = Server(command, environment, self.log)
        self.url = self.server.lines_until(lambda line: line.startswith("http://"))[-1]

    def stop(self) -> None:
        """Ends the process."""
        self.server.stop()
        self.log.close()

    def empty(self) -> None:
        """Forgets everything, and lets anybody in until `enforce`."""
        self._post("/moto-api/recorder/stop-recording")
        self._post("/moto-api/reset-auth", b"inf")
        self._post("/moto-api/reset")

    def enforce(self) -> None:
        """From here on moto verifies signatures and authorises by the policies in it."""
        self._post("/moto-api/reset-auth", b"0")

    def enforce_nothing(self) -> None:
        """From here on moto lets in whoever asks."""
        self._post("/moto-api/reset-auth", b"inf")

    def record(self) -> None:
        """Begins to keep every request, from none."""
        self._post("/moto-api/recorder/reset-recording")
        self._post("/moto-api/recorder/start-recording")

    def recorded(self) -> list[str]:
        """The operations that were asked for since `record`, as `iam:GetUser`."""
        self._post("/moto-api/recorder/stop-recording")
        return [operation(json.loads(line)) for line in self.recording.read_text().splitlines()]

    def client(self, service: str, key: dict):
        """A boto3 client with this access key."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            config=CLIENT,
        )

    def _post(self, path: str, data: bytes = b"") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(self.url + path, data=data, method="POST", headers=headers)
        urllib.request.urlopen(request, timeout=30).close()


def operation(request: dict) -> str:
    """What a recorded request asked for, read from its bytes and its signature's scope."""
    headers = {name.lower(): value for name, value in request["headers"].items()}
    # Credential=KEY/DATE/REGION/SERVICE/aws4_request
    service = headers["authorization"].split("Credential=")[1].split(",")[0].split("/")[3]
    if "x-amz-target" in headers:
        return f"{service}:{headers['x-amz-target'].split('.')[-1]}"
    body = request["body"]
    if request["body_encoded"]:
        body = base64.b64decode(body).decode()
    return f"{service}:{','.join(parse_qs(body)['Action'])}"


class Account:
    """The account of a story: a leaked key, an intruder's second one, and people who have no part in it."""

    VICTIM = "ci-deploy"
    BYSTANDER = "payroll"
    ROLE = "deployer"
    SECRET = "deploy/aws-key"

    def __init__(self, moto: Moto, second_key: bool = True):
        """Seeds the account, and has moto enforce from there on."""
        self.moto = moto
        self.handed_out: set[str] = set()
        moto.empty()
        first = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "made-up"}
        iam = moto.client("iam", first)
        self.auditor = self._user(iam, "auditor")
        self.responder = self._user(iam, "responder")
        for name in ("auditor", "responder"):
            iam.attach_user_policy(UserName=name, PolicyArn=ADMINISTRATOR)
        self.leaked = self._user(iam, self.VICTIM)
        work = allow("secretsmanager:GetSecretValue", "iam:ListUsers", "sts:GetSessionToken")
        iam.put_user_policy(UserName=self.VICTIM, PolicyName="work", PolicyDocument=work)
        iam.attach_user_policy(
            UserName=self.VICTIM, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
        )
        self.hung_on = iam.create_access_key(UserName=self.VICTIM)["AccessKey"] if second_key else None
        self.bystander = self._user(iam, self.BYSTANDER)
        iam.put_user_policy(
            UserName=self.BYSTANDER, PolicyName="pay", PolicyDocument=allow("iam:ListUsers")
        )
        iam.attach_user_policy(
            UserName=self.BYSTANDER, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
        )
        self.number = moto.client("sts", self.auditor).get_caller_identity()["Account"]
        trust = {"AWS": f"arn:aws:iam::{self.number}:root"}
        iam.create_role(
            RoleName=self.ROLE,
            AssumeRolePolicyDocument=policy(Effect="Allow", Principal=trust, Action="sts:AssumeRole"),
        )
        self.held = {
            "host": "deploy.example.com",
            "access_key_id": self.leaked["AccessKeyId"],
            "secret_access_key": self.leaked["SecretAccessKey"],
            "port": 8443,
            "more": {"token": "canary-0b9d4f1e77", "list": [1, "two", None], "umlaut": "Tür"},
        }
        secrets = moto.client("secretsmanager", first)
        secrets.create_secret(Name=self.SECRET, SecretString=json.dumps(self.held))
        secrets.create_secret(Name="payroll/database", SecretString="canary-5d2c81aa90")
        moto.enforce()

    def _user(self, iam, name: str) -> dict:
        iam.create_user(UserName=name)
        return iam.create_access_key(UserName=name)["AccessKey"]

    def session_of_a_role(self, role: str) -> dict:
        """A session of a new administrator's role, assumed by the responder."""
        iam, sts = self.client("iam"), self.moto.client("sts", self.responder)
        trust = {"AWS": f"arn:aws:iam::{self.number}:user/responder"}
        document = policy(Effect="Allow", Principal=trust, Action="sts:AssumeRole")
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.attach_role_policy(RoleName=role, PolicyArn=ADMINISTRATOR)
        session = sts.assume_role(RoleArn=arn, RoleSessionName="on-call")["Credentials"]
        self.handed_out |= {session["SecretAccessKey"], session["SessionToken"]}
        return session

    def client(self, service: str):
        """A client of the auditor, who judges and may look at everything."""
        return self.moto.client(service, self.auditor)

    def keys(self) -> dict[str, str]:
        """The victim's access keys, and whether each is active."""
        found = self.client("iam").list_access_keys(UserName=self.VICTIM)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in found}

    def delivered(self) -> dict:
        """What a reader of the secret finds. moto forgets to follow AWSCURRENT unless it is named."""
        secrets = self.client("secretsmanager")
        current = secrets.get_secret_value(SecretId=self.SECRET, VersionStage="AWSCURRENT")
        return json.loads(current["SecretString"])

    def lets_in(self, key: dict) -> bool:
        """Whether this key pair may do what its owner's policies allow."""
        return self._allowed(self.moto.client("iam", key).list_users)

    def knows(self, key: dict) -> str | None:
        """Whose key pair this is, by moto's check of a signature made with it; a deny does not matter."""
        sts = self.moto.client("sts", key)
        return sts.get_caller_identity()["Arn"] if self._allowed(sts.get_caller_identity) else None

    def _allowed(self, call) -> bool:
        try:
            call()
        except Exception as error:
            codes = {"AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch"}
            if getattr(error, "response", {}).get("Error", {}).get("Code") in codes:
                return False
            raise
        return True

    def secrets(self) -> set[str]:
        """Every secret that was handed out or is stored here: none may show anywhere."""
        keys = [self.auditor, self.responder, self.leaked, self.hung_on, self.bystander]
        found = {key["SecretAccessKey"] for key in keys if key}
        found |= self.handed_out
        found |= {"canary-0b9d4f1e77", "canary-5d2c81aa90"}
        for _, value in versions(self.client("secretsmanager"), self.SECRET).values():
            try:
                found.add(json.loads(value)["secret_access_key"])
            except ValueError:
                found.add(value)
        return found

    def snapshot(self) -> dict:
        """Everything in the account that a run could change, as boto3 tells it."""
        iam, secrets = self.client("iam"), self.client("secretsmanager")
        # AWS's own managed policies are left out: there are a thousand, and nobody can change them.
        wanted = ["User", "Role", "Group", "LocalManagedPolicy"]
        details = iam.get_account_authorization_details(Filter=wanted)
        users = {user["UserName"]: user for user in details["UserDetailList"]}
        for name, user in users.items():
            user["AccessKeys"] = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
            user["User"] = iam.get_user(UserName=name)["User"]
            # When somebody last used something is not a change: not here, and not of a role.
            user["User"].pop("PasswordLastUsed", None)
        for role in details["RoleDetailList"]:
            role.pop("RoleLastUsed", None)
        return plain(
            {
                "users": users,
                "roles": details["RoleDetailList"],
                "groups": details["GroupDetailList"],
                "policies": details["Policies"],
                "secrets": {
                    found["Name"]: versions(secrets, found["Name"])
                    for found in secrets.list_secrets()["SecretList"]
                },
            }
        )

    def others(self) -> dict:
        """What no run of this playbook may touch: everything but the victim and his secret."""
        found = self.snapshot()
        del found["users"][self.VICTIM]
        del found["secrets"][self.SECRET]
        return found


def versions(secrets, name: str) -> dict:
    """Every version of a secret, with its labels and its value."""
    labels = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    return {
        version: [
            sorted(stages),
            secrets.get_secret_value(SecretId=name, VersionId=version).get("SecretString"),
        ]
        for version, stages in labels.items()
    }


def plain(value):
    """The same as plain data, so that it can be compared and printed."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))


def allow(*actions: str) -> str:
    """A policy that allows these actions everywhere."""
    return policy(Effect="Allow", Action=list(actions), Resource="*")


def policy(**statement) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
