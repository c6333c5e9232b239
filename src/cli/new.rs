//! `portcullis new`: a folder with a playbook that works, a world to rehearse it in, and a page to fill in.
//!
//! What is written is whole: it checks and rehearses before a word of it is changed, so that whoever writes
//! a playbook changes something that runs. Nothing that exists is touched.

use std::io::Write as _;
use std::path::Path;

use super::args;
use super::by_hand::quoted;
use super::exit::{Exit, Failure};
use super::{diagnostics, view};
use crate::action::catalog::Actions;
use crate::ids::StepId;
use crate::playbook;

const FILES: &[(&str, &str)] = &[
    ("playbook.yaml", include_str!("new/playbook.yaml")),
    ("world.yaml", include_str!("new/world.yaml")),
    ("README.md", include_str!("new/README.md")),
];
const SCHEMA: &str = "playbook.schema.json";

pub(super) fn new(args: &args::New) -> Result<Exit, Failure> {
    let name = args.name.as_str();
    // A playbook is called like a step: what `check` takes is decided in one place.
    if StepId::parse(name).is_err() {
        let what = format!("`{}` is not the name of a playbook", view::plain(name));
        return Err(Failure::new(
            Exit::Usage,
            what,
            "lower-case words joined by hyphens, at most 64 characters: stolen-laptop",
        ));
    }
    let folder = args.playbooks.join(name);
    let shown = folder.display().to_string();
    let cannot = |error: &std::io::Error| {
        Failure::new(
            Exit::Refused,
            format!("cannot make {shown}"),
            "choose another name, or another place with --in DIR; nothing that exists is touched",
        )
        .because(error)
    };
    std::fs::create_dir_all(&args.playbooks).map_err(|error| cannot(&error))?;
    std::fs::create_dir(&folder).map_err(|error| cannot(&error))?;
    fill(&folder, name).map_err(|error| {
        // Half of it would stand in the way of the next try. It is ours alone: it was not there before.
        let _ = std::fs::remove_dir_all(&folder);
        cannot(&error)
    })?;
    let (typed, shown) = (quoted(&shown), view::plain(&shown));
    view::hint(&format!(
        "Made {shown}: playbook.yaml, world.yaml, README.md, and {SCHEMA} for your editor.\n\
         Next: portcullis rehearse {typed}\n"
    ));
    Ok(Exit::Done)
}

fn fill(folder: &Path, name: &str) -> std::io::Result<()> {
    // It stands in comments, which end where a line does.
    let shown = view::plain(&folder.display().to_string());
    for (file, text) in FILES {
        write(&folder.join(file), &text.replace("NAME", name).replace("FOLDER", &shown))?;
    }
    let schema = diagnostics::printed(&playbook::schema(&Actions::new()));
    write(&folder.join(SCHEMA), &schema)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}
