//! The version of the language that a file is written in.
//!
//! What another version means by a word is not known here: of such a file nothing else is said.

use std::ops::Range;

use super::node::{Kind, Node};
use crate::diagnostic::{Code, Diagnostic, Place};

/// The version that is read.
const READ: i128 = 1;

/// The version that a tree says it is of, if that is another than is read, and where it says so.
pub(super) fn another(tree: &Node) -> Option<(i128, Range<usize>)> {
    let Kind::Map(entries) = &tree.kind else { return None };
    let (_, node) = entries.iter().find(|(key, _)| key.text == "portcullis")?;
    match node.kind {
        Kind::Int(version) if version != READ => Some((version, node.range.clone())),
        _ => None,
    }
}

/// What is said of a file of another version.
pub(super) fn refused(version: i128, place: Place) -> Diagnostic {
    let message = format!("this is written in version {version} of the language");
    let help = if version > READ {
        "use a newer program; or write `portcullis: 1`, and mend what `check` then finds"
    } else {
        "write `portcullis: 1`, and mend what `check` then finds"
    };
    Diagnostic::error(Code::UnsupportedVersion, message)
        .at(place, format!("this program reads version {READ}"))
        .help(help)
}
