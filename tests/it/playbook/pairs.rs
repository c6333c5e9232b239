//! Two mistakes at once: each is reported as if it were alone.
//!
//! Every mistake is a change to one playbook that is right. All pairs of them are read, and what either says
//! alone must be said of both together. What stops the reading of a file (no YAML, too large) is not among
//! them: after it nothing that follows could be trusted.

use std::collections::BTreeSet;

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
const MISTAKES: &[(&str, &str, &str)] = &[
    ("portcullis: 1", "portcullis: 2", "unsupported-version"),
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
    // What an expression that is wrong, or a file that is not there, uses is not known.
    let of_expressions = ["bad-expression", "bad-include", "expression-cost", "unknown-reference"];
    if MISTAKES[quiet].2 == "unused-target" && of_expressions.contains(&MISTAKES[other].2) {
        return true;
    }
    let (quiet, other) = (MISTAKES[quiet].1, MISTAKES[other].1);
    let pairs = [
        ("kyes", "id: cut", "the step is called by its other name"),
        ("[last]", "someday", "when the other runs is not known"),
        ("secret-id }", "", "nothing flows into a field that is not there"),
        ("if: each", "inputs.users.map", "what the items are is not known"),
        ("if: each", "for_each: *who", "what the items are is not known"),
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

#[test]
fn no_mistake_hides_another() {
    assert_eq!(said(RIGHT), BTreeSet::new());
    let alone: Vec<BTreeSet<String>> = MISTAKES
        .iter()
        .map(|(from, to, code)| {
            assert!(RIGHT.contains(from), "{from}");
            let said = said(&RIGHT.replacen(from, to, 1));
            let own = format!("{code}: ");
            assert!(said.iter().any(|said| said.starts_with(&own)), "{to}: {said:?}");
            said
        })
        .collect();
    let (mut pairs, mut hidden) = (0, Vec::new());
    for (a, (from, to, _)) in MISTAKES.iter().enumerate() {
        let one = RIGHT.replacen(from, to, 1);
        for (b, (from, to, _)) in MISTAKES.iter().enumerate() {
            // Both in one place are one mistake.
            let (other, _, _) = MISTAKES[a];
            if !one.contains(from) || other.contains(from) || from.contains(other) {
                continue;
            }
            pairs += 1;
            let both = said(&one.replacen(from, to, 1));
            for (which, other) in [(a, b), (b, a)] {
                if !alone[which].is_subset(&both) && !says_nothing_beside(which, other) {
                    let missing: Vec<_> = alone[which].difference(&both).collect();
                    hidden.push(format!("{missing:?} is hidden by {:?}", MISTAKES[other].1));
                }
            }
        }
    }
    hidden.sort();
    hidden.dedup();
    println!("{pairs} pairs of mistakes, each said in full");
    assert!(pairs > 700, "{pairs}");
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
}
