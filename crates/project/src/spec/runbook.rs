//! Reader of runbooks: the section `runbooks`.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::Origin;
use baton_core::incident::Signal;
use baton_core::runbook::{Action, OnIncident, Pausable, Runbook, RunbookStep};
use baton_core::{Approval, AssetName, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};

use crate::keys;
use crate::reader::{Reader, join_words};
use crate::report::{Place, Report};
use crate::spec::{execution, open_named};
use crate::yaml::{Node, Value};

/// A runbook as found in a file, with what it names that is no asset.
#[derive(Debug)]
pub(crate) struct FoundRunbook {
    pub(crate) runbook: Runbook,
    pub(crate) mentions: Vec<RunbookMention>,
}

/// Something that a runbook names, to be looked for when all files are read.
#[derive(Debug)]
pub(crate) struct RunbookMention {
    /// `channel`, `pool`, `schedule` or `export`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) place: Place,
}

/// Reads an entry of `runbooks`; `None` when it has no name.
pub(super) fn read(report: &Report, node: &Node) -> Option<FoundRunbook> {
    let (reader, name) = open_named(report, node, "runbook", keys::RUNBOOK);
    let reader = reader?;
    let mut mentions = Vec::new();
    let owner = reader.text("owner");
    let on = reader.object("on", keys::ON_INCIDENT).map(|on| read_on(&reader, &on));
    let notify = named(&reader, "notify", "channel", &mut mentions);
    let mut steps: Vec<RunbookStep> = Vec::new();
    let mut taken = BTreeSet::new();
    for (place, node) in reader.need_items("steps").iter().enumerate() {
        let what = format!("step {} of {}", place + 1, reader.what());
        let Some(step) = Reader::open(report, &what, node.span, node, keys::RUNBOOK_STEP) else { continue };
        let read = read_step(&reader, &step, node, owner.as_ref(), &mut mentions);
        steps.extend(read.map(|read| RunbookStep { name: free_name(&mut taken, read.name), ..read }));
    }
    let place = report.place(reader.at());
    let runbook = Runbook {
        owner,
        description: reader.text("description"),
        on,
        notify,
        steps,
        origin: Origin { file: place.file, line: place.span.line, column: place.span.column },
        name: name?,
    };
    Some(FoundRunbook { runbook, mentions })
}

/// The name, or with a number behind it when an earlier step has it.
fn free_name(taken: &mut BTreeSet<String>, name: String) -> String {
    let mut free = name.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

fn read_on(runbook: &Reader<'_>, on: &Reader<'_>) -> OnIncident {
    let asset = |node: &Node| runbook.refer(&on.as_text("assets", node)?, node.span, "is for incidents of", &Kind::ALL);
    OnIncident {
        assets: on.items("assets").iter().filter_map(asset).collect(),
        signals: on.words("signals", keys::SIGNALS).into_iter().filter_map(signal).collect(),
    }
}

fn signal(word: &str) -> Option<Signal> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// The names under a key, noted as mentions of this kind.
fn named(reader: &Reader<'_>, key: &str, kind: &'static str, mentions: &mut Vec<RunbookMention>) -> Vec<String> {
    let name = |node: &Node| Some((reader.as_text(key, node)?, reader.report.place(node.span)));
    let found: Vec<(String, Place)> = reader.items(key).iter().filter_map(name).collect();
    let names = found.iter().map(|(name, _)| name.clone()).collect();
    mentions.extend(found.into_iter().map(|(name, place)| RunbookMention { kind, name, place }));
    names
}

fn read_step(
    runbook: &Reader<'_>,
    step: &Reader<'_>,
    node: &Node,
    owner: Option<&String>,
    mentions: &mut Vec<RunbookMention>,
) -> Option<RunbookStep> {
    let does: Vec<&str> = keys::ACTIONS.into_iter().filter(|key| step.has(key)).collect();
    let action = match does.as_slice() {
        [one] => read_action(runbook, step, one, mentions),
        // What it was to do is what is not known.
        [] if step.has_unknown_keys() => None,
        [] => {
            let message = format!("{} does nothing", step.what());
            step.report.error(codes::MISSING_KEY, message, node.span, format!("give {}", join_words(&keys::ACTIONS)));
            None
        }
        several => {
            let message = format!("{} does several things: {}", step.what(), several.join(", "));
            step.report.error(codes::INVALID_VALUE, message, node.span, "write a step each");
            None
        }
    };
    if let Some(entry) = step.entry("message").filter(|_| !step.has("notify")) {
        let message = format!("`message` of {} goes with `notify`, which it has not", step.what());
        step.report.error(codes::INVALID_VALUE, message, entry.key_span, "");
    }
    let approval = read_approve(step, owner);
    let (condition, safe) = (step.text("if"), step.flag("safe").unwrap_or(false));
    let place = step.report.place(node.span);
    let origin = Origin { file: place.file, line: place.span.line, column: place.span.column };
    let action = action?;
    let name = step.text("name").unwrap_or_else(|| action.word().to_owned());
    Some(RunbookStep { name, action, condition, approval, safe, origin })
}

/// `approve: owner`, or whom and for how long.
fn read_approve(step: &Reader<'_>, owner: Option<&String>) -> Option<Approval> {
    let node = step.get("approve")?;
    if matches!(node.value, Value::Map(_)) {
        return execution::read_approval(step, "approve");
    }
    let word = step.as_text("approve", node)?;
    match (word.as_str(), owner) {
        ("owner", Some(owner)) => Some(Approval { by: vec![owner.clone()], expires: Approval::EXPIRES }),
        ("owner", None) => {
            let message = format!("{} waits for the owner of its runbook, which has none", step.what());
            step.report.error(
                codes::MISSING_KEY,
                message,
                node.span,
                "add `owner:` to the runbook, or say `{by: [..]}`",
            );
            None
        }
        _ => {
            let message = format!("{} is `{word}`", step.of("approve"));
            step.report.error(
                codes::INVALID_VALUE,
                message,
                node.span,
                "expected `owner`, or `{by: [..], expires: 4h}`",
            );
            None
        }
    }
}

fn read_action(
    runbook: &Reader<'_>,
    step: &Reader<'_>,
    key: &str,
    mentions: &mut Vec<RunbookMention>,
) -> Option<Action> {
    match key {
        "rerun" => Some(Action::Rerun { select: step.texts("rerun") }),
        "backfill" => {
            let backfill = step.object("backfill", keys::BACKFILL_STEP)?;
            let table = backfill
                .need("table")
                .and_then(|node| runbook.refer(&backfill.as_text("table", node)?, node.span, "fills", &[Kind::Table]));
            backfill.need("last");
            let last = backfill.positive_seconds("last");
            Some(Action::Backfill { table: table?, last: last? })
        }
        "rollback" => {
            let to = step.need_text("rollback")?;
            Some(Action::Rollback { to: Some(to).filter(|to| to != "previous") })
        }
        "pause" => {
            let pause = step.object("pause", keys::PAUSE_STEP)?;
            let (what, lasts) = (read_pausable(&pause, mentions), pause.positive_seconds("for"));
            Some(Action::Pause { what: what?, lasts })
        }
        "resume" => {
            let resume = step.object("resume", keys::RESUME_STEP)?;
            Some(Action::Resume { what: read_pausable(&resume, mentions)? })
        }
        "scale" => {
            let scale = step.object("scale", keys::SCALE_STEP)?;
            scale.need("pool");
            scale.need("slots");
            let pool = named(&scale, "pool", "pool", mentions).into_iter().next();
            let slots = scale.whole("slots", 1, 1_000).and_then(|slots| usize::try_from(slots).ok());
            let lasts = scale.positive_seconds("for");
            Some(Action::Scale { pool: pool?, slots: slots?, lasts })
        }
        "notify" => {
            step.need_items("notify");
            let channels = named(step, "notify", "channel", mentions);
            Some(Action::Notify { channels, message: step.need_text("message")? })
        }
        _ => Some(Action::Check { sql: step.need_text("check")? }),
    }
}

fn read_pausable(reader: &Reader<'_>, mentions: &mut Vec<RunbookMention>) -> Option<Pausable> {
    if reader.has("schedule") == reader.has("export") {
        let message = format!("{} needs one of `schedule` and `export`", reader.what());
        reader.report.error(codes::MISSING_KEY, message, reader.at(), "");
        return None;
    }
    let schedule = named(reader, "schedule", "schedule", mentions).into_iter().next().map(Pausable::Schedule);
    schedule.or_else(|| named(reader, "export", "export", mentions).into_iter().next().map(Pausable::Export))
}

/// Reports runbooks of one name, and what they name that no file declares. `known` has the names of each kind.
pub(crate) fn report_wrong(
    found: &[FoundRunbook],
    known: &BTreeMap<&'static str, Vec<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<&AssetName, &Origin> = BTreeMap::new();
    for FoundRunbook { runbook, mentions } in found {
        match seen.get(&runbook.name) {
            Some(first) => diagnostics.push(super::declared_twice("runbook", &runbook.name, first, &runbook.origin)),
            None => {
                seen.insert(&runbook.name, &runbook.origin);
            }
        }
        for mention in mentions {
            let names = known.get(mention.kind).map(Vec::as_slice).unwrap_or_default();
            if !names.contains(&mention.name) {
                diagnostics.push(unknown(runbook, mention, names));
            }
        }
    }
}

fn unknown(runbook: &Runbook, mention: &RunbookMention, names: &[String]) -> Diagnostic {
    let RunbookMention { kind, name, place } = mention;
    let message = format!("runbook `{}` names {kind} `{name}`, which does not exist", runbook.name);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(name, names.iter().copied());
    let mut diagnostic =
        Diagnostic::error(codes::UNKNOWN_REFERENCE, message).with_label(place.label(format!("no {kind} of this name")));
    if near.is_none() && !names.is_empty() {
        diagnostic = diagnostic.with_detail(format!("There are: {}.", names.join(", ")));
    }
    diagnostic.with_nearest(near)
}
