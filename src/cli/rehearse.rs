//! `portcullis rehearse`: the same playbook against the built-in cloud.
//!
//! Time is virtual, so that waiting costs nothing; the account, the intruder and the consumers are in the
//! world file. The state of the world is kept in the case beside the journal and saved before every line
//! of it, so that stopping and resuming a rehearsal means what it means for real.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use serde_json::Value;

use super::args::{self, Format};
use super::by_hand::typed;
use super::conduct::{Conduct, Task, case_name};
use super::exit::{Exit, Failure};
use super::found;
use super::next::waits_for_time;
use super::there::There;
use super::{accounts, cut, plan, round, sources, view};
use crate::case::{self, Case, CaseError, Custody};
use crate::clock::Clock;
use crate::cloud::{Connection, Endpoint, Outside};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::ids::AccessKeyId;
use crate::inventory::{Caller, Inventory};
use crate::journal::{Entry, Medium};
use crate::plan::{Credential, Effect, Plan, SavedPlan, Subject};
use crate::planning::Terms;
use crate::playbook::{Playbook, Written};
use crate::sim::{self, Cloud, PlacedInput, World};
use crate::survey;

const WORLD: &str = "world.yaml";
const STATE: &str = "world.json";

/// Where rehearsals are played. IAM has no region, and the world's secrets are in this one.
pub(super) const REGION: &str = "us-east-1";

pub(super) fn rehearse(args: &args::Rehearse) -> Result<Exit, Failure> {
    let beside = sources::playbook_file(&args.playbook).with_file_name(WORLD);
    let world_file = args.world.clone().unwrap_or(beside);
    let Staged { playbook, world, inputs, terms } =
        staged(&args.playbook, &args.given, &world_file)?;
    view::virtual_runtime().block_on(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let note = notes(args.format);
        note(&format!(
            "Rehearsing {} in the built-in cloud ({}). Nothing real is touched.\n",
            playbook.name,
            world_file.display()
        ));
        note(&view::not_modelled(sim::NOT_MODELLED));
        let (connection, inventory, clock) = begin(&cloud, clock).await?;
        let caller = inventory.caller.clone();
        let detail = match args.format {
            Format::Text => view::out_detail(),
            Format::Json => view::err_detail(),
        };
        let roles = accounts::named(&playbook, &inputs, &inventory)?;
        if !roles.is_empty() {
            let ways = accounts::enter(&connection, &inventory, clock, &[], &roles).await?;
            let plans = accounts::make(&playbook, &inputs, &terms, &ways, &roles, None).await?;
            note(&accounts::shown(&plans, detail));
            return accounts::rehearse(args, &playbook, (plans, ways), &cloud, clock).await;
        }
        let saved = plan::make(&playbook, &inputs, &terms, connection.read(), inventory).await?;
        note(&view::plan(&saved, detail));
        let (cases, begun) = (&args.cases.cases, (&saved, &playbook));
        play(cases, begun, &cloud, &connection, &caller, clock, args.format).await
    })
}

/// A playbook, and all that it is planned with in a world.
struct Staged {
    playbook: Playbook,
    world: World,
    inputs: BTreeMap<String, Value>,
    terms: Terms,
}

fn staged(playbook: &Path, given: &args::Given, world_file: &Path) -> Result<Staged, Failure> {
    let playbook = sources::playbook(playbook)?;
    let (world, source) = world_in(world_file)?;
    let behind = world.placed_inputs(&source).into_iter().map(|input| {
        let PlacedInput { name, name_at, value, value_at, items_at } = input;
        (name, Written::new(name_at, value_at, value, items_at))
    });
    let (inputs, terms) = sources::asked(&playbook, given, behind.collect(), None)?;
    Ok(Staged { playbook, world, inputs, terms })
}

/// Plans in a world, and no more.
pub(super) fn plan(args: &args::Plan, world_file: &Path) -> Result<Exit, Failure> {
    let Staged { playbook, world, inputs, terms } =
        staged(&args.playbook, &args.given, world_file)?;
    let made = view::virtual_runtime().block_on(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let (connection, key) = connect(&cloud, clock);
        let inventory = survey::begin(connection.read(), clock, key).await?;
        let roles = accounts::named(&playbook, &inputs, &inventory)?;
        if !roles.is_empty() {
            let ways = accounts::enter(&connection, &inventory, clock, &[], &roles).await?;
            let plans = accounts::make(&playbook, &inputs, &terms, &ways, &roles, None).await?;
            return Ok::<_, Failure>(plan::Made::Several(plans));
        }
        let saved = plan::make(&playbook, &inputs, &terms, connection.read(), inventory).await?;
        Ok(plan::Made::One(Box::new(saved)))
    })?;
    let shown = plan::Shown::of(args);
    let note = plan::told(&made, None, &shown);
    note(&format!(
        "\nOf the world in {}; nothing real was looked at. Next: portcullis rehearse {} --world {}\n",
        world_file.display(),
        typed(&args.playbook),
        typed(world_file)
    ));
    Ok(plan::ended(&made, &shown))
}

/// Rehearses a first cut.
pub(super) fn cut(args: &args::Cut, world_file: &Path) -> Result<Exit, Failure> {
    let world = world(world_file)?;
    view::virtual_runtime().block_on(async {
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let note = notes(args.format);
        note(&format!(
            "Rehearsing a first cut in the built-in cloud ({}). Nothing real is touched.\n",
            world_file.display()
        ));
        note(&view::not_modelled(sim::NOT_MODELLED));
        let (connection, inventory, clock) = begin(&cloud, clock).await?;
        let caller = inventory.caller.clone();
        let (saved, playbook) = cut::planned(args, connection.read(), inventory, None).await?;
        if args.dry_run {
            return Ok(cut::shown(args, &saved));
        }
        let detail = match args.format {
            Format::Text => view::out_detail(),
            Format::Json => view::err_detail(),
        };
        note(&format!("{}{}", view::plan(&saved, detail), cut::left_open(args, &saved)));
        let (cases, begun) = (&args.cases.cases, (&saved, &playbook));
        play(cases, begun, &cloud, &connection, &caller, clock, args.format).await
    })
}

/// Opens a case for a plan that was shown, and carries it out.
async fn play(
    cases: &Path,
    (saved, playbook): (&SavedPlan, &Playbook),
    cloud: &Cloud,
    connection: &Connection,
    caller: &Caller,
    clock: Clock,
    format: Format,
) -> Result<Exit, Failure> {
    if let Some(exit) = plan::nothing_to_do(std::slice::from_ref(saved), format) {
        return Ok(exit);
    }
    let name = format!("rehearsal-{}", case_name(saved, clock));
    let case = Case::create(cases, &name, saved, &[state_of(cloud)])?;
    let going = Going { taking_over: None, format, task: &Task::Run };
    go(&case, (saved, playbook), cloud, connection, caller, clock, going).await
}

/// Where what leads up to the result goes: a JSON document stands alone on standard output.
fn notes(format: Format) -> fn(&str) {
    match format {
        Format::Text => view::hint,
        Format::Json => view::note,
    }
}

/// Whether a case is a rehearsal: it has a world of its own, or that of the case it is a part of.
pub(super) fn is_rehearsal(case: &Path) -> Result<bool, Failure> {
    Ok(case::read_file(&home_of_world(case), STATE)?.is_some())
}

/// The same of the directory of a whole case, of which nothing is read.
pub(super) fn is_played(home: &Path) -> bool {
    home.join(STATE).exists()
}

/// Where the world of a case is: accounts of one case are in one world.
fn home_of_world(case: &Path) -> PathBuf {
    case::accounts::whole_or_itself(case)
}

/// The world as it is, to be put into a case.
pub(super) fn state_of(cloud: &Cloud) -> (&'static str, String) {
    (STATE, cloud.save().to_string())
}

/// Keeps the world as it is beside a case, or beside the accounts that it is one of, while that is in our hands.
/// What was done in it was done: where it cannot be kept, the rehearsal was stopped part-way, whatever `exit` it came to.
pub(super) fn keep_world(cloud: &Cloud, case: &Case, exit: Exit) -> Exit {
    let dir = home_of_world(case.dir());
    let Err(error) = put_by(cloud, case.custody(), &dir) else { return exit };
    let next = format!(
        "make room on the disk of the case directory or make it writable, then: portcullis resume {}",
        typed(&dir)
    );
    Failure::new(Exit::Stopped, error.to_string(), next).because_of_causes(&error).print();
    exit.and(Exit::Stopped)
}

fn put_by(cloud: &Cloud, custody: &Custody, dir: &Path) -> Result<(), CaseError> {
    let world = cloud.save().to_string();
    custody.replace(&dir.join(STATE), &world)
}

/// The journal's medium of a case, which keeps the world beside every line.
pub(super) fn with_world(medium: Box<dyn Medium>, cloud: &Cloud, case: &Case) -> Box<dyn Medium> {
    let (custody, dir) = (case.custody().clone(), home_of_world(case.dir()));
    Box::new(WithWorld { custody, dir, medium, cloud: cloud.clone() })
}

/// The world of a rehearsal, taken up where it was left.
pub(super) struct Rehearsed {
    cloud: Cloud,
    pub(super) clock: Clock,
}

impl Rehearsed {
    /// The world that is kept in a case.
    pub(super) fn load(case: &Case) -> Result<Self, Failure> {
        let (cloud, clock) = world_of(case.dir())?;
        Ok(Self { cloud, clock })
    }

    /// Who speaks: the responder, or somebody of the world who signs in for it; on his connection, and when by the world's
    /// clock.
    pub(super) async fn caller_as(
        &self,
        name: Option<&str>,
    ) -> Result<(Caller, Connection, Clock), Failure> {
        let credentials = match name {
            None => self.cloud.responder_credentials(),
            Some(name) => signed_in_as(&self.cloud, name)?,
        };
        let (connection, key) = connect_as(&self.cloud, self.clock, &credentials);
        let begun = survey::begin(connection.read(), self.clock, key).await?;
        let clock = survey::by_aws(&begun, self.clock);
        Ok((begun.caller, connection, clock))
    }

    /// What people did before they attested it, done in the world.
    pub(super) fn do_what_is_attested(&self, plan: &Plan, entries: &[Entry]) {
        for entry in entries {
            let Entry::Attested { change: Some(id), .. } = entry else { continue };
            for effect in plan.change(id).iter().flat_map(|change| &change.effects) {
                let (subject, open) = match effect {
                    Effect::Cuts { subject, .. } => (subject, false),
                    Effect::Lifts { subject, .. } => (subject, true),
                    _ => continue,
                };
                if let Subject::Credential { credential: Credential::Manual { name } } = subject {
                    self.cloud.done_outside(name, open);
                }
            }
        }
    }

    /// The journal's medium, which keeps the world beside every line.
    pub(super) fn medium(&self, case: &Case, medium: Box<dyn Medium>) -> Box<dyn Medium> {
        with_world(medium, &self.cloud, case)
    }
}

/// How a rehearsal is gone on with.
pub(super) struct Going<'a> {
    /// Why it is taken over, if it is.
    pub(super) taking_over: Option<&'a str>,
    /// How to tell what came of it.
    pub(super) format: Format,
    /// What to do.
    pub(super) task: &'a Task,
}

/// Goes on with a rehearsal where its world and its journal stand.
pub(super) fn resume(
    case: &Case,
    saved: &SavedPlan,
    playbook: &Playbook,
    going: Going<'_>,
) -> Result<Exit, Failure> {
    view::virtual_runtime().block_on(async {
        notes(going.format)(
            "Going on with a rehearsal in the built-in cloud. Nothing real is touched.\n",
        );
        let (cloud, own) = world_of(case.dir())?;
        let (mut connection, mut begun, clock) = begin(&cloud, own).await?;
        let state = found::state_of(&case::read_journal(case.dir())?)?;
        let until = waits_for_time(&saved.plan, &state);
        if let Some(until) = until.filter(|_| matches!(going.task, Task::Run)) {
            // It is to be gone on with then, and nobody waits for a day to rehearse that.
            let at = until.strftime("%Y-%m-%d %H:%M UTC");
            notes(going.format)(&format!("In its world it is {at} now: nothing is done before.\n"));
            clock.sleep_until(until).await;
            cloud.sign_in_anew();
            (connection, begun, _) = begin(&cloud, own).await?;
        }
        let caller = begun.caller;
        go(case, (saved, playbook), &cloud, &connection, &caller, clock, going).await
    })
}

/// The time in the world of a rehearsal, and who its responder is.
pub(super) async fn responder(case: &Case) -> Result<(Clock, Caller), Failure> {
    let (cloud, clock) = world_of(case.dir())?;
    let (_, begun, clock) = begin(&cloud, clock).await?;
    Ok((clock, begun.caller))
}

/// Goes on with the next round of a rehearsal, once somebody has said yes to it.
pub(super) fn next_round(
    case: &Case,
    next: &SavedPlan,
    playbook: &Playbook,
    format: Format,
) -> Result<Exit, Failure> {
    view::virtual_runtime().block_on(async {
        let (cloud, clock) = world_of(case.dir())?;
        let (connection, begun, clock) = begin(&cloud, clock).await?;
        let caller = begun.caller;
        round::begin(case, next, clock, &caller.arn).await?;
        let going = Going { taking_over: None, format, task: &Task::Run };
        go(case, (next, playbook), &cloud, &connection, &caller, clock, going).await
    })
}

fn damaged(why: &dyn std::error::Error) -> Failure {
    Failure::new(
        Exit::Refused,
        "the world of this rehearsal cannot be read",
        "rehearse anew: portcullis rehearse PLAYBOOK",
    )
    .because(why)
}

/// The world of a rehearsal, as it was left.
pub(super) fn world_of(case: &Path) -> Result<(Cloud, Clock), Failure> {
    let text = case::read_file(&home_of_world(case), STATE)?.unwrap_or_default();
    let state = serde_json::from_str(&text).map_err(|error| damaged(&error))?;
    let clock = Clock::starting_at(sim::saved_at(&state).map_err(|error| damaged(&error))?);
    let cloud = Cloud::load(&state, clock).map_err(|error| damaged(&error))?;
    cloud.sign_in_anew();
    Ok((cloud, clock))
}

async fn go(
    case: &Case,
    (saved, playbook): (&SavedPlan, &Playbook),
    cloud: &Cloud,
    connection: &Connection,
    caller: &Caller,
    clock: Clock,
    going: Going<'_>,
) -> Result<Exit, Failure> {
    let (decoded, medium) = case.journal()?;
    let medium = with_world(medium, cloud, case);
    let conduct = Conduct {
        saved,
        playbook,
        caller,
        case,
        connection,
        clock,
        resumed: false,
        taking_over: going.taking_over,
        world: Some(cloud),
        there: There::default(),
        format: going.format,
        given: &[],
        task: going.task,
    };
    let exit = Box::pin(conduct.conduct(&decoded, medium)).await?;
    Ok(keep_world(cloud, case, exit))
}

/// Reads a world.
pub(super) fn world(path: &Path) -> Result<World, Failure> {
    world_in(path).map(|(world, _)| world)
}

/// Reads a world, with the text that it stands in.
fn world_in(path: &Path) -> Result<(World, Source), Failure> {
    let shown = path.display();
    let bytes = case::read_regular(path, sim::LONGEST_WORLD as u64).map_err(|error| {
        Failure::new(
            Exit::Invalid,
            format!("cannot read world {shown}"),
            if error.kind() == ErrorKind::FileTooLarge {
                "is this the right file? name another with --world FILE"
            } else {
                "a rehearsal needs a world: world.yaml beside the playbook, or --world FILE"
            },
        )
        .because(&error)
    })?;
    let source = Source::from_bytes(shown.to_string(), bytes);
    let invalid = |problems: Vec<Diagnostic>| {
        let next = format!("{} in world {shown}, then the same again", sources::to_mend(&problems));
        Failure::of(Exit::Invalid, problems, next)
    };
    let world = World::read(&source).map_err(invalid)?;
    if world.responder.is_none() {
        let nobody = Diagnostic::error(Code::MissingKey, "the world has no `responder`")
            .at(Place::new(&source, 0..0), "in here")
            .help(
                "name the role or the key that Portcullis runs as, like `responder: { account: \"111122223333\", role: \
                 incident-responder }`",
            );
        return Err(invalid(vec![nobody]));
    }
    Ok((world, source))
}

/// The credentials of somebody else than the responder, who speaks in the same account.
pub(super) fn signed_in_as(cloud: &Cloud, name: &str) -> Result<sim::Credentials, Failure> {
    cloud.sign_in_as(name).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("nobody can speak as {name} in this world"),
            "name a user of the responder's account who has an active key; where the responder is a role, any name of \
             a session will do",
        )
    })
}

/// Handles on the rehearsal cloud, what an inventory begins with, and `clock` as the world's goes.
pub(super) async fn begin(
    cloud: &Cloud,
    clock: Clock,
) -> Result<(Connection, Inventory, Clock), Failure> {
    let (connection, key) = connect(cloud, clock);
    let begun = survey::begin(connection.read(), clock, key).await?;
    let clock = survey::by_aws(&begun, clock);
    Ok((connection, begun, clock))
}

/// Handles on the rehearsal cloud, as its responder.
pub(super) fn connect(cloud: &Cloud, clock: Clock) -> (Connection, Option<AccessKeyId>) {
    connect_as(cloud, clock, &cloud.responder_credentials())
}

/// The same as somebody else.
fn connect_as(
    cloud: &Cloud,
    clock: Clock,
    who: &sim::Credentials,
) -> (Connection, Option<AccessKeyId>) {
    let key = AccessKeyId::parse(who.access_key_id.as_str()).ok();
    let credentials = Credentials::new(
        who.access_key_id.as_str(),
        who.secret.expose(),
        who.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "rehearsal",
    );
    let connection = Connection::new(
        cloud.http_client(),
        SharedCredentialsProvider::new(credentials),
        Region::from_static(REGION),
        Endpoint::Aws,
        clock,
    );
    let world = cloud.clone();
    let outside = Outside::answered_by(move |probe| {
        let answer = world.answer_to(&probe);
        Box::pin(std::future::ready(answer))
    });
    (connection.trying(outside), key)
}

/// A journal that saves the world before every line: what a crash then loses of the world, the journal
/// has not announced as done.
struct WithWorld {
    custody: Custody,
    dir: PathBuf,
    medium: Box<dyn Medium>,
    cloud: Cloud,
}

impl Medium for WithWorld {
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>> {
        Box::pin(async move {
            put_by(&self.cloud, &self.custody, &self.dir).map_err(io::Error::other)?;
            self.medium.append(line).await
        })
    }
}
