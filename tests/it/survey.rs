//! A survey reads everything there is to be read, no more often than it must, and can be stopped and resumed;
//! judged by what the rehearsal cloud was asked and by what it holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis::clock::Clock;
use portcullis::ids::UserName;
use portcullis::inventory::{Inventory, SavedInventory, Want};
use portcullis::sim::{Cloud, World};
use portcullis::survey::{self, everything};
use serde_json::{Value, json};

use crate::hosted::{Hosted, bare, key, ran, start};
use crate::stage::{self, WORLD, play};

const USERS: usize = 60;
const ROLES: usize = 25;
const GROUPS: usize = 9;
const SECRETS: usize = 12;
const PAGE: usize = 7;

/// An account of many users with all that a user can hold, seen in small pages.
pub(crate) fn crowded() -> String {
    let mut text = format!(
        "world: 1\nnow: 2026-03-24T07:10:00Z\nseed: 3\npage_size: {PAGE}\nresponder: {{ account: \"111122223333\", role: admin }}\naccounts:\n  \"111122223333\":\n    users:\n"
    );
    for n in 0..USERS {
        writeln!(
            text,
            "      user-{n:03}:\n        path: /staff/\n        tags: {{ team: \"{}\" }}\n        groups: [group-{}]\n        keys: [{{ id: AKIAEXAMPLE{n:09} }}, {{ id: AKIAEXAMPLE1{n:08}, status: inactive }}]\n        password: {{}}\n        mfa: [{{ serial: \"arn:aws:iam::111122223333:mfa/user-{n:03}\", enabled_at: 2026-03-24T02:43:00Z }}, \"GAHT12345{n:03}\"]\n        service_credentials: [{{ service: codecommit.amazonaws.com }}, {{ service: bedrock.amazonaws.com }}]\n        ssh_keys: [{{ body: ssh-rsa AAAA{n} }}]\n        certificates: [{{ body: certificate-{n} }}]",
            if n % 2 == 0 { "red" } else { "blue" },
            n % GROUPS,
        )
        .unwrap();
    }
    text.push_str("    groups:\n");
    for n in 0..GROUPS {
        writeln!(text, "      group-{n}: {{}}").unwrap();
    }
    let trust = "trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: \"sts:AssumeRole\" }] }";
    writeln!(
        text,
        "    roles:\n      admin: {{ {trust}, max_session: 12h, attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"] }}"
    )
    .unwrap();
    for n in 1..ROLES {
        writeln!(text, "      role-{n}: {{ {trust} }}").unwrap();
    }
    text.push_str("    secrets:\n");
    for n in 0..SECRETS {
        writeln!(text, "      app/{n}: {{ value: do-not-tell-{n} }}").unwrap();
    }
    text
}

/// How often each operation was asked.
fn asked(cloud: &Cloud) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in cloud.audit() {
        *counts.entry(event.operation).or_default() += 1;
    }
    counts
}

async fn everything(cloud: &Cloud, clock: Clock) -> Inventory {
    let (connection, key) = stage::connect(cloud, clock);
    let mut inventory = survey::begin(connection.read(), clock, key).await.unwrap();
    loop {
        let open = everything::open(&inventory, false);
        if open.is_empty() {
            return inventory;
        }
        survey::fill(connection.read(), &mut inventory, open).await.unwrap();
    }
}

#[test]
fn everything_is_read_to_the_last_page_and_nothing_twice() {
    let world = World::parse(&crowded()).unwrap();
    play(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let inventory = everything(&cloud, clock).await;
        // One managed policy is in use.
        let details = USERS + GROUPS + ROLES + 1;
        let least = BTreeMap::from([
            ("GetCallerIdentity", 1),
            ("GetAccountSummary", 1),
            ("GetAccountPasswordPolicy", 1),
            ("GetAccountAuthorizationDetails", details.div_ceil(PAGE)),
            ("ListUsers", USERS.div_ceil(PAGE)),
            ("ListRoles", ROLES.div_ceil(PAGE)),
            ("ListSecrets", SECRETS.div_ceil(PAGE)),
            ("GetResourcePolicy", SECRETS),
            ("ListAccessKeys", USERS),
            ("GetLoginProfile", USERS),
            ("ListServiceSpecificCredentials", USERS),
            ("ListSSHPublicKeys", USERS),
            ("ListSigningCertificates", USERS),
            ("ListMFADevices", USERS),
        ]);
        let asked = asked(&cloud);
        let names: BTreeMap<&str, usize> = asked.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        let (sum, fewest) = (names.values().sum::<usize>(), least.values().sum::<usize>());
        println!("{sum} requests; the least is {fewest}");
        assert!(sum * 100 <= fewest * 105, "{names:?}\n{least:?}");
        assert!(names.iter().all(|(name, count)| least.get(name).is_some_and(|l| count >= l)));

        let everybody = inventory.users().unwrap();
        assert_eq!(everybody.len(), USERS);
        for user in everybody {
            let user = &user.name;
            assert_eq!(inventory.access_keys(user).unwrap().len(), 2);
            assert!(inventory.login_profile(user).unwrap().is_some());
            let services = inventory.service_specific_credentials(user).unwrap();
            let services: Vec<&str> = services.iter().map(|one| one.service.as_str()).collect();
            assert!(services.contains(&"bedrock.amazonaws.com") && services.len() == 2);
            assert_eq!(inventory.ssh_public_keys(user).unwrap().len(), 1);
            assert_eq!(inventory.signing_certificates(user).unwrap().len(), 1);
            let devices = inventory.mfa_devices(user).unwrap();
            assert_eq!(devices[0].serial, format!("GAHT12345{}", &user.as_str()[5..]));
            assert_eq!(devices[1].enabled_at.to_string(), "2026-03-24T02:43:00Z");
        }
        assert_eq!(inventory.roles().unwrap().len(), ROLES);
        let details = inventory.authorization().unwrap();
        assert_eq!((details.users.len(), details.groups.len()), (USERS, GROUPS));
        assert_eq!((details.roles.len(), details.managed.len()), (ROLES, 1));
        assert_eq!(inventory.secrets().unwrap().len(), SECRETS);

        let uses = everything::open(&inventory, true);
        assert_eq!(
            uses.len(),
            2 * USERS,
            "when each key was last used is asked where it is wanted"
        );
        let text = SavedInventory::new(inventory).to_text();
        for secret in cloud.canaries() {
            assert!(!text.contains(secret.expose()));
        }
    });
}

#[test]
fn a_plan_asks_nothing_twice() {
    play(async {
        let stage = stage::Stage::set(WORLD, stage::PLAYBOOK).await;
        // No listing has a second page here. One request more asks who is asking.
        let answers = stage.saved.inventory.answers.len() as u64;
        assert_eq!(stage.cloud.requests(), answers + 1, "{:?}", asked(&stage.cloud));
    });
}

#[test]
fn a_second_factor_is_told_with_its_date_and_is_no_row_of_the_ledger() {
    let device = "        path: /ci/\n        mfa: [{ serial: \"arn:aws:iam::111122223333:mfa/x\", enabled_at: 2026-03-24T02:43:00Z }, { serial: \"arn:aws:iam::111122223333:mfa/old\", enabled_at: 2025-03-24T02:43:00Z }]\n";
    let world = WORLD.replace("        path: /ci/\n", device);
    assert_ne!(world, WORLD);
    play(async {
        let stage = stage::Stage::set(&world, stage::PLAYBOOK).await;
        let plan = &stage.saved.plan;
        let told = plan.untouched.iter().find(|left| left.what.contains("mfa/x")).unwrap();
        assert_eq!(told.what, "MFA device arn:aws:iam::111122223333:mfa/x of ci-deploy");
        assert!(told.why.contains("enabled 2026-03-24 02:43 UTC"), "{}", told.why);
        assert!(!plan.credentials.iter().any(|one| one.to_string().contains("mfa/x")));
        // What is new is told before somebody says yes, and an old one does not hide it.
        let warned = plan.warnings.iter().find(|one| one.contains("MFA devices")).unwrap();
        assert!(warned.contains("mfa/x of ci-deploy, 2026-03-24 02:43 UTC"), "{warned}");
        assert!(!warned.contains("mfa/old"), "{warned}");
    });
}

#[test]
fn what_is_refused_is_asked_again_in_a_later_sitting_and_the_rest_is_not() {
    let world = World::parse(&crowded()).unwrap();
    play(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let (connection, key) = stage::connect(&cloud, clock);
        let begin = || survey::begin(connection.read(), clock, key.clone());
        let mut first = begin().await.unwrap();
        let open = everything::open(&first, false);
        survey::fill(connection.read(), &mut first, open).await.unwrap();
        let open: Vec<_> = everything::open(&first, false).into_iter().take(100).collect();
        survey::fill(connection.read(), &mut first, open).await.unwrap();
        let read = first.answers.len();
        let saved = SavedInventory::from_text(&SavedInventory::new(first).to_text()).unwrap();

        clock.sleep(std::time::Duration::from_hours(1)).await;
        let before = cloud.requests();
        let mut saved = saved.resumed(begin().await.unwrap()).unwrap();
        let open = everything::open(&saved.inventory, false);
        let left = open.len();
        survey::fill(connection.read(), &mut saved.inventory, open).await.unwrap();
        assert_eq!(cloud.requests() - before, left as u64 + 1, "only what was open, and who asks");
        assert_eq!(saved.answers_by_sitting(), [read, left]);
        let again = SavedInventory::from_text(&saved.to_text()).unwrap();
        assert_eq!(again, saved);
        assert_eq!(everything::open(&again.inventory, false).len(), 0);
        let (one, other) = (&saved.sittings[0], &saved.sittings[1]);
        assert_eq!(other.taken_at.duration_since(one.taken_at).as_hours(), 1);
    });
}

/// Whoever may not list the users may see them in the details of everybody, and the other way round.
#[test]
fn one_listing_of_users_is_enough() {
    for refused in ["iam:ListUsers", "iam:GetAccountAuthorizationDetails"] {
        let deny = format!(
            "attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"], inline: {{ blind: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: \"{refused}\", Resource: \"*\" }}] }} }}"
        );
        let may = "attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]";
        let world = World::parse(&crowded().replace(may, &deny)).unwrap();
        play(async {
            let clock = Clock::starting_at(world.now());
            let inventory = everything(&Cloud::new(&world, clock), clock).await;
            let gaps: Vec<_> = inventory.gaps().map(|(want, _)| want.operation()).collect();
            assert_eq!(gaps, [refused]);
            let last = UserName::parse(format!("user-{:03}", USERS - 1)).unwrap();
            assert_eq!(inventory.access_keys(&last).unwrap().len(), 2);
        });
    }
}

/// As `portcullis survey` in a world's directory.
fn json_of(hosted: &Hosted, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(hosted.dir().join(file)).unwrap()).unwrap()
}

#[test]
fn a_survey_is_saved_shown_and_compared() {
    let hosted = Hosted::new(&crowded());
    let shown = ran(&mut hosted.here(&["survey", "-o", "a.json"])).ended_with(0);
    for said in [
        "Users (60)",
        "access key AKIAEXAMPLE100000000, inactive",
        "bedrock.amazonaws.com password ACCA",
        "MFA device GAHT12345000, since",
        "120 access keys, 60 of them active",
        "60 signing certificates, 60 of them active",
        "console passwords: ",
        "app/0  arn:aws:secretsmanager:us-east-1:111122223333:secret:app/0-",
    ] {
        assert!(shown.out.contains(said), "{said:?} is not in:\n{}", shown.out);
    }
    assert!(shown.err.contains("portcullis diff a.json NEWER"), "{}", shown.err);
    ran(&mut bare(hosted.dir(), &["diff", "a.json", "a.json"])).ended_with(0);

    let intruder = UserName::parse("user-007").unwrap();
    play_on(&hosted.cloud, &intruder);
    // What was read by hand at night is not written over by a slip of the finger.
    let kept = std::fs::read(hosted.dir().join("a.json")).unwrap();
    let refused = ran(&mut hosted.here(&["survey", "-o", "a.json"])).ended_with(5);
    assert!(refused.err.contains("a.json is there already"), "{}", refused.err);
    assert!(refused.err.contains("--resume a.json"), "{}", refused.err);
    assert_eq!(std::fs::read(hosted.dir().join("a.json")).unwrap(), kept);
    ran(&mut hosted.here(&["survey", "-o", "b.json"])).ended_with(0);
    ran(&mut hosted.here(&["survey", "-o", "b.json", "--replace"])).ended_with(0);
    let told = ran(&mut bare(hosted.dir(), &["diff", "a.json", "b.json"])).ended_with(4);
    assert!(told.out.contains("~ access key AKIAEXAMPLE100000007 of user-007"), "{}", told.out);
    assert!(told.out.contains("status: inactive -> active"), "{}", told.out);
    let mut as_json = bare(hosted.dir(), &["diff", "a.json", "b.json", "--format", "json"]);
    let found: Value = serde_json::from_str(&ran(&mut as_json).ended_with(4).out).unwrap();
    assert_eq!(found["version"], 1);
    assert_eq!(found["appeared"], json!([]));
    assert_eq!(found["changed"][0]["name"], "AKIAEXAMPLE100000007");
    assert_eq!(found["not_compared"], json!([]));
    assert_eq!(found["accounts_not_compared"], json!([]));
    let file = json_of(&hosted, "b.json");
    assert_eq!((&file["portcullis_inventory"], &file["stopped"]), (&json!(2), &Value::Null));
}

/// What was read is evidence: it is compared and gone on with as it was written, or not at all.
#[test]
fn an_inventory_that_was_edited_is_refused() {
    let hosted = Hosted::new(&crowded());
    ran(&mut hosted.here(&["survey", "-o", "a.json"])).ended_with(0);
    let whole = std::fs::read_to_string(hosted.dir().join("a.json")).unwrap();
    let file: Value = serde_json::from_str(&whole).unwrap();
    let digest = file["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    let write = |text: &str| std::fs::write(hosted.dir().join("b.json"), text).unwrap();
    let diff = || ran(&mut bare(hosted.dir(), &["diff", "a.json", "b.json"]));
    write(&serde_json::to_string_pretty(&file).unwrap());
    diff().ended_with(0);
    let older = whole
        .replace("\"portcullis_inventory\":2", "\"portcullis_inventory\":1")
        .replace(&format!("\"digest\":\"{digest}\","), "");
    for (edited, why) in [
        (whole.replace("user-007", "user-700"), "the inventory was changed after it was written"),
        (
            whole.replace("\"stopped\":null", "\"stopped\":\"by hand\""),
            "was changed after it was written",
        ),
        (whole.replace(&digest[..8], "00000000"), "it says 00000000"),
        (older, "it was written by an older version"),
        (whole.replace(&format!("\"digest\":\"{digest}\","), ""), "there is no `digest`"),
    ] {
        assert_ne!(edited, whole);
        write(&edited);
        crate::cli::refused(diff(), 5, &["b.json is not taken", why]);
        let resumed = ran(&mut hosted.here(&["survey", "--resume", "b.json"]));
        crate::cli::refused(resumed, 5, &["b.json is not taken", why, "or survey anew"]);
    }
}

/// An intruder in a world that is served: turns his inactive key on.
fn play_on(cloud: &Cloud, user: &UserName) {
    crate::hosted::in_real_time(async {
        let (connection, _) = stage::connect(cloud, Clock::system());
        let key = key("AKIAEXAMPLE100000007");
        let active = portcullis::inventory::Status::Active;
        connection.write().iam().set_access_key_status(user, &key, active).await.unwrap();
    });
}

#[test]
fn a_survey_that_was_interrupted_goes_on_from_what_was_kept() {
    let slow = crowded().replace("seed: 3\n", "seed: 3\nlatency: 50ms\n");
    let hosted = Hosted::new(&slow);
    let surveying = start(&mut hosted.here(&["survey", "-o", "a.json"]));
    // The tenth user's keys: by then much was read, and much was not.
    while !hosted.cloud.audit().iter().any(|event| event.operation == "GetLoginProfile") {
        std::thread::yield_now();
    }
    surveying.signal("INT");
    let stopped = surveying.ended().ended_with(130);
    assert!(stopped.err.contains("portcullis survey --resume a.json"), "{}", stopped.err);
    let kept = json_of(&hosted, "a.json");
    assert_eq!(kept["stopped"], "it was interrupted");
    let answers = kept["sittings"][0]["answers"].as_array().unwrap().len();
    assert!(answers >= 5, "{answers}");

    let before = asked(&hosted.cloud);
    let resumed = ran(&mut hosted.here(&["survey", "--resume", "a.json"])).ended_with(0);
    let after = asked(&hosted.cloud);
    assert_eq!(before["ListUsers"], after["ListUsers"], "what was read is not read again");
    assert!(resumed.out.contains(&format!("{answers} answers read since")), "{}", resumed.out);
    assert!(resumed.out.contains("[as of "), "what is old is shown as old:\n{}", resumed.out);
    assert_eq!(json_of(&hosted, "a.json")["stopped"], Value::Null);
}

#[test]
fn a_survey_whose_credentials_end_keeps_what_it_read_and_goes_on_with_fresh_ones() {
    let admins = "      admin: { keys: [{ id: AKIAEXAMPLEADMIN0009 }], attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"] }
      us: { keys: [{ id: AKIAEXAMPLERESPOND01 }], attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"] }\n    groups:\n";
    let world = crowded()
        .replace("    groups:\n", admins)
        .replace("role: admin }", "key: AKIAEXAMPLERESPOND01 }")
        .replace("seed: 3\n", "seed: 3\nlatency: 50ms\nlag: 0s\n");
    let hosted = Hosted::new(&world);
    let turn = |status: aws_sdk_iam::types::StatusType| {
        crate::hosted::in_real_time(async {
            let config = stage::somebody_else(&hosted.cloud, Clock::system());
            let call = aws_sdk_iam::Client::new(&config).update_access_key().user_name("us");
            let call = call.access_key_id("AKIAEXAMPLERESPOND01").status(status);
            call.send().await.unwrap();
        });
    };
    let surveying = start(&mut hosted.here(&["survey", "-o", "a.json"]));
    while !asked(&hosted.cloud).contains_key("GetLoginProfile") {
        std::thread::yield_now();
    }
    turn(aws_sdk_iam::types::StatusType::Inactive);
    let stopped = surveying.ended();
    let err = crate::cli::refused(stopped, 10, &["InvalidClientTokenId", "get fresh ones"]);
    assert!(err.contains("portcullis survey --resume a.json"), "{err}");
    let kept = json_of(&hosted, "a.json");
    assert!(kept["stopped"].as_str().unwrap().contains("InvalidClientTokenId"));
    turn(aws_sdk_iam::types::StatusType::Active);
    ran(&mut hosted.here(&["survey", "--resume", "a.json", "-o", "b.json"])).ended_with(0);
    assert_eq!(json_of(&hosted, "b.json")["stopped"], Value::Null);
}

/// A quick world, whose responder may not read the details of everybody.
fn blind() -> String {
    let may = "                  - iam:GetAccountAuthorizationDetails\n";
    let world = crate::hosted::quick_world();
    assert!(world.contains(may));
    world.replacen(may, "", 1)
}

#[test]
fn a_listing_that_is_refused_is_shown_and_the_rest_is_read() {
    // The shipped world's responder may not read secrets, nor the details of everybody.
    let hosted = Hosted::new(&blind());
    let shown = ran(&mut hosted.here(&["survey", "-o", "a.json"])).ended_with(10);
    assert!(shown.out.contains("Not read"), "{}", shown.out);
    let refused = "iam:GetAccountAuthorizationDetails answered AccessDenied, 1 time";
    assert!(shown.out.contains(refused), "{}", shown.out);
    assert!(shown.out.contains("access key AKIAEXAMPLEHUNGON002"), "{}", shown.out);
    assert!(shown.err.contains("portcullis survey --resume a.json"), "{}", shown.err);
    // What neither could read is not the same in both.
    let told = ran(&mut bare(hosted.dir(), &["diff", "a.json", "a.json"])).ended_with(11).out;
    assert!(told.contains("0 appeared, 0 vanished, 0 changed"), "{told}");
    let not = "policies, groups and tags of users and roles (iam:GetAccountAuthorizationDetails): 1 read in neither";
    assert!(told.contains("Not comparable") && told.contains(not), "{told}");
}

#[test]
fn what_a_playbook_asks_can_be_surveyed_alone_and_compared_with_its_plan() {
    let hosted = Hosted::new(&crate::hosted::quick_world());
    let playbook = crate::hosted::playbook_in(hosted.dir());
    let mut survey = hosted.here(&["survey", &playbook, "-o", "a.json"]);
    ran(survey.args(hosted.typed_inputs())).ended_with(0);
    ran(&mut hosted.plan(&["--margin", "1"])).ended_with(0);
    let same = ran(&mut bare(hosted.dir(), &["diff", "a.json", "plan.json"])).ended_with(0);
    assert!(same.out.contains("0 appeared, 0 vanished, 0 changed"), "{}", same.out);
    assert!(!same.out.contains("Not comparable"), "{}", same.out);
}

/// A survey changes nothing, and locks nobody out.
#[test]
fn what_a_plan_would_be_refused_for_is_told_by_a_survey_that_ends_as_one() {
    let hosted = Hosted::new(&with_all_in_sight());
    let playbook = "portcullis: 1\nname: own\ntitle: Cuts whoever works with it\nmode: breach\ncounters: [T1078.004]\n\
                    steps:\n  - id: web-off\n    title: Web off\n    phase: contain\n    uses: iam.role.quarantine\n    \
                    with: { role: incident-responder }\n";
    std::fs::write(hosted.dir().join("p.yaml"), playbook).unwrap();
    let told = ran(&mut hosted.here(&["survey", "p.yaml", "-o", "a.json"])).ended_with(0);
    assert!(told.err.contains("`portcullis plan` would be refused"), "{}", told.err);
    assert!(told.err.contains("lock-out"), "{}", told.err);
    assert!(told.err.contains("Everything was read"), "{}", told.err);
    let planned = ran(&mut hosted.here(&["plan", "p.yaml"])).ended_with(5);
    assert!(planned.err.contains("lock-out"), "{}", planned.err);
    let as_json = ran(&mut hosted.here(&["survey", "p.yaml", "--format", "json"])).ended_with(0);
    assert!(serde_json::from_str::<Value>(&as_json.out).is_ok(), "{}", as_json.out);
}

#[test]
fn what_could_not_be_listed_is_counted_by_nobody() {
    let world = blind().replace("                  - iam:ListUsers\n", "");
    let hosted = Hosted::new(&world);
    let shown = ran(&mut hosted.here(&["survey"])).ended_with(10);
    assert!(shown.out.contains("users: not known, iam:ListUsers was refused"), "{}", shown.out);
    assert!(!shown.out.contains("0 users"), "{}", shown.out);
}

/// Of whom something was refused, that is told with him: he looked like somebody who holds nothing.
#[test]
fn what_could_not_be_read_of_somebody_is_told_with_him() {
    let denied = "        inline:\n          rotate:";
    let deny = "        inline:\n          blind: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: [\"iam:GetLoginProfile\", \
                \"iam:ListMFADevices\", \"iam:ListAccessKeys\"], Resource: \"arn:aws:iam::*:user/ci/ci-deploy\" }] }\n          rotate:";
    let seeing = with_all_in_sight();
    let refusing = seeing.replacen(denied, deny, 1);
    assert_ne!(refusing, seeing);
    let hosted = Hosted::new(&refusing);
    let shown = ran(&mut hosted.here(&["survey", "-o", "less.json"])).ended_with(10);
    let his = shown.out.split("\n  ci-deploy\n").nth(1).unwrap();
    let his: Vec<&str> = his.lines().take_while(|line| line.starts_with("    ")).collect();
    let refused = |what: &str, operation: &str| {
        format!("    {what}: not read ({operation} answered AccessDenied)")
    };
    for told in [
        refused("access keys", "iam:ListAccessKeys"),
        refused("console passwords", "iam:GetLoginProfile"),
        refused("MFA devices", "iam:ListMFADevices"),
    ] {
        assert!(his.contains(&told.as_str()), "{told}: {}", shown.out);
        assert_eq!(shown.out.matches(&told).count(), 1, "{}", shown.out);
    }
    let saved = json_of(&hosted, "less.json").to_string();
    assert!(saved.contains("iam:GetLoginProfile") && saved.contains("AccessDenied"), "{saved}");
    let told = ran(&mut bare(hosted.dir(), &["diff", "less.json", "less.json"])).ended_with(11).out;
    assert!(
        told.contains("(iam:ListAccessKeys): 1 read in neither; of user ci-deploy\n"),
        "{told}"
    );
    let args = ["diff", "less.json", "less.json", "--format", "json"];
    let told: Value =
        serde_json::from_str(&ran(&mut bare(hosted.dir(), &args)).ended_with(11).out).unwrap();
    let of = json!([{"kind": "user", "name": "ci-deploy"}]);
    assert_eq!(told["not_compared"][0]["of"], of, "{told:#}");
}

/// The shipped world, whose responder may read everything.
pub(crate) fn with_all_in_sight() -> String {
    let world = crate::hosted::quick_world();
    let all = world.replace(
        "        inline:\n          rotate:",
        "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n        inline:\n          rotate:",
    );
    assert_ne!(all, world);
    all
}

#[test]
fn a_plan_is_compared_with_the_survey_of_a_whole_account_so_far_as_the_plan_goes() {
    // No role is in reach of the owner: of those the plan asks what they may read, and is told of everybody.
    let world = with_all_in_sight().replace("111122223333:root", "999988887777:root");
    let hosted = Hosted::new(&stage::with_somebody_else(&world));
    ran(&mut hosted.plan(&["--margin", "1"])).ended_with(0);
    ran(&mut hosted.here(&["survey", "-o", "all.json"])).ended_with(0);
    let compared = |first: &str, second: &str, code: i32| {
        let mut typed = bare(hosted.dir(), &["diff", first, second, "--format", "json"]);
        let found: Value = serde_json::from_str(&ran(&mut typed).ended_with(code).out).unwrap();
        let text = ran(&mut bare(hosted.dir(), &["diff", first, second])).ended_with(code).out;
        (found, text)
    };
    // Both hold the same, whoever was asked about alone in the one and with everybody in the other.
    for (first, second) in [("plan.json", "all.json"), ("all.json", "plan.json")] {
        let (found, text) = compared(first, second, 11);
        for by in ["iam:GetUser", "iam:ListAttachedUserPolicies", "secretsmanager:DescribeSecret"] {
            assert!(found["compared"][by].as_u64() >= Some(1), "{by} of {found:#}");
        }
        assert!(found["beyond"]["iam:ListUsers"] == 1, "{found:#}");
        assert!(text.contains("Not compared: beyond what the plan asked"), "{text}");
        assert!(text.contains("2 users it asked nothing about: admin, backup\n"), "{text}");
    }
    // What was put on him is told, though it was read in another way.
    hosted.meanwhile(async |iam| {
        let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
        let put = iam.attach_user_policy().user_name("ci-deploy").policy_arn(arn);
        put.send().await.unwrap();
    });
    ran(&mut hosted.here(&["survey", "-o", "later.json"])).ended_with(0);
    let (_, text) = compared("plan.json", "later.json", 4);
    assert!(
        text.contains("+ attached policy arn:aws:iam::aws:policy/AdministratorAccess of ci-deploy"),
        "{text}"
    );
    // Whoever came in is among those that the plan asked nothing about, and the account has counted him.
    hosted.meanwhile(async |iam| {
        iam.create_user().user_name("intruder").send().await.unwrap();
    });
    ran(&mut hosted.here(&["survey", "-o", "last.json"])).ended_with(0);
    let (found, text) = compared("plan.json", "last.json", 4);
    assert!(text.contains("~ account, counted\n") && text.contains("users: 3 -> 4"), "{text}");
    assert!(text.contains("3 users it asked nothing about: admin, backup, intruder\n"), "{text}");
    let beyond = found["beyond_things"].as_array().unwrap();
    assert!(beyond.contains(&serde_json::json!({"kind": "user", "name": "intruder"})), "{found:#}");
    // What is in the plan alone is not known to be the same.
    let all = std::fs::read_to_string(hosted.dir().join("all.json")).unwrap();
    let mut less = SavedInventory::from_text(&all).unwrap();
    less.inventory.answers.retain(|want, _| *want != Want::Authorization);
    std::fs::write(hosted.dir().join("less.json"), less.to_text()).unwrap();
    let (found, text) = compared("plan.json", "less.json", 11);
    assert_eq!(found["not_compared"]["iam:ListAttachedUserPolicies"], Value::Null);
    assert!(
        text.contains(
            "policies attached to users (iam:ListAttachedUserPolicies): 1 read in the first alone"
        ),
        "{text}"
    );
}

/// New passwords are made as the account asks for: the plan reads that, and so does the survey of everything.
#[test]
fn a_plan_that_sets_passwords_is_compared_with_the_survey_of_a_whole_account() {
    let hosted = Hosted::new(&crowded());
    let playbook = "portcullis: 1
name: reset
title: Reset
mode: breach
inputs:
  user: { type: user-name, required: true, help: Whose password }
steps:
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: \"${{ inputs.user }}\" } }
  - id: reset
    phase: rotate
    uses: iam.login-profile.force-reset
    with: { user: \"${{ inputs.user }}\", deliver_to: app/0 }
";
    std::fs::write(hosted.dir().join("reset.yaml"), playbook).unwrap();
    std::fs::write(hosted.dir().join("inputs.yaml"), "user: user-000\n").unwrap();
    let asked = ["reset.yaml", "--inputs", "inputs.yaml"];
    ran(hosted.here(&["plan", "-o", "plan.json"]).args(asked)).ended_with(0);
    ran(&mut hosted.here(&["survey", "-o", "all.json"])).ended_with(0);
    // The same inputs say what a survey for the playbook reads.
    ran(hosted.here(&["survey", "-o", "some.json"]).args(asked)).ended_with(0);
    // Most users are beyond the plan.
    for (survey, code) in [("all.json", 11), ("some.json", 0)] {
        let diff = ["diff", "plan.json", survey, "--format", "json"];
        let found = ran(&mut bare(hosted.dir(), &diff)).ended_with(code).out;
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["compared"]["iam:GetAccountPasswordPolicy"], 1, "{found:#}");
    }
}

#[test]
fn what_is_no_inventory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    file("newer.json", r#"{"portcullis_inventory": 3}"#);
    file("other.json", "[]");
    for (name, word) in [
        ("newer.json", "the inventory has format 3, and this program reads format 2"),
        ("other.json", "not an inventory"),
        ("none.json", "cannot read none.json"),
    ] {
        let refused = ran(&mut bare(dir.path(), &["diff", name, name]));
        crate::cli::refused(refused, 5, &[word]);
    }
}
