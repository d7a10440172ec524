//! A project in a folder of its own, and the real binary run on it: arguments in, text out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;

/// A project folder that goes when the value does.
pub struct TestProject {
    binary: PathBuf,
    folder: TempDir,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl TestProject {
    /// An empty folder, with the binary to run on it (`env!("CARGO_BIN_EXE_baton")`).
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[expect(clippy::panic, reason = "a test without its folder cannot go on")]
    pub fn new(binary: &str) -> Self {
        match TempDir::new() {
            Ok(folder) => Self { binary: PathBuf::from(binary), folder },
            Err(error) => panic!("cannot make a temporary folder: {error}"),
        }
    }

    /// Writes a file, with the folders above it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// As [`Self::file`], with a modification time in seconds since the epoch: the delivery's arrival.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    #[expect(clippy::panic, reason = "a test without its files cannot go on")]
    pub fn delivery(self, path: &str, text: &str, arrived_at: u64) -> Self {
        self.write(path, text);
        let arrival = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(arrived_at);
        let file = fs::File::options().write(true).open(self.path(path));
        if let Err(error) = file.and_then(|file| file.set_modified(arrival)) {
            panic!("cannot set the time of {path}: {error}");
        }
        self
    }

    /// Writes a file of a project that is in use.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::panic, reason = "a test without its files cannot go on")]
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = made.and_then(|()| fs::write(&path, text)) {
            panic!("cannot write {}: {error}", path.display());
        }
    }

    /// A path below the folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command with these arguments, in the project's folder and without the caller's `BATON_*` settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(self.folder()).stdin(Stdio::null());
        for name in [
            "BATON_DIRECTORY",
            "BATON_ENV",
            "BATON_FAILPOINT",
            "BATON_LOG",
            "BATON_ONNXRUNTIME",
            "BATON_PYTHON",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "TRACEPARENT",
            "NO_COLOR",
        ] {
            command.env_remove(name);
        }
        command.env("BATON_AUTHOR", "tester").env("COLUMNS", "100");
        command
    }

    /// Runs the binary to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::panic, reason = "a test without its binary cannot go on")]
    pub fn output(&self, arguments: &[&str]) -> Output {
        match self.command(arguments).output() {
            Ok(output) => Output {
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => panic!("cannot run {}: {error}", self.binary.display()),
        }
    }

    /// Runs the binary and answers with exit code and both streams as one text; what differs from run to run (folder,
    /// hashes, times taken, today) is replaced by words in brackets.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let code = output.code.map_or("signal".to_owned(), |code| code.to_string());
        let mut text = format!("exit: {code}\n");
        for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        self.redact(&text)
    }

    fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let real = fs::canonicalize(self.folder()).unwrap_or_else(|_| self.folder().to_owned());
        for folder in [real.as_path(), self.folder()] {
            text = text.replace(&folder.display().to_string(), "[folder]");
        }
        text.lines().map(|line| format!("{}\n", redact_estimate(&redact_line(line)))).collect()
    }
}

/// How long a plan says that its work will take.
fn redact_estimate(line: &str) -> String {
    let mut text = line.to_owned();
    let is_estimate = line.trim_start_matches("- ").starts_with("Estimate");
    let starts = ["under ", "about "].into_iter().filter_map(|word| line.find(word));
    for start in starts.filter(|_| is_estimate) {
        let told = &line[start..];
        let length = told.find([';', '\n']).unwrap_or(told.len());
        text = line.replace(&told[..length], "[time]");
    }
    text
}

/// Replaces hashes, seconds and instants near now.
fn redact_line(line: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in line.chars().chain(['\n']) {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | ':' | '.') {
            word.push(character);
            continue;
        }
        text.push_str(&redact_word(&word));
        word.clear();
        if character != '\n' {
            text.push(character);
        }
    }
    redact_this_year(text.trim_end())
}

fn redact_word(word: &str) -> String {
    let is_hex = word.chars().all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit));
    let has_both = word.chars().any(|digit| digit.is_ascii_digit()) && word.chars().any(|digit| digit.is_alphabetic());
    // Commits are shown by ten digits, and one in a hundred has only numerals or only letters.
    if is_hex && (word.len() == 10 || word.len() > 10 && has_both || word.len() >= 16) {
        return "[hash]".to_owned();
    }
    let seconds = word.strip_suffix('s').filter(|number| number.contains('.') && number.parse::<f64>().is_ok());
    if seconds.is_some() { "[seconds]".to_owned() } else { word.to_owned() }
}

/// Instants of the real clock are of 2026 or later; tests live in years before.
fn redact_this_year(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some(start) = rest.find("20") {
        let (before, found) = rest.split_at(start);
        text.push_str(before);
        let length = now_length(found);
        text.push_str(if length > 0 { "[now]" } else { "20" });
        rest = &found[length.max(2)..];
    }
    text + rest
}

/// The length of `YYYY-MM-DD HH:MM UTC` at the start of `text`, when the year is 2026 or later; else 0.
fn now_length(text: &str) -> usize {
    let form = "dddd-dd-dd dd:dd UTC";
    let fits = text.len() >= form.len()
        && form.bytes().zip(text.bytes()).all(|(wanted, found)| match wanted {
            b'd' => found.is_ascii_digit(),
            wanted => wanted == found,
        });
    let is_new = text.get(..4).and_then(|year| year.parse::<u32>().ok()).is_some_and(|year| year >= 2026);
    if fits && is_new { form.len() } else { 0 }
}
