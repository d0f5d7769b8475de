//! A line chart as inline SVG, with the table of the same figures: drawn here, so that it works without script.

use std::fmt::Write;
use std::time::Duration;

use crate::mail::Moment;

use super::text;

/// The drawing's size.
const WIDTH: i64 = 1056;
const HEIGHT: i64 = 144;
/// Points of a line at most: two years of days and some.
const MAX_POINTS: usize = 800;
/// Rows of the table at most: the newest.
const MAX_ROWS: usize = 62;

/// One line, its points in any order; those of one step add up.
pub(super) struct Line {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) points: Vec<(Moment, i64)>,
}

/// A line as it is drawn.
pub(super) struct Drawn {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) path: String,
}

/// The chart.
pub(super) struct Chart {
    pub(super) lines: Vec<Drawn>,
    /// Its greatest value, and half of it: the labels of two gridlines.
    pub(super) top: i64,
    pub(super) middle: i64,
    /// When it begins and ends, for scripts and for people.
    pub(super) ends: [(String, String); 2],
    /// When a step began, for scripts and for people, and the value of each line there; the newest first.
    pub(super) rows: Vec<(String, String, Vec<i64>)>,
    /// Nothing to draw.
    pub(super) empty: bool,
    /// No time passes in it that a line could show.
    pub(super) is_one_step: bool,
}

impl Chart {
    /// Draws lines over a stretch of time, a point a step.
    pub(super) fn draw((since, until, step): (Moment, Moment, Duration), lines: &[Line]) -> Self {
        let step_millis = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let steps = usize::try_from((until.millis() - since.millis()).max(0) / step_millis + 1).unwrap_or(MAX_POINTS);
        let (is_one_step, steps) = (steps < 2, steps.clamp(2, MAX_POINTS));
        // The nearest: months differ in length.
        let place = |at: Moment| {
            let nearest = (at.millis() - since.millis() + step_millis / 2) / step_millis;
            usize::try_from(nearest.max(0)).unwrap_or(0)
        };
        let values: Vec<_> = lines.iter().map(|line| by_step(&line.points, steps, place)).collect();
        let top = values.iter().flatten().copied().max().unwrap_or(0);
        // Even, so that the line in the middle has a whole number.
        let scale = (top + top % 2).max(2);
        let drawn = lines.iter().zip(&values);
        let drawn = drawn.map(|(line, values)| Drawn { word: line.word, tone: line.tone, path: path(values, scale) });
        let begins =
            |index: usize| Moment::from_millis(since.millis() + i64::try_from(index).unwrap_or(0) * step_millis);
        let rows = (0..steps).rev().take(MAX_ROWS).map(|index| {
            let of_step = values.iter().map(|line| line[index]).collect::<Vec<_>>();
            (begins(index).rfc3339(), text::full(begins(index)), of_step)
        });
        let rows = rows.filter(|(.., values)| values.iter().any(|value| *value > 0)).collect();
        let ends = [since, until].map(|at| (at.rfc3339(), text::full(at)));
        Self { lines: drawn.collect(), top: scale, middle: scale / 2, ends, rows, empty: top == 0, is_one_step }
    }
}

fn by_step(points: &[(Moment, i64)], steps: usize, place: impl Fn(Moment) -> usize) -> Vec<i64> {
    let mut values = vec![0; steps];
    for (at, count) in points {
        values[place(*at).min(steps - 1)] += count;
    }
    values
}

fn path(values: &[i64], scale: i64) -> String {
    let last = i64::try_from(values.len()).unwrap_or(2) - 1;
    let mut path = String::with_capacity(values.len() * 10);
    for (index, value) in (0..).zip(values) {
        let (x, y) = (WIDTH * index / last, HEIGHT - HEIGHT * value / scale);
        // Writing to a string cannot fail.
        let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_one_step_add_up_and_the_greatest_touches_the_top() {
        let since = Moment::from_millis(1_795_373_784_120);
        let hour = Duration::from_secs(3600);
        let points = vec![(since, 1), (since.after(hour), 3), (since.after(hour), 1), (since.after(hour * 9), 2)];
        let line = Line { word: "forwarded", tone: "ok", points };
        let chart = Chart::draw((since, since.after(hour * 2), hour), &[line]);
        assert_eq!(chart.lines[0].path, "M0 108L528 0L1056 72");
        assert_eq!((chart.top, chart.middle, chart.empty), (4, 2, false));
        assert_eq!(chart.rows.iter().map(|(.., values)| values[0]).collect::<Vec<_>>(), [2, 4, 1]);
    }

    #[test]
    fn nothing_is_a_flat_line() {
        let since = Moment::from_millis(1_795_373_784_120);
        let line = Line { word: "failed", tone: "bad", points: Vec::new() };
        let chart = Chart::draw((since, since, Duration::from_secs(60)), &[line]);
        assert!(chart.empty && chart.is_one_step && chart.rows.is_empty() && chart.lines[0].path == "M0 144L1056 144");
    }
}
