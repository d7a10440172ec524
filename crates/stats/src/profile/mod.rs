//! Mergeable one-pass statistics of the columns of a table.
//!
//! [`Profiler`] reads batches, [`TableProfile`] is what is stored, merged and asked, [`TableSummary`] is what people
//! see. A profile never holds rows, only sketches of a few kilobytes a column. It knows nothing of drift or checks,
//! which read it.

mod bytes;
mod column;
mod distinct;
mod frequent;
mod hash;
mod kind;
mod moments;
mod points;
mod profiler;
mod quantiles;
mod range;
mod render;
mod summary;
mod table;
mod values;

#[cfg(test)]
mod tests;

pub use column::{ColumnProfile, TopValue};
pub use kind::ValueKind;
pub use points::Histogram;
pub use profiler::Profiler;
pub use quantiles::RANK_ERROR;
pub use render::render_text;
pub(crate) use render::{grouped, shown_number};
pub use summary::{ColumnSummary, Quantiles, TableSummary, TextLengths};
pub use table::TableProfile;
