//! A plan for people: as text on one screen, and as a comment on a pull request.

mod markdown;
mod text;
mod words;

pub use markdown::render_markdown;
pub use text::render_text;
