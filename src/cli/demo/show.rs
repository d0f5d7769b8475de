//! What the demo prints.

use serde_json::Value;

use super::letters::{Letter, SENDER};
use super::scene::{Scene, Story};

pub(super) fn opening(scene: &Scene) {
    println!(
        "Waypost on loopback: gateway {}, inbox {}, DNS {}.",
        scene.gateway.listening.smtp[0],
        scene.inbox.address(),
        scene.dns.address()
    );
    println!(
        "Rules: shop, old and later @my.example, and the catch-all *@my.example, lead to inboxes at inbox.example."
    );
}

pub(super) fn story(letter: &Letter, story: &Story) {
    println!("\n{}", letter.title);
    println!("  sent         from {SENDER} to {}", letter.to);
    println!("  answered     {}", story.answers.last());
    envelope("before", &story.row["envelope"]["before"]);
    envelope("after", &story.row["envelope"]["after"]);
    for attempt in story.row["attempts"].as_array().into_iter().flatten() {
        println!("  {:<12} {} said: {}", text(&attempt["outcome"]), text(&attempt["mx"]), text(&attempt["reply"]));
    }
    match &story.arrived {
        Some(arrived) => println!("  arrived      {} octets for {}", arrived.octets.len(), arrived.to.join(", ")),
        None => println!("  arrived      nothing, as it should: the sender knows at once"),
    }
    proof(story);
}

fn envelope(which: &str, envelope: &Value) {
    if envelope.is_null() {
        return;
    }
    println!("  {which:<12} MAIL FROM:<{}> RCPT TO:<{}>", text(&envelope["from"]), text(&envelope["to"][0]));
}

fn proof(story: &Story) {
    if let Some(arrived) = &story.proof.arrived {
        println!("  sha-256 sent     {}", story.proof.sent);
        println!("  sha-256 arrived  {arrived}  (behind the trace fields on top)");
    }
    let verdict = match (story.proof.holds(), story.proof.arrived.is_some()) {
        (true, true) => "identical octets",
        (true, false) => "as it should be",
        (false, _) => "NOT AS IT SHOULD BE",
    };
    println!("  {}, logged as {}: {}", verdict, text(&story.row["status"]), text(&story.row["reason"]));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

pub(super) fn summary(proved: usize, all: usize) {
    println!("\n{proved} of {all} letters went as they should.");
}

pub(super) fn invitation(link: &str) {
    println!("\nThe panel, signed in by this one-time link:\n  {link}");
    println!("Still running; press Enter for another link, Ctrl-C to stop and to remove all data.");
}

pub(super) fn another(link: &str) {
    println!("Another one-time link:\n  {link}");
}
