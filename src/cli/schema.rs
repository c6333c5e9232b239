//! `portcullis schema`: the JSON Schema of playbooks.

use super::exit::Exit;
use super::{diagnostics, view};
use crate::action::catalog::Actions;
use crate::playbook;

pub(super) fn schema() -> Exit {
    view::out(&diagnostics::printed(&playbook::schema(&Actions::new())));
    Exit::Done
}
