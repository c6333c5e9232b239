//! Showing diagnostics.
