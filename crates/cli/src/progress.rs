//! Progress on standard error: a line for each running step, and one that stays for each long step that ended.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_orchestrator::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::context::Context;
use crate::output;
use crate::render::style;

/// Steps that took longer leave a line.
const LONG: Duration = Duration::from_secs(1);
/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(120);

/// Shows progress as [`Context`] allows.
pub(crate) struct Shown {
    bars: MultiProgress,
    running: Mutex<HashMap<String, ProgressBar>>,
    is_drawn: bool,
    is_quiet: bool,
    leaves_all: bool,
}

impl Shown {
    /// Progress for this call: bars on a terminal, otherwise lines for long steps only.
    pub(crate) fn new(context: &Context) -> Self {
        let is_drawn = context.progress && context.verbose < 2 && std::io::stderr().is_terminal();
        let target = if is_drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bars: MultiProgress::with_draw_target(target),
            running: Mutex::default(),
            is_drawn,
            is_quiet: context.quiet || !context.progress,
            leaves_all: context.verbose > 0,
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bar of a step or of a long piece of work, made when it is first heard of.
    fn bar(&self, subject: &str, style: ProgressStyle) -> ProgressBar {
        let mut running = self.running();
        let bar = running.entry(subject.to_owned()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(TURN);
            bar
        });
        bar.set_style(style);
        bar.clone()
    }

    fn end(&self, subject: &str) {
        if let Some(bar) = self.running().remove(subject) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn leave(&self, line: &str) {
        self.bars.suspend(|| output::say(line));
    }
}

impl Progress for Shown {
    fn started(&self, verb: &str, subject: &str) {
        if self.is_drawn {
            self.bar(subject, spinner()).set_message(format!("{verb} {subject}"));
        }
    }

    fn finished(&self, verb: &str, subject: &str, detail: &str, took: Duration) {
        self.end(subject);
        if !self.is_quiet && (took >= LONG || self.leaves_all) {
            let seconds = style::muted(&format!("{:.1}s", took.as_secs_f64()));
            self.leave(&format!("{} {verb} {subject}  {detail}  {seconds}", style::good("✓")));
        }
    }

    fn failed(&self, verb: &str, subject: &str, reason: &str) {
        self.end(subject);
        self.leave(&format!("{} {verb} {subject}: {reason}", style::error("✗")));
    }

    fn logged(&self, subject: &str, level: &str, line: &str) {
        if !self.is_quiet {
            let level = if level == "print" { String::new() } else { format!("{level}: ") };
            self.leave(&style::muted(&format!("{subject} | {level}{line}")));
        }
    }

    /// The first word of `subject` names the work; what follows may change as it goes on.
    fn advanced(&self, subject: &str, done: u64, of: u64) {
        if !self.is_drawn {
            return;
        }
        let work = format!("all of {}", subject.split(' ').next().unwrap_or(subject));
        let bar = self.bar(&work, counted());
        bar.set_length(of);
        bar.set_position(done);
        bar.set_message(subject.to_owned());
        if done >= of {
            self.end(&work);
        }
    }
}

fn spinner() -> ProgressStyle {
    styled("{spinner} {msg}  {elapsed}")
}

fn counted() -> ProgressStyle {
    styled("{spinner} {msg}  {bar:24} {pos}/{len}  {elapsed}")
}

/// The templates are constants; were one wrong, indicatif's own would do.
fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
