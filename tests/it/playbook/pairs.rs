//! Two mistakes at once: each is reported as if it were alone.
//!
//! Every mistake is a change to one playbook that is right. All pairs of them are read, and what either says
//! alone must be said of both together. Another version of the language is not among them: what that means by its
//! words nobody knows. What stops the reading of a file (no YAML, too large) is not among
//! them: after it nothing that follows could be trusted. What stands above it is said all the same.

use std::collections::BTreeSet;

use portcullis::diagnostic::{Code, Diagnostic, Source};
use portcullis::playbook::{Given, GivenInputs};

use super::given::asks_for_much;
use super::read;

const RIGHT: &str = "\
portcullis: 1
name: pair
title: A pair
mode: breach
counters: [T1078]
inputs:
  key: { type: access-key-id, required: true }
  users: { type: list of user-name, default: [ada], max_items: 3 }
  where: { type: secret-id, required: true }
targets:
  owner: ${{ inventory.access_key(inputs.key).user }}
  same: ${{ targets.owner }}
gate: { proof: settled, margin: 60s }
limits: { changes: 20, percent: 50 }
approvals: { destroy: 2 }
trusted: [{ access_key: AKIAIOSFODNN7EXAMPLE, reason: Ours }]
steps:
  - id: cut
    phase: contain
    for_each: ${{ inputs.users }}
    if: each != 'eve'
    batches: { size: 2 }
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: keys
    phase: contain
    needs: [cut]
    uses: iam.access-key.deactivate
    with: { user: \"${{ targets.same }}\", keys: all }
  - id: new
    phase: rotate
    uses: iam.access-key.replace
    with: { user: \"${{ targets.owner }}\", deliver_to: \"${{ inputs.where }}\" }
  - id: last
    phase: destroy
    uses: iam.access-key.delete
    with: { user: ada, keys: all }
    reason: They are not needed any more
";

/// What stands in the right one, what is written instead, and the code of that.
const MISTAKES: &[Mistake] = &[
    ("name: pair", "name: Pair Of", "bad-value"),
    ("title: A pair\n", "", "missing-key"),
    ("mode: breach", "mode: breach\nmod: breach", "unknown-key"),
    ("[T1078]", "[X1078]", "bad-value"),
    ("type: access-key-id", "type: acces-key-id", "bad-value"),
    ("max_items: 3", "max_items: 0", "bad-value"),
    ("where: { type: secret-id, required: true }", "where: { type: secret-id }", "wrong-type"),
    ("(inputs.key)", "(inputs.kye)", "unknown-reference"),
    ("same: ${{ targets.owner }}", "same: ${{ targets.same }}", "cycle"),
    ("proof: settled", "proof: read-back", "gate-proof"),
    ("changes: 20", "changes: many", "wrong-type"),
    ("percent: 50", "percent: 500", "bad-value"),
    ("destroy: 2 }", "contain: 2 }", "unknown-key"),
    (", reason: Ours", "", "missing-key"),
    ("if: each != 'eve'", "if: each", "wrong-type"),
    ("size: 2", "size: 0", "bad-value"),
    ("iam.user.quarantine", "iam.user.quarantin", "unknown-action"),
    ("\"${{ each }}\"", "\"${{ each + }}\"", "bad-expression"),
    (
        "for_each: ${{ inputs.users }}",
        "for_each: ${{ inputs.users.map(a, inputs.users.map(b, inputs.users.map(c, c))) }}",
        "expression-cost",
    ),
    ("id: keys", "id: cut", "duplicate-id"),
    ("(inputs.key)", "([inputs.key])", "wrong-type"),
    ("(inputs.key)", "(inputs.key, 7)", "bad-expression"),
    ("inventory.access_key(", "inventory.acces_key(", "unknown-reference"),
    ("(inputs.key).user", "(inputs.key).usr", "unknown-reference"),
    ("${{ targets.owner }}\", d", "${{ targets.owner.arn }}\", d", "wrong-type"),
    ("\"${{ targets.same }}\"", "\"${{ targets.same[0] }}\"", "wrong-type"),
    ("\"${{ each }}\"", "\"${{ each.name }}\"", "wrong-type"),
    (
        "if: each != 'eve'",
        "if: inventory.access_keys(each).exists(key, key.activ)",
        "unknown-reference",
    ),
    ("if: each != 'eve'", "if: inventory.access_keys(each).filter(key, key.active)", "wrong-type"),
    ("${{ inputs.users }}", "${{ inputs.users.filter(one, one.nmae != 'eve') }}", "wrong-type"),
    (
        "${{ inputs.users }}",
        "${{ inputs.users.filter(one, inventory.has_pasword(one)) }}",
        "unknown-reference",
    ),
    ("default: [ada]", "default: [a a]", "bad-value"),
    ("default: [ada]", "default: [ada, bob, dan, eve]", "bad-value"),
    ("needs: [cut]", "needs: [cot]", "unknown-reference"),
    ("needs: [cut]", "needs: [last]", "needs-later-phase"),
    ("keys: all }\n  - id: new", "kyes: all }\n  - id: new", "unknown-key"),
    ("phase: rotate", "phase: contain", "gate-order"),
    ("phase: rotate", "phase: destroy", "gate-order"),
    (", deliver_to: \"${{ inputs.where }}\"", "", "missing-key"),
    (
        "phase: destroy\n    uses: iam.access-key.delete",
        "phase: someday\n    uses: iam.access-key.delete",
        "bad-value",
    ),
    ("user: ada", "user: 7", "wrong-type"),
    ("reason: They", "reason: ${{ targets.nobody }} They", "unknown-reference"),
    ("targets:\n", "targets:\n  spare: ${{ inputs.key }}\n", "unused-target"),
    ("inputs:\n", "inputs:\n  ticket: { type: text }\n", "unused-input"),
    ("needs: [cut]", "for_each: [eve, mallory]", "unused-each"),
    ("id: new", "id: new\n    if: inputs.key != 'x' || true", "constant-if"),
    ("id: keys", "id: keys\n    for_each: []", "empty-list"),
    ("needs: [cut]", "needs: [cut, cut]", "listed-twice"),
    ("if: each != 'eve'", "if: \"inventory.has_password('eve eve')\"", "wrong-type"),
    ("user: ada", "user: inputs.kye", "bare-expression"),
    // Of the text itself: what is refused is blanked, and the rest is read as if it were mended.
    ("default: [ada]", "default: &who [ada]", "unsupported-yaml"),
    ("for_each: ${{ inputs.users }}", "for_each: *who", "unsupported-yaml"),
    ("trusted: [", "trusted: !list [", "unsupported-yaml"),
    ("percent: 50", "percent: !!int 50", "unsupported-yaml"),
    ("margin: 60s", "margin: 60s, <<: { within: 60s }", "unsupported-yaml"),
    ("- id: last", "- 7: seven\n    id: last", "unsupported-yaml"),
    ("changes: 20", "changes: .inf", "unsupported-yaml"),
    ("portcullis: 1", "%YAML 1.2\n---\nportcullis: 1", "unsupported-yaml"),
    ("any more\n", "any more\n---\nanother: document\n", "unsupported-yaml"),
    ("title: A pair", "title: A pair\ntitle: Again", "duplicate-key"),
    ("phase: rotate", "phase: rotate\n    phase: rotate", "duplicate-key"),
    ("steps:\n", "steps:\n  - { id: 7 }\nsteps:\n", "duplicate-key"),
    (
        "key: { type: access-key-id, required: true",
        "key: { type: access-key-id, required: yes",
        "ambiguous-yaml",
    ),
    ("percent: 50", "percent: 0x32", "ambiguous-yaml"),
    ("counters:", "on: 1\ncounters:", "ambiguous-yaml"),
    ("trusted:", "include: [nowhere.yaml]\ntrusted:", "bad-include"),
];

/// Pairs of which one rightly says nothing beside the other, by the index of each, with the reason.
fn says_nothing_beside(quiet: usize, other: usize) -> bool {
    let (quiet, other) = (MISTAKES[quiet].1, MISTAKES[other].1);
    let pairs = [
        ("kyes", "id: cut", "the step is called by its other name"),
        ("mallory]", "id: cut", "the step is called by its other name"),
        ("mallory]", "kyes", "the item may belong there"),
        ("for_each: []", "kyes", "the item may belong there"),
        ("mallory]", "for_each: []", "both stand under one key"),
        ("for_each: []", "mallory]", "both stand under one key"),
        ("[last]", "someday", "when the other runs is not known"),
        ("secret-id }", "", "nothing flows into a field that is not there"),
        ("if: each", "inputs.users.map", "what the items are is not known"),
        ("if: each", "for_each: *who", "what the items are is not known"),
        ("each.name", "inputs.users.map", "what the items are is not known"),
        ("each.name", "for_each: *who", "what the items are is not known"),
        ("same[0]", "targets.same }", "what it is, nobody knows"),
        ("mallory]", "same[0]", "the item may belong there"),
        ("for_each: []", "same[0]", "the item may belong there"),
        ("[inputs.key]", "acces-key-id", "what the input is, nobody knows"),
        ("targets.nobody", "include: [nowhere", "it may stand there"),
    ];
    pairs
        .iter()
        .any(|(q, o, _)| quiet.contains(q) && (other == *o || !o.is_empty() && other.contains(o)))
}

/// Everything that is said of a text, without its place, which the other mistake may have moved.
fn said(text: &str) -> BTreeSet<String> {
    match read(text) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    }
    .iter()
    .map(|problem| format!("{}: {}", problem.code, problem.message))
    .collect()
}

/// What is changed in something that is right, what it becomes, and the code of that.
type Mistake = (&'static str, &'static str, &'static str);

/// Makes every mistake alone and beside every other, and gives how many pairs there were, and what was hidden by what.
fn hidden(
    right: &str,
    mistakes: &[Mistake],
    said: fn(&str) -> BTreeSet<String>,
    says_nothing_beside: fn(usize, usize) -> bool,
) -> (usize, Vec<String>) {
    assert_eq!(said(right), BTreeSet::new());
    let alone: Vec<BTreeSet<String>> = mistakes
        .iter()
        .map(|(from, to, code)| {
            assert!(right.contains(from), "{from}");
            let said = said(&right.replacen(from, to, 1));
            let own = format!("{code}: ");
            assert!(said.iter().any(|said| said.starts_with(&own)), "{to}: {said:?}");
            said
        })
        .collect();
    let (mut pairs, mut hidden) = (0, Vec::new());
    for (a, (from, to, _)) in mistakes.iter().enumerate() {
        let one = right.replacen(from, to, 1);
        for (b, (from, to, _)) in mistakes.iter().enumerate() {
            // Both in one place are one mistake.
            let (other, _, _) = mistakes[a];
            if !one.contains(from) || other.contains(from) || from.contains(other) {
                continue;
            }
            pairs += 1;
            let both = said(&one.replacen(from, to, 1));
            for (which, other) in [(a, b), (b, a)] {
                // What a file that is not there uses is not known, nor what a word stands for that nothing explains.
                let unknown = |said: &&String| {
                    (mistakes[other].2 == "bad-include" || mistakes[other].1.contains("*who"))
                        && ["unused-input", "unused-target"]
                            .iter()
                            .any(|code| said.starts_with(code))
                };
                let missing: Vec<_> =
                    alone[which].difference(&both).filter(|said| !unknown(said)).collect();
                if !missing.is_empty() && !says_nothing_beside(which, other) {
                    hidden.push(format!("{missing:?} is hidden by {:?}", mistakes[other].1));
                }
            }
        }
    }
    hidden.sort();
    hidden.dedup();
    (pairs, hidden)
}

#[test]
fn no_mistake_hides_another() {
    let (pairs, hidden) = hidden(RIGHT, MISTAKES, said, says_nothing_beside);
    println!("{pairs} pairs of mistakes, each said in full");
    assert!(pairs > 700, "{pairs}");
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
}

#[test]
fn what_is_no_yaml_hides_nothing_that_stands_above_it() {
    let mut told = 0;
    for (from, to, code) in MISTAKES {
        // Of these nobody knows, before the rest is read; and what follows is then another document's.
        let may_follow = ["unknown-reference", "issues-without-cut"];
        if may_follow.contains(code) || from.contains("title") || to.contains("---\nanother") {
            continue;
        }
        let one = RIGHT.replacen(from, to, 1);
        let both = said(&format!("{one}  - id: more\n    phase: [contain\n    uses: x\n"));
        let hidden: Vec<_> = said(&one).into_iter().filter(|one| !both.contains(one)).collect();
        assert!(hidden.is_empty(), "{to}: {hidden:?} is hidden; {both:?}");
        assert!(both.iter().any(|said| said.starts_with("not-yaml: ")), "{to}: {both:?}");
        told += 1;
    }
    assert!(told > 35, "{told}");
    // Of what may stand below nothing is called missing.
    let only = said("portcullis: 1\nname: short\nsteps: [\n");
    assert!(only.iter().all(|said| said.starts_with("not-yaml: ")), "{only:?}");
}

/// A file of inputs; behind `> ` what is typed beside it, `!` where that cannot be had.
const INPUTS: &str = "\
key: AKIAIOSFODNN7EXAMPLE
at: 2026-03-19T00:00:00Z
users: [alice, dana]
count: 3
account: \"012345678901\"
ticket: \"0815\"
note: seen twice
> where=prod/ci/key
> who=ada
> days=3
";

const OF_INPUTS: &[Mistake] = &[
    ("AKIAIOSFODNN7EXAMPLE", "AKIA", "bad-input"),
    ("key: AKIAIOSFODNN7EXAMPLE\n", "", "bad-input"),
    ("key: AKIAIOSFODNN7EXAMPLE\n", "kye: AKIAIOSFODNN7EXAMPLE\n", "bad-input"),
    ("key: AKIAIOSFODNN7EXAMPLE\n", "key:\n", "bad-input"),
    ("2026-03-19T00:00:00Z", "yesterday", "bad-input"),
    ("2026-03-19T00:00:00Z", "2020-03-19T00:00:00Z", "bad-input"),
    ("[alice, dana]", "[alice, \"b b\", \"c c\"]", "bad-input"),
    ("[alice, dana]", "[alice, eve, rob]", "bad-input"),
    ("[alice, dana]", "{ alice: dana }", "bad-input"),
    ("[alice, dana]", "alice", "bad-input"),
    ("count: 3", "count: three", "bad-input"),
    ("count: 3", "count: 300", "bad-input"),
    ("count: 3", "count: 3.5", "bad-input"),
    ("\"012345678901\"", "012345678901", "ambiguous-yaml"),
    ("\"012345678901\"", "123456789012", "bad-input"),
    ("\"0815\"", "0815", "ambiguous-yaml"),
    ("note: seen", "note: !note seen", "unsupported-yaml"),
    ("note: seen twice", "note: &note seen", "unsupported-yaml"),
    ("note: seen", "note: first\nnote: seen", "duplicate-key"),
    ("at: 20", "at: someday\nat: 20", "bad-input"),
    ("note: seen twice", "note: on", "ambiguous-yaml"),
    ("key: AKIA", "%YAML 1.2\n---\nkey: AKIA", "unsupported-yaml"),
    ("seen twice\n", "seen twice\n---\nmore: inputs\n", "unsupported-yaml"),
    ("where=prod/ci/key", "where=prod ci key", "bad-input"),
    ("> where=prod/ci/key\n", "", "bad-input"),
    ("who=ada", "who=!", "bad-input"),
    ("who=ada", "how=ada", "bad-input"),
    ("days=3", "days=1000", "bad-input"),
];

fn said_of_inputs(text: &str) -> BTreeSet<String> {
    let (typed, file): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("> "));
    let mut given = GivenInputs::default();
    given.give_file(&Source::new("inputs.yaml", file.join("\n") + "\n"));
    for (name, value) in typed.iter().filter_map(|line| line[2..].split_once('=')) {
        match value {
            "!" => {
                given.lacks(name, Diagnostic::error(Code::BadInput, "there is no such variable"));
            }
            value => given.give(name, Given::Typed(value.to_owned())),
        }
    }
    let problems = asks_for_much().bind_inputs(&given).err().unwrap_or_default();
    problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect()
}

#[test]
fn no_input_that_is_wrong_hides_another_whether_it_is_typed_or_in_a_file() {
    let (pairs, hidden) = hidden(INPUTS, OF_INPUTS, said_of_inputs, |_, _| false);
    println!("{pairs} pairs of wrong inputs, each said in full");
    assert!(pairs > 500, "{pairs}");
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
}
