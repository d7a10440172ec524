//! Templates of new projects, embedded in the binary.

use std::fs;
use std::path::Path;

use crate::args::TemplateName;
use crate::demo;
use crate::error::CliError;

/// The files of the empty template: a first project in ten lines of YAML.
const EMPTY: [(&str, &str); 4] = [
    (
        "baton.yml",
        "project: first\nenvironments:\n  dev: {}\n  prod: {protected: true} # moves only by apply of a checked plan\n",
    ),
    (
        "sources.yml",
        "sources:\n  - name: orders\n    owner: you@example.com\n    connector: file\n    path: landing/orders*.csv\n    load: append\n    time: ordered_at\n    columns:\n      - {name: order_id, type: int, checks: [not_null, unique]}\n      - {name: customer, type: string, checks: [not_null]}\n      - {name: amount, type: float, checks: [{between: [0, 100000]}]}\n      - {name: ordered_at, type: timestamp, checks: [not_null]}\n",
    ),
    (
        "tables/customers.sql",
        "-- One row a customer: what they ordered, and when last.\nselect\n  customer,\n  count(*) as orders,\n  sum(amount) as amount,\n  max(ordered_at) as last_order_at\nfrom orders\ngroup by customer\n",
    ),
    (
        "landing/orders.csv",
        "order_id,customer,amount,ordered_at\n1,ada,12.5,2024-01-02T09:00:00Z\n2,grace,99.9,2024-01-02T10:30:00Z\n3,ada,7.0,2024-01-03T08:15:00Z\n",
    ),
];

/// What no repository takes in: the state of the project, made anew by an apply.
const IGNORED: (&str, &str) = (".gitignore", ".baton/\n");

/// Writes a template into `folder` and answers with the files, by path.
///
/// # Errors
/// [`CliError::FolderNotEmpty`] unless `force`, and [`CliError::File`].
pub(crate) fn write(folder: &Path, template: TemplateName, force: bool) -> Result<Vec<String>, CliError> {
    refuse_full_folder(folder, force)?;
    let mut files = match template {
        TemplateName::Flights => demo::write_project(folder)?,
        TemplateName::Empty => {
            for (name, text) in EMPTY {
                write_file(&folder.join(name), text.as_bytes())?;
            }
            EMPTY.iter().map(|(name, _)| (*name).to_owned()).collect()
        }
    };
    write_file(&folder.join(IGNORED.0), IGNORED.1.as_bytes())?;
    files.push(IGNORED.0.to_owned());
    Ok(files)
}

/// Refuses a folder that holds anything but a git repository, unless `force`.
///
/// # Errors
/// [`CliError::FolderNotEmpty`], and [`CliError::File`] when it is no folder.
pub(crate) fn refuse_full_folder(folder: &Path, force: bool) -> Result<(), CliError> {
    if force || !folder.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder).map_err(CliError::file("read", folder))?;
    let holds_something = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != ".git"));
    if holds_something { Err(CliError::FolderNotEmpty { folder: folder.to_owned() }) } else { Ok(()) }
}

/// Writes a file and the folders above it.
///
/// # Errors
/// [`CliError::File`].
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), CliError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(CliError::file("create", folder))?;
    }
    fs::write(path, content).map_err(CliError::file("write", path))
}
