//! How far a long command is, on stderr where that is a terminal, else nowhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often what is waited for shows that somebody waits.
const TICK: Duration = Duration::from_millis(100);

/// Lines out of so many.
pub(super) fn lines(all: u64) -> ProgressBar {
    ProgressBar::new(all).with_style(style("{wide_bar} {human_pos} of {human_len} lines, {elapsed}"))
}

/// Octets out of so many, and what becomes of them.
pub(super) fn octets(all: u64, doing: &'static str) -> ProgressBar {
    let style = style("{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {elapsed}");
    ProgressBar::new(all).with_style(style).with_message(doing)
}

/// What is waited for, of which nobody knows how long it takes.
pub(super) fn waiting(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style("{spinner} {msg}, {elapsed}")).with_message(doing);
    bar.enable_steady_tick(TICK);
    bar
}

/// From now on octets are counted whose number nobody knows.
pub(super) fn count_octets(bar: &ProgressBar, doing: &'static str) {
    bar.set_style(style("{spinner} {msg} {binary_bytes}, {elapsed}"));
    bar.set_message(doing);
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
