//! Marks as a file: the only place that knows the library which paints them.

use std::fs;
use std::path::Path;
use std::sync::Once;

use plotters::prelude::{
    BitMapBackend, Circle, Color as _, DrawingBackend, IntoDrawingArea as _, PathElement, RGBColor, Rectangle,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, IntoFont as _, ShapeStyle, TextStyle, register_font};

use crate::colour::{Colour, PAPER};
use crate::error::ChartError;
use crate::mark::{Anchor, Mark, Point};
use crate::png;

/// Pixels of a PNG for each pixel of its size, so that it is sharp on today's screens.
const SHARPNESS: f64 = 2.0;
/// The family that the embedded font goes by; in SVG it is whatever the reader has.
const FAMILY: &str = "sans-serif";

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels to the right.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Size {
    /// Reads `1000x560`.
    ///
    /// # Errors
    /// [`ChartError::Size`].
    pub fn parse(text: &str) -> Result<Self, ChartError> {
        let refused = || ChartError::Size { text: text.to_owned() };
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(refused)?;
        let side =
            |text: &str| text.trim().parse().ok().filter(|side| (200..=10_000).contains(side)).ok_or_else(refused);
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

/// Paints marks to a file, in the form that its name says.
pub(crate) fn paint(marks: &[Mark], size: Size, path: &Path) -> Result<(), ChartError> {
    static FONT: Once = Once::new();
    // The font is a part of this program: it can be read.
    FONT.call_once(|| drop(register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular())));
    let failed = |reason: String| ChartError::Draw { path: path.to_owned(), reason };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => on(SVGBackend::new(path, (size.width, size.height)), marks, 1.0).map_err(failed),
        Some("png") => bitmap(marks, size)
            .and_then(|file| fs::write(path, file).map_err(|error| error.to_string()))
            .map_err(failed),
        _ => Err(ChartError::Form { path: path.to_owned() }),
    }
}

fn bitmap(marks: &[Mark], size: Size) -> Result<Vec<u8>, String> {
    let scaled = |side: u32| (f64::from(side) * SHARPNESS) as u32;
    let (width, height) = (scaled(size.width), scaled(size.height));
    let mut pixels = vec![0; width as usize * height as usize * 3];
    on(BitMapBackend::with_buffer(&mut pixels, (width, height)), marks, SHARPNESS)?;
    png::encode(&pixels, width, height).map_err(|error| error.to_string())
}

fn on<DB: DrawingBackend>(backend: DB, marks: &[Mark], scale: f64) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let area = backend.into_drawing_area();
    area.fill(&rgb(PAPER)).map_err(|error| said(&error))?;
    let place = |(right, down): Point| ((right * scale).round() as i32, (down * scale).round() as i32);
    for mark in marks {
        let drawn = match mark {
            Mark::Line { points, colour, width, opacity } => {
                let style = ShapeStyle {
                    color: rgb(*colour).mix(*opacity),
                    filled: false,
                    stroke_width: (width * scale).round().max(1.0) as u32,
                };
                area.draw(&PathElement::new(points.iter().map(|point| place(*point)).collect::<Vec<_>>(), style))
            }
            Mark::Block { from, to, colour } => {
                area.draw(&Rectangle::new([place(*from), place(*to)], rgb(*colour).filled()))
            }
            Mark::Dot { at, radius, colour } => {
                area.draw(&Circle::new(place(*at), (radius * scale).round() as i32, rgb(*colour).filled()))
            }
            Mark::Text { at, text, size, colour, anchor, turned } => {
                area.draw(&Text::new(text.as_str(), place(*at), style(*size * scale, *colour, *anchor, *turned)))
            }
        };
        drawn.map_err(|error| said(&error))?;
    }
    area.present().map_err(|error| said(&error))
}

fn style(size: f64, colour: Colour, anchor: Anchor, turned: bool) -> TextStyle<'static> {
    let font = (FAMILY, size).into_font();
    let font = if turned { font.transform(FontTransform::Rotate270) } else { font };
    let horizontal = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    TextStyle { font, color: rgb(colour).to_backend_color(), pos: Pos::new(horizontal, VPos::Center) }
}

fn rgb((red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(Size::parse("1000x560"), Ok(Size { width: 1000, height: 560 }));
        for text in ["1000", "0x10", "100x100", "axb", "20000x500"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }
}
