//! `portcullis explain`: the page of a code.

use super::args;
use super::exit::{Exit, Failure};
use super::view;
use crate::diagnostic::Code;

pub(super) fn explain(args: &args::Explain) -> Result<Exit, Failure> {
    let Some(code) = Code::find(&args.code) else {
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        return Err(Failure::new(
            Exit::Usage,
            format!("there is no code `{}`", args.code),
            format!("portcullis explain CODE, with one of: {}", codes.join(", ")),
        ));
    };
    view::out(code.page());
    Ok(Exit::Done)
}
