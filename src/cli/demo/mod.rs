//! `waypost demo`: the whole gateway on loopback with throw-away data, real mail through it over TCP, and proof.
//!
//! Nothing is staged: the letters go through the same listener, rules, rewriting and delivery as in production, to an
//! inbox that shares no code with us; what arrived is compared octet by octet.

mod letters;
mod scene;
mod show;

use anyhow::ensure;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use letters::LETTERS;
use scene::{Proof, Scene};

/// Runs the demo; with `once` it ends after the proof, else it keeps running until it is interrupted.
pub(super) async fn run(once: bool) -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    show::opening(&scene);
    let mut proofs = Vec::with_capacity(LETTERS.len());
    for letter in LETTERS {
        let story = scene.play(letter).await?;
        show::story(letter, &story);
        proofs.push(story.proof);
    }
    show::summary(proved(&proofs), proofs.len());
    if once {
        scene.strike().await?;
    } else {
        show::invitation(&scene.panel_link().await?);
        until_ended(&scene).await?;
        scene.strike().await?;
    }
    verdict(&proofs)
}

fn proved(proofs: &[Proof]) -> usize {
    proofs.iter().filter(|proof| proof.holds()).count()
}

/// What the exit code says: that every proof holds, or that one does not.
fn verdict(proofs: &[Proof]) -> anyhow::Result<()> {
    let failed = proofs.len() - proved(proofs);
    ensure!(failed == 0, "{failed} of {} letters did not go as they should", proofs.len());
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

#[cfg(test)]
mod tests {
    use super::letters::{Expected, Letter};
    use super::*;

    fn proof(arrived: &str, as_expected: bool) -> Proof {
        Proof { sent: "ab".to_owned(), arrived: Some(arrived.to_owned()), as_expected }
    }

    #[test]
    fn one_proof_that_does_not_hold_is_a_failure() {
        let good = || proof("ab", true);
        assert!(verdict(&[good(), good()]).is_ok());
        for bad in [proof("ac", true), proof("ab", false)] {
            let refusal = verdict(&[good(), bad]).unwrap_err();
            assert_eq!(refusal.to_string(), "1 of 2 letters did not go as they should");
        }
    }

    /// Each letter played for real, while something else is expected of it.
    #[tokio::test]
    async fn a_letter_that_fares_otherwise_than_it_should_is_a_failure() {
        let scene = Scene::set().await.unwrap();
        let otherwise = |letter: &Letter| match letter.expected {
            Expected::Delivered => Expected::Refused,
            Expected::Refused => Expected::DeliveredLater,
            Expected::DeliveredLater => Expected::Delivered,
        };
        let letters = LETTERS.iter().take(3).map(|letter| Letter { expected: otherwise(letter), ..*letter });
        for letter in letters {
            let story = scene.play(&letter).await.unwrap();
            assert!(verdict(&[story.proof]).is_err(), "{}", letter.title);
        }
        scene.strike().await.unwrap();
    }
}
