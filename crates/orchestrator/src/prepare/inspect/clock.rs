//! Tables whose query asks for the time: it is the logical clock, and they are computed again whenever that moves.

use baton_core::asset::Materialize;
use baton_core::{Asset, Definition};
use baton_diagnostics::{Diagnostic, Label, codes};

use super::{Survey, place_of_output};

/// How a query asks for the time.
const WORDS: [&str; 5] = ["now", "current_timestamp", "current_date", "current_time", "today"];

impl Survey<'_> {
    pub(super) fn find_clocks(&mut self) {
        let prepared = self.prepared;
        let reading = prepared.analyses.iter().filter(|(_, analysis)| analysis.reads_clock);
        let assets = reading.filter_map(|(name, _)| prepared.project.assets.get(name));
        self.diagnostics.extend(assets.filter_map(asks_for_the_time));
    }
}

/// Of a table that is stored; a view is computed when it is read, and functions say of themselves what they ask for.
fn asks_for_the_time(asset: &Asset) -> Option<Diagnostic> {
    let Definition::Table(table) = &asset.definition else { return None };
    if table.materialize == Materialize::View || table.python.is_some() {
        return None;
    }
    let query = table.sql.to_lowercase();
    let (word, (line, column)) = WORDS.iter().find_map(|word| Some((*word, place_of_output(&query, word)?)))?;
    let message = format!(
        "table `{}` asks for the time by `{word}`: it is the logical clock of the run, and the table is computed again whenever that moves",
        asset.name
    );
    let label = Label {
        file: table.file.clone(),
        line: line + table.line_offset,
        column,
        length: word.len() as u32,
        text: "the clock of the run".to_owned(),
    };
    let help = "compare with a time among the columns where that says the same, or make it a view";
    Some(Diagnostic::info(codes::CLOCK_READ, message).with_label(label).with_help(help))
}
