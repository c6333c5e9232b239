//! IAM: users, their credentials and policies, groups and roles.

pub(super) mod authorization;
pub(super) mod credentials;
pub(super) mod keys;
pub(super) mod passwords;
pub(super) mod policies;
pub(super) mod roles;
pub(super) mod simulate;
pub(super) mod users;

use super::wire::Refusal;

/// `Active` or `Inactive`.
fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

fn parse_status(given: &str) -> Result<bool, Refusal> {
    match given {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        _ => Err(Refusal::validation(format!(
            "1 validation error detected: Value '{given}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]"
        ))),
    }
}
