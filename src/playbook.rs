//! The playbook language: YAML in, a checked [`Playbook`] out, or every problem in it at once.
//!
//! Reading goes `yaml` (`node`, a tree with places; `second_reader`, would others read the same?) ->
//! `lower` (typed, checked). Expressions stay unevaluated, with their places, until there are inputs and an
//! inventory. The first of the gate's three places is here: no playbook is read in which something
//! new is handed out before the gate. The language knows the shapes of actions, given as a
//! [`Vocabulary`], and never what they do; it reads no file and asks no cloud.

mod accounts;
mod bounds;
mod expression;
mod field;
mod first_cut;
mod include;
mod inputs;
mod lower;
mod node;
mod passed;
mod reach;
mod schema;
mod second_reader;
mod template;
mod version;
mod vocabulary;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

pub use self::bounds::Bounds;
pub use self::expression::Expression;
pub use self::expression::evaluate::{Evaluated, Scope};
pub use self::expression::functions::{Attribute, FUNCTIONS, Function, Unanswered};
pub use self::expression::meter::Spent;
pub use self::expression::shape::Shape;
pub(crate) use self::field::ONE_PRINCIPAL;
pub(crate) use self::field::shorten;
pub use self::field::{Beside, Choices, Field, FieldType, Mismatch, Such};
pub use self::first_cut::FirstCut;
pub use self::include::{Folder, Fragment, NoFolder};
pub use self::inputs::{Given, GivenInputs, Written};
pub use self::lower::{APPROVALS, BATCHES, GATE, INPUT, LIMITS, PLAYBOOK, STEP, TRUSTED};
use self::node::Node;
pub use self::node::{MAX_BYTES, too_long};
pub use self::reach::reach_of;
pub use self::schema::schema;
pub use self::template::Template;
pub use self::vocabulary::{
    Accounts, ActionShape, EffectKind, Mode, Phase, Proof, Vocabulary, faults,
};
use crate::diagnostic::{self, Code, Diagnostic, Place, Severity, Source};
use crate::ids::{ActionKind, StepId};
use crate::inventory::{Inventory, Want};

/// A playbook that was read and found right.
#[derive(Clone, Debug)]
pub struct Playbook {
    /// The text it was read from.
    pub source: Source,
    /// What it includes, each after those it includes itself.
    pub fragments: Vec<Fragment>,
    /// Its name, in lower-case words joined by hyphens.
    pub name: String,
    /// What it is for, in one line.
    pub title: String,
    /// Breach or planned.
    pub mode: Mode,
    /// The ATT&CK techniques it answers.
    pub counters: Vec<String>,
    /// What the operator must say, in the order of the file.
    pub inputs: Vec<Input>,
    /// Other accounts that it is for, each by the role that is assumed there.
    pub accounts: Option<Template>,
    /// What is worked out from inputs and inventory, each after those it needs.
    pub targets: Vec<Target>,
    /// What the gate asks for.
    pub gate: Gate,
    /// What a plan may not exceed.
    pub limits: Limits,
    /// Credentials that are not compromised, in the author's judgement.
    pub trusted: Vec<Trusted>,
    /// How many people must approve before a phase behind the gate.
    pub approvals: BTreeMap<Phase, usize>,
    /// The steps, in the order of the file.
    pub steps: Vec<Step>,
}

/// Something the operator gives.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// What it must be.
    pub ty: FieldType,
    /// Whether it must be given.
    pub required: bool,
    /// Its value when it is not given, canonical.
    pub default: Option<Value>,
    /// What its value must be beyond its type.
    pub bounds: Bounds,
    /// What it is, for whoever is asked for it.
    pub help: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// A name for what an expression gives.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// What gives it its value.
    pub expression: Expression,
    /// Where it is declared.
    pub place: Place,
}

/// What must be proven before anything new is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// How strong the proof must be: never `read-back`.
    pub proof: Proof,
    /// How long a cut must stay before it counts as settled.
    pub margin: SignedDuration,
    /// How long a refusal is waited for where a cut is tried.
    pub within: SignedDuration,
    /// Where it says so, if it does.
    pub place: Option<Place>,
}

/// What a plan may not exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many changes.
    pub changes: Option<usize>,
    /// How many principals.
    pub principals: Option<usize>,
    /// How many principals, in percent of the account's users.
    pub percent: Option<usize>,
    /// Where each that there is is written, by its key.
    pub places: BTreeMap<&'static str, Place>,
}

/// A credential that is left alone in a breach.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Which access key.
    pub access_key: Template,
    /// Why, in the author's words.
    pub reason: String,
    /// Where it says so.
    pub place: Place,
}

/// How a step with many items goes about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    /// How many items at once.
    pub size: usize,
    /// How long between one batch and the next.
    pub pause: SignedDuration,
    /// No further batch is begun where so many of the changes so far wait for a person, in percent.
    pub stop_at: Option<usize>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// When it runs.
    pub phase: Phase,
    /// In which accounts it is taken.
    pub accounts: Accounts,
    /// What it does.
    pub uses: ActionKind,
    /// With what, in the order of the file. Every required field is there.
    pub with: Vec<(String, Template)>,
    /// The steps that must be done before.
    pub needs: Vec<StepId>,
    /// Where it is false, the step is skipped.
    pub condition: Option<Expression>,
    /// A list; the step is taken for each of its items.
    pub for_each: Option<Template>,
    /// How many of them at once.
    pub batches: Option<Batches>,
    /// What it is for, in the author's words.
    pub title: Option<String>,
    /// Why, in the author's words.
    pub reason: Option<Template>,
    /// When somebody is to look whether it must stay.
    pub review_by: Option<Template>,
    /// Where it stands: its id.
    pub place: Place,
}

impl Step {
    /// Every expression in it.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let templates = self.with.iter().map(|(_, template)| template).chain(&self.for_each);
        let templates = templates.chain(&self.reason).chain(&self.review_by);
        templates.flat_map(Template::expressions).chain(&self.condition)
    }

    /// What its `if` says, of the item in the scope where there is one: `true` where it has none.
    pub fn is_wanted(&self, scope: &Scope<'_>) -> Result<Evaluated, Diagnostic> {
        let Some(condition) = &self.condition else {
            return Ok(Evaluated::Value(Value::Bool(true)));
        };
        match condition.evaluate(scope)? {
            Evaluated::Value(value) => {
                expression::evaluate::accept(&value, &FieldType::Boolean, true, condition, "if")
                    .map(Evaluated::Value)
            }
            needs @ Evaluated::Needs(_) => Ok(needs),
        }
    }

    /// What stands under `with` by that name.
    pub fn field(&self, name: &str) -> Option<&Template> {
        self.with.iter().find(|(field, _)| field == name).map(|(_, template)| template)
    }
}

/// How much stack reading may use. The expression parser takes over 100 KiB for each level of
/// nesting in unoptimised builds; the limits in `expression` keep it well below this.
const STACK: usize = 16 << 20;

/// Reads a playbook that includes nothing. Gives it with warnings, or every problem in it.
pub fn read(
    source: &Source,
    vocabulary: &dyn Vocabulary,
) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    read_in(source, &NoFolder, vocabulary)
}

/// Reads a playbook and what it includes from its folder.
pub fn read_in(
    source: &Source,
    folder: &dyn Folder,
    vocabulary: &dyn Vocabulary,
) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    // A thread of its own, for its stack: see `STACK`. Nothing runs beside it.
    let (playbook, mut problems) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("playbook".to_owned()).stack_size(STACK);
        match thread.spawn_scoped(scope, || read_here(source, folder, vocabulary)) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => {
                let message = format!("no memory to read a playbook with: {error}");
                let help = "end what else takes memory, then the same again";
                (None, vec![Diagnostic::error(Code::TooLarge, message).help(help)])
            }
        }
    });
    diagnostic::sort(&mut problems);
    match playbook {
        Some(playbook) if problems.iter().all(|p| p.severity == Severity::Warning) => {
            Ok((playbook, problems))
        }
        _ => Err(problems),
    }
}

fn read_here(
    source: &Source,
    folder: &dyn Folder,
    vocabulary: &dyn Vocabulary,
) -> (Option<Playbook>, Vec<Diagnostic>) {
    let yaml::Text { tree, cut_short, other, problems } = yaml::read(source);
    let Some(tree) = tree else { return (None, problems) };
    if let Some((version, range)) = version::another(&tree) {
        return (None, vec![version::refused(version, Place::new(source, range))]);
    }
    let of = |tree: Node, problems| {
        let gathered = include::gather(source, &tree, cut_short, problems, folder);
        lower::lower(gathered, tree, vocabulary)
    };
    let (playbook, mut found) = of(tree, problems.clone());
    // Refused by now: with the other of what stands there twice, more may be wrong.
    for problem in other.into_iter().flat_map(|other| of(other, problems.clone()).1) {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    (playbook, found)
}

/// What came of working out the targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Those that have their value.
    pub known: BTreeMap<String, Value>,
    /// What must be read before others have theirs.
    pub needs: BTreeSet<Want>,
    /// Why others will have none.
    pub problems: Vec<Diagnostic>,
}

impl Playbook {
    /// Works out every target, each after those it needs. One that has no value keeps no other from having its own.
    pub fn targets(&self, inputs: &BTreeMap<String, Value>, inventory: &Inventory) -> Targets {
        let Targets { mut known, mut needs, mut problems } = Targets::default();
        let spent = Spent::default();
        for target in &self.targets {
            if !target.expression.asks_only(&known) {
                continue;
            }
            let scope = Scope { inputs, targets: &known, inventory, each: None, spent: &spent };
            match target.expression.evaluate(&scope) {
                Ok(Evaluated::Value(value)) => {
                    if !spent.keeps(&value) {
                        problems
                            .extend(spent.exceeded().map(|why| target.expression.too_dear(why)));
                        break;
                    }
                    known.insert(target.name.clone(), value);
                }
                Ok(Evaluated::Needs(wants)) => needs.extend(wants),
                Err(problem) => problems.push(problem),
            }
        }
        Targets { known, needs, problems }
    }

    /// The fragment that a place is in; `None` for the playbook itself.
    pub fn fragment_of(&self, place: &Place) -> Option<&Fragment> {
        self.fragments.iter().find(|fragment| fragment.source == *place.source())
    }

    /// The texts of what it includes, by their paths.
    pub fn fragment_texts(&self) -> BTreeMap<String, String> {
        let text = |fragment: &Fragment| (fragment.path.clone(), fragment.source.text().to_owned());
        self.fragments.iter().map(text).collect()
    }

    /// The step of that id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }
}
