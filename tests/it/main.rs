//! One test binary; a module for each thing that must be true.

mod playbook;
mod tidy;
