//! Portcullis changes the locks of a cloud account after a break-in: it cuts every way in, proves it,
//! and only then hands out anything new.
//!
//! Read in this order: [`plan`], [`action`], one file under it, [`journal`], [`run`].
//! `ARCHITECTURE.md` has the map.

pub mod action;
pub mod case;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod diagnostic;
pub mod exit;
pub mod findings;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod ledger;
mod lookup;
pub mod outbox;
pub mod plan;
pub mod planning;
pub mod playbook;
pub mod policy;
pub mod report;
pub mod run;
pub mod secret;
pub mod sim;
pub mod survey;
pub mod trail;
