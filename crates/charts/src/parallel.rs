//! Parallel coordinates: an axis for each quantity, and a line through them for each thing that has them.

use std::path::Path;

use crate::colour::{self, AXIS, INK, MUTED};
use crate::curves::range;
use crate::error::ChartError;
use crate::file::{self, Size};
use crate::mark::{Anchor, Mark, Point, fitted};
use crate::ticks;

const ABOVE: f64 = 92.0;
const BELOW: f64 = 46.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
/// Steps of a line's bend between two axes.
const BEND: usize = 16;
/// Blocks of the scale of colours.
const SHADES: usize = 64;
/// Words that an axis can show apart.
const WORDS: usize = 24;

/// What an axis measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Numbers, evenly.
    Linear,
    /// Numbers, by their size.
    Logarithmic,
    /// Words by their letters; those that are numbers first.
    Words,
}

/// An axis, with a value for each thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// How.
    pub scale: Scale,
    /// Of each thing its value, as it is written; none where it has none.
    pub values: Vec<Option<String>>,
}

/// The values of one thing, from axis to axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Thread {
    /// Its places on the axes, from 0 at the bottom to 1; none where it has no value.
    pub places: Vec<Option<f64>>,
}

/// A figure of parallel coordinates; the last axis gives the colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// What the figure is called.
    pub title: String,
    /// The axes from left to right.
    pub axes: Vec<Axis>,
}

/// An axis on which values have places.
struct Placed {
    places: Vec<Option<f64>>,
    /// Places and texts of its marks.
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis of these values: numbers if all of them are, on a logarithmic scale if they are positive and reach over more
    /// than two powers of ten.
    pub fn of(label: impl Into<String>, values: Vec<Option<String>>) -> Self {
        let numbers: Vec<Option<f64>> = values.iter().flatten().map(|text| number(text)).collect();
        let scale = if numbers.iter().any(Option::is_none) {
            Scale::Words
        } else {
            let (low, high) = range(numbers.into_iter().flatten());
            if low > 0.0 && high / low > 100.0 { Scale::Logarithmic } else { Scale::Linear }
        };
        Self { label: label.into(), scale, values }
    }

    fn placed(&self) -> Placed {
        match self.scale {
            Scale::Words => self.by_word(),
            Scale::Linear => self.by_number(|value| value, |low, high| ticks::linear(low, high, 6)),
            Scale::Logarithmic => self.by_number(f64::log10, ticks::logarithmic),
        }
    }

    fn by_number(&self, scale: fn(f64) -> f64, marked: fn(f64, f64) -> Vec<f64>) -> Placed {
        let numbers: Vec<Option<f64>> = self.values.iter().map(|text| number(text.as_ref()?)).collect();
        let numbers: Vec<Option<f64>> =
            numbers.into_iter().map(|value| value.filter(|value| scale(*value).is_finite())).collect();
        let (low, high) = range(numbers.iter().flatten().copied());
        let place = |value: f64| (scale(value) - scale(low)) / (scale(high) - scale(low));
        let ticks = marked(low, high).into_iter().map(|value| (place(value), ticks::number(value))).collect();
        Placed { places: numbers.into_iter().map(|value| value.map(place)).collect(), ticks }
    }

    fn by_word(&self) -> Placed {
        let mut words: Vec<&String> = self.values.iter().flatten().collect();
        words.sort_by_key(|word| (number(word).is_none(), (*word).clone()));
        words.dedup();
        let last = words.len().saturating_sub(1).max(1) as f64;
        let place = |at: usize| if words.len() == 1 { 0.5 } else { at as f64 / last };
        let every = words.len().div_ceil(WORDS).max(1);
        let ticks = words.iter().enumerate().step_by(every).map(|(at, word)| (place(at), (*word).clone())).collect();
        let of = |text: &String| words.iter().position(|word| *word == text).map(place);
        Placed { places: self.values.iter().map(|text| of(text.as_ref()?)).collect(), ticks }
    }
}

/// A finite number, if the text is one.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| value.is_finite() && value.abs() < f64::MAX)
}

impl Parallel {
    /// Draws the figure to a file that ends in `.svg` or `.png`.
    ///
    /// # Errors
    /// [`ChartError`] for another name and a file that cannot be written.
    pub fn draw(&self, size: Size, path: &Path) -> Result<(), ChartError> {
        file::paint(&self.marks(size), size, path)
    }

    fn marks(&self, size: Size) -> Vec<Mark> {
        let placed: Vec<Placed> = self.axes.iter().map(Axis::placed).collect();
        let (top, bottom) = (ABOVE, f64::from(size.height) - BELOW);
        let gap = (f64::from(size.width) - LEFT - RIGHT) / self.axes.len().saturating_sub(1).max(1) as f64;
        let across = |axis: usize| LEFT + gap * axis as f64;
        let down = |place: Option<f64>| place.map_or(bottom + 22.0, |place| bottom - place * (bottom - top));
        let title = fitted(&self.title, 17.0, f64::from(size.width) - LEFT);
        let mut marks = vec![Mark::text((24.0, 22.0), title, 17.0, INK, Anchor::Start)];
        for thread in threads(&placed) {
            let colour = thread.places.last().copied().flatten().map_or(AXIS, colour::of_value);
            let stops: Vec<Point> =
                thread.places.iter().enumerate().map(|(axis, place)| (across(axis), down(*place))).collect();
            marks.push(Mark::Line { points: bent(&stops), colour, width: 1.5, opacity: 0.7 });
        }
        for (number, (axis, placed)) in self.axes.iter().zip(&placed).enumerate() {
            self.axis((number, axis), placed, across(number), (top, bottom), gap, &mut marks);
        }
        if let Some(last) = placed.last() {
            scale_of_colours(across(self.axes.len() - 1), (top, bottom), last, &mut marks);
        }
        marks
    }

    fn axis(
        &self,
        (number, axis): (usize, &Axis),
        placed: &Placed,
        across: f64,
        (top, bottom): (f64, f64),
        gap: f64,
        marks: &mut Vec<Mark>,
    ) {
        marks.push(Mark::Line { points: vec![(across, top), (across, bottom)], colour: INK, width: 1.5, opacity: 1.0 });
        // Two rows of names, in turns, so that long ones do not meet.
        let row = if number % 2 == 0 || self.axes.len() < 4 { top - 18.0 } else { top - 38.0 };
        let room = if self.axes.len() < 4 { gap.max(120.0) } else { (2.0 * gap - 12.0).max(80.0) };
        marks.push(Mark::text((across, row), fitted(&axis.label, 13.0, room), 13.0, INK, Anchor::Middle));
        for (place, text) in &placed.ticks {
            let down = bottom - place * (bottom - top);
            marks.push(Mark::rule((across - 4.0, down), (across, down), INK));
            let text = fitted(text, 11.0, (gap * 0.8).max(50.0));
            // A light edge keeps the text apart from the lines behind it.
            let width = text.chars().count() as f64 * 6.4;
            let (from, to) = ((across - 8.0 - width, down - 7.0), (across - 5.0, down + 7.0));
            marks.push(Mark::Block { from, to, colour: colour::PAPER });
            marks.push(Mark::text((across - 7.0, down), text, 11.0, INK, Anchor::End));
        }
        if placed.places.iter().any(Option::is_none) {
            let (from, to) = ((across - 38.0, bottom + 15.0), (across - 5.0, bottom + 29.0));
            marks.push(Mark::Block { from, to, colour: colour::PAPER });
            marks.push(Mark::text((across - 7.0, bottom + 22.0), "none", 11.0, MUTED, Anchor::End));
        }
    }
}

/// The places of each thing; those without a value on the last axis first, so that others lie above them.
fn threads(placed: &[Placed]) -> Vec<Thread> {
    let n_things = placed.first().map_or(0, |axis| axis.places.len());
    let thread =
        |thing: usize| Thread { places: placed.iter().map(|axis| axis.places.get(thing).copied().flatten()).collect() };
    let mut threads: Vec<Thread> = (0..n_things).map(thread).collect();
    threads.sort_by_key(|thread| thread.places.last().copied().flatten().is_some());
    threads
}

/// A line through points that leaves and meets each of them level.
fn bent(stops: &[Point]) -> Vec<Point> {
    let mut points: Vec<Point> = stops.first().copied().into_iter().collect();
    for pair in stops.windows(2) {
        let ((left, from), (right, to)) = (pair[0], pair[1]);
        for step in 1..=BEND {
            let part = step as f64 / BEND as f64;
            let eased = part * part * (3.0 - 2.0 * part);
            points.push((left + (right - left) * part, from + (to - from) * eased));
        }
    }
    points
}

/// The colours of the last axis, beside it.
fn scale_of_colours(across: f64, (top, bottom): (f64, f64), axis: &Placed, marks: &mut Vec<Mark>) {
    let (left, right) = (across + 22.0, across + 36.0);
    let height = (bottom - top) / SHADES as f64;
    for shade in 0..SHADES {
        let down = bottom - height * (shade + 1) as f64;
        let colour = colour::of_value((shade as f64 + 0.5) / SHADES as f64);
        marks.push(Mark::Block { from: (left, down), to: (right, down + height + 1.0), colour });
    }
    for (place, text) in &axis.ticks {
        let down = bottom - place * (bottom - top);
        marks.push(Mark::text((right + 6.0, down), fitted(text, 11.0, RIGHT - 46.0), 11.0, INK, Anchor::Start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(label: &str, values: &[&str]) -> Axis {
        let value = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
        Axis::of(label, values.iter().map(value).collect())
    }

    #[test]
    fn scales_follow_from_values() {
        assert_eq!(axis("a", &["1", "2", "3"]).scale, Scale::Linear);
        assert_eq!(axis("a", &["1e-5", "0.1", ""]).scale, Scale::Logarithmic);
        assert_eq!(axis("a", &["1", "two"]).scale, Scale::Words);
        assert_eq!(axis("a", &["1", "NaN"]).scale, Scale::Words);
    }

    #[test]
    fn values_have_places_from_bottom_to_top() {
        assert_eq!(axis("a", &["1", "3", "", "2"]).placed().places, [Some(0.0), Some(1.0), None, Some(0.5)]);
        let places = axis("a", &["0.001", "1000", "1"]).placed().places;
        assert!((places[2].unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(axis("a", &["b", "c", "a", "b"]).placed().places, [Some(0.5), Some(1.0), Some(0.0), Some(0.5)]);
        assert_eq!(axis("a", &["same", "same"]).placed().places, [Some(0.5), Some(0.5)]);
        // Numbers among words stand first, by their text.
        assert_eq!(axis("a", &["x", "3", "None"]).placed().places, [Some(1.0), Some(0.0), Some(0.5)]);
    }

    #[test]
    fn every_thing_is_a_line_coloured_by_the_last_axis() {
        let axes = vec![axis("a", &["1", "2", "3"]), axis("loss", &["0.3", "", "0.1"])];
        let figure = Parallel { title: "runs".to_owned(), axes };
        let marks = figure.marks(Size { width: 900, height: 500 });
        let colours: Vec<_> = marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Line { points, colour, .. } if points.len() > 2 => Some(*colour),
                _ => None,
            })
            .collect();
        assert_eq!(colours, [AXIS, colour::of_value(1.0), colour::of_value(0.0)]);
        assert!(marks.iter().any(|mark| matches!(mark, Mark::Text { text, .. } if text == "none")));
    }
}
