//! Kept files as text.

use baton_orchestrator::KeptFile;

use super::table::{Table, count};

/// A line for each file.
pub(crate) fn files(files: &[KeptFile]) -> String {
    let mut table = Table::new(&["path", ">bytes", "sha256"]);
    for file in files {
        let digits = file.sha256.get(..12).unwrap_or(&file.sha256);
        table.row([file.path.clone(), count(file.bytes), digits.to_owned()]);
    }
    table.render("")
}
