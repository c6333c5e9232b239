//! Never cut the branch we sit on: does a plan take away what its own run stands on?
//!
//! What a run stands on is its caller and everything that the caller came from, as far as that is known: the
//! user whose key or session signs, the role of a session, the credentials that a profile or `--role-arn`
//! renews the session with, every role among them, and whom the trust of a role admits where nobody is known to
//! be behind it. Break-glass, where somebody has tried it, is left standing in the same way. What cannot be known is
//! told as a warning; what is known refuses the plan, unless the operator has named the identity to be lost.
//!
//! A user is lost with the credential that is in use, and not with another of his: a key that signs outlives the cut
//! of his other keys and of his sessions. Where it is not known which one is in use, any of them may be.
//!
//! Trust is followed from role to role, through everybody that a trust names, each role once. A trust that admits an
//! account, a service or anyone is not followed: who that is, only the policies of all of them could tell, and one
//! who is not cut is enough for the way in to stand. There it is said who of those who are cut may be behind it.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic, Place, counted, nearest};
use crate::ids::{AccessKeyId, Arn, Principal, SecretId, StepId, UserName};
use crate::inventory::{Caller, Inventory, ListedRole, Origin, RoleDetail};
use crate::plan::{Change, Credential, Effect, Plan, Subject, Together};
use crate::playbook::reach_of;
use crate::policy::Document;
use crate::policy::admission::Whom;
use crate::policy::trust::{Admission, Admitted, admits, admitted, everybody_admitted};

/// What somebody is admitted to.
enum Opened<'c> {
    /// A role, by its name.
    Role(&'c str),
    /// The value of a secret.
    Secret(&'c SecretId),
}

/// What a cut would take.
struct Lost {
    /// The step that cuts it, where one does.
    by: Option<StepId>,
    /// The identity that is cut.
    arn: Option<Arn>,
    /// From the run, or from break-glass, to what is cut, one link after the other.
    path: Vec<String>,
}

/// Whose way in it is that a plan must leave standing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Caller,
    BreakGlass,
    /// Nobody's whom a run stands on: whoever says something of the case. A secret that is sealed for him takes nothing
    /// from his word.
    Speaker,
}

/// One identity of a chain: somebody, whose credentials those before it were got with.
struct Link<'c> {
    said: Vec<String>,
    arn: Option<&'c Arn>,
    /// The unique id, where it is the one that asks.
    id: Option<&'c str>,
    key: Option<&'c AccessKeyId>,
}

/// Refuses where the plan cuts what `caller` stands on, or break-glass; gives back what is to be said where it is
/// accepted, or may be so. Asked again when a saved plan is run, because another may run it. Where a step stands tells
/// `place_of`, if that is known.
pub fn refuse_lock_out(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    place_of: &dyn Fn(&StepId) -> Option<Place>,
) -> Result<Vec<String>, Diagnostic> {
    let mut warnings = Vec::new();
    let mut refused = None;
    for (whose, chain) in [(Whose::Caller, chain(caller)), (Whose::BreakGlass, break_glass(caller))]
    {
        for lost in lost(plan, inventory, caller, whose, &chain, &mut warnings) {
            let path = lost.path.join(" <- ");
            let accepted =
                lost.arn.as_ref().is_some_and(|arn| plan.accepted_lockouts.contains(arn));
            if accepted {
                warnings.push(whose.accepted(&path));
            } else if refused.is_none() {
                let problem = whose.refused(&path, lost.arn.as_ref());
                refused = Some(match lost.by.as_ref().and_then(place_of) {
                    Some(place) => problem.at(place, "this step cuts it"),
                    None => problem,
                });
            }
        }
    }
    refused.map_or(Ok(warnings), Err)
}

/// What was accepted beforehand and is not cut: a slip of the finger, or of another plan.
pub(super) fn accepts_nothing(plan: &Plan, inventory: &Inventory, problems: &mut Vec<Diagnostic>) {
    let caller = &inventory.caller;
    let chains = [(Whose::Caller, chain(caller)), (Whose::BreakGlass, break_glass(caller))];
    let lost = chains
        .iter()
        .flat_map(|(whose, chain)| lost(plan, inventory, caller, *whose, chain, &mut Vec::new()));
    let lost: BTreeSet<Arn> = lost.filter_map(|lost| lost.arn).collect();
    for arn in plan.accepted_lockouts.iter().filter(|arn| !lost.contains(*arn)) {
        let message = format!(
            "--accept-lockout {arn} accepts nothing: the plan cuts off neither who runs it nor break-glass by it"
        );
        let help = match nearest(arn.as_str(), lost.iter().map(Arn::as_str)) {
            Some(near) => format!("did you mean --accept-lockout {near}?"),
            None => "leave --accept-lockout out".to_owned(),
        };
        problems.push(Diagnostic::error(Code::CannotPlan, message).help(help));
    }
}

/// Whether the plan cuts what `caller` stands on, be it accepted or not: that a run may lose whom it runs as makes nobody's
/// word of him any better.
pub fn is_cut_off(plan: &Plan, inventory: &Inventory, caller: &Caller) -> bool {
    !lost(plan, inventory, caller, Whose::Speaker, &chain(caller), &mut Vec::new()).is_empty()
}

/// Whether `caller`, or anybody whom its credentials were got with, is who holds `credential`, or whom it opens a role to.
pub fn comes_of(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    credential: &Credential,
) -> bool {
    let chain = chain(caller);
    let admitted = match credential {
        Credential::Admission { role, who, whom, .. } => {
            Some((who, whom, Opened::Role(role.as_str())))
        }
        Credential::Reader { secret, who, whom, .. } => Some((who, whom, Opened::Secret(secret))),
        _ => None,
    };
    if let Some((who, whom, opened)) = admitted
        && chain.iter().any(|link| link.is_admitted(who, whom, &opened, plan, inventory))
    {
        return true;
    }
    (0..chain.len()).any(|at| match credential.principal() {
        Some(Principal::User(user)) => {
            let signs =
                matches!(credential, Credential::AccessKey { id, .. } if chain[at].key == Some(id));
            signs || chain[at].is_user(&user, plan, inventory)
        }
        Some(Principal::Role(role)) => chain[at].role(plan) == Some(role.as_str()),
        None => false,
    })
}

/// What `later` cuts of break-glass that `earlier`, the plan before it, did not: a sentence each. Nobody has said yes
/// to that yet.
pub(super) fn cuts_off_break_glass(
    earlier: &Plan,
    later: &Plan,
    inventory: &Inventory,
) -> Vec<String> {
    let caller = &inventory.caller;
    let chain = break_glass(caller);
    let lost = |plan: &Plan| {
        lost(plan, inventory, caller, Whose::BreakGlass, &chain, &mut Vec::new()).into_iter()
    };
    let before: BTreeSet<Vec<String>> = lost(earlier).map(|lost| lost.path).collect();
    let is_accepted =
        |lost: &Lost| lost.arn.as_ref().is_some_and(|arn| later.accepted_lockouts.contains(arn));
    let new = lost(later).filter(|lost| !before.contains(&lost.path) && !is_accepted(lost));
    new.map(|lost| {
        let path = lost.path.join(" <- ");
        format!(
            "it would cut off break-glass, the way in that is left when nothing else goes: {path}"
        )
    })
    .collect()
}

/// Whether a change cuts break-glass itself, or a role that it comes through.
pub(super) fn touches_break_glass(change: &Change, plan: &Plan, inventory: &Inventory) -> bool {
    let chain = break_glass(&inventory.caller);
    change.effects.iter().any(|effect| {
        let Effect::Cuts { subject, .. } = effect else { return false };
        (0..chain.len()).any(|at| match subject.principal() {
            Some(Principal::User(user)) => {
                chain[at].is_user(&user, plan, inventory)
                    && InUse::of(&chain, at).falls_with(&user, subject)
            }
            Some(Principal::Role(role)) => chain[at].role(plan) == Some(role.as_str()),
            None => false,
        })
    })
}

impl Whose {
    fn accepted(self, path: &str) -> String {
        match self {
            Self::Caller => format!(
                "the run cuts what it stands on, and that was accepted: {path}. It will stop there; go on with \
                 other credentials: portcullis resume CASE"
            ),
            Self::BreakGlass | Self::Speaker => format!(
                "the plan cuts break-glass, and that was accepted: {path}. Have another way in at hand before it runs"
            ),
        }
    }

    fn refused(self, path: &str, arn: Option<&Arn>) -> Diagnostic {
        let last = arn.map_or(String::new(), |arn| {
            format!("; or, as the last resort and on record, accept it: --accept-lockout {arn}")
        });
        let (message, ways) = match self {
            Self::Caller => (
                "the plan would cut off its own caller",
                "run from an identity the playbook does not touch: a break-glass user, or an incident role \
                 (--profile NAME, --role-arn ARN); or cut less, so that it is left out",
            ),
            Self::BreakGlass | Self::Speaker => (
                "the plan would cut off break-glass, the way in that is left when nothing else goes",
                "cut less, so that it is left out; or try a break-glass that the playbook does not touch, or another key \
                 of it, which is remembered in its place: portcullis doctor --break-glass PROFILE",
            ),
        };
        Diagnostic::error(Code::LockOut, format!("{message}: {path}")).help(format!("{ways}{last}"))
    }
}

/// The caller, and everybody whom its credentials were got with, one after the other.
fn chain(caller: &Caller) -> Vec<Link<'_>> {
    let own = Link {
        said: said(format!("this run, as {}", caller.arn), Some(&caller.arn)),
        arn: Some(&caller.arn),
        id: Some(&caller.id),
        key: caller.access_key_id.as_ref(),
    };
    std::iter::once(own).chain(caller.came_from.iter().map(Link::of)).collect()
}

/// The same of break-glass; empty where nobody has tried it.
fn break_glass(caller: &Caller) -> Vec<Link<'_>> {
    caller.break_glass.iter().map(Link::of).collect()
}

impl<'c> Link<'c> {
    fn of(origin: &'c Origin) -> Self {
        let Origin { how, arn, access_key_id } = origin;
        let said = said(how.clone(), arn.as_ref());
        Self { said, arn: arn.as_ref(), id: None, key: access_key_id.as_ref() }
    }

    fn is_known(&self) -> bool {
        self.arn.is_some() || self.key.is_some()
    }

    /// The role it is, by its name; names are those of one account.
    fn role(&self, plan: &Plan) -> Option<&'c str> {
        role_of(self.arn?).filter(|_| self.is_of(plan))
    }

    /// Whether a policy that admits `who` may mean it. Whoever of an account its own policies let may be anybody of it of whom
    /// those are not known; but whoever the case is worked on as was there before it, and if he is not in its hands himself,
    /// somebody must be able to speak.
    fn is_admitted(
        &self,
        who: &str,
        whom: &Whom,
        opened: &Opened<'_>,
        plan: &Plan,
        inventory: &Inventory,
    ) -> bool {
        let Some(arn) = self.arn else { return false };
        match whom {
            Whom::Named => self.is_named(who, plan),
            Whom::Account(account) => {
                arn.account() == account
                    && !self.works_on_it(inventory)
                    && self.may_come_in(opened, inventory)
            }
            Whom::Other => false,
            Whom::Anyone => !self.works_on_it(inventory),
        }
    }

    /// Whether it is whoever the case is worked on as, or with whose credentials that is done.
    fn works_on_it(&self, inventory: &Inventory) -> bool {
        let caller = &inventory.caller;
        let own = caller.came_from.iter().filter_map(|origin| origin.arn.as_ref());
        let mut own = std::iter::once(&caller.arn).chain(own);
        let is_it = |arn: &Arn| {
            own.any(|own| {
                own.account() == arn.account()
                    && (own == arn || role_of(own).is_some() && role_of(own) == role_of(arn))
            })
        };
        self.arn.is_some_and(is_it)
    }

    /// Whether its own policies let it through what was opened, as far as they are known.
    fn may_come_in(&self, opened: &Opened<'_>, inventory: &Inventory) -> bool {
        let Some(arn) = self.arn else { return true };
        let Ok(all) = inventory.authorization() else { return true };
        let of_role = |role: &RoleDetail| {
            role.arn.account() == arn.account() && role_of(arn) == Some(role.name.as_str())
        };
        let role = all.roles.iter().find(|role| of_role(role)).map(|role| &role.arn);
        let account = arn.account();
        let Some(reach) = reach_of(all, account, role.unwrap_or(arn).as_str()) else { return true };
        let (action, resource) = match opened {
            Opened::Role(name) => {
                let opened = all.roles.iter().find(|role| role.name.as_str() == *name);
                ("sts:AssumeRole", opened.map(|role| &role.arn))
            }
            Opened::Secret(secret) => {
                ("secretsmanager:GetSecretValue", inventory.arn_of_secret(secret))
            }
        };
        resource.is_none_or(|resource| reach.may(action, resource.as_str(), account, None))
    }

    /// Whether a policy that names `who` means it. Of an account that is none of the case's nobody here knows who is who:
    /// whoever comes from one that is named may be meant.
    fn is_named(&self, who: &str, plan: &Plan) -> bool {
        let Some(arn) = self.arn.filter(|arn| who.contains(arn.account())) else { return false };
        let named = |name: &str| who.rsplit('/').next() == Some(name);
        let accounts = plan.together.as_ref().map(Together::accounts).unwrap_or_default();
        !(self.is_of(plan) || accounts.iter().any(|account| account.as_str() == arn.account()))
            || who == arn.as_str()
            || role_of(arn).is_some_and(|role| who.contains(":role/") && named(role))
            || session_of(arn).is_some_and(|(role, session)| {
                who.ends_with(&format!(":assumed-role/{role}/{session}"))
            })
    }

    fn is_of(&self, plan: &Plan) -> bool {
        self.arn.is_some_and(|arn| arn.account() == plan.account.as_str())
    }

    /// Whether it is the user. A session minted by a user has the user's own id; a federated one has another, and is
    /// told by the key that signs or by its ARN.
    fn is_user(&self, user: &UserName, plan: &Plan, inventory: &Inventory) -> bool {
        let named = |arn: &Arn| {
            let name =
                arn.resource().strip_prefix("user/").and_then(|path| path.rsplit('/').next());
            name == Some(user.as_str())
        };
        let found = inventory.user(user).ok().and_then(Option::as_ref);
        let keys = inventory.access_keys(user).map(Vec::as_slice).unwrap_or_default();
        self.arn.is_some_and(named) && self.is_of(plan)
            || self.id.is_some_and(|id| found.is_some_and(|user| user.id == id))
            || self.key.is_some_and(|key| keys.iter().any(|own| own.id == *key))
    }
}

/// A link in words: how it was come by, and the role that it is.
fn said(how: String, arn: Option<&Arn>) -> Vec<String> {
    let Some(arn) = arn else { return vec![how] };
    let role = match session_of(arn) {
        Some((role, name)) => match permission_set(role) {
            Some(set) => format!("permission set {set}, signed in to as {name}"),
            None => format!("role {role}"),
        },
        None => match role_of(arn) {
            Some(role) => format!("role {role}"),
            None => return vec![how],
        },
    };
    vec![how, role]
}

fn lost(
    plan: &Plan,
    inventory: &Inventory,
    caller: &Caller,
    whose: Whose,
    chain: &[Link<'_>],
    warnings: &mut Vec<String>,
) -> Vec<Lost> {
    let mut lost = Vec::new();
    let to = |at: usize, rest: Vec<String>| -> Vec<String> {
        chain[..=at].iter().flat_map(|link| link.said.clone()).chain(rest).collect()
    };
    let listed =
        |name: &str| inventory.roles().ok()?.iter().find(|role| role.name.as_str() == name);
    for (at, link) in chain.iter().enumerate() {
        let Some(name) = link.role(plan) else { continue };
        let by = cut_by(
            plan,
            |subject| matches!(subject.principal(), Some(Principal::Role(role)) if role.as_str() == name),
        );
        if let Some(by) = by {
            let arn = listed(name).map(|role| role.arn.clone());
            let arn = arn.or_else(|| link.arn.filter(|arn| session_of(arn).is_none()).cloned());
            lost.push(Lost { by: Some(by.change.step.clone()), arn, path: to(at, vec![by.said]) });
        }
    }
    if whose == Whose::Caller {
        let sealed = sealed_out(plan, caller);
        lost.extend(sealed.map(|by| Lost {
            by: Some(by.change.step.clone()),
            arn: None,
            path: to(0, vec![by.said]),
        }));
    }
    for user in plan.users() {
        let of_him = (0..chain.len()).filter(|at| chain[*at].is_user(user, plan, inventory));
        let mut cut = of_him.filter_map(|at| {
            let in_use = InUse::of(chain, at);
            Some((at, in_use, cut_by(plan, |subject| in_use.falls_with(user, subject))?))
        });
        let Some((at, in_use, by)) = cut.next() else { continue };
        let found = inventory.user(user).ok().and_then(Option::as_ref);
        let mut path = vec![format!("user {user}")];
        if matches!(in_use, InUse::Unknown) && !cuts_whole(plan, user) {
            path.push("which of his credentials is in use is not known".to_owned());
        }
        path.push(by.said);
        let arn = found.map(|user| user.arn.clone());
        lost.push(Lost { by: Some(by.change.step.clone()), arn, path: to(at, path) });
    }
    // Whoever is behind a session of a role and not known is one of those whom the role's trust admits.
    for (at, link) in chain.iter().enumerate() {
        let (Some(name), None | Some(false)) =
            (link.role(plan), chain.get(at + 1).map(Link::is_known))
        else {
            continue;
        };
        let Some(role) = listed(name) else { continue };
        let behind = Behind::of(role, plan, inventory);
        let mut perhaps = Vec::new();
        for cut in cut_principals(plan, inventory, name) {
            match behind.through(cut.arn, plan.account.as_str()) {
                Some(through) if behind.is_shut() => {
                    let mut way = behind.way(through, cut.only);
                    way.push(cut.who);
                    let by = cut.by.map(|by| {
                        way.push(by.said);
                        by.change.step.clone()
                    });
                    lost.push(Lost { by, arn: Some(cut.arn.clone()), path: to(at, way) });
                }
                Some(_) => perhaps.push(cut.who),
                None => {}
            }
        }
        // Who is behind break-glass is not the one who reads this.
        if let (Whose::Caller, Some(first)) = (whose, perhaps.first()) {
            let more = match perhaps.len() {
                1 => String::new(),
                n => format!(", or {}", counted(n - 1, "other")),
            };
            warnings.push(format!(
                "{} may have been assumed by {first}{more}, whom this plan cuts off: if that is you, the session \
                 cannot be renewed when it ends",
                role.arn
            ));
        }
    }
    lost
}

/// Which credential of a user is in use.
#[derive(Clone, Copy)]
enum InUse<'c> {
    /// This key, which he keeps until somebody takes it.
    Key(&'c AccessKeyId),
    /// A session of his, got with what the next link tells.
    Session,
    Unknown,
}

impl<'c> InUse<'c> {
    /// Of the user whom the link `at` tells of.
    fn of(chain: &[Link<'c>], at: usize) -> Self {
        match chain[at].key {
            Some(key) if key.as_str().starts_with("AKIA") => Self::Key(key),
            // What it was got with is a link of its own, and is judged there.
            Some(_) if chain.get(at + 1).is_some_and(Link::is_known) => Self::Session,
            _ => Self::Unknown,
        }
    }

    /// Whether it falls with a cut of `subject`.
    fn falls_with(self, user: &UserName, subject: &Subject) -> bool {
        let credential = match subject {
            Subject::Principal { principal } => return principal.user() == Some(user),
            Subject::Credential { credential } => credential,
        };
        let is_sessions = matches!(credential, Credential::Sessions { .. });
        credential.user() == Some(user)
            && match self {
                Self::Key(key) => {
                    matches!(credential, Credential::AccessKey { id, .. } if id == key)
                }
                Self::Session => is_sessions,
                Self::Unknown => true,
            }
    }
}

/// Whether the plan cuts the user himself, and not some credential of his.
fn cuts_whole(plan: &Plan, user: &UserName) -> bool {
    let is_he = |subject: &Subject| matches!(subject, Subject::Principal { principal } if principal.user() == Some(user));
    cut_by(plan, is_he).is_some()
}

/// Somebody whom the plan cuts and the account lists.
struct CutPrincipal<'i> {
    arn: &'i Arn,
    who: String,
    /// How it is said that nobody else is let in.
    only: &'static str,
    by: Option<By<'i>>,
}

/// All of them, but the role `name`.
fn cut_principals<'i>(
    plan: &'i Plan,
    inventory: &'i Inventory,
    name: &'i str,
) -> impl Iterator<Item = CutPrincipal<'i>> {
    let users = plan.users().filter_map(|user| {
        let arn = &inventory.user(user).ok()?.as_ref()?.arn;
        let only = "only users in scope may assume it";
        let by = cut_by(plan, |subject| subject.user() == Some(user));
        Some(CutPrincipal { arn, who: format!("user {user}"), only, by })
    });
    let roles = plan.principals.iter().filter_map(Principal::role);
    let roles = roles.filter(move |role| role.as_str() != name).filter_map(|role| {
        let arn = &inventory.roles().ok()?.iter().find(|listed| listed.name == *role)?.arn;
        let by = cut_by(
            plan,
            |subject| matches!(subject.principal(), Some(Principal::Role(cut)) if cut == *role),
        );
        let only = "only who is in scope may assume it";
        Some(CutPrincipal { arn, who: format!("role {role}"), only, by })
    });
    users.chain(roles)
}

/// Who may be behind a role, by its trust policy and by those of the roles that it names, and so on.
struct Behind<'i> {
    /// The role itself first; each of the others after the one that names it.
    roles: Vec<Assumable<'i>>,
}

/// A role on the way.
struct Assumable<'i> {
    role: &'i ListedRole,
    /// The role that names it.
    by: Option<usize>,
    /// `None` where it cannot be understood.
    trust: Option<Document>,
    /// Whether everybody who may be behind it is in scope.
    shut: bool,
}

impl<'i> Behind<'i> {
    fn of(role: &'i ListedRole, plan: &Plan, inventory: &'i Inventory) -> Self {
        let listed = inventory.roles().map(Vec::as_slice).unwrap_or_default();
        let is_cut =
            |role: &ListedRole| plan.principals.contains(&Principal::Role(role.name.clone()));
        let mut in_scope: BTreeSet<&str> = plan
            .users()
            .filter_map(|user| Some(inventory.user(user).ok()?.as_ref()?.arn.as_str()))
            .collect();
        in_scope.extend(listed.iter().filter(|role| is_cut(role)).map(|role| role.arn.as_str()));
        let called = Called::of(listed);
        let mut roles = vec![Assumable::of(role, None)];
        let mut known: BTreeMap<&str, usize> = BTreeMap::from([(role.name.as_str(), 0)]);
        // By each role, the roles that name it.
        let mut named_by: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        while let Some(next) = roles.get(at) {
            let named = next.trust.iter().flat_map(everybody_admitted);
            let named = named.filter_map(|admitted| match admitted {
                Admitted::Named(who) => called.find(who),
                _ => None,
            });
            // What is cut itself needs nobody behind it.
            let named: Vec<&ListedRole> = named.filter(|role| !is_cut(role)).collect();
            for named in named {
                let place = *known.entry(named.name.as_str()).or_insert_with(|| {
                    roles.push(Assumable::of(named, Some(at)));
                    named_by.push(Vec::new());
                    roles.len() - 1
                });
                named_by[place].push(at);
            }
            at += 1;
        }
        // Open is who admits anybody that is neither in scope nor a role which is not open.
        let is_known = |who: &str| {
            in_scope.contains(who)
                || called.find(who).is_some_and(|role| known.contains_key(role.name.as_str()))
        };
        let mut opened: Vec<usize> = (0..roles.len())
            .filter(|at| {
                let named = roles[*at].trust.as_ref().and_then(admitted);
                named.is_none_or(|named| !named.into_iter().all(is_known))
            })
            .collect();
        // And whoever admits such a role.
        while let Some(at) = opened.pop() {
            if std::mem::replace(&mut roles[at].shut, false) {
                opened.extend(&named_by[at]);
            }
        }
        Self { roles }
    }

    fn is_shut(&self) -> bool {
        self.roles[0].shut
    }

    /// The role on the way that admits `arn`, the first of them.
    fn through(&self, arn: &Arn, account: &str) -> Option<usize> {
        let admits = |role: &Assumable<'_>| match &role.trust {
            Some(trust) => admits(trust, arn.as_str(), account) != Admission::No,
            None => true,
        };
        self.roles.iter().position(admits)
    }

    /// From the role itself to whom the role `to` admits, in words.
    fn way(&self, to: usize, only: &str) -> Vec<String> {
        let mut way = vec![only.to_owned()];
        let mut at = to;
        while let Some(by) = self.roles[at].by {
            way.push(format!("role {}", self.roles[at].role.name));
            way.push("only those whom the plan cuts off may come to it".to_owned());
            at = by;
        }
        way.reverse();
        way
    }
}

impl<'i> Assumable<'i> {
    fn of(role: &'i ListedRole, by: Option<usize>) -> Self {
        Self { role, by, trust: Document::parse(&role.trust).ok(), shut: true }
    }
}

/// The roles of the account, by what a trust policy calls them.
struct Called<'i> {
    by_arn: BTreeMap<&'i str, &'i ListedRole>,
    by_name: BTreeMap<&'i str, &'i ListedRole>,
}

impl<'i> Called<'i> {
    fn of(listed: &'i [ListedRole]) -> Self {
        Self {
            by_arn: listed.iter().map(|role| (role.arn.as_str(), role)).collect(),
            by_name: listed.iter().map(|role| (role.name.as_str(), role)).collect(),
        }
    }

    /// The role that `who` names, or of which it names a session.
    fn find(&self, who: &str) -> Option<&'i ListedRole> {
        let of_session = || {
            let arn = Arn::parse(who).ok()?;
            let (name, _) = session_of(&arn)?;
            self.by_name.get(name).copied().filter(|role| role.arn.account() == arn.account())
        };
        self.by_arn.get(who).copied().or_else(of_session)
    }
}

/// Role and session name of an assumed role.
fn session_of(arn: &Arn) -> Option<(&str, &str)> {
    arn.resource().strip_prefix("assumed-role/")?.split_once('/')
}

/// The role that a session or a role's own ARN is of, by its name alone.
pub(super) fn role_of(arn: &Arn) -> Option<&str> {
    let role = || arn.resource().strip_prefix("role/")?.rsplit('/').next();
    session_of(arn).map(|(role, _)| role).or_else(role)
}

/// The roles that `caller` works through.
pub(super) fn own_roles(caller: &Caller) -> BTreeSet<&str> {
    let own = chain(caller).into_iter().filter_map(|link| link.arn);
    own.filter(|arn| arn.account() == caller.account.as_str()).filter_map(role_of).collect()
}

/// The permission set of IAM Identity Center that a role is made for: `AWSReservedSSO_NAME_0123456789abcdef`.
fn permission_set(role: &str) -> Option<&str> {
    Some(role.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?.0)
}

/// A secret that is sealed, and not for whoever runs this: he could neither work on it nor, if its policy were all
/// he had, unseal it. The seal spares whoever planned it; another may run it.
fn sealed_out<'p>(plan: &'p Plan, caller: &Caller) -> impl Iterator<Item = By<'p>> + 'p {
    let own = caller.principal_patterns();
    let session = session_of(&caller.arn).map(|(role, _)| role.to_owned());
    let account = caller.account.clone();
    let is_own = move |spared: &String| {
        own.contains(spared)
            || Arn::parse(spared.as_str()).is_ok_and(|spared| {
                let name =
                    spared.resource().strip_prefix("role/").and_then(|r| r.rsplit('/').next());
                spared.account() == account.as_str() && name.is_some() && name == session.as_deref()
            })
    };
    plan.changes.iter().filter_map(move |change| {
        let spares = change.effects.iter().find_map(|effect| match effect {
            Effect::Spares { principals } => Some(principals),
            _ => None,
        })?;
        (!spares.iter().any(&is_own)).then(|| {
            let said = format!("{}, sealed by {} ({})", change.target, change.id, change.place());
            By { change, said }
        })
    })
}

/// A change that cuts, and how that is said.
struct By<'p> {
    change: &'p Change,
    said: String,
}

/// `cut by quarantine.1 (line 46)`. A restriction only where there is no cut: whether the caller asks from one of
/// its networks, nobody tells him.
fn cut_by(plan: &Plan, cuts: impl Fn(&Subject) -> bool) -> Option<By<'_>> {
    let by = |blocks: bool| {
        plan.changes.iter().find(|change| {
            change.effects.iter().any(|effect| {
                matches!(effect, Effect::Cuts { subject, barrier }
                    if barrier.blocks() == blocks && cuts(subject))
            })
        })
    };
    let (change, what) = by(true).map(|change| (change, "cut")).or_else(|| {
        by(false).map(|change| (change, "shut out from elsewhere than some networks"))
    })?;
    Some(By { change, said: format!("{what} by {} ({})", change.id, change.place()) })
}
