//! Ways in that lie outside the cloud: open or closed, as people leave them.

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use crate::ids::AccountId;
use crate::inventory::{Probe, Tried};

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Where it listens, as host:port.
    #[serde(default)]
    pub tcp: Option<String>,
    /// Its page.
    #[serde(default)]
    pub http: Option<String>,
    /// Whether it is open.
    #[serde(default = "yes")]
    pub open: bool,
    /// What the page answers while it is open.
    #[serde(default = "fine")]
    pub open_status: u16,
    /// What the page answers while it is closed; without it the connection is refused.
    #[serde(default)]
    pub closed_status: Option<u16>,
    /// How often somebody attests that he has done something here, and has not.
    #[serde(default)]
    pub empty_words: u32,
    /// The account of somebody else's that it leads through: while it is closed, what the intruder holds of that account
    /// is worth nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

fn yes() -> bool {
    true
}
fn fine() -> u16 {
    200
}

impl Remote {
    fn answer_to(&self, probe: &Probe) -> Option<Tried> {
        match probe {
            Probe::Tcp { host, port } if self.tcp.as_ref() == Some(&format!("{host}:{port}")) => {
                Some(if self.open { Tried::Open } else { Tried::Refused })
            }
            Probe::Http { url } if self.http.as_ref() == Some(url) => {
                Some(match (self.open, self.closed_status) {
                    (true, _) => Tried::Status(self.open_status),
                    (false, Some(status)) => Tried::Status(status),
                    (false, None) => Tried::Refused,
                })
            }
            _ => None,
        }
    }
}

impl Engine {
    /// As [`super::Cloud::answer_to`].
    pub(super) fn answer_to(&self, probe: &Probe) -> Result<Tried, String> {
        let mut answers = self.remote.values().filter_map(|remote| remote.answer_to(probe));
        answers.next().ok_or_else(|| format!("there is no {probe} in this world"))
    }

    /// Whether a way in that leads through `account` is closed: whoever has the say there has cut the intruder off.
    pub(super) fn is_closed(&self, account: &str) -> bool {
        self.remote.values().any(|remote| {
            !remote.open
                && remote.account.as_ref().is_some_and(|through| through.as_str() == account)
        })
    }

    /// As [`super::Cloud::done_outside`].
    pub(super) fn done_outside(&mut self, name: &str, open: bool) {
        let Some(remote) = self.remote.get_mut(name) else { return };
        if remote.empty_words > 0 {
            remote.empty_words -= 1;
        } else {
            remote.open = open;
        }
    }
}
