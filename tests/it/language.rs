//! What a playbook selects: steps by `if`, items by `for_each`, and what is said of what is left alone.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::{BTreeMap, BTreeSet};

use portcullis::clock::Clock;
use portcullis::diagnostic::{Code, Diagnostic};
use portcullis::plan::{Plan, SavedPlan};
use portcullis::sim::{Cloud, World};
use serde_json::{Value, json};

use crate::check::{objections, portcullis, said};
use crate::stage::{self, WORLD, play};

/// A playbook with these lines after its head.
fn playbook(body: &str) -> String {
    format!(
        "portcullis: 1\nname: selects\ntitle: Selects\ngate: {{ proof: settled, margin: 60s }}\n{body}"
    )
}

fn planned(
    world: &str,
    text: &str,
    inputs: &[(&str, Value)],
) -> Result<SavedPlan, Vec<Diagnostic>> {
    let inputs: BTreeMap<String, Value> =
        inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let world = World::parse(world).unwrap();
    play(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        stage::plan(&cloud, clock, text, &inputs, &stage::terms()).await
    })
}

fn plan(body: &str, inputs: &[(&str, Value)]) -> Plan {
    planned(WORLD, &playbook(body), inputs).unwrap().plan
}

fn problem(body: &str, inputs: &[(&str, Value)]) -> (Code, String) {
    let problems = planned(WORLD, &playbook(body), inputs).unwrap_err();
    (problems[0].code, problems[0].message.clone())
}

fn changes(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{} {}", change.id, change.target)).collect()
}

fn untouched(plan: &Plan) -> Vec<String> {
    plan.untouched.iter().map(|left| format!("{}: {}", left.what, left.why)).collect()
}

const TWO: &str = "\
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup, ci-deploy]
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";

#[test]
fn a_step_is_taken_once_for_each_item_and_its_changes_are_numbered_through() {
    let both = plan(TWO, &[]);
    assert_eq!(changes(&both), ["quarantine.1 user ci-deploy", "quarantine.2 user backup"]);
    let again = plan(TWO, &[]);
    assert_eq!(serde_json::to_string(&both).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn keys_of_many_users_have_ids_of_their_own() {
    let text = "\
inputs:
  users: { type: list of user-name, required: true }
steps:
  - id: keys-off
    phase: contain
    for_each: ${{ inputs.users }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each }}\", keys: all }
";
    let plan = plan(text, &[("users", json!(["ci-deploy", "backup"]))]);
    let ids: BTreeSet<&str> = plan.changes.iter().map(|change| change.id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["keys-off.1", "keys-off.2", "keys-off.3"]));
    assert_eq!(plan.users.len(), 2);
}

#[test]
fn what_an_if_refuses_is_accounted_for() {
    let text = "\
inputs:
  all: { type: boolean, default: false }
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup]
    if: each.startsWith('ci-') || inputs.all
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: sessions-off
    phase: contain
    if: inputs.all
    uses: iam.user.revoke-sessions
    with: { user: ci-deploy }
";
    let some = plan(text, &[]);
    assert_eq!(changes(&some), ["quarantine.1 user ci-deploy"]);
    assert_eq!(
        untouched(&some)[..2],
        [
            "step `quarantine` for backup: its `if` is false: each.startsWith('ci-') || inputs.all (line 8)",
            "step `sessions-off`: its `if` is false: inputs.all (line 14)",
        ]
    );
    let all = plan(text, &[("all", json!(true))]);
    assert_eq!(all.users.len(), 2);
    assert!(!untouched(&all).iter().any(|left| left.starts_with("step")), "{:?}", untouched(&all));
}

#[test]
fn an_empty_list_is_said_to_be_empty() {
    let text = TWO.replace("[ci-deploy, backup, ci-deploy]", "[]");
    let nobody = plan(&text, &[]);
    assert_eq!(changes(&nobody), Vec::<String>::new());
    assert_eq!(untouched(&nobody)[0], "step `quarantine`: its `for_each` gives nothing (line 6)");
}

const OPTIONAL: &str = "\
inputs:
  deliver_to: { type: secret-id }
  cut: { type: boolean, default: true }
steps:
  - id: quarantine
    phase: contain
    uses: iam.user.quarantine
    with: { user: ci-deploy }
  - id: keys-off
    phase: contain
    if: inputs.cut
    uses: iam.access-key.deactivate
    with: { user: ci-deploy, keys: all }
  - id: sessions-off
    phase: contain
    needs: [keys-off]
    uses: iam.user.revoke-sessions
    with: { user: ci-deploy }
  - id: new-key
    phase: rotate
    if: has(inputs.deliver_to)
    uses: iam.access-key.replace
    with: { user: ci-deploy, deliver_to: \"${{ inputs.deliver_to }}\" }
  - id: lift
    phase: recover
    needs: [new-key]
    uses: iam.user.lift-quarantine
    with: { user: ci-deploy }
";

#[test]
fn behind_the_gate_a_step_that_needs_a_skipped_one_is_skipped_and_a_cut_is_not() {
    let steps = |plan: &Plan| -> BTreeSet<String> {
        plan.changes.iter().map(|change| change.step.to_string()).collect()
    };
    let contained = plan(OPTIONAL, &[("cut", json!(false))]);
    assert_eq!(steps(&contained), ["quarantine", "sessions-off"].map(str::to_owned).into());
    let left = untouched(&contained);
    assert_eq!(left[0], "step `keys-off`: its `if` is false: inputs.cut (line 13)");
    assert_eq!(left[1], "step `new-key`: its `if` is false: has(inputs.deliver_to) (line 23)");
    assert_eq!(left[2], "step `lift`: it needs step `new-key`, which is skipped (line 28)");

    let whole = plan(OPTIONAL, &[("deliver_to", json!("deploy/aws-key"))]);
    assert_eq!(steps(&whole).len(), 5);
}

#[test]
fn a_skipped_cut_is_warned_of_where_something_new_is_handed_out() {
    let inputs = [("cut", json!(false)), ("deliver_to", json!("deploy/aws-key"))];
    // A key that would be used up must be cut first: that is no warning.
    assert_eq!(problem(OPTIONAL, &inputs).0, Code::GateOrder);
    let sessions = OPTIONAL
        .replace("    if: inputs.cut\n", "")
        .replace("    needs: [keys-off]\n", "    if: inputs.cut\n");
    let plan = plan(&sessions, &inputs);
    let warning = "step `sessions-off`, which cuts, is skipped";
    let warned = plan.warnings.iter().any(|w| w.starts_with(warning));
    assert!(warned, "{:?}", plan.warnings);
}

#[test]
fn nothing_is_issued_to_somebody_whose_cut_is_skipped() {
    let text = "\
inputs:
  cut: { type: boolean, default: false }
steps:
  - id: quarantine
    phase: contain
    if: inputs.cut
    uses: iam.user.quarantine
    with: { user: ci-deploy }
  - id: new-key
    phase: rotate
    uses: iam.access-key.replace
    with: { user: ci-deploy, deliver_to: deploy/aws-key }
";
    let (code, message) = problem(text, &[]);
    assert_eq!(code, Code::GateOrder, "{message}");
}

#[test]
fn what_is_not_known_is_not_taken_for_false() {
    let text = "\
steps:
  - id: quarantine
    phase: contain
    if: inventory.access_key('AKIAEXAMPLENOSUCHKEY').user == 'ci-deploy'
    uses: iam.user.quarantine
    with: { user: ci-deploy }
";
    assert_eq!(problem(text, &[]).0, Code::NothingFound);
    // Refused the question, it does not answer it either.
    let blind = WORLD.replace("                  - iam:GetAccessKeyLastUsed\n", "");
    let text = text.replace("AKIAEXAMPLENOSUCHKEY", "AKIAEXAMPLELEAKED001");
    assert_eq!(planned(&blind, &playbook(&text), &[]).unwrap_err()[0].code, Code::CouldNotRead);
    assert_eq!(changes(&plan(&text, &[])), ["quarantine.1 user ci-deploy"]);
}

#[test]
fn more_principals_than_the_playbook_allows_are_refused() {
    let (code, message) = problem(&format!("limits: {{ principals: 1 }}\n{TWO}"), &[]);
    assert_eq!(code, Code::OverLimit);
    assert_eq!(message, "the plan cuts off 2 principals, and the playbook allows 1");
    assert_eq!(plan(&format!("limits: {{ principals: 2 }}\n{TWO}"), &[]).users.len(), 2);
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    let text = "\
inputs:
  numbers: { type: list of integer, required: true }
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ inputs.numbers }}
    uses: iam.user.quarantine
    with: { user: ci-deploy }
";
    let numbers: Vec<i32> = (0..=100_000).collect();
    assert_eq!(problem(text, &[("numbers", json!(numbers))]).0, Code::TooLarge);
}

#[test]
fn an_item_that_cannot_be_planned_is_named() {
    let text = TWO.replace("backup", "nobody");
    let (code, message) = problem(&text, &[]);
    assert_eq!(code, Code::CannotPlan);
    assert!(message.starts_with("step `quarantine` cannot be planned for nobody: "), "{message}");
}

#[test]
fn reasons_and_what_is_skipped_are_on_the_screen_and_the_rest_is_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("selects");
    std::fs::create_dir(&folder).unwrap();
    let world = WORLD.split("\nrehearsal:").next().unwrap();
    std::fs::write(folder.join("world.yaml"), world).unwrap();
    let text = playbook(
        "\
inputs:
  all: { type: boolean, default: false }
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup]
    if: inputs.all || each != 'backup'
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
    reason: Its key was in the build log
    review_by: 2026-04-01T00:00:00Z
",
    );
    std::fs::write(folder.join("playbook.yaml"), text).unwrap();
    let (folder, cases) = (folder.to_str().unwrap(), dir.path().join("cases"));
    let played = portcullis(&["rehearse", folder, "--cases", cases.to_str().unwrap()]);
    let screen = said(&played);
    assert_eq!(played.status.code(), Some(11), "{screen}");
    assert!(screen.contains("why: Its key was in the build log"), "{screen}");
    assert!(screen.contains("to be looked at again by 2026-04-01 00:00 UTC"), "{screen}");
    let left =
        "step `quarantine` for backup: its `if` is false: inputs.all || each != 'backup' (line 8)";
    let not_touched = screen.split("Not touched").nth(1).unwrap();
    assert!(not_touched.contains(left), "{screen}");
    assert!(screen.contains("1 changes; 0 already so"), "{screen}");
}

/// The playbooks that the page of the language shows.
fn examples() -> Vec<&'static str> {
    include_str!("../../docs/language.md")
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_example_of_the_language_can_be_planned_and_is_what_the_schema_wants() {
    let schema = portcullis::playbook::schema(&portcullis::action::catalog::Actions::new());
    let schema = jsonschema::validator_for(&schema).unwrap();
    let given = [
        ("access_key_id", json!("AKIAEXAMPLELEAKED001")),
        ("user", json!("ci-deploy")),
        ("users", json!(["ci-deploy", "backup"])),
        ("deliver_to", json!("deploy/aws-key")),
    ];
    let examples = examples();
    assert!(examples.len() >= 3);
    for text in examples {
        let value: Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(objections(&schema, &value), Vec::<String>::new(), "{text}");
        let wanted = |name: &str| value["inputs"].get(name).is_some();
        let inputs: Vec<(&str, Value)> =
            given.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        let plan = planned(WORLD, text, &inputs).unwrap().plan;
        assert!(!plan.changes.is_empty(), "{text}");
    }
}
