//! The AWS-managed policies that exist in every rehearsal cloud.
//!
//! Approximations where AWS's own text is long: they grant or deny the same operations of the three
//! services that the rehearsal cloud has, and no more than the gist of the others.

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}]}"#;
const READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:Get*","iam:List*","iam:Generate*","iam:Simulate*","secretsmanager:List*","secretsmanager:Describe*","secretsmanager:GetResourcePolicy","s3:Get*","s3:List*","ec2:Describe*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","cloudtrail:Get*","cloudtrail:List*","cloudtrail:Describe*","cloudtrail:LookupEvents"],"Resource":"*"}]}"#;
const READ_IAM: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#;
const QUARANTINE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["cloudtrail:LookupEvents","ec2:RequestSpotInstances","ec2:RunInstances","ec2:StartInstances","iam:AddUserToGroup","iam:AttachGroupPolicy","iam:AttachRolePolicy","iam:AttachUserPolicy","iam:ChangePassword","iam:CreateAccessKey","iam:CreateInstanceProfile","iam:CreateLoginProfile","iam:CreatePolicyVersion","iam:CreateRole","iam:CreateUser","iam:DeleteAccessKey","iam:DetachUserPolicy","iam:PassRole","iam:PutGroupPolicy","iam:PutRolePolicy","iam:PutUserPermissionsBoundary","iam:PutUserPolicy","iam:SetDefaultPolicyVersion","iam:UpdateAccessKey","iam:UpdateAccountPasswordPolicy","iam:UpdateAssumeRolePolicy","iam:UpdateLoginProfile","iam:UpdateUser","lambda:CreateFunction","lambda:InvokeFunction","organizations:CreateAccount","s3:DeleteBucket","s3:DeleteObject","s3:GetObject","s3:PutBucketPolicy","s3:PutObject","bedrock:InvokeModel","sts:GetFederationToken","sts:GetSessionToken"],"Resource":["*"]}]}"#;

/// Name, id and text of each.
pub(super) const POLICIES: [(&str, &str, &str); 5] = [
    ("AdministratorAccess", "ANPAIWMBCKSKIEE64ZLYK", EVERYTHING),
    ("AWSCompromisedKeyQuarantineV3", "ANPAZKAPJZG4EXAMPLE03", QUARANTINE),
    ("AWSDenyAll", "ANPAZKAPJZG4P43IUQ5E5", NOTHING),
    ("IAMReadOnlyAccess", "ANPAJKSO7NDY4T57MWDSQ", READ_IAM),
    ("ReadOnlyAccess", "ANPAILL3HVNFSB6DCOWYQ", READ),
];

/// The text of an AWS-managed policy.
pub(super) fn document(arn: &str) -> Option<&'static str> {
    let name = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    POLICIES.iter().find(|(n, _, _)| *n == name).map(|(_, _, text)| *text)
}
