//! A plan of many named users asks no more than it must: everybody at once where that takes fewer requests, and each by
//! himself where it does not. Judged by what the rehearsal cloud was asked, against the least there could be.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis::inventory::Want;
use portcullis::planning::Terms;
use portcullis::run::MOST_ROUNDS;

use crate::side_by_side::each;
use crate::stage::{Stage, play};
use crate::verdict::ACCOUNT;

/// The account: how many users there are, and how many go on a page of a listing.
#[derive(Clone, Copy, Debug)]
struct Account {
    users: usize,
    page: usize,
}

/// Cuts of a playbook, and what of a user it asks that the listing of everybody tells as well.
#[derive(Clone, Copy, Debug)]
struct Cuts {
    steps: &'static [(&'static str, &'static str)],
    told: usize,
    /// Whether it asks how many policies a user may have.
    summary: usize,
    /// Questions to the simulator: sets of permissions that are needed together, each for one circumstance.
    simulated: usize,
}

const ALL: Cuts = Cuts {
    steps: &[
        ("iam.user.quarantine", ""),
        ("iam.access-key.deactivate", ", keys: all"),
        ("iam.user.revoke-sessions", ""),
    ],
    told: 4,
    summary: 1,
    simulated: 4,
};
const KEYS: Cuts = Cuts {
    steps: &[("iam.access-key.deactivate", ", keys: all")],
    told: 1,
    summary: 0,
    simulated: 1,
};

/// What is asked of each by himself, whatever listings tell: five kinds of credentials, and second factors.
const OF_EACH: usize = 6;

/// So few are asked about by themselves.
const FEW: usize = 2;

fn world(Account { users, page }: Account, denied: &str) -> String {
    let mut text = format!(
        "world: 1\nnow: 2026-03-24T07:10:00Z\nseed: 3\npage_size: {page}\nresponder: {{ account: \"{ACCOUNT}\", role: admin }}\naccounts:\n  \"{ACCOUNT}\":\n    users:\n"
    );
    for n in 0..users {
        writeln!(
            text,
            "      user-{n:04}: {{ path: /staff/, keys: [{{ id: AKIAEXAMPLE{n:09} }}] }}"
        )
        .unwrap();
    }
    let deny = format!(
        "{{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: \"{denied}\", Resource: \"*\" }}] }}"
    );
    writeln!(
        text,
        "    roles:\n      admin:\n        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::444455556666:root\" }}, Action: \"sts:AssumeRole\" }}] }}\n        max_session: 12h\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n        inline: {{ blind: {deny} }}"
    )
    .unwrap();
    text
}

/// Users spread over the account.
fn named(count: usize, of: usize) -> Vec<usize> {
    (0..count).map(|k| k * of / count).collect()
}

fn playbook(users: &[usize], cuts: Cuts) -> String {
    let mut text = "portcullis: 1\nname: many\ntitle: Many users by name\nmode: breach\ngate: { proof: settled }\nsteps:\n".to_owned();
    for (at, (uses, more)) in cuts.steps.iter().enumerate() {
        for user in users {
            writeln!(
                text,
                "  - {{ id: s{at}-{user}, phase: contain, uses: {uses}, with: {{ user: user-{user:04}{more} }} }}"
            )
            .unwrap();
        }
    }
    text
}

async fn planned(account: Account, users: &[usize], cuts: Cuts, denied: &str) -> Stage {
    let playbook = playbook(users, cuts);
    Stage::set_on(&world(account, denied), &playbook, &Terms::default()).await.unwrap()
}

fn asked(stage: &Stage) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in stage.cloud.audit() {
        *counts.entry(event.operation).or_default() += 1;
    }
    counts
}

/// The fewest requests that tell what the listing tells: some of its pages, and whoever is on none of them by himself.
fn least_told(account: Account, users: &[usize], cuts: Cuts) -> usize {
    let pages = account.users.div_ceil(account.page);
    let beyond = |pages: usize| users.iter().filter(|user| **user >= pages * account.page).count();
    let by_themselves = cuts.told * users.len();
    if users.len() <= FEW {
        return by_themselves;
    }
    (0..=pages).map(|pages| pages + cuts.told * beyond(pages)).min().unwrap()
}

#[test]
fn a_plan_reads_at_most_a_twentieth_more_than_the_least() {
    let accounts = [
        Account { users: 300, page: 1000 },
        Account { users: 300, page: 10 },
        Account { users: 600, page: 40 },
    ];
    let mut cases = Vec::new();
    for account in accounts {
        for count in [1, 3, 10, 60] {
            cases.extend([ALL, KEYS].map(|cuts| (account, count, cuts)));
        }
    }
    cases.push((accounts[2], 300, ALL));
    // The largest takes the longest.
    cases.reverse();
    let told = std::sync::Mutex::new(Vec::new());
    let count = each(&cases, |(account, count, cuts)| {
        play(async {
            let users = named(*count, account.users);
            let stage = planned(*account, &users, *cuts, "s3:GetObject").await;
            let all = asked(&stage);
            let asked: usize = all.values().sum();
            // A hundred users in one question, and its answer in pages.
            let pages = |users: usize| users.div_ceil(account.page);
            let simulated = cuts.simulated * (count / 100 * pages(100) + pages(count % 100));
            let rest = [OF_EACH * count, cuts.summary, simulated];
            // Who asks, and the page of roles.
            let least = 2 + least_told(*account, &users, *cuts) + rest.iter().sum::<usize>();
            told.lock().unwrap().push(format!(
                "{count} of {} users, {} on a page, {} steps: {asked} requests, the least is {least}",
                account.users,
                account.page,
                cuts.steps.len()
            ));
            assert!(asked >= least, "fewer than the least: {all:?}, {least}");
            assert!(asked * 100 <= least * 105, "{all:?}, {least}");
            assert_eq!(stage.saved.plan.principals.len(), *count);
        });
    });
    for line in told.into_inner().unwrap() {
        println!("{line}");
    }
    println!("counted: {count} cases, plans of named users against the least that must be asked");
}

/// Whoever may not list everybody comes to the same plan, by asking about each; who is not there is not there.
#[test]
fn a_plan_is_the_same_whichever_way_it_was_read() {
    let account = Account { users: 40, page: 15 };
    let listing = "iam:GetAccountAuthorizationDetails";
    let users = named(12, account.users);
    play(async {
        let listed = planned(account, &users, ALL, "s3:GetObject").await;
        let each = planned(account, &users, ALL, listing).await;
        let (all, one_by_one) = (asked(&listed), asked(&each));
        assert_eq!(all.get("GetUser"), None, "{all:?}");
        assert_eq!(one_by_one["GetUser"], users.len());
        assert_eq!(one_by_one["GetAccountAuthorizationDetails"], 1, "asked once, and refused");
        let (listed, each) = (listed.saved, each.saved);
        assert_eq!(listed.plan.warnings, each.plan.warnings);
        let told = |saved: &portcullis::plan::SavedPlan| {
            let plan = &saved.plan;
            serde_json::to_string(&(&plan.changes, &plan.credentials, &plan.untouched)).unwrap()
        };
        assert_eq!(told(&listed), told(&each));
        let simulated = |want: &Want| matches!(want, Want::Simulation(_));
        for (want, answer) in listed.inventory.answers.iter().filter(|(want, _)| !simulated(want)) {
            assert_eq!(each.inventory.answers.get(want), Some(answer), "{want:?}");
        }

        let mut with_nobody = users.clone();
        with_nobody.push(99);
        let mut messages = Vec::new();
        for denied in ["s3:GetObject", listing] {
            let playbook = playbook(&with_nobody, ALL);
            let refused =
                Stage::set_on(&world(account, denied), &playbook, &Terms::default()).await;
            let problems = refused.err().expect("nobody of that name");
            messages.push(problems.into_iter().map(|one| one.message).collect::<Vec<_>>());
        }
        assert_eq!(messages[0], messages[1]);
        assert!(messages[0][0].contains("user-0099"), "{messages:?}");
    });
}

/// Roles hold nothing of their own: of sixty of them, hardly anything is asked but the listing.
#[test]
fn a_plan_of_many_roles_reads_them_from_one_listing() {
    let trust = "trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: \"sts:AssumeRole\" }] }";
    let roles: String = (0..80)
        .map(|n| format!("      role-{n:02}: {{ {trust}, attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"] }}\n"))
        .collect();
    let account = Account { users: 1, page: 20 };
    let playbook = "portcullis: 1\nname: roles\ntitle: Many roles\nmode: breach\ngate: { proof: settled }\nsteps:\n  - id: quarantine\n    phase: contain\n    for_each: LIST\n    uses: iam.role.quarantine\n    with: { role: \"${{ each }}\" }\n";
    let names: Vec<String> = (0..60).map(|n| format!("role-{n:02}")).collect();
    let playbook = playbook.replace("LIST", &format!("[{}]", names.join(", ")));
    play(async {
        let mut told = Vec::new();
        for denied in ["s3:GetObject", "iam:GetAccountAuthorizationDetails"] {
            let world =
                world(account, denied).replace("    roles:\n", &format!("    roles:\n{roles}"));
            let stage = Stage::set_on(&world, &playbook, &Terms::default()).await.unwrap();
            let all = asked(&stage);
            let plan = &stage.saved.plan;
            assert_eq!(plan.principals.len(), names.len());
            told.push(serde_json::to_string(&(&plan.changes, &plan.warnings)).unwrap());
            println!("{denied} denied: {all:?}");
            if denied.starts_with("iam:") {
                assert_eq!(all["GetRole"], names.len());
                continue;
            }
            assert_eq!(all.get("GetRole"), None, "{all:?}");
            // Those of the listing are on its first three pages, and the responder's own role before them.
            assert_eq!(all["GetAccountAuthorizationDetails"], 4);
        }
        assert_eq!(told[0], told[1]);
    });
}

/// What the plan says in advance of the requests that its run takes is about what it takes, whichever way it reads.
#[test]
fn the_estimate_of_a_plan_of_many_users_is_about_what_its_run_takes() {
    let account = Account { users: 16, page: 1000 };
    for denied in ["s3:GetObject", "iam:GetAccountAuthorizationDetails"] {
        play(async {
            let mut stage = planned(account, &named(8, account.users), ALL, denied).await;
            stage.most = MOST_ROUNDS;
            let (said, before) = (stage.saved.plan.estimate.requests, stage.cloud.requests());
            stage.resume_to_the_end(1).await;
            let took = usize::try_from(stage.cloud.requests() - before).unwrap();
            println!("estimated {said}, took {took}, with {denied} denied");
            assert!(said * 3 >= took * 2 && said * 2 <= took * 3, "{said}, {took}");
        });
    }
}
