//! Rotation by a function: its four steps on a secret's versions and on the target that takes the password.
//!
//! `RotateSecret` makes an empty version under `AWSPENDING` and answers at once; the function then creates a
//! value, sets it at the target, tests it and moves `AWSCURRENT`, a quarter of its time for each. Nobody waits
//! for it here: whoever asks the cloud anything sees it as far as it has come by then. A function that fails
//! stays where it failed, and AWS's own repetitions are not modelled.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::engine::Engine;
use super::iam::users::Answer;
use super::people::ReadValue;
use super::secrets::{done, invalid, named, refusal, token};
use super::state::{StoredSecret, Version};
use super::vault::Sealed;
use crate::secret::Secret;

/// A function that rotates a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rotator {
    pub(super) arn: String,
    /// As whom it works, where that is looked at.
    pub(super) role: Option<String>,
    pub(super) behaviour: Behaviour,
    /// How many rotations go so before it works; `None`: all.
    pub(super) first: Option<u32>,
    pub(super) takes: SignedDuration,
    /// What takes the password.
    pub(super) target: Option<String>,
    /// With two, it changes the one that is not in use.
    pub(super) users: Vec<String>,
    pub(super) enabled: bool,
    /// Rotations begun.
    pub(super) begun: u32,
}

/// What a function does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Behaviour {
    #[default]
    Works,
    /// It makes no value: an empty version stays.
    FailsCreate,
    /// It makes a value and does not get it to the target.
    FailsSet,
    /// It changes the password at the target, and then does not move the label.
    FailsTest,
    /// It makes a value, and is not heard of again.
    Hangs,
    /// It works, and tells the intruder.
    Backdoored,
}

/// A rotation under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rotation {
    account: String,
    secret: String,
    version: String,
    began: Timestamp,
    takes: SignedDuration,
    behaviour: Behaviour,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Create,
    Set,
    Test,
    Finish,
}

impl Rotation {
    fn due(&self) -> Timestamp {
        let quarters = match self.step {
            Step::Create => 1,
            Step::Set => 2,
            Step::Test => 3,
            Step::Finish => 4,
        };
        self.began + self.takes / 4 * quarters
    }

    fn then(self, step: Step) -> Self {
        Self { step, ..self }
    }
}

impl Engine {
    /// Lets everything that goes on by itself come as far as it has by `now`.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        let earliest = |all: &[Rotation]| {
            let due = all.iter().enumerate().filter(|(_, rotation)| rotation.due() <= now);
            due.min_by_key(|(_, rotation)| rotation.due()).map(|(n, _)| n)
        };
        while let Some(n) = earliest(&self.rotations) {
            let rotation = self.rotations.remove(n);
            let at = rotation.due();
            let goes_on = self.step(rotation, at);
            self.rotations.extend(goes_on);
        }
    }

    /// Carries out one step; gives back the rotation where it goes on.
    fn step(&mut self, rotation: Rotation, at: Timestamp) -> Option<Rotation> {
        let secret =
            self.newest().accounts.get(&rotation.account)?.secrets.get(&rotation.secret)?;
        let secret = secret.clone();
        let pending = secret.holder_of("AWSPENDING") == Some(rotation.version.as_str());
        let rotator = secret.rotator.as_ref().filter(|_| pending && secret.deleted_at.is_none())?;
        for action in ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"] {
            if let Some(role) = &rotator.role {
                self.may_as_role(&rotation.account, role, action, &secret.arn, at).ok()?;
            }
        }
        match rotation.step {
            Step::Create => {
                if rotation.behaviour == Behaviour::FailsCreate {
                    return None;
                }
                let value = self.new_value(&secret, &rotator.users)?;
                let sealed = self.seal(&rotation.secret, value.expose());
                self.edit_stored(&rotation, at)?.versions.get_mut(&rotation.version)?.value =
                    Some(sealed);
                (rotation.behaviour != Behaviour::Hangs).then(|| rotation.then(Step::Set))
            }
            Step::Set => {
                let value = secret.versions[&rotation.version].value.clone()?;
                if rotation.behaviour == Behaviour::FailsSet {
                    return None;
                }
                if let Some(target) = &rotator.target {
                    self.set_at(target, &secret, rotator.users.len() == 2, &value, at)?;
                }
                if rotation.behaviour == Behaviour::Backdoored {
                    let of = format!("{} (told by its rotator)", rotation.secret);
                    self.intruder_knows.push(ReadValue { of, value });
                }
                Some(rotation.then(Step::Test))
            }
            Step::Test => {
                let value =
                    self.vault().open(secret.versions[&rotation.version].value.as_ref()?)?;
                let accepted =
                    rotator.target.as_ref().is_none_or(|t| self.accepts(t, &value, at).is_ok());
                let goes_on = accepted && rotation.behaviour != Behaviour::FailsTest;
                goes_on.then(|| rotation.then(Step::Finish))
            }
            Step::Finish => {
                let version = rotation.version.clone();
                self.edit_stored(&rotation, at)?.move_label("AWSCURRENT", &version);
                None
            }
        }
    }

    fn edit_stored(&mut self, rotation: &Rotation, at: Timestamp) -> Option<&mut StoredSecret> {
        self.edit(at).accounts.get_mut(&rotation.account)?.secrets.get_mut(&rotation.secret)
    }

    /// The current value with a new password, and where two users take turns, the other user.
    fn new_value(&mut self, secret: &StoredSecret, users: &[String]) -> Option<Secret> {
        let password = self.new_uuid();
        self.seal("password", &password);
        let current = secret.versions[secret.holder_of("AWSCURRENT")?].value.as_ref()?;
        let current = self.vault().open(current)?;
        let Ok(Value::Object(mut fields)) = serde_json::from_str(current.expose()) else {
            return Some(Secret::new(password));
        };
        if let [one, other] = users {
            let next = if fields.get("username") == Some(&json!(one)) { other } else { one };
            fields.insert("username".to_owned(), json!(next));
        }
        fields.insert("password".to_owned(), json!(password));
        Some(Secret::new(Value::Object(fields).to_string()))
    }

    /// Sets a password at the target: as an administrator where two users take turns, otherwise with whatever of
    /// the pending, the current and the previous value still signs in.
    fn set_at(
        &mut self,
        target: &str,
        secret: &StoredSecret,
        as_administrator: bool,
        value: &Sealed,
        at: Timestamp,
    ) -> Option<()> {
        let signs_in = ["AWSPENDING", "AWSCURRENT", "AWSPREVIOUS"].iter().any(|label| {
            let sealed = secret.holder_of(label).and_then(|v| secret.versions[v].value.as_ref());
            let value = sealed.and_then(|sealed| self.vault().open(sealed));
            value.is_some_and(|value| self.accepts(target, &value, at).is_ok())
        });
        if !(as_administrator || signs_in) {
            return None;
        }
        self.set_password(target, value)
    }
}

fn rotating(call: &Call<'_>) -> Result<(String, String), super::wire::Refusal> {
    let (place, secret) = call.newest_secret()?;
    if let Some(service) = &secret.owned_by {
        return Err(refusal(
            "InvalidRequestException",
            format!(
                "The secret is managed by {service}, which rotates it; it can't be rotated here."
            ),
        ));
    }
    if secret.rotator.is_none() {
        return Err(refusal(
            "InvalidRequestException",
            "No Lambda rotation function ARN is associated with this secret.",
        ));
    }
    Ok(place)
}

pub(super) fn rotate(call: &mut Call<'_>) -> Answer {
    let place = rotating(call)?;
    let version = token(call)?;
    let given = call.params.get("RotationLambdaARN").map(str::to_owned);
    let now = call.now;
    let secret = call.newest_secret()?.1;
    let pending = secret.holder_of("AWSPENDING");
    if pending.is_some_and(|holder| holder != version) && pending != secret.holder_of("AWSCURRENT")
    {
        return Err(refusal(
            "InvalidRequestException",
            "A previous rotation isn't complete. That rotation will be reattempted.",
        ));
    }
    // The same token again is the same rotation.
    let again = secret.versions.contains_key(&version);
    let other = given.map(|arn| call.function(&arn)).transpose()?;
    let immediately = call.params.json("RotateImmediately") != Some(&json!(false));
    let secret = call.edit_secret(&place);
    let rotator = secret.rotator.as_mut().expect("checked before");
    if let Some(other) = other {
        *rotator = other;
    }
    rotator.enabled = true;
    if immediately && !again {
        rotator.begun += 1;
        let misbehaves = rotator.first.is_none_or(|first| rotator.begun <= first);
        let behaviour = if misbehaves { rotator.behaviour } else { Behaviour::Works };
        let takes = rotator.takes;
        let empty = Version {
            created_at: now,
            value: None,
            binary: false,
            labels: std::collections::BTreeSet::new(),
        };
        secret.versions.insert(version.clone(), empty);
        secret.move_label("AWSPENDING", &version);
        call.engine.rotations.push(Rotation {
            account: place.0.clone(),
            secret: place.1.clone(),
            version: version.clone(),
            began: now,
            takes,
            behaviour,
            step: Step::Create,
        });
    }
    let mut fields = named(call.newest_secret()?.1, &place.1);
    fields.insert("VersionId".into(), json!(version));
    Ok(done(fields))
}

pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    let place = rotating(call)?;
    call.engine.rotations.retain(|r| (&r.account, &r.secret) != (&place.0, &place.1));
    let secret = call.edit_secret(&place);
    secret.rotator.as_mut().expect("checked before").enabled = false;
    let pending = secret.holder_of("AWSPENDING").map(str::to_owned);
    let mut fields = named(secret, &place.1);
    if let Some(version) = pending {
        fields.insert("VersionId".into(), json!(version));
    }
    Ok(done(fields))
}

impl Call<'_> {
    /// A function of the account: one that some secret of the world has.
    fn function(&self, arn: &str) -> Result<Rotator, super::wire::Refusal> {
        let mut rotators = self.newest().secrets.values().filter_map(|s| s.rotator.as_ref());
        rotators.find(|rotator| rotator.arn == arn).cloned().ok_or_else(|| {
            invalid(format!("Secrets Manager cannot invoke the specified Lambda function {arn}."))
        })
    }
}
