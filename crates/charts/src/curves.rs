//! Curves: how values went, a line each.

use std::path::Path;

use crate::colour::{self, AXIS, Colour, GRID, INK, MUTED};
use crate::error::ChartError;
use crate::file::{self, Size};
use crate::mark::{Anchor, Mark, Point, fitted};
use crate::ticks;

/// Room for the title, below the axis, to the left and to the right of it, in pixels.
const ABOVE: f64 = 46.0;
const BELOW: f64 = 58.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
/// Room for what the lines are called.
const LEGEND: f64 = 190.0;
/// Names that are written at most, where there are too many to tell their colours apart.
const NAMED: usize = 14;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is called.
    pub label: String,
    /// Its points from left to right. One that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
}

/// What goes to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizontal {
    /// Numbers.
    Number,
    /// Seconds since 1970.
    Instant,
}

/// A figure of curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// What the figure is called.
    pub title: String,
    /// What goes to the right, in words.
    pub right: String,
    /// What goes up, in words.
    pub up: String,
    /// What kind of numbers go to the right.
    pub horizontal: Horizontal,
    /// Whether what goes up does so on a logarithmic scale; values that are not positive break the line.
    pub logarithmic: bool,
    /// The lines.
    pub curves: Vec<Curve>,
}

/// Where numbers lie.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
    logarithmic: bool,
}

impl Curves {
    /// Draws the figure to a file that ends in `.svg` or `.png`.
    ///
    /// # Errors
    /// [`ChartError`] for another name and a file that cannot be written.
    pub fn draw(&self, size: Size, path: &Path) -> Result<(), ChartError> {
        file::paint(&self.marks(size), size, path)
    }

    fn marks(&self, size: Size) -> Vec<Mark> {
        let frame = self.frame(size);
        let mut marks = vec![Mark::text(
            (LEFT, 22.0),
            fitted(&self.title, 17.0, f64::from(size.width) - LEFT),
            17.0,
            INK,
            Anchor::Start,
        )];
        self.grid(&frame, &mut marks);
        let colours = self.colours();
        let many = self.curves.len() > colour::APART;
        for (curve, colour) in self.curves.iter().zip(&colours) {
            let (width, opacity) = if many { (1.5, 0.75) } else { (2.0, 1.0) };
            for points in self.pieces(curve, &frame) {
                match points.as_slice() {
                    [only] => marks.push(Mark::Dot { at: *only, radius: 3.0, colour: *colour }),
                    _ => marks.push(Mark::Line { points, colour: *colour, width, opacity }),
                }
            }
        }
        self.legend(&frame, &colours, &mut marks);
        marks
    }

    fn frame(&self, size: Size) -> Frame {
        let points = || self.curves.iter().flat_map(|curve| &curve.points).filter(|point| self.is_shown(**point));
        let x = range(points().map(|point| point.0));
        let y = range(points().map(|point| point.1));
        let y = if self.logarithmic {
            (y.0.max(f64::MIN_POSITIVE), y.1.max(f64::MIN_POSITIVE))
        } else {
            let margin = (y.1 - y.0) * 0.04;
            (y.0 - margin, y.1 + margin)
        };
        let legend = if self.curves.len() > 1 { LEGEND } else { 0.0 };
        Frame {
            left: LEFT,
            right: f64::from(size.width) - RIGHT - legend,
            top: ABOVE,
            bottom: f64::from(size.height) - BELOW,
            x,
            y: if self.logarithmic && y.0 == y.1 { (y.0 / 2.0, y.1 * 2.0) } else { y },
            logarithmic: self.logarithmic,
        }
    }

    fn is_shown(&self, (x, y): (f64, f64)) -> bool {
        // MLflow keeps what is infinite as the largest number.
        x.is_finite() && y.is_finite() && y.abs() < f64::MAX && (!self.logarithmic || y > 0.0)
    }

    /// The stretches of a curve without a break.
    fn pieces(&self, curve: &Curve, frame: &Frame) -> Vec<Vec<Point>> {
        let mut pieces = Vec::new();
        for points in curve.points.split(|point| !self.is_shown(*point)) {
            if !points.is_empty() {
                pieces.push(points.iter().map(|point| frame.place(*point)).collect());
            }
        }
        pieces
    }

    fn grid(&self, frame: &Frame, marks: &mut Vec<Mark>) {
        let ups = if frame.logarithmic {
            ticks::logarithmic(frame.y.0, frame.y.1)
        } else {
            ticks::linear(frame.y.0, frame.y.1, ((frame.bottom - frame.top) / 60.0) as usize)
        };
        for value in ups {
            let down = frame.down(value);
            marks.push(Mark::rule((frame.left, down), (frame.right, down), GRID));
            marks.push(Mark::text((frame.left - 8.0, down), ticks::number(value), 12.0, MUTED, Anchor::End));
        }
        let span = frame.x.1 - frame.x.0;
        let wanted = ((frame.right - frame.left) / 110.0) as usize;
        for value in ticks::linear(frame.x.0, frame.x.1, wanted) {
            let right = frame.across(value);
            let text = match self.horizontal {
                Horizontal::Number => ticks::number(value),
                Horizontal::Instant => ticks::instant(value, span),
            };
            marks.push(Mark::rule((right, frame.bottom), (right, frame.bottom + 5.0), AXIS));
            marks.push(Mark::text((right, frame.bottom + 15.0), text, 12.0, MUTED, Anchor::Middle));
        }
        marks.push(Mark::rule((frame.left, frame.bottom), (frame.right, frame.bottom), AXIS));
        marks.push(Mark::rule((frame.left, frame.top), (frame.left, frame.bottom), AXIS));
        let middle = f64::midpoint(frame.left, frame.right);
        marks.push(Mark::text((middle, frame.bottom + 40.0), &self.right, 13.0, INK, Anchor::Middle));
        let (at, text) =
            ((18.0, f64::midpoint(frame.top, frame.bottom)), fitted(&self.up, 13.0, frame.bottom - frame.top));
        marks.push(Mark::Text { at, text, size: 13.0, colour: INK, anchor: Anchor::Middle, turned: true });
    }

    /// A colour for each curve: of few their own, of many by how they end.
    fn colours(&self) -> Vec<Colour> {
        if self.curves.len() <= colour::APART {
            return (0..self.curves.len()).map(colour::of_few).collect();
        }
        let order = self.by_end();
        let mut colours = vec![colour::of_value(0.0); self.curves.len()];
        for (rank, place) in order.iter().enumerate() {
            colours[*place] = colour::of_value(rank as f64 / (order.len() - 1) as f64);
        }
        colours
    }

    /// The curves by their last values, lowest first.
    fn by_end(&self) -> Vec<usize> {
        let end = |place: &usize| {
            let points = self.curves[*place].points.iter().rev();
            points.copied().find(|point| self.is_shown(*point)).map_or(f64::INFINITY, |point| point.1)
        };
        let mut order: Vec<usize> = (0..self.curves.len()).collect();
        order.sort_by(|one, other| end(one).total_cmp(&end(other)));
        order
    }

    fn legend(&self, frame: &Frame, colours: &[Colour], marks: &mut Vec<Mark>) {
        if self.curves.len() < 2 {
            return;
        }
        // Where lines are many, the highest end stands at the top, as it does in the figure.
        let mut shown: Vec<usize> = if self.curves.len() <= colour::APART {
            (0..self.curves.len()).collect()
        } else {
            self.by_end().into_iter().rev().collect()
        };
        let room = (((frame.bottom - frame.top) / 20.0) as usize).clamp(2, NAMED);
        let n_left_out = shown.len().saturating_sub(room);
        if n_left_out > 0 {
            // Evenly over all of them, with the first and the last.
            let last = (shown.len() - 1) as f64;
            shown = (0..room - 1)
                .map(|place| shown[(place as f64 * last / (room - 2).max(1) as f64).round() as usize])
                .collect();
        }
        let left = frame.right + 18.0;
        let mut down = frame.top + 8.0;
        for place in &shown {
            let swatch = vec![(left, down), (left + 22.0, down)];
            marks.push(Mark::Line { points: swatch, colour: colours[*place], width: 3.0, opacity: 1.0 });
            let label = fitted(&self.curves[*place].label, 12.0, LEGEND - 44.0);
            marks.push(Mark::text((left + 29.0, down), label, 12.0, INK, Anchor::Start));
            down += 20.0;
        }
        if n_left_out > 0 {
            let text = format!("{} lines in all", self.curves.len());
            marks.push(Mark::text((left, down), text, 12.0, MUTED, Anchor::Start));
        }
    }
}

impl Frame {
    fn place(&self, (x, y): (f64, f64)) -> Point {
        (self.across(x), self.down(y))
    }

    fn across(&self, value: f64) -> f64 {
        self.left + (value - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)
    }

    fn down(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.log10() } else { value };
        let part = (scale(value) - scale(self.y.0)) / (scale(self.y.1) - scale(self.y.0));
        self.bottom - part * (self.bottom - self.top)
    }
}

/// The least and the greatest; of none and of one, room around it.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    if low == high {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        return (low - room, high + room);
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(curves: Vec<Curve>, logarithmic: bool) -> Curves {
        let (title, right, up) = ("loss".to_owned(), "step".to_owned(), "loss".to_owned());
        Curves { title, right, up, horizontal: Horizontal::Number, logarithmic, curves }
    }

    fn curve(label: &str, values: &[f64]) -> Curve {
        let points = values.iter().enumerate().map(|(step, value)| (step as f64, *value)).collect();
        Curve { label: label.to_owned(), points }
    }

    const SIZE: Size = Size { width: 1000, height: 560 };

    fn lines(marks: &[Mark]) -> usize {
        let is_data =
            |mark: &&Mark| matches!(mark, Mark::Line { points, width, .. } if *width > 1.0 && points.len() > 2);
        marks.iter().filter(is_data).count()
    }

    #[test]
    fn lines_fill_the_frame_and_break_at_what_is_no_number() {
        let figure = figure(vec![curve("a", &[0.0, 1.0, 2.0, f64::NAN, 3.0, 4.0, f64::MAX])], false);
        let frame = figure.frame(SIZE);
        let pieces = figure.pieces(&figure.curves[0], &frame);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(pieces[0][0].0, frame.left);
        assert_eq!(pieces[1][1].0, frame.right);
        assert!(pieces[0][0].1 < frame.bottom && pieces[1][1].1 > frame.top, "there is a margin");
    }

    #[test]
    fn a_logarithmic_scale_makes_powers_a_straight_line() {
        let figure = figure(vec![curve("a", &[1.0, 10.0, 100.0, 0.0, 1000.0])], true);
        let frame = figure.frame(SIZE);
        let points = &figure.pieces(&figure.curves[0], &frame)[0];
        let steps: Vec<f64> = points.windows(2).map(|pair| pair[0].1 - pair[1].1).collect();
        assert_eq!(points.len(), 3, "zero has no place");
        assert!((steps[0] - steps[1]).abs() < 1e-9, "{steps:?}");
    }

    #[test]
    fn few_have_their_own_colours_and_many_are_coloured_by_their_end() {
        let few = figure((0..3).map(|end| curve(&end.to_string(), &[1.0, 1.0, f64::from(end)])).collect(), false);
        assert_eq!(few.colours(), [colour::of_few(0), colour::of_few(1), colour::of_few(2)]);
        let many =
            figure((0..40).map(|end| curve(&end.to_string(), &[1.0, 1.0, f64::from(39 - end)])).collect(), false);
        assert_eq!(many.colours()[0], colour::of_value(1.0));
        assert_eq!(many.colours()[39], colour::of_value(0.0));
        let marks = many.marks(SIZE);
        assert_eq!(lines(&marks), 40);
        assert!(marks.iter().any(|mark| matches!(mark, Mark::Text { text, .. } if text == "40 lines in all")));
    }

    #[test]
    fn nothing_and_single_points_are_drawn() {
        assert!(!figure(Vec::new(), false).marks(SIZE).is_empty());
        let marks = figure(vec![curve("a", &[3.0])], true).marks(SIZE);
        assert!(marks.iter().any(|mark| matches!(mark, Mark::Dot { .. })));
    }

    #[test]
    fn both_forms_are_written_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let figure = figure(vec![curve("a & <b>", &[1.0, 0.5, 0.2]), curve("b", &[1.0, 0.6, 0.1])], false);
        let (svg, png) = (folder.path().join("a.svg"), folder.path().join("a.png"));
        figure.draw(SIZE, &svg).unwrap();
        figure.draw(SIZE, &png).unwrap();
        let text = std::fs::read_to_string(svg).unwrap();
        assert!(text.contains("<svg") && text.contains("a &amp; &lt;b&gt;") && text.contains("polyline"), "{text}");
        let bytes = std::fs::read(png).unwrap();
        assert_eq!(&bytes[1..4], b"PNG");
        // The picture's width and height stand behind its first head.
        assert_eq!(bytes[16..24], [2000_u32.to_be_bytes(), 1120_u32.to_be_bytes()].concat());
        let error = figure.draw(SIZE, &folder.path().join("a.gif")).unwrap_err();
        assert!(matches!(error, ChartError::Form { .. }));
    }
}
