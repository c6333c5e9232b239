//! `portcullis cloud serve`: a rehearsal world on loopback, for anybody's AWS client.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::args;
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::rehearse::signed_in_as;
use super::stop::asked_to_stop;
use super::view;
use crate::clock::Clock;
use crate::sim::{self, Cloud, Credentials};

/// IAM has none, and the rehearsal cloud one.
const REGION: &str = "us-east-1";
/// The name of the responder's profile.
const RESPONDER: &str = "responder";

pub(super) fn serve(args: &args::Serve) -> Result<Exit, Failure> {
    let world = super::rehearse::world(&args.world)?;
    // Made before anything is served: what is not to be kept is said before anybody has done anything.
    let audit = args.audit.as_deref().map(new_audit).transpose()?;
    view::runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(|error| {
            Failure::new(
                Exit::Refused,
                format!("cannot listen on {}", args.listen),
                "another process may have the port; give --listen 127.0.0.1:0 for any free one",
            )
            .because(&error)
        })?;
        let address = listener.local_addr().map_err(|error| {
            Failure::new(Exit::Refused, "cannot tell the address", "give another --listen ADDRESS")
                .because(&error)
        })?;
        let cloud = Cloud::new(&world, Clock::system());
        let responder = cloud.responder_credentials();
        if let Some(path) = &args.profiles {
            write_profiles(&cloud, &responder, &args.as_whom, path)?;
        }
        // The region twice: some clients read the one name, some the other.
        let mut exports = format!(
            "export AWS_ENDPOINT_URL=http://{address}\nexport AWS_REGION={REGION}\nexport AWS_DEFAULT_REGION={REGION}\n"
        );
        for (name, value) in settings(&responder) {
            let _ = writeln!(exports, "export {}={value}", name.to_uppercase());
        }
        view::out_as_it_is(&exports);
        view::note(&format!(
            "Serving world {} on http://{address}; its responder's credentials are above. Ctrl-C stops it.\n",
            args.world.display()
        ));
        if let Some(path) = &args.profiles {
            view::note(&format!(
                "To speak as one of {}: AWS_SHARED_CREDENTIALS_FILE={} and --profile NAME.\n",
                profiles(&args.as_whom).join(", "),
                typed(path)
            ));
            view::err(&as_sessions(&cloud, &responder, &args.as_whom));
        }
        view::note(&view::not_modelled(sim::NOT_MODELLED));
        cloud.serve(listener, asked_to_stop()).await.map_err(|error| {
            Failure::new(Exit::Stopped, "serving failed", "serve it again").because(&error)
        })?;
        audit.map_or(Ok(()), |(file, path)| write_audit(&cloud, file, path))
    })?;
    Ok(Exit::Done)
}

/// What a client must be given to work with `credentials`, by the names that a profile has for it.
fn settings(credentials: &Credentials) -> Vec<(&'static str, &str)> {
    let token = credentials.session_token.as_ref();
    [
        ("aws_access_key_id", credentials.access_key_id.as_str()),
        ("aws_secret_access_key", credentials.secret.expose()),
    ]
    .into_iter()
    .chain(token.map(|token| ("aws_session_token", token.expose())))
    .collect()
}

/// That a name is one of a session, where there is a user of that name, too: whoever meant the user speaks as somebody else.
fn as_sessions(cloud: &Cloud, responder: &Credentials, others: &[String]) -> String {
    if responder.session_token.is_none() {
        return String::new();
    }
    let known = cloud.snapshot().0;
    let is_user = |name: &&String| {
        let user = format!("/users/{name}");
        known.keys().any(|key| key.ends_with(&user) || key.contains(&format!("{user}/")))
    };
    let told = others.iter().filter(is_user).map(|name| {
        format!("careful: profile {name} is a session of the responder's role that is called so, and not user {name}\n")
    });
    told.map(|line| view::plain(line.trim_end()) + "\n").collect()
}

fn profiles(others: &[String]) -> Vec<&str> {
    let others = others.iter().map(String::as_str);
    std::iter::once(RESPONDER).chain(others).collect()
}

/// A credentials file of its own: what a file has in it already is somebody's.
fn write_profiles(
    cloud: &Cloud,
    responder: &Credentials,
    others: &[String],
    path: &Path,
) -> Result<(), Failure> {
    let mut all = vec![(RESPONDER, responder.clone())];
    for name in others {
        if all.iter().any(|(known, _)| known == name) {
            let what = format!("there is one profile {name}");
            return Err(Failure::new(Exit::Usage, what, "give each name of --as once"));
        }
        all.push((name, signed_in_as(cloud, name)?));
    }
    let text: String = all
        .iter()
        .map(|(name, credentials)| {
            let settings = settings(credentials);
            let lines = settings.iter().map(|(name, value)| format!("{name} = {value}\n"));
            format!("[{name}]\nregion = {REGION}\n{}", lines.collect::<String>())
        })
        .collect();
    let mut options = OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let what = format!("cannot write {}", path.display());
        let next = "give --profiles a path where no file is yet";
        Failure::new(Exit::Refused, what, next).because(&error)
    })
}

/// A file of its own: what is there already is somebody's.
fn new_audit(path: &Path) -> Result<(File, &Path), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.map(|file| (file, path)).map_err(|error| {
        let what = format!("cannot write {}", path.display());
        let next = "give --audit a path where no file is yet";
        Failure::new(Exit::Refused, what, next).because(&error)
    })
}

/// What was asked of the cloud, a line for each request.
fn write_audit(cloud: &Cloud, mut file: File, path: &Path) -> Result<(), Failure> {
    let lines: String = cloud
        .audit()
        .iter()
        .map(|event| serde_json::to_string(event).expect("plain data") + "\n")
        .collect();
    file.write_all(lines.as_bytes()).map_err(|error| {
        let what = format!("cannot write {}", path.display());
        Failure::new(Exit::Refused, what, "serve it again, with room for the file").because(&error)
    })
}
