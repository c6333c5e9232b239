//! Portcullis changes the locks of a cloud account after a break-in: it cuts every way in, proves it,
//! and only then hands out anything new.
//!
//! Read in this order: [`inventory`], `plan`, `action`, `journal`, `run`. `ARCHITECTURE.md` has the map.

pub mod clock;
pub mod ids;
pub mod inventory;
pub mod policy;
pub mod secret;
pub mod sim;
