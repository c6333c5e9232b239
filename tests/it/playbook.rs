//! Playbooks as authors write them: what is read, what is refused, and what they are shown.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod given;
mod hostile;
mod pairs;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use portcullis::action::catalog::Actions;
use portcullis::cli;
use portcullis::diagnostic::{Code, Diagnostic, Source};
use portcullis::ids::{AccessKeyId, AccountId, Arn, UserName};
use portcullis::inventory::{Caller, Fact, Gap, Inventory, KeyUse, Want};
use portcullis::playbook::{
    self, ActionShape, EffectKind, Evaluated, Field, FieldType, Given, GivenInputs, Phase,
    Playbook, Proof, Scope, Spent, Targets,
};
use serde_json::{Value, json};

use crate::check::{portcullis, said};

const SHIPPED: &str = include_str!("../../playbooks/leaked-access-key/playbook.yaml");
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

const USER: Field = Field::required("user", FieldType::UserName, "whose");
const ALL: FieldType = FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("all")]));
const KEYS: FieldType = FieldType::Either(&[ALL, FieldType::List(&FieldType::AccessKeyId)]);
const BY: FieldType = FieldType::OneOf(std::borrow::Cow::Borrowed(&[
    std::borrow::Cow::Borrowed("age"),
    std::borrow::Cow::Borrowed("use"),
]));

/// The actions the tests know: enough to contain, to replace, to lift and to destroy.
const ACTIONS: [ActionShape; 6] = [
    ActionShape {
        kind: "iam.user.quarantine",
        title: "deny a user everything",
        fields: &[USER],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    },
    ActionShape {
        kind: "iam.user.lift-quarantine",
        title: "take the quarantine off",
        fields: &[USER],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
        takes_off: Some("iam.user.quarantine"),
    },
    ActionShape {
        kind: "iam.user.revoke-sessions",
        title: "refuse the sessions of a user",
        fields: &[USER],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    },
    ActionShape {
        kind: "iam.access-key.deactivate",
        title: "switch keys off",
        fields: &[
            USER,
            Field::required("keys", KEYS, "which"),
            Field::optional("by", BY, "what tells an old key"),
            Field::required("days", FieldType::Integer, "how old").when("by", "age"),
            Field::optional("service", FieldType::Text, "what it was used for").when("by", "use"),
        ],
        phases: &[Phase::Contain, Phase::Eradicate],
        effects: &[EffectKind::Cuts],
        takes_off: None,
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
        takes_off: None,
    },
    ActionShape {
        kind: "iam.access-key.delete",
        title: "delete keys for good",
        fields: &[
            USER,
            Field::required("keys", KEYS, "which"),
            Field::optional("at_most", FieldType::Integer, "how many"),
        ],
        phases: &[Phase::Destroy],
        effects: &[EffectKind::Destroys],
        takes_off: None,
    },
];

fn read(text: &str) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    playbook::read(&Source::new("playbook.yaml", text), &ACTIONS)
}

/// The shipped playbook, or what was made of it; it uses whatever there is.
fn read_shipped(text: &str) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    playbook::read(&Source::new("playbook.yaml", text), &Actions::new())
}

fn inventory() -> Inventory {
    let caller = Caller {
        account: AccountId::parse("012345678901").unwrap(),
        arn: Arn::parse("arn:aws:iam::012345678901:user/responder").unwrap(),
        id: "AIDAEXAMPLE".to_owned(),
        came_from: Vec::new(),
        break_glass: Vec::new(),
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
    playbook.bind_inputs(&given.into_iter().collect()).unwrap()
}

#[test]
fn the_shipped_playbook_says_what_to_read_and_then_what_to_do() {
    let (playbook, warnings) = read_shipped(SHIPPED).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(playbook.name, "leaked-access-key");
    let inputs = bound(&playbook);
    assert_eq!(playbook.other_accounts(&inputs, &inventory()).unwrap(), [], "none unless told");
    let playbook = playbook.in_account(true);
    assert_eq!(inputs["leaked_at"], "2026-03-19T00:00:00Z");

    let mut inventory = inventory();
    let open = playbook.targets(&inputs, &inventory);
    assert_eq!((open.needs, open.problems), (BTreeSet::from([want()]), Vec::new()));

    let used = KeyUse {
        user: UserName::parse("ci-deploy").unwrap(),
        last_used_at: None,
        service: None,
        region: None,
    };
    inventory.answers.insert(want(), Ok(Fact::AccessKeyLastUsed(Some(used.into()))));
    let Targets { known: targets, needs, problems } = playbook.targets(&inputs, &inventory);
    assert_eq!((needs, problems), (BTreeSet::new(), Vec::new()), "everything was read");
    assert_eq!(targets["owner"], "ci-deploy");

    let scope = Scope {
        inputs: &inputs,
        targets: &targets,
        inventory: &inventory,
        each: None,
        spent: &Spent::default(),
    };
    let mut all = Vec::new();
    for step in &playbook.steps {
        if let Some(list) = &step.for_each {
            let none = Evaluated::Value(json!([]));
            assert_eq!(list.evaluate(&scope).unwrap(), none, "{}: for more than one key", step.id);
            continue;
        }
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
    let (playbook, _) = read_shipped(SHIPPED).unwrap();
    let inputs = bound(&playbook);
    let playbook = playbook.in_account(true);
    let mut inventory = inventory();
    inventory.answers.insert(want(), Ok(Fact::AccessKeyLastUsed(None)));
    let problems = playbook.targets(&inputs, &inventory).problems;
    assert_eq!(
        problems[0].to_string(),
        format!(
            "playbook.yaml:56:14: error[nothing-found]: no access key {KEY} is known to this account"
        )
    );
    let gap = Gap {
        operation: "iam:GetAccessKeyLastUsed".to_owned(),
        code: "AccessDenied".to_owned(),
        message: "no".to_owned(),
        passing: false,
        understood: true,
    };
    inventory.answers.insert(want(), Err(gap.into()));
    let problems = playbook.targets(&inputs, &inventory).problems;
    assert_eq!(problems[0].code, Code::CouldNotRead);
    assert!(problems[0].message.contains("iam:GetAccessKeyLastUsed answered AccessDenied"));
}

/// A broken playbook says itself what is wrong with it, in comments at its end:
/// `# expect: CODE LINE:COLUMN`, one line each, `-` for no place; and, if it can be read,
/// `# given: NAME=VALUE` and `# inventory: found | no-such-key | refused` for what is done with it.
fn remarks<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let prefix = format!("# {key}: ");
    text.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
}

/// Everything that is wrong with a playbook: as it is read, or with what its remarks say is given.
fn problems_of(name: &str, text: &str) -> Vec<Diagnostic> {
    let source = Source::new(name, text);
    let (playbook, mut warnings) = match playbook::read(&source, &ACTIONS) {
        Err(problems) => return problems,
        Ok(read) => read,
    };
    let given = remarks(text, "given");
    if given.is_empty() {
        warnings.extend(playbook.reviews_passed(inventory().taken_at));
        return warnings;
    }
    let given: GivenInputs = given
        .iter()
        .map(|given| {
            let (name, value) = given.split_once('=').unwrap();
            (name.to_owned(), Given::Typed(value.to_owned()))
        })
        .collect();
    let inputs = match playbook.bind_inputs(&given) {
        Err(problems) => return problems,
        Ok(inputs) => inputs,
    };
    let mut inventory = inventory();
    let answer = match remarks(text, "inventory").as_slice() {
        ["found"] => Ok(Fact::AccessKeyLastUsed(Some(Box::new(KeyUse {
            user: UserName::parse("alice").unwrap(),
            last_used_at: None,
            service: None,
            region: None,
        })))),
        ["no-such-key"] => Ok(Fact::AccessKeyLastUsed(None)),
        ["refused"] => Err(Box::new(Gap {
            operation: "iam:GetAccessKeyLastUsed".to_owned(),
            code: "AccessDenied".to_owned(),
            message: "not authorized".to_owned(),
            passing: false,
            understood: true,
        })),
        other => panic!("{name}: no such inventory: {other:?}"),
    };
    inventory.answers.insert(want(), answer);
    let Targets { known: targets, needs, problems } = playbook.targets(&inputs, &inventory);
    assert_eq!(needs, BTreeSet::new(), "{name}: still to be read");
    if !problems.is_empty() {
        return problems;
    }
    let scope = Scope {
        inputs: &inputs,
        targets: &targets,
        inventory: &inventory,
        each: None,
        spent: &Spent::default(),
    };
    playbook
        .steps
        .iter()
        .flat_map(|step| &step.with)
        .filter_map(|(_, template)| template.evaluate(&scope).err())
        .collect()
}

/// Where the playbooks are that are refused by what an account has, with the world in which they are.
const REFUSED: &str = "tests/data/refused";

fn broken() -> BTreeMap<String, String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/broken");
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn every_broken_playbook_is_refused_for_what_is_wrong_with_it_and_nothing_else() {
    let mut wrong = String::new();
    for (name, text) in broken() {
        let found: Vec<String> = problems_of(&name, &text)
            .iter()
            .map(|problem| match &problem.primary {
                Some(label) => {
                    let (line, column) = label.place.line_column();
                    format!("{} {line}:{column}", problem.code)
                }
                None => format!("{} -", problem.code),
            })
            .collect();
        for problem in problems_of(&name, &text).iter().filter(|one| one.help.is_none()) {
            writeln!(wrong, "{name}: says nothing that could be typed: {}", problem.message)
                .unwrap();
        }
        let expected = remarks(&text, "expect");
        if found != expected {
            writeln!(wrong, "{name}: expected {expected:?}, found {found:?}").unwrap();
        }
        let own = name.split(['.']).next().unwrap().split("--").next().unwrap();
        if own != "many-at-once" && !found.iter().any(|f| f.split(' ').next() == Some(own)) {
            writeln!(wrong, "{name}: does not produce its own code").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_code_is_unique_and_has_a_page_and_a_playbook_that_produces_it() {
    let broken = broken();
    let mut seen = BTreeSet::new();
    for code in Code::ALL {
        let text = code.as_str();
        assert!(
            seen.last().is_none_or(|last| *last < text),
            "{text} stands twice, or out of order"
        );
        seen.insert(text);
        assert_eq!(Code::find(text), Some(*code));
        let page = code.page();
        assert!(page.starts_with(&format!("# {text}\n\n")), "{text}: the page has another title");
        assert_eq!(page.matches("\n```").count(), 4, "{text}: a page has two examples");
        let file = format!("{text}.yaml");
        assert!(
            broken.contains_key(&file) || Path::new(REFUSED).join(&file).is_file(),
            "{text}: no playbook produces it"
        );
    }
    let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    for page in pages {
        assert!(seen.contains(page.as_str()), "{page}: a page for a code that does not exist");
    }
}

#[test]
fn what_people_are_told_about_every_broken_playbook_is_what_was_reviewed() {
    let mut told = String::new();
    for (name, text) in broken() {
        let shown = cli::diagnostics::text(&problems_of(&name, &text).into(), false);
        write!(told, "==== {name}\n{shown}\n").unwrap();
    }
    is_what_was_reviewed(&told, "told.txt");
}

/// Fails where `told` is not what stands in that file of `tests/data`.
fn is_what_was_reviewed(told: &str, name: &str) {
    let reviewed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if std::fs::read_to_string(&reviewed).unwrap_or_default() != told {
        let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&now, told).unwrap();
        let (reviewed, now) = (reviewed.display(), now.display());
        panic!(
            "it is told otherwise now: diff {reviewed} {now}, and copy it over if that is meant"
        );
    }
}

/// Playbooks in which nothing is wrong before an account is looked at; `many-at-once` has all of it.
#[test]
fn what_only_an_account_can_show_is_told_as_it_was_reviewed_and_all_at_once() {
    let mut told = String::new();
    let mut produced = BTreeSet::new();
    let mut all_at_once = BTreeSet::new();
    for name in ["cannot-plan", "lock-out", "many-at-once", "over-limit"] {
        let (playbook, world) = (format!("{REFUSED}/{name}.yaml"), format!("{REFUSED}/world.yaml"));
        let checked = portcullis(&["check", &playbook]);
        assert_eq!(checked.status.code(), Some(0), "{name}: {}", said(&checked));
        let refused = portcullis(&["plan", &playbook, "--world", &world]);
        assert_eq!(refused.status.code(), Some(5), "{name}");
        let shown = String::from_utf8(refused.stderr).unwrap();
        let codes: BTreeSet<&str> = shown
            .lines()
            .filter_map(|line| line.strip_prefix("error[")?.split(']').next())
            .collect();
        let codes = codes.into_iter().map(str::to_owned);
        if name == "many-at-once" {
            all_at_once.extend(codes);
        } else {
            assert!(shown.contains(&format!("error[{name}]")), "{shown}");
            produced.extend(codes);
        }
        write!(told, "==== {name}.yaml\n{shown}\n").unwrap();
    }
    assert_eq!(all_at_once, produced, "none of them hides another");
    is_what_was_reviewed(&told, "refused.txt");
}

/// Lines that show a problem, with the last line (the count) left off.
fn shown(name: &str) -> String {
    let text = broken().remove(name).unwrap();
    let all = cli::diagnostics::text(&problems_of(name, &text).into(), false);
    all.rsplit_once("\n\n").unwrap().0.to_owned()
}

#[test]
fn a_key_minted_before_the_gate_is_shown_with_both_places() {
    let expected = "\
error[gate-order]: `iam.access-key.replace` makes a new credential, and `contain` is before the gate
 --> gate-order.yaml:7:12
  |
7 |     phase: contain
  |            ^^^^^^^ before every cut is proven
8 |     uses: iam.access-key.replace
  |           ---------------------- makes a new credential
  |
  = help: put it in `rotate`";
    assert_eq!(shown("gate-order.yaml"), expected);
}

#[test]
fn a_gate_that_a_read_back_would_open_is_explained() {
    let expected = "\
error[gate-proof]: a read-back does not open the gate: AWS shows a change before it enforces it
 --> gate-proof.yaml:4:16
  |
4 | gate: { proof: read-back }
  |                ^^^^^^^^^ not a proof
  |
  = help: write `enforced`; or `settled`, and the run will not call itself proven";
    assert_eq!(shown("gate-proof.yaml"), expected);
}

#[test]
fn a_key_that_stands_twice_is_shown_at_both_places() {
    let expected = "\
error[duplicate-key]: the key `title` stands twice in one mapping
 --> duplicate-key.yaml:4:1
  |
3 | title: A playbook with a mistake
  | ----- first here
4 | title: Again
  | ^^^^^ again here
  |
  = help: keep one of the two";
    assert_eq!(shown("duplicate-key.yaml"), expected);
}

#[test]
fn an_octal_trap_is_explained() {
    let expected = "\
error[ambiguous-yaml]: `012345678901` is a number to some YAML readers and not to others
 --> ambiguous-yaml--account.yaml:5:41
  |
5 |   account: { type: account-id, default: 012345678901 }
  |                                         ^^^^^^^^^^^^ could mean two things
  |
  = help: write \"012345678901\" if it is text; a number is written in plain decimal digits";
    assert_eq!(shown("ambiguous-yaml--account.yaml"), expected);
}

#[test]
fn what_is_not_there_may_not_flow_into_what_must_be() {
    let expected = "\
error[wrong-type]: `deliver_to` must be there, and this may be nothing
 --> wrong-type--absent.yaml:8:95
  |
8 | ...{ user: alice, deliver_to: \"${{ inputs.where }}\" } }
  |                                ^^^^^^^^^^^^^^^^^^^ may be nothing
  |
  = help: mark the input `required: true`, give it a `default`, or ask for it: `if: has(inputs.NAME)`";
    assert_eq!(shown("wrong-type--absent.yaml"), expected);
}

#[test]
fn a_missing_key_says_which_account_was_asked() {
    let expected = "\
error[nothing-found]: no access key AKIAIOSFODNN7EXAMPLE is known to this account
  --> nothing-found.yaml:10:12
   |
10 |   key: ${{ inventory.access_key(\"AKIAIOSFODNN7EXAMPLE\") }}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ looked for here
   |
   = help: check the id, and that the credentials in use are for the account it belongs to (they are for 012345678901)";
    assert_eq!(shown("nothing-found.yaml"), expected);
}

#[test]
fn the_actions_of_these_tests_are_a_vocabulary() {
    assert_eq!(playbook::faults(&ACTIONS), Vec::<String>::new());
}

#[test]
fn a_planned_rotation_is_refused_when_it_is_read_and_a_breach_is_the_default() {
    let new_key = "\
portcullis: 1
name: routine
title: Routine
MODE
steps:
  - id: new-key
    phase: rotate
    uses: iam.access-key.replace
    with: { user: alice, deliver_to: prod/key }
";
    // It needs no cut, and is not run: said by whatever reads it, once.
    let problems = read(&new_key.replace("MODE", "mode: planned")).unwrap_err();
    assert_eq!(
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
        [Code::ModePlanned]
    );
    for mode in ["mode: breach", ""] {
        let problems = read(&new_key.replace("MODE", mode)).unwrap_err();
        assert_eq!(problems[0].code, Code::IssuesWithoutCut, "{mode}");
    }
}

#[test]
fn the_gate_asks_for_enforced_unless_the_file_says_settled() {
    let asked = |text: &str| {
        let (read, _) = read_shipped(text).unwrap();
        (read.gate.proof, read.gate.margin.as_secs(), read.gate.place.is_some())
    };
    let gate = "gate:\n  proof: enforced\n  margin: 60s\n";
    assert!(SHIPPED.contains(gate));
    assert_eq!(asked(SHIPPED), (Proof::Enforced, 60, true));
    assert_eq!(asked(&SHIPPED.replace(gate, "")), (Proof::Enforced, 60, false));
    let settled = SHIPPED.replace("proof: enforced", "proof: settled");
    assert_eq!(asked(&settled), (Proof::Settled, 60, true));
    for proof in ["read-back", "silent", "none"] {
        let lower = SHIPPED.replace("proof: enforced", &format!("proof: {proof}"));
        assert!(read_shipped(&lower).is_err());
    }
}

#[test]
fn values_with_expressions_in_them_are_checked_when_they_are_known() {
    let text = "\
portcullis: 1
name: mixed
title: Mixed
inputs:
  team: { type: text, required: true }
  first: { type: text, required: true }
steps:
  - id: keys-off
    phase: contain
    uses: iam.access-key.deactivate
    with:
      user: ci-${{ inputs.team }}-deploy
      keys: [AKIAI44QH8DHBEXAMPLE, \"${{ inputs.first }}\"]
";
    let (playbook, _) = read(text).unwrap();
    let inventory = inventory();
    let targets = BTreeMap::new();
    let evaluate = |team: &str, first: &str, field: &str| {
        let inputs =
            BTreeMap::from([("team".to_owned(), json!(team)), ("first".to_owned(), json!(first))]);
        let scope = Scope {
            inputs: &inputs,
            targets: &targets,
            inventory: &inventory,
            each: None,
            spent: &Spent::default(),
        };
        playbook.steps[0].field(field).unwrap().evaluate(&scope).map_err(|p| p.to_string())
    };
    let value = |value| Ok(Evaluated::Value(value));
    assert_eq!(evaluate("build", KEY, "user"), value(json!("ci-build-deploy")));
    assert_eq!(evaluate("build", KEY, "keys"), value(json!(["AKIAI44QH8DHBEXAMPLE", KEY])));
    let error = evaluate("two words", KEY, "user").unwrap_err();
    assert!(error.starts_with("playbook.yaml:12:13: error[wrong-type]: `user` wants"), "{error}");
    let error = evaluate("build", "none", "keys").unwrap_err();
    assert!(error.starts_with("playbook.yaml:13:37: error[wrong-type]: `keys` wants"), "{error}");
}
