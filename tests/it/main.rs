//! One test binary; a module for each thing that must be true.
// A test says what went wrong by panicking, and the number of its cases by printing.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod canaries;
mod check;
mod cli;
mod crash;
mod crooked;
mod expiry;
mod faults;
mod honesty;
mod hosted;
mod include;
mod intruder;
mod language;
mod lockout;
mod outlook;
mod playbook;
mod process;
mod proof;
mod readme;
mod refusals;
mod restraint;
mod rounds;
mod schema;
mod selecting;
mod shipped;
mod side_by_side;
mod stage;
mod survey;
mod tidy;
mod told;
mod verdict;
mod worlds;
