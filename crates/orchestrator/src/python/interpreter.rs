//! Which interpreter a project's Python tables run on. Found by looking, without running it.

use std::path::{Path, PathBuf};

use super::PythonOptions;
use super::error::PythonError;

/// Where a virtual environment of the project has its interpreter.
const OWN: [&str; 2] = [".venv/bin/python", ".venv/Scripts/python.exe"];
/// Names of the machine's interpreter.
const PROGRAMS: [&str; 2] = ["python3", "python"];

/// The project's interpreter: the one that it names, else the default, else its virtual environment, else the machine's.
pub(super) fn find(options: &PythonOptions) -> Result<PathBuf, PythonError> {
    if let Some(named) = &options.interpreter {
        let found = match Path::new(named).components().count() {
            1 => by_name(named, &options.search).or_else(|| existing(options.folder.join(named))),
            _ => existing(options.folder.join(named)),
        };
        return found.ok_or_else(|| PythonError::NoInterpreter {
            reason: format!("the Python interpreter `{named}` of `python:` in baton.yml is not there"),
            help: "make the environment, for example with `python3 -m venv .venv` and `.venv/bin/pip install -r requirements.txt`"
                .to_owned(),
        });
    }
    let default = options.default_interpreter.clone().and_then(existing);
    let own = || OWN.iter().find_map(|own| existing(options.folder.join(own)));
    let machine = || PROGRAMS.iter().find_map(|program| by_name(program, &options.search));
    default.or_else(own).or_else(machine).ok_or_else(|| PythonError::NoInterpreter {
        reason: "there is no Python interpreter for the project's Python tables".to_owned(),
        help: "install Python, or name an interpreter: `python: {interpreter: .venv/bin/python}` in baton.yml"
            .to_owned(),
    })
}

fn by_name(program: &str, search: &[PathBuf]) -> Option<PathBuf> {
    search.iter().find_map(|folder| existing(folder.join(program)))
}

/// The path itself, links unfollowed: by it an interpreter knows its environment.
fn existing(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}
