//! One question, asked and understood: what an operation answers becomes a fact.
//!
//! An answer that cannot be understood is an error, never nothing. Knows every operation, and not what the
//! answers are for.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType, StatusType};
use jiff::Timestamp;

use super::authorization;
use crate::cloud::{CallError, Certainty, ReadCloud};
use crate::ids::{AccessKeyId, AccountId, Arn, RoleName, UserName, VersionId};
use crate::inventory::{
    AccessKey, CredentialStatus, Fact, KeyUse, ListedRole, ListedSecret, ListedUser, LoginProfile,
    MfaDevice, PasswordPolicy, Role, SecretMetadata, ServiceSpecificCredential, Simulated,
    Simulation, Status, User, Want,
};

/// One question to one operation.
pub(super) async fn ask(
    cloud: &ReadCloud,
    account: &AccountId,
    want: &Want,
) -> Result<Fact, CallError> {
    let iam = cloud.iam();
    Ok(match want {
        Want::AccessKeyLastUsed(id) => {
            let output = iam.access_key_last_used(id).await?;
            Fact::AccessKeyLastUsed(whole("iam:GetAccessKeyLastUsed", output, |output| {
                let used = output.access_key_last_used();
                // AWS writes "N/A" for a key that was never used.
                let real = |text: &str| (text != "N/A").then(|| text.to_owned());
                Some(Box::new(KeyUse {
                    user: UserName::parse(output.user_name()?).ok()?,
                    last_used_at: used.and_then(|u| timestamp(u.last_used_date()?)),
                    service: used.and_then(|u| real(u.service_name())),
                    region: used.and_then(|u| real(u.region())),
                }))
            })?)
        }
        Want::Probe(probe) => Fact::Probe(cloud.outside().ask(probe).await?),
        Want::User(user) => Fact::User(whole("iam:GetUser", iam.user(user).await?, |found| {
            let arn = arn_in(account, found.arn())?;
            is_of(user, found.user_name())?;
            Some(Box::new(User {
                name: user.clone(),
                arn,
                id: found.user_id().to_owned(),
                created_at: timestamp(found.create_date())?,
                // One that cannot be read is not thereby none.
                boundary: match found.permissions_boundary() {
                    Some(boundary) => Some(Arn::parse(boundary.permissions_boundary_arn()?).ok()?),
                    None => None,
                },
                password_last_used_at: found.password_last_used().and_then(timestamp),
            }))
        })?),
        Want::Users => {
            let found = iam.users().await?;
            let mut users = every("iam:ListUsers", found.iter(), |user| {
                Some(ListedUser {
                    name: UserName::parse(user.user_name()).ok()?,
                    path: user.path().to_owned(),
                    arn: arn_in(account, user.arn())?,
                    id: user.user_id().to_owned(),
                    created_at: timestamp(user.create_date())?,
                })
            })?;
            users.sort_by(|a, b| a.name.cmp(&b.name));
            Fact::Users(users)
        }
        Want::AccessKeys(user) => {
            let keys = iam.access_keys(user).await?;
            let mut keys = every("iam:ListAccessKeys", keys.iter(), |key| {
                is_of(user, key.user_name()?)?;
                Some(AccessKey {
                    id: AccessKeyId::parse(key.access_key_id()?).ok()?,
                    status: status(key.status()?),
                    created_at: timestamp(key.create_date()?)?,
                })
            })?;
            keys.sort_by(|a, b| a.id.cmp(&b.id));
            Fact::AccessKeys(keys)
        }
        Want::LoginProfile(user) => {
            let profile = iam.login_profile(user).await?;
            Fact::LoginProfile(whole("iam:GetLoginProfile", profile, |profile| {
                is_of(user, profile.user_name())?;
                Some(LoginProfile {
                    created_at: timestamp(profile.create_date())?,
                    reset_required: profile.password_reset_required(),
                })
            })?)
        }
        Want::PasswordPolicy => {
            let policy = iam.password_policy().await?;
            Fact::PasswordPolicy(whole("iam:GetAccountPasswordPolicy", policy, |policy| {
                let number = |n: i32| usize::try_from(n).ok();
                Some(PasswordPolicy {
                    minimum_length: number(policy.minimum_password_length()?)?,
                    users_may_change: policy.allow_users_to_change_password(),
                    reuse_prevention: match policy.password_reuse_prevention() {
                        Some(n) => Some(number(n)?),
                        None => None,
                    },
                })
            })?)
        }
        Want::ServiceSpecificCredentials(user) => {
            let found = iam.service_specific_credentials(user).await?;
            let operation = "iam:ListServiceSpecificCredentials";
            let mut found = every(operation, found.iter(), |credential| {
                is_of(user, credential.user_name())?;
                Some(ServiceSpecificCredential {
                    id: credential.service_specific_credential_id().to_owned(),
                    service: credential.service_name().to_owned(),
                    status: status(credential.status()),
                    created_at: timestamp(credential.create_date())?,
                    expires_at: credential.expiration_date().and_then(timestamp),
                })
            })?;
            found.sort_by(|a, b| a.id.cmp(&b.id));
            Fact::ServiceSpecificCredentials(found)
        }
        Want::SshPublicKeys(user) => {
            let found = iam.ssh_public_keys(user).await?;
            let keys = every("iam:ListSSHPublicKeys", found.iter(), |key| {
                is_of(user, key.user_name())?;
                Some(CredentialStatus {
                    id: key.ssh_public_key_id().to_owned(),
                    status: status(key.status()),
                    uploaded_at: timestamp(key.upload_date()),
                })
            })?;
            Fact::SshPublicKeys(by_id(keys))
        }
        Want::SigningCertificates(user) => {
            let found = iam.signing_certificates(user).await?;
            let certificates = every("iam:ListSigningCertificates", found.iter(), |certificate| {
                is_of(user, certificate.user_name())?;
                Some(CredentialStatus {
                    id: certificate.certificate_id().to_owned(),
                    status: status(certificate.status()),
                    uploaded_at: certificate.upload_date().and_then(timestamp),
                })
            })?;
            Fact::SigningCertificates(by_id(certificates))
        }
        Want::MfaDevices(user) => {
            let found = iam.mfa_devices(user).await?;
            let mut found = every("iam:ListMFADevices", found.iter(), |device| {
                is_of(user, device.user_name())?;
                Some(MfaDevice {
                    serial: device.serial_number().to_owned(),
                    enabled_at: timestamp(device.enable_date())?,
                })
            })?;
            found.sort_by(|a, b| a.serial.cmp(&b.serial));
            Fact::MfaDevices(found)
        }
        Want::AttachedPolicies(principal) => {
            let found = iam.attached_policies(principal).await?;
            let found = every(want.operation(), found.iter(), |policy| {
                Arn::parse(policy.policy_arn()?).ok()
            })?;
            Fact::AttachedPolicies(sorted(found.into_iter()))
        }
        Want::InlinePolicy(principal, policy) => {
            let found = iam.inline_policy(principal, policy).await?;
            Fact::InlinePolicy(whole(want.operation(), found, |found| {
                (found.of == principal.name() && found.name == policy.as_str())
                    .then(|| decoded(&found.document))
            })?)
        }
        Want::Role(role) => Fact::Role(whole("iam:GetRole", iam.role(role).await?, |found| {
            let arn = arn_in(account, found.arn())?;
            (found.role_name() == role.as_str()).then_some(())?;
            Some(Box::new(Role {
                name: role.clone(),
                path: found.path().to_owned(),
                arn,
                id: found.role_id().to_owned(),
                created_at: timestamp(found.create_date())?,
                // One that cannot be read is not thereby none.
                boundary: match found.permissions_boundary() {
                    Some(boundary) => Some(Arn::parse(boundary.permissions_boundary_arn()?).ok()?),
                    None => None,
                },
            }))
        })?),
        Want::Roles => {
            let found = iam.roles().await?;
            let mut roles = every("iam:ListRoles", found.iter(), |role| {
                Some(ListedRole {
                    name: RoleName::parse(role.role_name()).ok()?,
                    arn: arn_in(account, role.arn())?,
                    trust: decoded(role.assume_role_policy_document()?),
                    created_at: timestamp(role.create_date()),
                })
            })?;
            roles.sort_by(|a, b| a.name.cmp(&b.name));
            Fact::Roles(roles)
        }
        Want::Authorization => Fact::Authorization(Box::new(authorization::read(iam).await?)),
        Want::AccountSummary => {
            let output = iam.account_summary().await?;
            let counts = output.summary_map().into_iter().flatten();
            Fact::AccountSummary(
                counts.map(|(key, count)| (key.as_str().to_owned(), i64::from(*count))).collect(),
            )
        }
        Want::Secret(id) => {
            let found = cloud.secrets().describe(id).await?;
            Fact::Secret(whole("secretsmanager:DescribeSecret", found, |secret| {
                let versions = secret.version_ids_to_stages().into_iter().flatten();
                let arn = Arn::parse(secret.arn()?).ok()?;
                let asked = [arn.as_str(), secret.name()?].contains(&id.as_str());
                let here = arn.account() == account.as_str();
                // By an ARN without its end AWS finds it, too. Whoever plans says what to type instead.
                let asked = asked && (here || id.as_str().starts_with("arn:"));
                (asked || id.is_beginning_of(&arn)).then_some(())?;
                Some(Box::new(SecretMetadata {
                    arn,
                    name: secret.name()?.to_owned(),
                    versions: labelled(versions)?,
                    rotates_itself: secret.rotation_enabled().unwrap_or(false),
                    rotator: secret.rotation_lambda_arn().map(Arn::parse).transpose().ok()?,
                    owned_by: secret.owning_service().map(str::to_owned),
                    deleted_at: secret.deleted_date().and_then(timestamp),
                }))
            })?)
        }
        Want::Secrets => {
            let found = cloud.secrets().list().await?;
            let mut secrets = every("secretsmanager:ListSecrets", found.iter(), |secret| {
                let tags = secret.tags().iter();
                let versions = secret.secret_versions_to_stages().into_iter().flatten();
                Some(ListedSecret {
                    name: secret.name()?.to_owned(),
                    arn: Arn::parse(secret.arn()?).ok()?,
                    created_at: secret.created_date().and_then(timestamp),
                    tags: tags
                        .map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
                        .collect::<Option<_>>()?,
                    rotates_itself: secret.rotation_enabled().unwrap_or(false),
                    rotator: secret.rotation_lambda_arn().map(Arn::parse).transpose().ok()?,
                    owned_by: secret.owning_service().map(str::to_owned),
                    deleted_at: secret.deleted_date().and_then(timestamp),
                    versions: Some(labelled(versions)?),
                })
            })?;
            secrets.sort_by(|a, b| a.name.cmp(&b.name));
            Fact::Secrets(secrets)
        }
        Want::Simulation(asked) => {
            let Simulation { principal, actions, resources, context } = &**asked;
            let results = iam.simulate(principal, actions, resources, context).await?;
            Fact::Simulation(sorted(results.iter().flat_map(simulated)))
        }
        Want::SecretPolicy(secret) => Fact::SecretPolicy(cloud.secrets().policy(secret).await?),
    })
}

/// The versions of a secret by their ids, with the labels they carry.
fn labelled<'a>(
    versions: impl Iterator<Item = (&'a String, &'a Vec<String>)>,
) -> Option<BTreeMap<VersionId, Vec<String>>> {
    let understood = |(id, labels): (&String, &Vec<String>)| {
        Some((VersionId::parse(id.as_str()).ok()?, sorted(labels.iter().cloned())))
    };
    versions.map(understood).collect()
}

/// What exists, turned into a fact. An answer that cannot be understood is an error, never nothing: a
/// credential that is overlooked lets the intruder back in.
fn whole<F, T>(
    operation: &str,
    found: Option<F>,
    understand: impl Fn(&F) -> Option<T>,
) -> Result<Option<T>, CallError> {
    found.map(|found| understand(&found).ok_or_else(|| not_understood(operation))).transpose()
}

/// The same for every item of a listing.
pub(super) fn every<'a, F: 'a, T>(
    operation: &str,
    found: impl Iterator<Item = &'a F>,
    understand: impl Fn(&F) -> Option<T>,
) -> Result<Vec<T>, CallError> {
    found.map(|item| understand(item).ok_or_else(|| not_understood(operation))).collect()
}

/// What the simulator says: of one resource, or of each of several within one result.
fn simulated(result: &EvaluationResult) -> Vec<Simulated> {
    let one =
        |resource: &str, decision: &PolicyEvaluationDecisionType, missing: &[String]| Simulated {
            action: result.eval_action_name().to_owned(),
            resource: resource.to_owned(),
            allowed: *decision == PolicyEvaluationDecisionType::Allowed,
            depends_on: sorted(missing.iter().cloned()),
        };
    let each = result.resource_specific_results();
    if each.is_empty() {
        let resource = result.eval_resource_name().unwrap_or("*");
        return vec![one(resource, result.eval_decision(), result.missing_context_values())];
    }
    each.iter()
        .map(|each| {
            let decision = each.eval_resource_decision();
            one(each.eval_resource_name(), decision, each.missing_context_values())
        })
        .collect()
}

fn not_understood(operation: &str) -> CallError {
    let what = "the answer holds something this program does not understand";
    CallError::not_understood(operation, Certainty::DidNot, what)
}

pub(super) fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items
}

fn by_id(mut found: Vec<CredentialStatus>) -> Vec<CredentialStatus> {
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// An answer about somebody else is no answer.
fn is_of(user: &UserName, name: &str) -> Option<()> {
    (name == user.as_str()).then_some(())
}

/// An ARN, if it is of this account: what is in another is no answer either.
fn arn_in(account: &AccountId, arn: &str) -> Option<Arn> {
    Arn::parse(arn).ok().filter(|arn| arn.account() == account.as_str())
}

/// Anything but a plain "inactive" counts as usable.
fn status(status: &StatusType) -> Status {
    match status {
        StatusType::Inactive => Status::Inactive,
        _ => Status::Active,
    }
}

pub(super) fn timestamp(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// IAM sends policy documents percent-encoded.
pub(super) fn decoded(document: &str) -> String {
    percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned()
}
