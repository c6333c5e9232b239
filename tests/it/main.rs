//! One test binary; a module for each thing that must be true.

mod crash;
mod faults;
mod playbook;
mod refusals;
mod side_by_side;
mod stage;
mod tidy;
mod verdict;
