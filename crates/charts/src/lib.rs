//! Figures of many runs as SVG and PNG files.
//!
//! A figure ([`Curves`], [`Parallel`]) is laid out as marks, which are plain data (`mark.rs`), and only `file.rs` knows the library
//! that paints them. Colours can be told apart by the colour-blind, and text is set in a font that comes along, so that a figure
//! looks the same on every machine. It does not know runs: it is given labels and numbers.

mod colour;
mod curves;
mod error;
mod file;
mod mark;
mod parallel;
mod png;
mod ticks;

pub use curves::{Curve, Curves, Horizontal};
pub use error::ChartError;
pub use file::Size;
pub use parallel::{Axis, Parallel, Scale, Thread};
