"""Drives a served rehearsal cloud with boto3, a client we did not write.

    portcullis cloud serve --world tests/peers/cloud_serve_world.yaml
    AWS_ENDPOINT_URL=... AWS_ACCESS_KEY_ID=... (as it prints) \\
        python3 tests/peers/cloud_serve.py --operations iam:GetUser,iam:ListUsers,...

Every operation of the list must be driven with success, or the run fails. Prints `N passed, 0 failed`.
The world must be cloud_serve_world.yaml, freshly served.
"""

import argparse
import datetime
import json
import os
import sys
import time
import traceback

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LAG = 1.0
MARGIN = 0.5
ACCOUNT = "111122223333"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"

passed, failed = 0, []
driven = set()


def check(what, condition):
    global passed
    if condition:
        passed += 1
    else:
        failed.append(what)
        print(f"FAILED: {what}", file=sys.stderr)


def refused(code, call, what=None, says=None):
    name = what or f"{call} is refused with {code}"
    try:
        call()
    except ClientError as error:
        given = error.response["Error"]
        check(f"{name}, not {given}", given["Code"] == code)
        if says is not None:
            check(f"{name} saying {says!r}, not {given['Message']!r}", says in given["Message"])
        return error.response
    check(f"{name}, but it was carried out", False)
    return None


class Clients:
    def __init__(self, key, secret, token=None):
        session = boto3.Session(key, secret, token, region_name="us-east-1")
        endpoint = os.environ["AWS_ENDPOINT_URL"]
        config = Config(retries={"total_max_attempts": 1})
        make = lambda name: session.client(name, endpoint_url=endpoint, config=config)
        self.iam, self.sts, self.sm = make("iam"), make("sts"), make("secretsmanager")
        self.trail = make("cloudtrail")
        for client in (self.iam, self.sts, self.sm, self.trail):
            client.meta.events.register("after-call", self.record)

    @staticmethod
    def record(http_response, model, **_):
        if http_response.status_code == 200:
            driven.add(f"{model.service_model.service_name}:{model.name}")


def as_issued(credentials):
    return Clients(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])


def as_key(key):
    return Clients(key["AccessKeyId"], key["SecretAccessKey"])


def policy(effect, action, resource="*", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": effect, "Action": action, "Resource": resource, **more}]})


def trust(principal):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]})


def settle():
    time.sleep(LAG + MARGIN)


def users(iam):
    made = iam.create_user(UserName="alice", Path="/dev/", Tags=[{"Key": "team", "Value": "web & co <1>"}])["User"]
    check("a user's ARN has its path", made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/dev/alice")
    check("a user's id", made["UserId"].startswith("AIDA") and len(made["UserId"]) == 20)
    tags = iam.list_user_tags(UserName="alice")["Tags"]
    check("tags survive XML", tags == [{"Key": "team", "Value": "web & co <1>"}])
    iam.tag_user(UserName="alice", Tags=[{"Key": "cost", "Value": "1"}])
    check("a tag is added", len(iam.get_user(UserName="alice")["User"]["Tags"]) == 2)
    refused("EntityAlreadyExists", lambda: iam.create_user(UserName="alice"))
    missing = refused("NoSuchEntity", lambda: iam.get_user(UserName="nobody"), says="The user with name nobody cannot be found.")
    check("NoSuchEntity is a 404", missing["ResponseMetadata"]["HTTPStatusCode"] == 404)
    refused("ValidationError", lambda: iam.get_user(), "a role session must name a user")
    for n in range(5):
        iam.create_user(UserName=f"extra-{n}")
    first = iam.list_users()
    check("a page is as long as the world says", len(first["Users"]) == 3 and first["IsTruncated"])
    names = [u["UserName"] for page in iam.get_paginator("list_users").paginate() for u in page["Users"]]
    check("pages come in order, none twice", names == ["alice", *(f"extra-{n}" for n in range(5)), "signer"])
    one = [len(p["Users"]) for p in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1})]
    check("MaxItems counts", one == [1] * 7)
    refused("ValidationError", lambda: iam.list_users(Marker="rubbish"))
    before = iam.get_user(UserName="extra-4")["User"]
    iam.put_user_policy(UserName="extra-4", PolicyName="kept", PolicyDocument=policy("Deny", "s3:*"))
    refused("EntityAlreadyExists", lambda: iam.update_user(UserName="extra-4", NewUserName="ALICE"))
    iam.update_user(UserName="extra-4", NewUserName="renamed", NewPath="/new/")
    refused("NoSuchEntity", lambda: iam.get_user(UserName="extra-4"))
    after = iam.get_user(UserName="renamed")["User"]
    check("a renamed user has another ARN", after["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/new/renamed")
    check("and is the same user", after["UserId"] == before["UserId"])
    check("with what it held", iam.list_user_policies(UserName="renamed")["PolicyNames"] == ["kept"])
    iam.delete_user_policy(UserName="renamed", PolicyName="kept")
    iam.update_user(UserName="renamed", NewUserName="extra-4", NewPath="/")
    iam.delete_user(UserName="extra-4")
    refused("NoSuchEntity", lambda: iam.delete_user(UserName="extra-4"))
    check("groups of a user", [g["GroupName"] for g in iam.list_groups_for_user(UserName="signer")["Groups"]] == ["people"])
    check("groups", len(iam.list_groups()["Groups"]) == 1)
    summary = iam.get_account_summary()["SummaryMap"]
    check("quotas are told", (summary["AccessKeysPerUserQuota"], summary["AttachedPoliciesPerUserQuota"], summary["UserPolicySizeQuota"]) == (2, 10, 2048))


def keys(iam):
    first = iam.create_access_key(UserName="alice")["AccessKey"]
    second = iam.create_access_key(UserName="alice")["AccessKey"]
    check("two keys differ", first["SecretAccessKey"] != second["SecretAccessKey"])
    full = refused("LimitExceeded", lambda: iam.create_access_key(UserName="alice"), says="Cannot exceed quota for AccessKeysPerUser: 2")
    check("LimitExceeded is a 409", full["ResponseMetadata"]["HTTPStatusCode"] == 409)
    iam.delete_access_key(UserName="alice", AccessKeyId=second["AccessKeyId"])
    refused("NoSuchEntity", lambda: iam.delete_access_key(UserName="alice", AccessKeyId=second["AccessKeyId"]))
    settle()
    alice = as_key(first)
    who = alice.sts.get_caller_identity()
    check("who alice is", (who["Arn"], who["Account"]) == (f"arn:aws:iam::{ACCOUNT}:user/dev/alice", ACCOUNT))
    used = iam.get_access_key_last_used(AccessKeyId=first["AccessKeyId"])
    check("last use is recorded", used["UserName"] == "alice" and used["AccessKeyLastUsed"]["ServiceName"] == "sts")
    refused("NoSuchEntity", lambda: iam.get_access_key_last_used(AccessKeyId="AKIAEXAMPLEMISSING01"))
    refused("AccessDenied", lambda: alice.iam.list_users(), says="because no identity-based policy allows the iam:ListUsers action")
    refused("AccessDeniedException", lambda: alice.sm.list_secrets())
    wrong = Clients(first["AccessKeyId"], "x" * 40)
    bad = refused("SignatureDoesNotMatch", lambda: wrong.sts.get_caller_identity())
    check("a wrong signature is a 403", bad["ResponseMetadata"]["HTTPStatusCode"] == 403)
    refused("InvalidSignatureException", lambda: wrong.sm.list_secrets())
    unknown = Clients("AKIAEXAMPLEMISSING01", first["SecretAccessKey"])
    refused("InvalidClientTokenId", lambda: unknown.iam.list_users())
    refused("UnrecognizedClientException", lambda: unknown.sm.list_secrets())
    # Reading is ahead of enforcement.
    iam.update_access_key(UserName="alice", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    listed = iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]
    check("the key reads inactive at once", [k["Status"] for k in listed] == ["Inactive"])
    check("and still works", alice.sts.get_caller_identity()["Account"] == ACCOUNT)
    settle()
    refused("InvalidClientTokenId", lambda: alice.sts.get_caller_identity(), says="The security token included in the request is invalid.")
    iam.update_access_key(UserName="alice", AccessKeyId=first["AccessKeyId"], Status="Active")
    refused("ValidationError", lambda: iam.update_access_key(UserName="alice", AccessKeyId=first["AccessKeyId"], Status="Asleep"))
    return first


def credentials(iam, alice):
    refused("NoSuchEntity", lambda: iam.get_login_profile(UserName="alice"))
    refused("PasswordPolicyViolation", lambda: iam.create_login_profile(UserName="alice", Password="short"))
    iam.create_login_profile(UserName="alice", Password="Tr0ub4dor&3")
    early = refused("EntityTemporarilyUnmodifiable", lambda: iam.delete_login_profile(UserName="alice"))
    check("EntityTemporarilyUnmodifiable is a 409", early["ResponseMetadata"]["HTTPStatusCode"] == 409)
    time.sleep(5 * LAG + MARGIN)
    iam.update_login_profile(UserName="alice", Password="Correct horse 1", PasswordResetRequired=True)
    check("a reset is asked for", iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"])
    refused("NoSuchEntity", lambda: iam.get_account_password_policy())
    refused("NoSuchEntity", lambda: iam.delete_account_password_policy())
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, MaxPasswordAge=90, AllowUsersToChangePassword=True)
    shown = iam.get_account_password_policy()["PasswordPolicy"]
    check("a password policy is shown", (shown["MinimumPasswordLength"], shown["RequireSymbols"], shown["ExpirePasswords"], shown["MaxPasswordAge"]) == (12, True, True, 90))
    check("and what it leaves out", (shown["RequireNumbers"], "PasswordReusePrevention" in shown) == (False, False))
    refused("PasswordPolicyViolation", lambda: iam.update_login_profile(UserName="alice", Password="Tr0ub4dor00&"[:11]), says="minimum length of 12")
    settle()
    own = as_key(alice)
    refused("AccessDenied", lambda: own.iam.change_password(OldPassword="wrong", NewPassword="Battery staple 2!"), says="old password")
    own.iam.change_password(OldPassword="Correct horse 1", NewPassword="Battery staple 2!")
    check("then no reset is asked for", not iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"])
    refused("InvalidUserType", lambda: iam.change_password(OldPassword="Battery staple 2!", NewPassword="Battery staple 3!"))
    iam.delete_account_password_policy()
    iam.delete_login_profile(UserName="alice")
    refused("NoSuchEntity", lambda: iam.delete_login_profile(UserName="alice"))
    check("MFA devices", len(iam.list_mfa_devices(UserName="signer")["MFADevices"]) == 1)
    made = iam.create_service_specific_credential(UserName="alice", ServiceName="codecommit.amazonaws.com")["ServiceSpecificCredential"]
    check("its password is told once", len(made["ServicePassword"]) > 20)
    iam.update_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"], Status="Inactive")
    listed = iam.list_service_specific_credentials(UserName="alice")["ServiceSpecificCredentials"]
    check("and not again", [(c["Status"], "ServicePassword" in c) for c in listed] == [("Inactive", False)])
    refused("NotSupportedService", lambda: iam.create_service_specific_credential(UserName="alice", ServiceName="example.com"))
    made = iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody="ssh-rsa AAAAB3NzaC1yc2E alice")["SSHPublicKey"]
    iam.update_ssh_public_key(UserName="alice", SSHPublicKeyId=made["SSHPublicKeyId"], Status="Inactive")
    check("an SSH key is off", iam.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"][0]["Status"] == "Inactive")
    refused("UnrecognizedPublicKeyEncoding", lambda: iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody="rubbish"))
    certificate = iam.list_signing_certificates(UserName="signer")["Certificates"][0]
    iam.update_signing_certificate(UserName="signer", CertificateId=certificate["CertificateId"], Status="Inactive")
    check("a certificate is off", iam.list_signing_certificates(UserName="signer")["Certificates"][0]["Status"] == "Inactive")


def policies(iam):
    refused("NoSuchEntity", lambda: iam.attach_user_policy(UserName="extra-0", PolicyArn="arn:aws:iam::aws:policy/Nothing"))
    iam.attach_user_policy(UserName="extra-0", PolicyArn=DENY_ALL)
    iam.attach_user_policy(UserName="extra-0", PolicyArn=DENY_ALL)
    attached = iam.list_attached_user_policies(UserName="extra-0")["AttachedPolicies"]
    check("attached once", attached == [{"PolicyName": "AWSDenyAll", "PolicyArn": DENY_ALL}])
    check("its use is counted", iam.get_policy(PolicyArn=DENY_ALL)["Policy"]["AttachmentCount"] == 1)
    document = iam.get_policy_version(PolicyArn=DENY_ALL, VersionId="v1")["PolicyVersion"]["Document"]
    check("its text is JSON", document["Statement"][0]["Effect"] == "Deny")
    simulate = lambda **more: [
        (r["EvalActionName"], r["EvalResourceName"], r["EvalDecision"], r["MissingContextValues"])
        for page in iam.get_paginator("simulate_principal_policy").paginate(**more) for r in page["EvaluationResults"]]
    admin, somebody = f"arn:aws:iam::{ACCOUNT}:role/admin", f"arn:aws:iam::{ACCOUNT}:user/signer"
    many = simulate(PolicySourceArn=admin, ActionNames=["iam:CreateAccessKey", "iam:DeleteUser"], ResourceArns=[somebody, DENY_ALL])
    check("an administrator may do everything, in pages", [r[2] for r in many] == ["allowed"] * 4)
    settle()
    extra = f"arn:aws:iam::{ACCOUNT}:user/extra-0"
    check("a deny is simulated", simulate(PolicySourceArn=extra, ActionNames=["s3:GetObject"]) == [("s3:GetObject", "*", "explicitDeny", [])])
    nobody = simulate(PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/extra-1", ActionNames=["s3:GetObject"])
    check("what nobody allows is simulated", nobody[0][2] == "implicitDeny")
    refused("NoSuchEntity", lambda: iam.simulate_principal_policy(PolicySourceArn=f"{extra}-none", ActionNames=["s3:GetObject"]))
    iam.detach_user_policy(UserName="extra-0", PolicyArn=DENY_ALL)
    refused("NoSuchEntity", lambda: iam.detach_user_policy(UserName="extra-0", PolicyArn=DENY_ALL))
    text = policy("Allow", "s3:*", Condition={"StringLike": {"aws:username": "a b/*\"&<>é"}})
    iam.put_user_policy(UserName="extra-0", PolicyName="p", PolicyDocument=text)
    settle()
    asks = simulate(PolicySourceArn=extra, ActionNames=["s3:GetObject"])
    check("a key that is not given is named", asks == [("s3:GetObject", "*", "implicitDeny", ["aws:username"])])
    given = [{"ContextKeyName": "aws:username", "ContextKeyType": "string", "ContextKeyValues": ["a b/x\"&<>é"]}]
    given = simulate(PolicySourceArn=extra, ActionNames=["s3:GetObject"], ContextEntries=given)
    check("one that is given counts", given == [("s3:GetObject", "*", "allowed", [])])
    check("a document comes back", iam.get_user_policy(UserName="extra-0", PolicyName="p")["PolicyDocument"] == json.loads(text))
    check("names", iam.list_user_policies(UserName="extra-0")["PolicyNames"] == ["p"])
    refused("MalformedPolicyDocument", lambda: iam.put_user_policy(UserName="extra-0", PolicyName="q", PolicyDocument="{}"))
    large = policy("Allow", "s3:" + "x" * 2000)
    refused("LimitExceeded", lambda: iam.put_user_policy(UserName="extra-0", PolicyName="q", PolicyDocument=large), says="2048")
    iam.delete_user_policy(UserName="extra-0", PolicyName="p")
    refused("NoSuchEntity", lambda: iam.get_user_policy(UserName="extra-0", PolicyName="p"))
    iam.put_user_permissions_boundary(UserName="extra-0", PermissionsBoundary=DENY_ALL)
    bounded = iam.get_user(UserName="extra-0")["User"]["PermissionsBoundary"]
    check("a boundary", bounded["PermissionsBoundaryArn"] == DENY_ALL)
    iam.delete_user_permissions_boundary(UserName="extra-0")
    check("no boundary", "PermissionsBoundary" not in iam.get_user(UserName="extra-0")["User"])


def roles(iam):
    refused("MalformedPolicyDocument", lambda: iam.create_role(RoleName="worker", AssumeRolePolicyDocument="{}"))
    made = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust(ACCOUNT), MaxSessionDuration=7200)["Role"]
    check("a role's trust", made["AssumeRolePolicyDocument"] == json.loads(trust(ACCOUNT)))
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:user/dev/alice"))
    shown = iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"]
    check("its trust is changed", shown["Statement"][0]["Principal"]["AWS"].endswith("user/dev/alice"))
    check("roles", [r["RoleName"] for r in iam.list_roles()["Roles"]] == ["admin", "worker"])
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=policy("Allow", "secretsmanager:ListSecrets"))
    check("a role's policy", iam.get_role_policy(RoleName="worker", PolicyName="p")["PolicyDocument"]["Statement"])
    iam.put_role_policy(RoleName="worker", PolicyName="q", PolicyDocument=policy("Deny", "s3:*"))
    iam.delete_role_policy(RoleName="worker", PolicyName="q")
    check("a role's policies", iam.list_role_policies(RoleName="worker")["PolicyNames"] == ["p"])
    iam.attach_role_policy(RoleName="worker", PolicyArn=ADMIN)
    check("attached to a role", len(iam.list_attached_role_policies(RoleName="worker")["AttachedPolicies"]) == 1)
    iam.detach_role_policy(RoleName="worker", PolicyArn=ADMIN)
    refused("NoSuchEntity", lambda: iam.detach_role_policy(RoleName="worker", PolicyArn=ADMIN))
    refused("NoSuchEntity", lambda: iam.delete_role_permissions_boundary(RoleName="worker"))
    iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=DENY_ALL)
    bound = iam.get_role(RoleName="worker")["Role"]["PermissionsBoundary"]
    check("a role's boundary", bound == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": DENY_ALL})
    check("a listing leaves it out", all("PermissionsBoundary" not in r for r in iam.list_roles()["Roles"]))
    iam.delete_role_permissions_boundary(RoleName="worker")
    check("a role without a boundary", "PermissionsBoundary" not in iam.get_role(RoleName="worker")["Role"])
    iam.create_role(RoleName="gone", Path="/ci/", AssumeRolePolicyDocument=trust(ACCOUNT), Description="for an hour")
    check("a role's description", iam.get_role(RoleName="gone")["Role"]["Description"] == "for an hour")
    iam.put_role_policy(RoleName="gone", PolicyName="p", PolicyDocument=policy("Deny", "*"))
    refused("DeleteConflict", lambda: iam.delete_role(RoleName="gone"))
    iam.delete_role_policy(RoleName="gone", PolicyName="p")
    iam.delete_role(RoleName="gone")
    refused("NoSuchEntity", lambda: iam.delete_role(RoleName="gone"))
    for name, path in (("linked", "/aws-service-role/support.amazonaws.com/"), ("reserved", "/aws-reserved/sso.amazonaws.com/")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust(ACCOUNT))
        for change in (
            lambda: iam.attach_role_policy(RoleName=name, PolicyArn=DENY_ALL),
            lambda: iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy("Deny", "*")),
            lambda: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=DENY_ALL),
            lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust(ACCOUNT)),
        ):
            refused("UnmodifiableEntity", change, f"a role in {path} is AWS's own")


def trail(log):
    """Events come some minutes late, and so none is there yet; one attribute is looked up at a time."""
    by = lambda key, value: {"AttributeKey": key, "AttributeValue": value}
    found = log.lookup_events(LookupAttributes=[by("EventName", "CreateRole")])
    check("nothing can be looked up yet", found["Events"] == [] and "NextToken" not in found)
    two = [by("EventName", "CreateRole"), by("ReadOnly", "false")]
    refused("InvalidLookupAttributesException", lambda: log.lookup_events(LookupAttributes=two))


def authorization(iam):
    pages = list(iam.get_paginator("get_account_authorization_details").paginate())
    kinds = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    sizes = [sum(len(page.get(kind, [])) for kind in kinds) for page in pages]
    check(f"details come in pages of all kinds together, {sizes}", sizes[:-1] == [3] * (len(sizes) - 1) and 0 < sizes[-1] <= 3)
    of = lambda kind: {item.get("UserName") or item.get("GroupName") or item.get("RoleName") or item["Arn"]: item for page in pages for item in page.get(kind, [])}
    everybody, all_roles = of("UserDetailList"), of("RoleDetailList")
    check("every user is there", sorted(everybody) == ["alice", *(f"extra-{n}" for n in range(4)), "signer"])
    check("with tags", {"Key": "team", "Value": "web & co <1>"} in everybody["alice"]["Tags"])
    check("and groups", everybody["signer"]["GroupList"] == ["people"])
    check("groups are there", list(of("GroupDetailList")) == ["people"])
    check("roles have their policies", all_roles["worker"]["RolePolicyList"][0]["PolicyDocument"]["Statement"][0]["Effect"] == "Allow")
    check("attached ones too", [p["PolicyArn"] for p in all_roles["admin"]["AttachedManagedPolicies"]] == [ADMIN])
    check("a policy that somebody has is there with its text", of("Policies")[ADMIN]["PolicyVersionList"][0]["IsDefaultVersion"])
    check("and one that nobody has is not", DENY_ALL not in of("Policies"))
    only = iam.get_account_authorization_details(Filter=["Role"])
    named = [r["RoleName"] for r in only["RoleDetailList"]]
    check(f"a filter, {named}", named == sorted(all_roles)[:3] and "admin" in named and not only.get("UserDetailList"))


def sessions(admin, key):
    alice = as_key(key)
    admin.iam.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    settle()
    session = as_issued(alice.sts.get_session_token(DurationSeconds=900)["Credentials"])
    refused("InvalidClientTokenId", lambda: session.iam.list_users(), "a session without MFA cannot call IAM")
    refused("AccessDenied", lambda: session.sts.get_session_token(), says="Cannot call GetSessionToken with session credentials")
    federated = alice.sts.get_federation_token(Name="support", Policy=policy("Allow", "secretsmanager:ListSecrets"))
    check("a federated user's ARN", federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/support")
    federated = as_issued(federated["Credentials"])
    check("a federated user may do what both allow", "SecretList" in federated.sm.list_secrets())
    refused("AccessDeniedException", lambda: federated.sm.create_secret(Name="x"), says="because no session policy allows")
    worker = alice.sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/worker", RoleSessionName="work")
    check("a role session's id", worker["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA"))
    worker = as_issued(worker["Credentials"])
    check("a role session works", "SecretList" in worker.sm.list_secrets())
    refused("AccessDenied", lambda: admin.sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/worker", RoleSessionName="work"), "a role trusts only whom it names")
    visit = lambda **more: admin.sts.assume_role(RoleArn="arn:aws:iam::444455556666:role/visitor", RoleSessionName="visit", **more)
    refused("AccessDenied", visit, "another account's role wants its external id")
    refused("ValidationError", lambda: visit(ExternalId="knock", DurationSeconds=7200), says="1 hour session limit")
    visitor = as_issued(visit(ExternalId="knock")["Credentials"])
    check("a visit to another account", visitor.sts.get_caller_identity()["Account"] == "444455556666")
    check("its roles are its own", [r["RoleName"] for r in visitor.iam.list_roles()["Roles"]] == ["visitor"])
    info = admin.sts.get_access_key_info(AccessKeyId=key["AccessKeyId"])
    check("whose key it is", info["Account"] == ACCOUNT)

    # The key goes, the sessions stay.
    admin.iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    settle()
    refused("InvalidClientTokenId", lambda: alice.sts.get_caller_identity(), "an inactive key is dead")
    check("its session is not", "SecretList" in session.sm.list_secrets())
    check("nor its federated one", "SecretList" in federated.sm.list_secrets())
    # An older-than deny in the cloud's own time ends them, and no key.
    date = admin.sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"]
    now = datetime.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")
    older = policy("Deny", "*", Condition={"DateLessThan": {"aws:TokenIssueTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}})
    admin.iam.put_user_policy(UserName="alice", PolicyName="older", PolicyDocument=older)
    admin.iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Active")
    settle()
    for name, client in (("session", session), ("federated session", federated)):
        refused("AccessDeniedException", lambda: client.sm.list_secrets(), f"the older {name} is denied", says="with an explicit deny in an identity-based policy")
        check(f"the {name} still says who it is", client.sts.get_caller_identity()["Account"] == ACCOUNT)
    check("the key works", "SecretList" in alice.sm.list_secrets())
    fresh = as_issued(alice.sts.get_session_token()["Credentials"])
    check("a later session works", "SecretList" in fresh.sm.list_secrets())
    admin.iam.attach_user_policy(UserName="alice", PolicyArn=DENY_ALL)
    settle()
    refused("AccessDenied", lambda: alice.iam.list_users(), says="with an explicit deny in an identity-based policy")
    refused("AccessDenied", lambda: alice.sts.get_session_token(), "a denied user mints nothing")
    check("a denied user still says who he is", alice.sts.get_caller_identity()["Account"] == ACCOUNT)


def secrets(sm):
    made = sm.create_secret(Name="app/db", SecretString="one", Description="a test")
    first, token = made["VersionId"], "0123456789abcdef0123456789abcdef"
    check("a secret's ARN", made["ARN"].startswith(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:app/db-"))
    refused("ResourceExistsException", lambda: sm.create_secret(Name="app/db", SecretString="two"))
    put = lambda value: sm.put_secret_value(SecretId="app/db", SecretString=value, ClientRequestToken=token, VersionStages=["next"])
    check("a put under its own label", put("two")["VersionStages"] == ["next"])
    check("a put again is the same put", put("two")["VersionId"] == token)
    refused("ResourceExistsException", lambda: put("three"))
    get = lambda **more: sm.get_secret_value(SecretId="app/db", **more)
    check("the current value stays", get()["SecretString"] == "one")
    check("the other is there by label", get(VersionStage="next")["SecretString"] == "two")
    move = lambda **more: sm.update_secret_version_stage(SecretId="app/db", VersionStage="AWSCURRENT", **more)
    refused("InvalidParameterException", lambda: move(MoveToVersionId=token), "a move must say from where")
    refused("InvalidParameterException", lambda: move(MoveToVersionId=token, RemoveFromVersionId=token), "and say it rightly")
    refused("InvalidParameterException", lambda: move(RemoveFromVersionId=first), "AWSCURRENT cannot be taken off")
    refused("ResourceNotFoundException", lambda: move(RemoveFromVersionId=first, MoveToVersionId="f" * 32))
    move(RemoveFromVersionId=first, MoveToVersionId=token)
    check("the label moved", get()["SecretString"] == "two")
    check("the previous label followed", get(VersionStage="AWSPREVIOUS")["VersionId"] == first)
    described = sm.describe_secret(SecretId=made["ARN"])
    check("labels", described["VersionIdsToStages"] == {first: ["AWSPREVIOUS"], token: ["AWSCURRENT", "next"]})
    sm.put_secret_value(SecretId="app/db", SecretBinary=b"\x00\x01three")
    check("a binary value", get()["SecretBinary"] == b"\x00\x01three")
    versions = sm.list_secret_version_ids(SecretId="app/db", IncludeDeprecated=True)["Versions"]
    check("versions, deprecated too", len(versions) == 3)
    refused("ResourceNotFoundException", lambda: sm.get_secret_value(SecretId="nothing"), says="Secrets Manager can't find the specified secret.")
    for n in range(4):
        sm.create_secret(Name=f"many/{n}", SecretString=str(n), Tags=[{"Key": "n", "Value": str(n)}])
    pages = [[s["Name"] for s in p["SecretList"]] for p in sm.get_paginator("list_secrets").paginate()]
    check("secrets in pages", pages == [["app/db", "many/0", "many/1"], ["many/2", "many/3", "zz/rotated"]])
    tagged = {s["Name"]: s.get("Tags", []) for p in sm.get_paginator("list_secrets").paginate() for s in p["SecretList"]}
    check("tags of secrets", tagged["many/2"] == [{"Key": "n", "Value": "2"}] and tagged["app/db"] == [])
    refused("InvalidNextTokenException", lambda: sm.list_secrets(NextToken="rubbish"))
    made_up = {sm.get_random_password(PasswordLength=20)["RandomPassword"] for _ in range(2)}
    check("passwords made up", [len(p) for p in made_up] == [20, 20])
    deny = policy("Deny", "secretsmanager:GetSecretValue", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"})
    refused("MalformedPolicyDocumentException", lambda: sm.put_resource_policy(SecretId="app/db", ResourcePolicy=policy("Deny", "*")))
    sm.put_resource_policy(SecretId="app/db", ResourcePolicy=deny)
    check("a secret's policy", json.loads(sm.get_resource_policy(SecretId="app/db")["ResourcePolicy"]) == json.loads(deny))
    settle()
    refused("AccessDeniedException", get, says="with an explicit deny in a resource-based policy")
    sm.delete_resource_policy(SecretId="app/db")
    settle()
    sm.delete_secret(SecretId="app/db", RecoveryWindowInDays=7)
    refused("InvalidRequestException", get, says="marked for deletion")
    sm.restore_secret(SecretId="app/db")
    check("a restored secret", get()["SecretBinary"] == b"\x00\x01three")
    sm.delete_secret(SecretId="app/db", ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", get)


def rotation(sm):
    name, function = "zz/rotated", "arn:aws:lambda:us-east-1:111122223333:function:rotate"
    token, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
    described = sm.describe_secret(SecretId=name)
    check("a function rotates it", described["RotationEnabled"] and described["RotationLambdaARN"] == function)
    listed = {s["Name"]: s for p in sm.get_paginator("list_secrets").paginate() for s in p["SecretList"]}
    check("lists say so too", listed[name]["RotationLambdaARN"] == function and not listed["many/0"]["RotationEnabled"])
    refused("InvalidRequestException", lambda: sm.rotate_secret(SecretId="many/0"), says="No Lambda rotation function ARN")
    begun = sm.rotate_secret(SecretId=name, ClientRequestToken=token)
    check("the token is the version", begun["VersionId"] == token)
    labels = lambda version: sorted(sm.describe_secret(SecretId=name)["VersionIdsToStages"].get(version, []))
    check("it is pending at once", labels(token) == ["AWSPENDING"])
    refused("ResourceNotFoundException", lambda: sm.get_secret_value(SecretId=name, VersionStage="AWSPENDING"), "and holds nothing")
    refused("InvalidRequestException", lambda: sm.rotate_secret(SecretId=name, ClientRequestToken=other), says="A previous rotation isn't complete")
    check("the same token is the same rotation", sm.rotate_secret(SecretId=name, ClientRequestToken=token)["VersionId"] == token)
    time.sleep(2 + MARGIN)
    check("it is current in the end", "AWSCURRENT" in labels(token))
    value = json.loads(sm.get_secret_value(SecretId=name)["SecretString"])
    check("with a new password for the same user", value["username"] == "app" and value["password"] != "first-password")
    previous = json.loads(sm.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"])
    check("the old one is the previous", previous["password"] == "first-password")
    sm.rotate_secret(SecretId=name, ClientRequestToken=other)
    check("a rotation is cancelled", sm.cancel_rotate_secret(SecretId=name)["VersionId"] == other)
    check("which turns rotation off", not sm.describe_secret(SecretId=name)["RotationEnabled"])
    time.sleep(2 + MARGIN)
    check("and leaves it pending", labels(other) == ["AWSPENDING"])
    refused("ResourceNotFoundException", lambda: sm.get_secret_value(SecretId=name, VersionId=other))
    sm.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=other)
    check("the label comes off", labels(other) == [])


def seals(sm):
    anyone = policy("Allow", "secretsmanager:GetSecretValue", Principal="*")
    few = policy("Deny", "secretsmanager:GetSecretValue", Principal="*", Condition={
        "ArnNotLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/other", f"arn:aws:iam::{ACCOUNT}:role/*/other"]}})
    valid = lambda text: sm.validate_resource_policy(SecretId="many/0", ResourcePolicy=text)
    check("a policy that lets nobody in is valid", valid(few)["PolicyValidationPassed"])
    public = valid(anyone)
    check("one that lets anybody in is not", not public["PolicyValidationPassed"] and public["ValidationErrors"])
    check("nor one that is malformed", not valid(policy("Deny", "*"))["PolicyValidationPassed"])
    refused("PublicPolicyException", lambda: sm.put_resource_policy(SecretId="many/0", ResourcePolicy=anyone, BlockPublicPolicy=True))
    sm.put_resource_policy(SecretId="many/0", ResourcePolicy=few, BlockPublicPolicy=True)
    settle()
    refused("AccessDeniedException", lambda: sm.get_secret_value(SecretId="many/0"), says="with an explicit deny in a resource-based policy")
    sm.put_resource_policy(SecretId="many/0", ResourcePolicy=few.replace("/other", "/admin"), BlockPublicPolicy=True)
    settle()
    check("whoever is spared reads it", sm.get_secret_value(SecretId="many/0")["SecretString"] == "0")
    sm.delete_resource_policy(SecretId="many/0")
    password = sm.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"]
    check("a password of letters and digits", len(password) == 40 and password.isalnum())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", required=True, help="service:Operation, separated by commas, or @FILE with one a line")
    given = parser.parse_args().operations
    if given.startswith("@"):
        with open(given[1:], encoding="utf-8") as file:
            given = ",".join(file.read().split())
    wanted = {o for o in given.split(",") if o}
    admin = Clients(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN"))
    try:
        check("who the responder is", admin.sts.get_caller_identity()["Arn"].endswith("assumed-role/admin/portcullis"))
        users(admin.iam)
        key = keys(admin.iam)
        credentials(admin.iam, key)
        policies(admin.iam)
        roles(admin.iam)
        authorization(admin.iam)
        sessions(admin, key)
        secrets(admin.sm)
        rotation(admin.sm)
        seals(admin.sm)
        trail(admin.trail)
        refused("InvalidAction", lambda: admin.iam.list_instance_profiles(), "an operation that is not there is refused")
        refused("UnknownOperationException", lambda: admin.sm.replicate_secret_to_regions(SecretId="x", AddReplicaRegions=[{"Region": "eu-west-1"}]), "also by Secrets Manager")
    except Exception:  # whatever stops the run is a failure of it
        traceback.print_exc()
        failed.append("the run came to its end")
    check("the list of operations is not empty", bool(wanted))
    for operation in sorted(wanted - driven):
        check(f"{operation} was driven with success", False)
    print(f"{passed} passed, {len(failed)} failed; {len(driven & wanted)} of {len(wanted)} operations driven")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
