//! A stage for runs: a world, a plan, a journal on tape, and crashes at will.
//!
//! A crash is a run that is dropped: nothing of it goes on, and only the tape and the world remain. The
//! tape remembers how many requests the world had seen at every line, so that "no effect without an
//! intent" can be checked afterwards.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::region::Region;
use portcullis::action::catalog::Actions;
use portcullis::clock::Clock;
use portcullis::cloud::{Connection, Endpoint, Outside, Suspect};
use portcullis::diagnostic::{Diagnostic, Source};
use portcullis::ids::{AccessKeyId, DeliveryName};
use portcullis::inventory::Inventory;
use portcullis::journal::{self, Entry, Journal, Medium, Place, State};
use portcullis::outbox::{Outbox, Sealed};
use portcullis::plan::{Plan, SavedPlan};
use portcullis::planning::{self, Planned, Terms};
use portcullis::playbook::{self, Given, Playbook, Proof};
use portcullis::run::{
    Ending, Event, Keep, Log, MadeBeside, Observer, Rounds, RunError, begin_round,
};
use portcullis::sim::{Cloud, Fault, World};
use portcullis::survey::{self, Thought};
use tokio::sync::{Notify, watch};

pub(crate) const PLAYBOOK: &str = include_str!("../../playbooks/leaked-access-key/playbook.yaml");
pub(crate) const WORLD: &str = include_str!("../../playbooks/leaked-access-key/world.yaml");

/// How much of a line reaches the tape before the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    /// Nothing.
    Nothing,
    /// Half of it.
    Half,
    /// All but its last byte.
    AllButTheEnd,
    /// All of it: the crash comes after the sync.
    Whole,
}

impl Torn {
    pub(crate) const ALL: [Self; 4] = [Self::Nothing, Self::Half, Self::AllButTheEnd, Self::Whole];
}

/// What survives a crash of the process.
#[derive(Default)]
pub(crate) struct Tape {
    pub(crate) bytes: Vec<u8>,
    /// For every whole line, the number of requests the world had seen when it was written.
    pub(crate) requests: Vec<u64>,
}

/// A journal's medium that crashes at its `stop_at`-th line, counted from 1 since it was opened.
pub(crate) struct Recorder {
    tape: Arc<Mutex<Tape>>,
    cloud: Cloud,
    lines: usize,
    stop_at: Option<(usize, Torn)>,
    crashed: Arc<Notify>,
}

impl Recorder {
    pub(crate) fn new(
        tape: &Arc<Mutex<Tape>>,
        cloud: &Cloud,
        stop_at: Option<(usize, Torn)>,
        crashed: &Arc<Notify>,
    ) -> Self {
        let (tape, crashed) = (Arc::clone(tape), Arc::clone(crashed));
        Self { tape, cloud: cloud.clone(), lines: 0, stop_at, crashed }
    }
}

impl Medium for Recorder {
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'a>> {
        Box::pin(async move {
            self.lines += 1;
            let torn = match self.stop_at {
                Some((at, torn)) if at == self.lines => Some(torn),
                _ => None,
            };
            let kept = match torn {
                None | Some(Torn::Whole) => line.len(),
                Some(Torn::Nothing) => 0,
                Some(Torn::Half) => line.len() / 2,
                Some(Torn::AllButTheEnd) => line.len() - 1,
            };
            {
                let mut tape = self.tape.lock().unwrap();
                tape.bytes.extend(&line[..kept]);
                if kept == line.len() {
                    tape.requests.push(self.cloud.requests());
                }
            }
            if torn.is_some() {
                self.crashed.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

/// Remembers everything it is told, as text.
#[derive(Default)]
pub(crate) struct Witness(pub(crate) Mutex<String>);

impl Observer for Witness {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::PhaseBegan { phase, changes } => format!("{phase} {changes}"),
            Event::Began { change, attempt } => format!("began {} {attempt}", change.id),
            Event::Seen { change, found } => format!("seen {} {found}", change.id),
            Event::Trouble { change, why } => format!("trouble {} {why}", change.id),
            Event::WaitingForOthers { accounts } => format!("waiting for {accounts:?}"),
            Event::OffBefore { cut } => format!("off before {} {}", cut.case, cut.change),
            Event::NotSeen { operations } => format!("not seen {operations:?}"),
            Event::Underway { change, why, until } => {
                format!("underway {} {why} {until}", change.id)
            }
            Event::Held { change, until } => format!("held {} {until}", change.id),
            Event::Settling { what, cuts, until } => format!("settling {what} {cuts} {until}"),
            Event::Outwaiting { until, .. } => format!("outwaiting {until}"),
            Event::Pausing { step, next, of, until } => {
                format!("pausing {step} {next} {of} {until}")
            }
            Event::Throttled { by, .. } => format!("throttled {}", by.service),
            Event::Proved { change, proof } => format!("proved {} {proof}", change.id),
            Event::Trying { what, mechanisms, until } => {
                format!("trying {what} {mechanisms} {until}")
            }
            Event::Unproven { cuts, why } => format!("unproven {cuts} {why}"),
            Event::Tried { credential, outcome } => format!("tried {credential} {outcome:?}"),
            Event::Listening { until } => format!("listening {until}"),
            Event::Listened { credential, heard } => format!("listened {credential} {heard:?}"),
            Event::CanaryLeft { canary, why } => format!("canary left {canary} {why}"),
            Event::Contested { change, position, .. } => {
                format!("contested {} {position}", change.id)
            }
            Event::GateOpened { proof, roles, waived, cleared, .. } => {
                format!("gate opened {proof}, {roles} roles, {waived} waived, {cleared} cleared")
            }
            Event::GateShut { reasons } => format!("gate shut {reasons:?}"),
            Event::Withdrawn { reason } => format!("withdrawn: {reason}"),
            Event::NotLookedUp { speaker, why } => format!("not looked up: {speaker}: {why}"),
            Event::SurveyingAgain { round } => format!("surveying after round {round}"),
            Event::RoundBegan { round, added, .. } => format!("round {round}: {added:?}"),
        };
        let mut seen = self.0.lock().unwrap();
        seen.push_str(&line);
        seen.push('\n');
    }
}

/// What people were handed, as it would lie in the case: it survives a crash.
#[derive(Default)]
pub(crate) struct Drawer(Mutex<Files>);

#[derive(Clone, Default)]
struct Files {
    staged: BTreeMap<DeliveryName, String>,
    delivered: BTreeMap<DeliveryName, String>,
}

impl Drawer {
    /// What was handed over, by its name.
    pub(crate) fn delivered(&self) -> BTreeMap<DeliveryName, String> {
        self.0.lock().unwrap().delivered.clone()
    }

    /// All that lies in it.
    pub(crate) fn texts(&self) -> Vec<String> {
        let files = self.0.lock().unwrap();
        files.staged.values().chain(files.delivered.values()).cloned().collect()
    }
}

impl Outbox for Drawer {
    fn stage(&self, name: &DeliveryName, sealed: &Sealed) -> std::io::Result<()> {
        self.0.lock().unwrap().staged.insert(name.clone(), sealed.text().to_owned());
        Ok(())
    }

    fn hand_over(&self, name: &DeliveryName) -> std::io::Result<bool> {
        let mut files = self.0.lock().unwrap();
        if let Some(text) = files.staged.remove(name) {
            files.delivered.insert(name.clone(), text);
        }
        Ok(files.delivered.contains_key(name))
    }
}

/// How a run left the stage.
#[derive(Debug)]
pub(crate) enum Left {
    /// By itself.
    Ended(Ending),
    /// By a crash.
    Crashed,
}

/// Everything a test needs to play a playbook.
pub(crate) struct Stage {
    pub(crate) cloud: Cloud,
    pub(crate) clock: Clock,
    pub(crate) saved: SavedPlan,
    pub(crate) tape: Arc<Mutex<Tape>>,
    pub(crate) witness: Witness,
    pub(crate) rounds: Kept,
    /// Further rounds that a run goes through. Where it is none, the account is not surveyed again, and there are
    /// fewer calls to go wrong.
    pub(crate) most: u32,
    pub(crate) drawer: Drawer,
    /// Credentials that the responder was given, to be tried themselves.
    pub(crate) given: Vec<Suspect>,
    /// What other cases of the account have made and cut.
    pub(crate) beside: MadeBeside,
}

pub(crate) fn read(text: &str) -> Playbook {
    read_in(text, &BTreeMap::new())
}

/// Reads a playbook with these fragments beside it.
pub(crate) fn read_in(text: &str, fragments: &BTreeMap<String, String>) -> Playbook {
    let source = Source::new("playbook.yaml", text);
    match playbook::read_in(&source, fragments, &Actions::new()) {
        Ok((playbook, _)) => playbook,
        Err(problems) => panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false)),
    }
}

/// What people are told of a playbook that is refused as it is read.
pub(crate) fn told(text: &str) -> String {
    let read = playbook::read(&Source::new("playbook.yaml", text), &Actions::new());
    portcullis::cli::diagnostics::text(&read.err().unwrap_or_default().into(), false)
}

/// Terms under which the shipped playbook runs to its end.
pub(crate) fn terms() -> Terms {
    Terms { gate: Some(Proof::Settled), ..Terms::default() }
}

pub(crate) fn connect(cloud: &Cloud, clock: Clock) -> (Connection, Option<AccessKeyId>) {
    connect_through(cloud.http_client(), cloud, clock)
}

/// The same through an HTTP client of one's own.
pub(crate) fn connect_through(
    http: SharedHttpClient,
    cloud: &Cloud,
    clock: Clock,
) -> (Connection, Option<AccessKeyId>) {
    let responder = cloud.responder_credentials();
    let credentials = Credentials::new(
        responder.access_key_id.as_str(),
        responder.secret.expose(),
        responder.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "test",
    );
    let connection = Connection::new(
        http,
        SharedCredentialsProvider::new(credentials),
        Region::from_static("us-east-1"),
        Endpoint::Aws,
        clock,
    );
    let world = cloud.clone();
    let outside = Outside::answered_by(move |probe| {
        let answer = world.answer_to(&probe);
        Box::pin(std::future::ready(answer))
    });
    let connection = connection.trying(outside);
    (connection, AccessKeyId::parse(responder.access_key_id.as_str()).ok())
}

/// An administrator, among the users of a world.
pub(crate) const ADMIN: &str = "      admin:\n        keys: [{ id: AKIAEXAMPLEADMIN0009 }]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";

/// The shipped world with an administrator besides, who is neither the responder nor the intruder.
pub(crate) fn with_somebody_else(world: &str) -> String {
    let bystander = "      backup:\n        path: /ops/\n";
    assert!(world.contains(bystander));
    world.replace(bystander, &format!("{ADMIN}{bystander}"))
}

/// Assumes a role; gives back the access key of the session.
pub(crate) async fn assume(
    config: &aws_types::SdkConfig,
    role: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let call = aws_sdk_sts::Client::new(config).assume_role().role_session_name("session");
    let minted = call.role_arn(role).send().await?;
    Ok(minted.credentials.ok_or("no credentials")?.access_key_id)
}

/// The world's time, as the SDK wants it.
#[derive(Debug)]
struct WorldTime(Clock);

impl aws_smithy_async::time::TimeSource for WorldTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

/// What somebody else works with: the SDK itself.
pub(crate) fn somebody_else(cloud: &Cloud, clock: Clock) -> aws_types::SdkConfig {
    somebody_with("AKIAEXAMPLEADMIN0009", cloud, clock)
}

/// The same for whoever holds `key`.
pub(crate) fn somebody_with(key: &str, cloud: &Cloud, clock: Clock) -> aws_types::SdkConfig {
    let who = cloud.credentials_of(&AccessKeyId::parse(key).unwrap());
    let id = who.access_key_id.as_str();
    let token = who.session_token.map(|token| token.expose().to_owned());
    let credentials = Credentials::new(id, who.secret.expose(), token, None, "test");
    aws_types::SdkConfig::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(cloud.http_client())
        .time_source(WorldTime(clock))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .build()
}

/// Surveys and plans.
pub(crate) async fn plan(
    cloud: &Cloud,
    clock: Clock,
    playbook_text: &str,
    inputs: &BTreeMap<String, serde_json::Value>,
    terms: &Terms,
) -> Result<SavedPlan, Vec<Diagnostic>> {
    plan_of(cloud, clock, &read(playbook_text), inputs, terms).await
}

/// The same with a playbook that was read.
pub(crate) async fn plan_of(
    cloud: &Cloud,
    clock: Clock,
    playbook: &Playbook,
    inputs: &BTreeMap<String, serde_json::Value>,
    terms: &Terms,
) -> Result<SavedPlan, Vec<Diagnostic>> {
    Box::pin(plan_through(connect(cloud, clock), clock, playbook, inputs, terms)).await
}

/// The same on a connection of one's own.
pub(crate) async fn plan_through(
    (connection, key): (Connection, Option<AccessKeyId>),
    clock: Clock,
    playbook: &Playbook,
    inputs: &BTreeMap<String, serde_json::Value>,
    terms: &Terms,
) -> Result<SavedPlan, Vec<Diagnostic>> {
    let given = inputs.iter().map(|(name, value)| (name.clone(), Given::Value(value.clone())));
    let inputs = playbook.bind_inputs(&given.collect())?;
    let mut inventory = survey::begin(connection.read(), clock, key).await.unwrap();
    let think = |inventory: &Inventory| -> Result<_, Vec<Diagnostic>> {
        Ok(match planning::plan(playbook, &inputs, inventory, terms)? {
            Planned::Plan(plan) => Thought::Ready(plan),
            Planned::Needs(wants) => Thought::Needs(wants),
        })
    };
    let plan = survey::until(connection.read(), &mut inventory, think).await.unwrap()?;
    let fragments = playbook.fragment_texts();
    let text = playbook.source.text().to_owned();
    Ok(SavedPlan { plan: *plan, inventory, playbook: text, fragments, round: None })
}

/// A stage as it stood at one moment, from which any number of plays go on.
pub(crate) struct Backdrop {
    world: serde_json::Value,
    saved: SavedPlan,
    tape: (Vec<u8>, Vec<u64>),
    rounds: Vec<SavedPlan>,
    most: u32,
    files: Files,
}

impl Backdrop {
    /// The same stage once more.
    pub(crate) fn stage(&self) -> Stage {
        let clock = Clock::starting_at(portcullis::sim::saved_at(&self.world).unwrap());
        let cloud = Cloud::load(&self.world, clock).unwrap();
        let (bytes, requests) = self.tape.clone();
        Stage {
            cloud,
            clock,
            saved: self.saved.clone(),
            tape: Arc::new(Mutex::new(Tape { bytes, requests })),
            witness: Witness::default(),
            rounds: Kept(Mutex::new(self.rounds.clone())),
            most: self.most,
            drawer: Drawer(Mutex::new(self.files.clone())),
            given: Vec::new(),
            beside: MadeBeside::default(),
        }
    }
}

/// Plans of further rounds, as a case keeps them.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<SavedPlan>>);

impl Kept {
    /// The same plans once more.
    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap().clone()))
    }

    /// The plan of a round, of which `first` is that of the first.
    pub(crate) fn newest(&self, first: &SavedPlan, round: u32) -> SavedPlan {
        match round {
            1 => first.clone(),
            n => self.0.lock().unwrap()[n as usize - 2].clone(),
        }
    }
}

impl Keep for Kept {
    fn keep(&self, saved: &SavedPlan) -> std::io::Result<String> {
        let mut rounds = self.0.lock().unwrap();
        rounds.truncate(saved.number() as usize - 2);
        rounds.push(saved.clone());
        Ok(format!("round {}", saved.number()))
    }
}

impl Stage {
    /// Sets the stage: the world, and the plan of the playbook in it.
    pub(crate) async fn set(world: &str, playbook: &str) -> Self {
        Self::set_on(world, playbook, &terms()).await.unwrap_or_else(|problems| {
            panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
        })
    }

    /// Sets the stage on terms of one's own; fails where there is no plan.
    pub(crate) async fn set_on(
        world: &str,
        playbook: &str,
        terms: &Terms,
    ) -> Result<Self, Vec<Diagnostic>> {
        let world = World::parse(world).unwrap();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let takes: Vec<String> =
            read(playbook).inputs.into_iter().map(|input| input.name).collect();
        let mut inputs = world.rehearsal_inputs().clone();
        inputs.retain(|name, _| takes.contains(name));
        let saved = plan(&cloud, clock, playbook, &inputs, terms).await?;
        let (tape, witness, rounds) = (Arc::default(), Witness::default(), Kept::default());
        let (given, drawer) = (Vec::new(), Drawer::default());
        let beside = MadeBeside::default();
        Ok(Self { cloud, clock, saved, tape, witness, given, beside, rounds, most: 0, drawer })
    }

    /// The stage as it stands.
    pub(crate) fn backdrop(&self) -> Backdrop {
        let tape = self.tape.lock().unwrap();
        Backdrop {
            world: self.cloud.save(),
            saved: self.saved.clone(),
            tape: (tape.bytes.clone(), tape.requests.clone()),
            rounds: self.rounds.0.lock().unwrap().clone(),
            most: self.most,
            files: self.drawer.0.lock().unwrap().clone(),
        }
    }

    /// From here on the clock is AWS's, as whoever runs a case has it.
    pub(crate) fn goes_by_aws(&mut self) {
        self.clock = survey::by_aws(&self.saved.inventory, self.clock);
    }

    /// Looks at the case again, listening in `log`.
    pub(crate) async fn verify(&self, log: &Log) -> Ending {
        let (connection, key) = connect(&self.cloud, self.clock);
        let task = Some(log);
        match Box::pin(self.work_on(&connection, key, None, task)).await {
            Left::Ended(ending) => ending,
            Left::Crashed => panic!("nothing crashes it"),
        }
    }

    /// Runs or resumes, to the end or to a crash.
    pub(crate) async fn run(&self, stop_at: Option<(usize, Torn)>) -> Left {
        let (connection, key) = connect(&self.cloud, self.clock);
        self.run_on(&connection, key, stop_at).await
    }

    /// The same on a connection of one's own.
    pub(crate) async fn run_on(
        &self,
        connection: &Connection,
        key: Option<AccessKeyId>,
        stop_at: Option<(usize, Torn)>,
    ) -> Left {
        Box::pin(self.work_on(connection, key, stop_at, None)).await
    }

    async fn work_on(
        &self,
        connection: &Connection,
        key: Option<AccessKeyId>,
        stop_at: Option<(usize, Torn)>,
        verify: Option<&Log>,
    ) -> Left {
        let decoded = {
            let mut tape = self.tape.lock().unwrap();
            let decoded = journal::decode(&tape.bytes).expect("a crash damages nothing");
            tape.bytes.truncate(decoded.good);
            decoded
        };
        let tape_crash = Arc::new(Notify::new());
        let medium = Recorder {
            tape: Arc::clone(&self.tape),
            cloud: self.cloud.clone(),
            lines: 0,
            stop_at,
            crashed: Arc::clone(&tape_crash),
        };
        let journal = Journal::open(&decoded, Box::new(medium), self.clock).unwrap();
        let digest = self.saved.digest();
        let (_ask, stop) = watch::channel(false);
        let saved = self.newest(journal.state().round());
        let mut caller = saved.inventory.caller.clone();
        caller.access_key_id = key;
        // What a case holds is checked before it is resumed; a test may have bent the plan itself.
        let source = Source::new("playbook.yaml", saved.playbook.clone());
        let (playbook, _) = playbook::read_in(&source, &saved.fragments, &Actions::new())
            .expect("it was read before");
        let place = Place { host: "stage".to_owned(), process: 1, ..Place::default() };
        let rounds = Rounds {
            playbook: &playbook,
            caller: &caller,
            place: Some(&place),
            journal: &journal,
            most: self.most,
            beside: self.beside.clone(),
            keep: &self.rounds,
            cloud: connection.write(),
            probes: connection.probes(),
            given: &self.given,
            clock: self.clock,
            observer: &self.witness,
            outbox: &self.drawer,
            stop,
        };
        let played = async {
            if journal.state().opened.is_none() {
                let opened = Entry::Opened {
                    plan: digest.clone(),
                    account: self.saved.plan.account.clone(),
                    program: "test".to_owned(),
                    rehearsal: true,
                };
                journal.append(opened).await.map_err(RunError::from)?;
            }
            match verify {
                Some(log) => rounds.verify(&saved, log).await,
                None => Ok::<_, RunError>(rounds.execute(saved).await?.1),
            }
        };
        tokio::select! {
            biased;
            () = tape_crash.notified() => Left::Crashed,
            () = self.cloud.stopped() => Left::Crashed,
            ended = played => Left::Ended(ended.expect("the tape takes every line")),
        }
    }

    /// Resumes until a run ends by itself; at most `most` times.
    pub(crate) async fn resume_to_the_end(&self, most: usize) -> Ending {
        for _ in 0..most {
            if let Left::Ended(ending) = self.run(None).await {
                return ending;
            }
        }
        panic!("no end after {most} resumptions:\n{}", self.witness.0.lock().unwrap());
    }

    /// Runs with `faults` on the way and perhaps a crash at a line, and resumes until a run has nothing
    /// left to do. From the fourth run on nothing goes wrong any more. Gives back how each run was left.
    pub(crate) async fn run_through(
        &self,
        faults: &[(u64, Fault)],
        mut stop_at: Option<(usize, Torn)>,
    ) -> Vec<Left> {
        let mut all = Vec::new();
        for n in 1..=8 {
            let past = self.cloud.requests();
            let to_come = |(at, _): &&(u64, Fault)| n < 4 && *at > past;
            self.cloud.set_faults(faults.iter().filter(to_come).copied());
            let left = self.run(stop_at.take()).await;
            let done = matches!(left, Left::Ended(Ending::NotProven | Ending::Proven));
            all.push(left);
            if done {
                return all;
            }
        }
        panic!("no end: {all:#?}\n{}", self.witness.0.lock().unwrap());
    }

    /// Somebody has read the plan of the next round, and says yes to it.
    pub(crate) async fn says_yes_to(&self, next: &SavedPlan) {
        let decoded = journal::decode(&self.tape.lock().unwrap().bytes).unwrap();
        let medium = Recorder {
            tape: Arc::clone(&self.tape),
            cloud: self.cloud.clone(),
            lines: 0,
            stop_at: None,
            crashed: Arc::default(),
        };
        let journal = Journal::open(&decoded, Box::new(medium), self.clock).unwrap();
        begin_round(&journal, next, &self.saved.plan.caller).await.unwrap();
    }

    /// Keeps the plan of the next round, as a case does.
    pub(crate) fn keeps(&self, next: &SavedPlan) {
        self.rounds.keep(next).unwrap();
    }

    /// The plan of the case's newest round.
    pub(crate) fn newest(&self, round: u32) -> SavedPlan {
        match round {
            1 => self.saved.clone(),
            n => self.rounds.0.lock().unwrap()[n as usize - 2].clone(),
        }
    }

    /// The plan that the case has come to.
    pub(crate) fn plan(&self) -> Plan {
        self.newest(self.state().round()).plan
    }

    /// Puts on record what people say between two runs.
    pub(crate) async fn say(&self, words: impl IntoIterator<Item = Entry>) {
        let decoded = journal::decode(&self.tape.lock().unwrap().bytes).unwrap();
        let medium = Recorder {
            tape: Arc::clone(&self.tape),
            cloud: self.cloud.clone(),
            lines: 0,
            stop_at: None,
            crashed: Arc::default(),
        };
        let journal = Journal::open(&decoded, Box::new(medium), self.clock).unwrap();
        for word in words {
            journal.append(word).await.unwrap();
        }
    }

    /// Somebody else takes the case over from whoever was killed, or hangs.
    pub(crate) async fn is_taken_over(&self) {
        let place = Place { host: "another".to_owned(), process: 2, ..Place::default() };
        self.say([Entry::TakenOver { said: self.said_by("ben"), place }]).await;
    }

    /// What somebody says of the stage's plan, as a session of the world's role for responders, or of one of another account.
    pub(crate) fn said_by(&self, name: &str) -> journal::Said {
        let roles = self.cloud.snapshot().0;
        let roles = roles
            .keys()
            .filter_map(|key| key.split_once("111122223333/roles/")?.1.split('/').next());
        let mut roles = roles.filter(|role| role.contains("responder"));
        let arn = match roles.next() {
            Some(role) => format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}"),
            None => format!("arn:aws:sts::999988887777:assumed-role/security/{name}"),
        };
        journal::Said {
            by: portcullis::ids::Arn::parse(&arn).unwrap(),
            reason: "it was looked into".to_owned(),
            evidence: None,
            plan: self.saved.digest(),
        }
    }

    /// What the journal adds up to.
    pub(crate) fn state(&self) -> State {
        let tape = self.tape.lock().unwrap();
        State::of(&journal::decode(&tape.bytes).unwrap()).unwrap()
    }

    /// Waits beside a run, in the world's time, until `says` is true.
    pub(crate) async fn until(&self, says: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if says(self) {
                return;
            }
            self.clock.sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("it never came to that:\n{}", self.witness.0.lock().unwrap());
    }

    /// The line, counted from 1, of the first entry of which `says` is true.
    pub(crate) fn line_of(&self, says: impl Fn(&Entry) -> bool) -> usize {
        let lines = journal::decode(&self.tape.lock().unwrap().bytes).unwrap().lines;
        let at = lines.iter().position(|line| line.entries.iter().any(&says));
        at.expect("an entry like that") + 1
    }

    /// Lets the world's enforcement catch up.
    pub(crate) async fn let_it_settle(&self) {
        self.clock.sleep(std::time::Duration::from_mins(5)).await;
    }
}

/// Plays `scene` in virtual time.
pub(crate) fn play<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(scene)
}
