//! What a playbook selects: steps by `if`, items by `for_each`, and what is said of what is left alone.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use portcullis::action::catalog::Actions;
use portcullis::clock::Clock;
use portcullis::diagnostic::{Code, Diagnostic, Source};
use portcullis::inventory::Inventory;
use portcullis::plan::{Plan, SavedPlan};
use portcullis::planning::{self, Planned};
use portcullis::sim::{Cloud, World};
use portcullis::survey::{self, Thought};
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
    planned_in(world, text, &BTreeMap::new(), inputs)
}

fn planned_in(
    world: &str,
    text: &str,
    fragments: &BTreeMap<String, String>,
    inputs: &[(&str, Value)],
) -> Result<SavedPlan, Vec<Diagnostic>> {
    let inputs: BTreeMap<String, Value> =
        inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let world = World::parse(world).unwrap();
    play(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let playbook = stage::read_in(text, fragments);
        stage::plan_of(&cloud, clock, &playbook, &inputs, &stage::terms()).await
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
    assert_eq!(plan.principals.len(), 2);
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
    assert_eq!(all.principals.len(), 2);
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
    assert_eq!(plan(&format!("limits: {{ principals: 2 }}\n{TWO}"), &[]).principals.len(), 2);
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
    assert!(screen.contains("\n1 change. About "), "{screen}");
}

/// Whom a `filter` leaves out the plan names, as it names whom an `if` refuses; but nobody whom another step takes.
#[test]
fn whom_a_filter_leaves_out_stands_in_the_plan() {
    let text = "\
targets:
  ours: ${{ inventory.users().map(user, user.name).filter(name, name != 'backup') }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.ours }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";
    let left = untouched(&plan(text, &[]));
    let backup = "user backup: the `filter` of target `ours` leaves it out (line 6), and no other step takes it";
    assert!(left.iter().any(|one| one == backup), "{left:#?}");
    let other = "  - id: sessions-off
    phase: contain
    for_each: ${{ inventory.users().filter(user, user.path == '/ops/') }}
    uses: iam.user.revoke-sessions
    with: { user: \"${{ each.name }}\" }
";
    let left = untouched(&plan(&format!("{text}{other}"), &[]));
    assert!(!left.iter().any(|one| one.contains("`filter`")), "{left:#?}");
    let roles = other
        .replace("users()", "roles()")
        .replace("user.revoke", "role.revoke")
        .replace("{ user:", "{ role:");
    let left = untouched(&plan(&format!("{text}{}", roles.replace("/ops/", "/none/")), &[]));
    let of_roles = left
        .iter()
        .find(|one| one.contains("the `filter` of step `sessions-off` leaves "))
        .unwrap();
    assert!(of_roles.contains("role incident-responder"), "{of_roles}");
}

/// Of many, each with a reason of its own, none is given as the reason of all; and what many users have in common does
/// not push what matters off the end.
#[test]
fn many_are_told_in_few_lines_of_which_each_is_so() {
    const USERS: usize = 14;
    let dir = tempfile::tempdir().unwrap();
    let trust = |whom: &str| {
        format!(
            "trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::{whom}:root\" }}, Action: \"sts:AssumeRole\" }}] }}"
        )
    };
    let mut world = "world: 1\nnow: 2026-03-24T07:10:00Z\nseed: 3\nresponder: { account: \"111122223333\", role: admin }\naccounts:\n  \"111122223333\":\n    users:\n".to_owned();
    for n in 0..USERS {
        writeln!(world, "      u{n:02}: {{ path: /ci/, keys: [{{ id: AKIAEXAMPLE{n:09} }}] }}")
            .unwrap();
    }
    let (ours, theirs) = (trust("111122223333"), trust("444455556666"));
    writeln!(world, "    roles:\n      admin: {{ {theirs}, attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"] }}\n      auditor: {{ {ours} }}").unwrap();
    std::fs::write(dir.path().join("world.yaml"), world).unwrap();
    let text = playbook(
        "\
steps:
  - id: keys-off
    phase: contain
    for_each: ${{ inventory.users_in_path('/ci/') }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each.name }}\", keys: all }
    reason: Because the pipeline leaked ${{ each.name }}
  - id: nobody
    phase: contain
    for_each: []
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
",
    );
    std::fs::write(dir.path().join("playbook.yaml"), text).unwrap();
    let (folder, cases) = (dir.path().to_str().unwrap(), dir.path().join("cases"));
    let played = portcullis(&["rehearse", folder, "--cases", cases.to_str().unwrap()]);
    let screen = said(&played);
    let plan = screen.split("\nCase ").next().unwrap();
    let why = "why: 14 reasons; of keys-off.1: Because the pipeline leaked u00\n";
    assert!(plan.contains(why), "{plan}");
    let left = plan.split("Not touched").nth(1).unwrap();
    let users = "sessions of role auditor: its trust policy admits u00 (as anyone of the account whose own policies allow \
                 it), and no step cuts them; and 13 alike: u01, u02, u03 and 10 more\n";
    assert!(left.contains(users), "{left}");
    for last in ["step `nobody`", "roles of accounts", "everything else in account"] {
        assert!(left.contains(last), "{left}");
    }
    assert!(!left.contains("--all"), "{left}");
}

#[test]
fn where_every_step_is_skipped_nothing_is_asked_and_no_case_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("idle");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("world.yaml"), WORLD.split("\nrehearsal:").next().unwrap()).unwrap();
    let text = playbook(
        "\
steps:
  - id: quarantine
    phase: contain
    for_each: []
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
",
    );
    std::fs::write(folder.join("playbook.yaml"), text).unwrap();
    let cases = dir.path().join("cases");
    let played =
        portcullis(&["rehearse", folder.to_str().unwrap(), "--cases", cases.to_str().unwrap()]);
    let screen = said(&played);
    assert_eq!(played.status.code(), Some(0), "{screen}");
    assert!(screen.contains("Nothing to do: no step cuts or changes anything"), "{screen}");
    assert!(screen.contains("nothing is cut: step `quarantine` cuts nobody here."), "{screen}");
    assert!(!cases.exists(), "{screen}");

    // Found in the open, active, and cut by nothing: that is no end.
    let found = dir.path().join("found.jsonl");
    let finding = r#"{"SourceMetadata":{"Data":{"Git":{"file":"ci.yml","line":7}}},"DetectorName":"AWS","Verified":true,"Raw":"AKIAEXAMPLELEAKED001"}"#;
    std::fs::write(&found, finding).unwrap();
    let import = format!("--import={}", found.display());
    let played = portcullis(&["rehearse", folder.to_str().unwrap(), &import]);
    let screen = said(&played);
    assert_eq!(played.status.code(), Some(11), "{screen}");
    let open = "no step cuts the access key AKIAEXAMPLELEAKED001 of ci-deploy";
    assert!(screen.contains(open), "{screen}");
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
    let schema = portcullis::playbook::schema(&Actions::new());
    let schema = jsonschema::validator_for(&schema).unwrap();
    let given = [
        ("access_key_id", json!("AKIAEXAMPLELEAKED001")),
        ("user", json!("ci-deploy")),
        ("users", json!(["ci-deploy", "backup"])),
        ("deliver_to", json!("deploy/aws-key")),
        ("since", json!("2026-03-19T00:00:00Z")),
        ("production", json!("backup")),
        ("window", json!("2026-03-28T22:00:00Z")),
        ("provider", json!("arn:aws:iam::111122223333:oidc-provider/build.example")),
        ("supplier", json!("111122223333")),
    ];
    let examples = examples();
    assert!(examples.len() >= 3);
    // An example that begins with its path is a fragment, which the others include.
    let (fragments, examples): (Vec<&str>, Vec<&str>) =
        examples.into_iter().partition(|text| text.starts_with("# "));
    let fragments: BTreeMap<String, String> = fragments
        .into_iter()
        .map(|text| (text[2..].lines().next().unwrap().to_owned(), text.to_owned()))
        .collect();
    assert_eq!(fragments.len(), 1);
    for text in examples {
        let value: Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(objections(&schema, &value), Vec::<String>::new(), "{text}");
        let source = Source::new("language.md", text);
        let warned = portcullis::playbook::read_in(&source, &fragments, &Actions::new()).unwrap().1;
        assert!(warned.is_empty(), "{warned:?}");
        let read = stage::read_in(text, &fragments);
        let wanted = |name: &str| read.inputs.iter().any(|input| input.name == name);
        let inputs: Vec<(&str, Value)> =
            given.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        let plan = planned_in(WORLD, text, &fragments, &inputs).unwrap().plan;
        assert!(!plan.changes.is_empty(), "{text}");
    }
}

/// What an expression gives in the shipped world, told by how many of a list are quarantined.
fn selected(list: &str) -> Result<Vec<String>, (Code, String)> {
    selected_in(WORLD, list)
}

/// The same in another world.
pub(crate) fn selected_in(world: &str, list: &str) -> Result<Vec<String>, (Code, String)> {
    let text = playbook(&format!(
        "steps:\n  - id: quarantine\n    phase: contain\n    for_each: \"${{{{ {list} }}}}\"\n    uses: \
         iam.user.quarantine\n    with: {{ user: \"${{{{ each }}}}\" }}\n"
    ));
    match planned(world, &text, &[]) {
        Ok(saved) => Ok(saved.plan.users().map(ToString::to_string).collect()),
        Err(problems) => Err((problems[0].code, problems[0].message.clone())),
    }
}

/// Whether something is so in the shipped world.
fn holds(condition: &str) -> bool {
    !selected(&format!("{condition} ? ['ci-deploy'] : []")).unwrap().is_empty()
}

#[test]
fn users_are_selected_by_what_the_account_lists() {
    let names = |list: &str| selected(&format!("{list}.map(user, user.name)")).unwrap();
    assert_eq!(names("inventory.users()"), ["backup", "ci-deploy"]);
    assert_eq!(names("inventory.users_in_path('/')"), ["backup", "ci-deploy"]);
    assert_eq!(names("inventory.users_in_path('/ci/')"), ["ci-deploy"]);
    assert_eq!(names("inventory.users_in_path('/c/')"), Vec::<String>::new());
    assert_eq!(names("inventory.users().filter(u, u.path == '/ops/')"), ["backup"]);
    assert!(holds("inventory.users()[0].created_at == '2023-05-02T08:00:00Z'"));
    assert!(holds("inventory.users()[1].arn == 'arn:aws:iam::111122223333:user/ci/ci-deploy'"));
    // What is not known before there is a plan is judged then.
    for wrong in ["/ci", "ci/", ""] {
        let (code, message) =
            selected(&format!("inventory.users_in_path(account + '{wrong}').map(u, u.name)"))
                .unwrap_err();
        assert_eq!(code, Code::WrongType, "{message}");
        assert!(message.contains("wants a path"), "{message}");
    }
}

#[test]
fn credentials_and_roles_of_a_user_can_be_asked_for() {
    assert!(holds(
        "inventory.access_keys('ci-deploy').map(k, k.id) == ['AKIAEXAMPLEHUNGON002', 'AKIAEXAMPLELEAKED001']"
    ));
    assert!(holds("inventory.access_keys('ci-deploy').all(k, k.active)"));
    assert!(holds("inventory.access_keys('backup')[0].created_at == '2025-11-01T08:00:00Z'"));
    assert!(holds("!inventory.has_password('ci-deploy')"));
    assert!(holds("inventory.roles_trusting('ci-deploy') == ['auditor']"));

    let signs_in = WORLD.replace(
        "        groups: [deployers]\n",
        "        groups: [deployers]\n        password: { created_at: 2024-02-01T09:00:00Z }\n",
    );
    assert_ne!(signs_in, WORLD);
    let text = playbook(
        "steps:\n  - id: q\n    phase: contain\n    if: inventory.has_password('ci-deploy')\n    uses: iam.user.quarantine\n    with: { user: ci-deploy }\n",
    );
    assert_eq!(planned(&signs_in, &text, &[]).unwrap().plan.principals.len(), 1);
}

#[test]
fn a_user_that_does_not_exist_has_no_answer_rather_than_an_empty_one() {
    for question in [
        "access_keys('nobody').map(k, 'ci-deploy')",
        "roles_trusting('nobody').map(r, 'ci-deploy')",
    ] {
        let (code, message) = selected(&format!("inventory.{question}")).unwrap_err();
        assert_eq!(
            (code, message.as_str()),
            (Code::NothingFound, "there is no user nobody in this account")
        );
    }
    let (code, _) = selected("inventory.has_password('nobody') ? ['ci-deploy'] : []").unwrap_err();
    assert_eq!(code, Code::NothingFound);
}

#[test]
fn a_listing_that_is_refused_is_not_an_empty_list() {
    let text = playbook(
        "targets:\n  all: ${{ inventory.users() }}\nsteps:\n  - id: q\n    phase: contain\n    for_each: ${{ targets.all }}\n    uses: iam.user.quarantine\n    with: { user: \"${{ each.name }}\" }\n",
    );
    for (listing, text) in [
        ("ListUsers", text.clone()),
        (
            "ListAccessKeys",
            text.replace("inventory.users()", "inventory.access_keys('backup')")
                .replace("each.name", "each.id"),
        ),
        (
            "ListRoles",
            text.replace("inventory.users()", "inventory.roles_trusting('backup')")
                .replace("each.name", "each"),
        ),
        (
            "GetUser",
            text.replace("inventory.users()", "inventory.access_keys('backup')")
                .replace("each.name", "each.id"),
        ),
    ] {
        let line = format!("                  - iam:{listing}\n");
        assert!(WORLD.contains(&line), "{listing}");
        let text =
            text.replace("\"${{ each.id }}\"", "ci-deploy").replace("\"${{ each }}\"", "ci-deploy");
        let problems = planned(&WORLD.replace(&line, ""), &text, &[]).unwrap_err();
        assert_eq!(problems[0].code, Code::CouldNotRead, "{listing}: {}", problems[0].message);
        assert!(problems[0].message.contains(&format!("iam:{listing}")), "{}", problems[0].message);
    }
}

/// The page has a row for every function, and no other.
#[test]
fn every_function_has_its_row() {
    let page = include_str!("../../docs/language.md");
    for function in portcullis::playbook::FUNCTIONS {
        let arguments: Vec<&str> = function.arguments.iter().map(|(name, _)| *name).collect();
        let row = format!("| `inventory.{}({})` |", function.name, arguments.join(", "));
        assert!(page.contains(&row), "{row}");
    }
    assert_eq!(page.matches("\n| `inventory.").count() - 1, portcullis::playbook::FUNCTIONS.len());
}

#[test]
fn a_question_about_every_user_is_asked_about_all_of_them_at_once() {
    let mut many = String::new();
    for n in 0..100 {
        let password = if n % 4 == 0 { "{ created_at: 2024-02-01T09:00:00Z }" } else { "null" };
        writeln!(
            many,
            "      staff-{n:03}: {{ path: /staff/, created_at: 2024-01-10T09:00:00Z, password: {password} }}"
        )
        .unwrap();
    }
    let world = WORLD.replace(
        "      ci-deploy:\n        path",
        &format!("{many}      ci-deploy:\n        path"),
    );
    assert_ne!(world, WORLD);
    let text = playbook(
        "\
targets:
  staff: ${{ inventory.users_in_path('/staff/').filter(u, inventory.has_password(u.name)).map(u, u.name) }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.staff }}
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
",
    );
    let world = World::parse(&world).unwrap();
    play(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let playbook = stage::read(&text);
        let (connection, key) = stage::connect(&cloud, clock);
        let mut inventory = survey::begin(connection.read(), clock, key).await.unwrap();
        let mut rounds = 0;
        let think = |inventory: &Inventory| -> Result<_, Vec<Diagnostic>> {
            rounds += 1;
            Ok(match planning::plan(&playbook, &BTreeMap::new(), inventory, &stage::terms())? {
                Planned::Plan(plan) => Thought::Ready(plan),
                Planned::Needs(wants) => Thought::Needs(wants),
            })
        };
        let plan = survey::until(connection.read(), &mut inventory, think).await.unwrap().unwrap();
        assert_eq!(plan.principals.len(), 25);
        assert!(rounds <= 6, "{rounds} rounds");
        println!("{rounds} rounds, {} questions", inventory.answers.len());
    });
}
