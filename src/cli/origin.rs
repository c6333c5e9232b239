//! What the responder's credentials were got with, as far as his own files tell: the chain of `source_profile`.
//!
//! Needed for one question: would the plan cut the key that renews the session it runs with? Nothing is said of
//! what cannot be read; the files are only looked at.

use aws_config::profile::{self, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use super::view;
use crate::ids::{AccessKeyId, Arn};
use crate::inventory::Origin;

/// Longer chains of profiles are loops.
const LONGEST: usize = 8;

/// Where the credentials of `profile`, or of the profile that is chosen without saying so, come from; empty
/// where they are not from a profile that assumes a role.
pub(super) async fn of_profile(profile: Option<&str>) -> Vec<Origin> {
    // What is in the environment comes before any profile that is not named.
    if profile.is_none() && std::env::var_os("AWS_ACCESS_KEY_ID").is_some() {
        return Vec::new();
    }
    read(&Fs::real(), &Env::real(), profile).await
}

/// The profiles that there are, where one was named that is not among them; `None` where it is, or nobody can tell.
pub(super) async fn instead_of(profile: &str) -> Option<Vec<String>> {
    absent(&Fs::real(), &Env::real(), profile).await
}

async fn absent(files: &Fs, environment: &Env, profile: &str) -> Option<Vec<String>> {
    let chosen = Some(profile.to_owned().into());
    let profiles =
        profile::load(files, environment, &EnvConfigFiles::default(), chosen).await.ok()?;
    if profiles.get_profile(profile).is_some() {
        return None;
    }
    let mut all: Vec<String> = profiles.profiles().map(str::to_owned).collect();
    all.sort();
    Some(all)
}

async fn read(files: &Fs, environment: &Env, profile: Option<&str>) -> Vec<Origin> {
    let chosen = profile.map(|name| name.to_owned().into());
    match profile::load(files, environment, &EnvConfigFiles::default(), chosen).await {
        Ok(profiles) => walk(&profiles),
        Err(_) => Vec::new(),
    }
}

fn walk(profiles: &ProfileSet) -> Vec<Origin> {
    let mut origins = Vec::new();
    let mut name = profiles.selected_profile().to_owned();
    for _ in 0..LONGEST {
        let Some(profile) = profiles.get_profile(&name) else { break };
        let (Some(_), Some(source)) = (profile.get("role_arn"), profile.get("source_profile"))
        else {
            break;
        };
        let of = |setting| profiles.get_profile(source).and_then(|base| base.get(setting));
        let key = of("aws_access_key_id").and_then(|key| AccessKeyId::parse(key).ok());
        let how = match &key {
            Some(key) => format!("key {key} of profile {}", view::plain(source)),
            None => format!("profile {}", view::plain(source)),
        };
        // A profile that others are got with gives its own key, if it has one, and else a session of its role.
        let ends = of("aws_access_key_id").is_some() || source == name;
        let role = of("role_arn").filter(|_| !ends);
        let arn = role.and_then(|role| Arn::parse(role).ok());
        origins.push(Origin { how, arn, access_key_id: key });
        if ends {
            break;
        }
        source.clone_into(&mut name);
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_chain_of_source_profiles_is_walked_to_its_end_and_not_for_ever() {
        let config = "\
[profile respond]
role_arn = arn:aws:iam::111122223333:role/incident-responder
source_profile = hop
[profile hop]
role_arn = arn:aws:iam::999988887777:role/hop
source_profile = base
[profile loop]
role_arn = arn:aws:iam::999988887777:role/hop
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::999988887777:role/hop
source_profile = loop
[profile portal]
sso_account_id = 111122223333
";
        let keys = "[base]\naws_access_key_id = AKIAEXAMPLELEAKED001\naws_secret_access_key = x\n";
        let files = Fs::from_slice(&[
            ("/home/me/.aws/config", config),
            ("/home/me/.aws/credentials", keys),
        ]);
        let environment = Env::from_slice(&[("HOME", "/home/me")]);
        let of = |profile| read(&files, &environment, Some(profile));
        let chain = of("respond").await;
        assert_eq!(chain[0].how, "profile hop");
        assert_eq!(chain[0].arn.as_ref().unwrap().as_str(), "arn:aws:iam::999988887777:role/hop");
        assert_eq!(chain[1].how, "key AKIAEXAMPLELEAKED001 of profile base");
        assert_eq!(chain[1].access_key_id.as_ref().unwrap().as_str(), "AKIAEXAMPLELEAKED001");
        assert_eq!(chain.len(), 2);
        assert_eq!(of("portal").await, []);
        assert_eq!(of("nobody").await, []);
        assert!(of("loop").await.len() <= LONGEST);
        assert_eq!(absent(&files, &environment, "portal").await, None);
        let all = ["base", "hop", "loop", "pool", "portal", "respond"].map(str::to_owned);
        assert_eq!(absent(&files, &environment, "portl").await, Some(all.to_vec()));
    }
}
