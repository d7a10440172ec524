//! What can be wrong with a selection, in words for people.

use std::fmt;

/// Where in a selection something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The argument as written.
    pub argument: String,
    /// The character, from 1.
    pub character: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "character {} of selection `{}`", self.character, self.argument)
    }
}

/// Why a selection cannot be understood or resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// There is nothing to select between two commas, or behind a colon.
    #[error("nothing stands at {place}")]
    Missing {
        /// Where.
        place: Place,
    },
    /// `@` beside `+`.
    #[error("`@` and `+` cannot be combined, at {place}")]
    MixedOperators {
        /// Where.
        place: Place,
    },
    /// A number of steps that is none.
    #[error("`{text}` is not a number of steps, at {place}")]
    InvalidDepth {
        /// What stands there.
        text: String,
        /// Where.
        place: Place,
    },
    /// The word before the colon is no method.
    #[error("there is no method `{word}`, at {place}")]
    UnknownMethod {
        /// What stands there.
        word: String,
        /// Where.
        place: Place,
        /// The nearest method.
        nearest: Option<String>,
        /// All methods.
        known: &'static [&'static str],
    },
    /// The word behind `kind:`, `state:` or `result:` is none of theirs.
    #[error("there is no {method} `{word}`, at {place}")]
    UnknownWord {
        /// `kind`, `state` or `result`.
        method: &'static str,
        /// What stands there.
        word: String,
        /// Where.
        place: Place,
        /// The nearest word.
        nearest: Option<String>,
        /// All words.
        known: &'static [&'static str],
    },
    /// A pattern with wildcards is malformed.
    #[error("`{text}` is not a pattern: {reason}, at {place}")]
    InvalidPattern {
        /// The pattern.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// Where.
        place: Place,
    },
    /// No asset has this name.
    #[error("there is no asset `{name}`, at {place}")]
    UnknownAsset {
        /// What was asked for.
        name: String,
        /// Where.
        place: Place,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// `result:` where nobody looks at runs.
    #[error("`result:` asks how the last run went, which is not known here, at {place}")]
    NeedsRun {
        /// Where.
        place: Place,
    },
    /// `state:` where nothing is compared.
    #[error("`state:` compares the project with an environment, which is not done here, at {place}")]
    NeedsPlan {
        /// Where.
        place: Place,
    },
}

impl SelectError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Missing { .. } => "write a name or `method:value`, or remove the comma or colon".to_owned(),
            Self::MixedOperators { .. } => {
                "`@x` already takes all descendants of x and all that those are made from".to_owned()
            }
            Self::InvalidDepth { .. } => "write a small whole number, as in `2+x` or `x+1`".to_owned(),
            Self::UnknownMethod { nearest: Some(word), .. } => format!("did you mean `{word}:`?"),
            Self::UnknownMethod { known, .. } => format!("methods are {}", known.join(", ")),
            Self::UnknownWord { nearest: Some(word), .. } => format!("did you mean `{word}`?"),
            Self::UnknownWord { known, .. } => format!("known are {}", known.join(", ")),
            Self::InvalidPattern { .. } => "wildcards are `*`, `?` and `[abc]`".to_owned(),
            Self::UnknownAsset { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::UnknownAsset { .. } => "`baton ls` lists all assets".to_owned(),
            Self::NeedsPlan { .. } | Self::NeedsRun { .. } => {
                "select by name, tag, kind, owner, source or path".to_owned()
            }
        }
    }
}
