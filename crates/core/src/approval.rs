//! Approvals: whose word something waits for, and for how long. Plain data.

use serde::{Deserialize, Serialize};

/// Whose word something waits for before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Owners, as the project names them; the word of one of them is enough.
    pub by: Vec<String>,
    /// Seconds after which nobody's word counts any more, and what waited for it has failed.
    pub expires: i64,
}

impl Approval {
    /// How long is waited unless somebody says otherwise: a day.
    pub const EXPIRES: i64 = 86_400;

    /// Those who are asked, for people: `a, b or c`.
    pub fn whom(&self) -> String {
        match self.by.as_slice() {
            [] => "nobody".to_owned(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }
}

/// How somebody, or time, settled what waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is done.
    Approved,
    /// It is not done.
    Rejected,
    /// Nobody said anything in time: it is not done.
    Expired,
}

impl Decision {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_asked_read_as_people_say_it() {
        let whom = |names: &[&str]| {
            let by = names.iter().map(|name| (*name).to_owned()).collect();
            Approval { by, expires: Approval::EXPIRES }.whom()
        };
        assert_eq!([whom(&["ann"]), whom(&["ann", "bob", "cy"])], ["ann", "ann, bob or cy"]);
    }
}
