//! `waypost demo`: the whole gateway on loopback with throw-away data, real mail through it over TCP, and proof.
//!
//! Nothing is staged: the letters go through the same listener, rules, rewriting and delivery as in production, to an
//! inbox that shares no code with us; what arrived is compared octet by octet.

mod letters;
mod scene;
mod show;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

use letters::LETTERS;
use scene::Scene;

/// Runs the demo; with `once` it ends after the proof, else it keeps running until it is interrupted.
pub(super) async fn run(once: bool) -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    show::opening(&scene);
    let mut proved = 0;
    for letter in LETTERS {
        let story = scene.play(letter).await?;
        show::story(letter, &story);
        proved += usize::from(story.proof.holds());
    }
    show::summary(proved, LETTERS.len());
    if once {
        scene.strike().await?;
    } else {
        show::invitation(&scene.panel_link().await?);
        until_ended().await?;
        scene.strike().await?;
    }
    if proved < LETTERS.len() {
        bail!("{} of {} letters did not go as they should", LETTERS.len() - proved, LETTERS.len());
    }
    Ok(())
}

async fn until_ended() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
