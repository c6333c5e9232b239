//! One test binary; a module for each thing that must be true.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps tests panics like tests; they say how many cases they went through"
)]

mod crash;
mod faults;
mod playbook;
mod refusals;
mod side_by_side;
mod stage;
mod tidy;
mod verdict;
