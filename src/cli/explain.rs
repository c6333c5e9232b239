//! `portcullis explain`: the page of a code, or which codes there are.

use serde_json::json;

use super::args::{self, Format};
use super::exit::{Exit, Failure};
use super::{diagnostics, view};
use crate::diagnostic::Code;
use crate::diagnostic::nearest;

pub(super) fn explain(args: &args::Explain) -> Result<Exit, Failure> {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let Some(called) = &args.code else {
        view::out(&match args.format {
            Format::Text => codes.join("\n") + "\n",
            Format::Json => diagnostics::printed(&json!({"version": 1, "codes": codes})),
        });
        if args.format == Format::Text {
            view::hint("\nNext: portcullis explain CODE has the page of one\n");
        }
        return Ok(Exit::Done);
    };
    let called = bare(called);
    let Some(code) = Code::find(called) else {
        let next = match nearest(called, codes.iter().copied()) {
            Some(near) => format!("did you mean: portcullis explain {near}"),
            None => format!("portcullis explain CODE, with one of: {}", codes.join(", ")),
        };
        return Err(Failure::new(
            Exit::Usage,
            format!("there is no code `{}`", view::plain(called)),
            next,
        ));
    };
    view::out(&match args.format {
        Format::Text => code.page().to_owned(),
        Format::Json => diagnostics::printed(&json!({
            "version": 1,
            "code": code.as_str(),
            "page": code.page(),
        })),
    });
    Ok(Exit::Done)
}

/// The code of what is copied as it was told: `error[bad-value]`.
fn bare(called: &str) -> &str {
    let told = called.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    told.map_or(called, |(code, _)| code)
}
