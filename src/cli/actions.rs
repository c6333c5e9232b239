//! `portcullis actions`: what a playbook can do, told from the catalog.
//!
//! The same rows drive the checker, the plan and the JSON Schema, so this cannot say something else than
//! they do. `docs/actions.md` is this in Markdown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{self, ActionsFormat};
use super::diagnostics;
use super::exit::{Exit, Failure};
use super::view::{self, Style};
use crate::action::About;
use crate::action::catalog;
use crate::diagnostic::nearest;
use crate::playbook::ActionShape;

const PREFACE: &str = "\
# Actions

What a step of a playbook can do (`uses:`), and everything said about it. This page is printed by the program itself:
`portcullis actions --format markdown`. About one of them: `portcullis actions KIND`.

What an action *cuts* may stand before the gate. What it *issues*, *delivers*, *lifts* or *destroys* stands behind it.

*Tested* names tests of each, most of which let pairs of its calls fail, lose their answers, or kill the program there, and judge the
world that a resumption ends in: `cargo test --test it NAME`.
";

pub(super) fn actions(args: &args::Actions) -> Result<Exit, Failure> {
    let mut chosen: Vec<(ActionShape, About)> =
        catalog::all().iter().map(|action| (action.shape(), action.about())).collect();
    if let Some(kind) = &args.kind {
        let kinds: Vec<&str> = chosen.iter().map(|(shape, _)| shape.kind).collect();
        if !kinds.contains(&kind.as_str()) {
            let help = match nearest(kind, kinds.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the actions are: {}", kinds.join(", ")),
            };
            let what = format!("there is no action `{}`", view::plain(kind));
            return Err(Failure::new(Exit::Usage, what, help));
        }
        chosen.retain(|(shape, _)| shape.kind == kind);
    }
    view::out(&match args.format {
        ActionsFormat::Json => diagnostics::printed(&json!({
            "version": 1,
            "actions": chosen.iter().map(|(shape, about)| as_json(shape, about)).collect::<Vec<_>>(),
        })),
        ActionsFormat::Markdown => markdown(&chosen, args.kind.is_none()),
        ActionsFormat::Text if args.kind.is_some() => {
            chosen.iter().map(|(shape, about)| one(shape, about)).collect()
        }
        ActionsFormat::Text => list(&chosen),
    });
    if args.format == ActionsFormat::Text && args.kind.is_none() {
        view::hint("\nNext: portcullis actions KIND says all about one of them\n");
    }
    Ok(Exit::Done)
}

fn words<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(all: &[(ActionShape, About)]) -> String {
    let longest = all.iter().map(|(shape, _)| shape.kind.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (shape, _) in all {
        let kind = Style::Strong.paint(&format!("{:<longest$}", shape.kind));
        let _ =
            writeln!(text, "{kind}  {}  {}", shape.title, Style::Faint.paint(&words(shape.phases)));
    }
    text
}

fn one(shape: &ActionShape, about: &About) -> String {
    let mut text = format!("{}: {}\n", Style::Strong.paint(shape.kind), shape.title);
    let heading = |text: &mut String, heading: &str| {
        let _ = writeln!(text, "\n{}", Style::Strong.paint(heading));
    };
    let _ = writeln!(text, "\n  phases   {}", words(shape.phases));
    let _ = writeln!(text, "  effects  {}", words(shape.effects));
    heading(&mut text, "It takes, under `with`");
    for field in shape.fields {
        let needed = field.needed().replace('`', "");
        let _ = writeln!(text, "  {} ({needed}): {}", field.name, field.help);
        let _ = writeln!(text, "      {}", Style::Faint.paint(&field.ty.to_string()));
    }
    heading(&mut text, "What it may break");
    for hazard in about.hazards {
        let _ = writeln!(text, "  - {hazard}");
    }
    heading(&mut text, "How it is taken back");
    let _ = writeln!(text, "  {}", about.undo);
    heading(&mut text, "Permissions it may need");
    for permission in about.permissions {
        let _ = writeln!(text, "  {permission}");
    }
    if about.permissions.is_empty() {
        text.push_str("  none\n");
    }
    heading(&mut text, "In the words of MITRE");
    let _ = writeln!(text, "  carries out  {} (D3FEND)", words(about.d3fend));
    let _ = writeln!(text, "  counters     {} (ATT&CK)", words(about.counters));
    heading(&mut text, "How it is tested");
    for test in about.tested {
        let _ = writeln!(text, "  {test}");
    }
    text
}

fn as_json(shape: &ActionShape, about: &About) -> Value {
    let inputs: Vec<Value> = shape
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name,
                "type": field.ty.to_string(),
                "required": field.required,
                "when": field.when.map(|choice| choice.to_string()),
                "help": field.help,
            })
        })
        .collect();
    json!({
        "kind": shape.kind,
        "title": shape.title,
        "phases": shape.phases,
        "effects": shape.effects,
        "inputs": inputs,
        "permissions": about.permissions,
        "undo": about.undo,
        "hazards": about.hazards,
        "d3fend": about.d3fend,
        "attack": about.counters,
        "tested": about.tested,
    })
}

fn markdown(all: &[(ActionShape, About)], whole: bool) -> String {
    let mut text = String::new();
    if whole {
        text.push_str(PREFACE);
        text.push_str("\n| action | what it does | phases |\n|---|---|---|\n");
        for (shape, _) in all {
            let link = shape.kind.replace('.', "");
            let phases = words(shape.phases);
            let _ = writeln!(text, "| [`{}`](#{link}) | {} | {phases} |", shape.kind, shape.title);
        }
    }
    let code = |all: &[&str]| all.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
    for (shape, about) in all {
        let _ = writeln!(text, "\n## {}\n\n{}.\n", shape.kind, shape.title);
        let _ = writeln!(text, "- **Phases**: {}", words(shape.phases));
        let _ = writeln!(text, "- **Effects**: {}", words(shape.effects));
        let _ = writeln!(text, "- **Permissions**: {}", code(about.permissions));
        let _ = writeln!(text, "- **Taken back**: {}", about.undo);
        let _ = writeln!(text, "- **D3FEND**: {}", words(about.d3fend));
        let _ = writeln!(text, "- **ATT&CK**: {}", words(about.counters));
        let _ = writeln!(text, "- **Tested**: {}", code(about.tested));
        text.push_str("\n| under `with` | | what it is |\n|---|---|---|\n");
        for field in shape.fields {
            let needed = field.needed();
            let _ =
                writeln!(text, "| `{}` | {needed} | {}: {} |", field.name, field.help, field.ty);
        }
        text.push_str("\nWhat it may break:\n\n");
        for hazard in about.hazards {
            let _ = writeln!(text, "- {hazard}");
        }
    }
    text
}
