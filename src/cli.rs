//! The command line: arguments in, exit code out. The only place that prints or exits.
//!
//! What a command produces goes to standard output; progress, questions and errors go to standard error.
//! Every error is turned into words once, here: what, why, and what to type next.

mod accounts;
mod actions;
mod args;
mod beside;
mod by_hand;
mod cases;
mod check;
mod conduct;
mod credential;
mod cut;
pub mod diagnostics;
mod diff;
mod doctor;
mod earlier;
mod everybody;
mod exit;
mod explain;
mod foretold;
mod found;
mod imports;
mod let_in;
mod live;
mod log;
mod new;
mod next;
mod origin;
mod overtaken;
mod permitted;
mod plan;
mod reach;
mod rehearse;
mod report;
mod responder;
mod resume;
mod round;
mod run;
mod sarif;
mod schema;
mod serve;
mod shell;
mod sources;
mod speaker;
mod status;
mod stop;
mod succession;
mod survey;
mod there;
mod undo;
mod verify;
mod view;
mod word;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

pub use args::Args;
pub use exit::{Exit, Failure};

use args::Command;

use crate::ids::looks_like_a_secret;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let matches = Args::command().try_get_matches();
    let for_a_program = matches.as_ref().map_or_else(|_| asks_for_a_document(), is_for_a_program);
    let parsed = matches.and_then(|matches| Args::from_arg_matches(&matches));
    let args = match parsed {
        Ok(args) => args,
        Err(error) => return mistyped(error, for_a_program),
    };
    stop::survive_file_size_limits();
    if args.quiet {
        view::be_quiet();
    }
    if args.no_color {
        view::without_colour();
    }
    let ended = log::start().and_then(|()| caught(|| carry_out(args)));
    match ended {
        Ok(exit) if !view::all_was_told() => untold(exit).into(),
        Ok(exit) => exit.into(),
        Err(failure) => {
            // One document is enough: what was asked for may have been told before it failed.
            if for_a_program && !view::something_was_told() {
                view::out(&diagnostics::printed(&failure.as_json()));
            }
            failure.print();
            failure.exit.into()
        }
    }
}

/// Whether a command is asked for one JSON document: whichever it is, by what was typed.
fn is_for_a_program(matches: &ArgMatches) -> bool {
    if let Some((_, matches)) = matches.subcommand() {
        return is_for_a_program(matches);
    }
    let format = matches.try_get_raw("format").ok().flatten();
    format.is_some_and(|mut values| values.any(|value| value == "json"))
}

/// The same, of a command line that nobody understands.
fn asks_for_a_document() -> bool {
    let typed: Vec<_> = std::env::args_os().collect();
    typed.iter().any(|word| word == "--format=json")
        || typed.windows(2).any(|words| words[0] == "--format" && words[1] == "json")
}

/// A command line that nobody understands, or that asks for help.
fn mistyped(mut error: clap::Error, for_a_program: bool) -> ExitCode {
    keep_to_itself(&mut error);
    // Help and version are not errors, and clap knows where each belongs.
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done.into();
    }
    let next = "portcullis --help, or portcullis COMMAND --help";
    if for_a_program {
        let what = error.render().to_string();
        let what = what.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        view::out(&diagnostics::printed(&Failure::new(Exit::Usage, what, next).as_json()));
    }
    let _ = error.print();
    Failure::told(Exit::Usage, next).print();
    Exit::Usage.into()
}

/// An external id is not repeated because it was mistyped, nor what looks like a secret wherever it was pasted.
fn keep_to_itself(error: &mut clap::Error) {
    use clap::error::{ContextKind, ContextValue};
    let of = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if of.starts_with("--external-id") && error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String("...".to_owned()));
    }
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand]
    {
        if matches!(error.get(kind), Some(ContextValue::String(typed)) if looks_like_a_secret(typed))
        {
            error.insert(kind, ContextValue::String("...".to_owned()));
        }
    }
}

fn carry_out(args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Check(args) => Ok(check::check(&args)),
        Command::Plan(args) => plan::plan(&args),
        Command::Survey(args) => survey::survey(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Run(args) => run::run(&args),
        Command::Cut(args) => cut::cut(&args),
        Command::Resume(args) => resume::resume(&args),
        Command::Undo(args) => undo::undo(&args),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::Status(args) => status::status(&args),
        Command::Cases(args) => Ok(cases::cases(&args)),
        Command::Clear(args) => word::clear(&args),
        Command::Waive(args) => word::waive(&args),
        Command::Attest(args) => word::attest(&args),
        Command::Approve(args) => word::approve(&args),
        Command::Close(args) => word::close(&args),
        Command::Doctor(args) => Ok(doctor::doctor(&args)),
        Command::Rehearse(args) => rehearse::rehearse(&args),
        Command::Cloud(args::CloudCommand::Serve(args)) => serve::serve(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::New(args) => new::new(&args),
        Command::Actions(args) => actions::actions(&args),
        Command::Completions(args) => Ok(shell::completions(&args)),
        Command::Man(args) => shell::man(&args),
        Command::Schema => Ok(schema::schema()),
    }
}

/// Standard output took less than there was to tell. What was done keeps its exit code; what was only to be
/// shown has failed.
fn untold(exit: Exit) -> Exit {
    let exit = if exit == Exit::Done { Exit::Refused } else { exit };
    let what =
        "not all could be written to standard output: a part of what was asked for is missing";
    Failure::new(exit, what, "make room where it goes, and ask again").print();
    exit
}

/// A panic is a bug. Its text has been told by then; what it means for the case has not.
fn caught(command: impl FnOnce() -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        Err(Failure::new(
            Exit::Internal,
            "this is a bug in Portcullis; what it was doing is in the journal of the case",
            "portcullis status CASE; portcullis resume CASE is safe. Please report what is said above",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error_and_not_an_end_without_words() {
        assert_eq!(caught(|| Ok(Exit::NotProven)).unwrap(), Exit::NotProven);
        let failure = caught(|| panic!("on purpose, by a test")).unwrap_err();
        assert_eq!(failure.exit, Exit::Internal);
    }
}
