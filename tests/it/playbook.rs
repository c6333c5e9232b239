//! Playbooks as authors write them: what is read, what is refused, and what they are shown.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use portcullis::diagnostic::{Code, Diagnostic, Source};
use portcullis::ids::{AccessKeyId, AccountId, Arn, UserName};
use portcullis::inventory::{Caller, Fact, Gap, Inventory, KeyUse, Want};
use portcullis::playbook::{
    self, ActionShape, EffectKind, Evaluated, Field, FieldType, Given, Phase, Playbook, Scope,
    Targets,
};
use serde_json::{Value, json};

const SHIPPED: &str = include_str!("../../playbooks/leaked-access-key/playbook.yaml");
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

const USER: Field = Field::required("user", FieldType::UserName, "whose");
const ALL: FieldType = FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("all")]));
const KEYS: FieldType = FieldType::Either(&[ALL, FieldType::List(&FieldType::AccessKeyId)]);

/// The actions the tests know: those of the shipped playbook, and one that destroys.
const ACTIONS: [ActionShape; 6] = [
    ActionShape {
        kind: "iam.user.quarantine",
        title: "deny a user everything",
        fields: &[USER],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    },
    ActionShape {
        kind: "iam.user.lift-quarantine",
        title: "take the quarantine off",
        fields: &[USER],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    },
    ActionShape {
        kind: "iam.user.revoke-sessions",
        title: "refuse the sessions of a user",
        fields: &[USER],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    },
    ActionShape {
        kind: "iam.access-key.deactivate",
        title: "switch keys off",
        fields: &[USER, Field::required("keys", KEYS, "which")],
        phases: &[Phase::Contain, Phase::Eradicate],
        effects: &[EffectKind::Cuts],
    },
    ActionShape {
        kind: "iam.access-key.replace",
        title: "make a new key and deliver it",
        fields: &[
            USER,
            Field::required("deliver_to", FieldType::SecretId, "where it is read"),
            Field::optional("replaces", FieldType::AccessKeyId, "whose place it takes"),
        ],
        phases: &[Phase::Rotate],
        effects: &[EffectKind::Issues, EffectKind::Delivers],
    },
    ActionShape {
        kind: "iam.access-key.delete",
        title: "delete keys for good",
        fields: &[USER, Field::required("keys", KEYS, "which")],
        phases: &[Phase::Destroy],
        effects: &[EffectKind::Destroys],
    },
];

fn read(text: &str) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    playbook::read(Source::new("playbook.yaml", text), &ACTIONS)
}

fn inventory() -> Inventory {
    let caller = Caller {
        account: AccountId::parse("012345678901").unwrap(),
        arn: Arn::parse("arn:aws:iam::012345678901:user/responder").unwrap(),
        id: "AIDAEXAMPLE".to_owned(),
        access_key_id: None,
    };
    Inventory::new(caller, "2026-03-24T07:00:00Z".parse().unwrap())
}

fn want() -> Want {
    Want::AccessKeyLastUsed(AccessKeyId::parse(KEY).unwrap())
}

fn bound(playbook: &Playbook) -> BTreeMap<String, Value> {
    let given = [
        ("access_key_id", KEY),
        ("leaked_at", "2026-03-19T01:00:00+01:00"),
        ("deliver_to", "prod/ci/deploy-key"),
    ];
    let given = given.map(|(name, text)| (name.to_owned(), Given::Typed(text.to_owned())));
    playbook.bind_inputs(&given.into()).unwrap()
}

#[test]
fn the_shipped_playbook_says_what_to_read_and_then_what_to_do() {
    let (playbook, warnings) = read(SHIPPED).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(playbook.name, "leaked-access-key");
    let inputs = bound(&playbook);
    assert_eq!(inputs["leaked_at"], "2026-03-19T00:00:00Z");

    let mut inventory = inventory();
    let needs = playbook.targets(&inputs, &inventory).unwrap();
    assert_eq!(needs, Targets::Needs(BTreeSet::from([want()])));

    let used = KeyUse {
        user: UserName::parse("ci-deploy").unwrap(),
        last_used_at: None,
        service: None,
        region: None,
    };
    inventory.answers.insert(want(), Ok(Fact::AccessKeyLastUsed(Some(used))));
    let Targets::Known(targets) = playbook.targets(&inputs, &inventory).unwrap() else {
        panic!("everything was read")
    };
    assert_eq!(targets["owner"], "ci-deploy");

    let scope = Scope { inputs: &inputs, targets: &targets, inventory: &inventory };
    let mut all = Vec::new();
    for step in &playbook.steps {
        for (name, template) in &step.with {
            let Evaluated::Value(value) = template.evaluate(&scope).unwrap() else {
                panic!("everything was read")
            };
            all.push(json!([step.id, step.phase, step.uses, name, value]));
        }
    }
    assert_eq!(
        all,
        [
            json!(["quarantine", "contain", "iam.user.quarantine", "user", "ci-deploy"]),
            json!(["keys-off", "contain", "iam.access-key.deactivate", "user", "ci-deploy"]),
            json!(["keys-off", "contain", "iam.access-key.deactivate", "keys", "all"]),
            json!(["sessions-off", "contain", "iam.user.revoke-sessions", "user", "ci-deploy"]),
            json!(["new-key", "rotate", "iam.access-key.replace", "user", "ci-deploy"]),
            json!([
                "new-key",
                "rotate",
                "iam.access-key.replace",
                "deliver_to",
                "prod/ci/deploy-key"
            ]),
            json!(["new-key", "rotate", "iam.access-key.replace", "replaces", KEY]),
            json!(["lift", "recover", "iam.user.lift-quarantine", "user", "ci-deploy"]),
        ]
    );
}

#[test]
fn an_unknown_key_and_a_refused_question_point_into_the_file() {
    let (playbook, _) = read(SHIPPED).unwrap();
    let inputs = bound(&playbook);
    let mut inventory = inventory();
    inventory.answers.insert(want(), Ok(Fact::AccessKeyLastUsed(None)));
    let problems = playbook.targets(&inputs, &inventory).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        format!(
            "playbook.yaml:32:14: error[nothing-found]: no access key {KEY} is known to this account"
        )
    );
    let gap = Gap {
        operation: "iam:GetAccessKeyLastUsed".to_owned(),
        code: "AccessDenied".to_owned(),
        message: "no".to_owned(),
    };
    inventory.answers.insert(want(), Err(gap));
    let problems = playbook.targets(&inputs, &inventory).unwrap_err();
    assert_eq!(problems[0].code, Code::CouldNotRead);
    assert!(problems[0].message.contains("iam:GetAccessKeyLastUsed answered AccessDenied"));
}
