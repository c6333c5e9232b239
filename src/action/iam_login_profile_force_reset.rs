//! `iam.login-profile.force-reset`: a random console password, to be changed at the next sign-in.
//!
//! Asking for the change alone would leave the first sign-in to whoever knows the old password; so a password
//! nobody knows takes its place, and goes where its rightful owner is handed it: a secret, or a file that only a
//! help desk's key opens. It is put there first, then set, then handed over.
//!
//! Nothing readable shows which password holds. Where an answer is lost, or a crash comes before it is written
//! down, nobody can tell; the change is then made anew with a fresh password, and only what is known to hold is
//! handed over. A demand for a change that is not shown any more, while nobody has signed in, means
//! that somebody else has set the password since: it is set anew as well.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delivery::{self, CURRENT, STAGED};
use super::own_password::{self, Verdict};
use super::principal::no_such_user;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, not_the_user};
use crate::cloud::WriteCloud;
use crate::ids::{AgeRecipient, Arn, DeliveryName, SecretId, UserName, VersionId};
use crate::inventory::{Inventory, Unread, User, Want};
use crate::journal::{Delivered, Note, Position, Receipt};
use crate::outbox::Sealed;
use crate::plan::{Credential, Destination, Effect};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase, Such};
use crate::secret::Secret;

/// Characters of a password: long enough for every account, and for a hundred bits.
const LENGTH: usize = 20;
/// What it has more than the account asks for.
const MARGIN: usize = 4;
/// What AWS takes at most.
const LONGEST: usize = 128;

/// Every kind that an account may ask for; nothing that looks like something else when it is read out.
const KINDS: [&str; 4] =
    ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnpqrstuvwxyz", "23456789", "!#%+-=_@*"];

pub(super) struct ForceReset;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    deliver_to: DeliverTo,
}

/// A secret, or the keys that a file is sealed to. The field table lets nothing else through.
#[derive(Deserialize)]
#[serde(untagged)]
enum DeliverTo {
    Secret(SecretId),
    File(Vec<AgeRecipient>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    /// When the password was set up: one that was made anew is another.
    created_at: Timestamp,
    to: To,
    /// How many characters.
    length: usize,
    /// Where to sign in.
    sign_in_url: String,
    /// Why the user may be locked out by it.
    warnings: Vec<String>,
}

/// Where it goes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum To {
    Secret {
        deliver_to: SecretId,
        /// Its ARN; every call names it.
        secret: SecretId,
        /// The version that was current when this was planned.
        current: Option<VersionId>,
    },
    File {
        name: DeliveryName,
        recipients: Vec<AgeRecipient>,
    },
}

const RECIPIENTS: FieldType = FieldType::Such(&Such {
    of: FieldType::List(&FieldType::AgeRecipient),
    expected: "a list of one age recipient or more: `age1` and 58 lower-case letters or digits each",
    example: "[age1...]",
    judge: |value| {
        match value.as_array() {
        Some(all) if all.is_empty() => Err(
            "sealed to nobody, the password would be lost: name the help desk's public key, `deliver_to: [age1...]`"
                .to_owned(),
        ),
        _ => Ok(()),
    }
    },
});

impl Action for ForceReset {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.login-profile.force-reset",
        title: "Set a random console password, to be changed at the next sign-in",
        fields: &[
            Field::required("user", FieldType::UserName, "Whose password"),
            Field::required(
                "deliver_to",
                FieldType::Either(&[RECIPIENTS, FieldType::SecretId]),
                "A secret of the user's own, as JSON, other fields kept; or a list of age recipients that a file in \
                 the case is sealed to",
            ),
        ],
        phases: &[Phase::Rotate],
        effects: &[EffectKind::Issues, EffectKind::Delivers],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:GetLoginProfile",
            "iam:GetAccountPasswordPolicy",
            "iam:GetAccountAuthorizationDetails",
            "iam:ListMFADevices",
            "iam:UpdateLoginProfile",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ],
        undo: "none: the old password cannot be restored; the reset can be made again",
        hazards: &[
            "the user must be handed the new password, and change it at the next sign-in",
            "whoever is signed in stays so: quarantine the user, or revoke his sessions",
            "whoever opens what is delivered can sign in until the user has",
            "a password that was made minutes ago cannot be changed yet: the run waits",
        ],
        unknowns: &[],
        d3fend: &["D3-CRO", "D3-PR"],
        counters: &["T1078.004"],
        tested: &[
            "logins::every_two_things_that_go_wrong_with_a_reset_leave_one_password_that_holds_and_is_handed_out",
            "logins::a_crash_at_any_line_hands_out_the_password_that_holds",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        let mut wants = vec![
            Want::User(inputs.user.clone()),
            Want::LoginProfile(inputs.user.clone()),
            Want::MfaDevices(inputs.user.clone()),
            Want::PasswordPolicy,
            Want::Authorization,
        ];
        if let DeliverTo::Secret(secret) = &inputs.deliver_to {
            wants.push(Want::Secret(secret.clone()));
        }
        wants
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let to = destination(inputs, inventory)?;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let Some(profile) = inventory.login_profile(user)? else {
            // Whoever has none cannot sign in, and is given no way to.
            return Ok(Vec::new());
        };
        let minimum = match inventory.password_policy() {
            Ok(Some(policy)) => policy.minimum_length,
            // AWS's own default; where it could not be read, what is made is longer than most ask for.
            Ok(None) | Err(_) => 8,
        };
        let handed = to.as_destination();
        let credential = Credential::Password { user: user.clone() };
        let draft = Draft {
            target: format!("user {user}"),
            what: format!("set a random console password, into {handed}"),
            before: format!("a console password, since {}", profile.created_at.strftime("%Y-%m-%d")),
            after: "a console password that only whoever opens that knows, to be changed at the next sign-in"
                .to_owned(),
            already: false,
            effects: vec![
                Effect::Issues { user: user.clone(), replaces: Some(credential) },
                Effect::Delivers { to: handed },
            ],
            irreversible: Some(format!("replaces the console password of {user} for good")),
        };
        let change = Change {
            user: user.clone(),
            user_id: found.id.clone(),
            created_at: profile.created_at,
            to,
            length: (minimum + MARGIN).clamp(LENGTH, LONGEST),
            sign_in_url: sign_in_url(&inventory.caller.arn),
            warnings: locked_out(user, inventory).into_iter().collect(),
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        let mut wants =
            vec![Want::User(change.user.clone()), Want::LoginProfile(change.user.clone())];
        if let To::Secret { secret, .. } = &change.to {
            wants.push(Want::Secret(secret.clone()));
        }
        wants
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let mut needed = vec![Permission::to("iam:UpdateLoginProfile")];
        if matches!(change.to, To::Secret { .. }) {
            needed.extend([
                Permission::to("secretsmanager:GetSecretValue"),
                Permission::to("secretsmanager:PutSecretValue"),
                Permission::to("secretsmanager:UpdateSecretVersionStage"),
            ]);
        }
        needed
    }

    fn warnings(change: &Change) -> Vec<String> {
        change.warnings.clone()
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let user = facts.user(&change.user)?.as_deref();
        if let Some(elsewhere) = not_the_user(&change.user, &change.user_id, user) {
            return Ok(elsewhere);
        }
        let elsewhere = |why: String| Ok(Position::Elsewhere { why });
        let profile = match facts.login_profile(&change.user)? {
            None => return elsewhere(format!("{} has no console password any more", change.user)),
            Some(found) if found.created_at != change.created_at => {
                return elsewhere(format!("{} has another console password", change.user));
            }
            Some(found) => found,
        };
        let progress = Progress::of(notes);
        let secret = match &change.to {
            To::File { .. } => None,
            To::Secret { deliver_to, secret, current } => {
                let Some(found) = facts.secret(secret)? else {
                    return elsewhere(format!("secret {deliver_to} is gone"));
                };
                if let Some(elsewhere) = delivery::not_the_secret(deliver_to, found) {
                    return Ok(elsewhere);
                }
                let holder = found.holder_of(CURRENT);
                if holder != current.as_ref()
                    && !holder.is_some_and(|h| progress.versions.contains(h))
                {
                    return elsewhere(match holder {
                        Some(version) => format!("the secret's current version is now {version}"),
                        None => "the secret has no current version any more".to_owned(),
                    });
                }
                Some(found)
            }
        };
        if !progress.begun {
            return Ok(Position::Before);
        }
        let Some(set_at) = progress.set_at else {
            let why = "a password may have been set, and nobody knows which".to_owned();
            return Ok(Position::CannotTell { why });
        };
        let delivered = match secret {
            None => progress.handed_over,
            Some(found) => {
                found.holder_of(CURRENT) == progress.versions.last()
                    && found.holder_of(STAGED).is_none()
            }
        };
        let missing = if !holds(set_at, profile.reset_required, last_used(user)) {
            "somebody else may have set the password since: no change is demanded, and nobody has signed in"
        } else if !delivered {
            "the new password is not delivered"
        } else {
            return Ok(Position::After);
        };
        Ok(Position::Between { why: missing.to_owned() })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { user, to, .. } = change;
        let before = Progress::of(notes.so_far());
        if let Some(set_at) = before.set_at
            && is_shown_to_hold(cloud, user, set_at).await?
            && hand_over(to, cloud, notes, &before).await?
        {
            return Ok(());
        }
        // Before anything is set: where nothing can be delivered, the old password stays.
        let there = match to {
            To::Secret { secret, .. } => delivery::open(cloud, secret).await?,
            To::File { .. } => None,
        };
        let password = Secret::random(&KINDS, change.length);
        let value = delivery::with_fields(
            there.as_ref(),
            &[
                ("username", user.as_str()),
                ("password", password.expose()),
                ("sign_in_url", &change.sign_in_url),
            ],
        );
        let at = cloud.read().sts().time().await?;
        match to {
            To::Secret { secret, .. } => {
                // Of the attempt, never of the password: what is in the journal helps nobody to guess it.
                let attempt = format!("password {}", before.versions.len());
                let version = delivery::version_of(&notes.seed(), &attempt);
                notes.note(Note::PasswordStaged { version: Some(version.clone()) }).await?;
                cloud.secrets().stage(secret, &value, &version, STAGED).await?;
            }
            To::File { name, recipients } => {
                let sealed = Sealed::to(recipients, &value).map_err(|error| {
                    ApplyError::Refused(format!("{name} cannot be sealed: {error}"))
                })?;
                notes.note(Note::PasswordStaged { version: None }).await?;
                notes.outbox().stage(name, &sealed).map_err(|error| not_written(name, &error))?;
            }
        }
        cloud.iam().set_password(user, &password).await?;
        notes.note(Note::PasswordSet { at }).await?;
        let now = Progress::of(notes.so_far());
        if hand_over(to, cloud, notes, &now).await? {
            return Ok(());
        }
        Err(ApplyError::Later("what was to be handed over is gone".to_owned()))
    }

    fn receipt(change: &Change, notes: &[Note]) -> Receipt {
        let progress = Progress::of(notes);
        let delivered = match &change.to {
            To::Secret { deliver_to, .. } => progress.versions.last().map(|version| {
                Delivered::Secret { secret: deliver_to.clone(), version: version.clone() }
            }),
            To::File { name, .. } => {
                progress.handed_over.then(|| Delivered::File { name: name.clone() })
            }
        };
        match (progress.set_at, delivered) {
            (Some(at), Some(delivered)) => Receipt {
                password_set_at: Some(at),
                delivered: Some(delivered),
                ..Receipt::default()
            },
            _ => Receipt::default(),
        }
    }
}

/// How far earlier attempts came.
struct Progress {
    /// Whether any of them may have set a password.
    begun: bool,
    /// When the password that was staged last was set, if it is known to be.
    set_at: Option<Timestamp>,
    /// Whether it was handed over.
    handed_over: bool,
    /// Every version that was staged, the last one last.
    versions: Vec<VersionId>,
}

impl Progress {
    fn of(notes: &[Note]) -> Self {
        let mut progress =
            Self { begun: false, set_at: None, handed_over: false, versions: Vec::new() };
        for note in notes {
            match note {
                Note::PasswordStaged { version } => {
                    progress.begun = true;
                    progress.set_at = None;
                    progress.handed_over = false;
                    progress.versions.extend(version.clone());
                }
                Note::PasswordSet { at } => progress.set_at = Some(*at),
                Note::HandedOver => progress.handed_over = true,
                _ => {}
            }
        }
        progress
    }
}

impl To {
    fn as_destination(&self) -> Destination {
        match self {
            Self::Secret { deliver_to, .. } => Destination::Secret { secret: deliver_to.clone() },
            Self::File { name, recipients } => {
                Destination::File { name: name.clone(), recipients: recipients.clone() }
            }
        }
    }
}

fn destination(inputs: &Inputs, inventory: &Inventory) -> Result<To, PlanError> {
    match &inputs.deliver_to {
        DeliverTo::File(recipients) => Ok(To::File {
            name: DeliveryName::of(&inputs.user, "password"),
            recipients: recipients.clone(),
        }),
        DeliverTo::Secret(id) => {
            let secret = delivery::deliverable(id, inventory)?;
            Ok(To::Secret {
                deliver_to: id.clone(),
                secret: delivery::arn_of(secret)?,
                current: secret.holder_of(CURRENT).cloned(),
            })
        }
    }
}

/// Whether the password that was set at `set_at` still holds, as far as anything shows it: the change is still
/// demanded, or somebody has signed in with it and made it.
fn holds(set_at: Timestamp, reset_required: bool, last_used: Option<Timestamp>) -> bool {
    reset_required || last_used.is_some_and(|used| used >= set_at)
}

fn last_used(user: Option<&User>) -> Option<Timestamp> {
    user.and_then(|user| user.password_last_used_at)
}

async fn is_shown_to_hold(
    cloud: &WriteCloud,
    user: &UserName,
    set_at: Timestamp,
) -> Result<bool, ApplyError> {
    let iam = cloud.read().iam();
    let Some(profile) = iam.login_profile(user).await? else { return Ok(false) };
    let used = iam.user(user).await?.and_then(|user| user.password_last_used().copied());
    let used = used.and_then(|at| Timestamp::from_second(at.secs()).ok());
    Ok(holds(set_at, profile.password_reset_required(), used))
}

/// Lets the rightful owner have what was staged last; says whether it was there.
async fn hand_over(
    to: &To,
    cloud: &WriteCloud,
    notes: &mut dyn Notes,
    progress: &Progress,
) -> Result<bool, ApplyError> {
    match to {
        To::Secret { secret, current, .. } => {
            let Some((version, earlier)) = progress.versions.split_last() else { return Ok(false) };
            let described = cloud.read().secrets().describe(secret).await?;
            let labels =
                described.and_then(|secret| secret.version_ids_to_stages).unwrap_or_default();
            if !labels.contains_key(version.as_str()) {
                return Ok(false);
            }
            // From the version that the plan found, or from one that we have handed over before.
            let holds = |id: &&VersionId| {
                labels.get(id.as_str()).is_some_and(|stages| stages.iter().any(|s| s == CURRENT))
            };
            let from = earlier.iter().find(holds).or(current.as_ref());
            delivery::hand_over(cloud, secret, from, version).await?;
        }
        To::File { name, .. } => {
            let there =
                notes.outbox().hand_over(name).map_err(|error| not_written(name, &error))?;
            if !there {
                return Ok(false);
            }
        }
    }
    if !progress.handed_over {
        notes.note(Note::HandedOver).await?;
    }
    Ok(true)
}

fn not_written(name: &DeliveryName, error: &std::io::Error) -> ApplyError {
    ApplyError::Refused(format!("{name} cannot be written ({error}): see to it, then resume"))
}

/// Where users of the caller's account sign in.
fn sign_in_url(caller: &Arn) -> String {
    let domain = match caller.partition() {
        "aws-cn" => "amazonaws.cn",
        "aws-us-gov" => "amazonaws-us-gov.com",
        _ => "aws.amazon.com",
    };
    format!("https://{}.signin.{domain}/console", caller.account())
}

/// Why the user could not sign in again with the new password, if so.
fn locked_out(user: &UserName, inventory: &Inventory) -> Option<String> {
    let remedy = "let him (attach IAMUserChangePassword, or let everybody: aws iam update-account-password-policy \
                  --allow-users-to-change-password with the rest of the account's policy)";
    match own_password::judge(user, inventory) {
        Verdict::May => None,
        Verdict::MayNot => Some(format!(
            "{user} MAY NOT CHANGE HIS PASSWORD (iam:ChangePassword): asked to at the next sign-in, he is locked \
             out. Before he signs in, {remedy}"
        )),
        Verdict::OnlyWithMfa => Some(format!(
            "{user} may change his password only with a second factor, and has none: asked to at the next \
             sign-in, he is locked out. Give him a device before that, or {remedy}"
        )),
        Verdict::Unknown => Some(format!(
            "whether {user} may change his password is not known: if not, he is locked out at the next sign-in. \
             Allow iam:GetAccountAuthorizationDetails and iam:GetAccountPasswordPolicy, and plan again"
        )),
    }
}
