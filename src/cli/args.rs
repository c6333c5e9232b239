//! The command line, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::there::{self, Flag, There};
use crate::ids::{AccessKeyId, AccountId, Arn, RoleName, UserName};
use crate::playbook::{Phase, Proof};

/// Change the locks after a break-in: cut every way in, prove it, and only then hand out new keys
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Start with:  portcullis rehearse playbooks/leaked-access-key")]
pub struct Args {
    /// Say only what was asked for, on standard output, and what goes wrong, on standard error
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// No colours, as with NO_COLOR
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Play a playbook against the built-in cloud: no account, no credentials
    Rehearse(Rehearse),
    /// Check playbooks: every problem at once
    Check(Check),
    /// Survey the account, read-only, and show what would be done
    Plan(Plan),
    /// Read an account, or what a playbook asks of it, and keep what was read; changes nothing
    Survey(Survey),
    /// Show what is different between two inventories, or saved plans; needs no cloud
    Diff(Diff),
    /// Carry out a saved plan, or plan and carry out a playbook
    Run(Run),
    /// Cut what is known to be in the wrong hands, at once and without a playbook
    Cut(Cut),
    /// Go on with a case that was stopped, interrupted or held
    Resume(Resume),
    /// Take back what a case has cut, as far as nobody is let in again who must not be
    Undo(Undo),
    /// Look at a case again: does every cut stand, is it enforced, is anything heard of what was cut
    Verify(Verify),
    /// Show where a case stands; needs no cloud
    Status(Status),
    /// Tell what happened in a case, for people who were not there; needs no cloud
    Report(Report),
    /// List the cases, and where each stands; needs no cloud
    Cases(List),
    /// Say that a credential was not in the wrong hands; in a breach it takes two people
    Clear(Clear),
    /// Answer for a credential that is left as it is, until a day
    Waive(Waive),
    /// Stand up for something done outside: a manual change, or what is so
    Attest(Attest),
    /// Approve a phase of the plan of a case
    Approve(Approve),
    /// Say that a case is over: nothing more is done by it, and a new plan takes it up no more
    Close(Close),
    /// Say what would fail tonight: identity, permissions, clock, endpoint, cases, break-glass
    Doctor(Doctor),
    /// The rehearsal cloud
    #[command(subcommand)]
    Cloud(CloudCommand),
    /// Begin a playbook: a folder with one that works, and a world to rehearse it in
    New(New),
    /// Show the actions that a playbook can use, or all about one of them
    Actions(Actions),
    /// Explain the code of an error message
    Explain(Explain),
    /// Print the JSON Schema of playbooks, for editors
    Schema,
    /// Print completions for a shell
    Completions(Completions),
    /// Write the man pages into a directory
    Man(Man),
}

#[derive(Debug, Subcommand)]
pub(super) enum CloudCommand {
    /// Serve a rehearsal world on loopback, for anybody's AWS client
    Serve(Serve),
}

/// Which AWS, and as whom.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Access {
    /// Profile of the AWS configuration to take credentials and region from
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// Assume this role, and work as it
    #[arg(long, value_name = "ARN")]
    pub(super) role_arn: Option<Arn>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role_arn")]
    pub(super) external_id: Option<String>,
    /// The external id that the role in another account of the playbook asks for. Can be repeated
    #[arg(long, value_name = "ACCOUNT=ID", value_parser = external_id)]
    pub(super) external_id_of: Vec<(AccountId, String)>,
    /// MFA device of the user whose key is used; its code is asked for, never an argument
    #[arg(long, value_name = "ARN")]
    pub(super) mfa_serial: Option<String>,
    /// Region whose Secrets Manager is used; IAM has none
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    /// Send every request to this endpoint instead of AWS
    #[arg(long, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
}

impl Access {
    /// What must be typed behind a command so that it goes to the same place as the same person. An external id is
    /// shared between two parties: whoever types it knows it, and nobody is shown it.
    pub(super) fn there(&self) -> There {
        let flags = |all: &[(&'static str, Option<String>)]| -> Vec<Flag> {
            all.iter().filter_map(|(flag, value)| Some((*flag, value.clone()?))).collect()
        };
        let mut person = flags(&[
            (there::PROFILE, self.profile.clone()),
            (there::ROLE, self.role_arn.as_ref().map(ToString::to_string)),
            (there::EXTERNAL_ID, self.external_id.as_ref().map(|_| "ID".to_owned())),
            (there::MFA_SERIAL, self.mfa_serial.clone()),
        ]);
        let of =
            |(account, _): &(AccountId, String)| (there::EXTERNAL_ID_OF, format!("{account}=ID"));
        person.extend(self.external_id_of.iter().map(of));
        let region = (there::REGION, self.region.clone());
        There { person, place: flags(&[region, (there::ENDPOINT_URL, self.endpoint_url.clone())]) }
    }
}

fn external_id(typed: &str) -> Result<(AccountId, String), String> {
    let account = typed
        .split_once('=')
        .and_then(|(account, id)| Some((AccountId::parse(account).ok()?, id.to_owned())));
    account.ok_or_else(|| "write it as ACCOUNT=ID, the account by its twelve digits".to_owned())
}

/// What a playbook is given, and what one run may set otherwise.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(super) struct Given {
    /// Give an input its value; @FILE takes it from a file, env:VARIABLE from the environment, text:VALUE as
    /// it stands. It is kept in the plan: never a secret
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) inputs: Vec<(String, String)>,
    /// Take inputs from a YAML or JSON file of NAME: VALUE; what -i gives goes first
    #[arg(long = "inputs", value_name = "FILE")]
    pub(super) inputs_from: Vec<PathBuf>,
    /// Take in what others found: findings of TruffleHog or Gitleaks, a credential report, or a CSV with access key
    /// ids. Values in it are not kept. Can be repeated
    #[arg(long = "import", value_name = "FILE")]
    pub(super) imports: Vec<PathBuf>,
    /// Lower or raise what the gate asks for, for this run
    #[arg(long, value_name = "PROOF")]
    pub(super) gate: Option<GateProof>,
    /// Lift a quarantine although this listing was refused; recorded in the plan. Can be repeated
    #[arg(long, value_name = "OPERATION")]
    pub(super) accept_gap: Vec<String>,
    /// Cut off this identity although the run itself stands on it; the last resort, and on record
    #[arg(long, value_name = "ARN")]
    pub(super) accept_lockout: Vec<Arn>,
    /// How long after the last cut the cuts are looked at again: `90s`, `5m`; a number alone is seconds
    #[arg(long, value_name = "DURATION", value_parser = within_a_day)]
    pub(super) margin: Option<u64>,
    /// How long a refusal is waited for where a cut is tried: `90s`, `5m`; a number alone is seconds
    #[arg(long, value_name = "DURATION", value_parser = within_a_day)]
    pub(super) within: Option<u64>,
}

/// The proofs a gate can ask for. Nothing lowers it to read-back.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum GateProof {
    /// Read back again, unchanged, some time later
    Settled,
    /// A request was refused because of the cut
    Enforced,
}

impl From<GateProof> for Proof {
    fn from(proof: GateProof) -> Self {
        match proof {
            GateProof::Settled => Self::Settled,
            GateProof::Enforced => Self::Enforced,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct Check {
    /// Playbooks: their folders or their files; a folder of such folders is all that are in it
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(super) playbooks: Vec<PathBuf>,
    /// How to say what was found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: CheckFormat,
}

/// How `check` says what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// For people, with the lines themselves
    Text,
    /// One JSON document, with a version
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Plan {
    /// Playbook: its folder or its file
    pub(super) playbook: PathBuf,
    #[command(flatten)]
    pub(super) given: Given,
    #[command(flatten)]
    pub(super) access: Access,
    /// Save the plan, for `portcullis run FILE`
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Write over a file that -o names and that is there already
    #[arg(long, requires = "output")]
    pub(super) replace: bool,
    /// How to show the plan
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: PlanFormat,
    /// Show every change by itself, however many there are
    #[arg(long)]
    pub(super) all: bool,
    /// End with exit code 4 if there is anything to do
    #[arg(long)]
    pub(super) check: bool,
    /// Plan in this world, in the built-in cloud, as `rehearse` would: needs no account, and is not run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "profile", "role_arn", "endpoint_url"])]
    pub(super) world: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cases: Cases,
}

/// How `plan` shows the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    Text,
    /// One JSON document, with a version
    Json,
    /// The containment as commands of the AWS command line, for when this program is not at hand
    AwsCli,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Survey {
    /// Playbook whose questions are asked, in every account that it is for; without it, all that can be: every user with every kind of
    /// credential, groups, roles with whom they trust, policies, secrets without their values
    pub(super) playbook: Option<PathBuf>,
    /// Give an input of the playbook its value, as to `plan`
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE", value_parser = name_and_value, requires = "playbook")]
    pub(super) inputs: Vec<(String, String)>,
    /// Take inputs of the playbook from a YAML or JSON file of NAME: VALUE; what -i gives goes first
    #[arg(long = "inputs", value_name = "FILE", requires = "playbook")]
    pub(super) inputs_from: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) access: Access,
    /// Save what is read to a file that is not there yet; where the survey is stopped, --resume goes on from it
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Replace the file that -o names, if it is there
    #[arg(long, requires = "output")]
    pub(super) replace: bool,
    /// Go on with an inventory: what it has is not read again, what was refused is asked again. Saved to the
    /// same file without -o
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,
    /// Read when each access key was last used, too: one more request for each
    #[arg(long, conflicts_with = "playbook")]
    pub(super) last_used: bool,
    /// How to show what was read
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: SurveyFormat,
}

impl Survey {
    /// What the playbook is given.
    pub(super) fn given(&self) -> Given {
        Given {
            inputs: self.inputs.clone(),
            inputs_from: self.inputs_from.clone(),
            ..Given::default()
        }
    }
}

/// How inventories and their differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SurveyFormat {
    /// For people
    Text,
    /// One JSON document, with a version
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Diff {
    /// The older: saved with `survey -o` or `plan -o`
    #[arg(value_name = "OLDER")]
    pub(super) first: PathBuf,
    /// The newer
    #[arg(value_name = "NEWER")]
    pub(super) second: PathBuf,
    /// How to show what is different
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: SurveyFormat,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Run {
    /// A plan saved with `plan -o`, or a playbook
    pub(super) what: PathBuf,
    #[command(flatten)]
    pub(super) given: Given,
    #[command(flatten)]
    pub(super) access: Access,
    /// Show what would be done and stop: the same as `plan`
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show all of the plan before asking: every change by itself, and nothing cut short
    #[arg(long)]
    pub(super) all: bool,
    /// Do not ask; only with a saved plan, which somebody has read
    #[arg(long)]
    pub(super) yes: bool,
    /// Try these credentials themselves, once everything is cut: JSON as AWS's tools print it, read from this file
    /// descriptor. Kept in memory only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=1023))]
    pub(super) credential_fd: Option<u32>,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) cases: Cases,
}

/// How a command tells what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One JSON document, with a version; everything else goes to standard error
    Json,
}

/// Where cases are kept.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct Cases {
    /// Directory that cases are kept in
    #[arg(long, value_name = "DIR", default_value = there::CASES)]
    pub(super) cases: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Cut {
    #[command(flatten)]
    pub(super) whom: Whom,
    /// Of access keys cut only the key itself and the sessions minted with it; what stays open of its owner is said
    #[arg(long, requires = "access_keys")]
    pub(super) narrow: bool,
    /// Why, in your words; it is kept and shown
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "in the wrong hands; cut before there was a playbook"
    )]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) access: Access,
    /// Show what would be cut and stop
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show every change by itself, however many there are
    #[arg(long)]
    pub(super) all: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Cut off this identity although the run itself stands on it; the last resort, and on record
    #[arg(long, value_name = "ARN")]
    pub(super) accept_lockout: Vec<Arn>,
    /// How long after the last cut the cuts are looked at again: `90s`, `5m`; a number alone is seconds
    #[arg(long, value_name = "DURATION", value_parser = within_a_day)]
    pub(super) margin: Option<u64>,
    /// Rehearse it in this world, in the built-in cloud
    #[arg(long, value_name = "FILE")]
    pub(super) world: Option<PathBuf>,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) cases: Cases,
}

/// Who is cut off. Each can be repeated.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = true)]
pub(super) struct Whom {
    /// The owner of this access key: everything is denied to him, all his keys are switched off, his sessions refused
    #[arg(long = "access-key", value_name = "ID")]
    pub(super) access_keys: Vec<AccessKeyId>,
    /// This user: everything is denied to him, all his keys are switched off, his sessions refused
    #[arg(long = "user", value_name = "NAME")]
    pub(super) users: Vec<UserName>,
    /// This role: everything is denied to it, its sessions refused
    #[arg(long = "role", value_name = "NAME")]
    pub(super) roles: Vec<RoleName>,
    /// The user or role of this session: its sessions so far are refused, and nothing else
    #[arg(long = "session", value_name = "ARN|ID")]
    pub(super) sessions: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Resume {
    /// The case's directory
    pub(super) case: PathBuf,
    /// Take the case out of the hands of whoever works on it, because he cannot go on: why, in your words; it is kept
    /// and shown. His run stops by itself, if it still goes on
    #[arg(long, value_name = "REASON")]
    pub(super) take_over: Option<String>,
    #[command(flatten)]
    pub(super) access: Access,
    /// Try these credentials themselves, once everything is cut: JSON as AWS's tools print it, read from this file
    /// descriptor. Kept in memory only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=1023))]
    pub(super) credential_fd: Option<u32>,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Verify {
    /// The case's directory
    pub(super) case: PathBuf,
    #[command(flatten)]
    pub(super) access: Access,
    /// Try these credentials themselves, once everything is cut: JSON as AWS's tools print it, read from this file
    /// descriptor. Kept in memory only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=1023))]
    pub(super) credential_fd: Option<u32>,
    /// Listen in these files of CloudTrail, or all in a directory, instead of looking events up. Can be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) trail: Vec<PathBuf>,
    /// Do not listen in any log
    #[arg(long, conflicts_with = "trail")]
    pub(super) no_trail: bool,
    /// Look again every quarter of an hour, for so long: 90m, 8h, 3d. An alarm ends it
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) watch: Option<u64>,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Undo {
    /// The case's directory
    pub(super) case: PathBuf,
    /// Let in again nobody but these, user/NAME or role/NAME; the case goes on for all others. Can be repeated
    #[arg(long, value_name = "SUBJECT")]
    pub(super) only: Vec<String>,
    #[command(flatten)]
    pub(super) access: Access,
    /// Show what would be taken back, and stop
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show every change by itself, however many there are
    #[arg(long)]
    pub(super) all: bool,
    /// With --dry-run: look at the account too, and tell what somebody has changed since
    #[arg(long, requires = "dry_run")]
    pub(super) look: bool,
    /// Do not ask; somebody has read what would be taken back
    #[arg(long)]
    pub(super) yes: bool,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Report {
    /// The case's directory
    pub(super) case: PathBuf,
    /// When somebody first knew of the incident; deadlines count from there [default: when the case was opened]
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub(super) aware_at: Option<jiff::Timestamp>,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ReportFormat,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    Text,
    /// For a page
    Markdown,
    /// One JSON document, with a version
    Json,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Status {
    /// The case's directory
    pub(super) case: PathBuf,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

/// What goes with everything that a person says about a case.
#[derive(Debug, ClapArgs)]
pub(super) struct Word {
    /// What shows it: a file (kept as its path and SHA-256), a URL, or words
    #[arg(long, value_name = "EVIDENCE")]
    pub(super) evidence: Option<String>,
    #[command(flatten)]
    pub(super) access: Access,
    /// The account of whoever says it, where that is not the case's
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) from_account: Option<AccountId>,
    /// In a rehearsal: who says it, a user of the world or the name of a session of the responder's role
    #[arg(long = "as", value_name = "NAME")]
    pub(super) as_whom: Option<String>,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Clear {
    /// The case's directory
    pub(super) case: PathBuf,
    /// Credentials, as `status` names them: AKIA..., password/USER; user/NAME and role/NAME are all of theirs, `everybody`
    /// all that was there when the case was begun
    #[arg(required = true, value_name = "CREDENTIAL")]
    pub(super) credentials: Vec<String>,
    /// Why, in your words; it is kept and shown
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Take back what was said of them: they are neither cleared nor waived any more
    #[arg(long)]
    pub(super) withdraw: bool,
    #[command(flatten)]
    pub(super) word: Word,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Waive {
    /// The case's directory
    pub(super) case: PathBuf,
    /// Credentials, as `status` names them: AKIA..., password/USER; user/NAME and role/NAME are all of theirs, `everybody`
    /// all that was there when the case was begun
    #[arg(required = true, value_name = "CREDENTIAL")]
    pub(super) credentials: Vec<String>,
    /// Until when: 2026-04-01, 2026-04-01T18:00:00Z, or from now on: 36h, 14d
    #[arg(long, value_name = "WHEN")]
    pub(super) until: String,
    /// Why, in your words; it is kept and shown
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) word: Word,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Attest {
    /// The case's directory
    pub(super) case: PathBuf,
    /// A change that a person makes (webmail.1), or a sentence on what is so
    #[arg(value_name = "CHANGE|STATEMENT")]
    pub(super) what: String,
    /// What was done, in your words; a sentence says it already
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) word: Word,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Approve {
    /// The case's directory
    pub(super) case: PathBuf,
    /// The phase
    pub(super) phase: ApprovedPhase,
    /// Why, in your words; it is kept and shown
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) word: Word,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Close {
    /// The case's directory
    pub(super) case: PathBuf,
    /// Why, in your words; it is kept and shown
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) word: Word,
}

/// The phases that can wait for people.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ApprovedPhase {
    /// New credentials are issued and delivered
    Rotate,
    /// What containment closed is opened again
    Recover,
    /// What was cut is deleted
    Destroy,
}

impl From<ApprovedPhase> for Phase {
    fn from(phase: ApprovedPhase) -> Self {
        match phase {
            ApprovedPhase::Rotate => Self::Rotate,
            ApprovedPhase::Recover => Self::Recover,
            ApprovedPhase::Destroy => Self::Destroy,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) cases: Cases,
    /// How to tell what there is
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Doctor {
    #[command(flatten)]
    pub(super) access: Access,
    /// Try the break-glass credentials of this profile, and remember that they were tried
    #[arg(long, value_name = "PROFILE")]
    pub(super) break_glass: Option<String>,
    #[command(flatten)]
    pub(super) cases: Cases,
    /// How to tell what was found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Rehearse {
    /// Playbook: its folder or its file
    pub(super) playbook: PathBuf,
    /// World to play it in, instead of world.yaml beside the playbook
    #[arg(long, value_name = "FILE")]
    pub(super) world: Option<PathBuf>,
    #[command(flatten)]
    pub(super) given: Given,
    /// How to tell what came of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) cases: Cases,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Serve {
    /// World to serve
    #[arg(long, value_name = "FILE")]
    pub(super) world: PathBuf,
    /// Loopback address to listen on; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4599", value_parser = loopback)]
    pub(super) listen: SocketAddr,
    /// Write every request, and what came of it, to this file when it is stopped: a line of JSON each
    #[arg(long, value_name = "FILE")]
    pub(super) audit: Option<PathBuf>,
    /// Write the responder's credentials to this file, which must not exist yet, as the profile `responder` of an AWS
    /// credentials file
    #[arg(long, value_name = "FILE")]
    pub(super) profiles: Option<PathBuf>,
    /// With a profile for somebody else, too: a user of the responder's account, or, where the responder is a role,
    /// whatever name a session of it is to have. Can be repeated
    #[arg(long = "as", value_name = "NAME", requires = "profiles")]
    pub(super) as_whom: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// The code in brackets: error[unknown-key]; without one, all of them are listed
    pub(super) code: Option<String>,
    /// How to tell it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(super) struct New {
    /// Its name: lower-case words joined by hyphens
    pub(super) name: String,
    /// Directory that playbooks are kept in
    #[arg(long = "in", value_name = "DIR", default_value = "playbooks")]
    pub(super) playbooks: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Actions {
    /// One action; without it, all of them
    pub(super) kind: Option<String>,
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ActionsFormat,
}

/// How `actions` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ActionsFormat {
    /// For people
    Text,
    /// One JSON document, with a version
    Json,
    /// The page that is docs/actions.md
    Markdown,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Man {
    /// Directory to write into; it is made where it is missing
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is written name=value".to_owned()),
    }
}

fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    let wrong = "it is written 2026-03-24T07:10:00Z, with the zone: Z, or +02:00";
    text.parse().map_err(|_| wrong.to_owned())
}

/// Seconds.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || "it is written 90m, 8h or 3d".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|all| *all <= 400 * 86_400).ok_or_else(wrong)
}

/// Seconds, from one to those of a day.
fn within_a_day(text: &str) -> Result<u64, String> {
    let wrong = || "it is written 90s, 5m or 2h, from one second to a day".to_owned();
    let seconds = match text.parse() {
        Ok(seconds) => seconds,
        Err(_) => duration(text).map_err(|_| wrong())?,
    };
    if (1..=86_400).contains(&seconds) { Ok(seconds) } else { Err(wrong()) }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "it is written 127.0.0.1:4599".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the rehearsal cloud is served on loopback only (127.0.0.1 or [::1])".to_owned())
    }
}
