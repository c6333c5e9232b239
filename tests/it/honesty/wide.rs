//! Random cases of every kind that a playbook may have: the gate as it is by default, a responder who is refused some call,
//! roles, passwords, what nobody can try, batches, what is deleted in the end; and an intruder who mints sessions meanwhile.

use std::fmt::Write;

use super::scene::Dice;
use crate::verdict::ACCOUNT;

/// Who is in the world.
pub(super) const PEOPLE: [&str; 3] = ["ada", "ben", "cyd"];

/// What the intruder holds from the start: a key of the first of them.
pub(super) const LEAKED: &str = "AKIAEXAMPLEADA000001";

/// What the responder may be refused, of everybody or of one.
const REFUSED: [&str; 10] = [
    "iam:UpdateAccessKey",
    "iam:UpdateSSHPublicKey",
    "iam:UpdateSigningCertificate",
    "iam:DeleteLoginProfile",
    "iam:AttachUserPolicy",
    "iam:PutUserPolicy",
    "iam:PutRolePolicy",
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:DetachUserPolicy",
];

/// A world and a playbook, as their files.
pub(super) fn wide(seed: u64) -> (String, String) {
    let mut dice = Dice(seed.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7) | 1);
    for _ in 0..8 {
        dice.throw(2);
    }
    let mut steps = Vec::new();
    let mut users = String::new();
    for name in PEOPLE {
        let _ = writeln!(users, "      {name}:\n        path: /staff/");
        let key = format!("AKIAEXAMPLE{}000001", name.to_uppercase());
        let has_key = name == "ada" || !dice.one_in(3);
        if has_key {
            let _ = writeln!(users, "        keys: [{{ id: {key} }}]");
        }
        let has_password = dice.one_in(2);
        if has_password {
            users.push_str("        password: {}\n");
        }
        let has_ssh = dice.one_in(3);
        if has_ssh {
            users.push_str("        ssh_keys: [{ body: one }]\n");
        }
        let has_certificate = dice.one_in(4);
        if has_certificate {
            users.push_str("        certificates: [{ body: one }]\n");
        }
        users.push_str("        inline: { may: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: [\"sts:*\", \"s3:*\"], Resource: \"*\" }] } }\n");
        if name != "ada" && dice.one_in(4) {
            continue;
        }
        let with = |more: &str| format!("with: {{ user: {name}{more} }}");
        let mut step = |id: &str, phase: &str, uses: &str, with: String| {
            steps.push(format!("{{ id: {id}-{name}, phase: {phase}, uses: {uses}, {with} }}"));
        };
        let quarantined = !dice.one_in(4);
        if quarantined {
            step("quarantine", "contain", "iam.user.quarantine", with(""));
        }
        let off = has_key && !dice.one_in(4);
        if off {
            step("keys-off", "contain", "iam.access-key.deactivate", with(", keys: all"));
        }
        if !dice.one_in(3) {
            step("sessions-off", "contain", "iam.user.revoke-sessions", with(""));
        }
        if has_ssh && !dice.one_in(3) {
            step("ssh-off", "contain", "iam.ssh-key.deactivate", with(", keys: all"));
        }
        if has_certificate && !dice.one_in(3) {
            let off = "iam.signing-certificate.deactivate";
            step("certificates-off", "contain", off, with(", certificates: all"));
        }
        if has_password && !dice.one_in(3) {
            let phase = if dice.one_in(3) { "contain" } else { "eradicate" };
            step("password-gone", phase, "iam.login-profile.delete", with(""));
        }
        if off && dice.one_in(2) {
            let more = format!(", deliver_to: keys/{name}, replaces: {key}");
            step("new-key", "rotate", "iam.access-key.replace", with(&more));
            if dice.one_in(2) {
                let more = format!(", keys: [{key}]");
                step("key-gone", "destroy", "iam.access-key.delete", with(&more));
            }
        }
        if quarantined && dice.one_in(2) {
            step("lift", "recover", "iam.user.lift-quarantine", with(""));
        }
    }
    let (role_off, role_quarantined) = (!dice.one_in(3), dice.one_in(4));
    if role_off {
        steps.push("{ id: role-off, phase: contain, uses: iam.role.revoke-sessions, with: { role: func } }".to_owned());
    }
    if role_quarantined {
        steps.push("{ id: role-quarantine, phase: contain, uses: iam.role.quarantine, with: { role: func } }".to_owned());
    }
    if dice.one_in(4) {
        let batches = "batches: { size: 1, pause: 20s, stop_at: 50 }";
        let each = "for_each: [ada, ben, cyd]";
        steps.push(format!("{{ id: everybody, phase: contain, {each}, {batches}, uses: iam.user.revoke-sessions, with: {{ user: \"${{{{ each }}}}\" }} }}"));
    }
    let gate = if dice.one_in(4) { "gate: { proof: settled }\n" } else { "" };
    let steps: Vec<String> = steps.iter().map(|step| format!("  - {step}\n")).collect();
    let playbook = format!(
        "portcullis: 1\nname: wide\ntitle: Whatever there is\n{gate}steps:\n{}",
        steps.concat()
    );
    (world(&mut dice, &users), playbook)
}

fn world(dice: &mut Dice, users: &str) -> String {
    let refused = if dice.throw(3) == 0 {
        String::new()
    } else {
        let at = usize::try_from(dice.throw(REFUSED.len() as u64)).unwrap();
        let resource = if dice.one_in(3) {
            format!("arn:aws:iam::{ACCOUNT}:user/staff/ada")
        } else {
            "*".to_owned()
        };
        format!(
            "        inline: {{ not: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: \"{}\", Resource: \"{resource}\" }}] }} }}\n",
            REFUSED[at]
        )
    };
    let trusts = if dice.one_in(3) { "ben" } else { "ada" };
    let (assumes, mints) = (1 + dice.throw(150), 1 + dice.throw(150));
    let allow = |who: &str| {
        format!(
            "{{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"{who}\" }}, Action: \"sts:AssumeRole\" }}] }}"
        )
    };
    let secrets: Vec<String> = PEOPLE
        .iter()
        .map(|name| format!("      keys/{name}: {{ value: {{ region: eu-west-1 }} }}\n"))
        .collect();
    format!(
        "world: 1
now: 2026-03-24T07:10:00Z
lag: 5s
responder: {{ account: \"{ACCOUNT}\", role: responder }}
accounts:
  \"{ACCOUNT}\":
    users:
{users}    roles:
      responder:
        trust: {}
        max_session: 12h
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
{refused}      func:
        trust: {}
        attached: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]
    secrets:
{}intruder:
  holds: [{LEAKED}]
  tries: [{{ action: \"s3:GetObject\", resource: \"arn:aws:s3:::site/index.html\" }}]
  reacts:
    - {{ name: assumes, after: {assumes}s, times: 1, deeds: [{{ operation: AssumeRole, params: {{ RoleArn: \"arn:aws:iam::{ACCOUNT}:role/func\", RoleSessionName: his, DurationSeconds: 3600 }}, as: role }}] }}
    - {{ name: mints, after: {mints}s, times: 1, deeds: [{{ operation: GetSessionToken, params: {{ DurationSeconds: 129600 }}, as: own }}] }}
",
        allow("arn:aws:iam::444455556666:root"),
        allow(&format!("arn:aws:iam::{ACCOUNT}:user/staff/{trusts}")),
        secrets.concat()
    )
}
