//! `waypost demo`: the whole gateway on loopback with throw-away data, real mail through it over TCP, and proof.
//!
//! Nothing is staged: the letters go through the same listener, rules, rewriting and delivery as in production, to an
//! inbox that shares no code with us; what arrived is compared octet by octet.

mod letters;
mod scene;
mod show;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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
        until_ended(&scene).await?;
        scene.strike().await?;
    }
    if proved < LETTERS.len() {
        bail!("{} of {} letters did not go as they should", LETTERS.len() - proved, LETTERS.len());
    }
    Ok(())
}

/// Until then each press of Enter gives another link: the one before is good for one use.
async fn until_ended(scene: &Scene) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut enters = enters();
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            Some(()) = enters.recv() => show::another(&scene.panel_link().await?),
        }
    }
}

/// Lines of the terminal, as they are entered. The thread waits in a read that nothing ends, so nobody waits for the thread.
fn enters() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().take_while(Result::is_ok);
        lines.take_while(|_| sender.blocking_send(()).is_ok()).for_each(drop);
    });
    receiver
}
