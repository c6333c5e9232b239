//! Playbooks that somebody wrote to hurt the reader: each is a clear error, soon, and no panic.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis::action::catalog::Actions;
use portcullis::cli;
use portcullis::diagnostic::{Code, Diagnostic, Diagnostics, Source};
use portcullis::playbook::{self, Playbook};

use super::{ACTIONS, SHIPPED, read};

const HEAD: &str = "portcullis: 1\nname: hostile\ntitle: Hostile\n";

/// Reads, and gives the codes of what is wrong. What is shown of it is bounded; that the work is, is seen by
/// these tests ending at all.
fn codes(text: &str) -> Vec<Code> {
    let problems = match read(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    let shown = cli::diagnostics::text(&Diagnostics::from(problems.clone()), false);
    assert!(shown.len() < 200_000, "{} bytes are shown", shown.len());
    let unsafe_character = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(unsafe_character), "{shown:?}");
    for problem in &problems {
        assert!(problem.message.len() < 1_000, "{} bytes of message", problem.message.len());
    }
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn alias_bombs_are_refused_before_any_of_it_is_put_in() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(bomb, "a{i}: &a{i} [{aliases}]").unwrap();
    }
    let refused = codes(&bomb);
    assert!(refused.len() > 10, "{refused:?}");
    assert!(refused.iter().all(|code| *code == Code::UnsupportedYaml), "{refused:?}");
    // Reading goes on behind what is refused, and not without end.
    let many = format!("{HEAD}counters: [{}]\n", "&a x, *a, !x y, ".repeat(10_000));
    assert_eq!(codes(&many).len(), 16);
}

#[test]
fn depth_is_refused_before_it_costs_stack() {
    assert_eq!(codes(&"[".repeat(1_000_000)), [Code::TooLarge]);
    assert_eq!(codes(&"{a: ".repeat(200_000)), [Code::TooLarge]);
    let block: Vec<String> = (0..1_000).map(|i| format!("{}a:", " ".repeat(i))).collect();
    let block = block.join("\n");
    assert_eq!(codes(&block), [Code::TooLarge]);
    assert_eq!(codes(&"- ".repeat(400_000)), [Code::TooLarge]);
    let dashes = format!("{HEAD}counters: {}\n", "? ".repeat(10_000));
    assert!(matches!(
        codes(&dashes).as_slice(),
        [Code::TooLarge | Code::NotYaml | Code::UnsupportedYaml]
    ));
}

#[test]
fn length_is_refused_before_it_is_read() {
    let scalar = format!("{HEAD}help: {}\n", "x".repeat(20_000_000));
    assert_eq!(codes(&scalar), [Code::TooLarge]);
    let step = "  - { id: a, phase: contain, uses: iam.user.quarantine, with: { user: a } }\n";
    let steps = format!("{HEAD}steps:\n{}", step.repeat(100_000));
    assert_eq!(codes(&steps), [Code::TooLarge]);
    let short = format!("{HEAD}steps:\n{}", "- a\n".repeat(100_000));
    assert_eq!(codes(&short), [Code::TooLarge]);
    let steps = format!("{HEAD}steps:\n{}", step.repeat(1_001));
    assert_eq!(codes(&steps), [Code::TooLarge]);
    let title = format!("portcullis: 1\nname: a\ntitle: {}\nsteps: []\n", "x".repeat(1_000_000));
    assert_eq!(codes(&title), [Code::BadValue]);
}

#[test]
fn a_thousand_wrong_steps_are_reported_soon() {
    let step = "  - { idd: a, phase: contian, usess: iam.user.quarantin, needs: [bb, cc, dd] }\n";
    let steps = format!("{HEAD}steps:\n{}", step.repeat(1_000));
    assert!(codes(&steps).len() >= Diagnostics::AT_MOST);
    let same = "  - { id: a, phase: contain, uses: iam.user.quarantine, with: { user: a } }\n";
    assert_eq!(codes(&format!("{HEAD}steps:\n{}", same.repeat(1_000))).len(), 999);
    let chain: Vec<String> = (0..1_000)
        .map(|i| {
            let next = (i + 1) % 1_000;
            format!(
                "  - {{ id: s{i}, phase: contain, uses: iam.user.quarantine, \
                 with: {{ user: a }}, needs: [s{next}] }}"
            )
        })
        .collect();
    assert_eq!(codes(&format!("{HEAD}steps:\n{}\n", chain.join("\n"))), [Code::Cycle]);
}

#[test]
fn characters_that_are_no_text_are_refused() {
    // They hide nothing else: these are no whole playbooks.
    for text in ["portcullis: 1\0\n", "title: \"\u{1b}[2J\"\n"] {
        let codes: BTreeSet<Code> = codes(text).into_iter().collect();
        assert_eq!(codes, BTreeSet::from([Code::MissingKey, Code::NotYaml]), "{text:?}");
    }
    // Nor does what is no text, but where it is not text at all.
    let of_bytes = |bytes: Vec<u8>| -> Vec<String> {
        let problems = playbook::read(&Source::from_bytes("p", bytes), &ACTIONS).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    };
    let said = of_bytes(b"portcullis: 1\nnmae: a\ntitle: \xff\nsteps: [\xe9]\n".to_vec());
    let expected = [
        "p:1:1: error[missing-key]: the playbook has no `name`",
        "p:2:1: error[unknown-key]: the playbook has no key `nmae`",
        "p:3:8: error[not-yaml]: the file is not UTF-8: byte 0xFF is not part of any character",
        "p:4:9: error[not-yaml]: the file is not UTF-8: byte 0xE9 is not part of any character",
    ];
    assert_eq!(said, expected);
    assert_eq!(of_bytes(vec![0xff; 1000]).len(), 1);
    // Escapes make characters that the file itself does not have.
    let escaped = format!("{HEAD}st\\u001beps: []\n\"a\\e[31m\": 1\n");
    assert!(codes(&escaped).contains(&Code::UnknownKey));
}

#[test]
fn expressions_cannot_exhaust_the_stack_or_the_clock() {
    let of = |expression: &str| {
        codes(&format!(
            "{HEAD}inputs: {{ l: {{ type: list of text, required: true }} }}\n\
             targets:\n  t: '${{{{ {} }}}}'\nsteps: []\n",
            expression.replace('\'', "\"")
        ))
    };
    for (open, close) in [("(", ")"), ("[", "]"), ("size(", ")"), ("l[", "]"), ("!(", ")")] {
        for n in [8, 20, 24, 25, 100, 10_000] {
            let expression = format!("{}1{}", open.repeat(n), close.repeat(n));
            assert!(!of(&expression).is_empty(), "{open} {n}");
        }
    }
    for chain in ["1 + ", "true || ", "-", "!", "true ? 1 : ", "inputs.l.", "1 in ", "a."] {
        for n in [20, 50, 150, 1_000, 100_000] {
            let expression = format!("{}1", chain.repeat(n));
            assert!(!of(&expression).is_empty(), "{chain} {n}");
        }
    }
    let loops = "inputs.l.all(a, inputs.l.all(b, inputs.l.all(c, a == b && b == c)))";
    assert!(of(loops).contains(&Code::ExpressionCost));
    assert!(of("inputs.l.map(inputs, inputs)").contains(&Code::BadExpression));
    for nonsense in ["\u{7f}", "''", "\"\"\"", "a..b", "}}", "${{", "\\", "@", "`a`", "r'\\", "?:"]
    {
        assert!(!of(nonsense).is_empty(), "{nonsense}");
    }
}

#[test]
fn many_expressions_are_refused_after_the_first_hundreds() {
    let targets: Vec<String> =
        (0..900).map(|i| format!("  t{i}: ${{{{ inventory.access_key('AKIA') }}}}")).collect();
    let targets = targets.join("\n");
    let found = codes(&format!("{HEAD}targets:\n{targets}\nsteps: []\n"));
    assert!(found.contains(&Code::TooLarge));
    let many = "${{ 1 }}".repeat(50_000);
    let title = format!("{HEAD}targets:\n  t: \"{many}\"\nsteps: []\n");
    assert!(!codes(&title).is_empty());
}

/// A playbook with one of everything, short enough to be mutated often.
const EVERYTHING: &str = "\
portcullis: 1
name: every-thing
title: \"One of \\u00e9verything\"
mode: breach
counters: [T1078, 'T1552.001']
inputs:
  key:
    type: access-key-id
    required: true
    help: >-
      folded
      help
  at: { type: timestamp, default: 2026-03-19T00:00:00Z }
targets:
  owner: ${{ inventory.access_key(inputs.key).user }}
gate: { proof: settled, margin: 2m }
limits: { changes: 20 } # a comment
steps:
  - id: cut
    phase: contain
    uses: iam.user.quarantine
    with: { user: \"${{ targets.owner }}\" }
  - id: keys
    phase: contain
    needs: [cut]
    uses: iam.access-key.deactivate
    with:
      user: |-
        ${{ targets.owner }}
      keys: [AKIAIOSFODNN7EXAMPLE, '${{ inputs.key }}']
";

/// The least there is, to be mutated most often.
const LEAST: &str = "\
portcullis: 1
name: least
title: 'The least'
targets: { a: \"${{ 'x' }}\" }
steps:
  - { id: cut, phase: contain, uses: iam.user.quarantine, with: { user: \"${{ targets.a }}\" } }
";

/// Without an expression, which take the most time: all the more often the YAML is mutated.
const PLAIN: &str = "\
portcullis: 1
name: plain
title: >
  Folded and
  plain
limits: {changes: 5}
steps:
- id: \"cut\" # quoted
  phase: contain
  uses: iam.access-key.deactivate
  with:
    user: 'ada'
    keys: [
      AKIAIOSFODNN7EXAMPLE,
      \"AKIAI44QH8DHBEXAMPLE\" ]
";

fn mutate(random: &mut fastrand::Rng, text: &str) -> String {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "#",
        " #",
        "&a ",
        "*a",
        "!x ",
        "!!str ",
        "|",
        ">",
        "|-\n",
        "'",
        "\"",
        "%",
        "@",
        "`",
        "-",
        "- ",
        "?",
        "? ",
        "\n",
        "\n\n",
        " ",
        "  ",
        "\t",
        "\\",
        "\\x41",
        "\\u263a",
        "é",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "~",
        "<<: ",
        "---\n",
        "...\n",
        "${{ ",
        " }}",
        "no",
        "yes",
        "0755",
        "0x1F",
        "1_000",
        "1e3",
        ".5",
        ".inf",
        "null",
        "12:30",
        "2026-01-01",
        "=",
        "\r\n",
        "\r",
        "\0",
        "\u{1b}",
        "''",
        "\"\"",
        "{}",
        "[]",
        "inputs.",
        "(",
        ")",
        " + 1",
        "true",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(1..5) {
        if chars.is_empty() {
            break;
        }
        let at = random.usize(..chars.len());
        match random.u8(..6) {
            0 => {
                chars.remove(at);
            }
            1 => chars[at] = chars[random.usize(..chars.len())],
            2 | 3 => {
                let piece = PIECES[random.usize(..PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
            4 => {
                let end = (at + random.usize(1..40)).min(chars.len());
                let part: Vec<char> = chars[at..end].to_vec();
                let to = random.usize(..=chars.len());
                chars.splice(to..to, part);
            }
            _ => {
                let end = (at + random.usize(1..20)).min(chars.len());
                chars.drain(at..end);
            }
        }
    }
    chars.into_iter().collect()
}

/// What another reader takes an accepted playbook for must be what we take it for.
fn assert_others_read_the_same(text: &str, playbook: &Playbook) {
    let other: serde_yaml::Value =
        // A byte order mark is no content; that reader takes it for a document of its own.
        serde_yaml::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))
            .unwrap_or_else(|error| panic!("{error}: {text:?}"));
    assert_eq!(other["name"], playbook.name.as_str());
    assert_eq!(other["title"], playbook.title.as_str());
    let inputs = other["inputs"].as_mapping().map_or(0, serde_yaml::Mapping::len);
    assert_eq!(inputs, playbook.inputs.len());
    let steps = other["steps"].as_sequence().unwrap();
    assert_eq!(steps.len(), playbook.steps.len());
    for (other, step) in steps.iter().zip(&playbook.steps) {
        assert_eq!(other["id"], step.id.as_str());
        assert_eq!(other["phase"], step.phase.as_str());
        assert_eq!(other["uses"], step.uses.as_str());
        let with = other["with"].as_mapping().map_or(0, serde_yaml::Mapping::len);
        assert_eq!(with, step.with.len());
    }
    for (name, target) in other["targets"].as_mapping().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let ours = playbook.targets.iter().find(|target| target.name == name).unwrap();
        assert_eq!(target.as_str().unwrap().trim(), format!("${{{{{}}}}}", ours.expression.text()));
    }
}

/// Mutates and reads once for each seed; gives how many were accepted, and every code seen.
fn mutate_and_read(seeds: impl Iterator<Item = u64>) -> (usize, BTreeSet<Code>) {
    let mut accepted = 0;
    let mut found = BTreeSet::new();
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let base = match seed % 64 {
            0 => SHIPPED,
            1..=2 => EVERYTHING,
            3..=8 => LEAST,
            _ => PLAIN,
        };
        let text = mutate(&mut random, base);
        let source = Source::new("mutated.yaml", text.as_str());
        let result = catch_unwind(AssertUnwindSafe(|| match base {
            SHIPPED => playbook::read(&source, &Actions::new()),
            _ => playbook::read(&source, &ACTIONS),
        }));
        let Ok(result) = result else { panic!("seed {seed} panics: {text:?}") };
        let problems = match result {
            Ok((playbook, _)) => {
                accepted += 1;
                assert_others_read_the_same(&text, &playbook);
                continue;
            }
            Err(problems) => problems,
        };
        assert!(!problems.is_empty(), "seed {seed} is refused without a reason: {text:?}");
        for Diagnostic { primary, .. } in &problems {
            let place = &primary.as_ref().expect("a file has places").place;
            assert!(place.range().end <= text.len(), "seed {seed}");
        }
        found.extend(problems.iter().map(|problem| problem.code));
        if seed % 16 == 0 {
            let shown = cli::diagnostics::text(&problems.into(), false);
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "seed {seed}");
        }
    }
    (accepted, found)
}

/// The same on both of two processors.
fn mutate_and_read_all(seeds: std::ops::Range<u64>) -> (usize, BTreeSet<Code>) {
    std::thread::scope(|scope| {
        let half = seeds.clone().filter(|seed| seed / 64 % 2 == 0);
        let half = scope.spawn(|| mutate_and_read(half));
        let (b, mut found) = mutate_and_read(seeds.filter(|seed| seed / 64 % 2 == 1));
        let (a, other) = half.join().unwrap();
        found.extend(other);
        (a + b, found)
    })
}

/// How many, unless a soak asks for more: `PORTCULLIS_MUTATIONS=1000000 cargo test --test it mutated`.
const MUTATIONS: u64 = 100_000;

#[test]
fn mutated_playbooks_are_accepted_or_refused_and_never_panic() {
    let asked = std::env::var("PORTCULLIS_MUTATIONS").map(|n| n.parse().expect("a number"));
    let cases = asked.unwrap_or(MUTATIONS);
    let (accepted, found) = mutate_and_read_all(0..cases);
    println!("{cases} mutated playbooks: {accepted} accepted, {} codes", found.len());
    // The mutations are neither all harmless nor all fatal.
    assert!(accepted as u64 > cases / 50, "{accepted} of {cases} accepted");
    assert!(found.len() > 8, "{found:?}");
}

#[test]
fn the_unmutated_playbooks_are_right() {
    for text in [EVERYTHING, LEAST, PLAIN] {
        assert!(read(text).is_ok(), "{:?}", read(text).map(|_| ()));
    }
}
