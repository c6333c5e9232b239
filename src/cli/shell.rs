//! `portcullis completions` and `portcullis man`: the command line, told to shells and to `man`.
//!
//! Both are made from the arguments themselves, so neither can promise what is not there.

use clap::CommandFactory;

use super::args::{self, Args};
use super::exit::{Exit, Failure};
use super::view;

pub(super) fn completions(args: &args::Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), env!("CARGO_PKG_NAME"), &mut script);
    view::out(&String::from_utf8_lossy(&script));
    Exit::Done
}

pub(super) fn man(args: &args::Man) -> Result<Exit, Failure> {
    let shown = args.directory.display();
    let written = std::fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), &args.directory));
    written.map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("cannot write man pages into {shown}"),
            "name a directory that can be written",
        )
        .because(&error)
    })?;
    view::hint(&format!("Written. Next: man {shown}/portcullis.1\n"));
    Ok(Exit::Done)
}
