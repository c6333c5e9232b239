//! `portcullis cloud serve`: a rehearsal world on loopback, for anybody's AWS client.

use std::path::Path;

use super::args;
use super::exit::{Exit, Failure};
use super::view;
use crate::clock::Clock;
use crate::sim::{self, Cloud};

pub(super) fn serve(args: &args::Serve) -> Result<Exit, Failure> {
    let world = super::rehearse::world(&args.world)?;
    if let Some(Err(error)) = args.audit.as_deref().map(no_link) {
        let next = "give --audit the path of a file itself";
        return Err(Failure::new(Exit::Usage, "--audit is not followed", next).because(&error));
    }
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
        // The region twice: some clients read the one name, some the other.
        view::out_as_it_is(&format!(
            "export AWS_ENDPOINT_URL=http://{address}\nexport AWS_REGION=us-east-1\nexport \
             AWS_DEFAULT_REGION=us-east-1\nexport AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n{}",
            responder.access_key_id,
            responder.secret.expose(),
            match &responder.session_token {
                Some(token) => format!("export AWS_SESSION_TOKEN={}\n", token.expose()),
                None => String::new(),
            }
        ));
        view::note(&format!(
            "Serving world {} on http://{address}; its responder's credentials are above. Ctrl-C stops it.\n",
            args.world.display()
        ));
        view::note(&view::not_modelled(sim::NOT_MODELLED));
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        cloud.serve(listener, stop).await.map_err(|error| {
            Failure::new(Exit::Stopped, "serving failed", "serve it again").because(&error)
        })?;
        args.audit.as_deref().map_or(Ok(()), |path| write_audit(&cloud, path))
    })?;
    Ok(Exit::Done)
}

/// What was asked of the cloud, a line for each request.
fn write_audit(cloud: &Cloud, path: &Path) -> Result<(), Failure> {
    let lines: String = cloud
        .audit()
        .iter()
        .map(|event| serde_json::to_string(event).expect("plain data") + "\n")
        .collect();
    let written = no_link(path).and_then(|()| std::fs::write(path, lines));
    written.map_err(|error| {
        let what = format!("cannot write {}", path.display());
        Failure::new(Exit::Refused, what, "give --audit a path that can be written").because(&error)
    })
}

/// A link would have the audit written over whatever it leads to.
fn no_link(path: &Path) -> std::io::Result<()> {
    if path.is_symlink() { Err(std::io::Error::other("it is a symbolic link")) } else { Ok(()) }
}
