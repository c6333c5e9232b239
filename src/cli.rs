//! The command line: the only place that prints or exits.

pub mod diagnostics;
