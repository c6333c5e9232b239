//! `portcullis check`: is the playbook right?

use super::args;
use super::exit::{Exit, Failure};
use super::{sources, view};

pub(super) fn check(args: &args::Check) -> Result<Exit, Failure> {
    let playbook = sources::playbook(&args.playbook)?;
    let inputs: Vec<String> = playbook
        .inputs
        .iter()
        .filter(|input| input.required)
        .map(|input| format!(" -i {}=...", input.name))
        .collect();
    view::out(&format!(
        "{} is right: {} steps.\nNext: portcullis rehearse {path}, or portcullis plan {path}{}\n",
        playbook.source.name(),
        playbook.steps.len(),
        inputs.concat(),
        path = args.playbook.display(),
    ));
    Ok(Exit::Done)
}
