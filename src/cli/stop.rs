//! Somebody asks to stop: at the next safe point, and at once where he asks again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::{Exit, Failure};
use super::view;

/// Lets a limit of file sizes (`ulimit -f`) be an error of whoever writes, and not the death of the program in the middle of
/// it: once somebody listens for the system's signal, it ends nobody any more.
pub(super) fn survive_file_size_limits() {
    // SIGXFSZ, wherever there is one to a number: Linux, macOS and the BSDs.
    let file_size = SignalKind::from_raw(25);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    // Where it cannot be had, the program ends by the signal, and what it has begun is looked at by whoever resumes.
    let _ = runtime.is_ok_and(|runtime| runtime.block_on(async { signal(file_size).is_ok() }));
}

/// Done when somebody presses Ctrl-C, or the system ends the session.
pub(super) async fn asked_to_stop() {
    let both = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut end), Ok(mut hang_up)) = both else {
        // Without the others there is still the keyboard.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = end.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Turns `true` when somebody asks to stop; ends the program when he asks once more.
#[expect(clippy::exit, reason = "whoever asks twice wants it to end at once")]
pub(super) fn stop_when_asked(go_on: String) -> watch::Receiver<bool> {
    let (ask, stop) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        view::err("\nStopping at the next safe point. Once more to stop at once.\n");
        let _ = ask.send(true);
        asked_to_stop().await;
        // As good as a crash: what was under way is looked at by whoever resumes.
        Failure::new(Exit::Stopped, "stopped at once, perhaps in the middle of a change", go_on)
            .print();
        std::process::exit(Exit::Stopped.code().into());
    });
    stop
}
