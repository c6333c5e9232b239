//! Runs against an intruder who acts while they go on. However a run ends, what it says of itself must agree
//! with the world: what he holds is tried afterwards, whatever he got meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::run::Ending;
use portcullis::sim::Reach;

use crate::hosted::{bare, cases_in, playbook_in, ran};
use crate::side_by_side::each;
use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play};
use crate::verdict::{
    ACCOUNT, VICTIM, every_consumer_works, no_secret_was_written, requests_of, the_gate_was_kept,
};

const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
const REACTIONS: &str = "\nintruder:\n";

/// The shipped world, in which the leaked key may do these things too, with another intruder.
fn world(more: &[&str], resource: &str, intruder: &str) -> String {
    let (before, after) = WORLD.split_once(REACTIONS).unwrap();
    let rehearsal = after.split("\nrehearsal:").nth(1).unwrap();
    let actions = more.iter().map(|action| format!("\"{action}\", ")).collect::<String>();
    let own = "Action: [\"iam:CreateAccessKey\", \"iam:ListAccessKeys\", \"iam:GetUser\", \"sts:GetFederationToken\", \"sts:AssumeRole\"]\n                Resource: \"*\"";
    assert!(before.contains(own));
    let own_now = format!(
        "Action: [{actions}\"iam:CreateAccessKey\", \"iam:ListAccessKeys\", \"iam:GetUser\", \"sts:GetFederationToken\", \"sts:AssumeRole\"]\n                Resource: {resource}"
    );
    // Answers take their time, so that he can act between two requests.
    let before = before.replace(own, &own_now).replace("\nlag: 4s", "\nlag: 4s\nlatency: 300ms");
    format!("{before}{REACTIONS}{intruder}\nrehearsal:{rehearsal}")
}

/// Runs, and resumes where a person would, at most so often.
async fn to_an_end(stage: &Stage, most: usize) -> (Ending, Vec<String>) {
    let mut held = Vec::new();
    for _ in 0..most {
        match stage.run(None).await {
            Left::Ended(Ending::Held(why) | Ending::Stopped(why)) => held.push(why.join("\n")),
            Left::Ended(ending) => return (ending, held),
            Left::Crashed => panic!("nothing crashes here"),
        }
    }
    (Ending::Held(held.clone()), held)
}

/// Whether a run says that it is done: exit code 0 or 11.
fn is_done(ending: &Ending) -> bool {
    matches!(ending, Ending::Proven | Ending::NotProven)
}

/// Everything of his that still lets him do something, by whose it is: a user of the account, or a role.
fn works(stage: &Stage) -> Vec<(String, Reach)> {
    let reach = stage.cloud.intruder_reach();
    let owners = owners(stage);
    let of = |credential: &str| owners.get(credential).cloned().unwrap_or_default();
    reach
        .into_iter()
        .filter(|reach| !reach.allowed.is_empty())
        .map(|reach| (of(&reach.credential), reach))
        .collect()
}

/// Whose the intruder's credentials are: by the snapshot for keys, by his own log for what he minted.
fn owners(stage: &Stage) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    let users = format!("{ACCOUNT}/users/");
    for entry in stage.cloud.snapshot().0.keys() {
        if let Some((user, key)) = entry.strip_prefix(&users).and_then(|e| e.split_once("/keys/")) {
            owners.insert(key.to_owned(), user.to_owned());
        }
    }
    for id in ["ASIAEXAMPLESESSION04", "ASIAEXAMPLEFEDERAT05"] {
        owners.insert(id.to_owned(), VICTIM.to_owned());
    }
    for deed in stage.cloud.intruder_deeds() {
        let name = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
        for gained in &deed.gained {
            let owner = match deed.operation.as_str() {
                "AssumeRole" => format!("role {}", name(&deed.resource)),
                "GetSessionToken" | "GetFederationToken" => deed
                    .credential
                    .as_ref()
                    .and_then(|with| owners.get(with))
                    .cloned()
                    .unwrap_or_default(),
                "ConsoleLogin" | "CreateLoginProfile" | "UpdateLoginProfile" => {
                    name(&deed.resource)
                }
                _ => continue,
            };
            owners.insert(gained.clone(), owner);
        }
    }
    owners
}

/// Whether he has changed anybody but the user whose key he has.
fn has_changed_others(stage: &Stage) -> bool {
    let own = format!("user/ci/{VICTIM}");
    stage.cloud.audit().iter().any(|event| {
        event.intruder
            && event.writes
            && event.took_effect
            && event.service == "iam"
            && !event.resource.ends_with(&own)
    })
}

/// Principals of which the ledger says that not all is accounted for.
fn not_accounted_for(stage: &Stage) -> BTreeSet<String> {
    let ledger = Ledger::of(&stage.saved.plan, &stage.state());
    let open = |standing: &Standing| {
        matches!(standing, Standing::Unaccounted { .. } | Standing::OutOfReach { .. })
    };
    let rows = ledger.rows.iter().filter(|row| open(&row.standing));
    rows.map(|row| match &row.credential {
        Credential::RoleSessions { role } => format!("role {role}"),
        other => other.to_string(),
    })
    .collect()
}

/// What must be true of any run that says it is done, whatever he did. Of those whom the plan cuts he has
/// nothing that works, unless he came back through somebody whom it does not cut, or whom the ledger calls
/// open: then whoever looks again is told. And where anything of his works, the run does not call itself proven.
async fn the_end_is_true(stage: &Stage, ending: &Ending, what: &str) {
    no_secret_was_written(stage);
    if !is_done(ending) {
        return;
    }
    let (cut, others) = what_works(stage);
    assert!(
        cut.is_empty() || !others.is_empty(),
        "{what}: {cut:#?} still works\n{:#?}",
        stage.cloud.intruder_deeds()
    );
    let nothing = cut.is_empty() && others.is_empty();
    assert!(nothing || *ending != Ending::Proven, "{what}: not proven while {cut:?} {others:?}");
    the_gate_was_kept(stage);
    if others.is_empty() {
        every_consumer_works(stage);
    }
    if !cut.is_empty() {
        let Left::Ended(again) = stage.run(None).await else { panic!("nothing crashes here") };
        let told = matches!(&again, Ending::Held(why) if !why.is_empty());
        assert!(told, "{what}: he is back, and nobody is told: {again:?}");
    }
}

/// What works of his: of those whom the plan cuts and the ledger does not call open, and of all others.
type Works = Vec<(String, Reach)>;

fn what_works(stage: &Stage) -> (Works, Works) {
    let open = not_accounted_for(stage);
    let is_cut = |owner: &String| {
        stage.saved.plan.users().any(|user| user.as_str() == owner.as_str())
            && !open.iter().any(|row| row.contains(owner.as_str()))
    };
    works(stage).into_iter().partition(|(owner, _)| is_cut(owner))
}

/// The scene of the tracker: sessions of three kinds from before the cut, a key hung on somebody else, and
/// the quarantine taken off once.
#[test]
fn an_intruder_who_takes_the_quarantine_off_once_is_noticed_and_out_in_the_end() {
    let intruder = format!(
        r#"  holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002, ASIAEXAMPLESESSION04, ASIAEXAMPLEFEDERAT05]
  tries:
    - {{ action: "s3:GetObject", resource: "arn:aws:s3:::site/index.html" }}
  reacts:
    - name: while he still can
      when: {{ operation: AttachUserPolicy, target: ci-deploy }}
      react_in: 1s
      times: 1
      deeds:
        - {{ operation: GetFederationToken, params: {{ Name: late, DurationSeconds: 129600, Policy: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Action: "*", Resource: "*" }}] }} }} }}
        - {{ operation: AssumeRole, params: {{ RoleArn: "arn:aws:iam::111122223333:role/auditor", RoleSessionName: late }} }}
        - {{ operation: DetachUserPolicy, params: {{ UserName: ci-deploy, PolicyArn: "{DENY_ALL}" }} }}
    - name: comes back for more
      when: {{ operation: PutUserPolicy, target: ci-deploy }}
      react_in: 20s
      times: 3
      deeds:
        - {{ operation: GetSessionToken, params: {{ DurationSeconds: 129600 }} }}
        - {{ operation: GetFederationToken, params: {{ Name: later }} }}
"#
    );
    play(async {
        let stage =
            Stage::set(&world(&["iam:DetachUserPolicy"], "\"*\"", &intruder), PLAYBOOK).await;
        let (ending, held) = to_an_end(&stage, 4).await;
        // He was quick enough: it was seen, and a person was asked before anything was issued.
        let why = held.first().unwrap_or_else(|| panic!("{ending:?}"));
        assert!(why.contains("was taken off again"), "{why}");
        assert_eq!(ending, Ending::NotProven, "{held:?}");
        let off = stage.cloud.audit().into_iter().filter(|event| {
            event.intruder && event.operation == "DetachUserPolicy" && event.took_effect
        });
        assert_eq!(off.count(), 1);
        stage.let_it_settle().await;
        the_end_is_true(&stage, &ending, "once").await;
        let late = stage.cloud.intruder_deeds();
        let minted = late.iter().filter(|deed| !deed.gained.is_empty()).count();
        assert!(minted >= 2, "he did get something: {late:#?}");
        for (owner, reach) in works(&stage) {
            assert_eq!(owner, "role auditor", "{reach:?}");
        }
        assert_eq!(requests_of(&stage, "CreateAccessKey").len(), 1);
    });
}

/// Nothing is handed out before he is out: whatever he still does, he never gets the new key.
#[test]
fn an_intruder_who_reads_the_secret_until_the_end_never_gets_the_new_key() {
    let intruder = r"  holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002, ASIAEXAMPLESESSION04, ASIAEXAMPLEFEDERAT05]
  reacts:
    - name: reads it again and again
      every: 5s
      times: 200
      deeds: [{ operation: GetSecretValue, params: { SecretId: deploy/aws-key } }]
";
    play(async {
        let more = ["secretsmanager:GetSecretValue"];
        let stage = Stage::set(&world(&more, "\"*\"", intruder), PLAYBOOK).await;
        let (ending, held) = to_an_end(&stage, 2).await;
        assert_eq!(ending, Ending::NotProven, "{held:?}");
        stage.let_it_settle().await;
        the_end_is_true(&stage, &ending, "reader").await;
        let deeds = stage.cloud.intruder_deeds();
        let read: Vec<_> = deeds.iter().filter(|deed| deed.refused.is_none()).collect();
        assert!(!read.is_empty(), "he read it while he could");
        assert!(
            read.iter().all(|deed| deed.gained.is_empty()),
            "and it was the old key: {read:#?}"
        );
        let minted = stage.cloud.audit();
        let minted = minted.iter().find(|event| event.operation == "CreateAccessKey").unwrap();
        assert!(read.iter().all(|deed| deed.at < minted.at));
    });
}

/// A key hung on somebody whom the plan does not cut: the run must not say that all is well.
#[test]
fn a_key_that_he_hangs_on_somebody_else_keeps_the_run_from_being_proven() {
    let intruder = r"  holds: [AKIAEXAMPLELEAKED001]
  reacts:
    - name: hangs a key on the backup
      when: { operation: AttachUserPolicy, target: ci-deploy }
      react_in: 1s
      times: 1
      deeds: [{ operation: CreateAccessKey, params: { UserName: backup } }]
";
    play(async {
        let stage = Stage::set(&world(&[], "\"*\"", intruder), PLAYBOOK).await;
        let (ending, _) = to_an_end(&stage, 4).await;
        stage.let_it_settle().await;
        the_end_is_true(&stage, &ending, "hung on").await;
        let deeds = stage.cloud.intruder_deeds();
        assert_eq!(deeds[0].gained.len(), 1, "{deeds:#?}");
        let works = works(&stage);
        assert!(works.is_empty() || ending != Ending::Proven, "{works:?}");
    });
}

/// What a random world lets the leaked key do besides.
const MORE: [&str; 9] = [
    "iam:DetachUserPolicy",
    "iam:DeleteUserPolicy",
    "iam:UpdateAccessKey",
    "iam:DeleteUserPermissionsBoundary",
    "iam:AttachUserPolicy",
    "iam:CreateLoginProfile",
    "iam:CreateUser",
    "iam:UpdateAssumeRolePolicy",
    "secretsmanager:GetSecretValue",
];

fn greedy_world(seed: u64, himself_only: bool) -> String {
    let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let more: Vec<&str> =
        MORE.iter().enumerate().filter(|(n, _)| mixed >> n & 1 == 1).map(|(_, a)| *a).collect();
    let resource = if himself_only {
        format!(
            "[\"arn:aws:iam::{ACCOUNT}:user/ci/{VICTIM}\", \"arn:aws:sts::{ACCOUNT}:federated-user/*\"]"
        )
    } else {
        "\"*\"".to_owned()
    };
    let intruder = "  holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002, ASIAEXAMPLESESSION04, ASIAEXAMPLEFEDERAT05]\n  strategy: greedy\n  tries:\n    - { action: \"s3:GetObject\", resource: \"arn:aws:s3:::site/index.html\" }\n";
    world(&more, &resource, intruder).replace("seed: 7", &format!("seed: {seed}"))
}

/// Over many seeds: an intruder who does whatever he is let. Runs that say they are done leave him with
/// nothing of those they cut; where he can only help himself, with nothing at all.
#[test]
fn whatever_a_greedy_intruder_does_a_run_that_ends_tells_the_truth() {
    for himself_only in [true, false] {
        let seeds: Vec<u64> = (1..=24).collect();
        let told = std::sync::Mutex::new(BTreeMap::<String, usize>::new());
        let back = AtomicUsize::new(0);
        let cases = each(&seeds, |seed| {
            play(async {
                let world = greedy_world(*seed, himself_only);
                let stage = match Stage::set_on(&world, PLAYBOOK, &crate::stage::terms()).await {
                    Ok(stage) => stage,
                    // He changed something while it was planned: a refusal is an honest end too.
                    Err(problems) => {
                        let why = format!("no plan: {:?}", problems[0].code);
                        *told.lock().unwrap().entry(why).or_default() += 1;
                        return;
                    }
                };
                let (ending, _) = to_an_end(&stage, 12).await;
                stage.let_it_settle().await;
                let what = format!("seed {seed}, himself only: {himself_only}");
                let works = works(&stage);
                the_end_is_true(&stage, &ending, &what).await;
                // Whoever was quick enough to make himself an administrator is not kept to himself any more: then what
                // works is his who was changed, or he is back since, and that is told above.
                if himself_only && is_done(&ending) && !works.is_empty() {
                    assert!(has_changed_others(&stage), "{what}: {works:?}");
                    back.fetch_add(1, Ordering::Relaxed);
                }
                let word = match (&ending, works.is_empty()) {
                    (Ending::Proven, _) => "proven",
                    (Ending::NotProven, true) => "not proven, and he is out",
                    (Ending::NotProven, false) => "not proven, and he has something",
                    _ => "held",
                };
                *told.lock().unwrap().entry(word.to_owned()).or_default() += 1;
            });
        });
        let told = told.into_inner().unwrap();
        println!("counted: {cases} cases, greedy intruders, himself only {himself_only}, {told:?}");
        let done = told.get("not proven, and he is out").copied().unwrap_or_default()
            + told.get("proven").copied().unwrap_or_default();
        assert!(!himself_only || done >= 10, "few came to an end: {told:?}");
        let back = back.into_inner();
        assert!(back <= 2, "{back} of {cases} made administrators of themselves and are back");
    }
}

/// What stops in the middle goes on with him: a saved world has his plans in it, and the same seed gives the
/// same end.
#[test]
fn a_run_against_an_intruder_is_the_same_every_time() {
    let ends: Vec<(String, String)> = (0..2)
        .map(|_| {
            play(async {
                let stage = Stage::set(&greedy_world(3, true), PLAYBOOK).await;
                let (ending, held) = to_an_end(&stage, 12).await;
                (format!("{ending:?} {held:?}"), stage.cloud.save().to_string())
            })
        })
        .collect();
    assert_eq!(ends[0].0, ends[1].0);
    assert!(ends[0].1 == ends[1].1, "the worlds differ");
}

/// What a person sees of it: the run is held, the screen says what he did and that he is let in nowhere for
/// it, and resuming goes on in the same world to the end.
#[test]
fn a_rehearsal_tells_what_the_intruder_did_and_goes_on_with_him() {
    let intruder = format!(
        r#"  holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002, ASIAEXAMPLESESSION04, ASIAEXAMPLEFEDERAT05]
  reacts:
    - when: {{ operation: AttachUserPolicy, target: ci-deploy }}
      react_in: 2s
      times: 1
      deeds: [{{ operation: DetachUserPolicy, params: {{ UserName: ci-deploy, PolicyArn: "{DENY_ALL}" }} }}]
    - when: {{ operation: PutUserPolicy, target: ci-deploy }}
      react_in: 30s
      deeds: [{{ operation: GetFederationToken, params: {{ Name: "again" }}, with: AKIAEXAMPLELEAKED001 }}]
"#
    );
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let world = world(&["iam:DetachUserPolicy"], "\"*\"", &intruder);
    std::fs::write(dir.path().join(&playbook).join("world.yaml"), world).unwrap();
    let rehearsed = ran(&mut bare(dir.path(), &["rehearse", &playbook])).ended_with(13);
    let told = |screen: &str| screen.split("What the intruder did").nth(1).unwrap().to_owned();
    let first = told(&rehearsed.out);
    let off = "DetachUserPolicy on arn:aws:iam::111122223333:user/ci/ci-deploy with AKIAEXAMPLELEAKED001\n";
    assert!(first.contains("LET IN") && first.contains(off), "{first}");
    assert!(rehearsed.out.contains("was taken off again"), "{}", rehearsed.out);
    let case = cases_in(dir.path())[0].display().to_string();
    let resumed = ran(&mut bare(dir.path(), &["resume", &case])).ended_with(11);
    let then = told(&resumed.out);
    assert!(then.contains(off), "what he did before is not forgotten: {then}");
    assert!(then.contains("refused") && then.contains("GetFederationToken on"), "{then}");
    let tried = then.split("Tried in the world").nth(1).unwrap();
    assert!(tried.contains("refused") && !tried.contains("LET IN"), "{tried}");
}
