//! The Python environment with the clients that the tests and benchmarks speak to, at fixed versions.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repository::Repository;

/// Asks the environment where the library inside the wheel `onnxruntime` is.
const FIND_ONNXRUNTIME: &str = "\
import glob, importlib.util, os
folder = importlib.util.find_spec('onnxruntime').submodule_search_locations[0]
print(sorted(glob.glob(os.path.join(folder, 'capi', 'libonnxruntime.so*')))[0])";

const IS_RECENT: &str = "import sys; sys.exit(sys.version_info < (3, 11))";

/// A virtual environment: the folder that holds it, and the file that lists its packages.
pub(crate) struct Environment {
    folder: PathBuf,
    requirements: PathBuf,
    /// A package that is installed last, without what it says that it needs.
    alone: Option<&'static str>,
}

impl Environment {
    /// The one with the clients of the tests.
    pub(crate) fn of_tests(repository: &Repository) -> Outcome<Self> {
        Self::of("baton-venv", repository.path("xtask/requirements.txt"))
    }

    /// The one with the peers of the benchmarks, some of which ask for older versions of what the tests use.
    pub(crate) fn of_benchmarks(repository: &Repository) -> Outcome<Self> {
        let requirements = repository.path("xtask/requirements-bench.txt");
        Self::of("baton-bench-venv", requirements)
    }

    /// The one with SQLMesh, which asks for an older DuckDB than the other peers.
    pub(crate) fn of_sqlmesh(repository: &Repository) -> Outcome<Self> {
        let requirements = repository.path("xtask/requirements-bench-sqlmesh.txt");
        Self::of("baton-bench-sqlmesh-venv", requirements)
    }

    /// The one with other orchestrators and ingesters.
    pub(crate) fn of_flows(repository: &Repository) -> Outcome<Self> {
        let requirements = repository.path("xtask/requirements-bench-flows.txt");
        Self::of("baton-bench-flows-venv", requirements)
    }

    /// The one with MLflow, whose newest release asks for parts of it that are not published.
    pub(crate) fn of_mlflow(repository: &Repository) -> Outcome<Self> {
        let environment = Self::of("baton-mlflow-venv", repository.path("xtask/requirements-mlflow.txt"))?;
        Ok(Self { alone: Some("mlflow==3.18.0"), ..environment })
    }

    fn of(folder: &str, requirements: PathBuf) -> Outcome<Self> {
        Ok(Self { folder: cache_folder()?.join(folder), requirements, alone: None })
    }

    /// Its interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The library of ONNX Runtime.
    pub(crate) fn onnxruntime(&self) -> Outcome<String> {
        let found = process::capture(Command::new(self.python()).args(["-c", FIND_ONNXRUNTIME]));
        found.map_err(|failure| self.explained("has no package `onnxruntime`", failure))
    }

    /// Creates it, or brings it to the listed versions when the list has changed since the last time.
    pub(crate) fn set_up(&self) -> Outcome {
        let wanted = read(&self.requirements)?;
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("{} cannot be made: {error}", self.folder.display()))?;
        let _one_at_a_time = self.lock()?;
        let installed = self.folder.join("installed-requirements.txt");
        if self.python().exists() && std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            return Ok(());
        }
        eprintln!("setting up Python packages in {}", self.folder.display());
        self.install()?;
        std::fs::write(&installed, wanted)
            .map_err(|error| format!("{} cannot be written: {error}", installed.display()).into())
    }

    fn install(&self) -> Outcome {
        if !self.python().exists() {
            let created = process::capture(system_python()?.args(["-m", "venv"]).arg(&self.folder));
            created.map_err(|failure| {
                self.explained("could not be created; on Debian `apt-get install python3-venv` may be missing", failure)
            })?;
        }
        self.fill(&["--requirement".as_ref(), self.requirements.as_os_str()])?;
        match self.alone {
            Some(package) => self.fill(&["--no-deps".as_ref(), package.as_ref()]),
            None => Ok(()),
        }
    }

    fn fill(&self, arguments: &[&OsStr]) -> Outcome {
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]).args(arguments);
        process::capture(&mut pip).map(drop).map_err(|failure| {
            self.explained("could not be filled: is the package index within reach, and is there space left?", failure)
        })
    }

    /// Held while packages are installed, so that two runs do not install into one folder.
    fn lock(&self) -> Outcome<File> {
        let path = self.folder.join("set-up.lock");
        let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| format!("{} cannot be locked: {error}", path.display()).into())
    }

    fn explained(&self, what: &str, failure: Failure) -> Failure {
        let Failure::Message(reason) = failure else { return failure };
        Failure::Message(format!(
            "the Python environment {folder} {what}\n{reason}\nto start afresh: rm -r {folder}",
            folder = self.folder.display()
        ))
    }
}

fn system_python() -> Outcome<Command> {
    let names = ["python3", "python3.13", "python3.12", "python3.11", "python"];
    let recent = |name: &&&str| process::succeeds(Command::new(name).args(["-c", IS_RECENT]));
    let found = names.iter().find(recent).map(Command::new);
    found.ok_or_else(|| Failure::Message("no Python was found: install Python 3.11 or later, with `venv`".to_owned()))
}

pub(crate) fn cache_folder() -> Outcome<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let usual = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    named.or_else(usual).ok_or_else(|| Failure::Message("set HOME or XDG_CACHE_HOME to a folder for caches".to_owned()))
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()).into())
}
