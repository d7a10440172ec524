//! The guide "Change a pipeline safely", followed to the letter: every command in it is run in a shell, in order, every
//! difference in it is made to the files, and every answer in it must be the one that comes.
//!
//! Blocks of `sh` are run; blocks of `diff` name a file and are applied; a block of `text` that begins with `$` is a command and
//! its answer, in which `…` stands for lines that are left out. Commits and definitions are compared as `[hash]`, and neither bytes nor
//! how long work is estimated to take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The flights guide trains models; two at once would not get the machine that each is measured with.
#[test]
fn relay_the_guide_of_safe_changes_is_followed_to_the_letter() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/change-safely.md");
    let text = fs::read_to_string(guide).unwrap();
    let mut reader = Newcomer::new();
    let mut followed = 0;
    for block in blocks(&text) {
        let at = format!("line {} of the guide", block.line);
        match block.language {
            "sh" => drop(reader.runs(&block.text, &at)),
            "diff" => reader.edits(&block.text, &at),
            "text" if block.text.starts_with("$ ") => reader.compares(&block.text, &at),
            _ => continue,
        }
        followed += 1;
    }
    assert!(followed >= 20, "only {followed} blocks");
}

/// A fenced block of Markdown.
struct Block<'t> {
    language: &'t str,
    text: String,
    /// Line of its first line in the file, from 1.
    line: usize,
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for (number, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(language), false) => found.push(Block { language, text: String::new(), line: number + 2 }),
            (Some(_), true) => {}
            (None, true) => {
                let open = found.last_mut().unwrap();
                open.text.push_str(line);
                open.text.push('\n');
                continue;
            }
            (None, false) => continue,
        }
        is_open = !is_open;
    }
    found
}

/// Somebody with a shell, in which `baton` is the program that is tested.
struct Newcomer {
    home: TempDir,
    /// Where the shell stands.
    folder: PathBuf,
}

impl Newcomer {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_baton"), home.path().join("bin/baton")).unwrap();
        Self { folder: home.path().to_owned(), home }
    }

    /// Runs lines in a shell and answers with what they print; the next ones go on in the folder where these end.
    fn runs(&mut self, lines: &str, at: &str) -> String {
        let stood = self.home.path().join("stood");
        let own = [self.home.path().join("bin")].into_iter();
        let search =
            own.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())).collect::<Vec<_>>();
        let script = format!("set -e\n{lines}\npwd > '{}'\n", stood.display());
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).current_dir(&self.folder).stdin(Stdio::null());
        shell.env("PATH", std::env::join_paths(search).unwrap()).env("HOME", self.home.path());
        shell.env("BATON_AUTHOR", "newcomer").env_remove("BATON_ENV").env_remove("BATON_DIRECTORY");
        for who in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
            shell.env(who, "newcomer");
        }
        let output = shell.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{at}: {lines}{printed}{}", String::from_utf8_lossy(&output.stderr));
        self.folder = PathBuf::from(fs::read_to_string(stood).unwrap().trim());
        printed
    }

    /// Makes a difference to the file that its head names.
    fn edits(&self, difference: &str, at: &str) {
        let name = difference.lines().find_map(|line| line.strip_prefix("+++ ")).unwrap();
        let lines = difference.lines().filter(|line| !["---", "+++", "@@"].iter().any(|head| line.starts_with(head)));
        let (mut before, mut after) = (String::new(), String::new());
        for line in lines {
            let (sign, rest) = line.split_at(line.len().min(1));
            let into: &mut [&mut String] = match sign {
                "-" => &mut [&mut before],
                "+" => &mut [&mut after],
                _ => &mut [&mut before, &mut after],
            };
            for text in into {
                text.push_str(&format!("{rest}\n"));
            }
        }
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(&before).count(), 1, "{at}: {name} does not hold once:\n{before}");
        fs::write(path, text.replacen(&before, &after, 1)).unwrap();
    }

    /// Runs the first line's command and holds its answer against the other lines.
    fn compares(&mut self, told: &str, at: &str) {
        let (command, expected) = told.split_once('\n').unwrap();
        let printed = self.runs(command.trim_start_matches("$ "), at);
        let (expected, found) = (redacted(expected), redacted(&printed));
        let mut rest = found.as_str();
        for part in expected.split("…\n").filter(|part| !part.trim().is_empty()) {
            let found = rest.find(part);
            assert!(found.is_some(), "{at}: other than told from here on:\n{part}\nprinted:\n{printed}");
            let start = found.unwrap();
            rest = &rest[start + part.len()..];
        }
    }
}

/// Without what is another each time: commits, what definitions are called in short, and what work is estimated to take.
fn redacted(text: &str) -> String {
    let is_hex = |word: &str| {
        word.chars().all(|digit| digit.is_ascii_hexdigit()) && word.contains(|digit: char| digit.is_ascii_digit())
    };
    let is_commit = |word: &&str| matches!(word.len(), 8 | 10) && is_hex(word);
    let line = |line: &str| {
        let commits = line.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_commit);
        let line = commits.fold(line.to_owned(), |line, commit| line.replace(commit, "[hash]"));
        let line = line.trim_end();
        let end = if line.starts_with("Estimate") { line.find(", ").unwrap_or(line.len()) } else { line.len() };
        format!("{}\n", &line[..end])
    };
    text.lines().map(line).collect()
}
