"""What somebody who knows boto3 writes in the night: sixteen threads, and as many tries as it takes.

    python3 script.py USER...

Of every user: everything denied, every key deactivated, every session issued so far denied. Nothing is looked at
afterwards.
"""

import datetime
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

THREADS = 16
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"

# `adaptive` is boto3's own rate limiter, the best it has for this.
iam = boto3.client("iam", config=Config(retries={"mode": "adaptive", "total_max_attempts": 30}, max_pool_connections=THREADS))


def contain(user: str) -> None:
    """Cuts one user off."""
    iam.attach_user_policy(UserName=user, PolicyArn=DENY_ALL)
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    older = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"aws:TokenIssueTime": now}}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [older]})
    iam.put_user_policy(UserName=user, PolicyName="AWSRevokeOlderSessions", PolicyDocument=document)


with ThreadPoolExecutor(THREADS) as threads:
    list(threads.map(contain, sys.argv[1:]))
