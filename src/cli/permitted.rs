//! What the responder may do, as far as that can be told before there is a plan.

use std::collections::BTreeMap;

use super::doctor::Finding;
use super::live::Live;
use crate::action::CANARY_PATH;
use crate::cloud::{READS, WRITES};
use crate::inventory::{Inventory, Simulated, Simulation, Want};
use crate::{planning, survey};

const CHECK: &str = "permissions";

/// What only a survey of everything reads, planning where a playbook selects by such things, and `verify`; and what
/// only playbooks need that cut roles, or cut or reset what few users have.
const SELDOM: [&str; 23] = [
    "cloudtrail:LookupEvents",
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteLoginProfile",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountPasswordPolicy",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListUsers",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:UpdateLoginProfile",
    "iam:UpdateSSHPublicKey",
    "iam:UpdateServiceSpecificCredential",
    "iam:UpdateSigningCertificate",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecrets",
];

/// Asks the policy simulator for every operation there is, on a user and a secret that stand for all others.
pub(super) async fn findings(live: &Live, mut inventory: Inventory) -> Vec<Finding> {
    if let Err(error) = survey::fill(live.connection.read(), &mut inventory, [Want::Roles]).await {
        return vec![Finding::careful(CHECK, error.0.to_string(), "try again")];
    }
    let principal = match planning::whose_policies(&inventory) {
        Ok(Some(principal)) => principal,
        Ok(None) => {
            let next = "work as a role of your own instead: root cannot be restrained, and is missed at once";
            return vec![Finding::careful(CHECK, "the account's root may do everything", next)];
        }
        Err(why) => return vec![unknown(&why)],
    };
    let (account, partition) = (principal.account(), principal.partition());
    let deny_all = format!("arn:{partition}:iam::aws:policy/AWSDenyAll");
    let asked = Simulation {
        principal: principal.clone(),
        actions: READS
            .iter()
            .chain(WRITES)
            .filter(|action| !action.starts_with("sts:"))
            .map(|action| (*action).to_owned())
            .collect(),
        resources: vec![
            "*".to_owned(),
            format!("arn:{partition}:iam::{account}:user/portcullis-doctor"),
            // Where cuts are tried on users and roles that are made for it.
            format!("arn:{partition}:iam::{account}:user{CANARY_PATH}portcullis-doctor"),
            format!("arn:{partition}:iam::{account}:role{CANARY_PATH}portcullis-doctor"),
            format!(
                "arn:{partition}:secretsmanager:{}:{account}:secret:portcullis-doctor-AbCdEf",
                live.region()
            ),
        ],
        context: BTreeMap::from([
            ("iam:PolicyARN".to_owned(), deny_all.clone()),
            ("iam:PermissionsBoundary".to_owned(), deny_all),
        ]),
    };
    let want = Want::Simulation(Box::new(asked.clone()));
    if let Err(error) = survey::fill(live.connection.read(), &mut inventory, [want]).await {
        return vec![Finding::careful(CHECK, error.0.to_string(), "try again")];
    }
    match inventory.simulation(&asked) {
        Ok(simulated) => told(&asked, simulated),
        Err(unread) => vec![unknown(&unread.to_string())],
    }
}

fn unknown(why: &str) -> Finding {
    let next = "allow iam:SimulatePrincipalPolicy and iam:ListRoles, so that a plan can say what would be refused";
    Finding::careful(CHECK, format!("not known: {why}"), next)
}

fn told(asked: &Simulation, simulated: &[Simulated]) -> Vec<Finding> {
    let (mut refused, mut narrow) = (Vec::new(), Vec::new());
    let (mut seldom, mut unsure) = (Vec::new(), Vec::new());
    for action in &asked.actions {
        let of = || simulated.iter().filter(|one| &one.action == action);
        if of().any(|one| one.allowed && one.depends_on.is_empty()) {
            continue;
        }
        if of().any(|one| !one.depends_on.is_empty()) {
            unsure.push(action.as_str());
        } else if SELDOM.contains(&action.as_str()) {
            seldom.push(action.as_str());
        } else if action.starts_with("secretsmanager:") {
            narrow.push(action.as_str());
        } else {
            refused.push(action.as_str());
        }
    }
    let mut findings = Vec::new();
    if !refused.is_empty() {
        let says = format!("refused: {}", refused.join(", "));
        findings.push(Finding::bad(
            CHECK,
            says,
            "allow them to the role you work as; README.md has the list",
        ));
    }
    if !narrow.is_empty() {
        let says = format!("not for every secret: {}", narrow.join(", "));
        let next = "see that the secrets you deliver into are allowed: the plan says so for each";
        findings.push(Finding::careful(CHECK, says, next));
    }
    if !seldom.is_empty() {
        let says = format!("refused, and seldom needed: {}", seldom.join(", "));
        let next = "allow them where you survey everything, select users or secrets by what is listed, cut roles, \
                    verify a case, or cut or reset passwords and what else few users have";
        findings.push(Finding::careful(CHECK, says, next));
    }
    if !unsure.is_empty() {
        let says = format!("on conditions that are not known here: {}", unsure.join(", "));
        findings.push(Finding::careful(CHECK, says, "the plan says more"));
    }
    if findings.is_empty() {
        findings.push(Finding::good(CHECK, "everything that plans and runs may need"));
    }
    findings
}
