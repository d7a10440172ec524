//! Rules for single files.

use super::Problem;

const MOST_LINES: usize = 500;

/// What no Rust file says, and what to do instead. Put together here, so that this file does not say it either.
const NEVER_IN_RUST: &[(&str, &str)] = &[
    (concat!("todo", "!("), "write the code, or leave the feature out"),
    (concat!("unimplemented", "!("), "write the code, or leave the feature out"),
    (concat!("#[", "allow("), "use `#[expect(lint, reason = \"…\")]`"),
    (concat!("FIX", "ME"), "mend it, or open an issue"),
];

/// Folders that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// What is wrong with a file.
pub(super) fn problems(path: &str, text: &str) -> Vec<Problem> {
    let mut problems = forbidden(path, text, MACHINE_PATHS.iter().map(|folder| (*folder, MACHINE_ADVICE)));
    if path.ends_with(".rs") {
        problems.extend(forbidden(path, text, NEVER_IN_RUST.iter().copied()));
        problems.extend(undescribed(path, text));
        problems.extend(too_long(path, text));
    }
    problems
}

const MACHINE_ADVICE: &str = "the folder exists on one machine only: use a path relative to the repository";

fn forbidden<'a>(path: &str, text: &str, words: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (word, advice) in words {
        for (index, _) in text.lines().enumerate().filter(|(_, line)| line.contains(word)) {
            problems.push(Problem::new(format!("{path}:{}", index + 1), format!("`{word}`: {advice}")));
        }
    }
    problems
}

fn undescribed(path: &str, text: &str) -> Option<Problem> {
    let described = text.trim_start().starts_with("//!");
    let message = "open the file with `//!`: what it owns and what it does not know";
    (path.contains("src/") && !described).then(|| Problem::new(path, message))
}

fn too_long(path: &str, text: &str) -> Option<Problem> {
    let lines = text.lines().count();
    let is_product = path.starts_with("crates/") && path.contains("/src/");
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    let message = format!("{lines} lines, {MOST_LINES} at most: split it by what its parts are for");
    (is_product && !is_test && lines > MOST_LINES).then(|| Problem::new(path, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<String> {
        problems(path, text).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_described_short_file_is_fine() {
        assert!(told("crates/core/src/name.rs", "//! Names.\n\nfn main() {}\n").is_empty());
        assert!(told("crates/core/tests/it/main.rs", "mod names;\n").is_empty());
    }

    #[test]
    fn a_file_without_description_is_told() {
        let told = told("crates/core/src/name.rs", "fn main() {}\n");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("crates/core/src/name.rs: open the file with `//!`"));
    }

    #[test]
    fn forbidden_words_are_told_with_their_line() {
        let text = format!("//! Names.\n{}lint)]\n", NEVER_IN_RUST[2].0);
        assert!(told("crates/core/src/name.rs", &text)[0].starts_with("crates/core/src/name.rs:2: "));
        let text = format!("see {}shared\n", MACHINE_PATHS[0]);
        assert!(told("README.md", &text)[0].starts_with("README.md:1: "));
    }

    #[test]
    fn only_files_of_the_product_have_a_limit() {
        let long = format!("//! Names.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(told("crates/core/src/name.rs", &long).len(), 1);
        assert!(told("crates/core/src/name/tests.rs", &long).is_empty());
        assert!(told("testkit/src/lib.rs", &long).is_empty());
    }
}
