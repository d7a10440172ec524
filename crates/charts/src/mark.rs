//! What a figure is made of, in pixels from the upper left.

use crate::colour::Colour;

/// A place: to the right, and down.
pub(crate) type Point = (f64, f64);

/// How a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A part of a figure; those that come later lie above.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    /// A line through points.
    Line { points: Vec<Point>, colour: Colour, width: f64, opacity: f64 },
    /// A filled rectangle between two corners.
    Block { from: Point, to: Point, colour: Colour },
    /// A filled circle.
    Dot { at: Point, radius: f64, colour: Colour },
    /// A text, its height centred on the place; `turned` reads upwards.
    Text { at: Point, text: String, size: f64, colour: Colour, anchor: Anchor, turned: bool },
}

impl Mark {
    /// A straight line of one pixel.
    pub(crate) fn rule(from: Point, to: Point, colour: Colour) -> Self {
        Self::Line { points: vec![from, to], colour, width: 1.0, opacity: 1.0 }
    }

    /// A text that reads from left to right.
    pub(crate) fn text(at: Point, text: impl Into<String>, size: f64, colour: Colour, anchor: Anchor) -> Self {
        Self::Text { at, text: text.into(), size, colour, anchor, turned: false }
    }
}

/// A text of at most so many pixels, about; what is cut is shown by dots.
pub(crate) fn fitted(text: &str, size: f64, width: f64) -> String {
    let most = ((width / (size * 0.58)).floor() as usize).max(4);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}
