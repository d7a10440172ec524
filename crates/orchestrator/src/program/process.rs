//! The process of a command: how it is started, heard, and ended with all that it started.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::error::ProgramError;

/// Lines that a failure shows.
const LAST_LINES: usize = 20;
/// How long the rest of what a process says is waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The exit code of a program that says that another try may help (`EX_TEMPFAIL`).
const TRY_AGAIN: i32 = 75;
/// A secret shorter than this would hide words that are none.
const SHORTEST_SECRET: usize = 4;

/// What is run.
pub(super) struct Program<'a> {
    pub(super) table: &'a str,
    pub(super) command: &'a str,
    /// Where it runs.
    pub(super) folder: &'a Path,
    /// Where its inputs and outputs are.
    pub(super) scratch: &'a Path,
    /// All that it sees of the environment.
    pub(super) variables: Vec<(String, String)>,
    /// Texts that it must not be heard to say.
    pub(super) secrets: Vec<String>,
    pub(super) timeout: Option<i64>,
    pub(super) memory_limit: Option<u64>,
    /// The program that runs containers, and the image.
    pub(super) container: Option<(PathBuf, &'a str)>,
}

/// Hears what a command says: the stream and the line.
pub(super) type Hearer<'h> = dyn FnMut(&'static str, &str) + Send + 'h;

impl Program<'_> {
    /// Runs it to its end, and answers with the last lines that it said.
    ///
    /// # Errors
    /// [`ProgramError`]. Dropped before its end, it ends with all that it started.
    pub(super) async fn run(&self, hearer: &mut Hearer<'_>) -> Result<Vec<String>, ProgramError> {
        // The scratch folder's own name: a table may be worked on several times at once.
        let name = format!("baton-{}", self.scratch.file_name().unwrap_or_default().to_string_lossy());
        let mut child = self.invocation(&name).spawn().map_err(|error| self.cannot_start(&error))?;
        let mut ending =
            Ending { group: child.id(), container: self.container.as_ref().map(|(runner, _)| (runner.clone(), name)) };
        let (sender, mut said) = mpsc::channel(256);
        for listener in listeners(&mut child, &sender) {
            tokio::spawn(listener);
        }
        drop(sender);
        let mut last = Last { secrets: &self.secrets, lines: VecDeque::new(), hearer };
        let running = self.until_end(&mut child, &mut said, &mut last);
        let status = match self.timeout.and_then(|seconds| u64::try_from(seconds).ok()) {
            Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), running).await,
            None => Ok(running.await),
        };
        let Ok(status) = status else {
            drop(ending);
            let (table, command, seconds) = (self.table.to_owned(), self.shown(), self.timeout.unwrap_or_default());
            return Err(ProgramError::TooLong { table, seconds, command, lines: last.lines.into() });
        };
        let status = status?;
        ending.group = None;
        ending.container = None;
        if status.success() {
            return Ok(last.lines.into());
        }
        Err(ProgramError::Failed {
            table: self.table.to_owned(),
            how: described(status),
            command: self.shown(),
            lines: last.lines.into(),
            may_pass: status.code() == Some(TRY_AGAIN),
        })
    }

    async fn until_end(
        &self,
        child: &mut Child,
        said: &mut mpsc::Receiver<(&'static str, String)>,
        last: &mut Last<'_, '_>,
    ) -> Result<ExitStatus, ProgramError> {
        let status = loop {
            tokio::select! {
                Some((stream, line)) = said.recv() => last.take(stream, &line),
                status = child.wait() => break status.map_err(|error| self.cannot_start(&error))?,
            }
        };
        // What it started and left behind may hold the pipes for ever.
        let rest = async {
            while let Some((stream, line)) = said.recv().await {
                last.take(stream, &line);
            }
        };
        let _all_or_enough = tokio::time::timeout(LAST_WORDS, rest).await;
        Ok(status)
    }

    fn invocation(&self, name: &str) -> Command {
        let mut command = match &self.container {
            Some((runner, image)) => self.in_container(runner, image, name),
            None => self.in_shell(),
        };
        command
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // An interrupt at the terminal is for Baton; and what a command starts is ended together with it.
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    fn in_shell(&self) -> Command {
        let mut command = Command::new("sh");
        command.env_clear().envs(self.variables.iter().cloned());
        match self.memory_limit {
            // Counted in KiB of address space.
            Some(bytes) => {
                let limit = (bytes / 1_024).to_string();
                command.args(["-c", "ulimit -v \"$0\" && exec sh -c \"$1\"", &limit, self.command])
            }
            None => command.args(["-c", self.command]),
        };
        command
    }

    /// Folders are where they are on this machine, so that paths mean the same inside. Values come from the runner's own
    /// environment: what stands on a command line, everybody can read.
    fn in_container(&self, runner: &Path, image: &str, name: &str) -> Command {
        let mut command = Command::new(runner);
        command.envs(self.variables.iter().cloned()).args(["run", "--rm", "--name", name]);
        let home = absolute(self.folder);
        for folder in [&home, self.scratch] {
            let folder = folder.display();
            command.arg("--volume").arg(format!("{folder}:{folder}"));
        }
        command.arg("--workdir").arg(&home);
        for (variable, _) in
            self.variables.iter().filter(|(variable, _)| !super::FROM_MACHINE.contains(&variable.as_str()))
        {
            command.args(["--env", variable]);
        }
        if let Some(bytes) = self.memory_limit {
            command.args(["--memory", &bytes.to_string()]);
        }
        command.args([image, "sh", "-c", self.command]);
        command
    }

    fn cannot_start(&self, error: &std::io::Error) -> ProgramError {
        ProgramError::Start { table: self.table.to_owned(), reason: error.to_string() }
    }

    fn shown(&self) -> String {
        hidden(self.command, &self.secrets)
    }
}

/// The folder as others must name it; a runner of containers takes no other.
fn absolute(folder: &Path) -> PathBuf {
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Tasks that read what a process says until it says no more.
fn listeners(
    child: &mut Child,
    sender: &mpsc::Sender<(&'static str, String)>,
) -> Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> {
    let mut listeners: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    if let Some(output) = child.stdout.take() {
        listeners.push(Box::pin(listen("print", output, sender.clone())));
    }
    if let Some(output) = child.stderr.take() {
        listeners.push(Box::pin(listen("stderr", output, sender.clone())));
    }
    listeners
}

async fn listen(stream: &'static str, output: impl AsyncRead + Unpin, sender: mpsc::Sender<(&'static str, String)>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if sender.send((stream, text)).await.is_err() {
            return;
        }
    }
}

/// The last lines, without secrets, and who hears all of them.
struct Last<'a, 'h> {
    secrets: &'a [String],
    lines: VecDeque<String>,
    hearer: &'a mut Hearer<'h>,
}

impl Last<'_, '_> {
    fn take(&mut self, stream: &'static str, line: &str) {
        let line = hidden(line, self.secrets);
        (self.hearer)(stream, &line);
        if self.lines.len() == LAST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// A text with stars in the place of secrets.
pub(super) fn hidden(text: &str, secrets: &[String]) -> String {
    let told = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    told.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

/// Ends what a command started when it is given up.
struct Ending {
    group: Option<u32>,
    container: Option<(PathBuf, String)>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some((runner, name)) = self.container.take() {
            let _gone_already = quietly(std::process::Command::new(runner).args(["kill", &name])).status();
        }
        if let Some(group) = self.group.take() {
            // Signals to groups need `unsafe` or a shell.
            let script = format!("kill -9 -{group}");
            let _gone_already = quietly(std::process::Command::new("sh").args(["-c", &script])).status();
        }
    }
}

fn quietly(command: &mut std::process::Command) -> &mut std::process::Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(unix)]
fn described(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(not(unix))]
fn described(status: ExitStatus) -> String {
    status.code().map_or_else(|| "ended".to_owned(), |code| format!("exited with code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program<'a>(command: &'a str, folder: &'a Path) -> Program<'a> {
        Program {
            table: "scored",
            command,
            folder,
            scratch: folder,
            variables: vec![
                ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
                ("TOKEN".to_owned(), "sesame-7".to_owned()),
            ],
            secrets: vec!["sesame-7".to_owned()],
            timeout: None,
            memory_limit: None,
            container: None,
        }
    }

    #[tokio::test]
    async fn what_it_says_is_heard_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = Vec::new();
        let script = "echo one; echo \"token $TOKEN\"; echo three >&2; echo \"home ${HOME-none}\"";
        let mut hear = |stream, line: &str| lines.push((stream, line.to_owned()));
        let last = program(script, folder.path()).run(&mut hear).await.unwrap();
        lines.sort();
        let expected = [("print", "home none"), ("print", "one"), ("print", "token ***"), ("stderr", "three")];
        assert_eq!(lines, expected.map(|(stream, line)| (stream, line.to_owned())));
        assert_eq!(last.len(), 4);
    }

    #[tokio::test]
    async fn a_failure_shows_code_command_and_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let script = "for i in $(seq 30); do echo line $i; done; exit 3";
        let error = program(script, folder.path()).run(&mut |_, _| {}).await.unwrap_err().to_string();
        let begins = format!("the command of `scored` exited with code 3: `{script}`\n  | line 11\n");
        assert!(error.starts_with(&begins) && error.ends_with("\n  | line 30"), "{error}");
        let error = program("exit 75", folder.path()).run(&mut |_, _| {}).await.unwrap_err();
        assert!(matches!(error, ProgramError::Failed { may_pass: true, .. }));
    }

    #[tokio::test]
    async fn its_time_ends_it_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let script = "(sleep 2; touch late) & echo begun; sleep 60";
        let began = std::time::Instant::now();
        let program = Program { timeout: Some(1), ..program(script, folder.path()) };
        let error = program.run(&mut |_, _| {}).await.unwrap_err().to_string();
        assert!(error.contains("took longer than its timeout of 1s") && error.ends_with("| begun"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(4));
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!folder.path().join("late").exists(), "what it started went on");
    }

    #[tokio::test]
    async fn memory_is_limited() {
        let folder = tempfile::tempdir().unwrap();
        let script = "head -c 400000000 /dev/zero | tail -c 300000000 | wc -c";
        let program = Program { memory_limit: Some(64 << 20), ..program(script, folder.path()) };
        let mut said = String::new();
        let outcome = program.run(&mut |_, line: &str| said.push_str(line)).await;
        assert!(outcome.is_err() || said.contains("memory"), "{said}");
    }
}
