//! `portcullis explain`: the page of a code.

use super::args;
use super::exit::{Exit, Failure};
use super::view;
use crate::diagnostic::Code;
use crate::diagnostic::nearest;

pub(super) fn explain(args: &args::Explain) -> Result<Exit, Failure> {
    let Some(code) = Code::find(&args.code) else {
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let next = match nearest(&args.code, codes.iter().copied()) {
            Some(near) => format!("did you mean: portcullis explain {near}"),
            None => format!("portcullis explain CODE, with one of: {}", codes.join(", ")),
        };
        return Err(Failure::new(Exit::Usage, format!("there is no code `{}`", args.code), next));
    };
    view::out(code.page());
    Ok(Exit::Done)
}
