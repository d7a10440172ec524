//! Reader of how steps are tried: `execution` of the head, and the same keys of a schedule.

use std::collections::BTreeMap;

use baton_core::asset::{Kind, Origin};
use baton_core::schedule::{Execution, OnFailure, Retries, Schedule};
use baton_core::{Approval, AssetName};
use baton_diagnostics::{Diagnostic, Label, codes, nearest};

use crate::keys;
use crate::load::HEAD_FILE;
use crate::reader::{Reader, wrong_type};
use crate::yaml::{Entry, Value};

/// Reads the keys from an object that has them.
pub(super) fn read(reader: &Reader<'_>) -> Execution {
    Execution { steps: read_steps(reader), ..read_policy(reader) }
}

fn read_policy(reader: &Reader<'_>) -> Execution {
    Execution {
        retries: reader.object("retries", keys::RETRIES).map(|retries| read_retries(&retries)),
        timeout: reader.positive_seconds("timeout"),
        on_failure: reader.word("on_failure", keys::FAILURES).map(|word| match word {
            "continue" => OnFailure::Continue,
            "stop" => OnFailure::Stop,
            _ => OnFailure::SkipDownstream,
        }),
        pool: reader.text("pool"),
        priority: if reader.knows("priority") { reader.whole("priority", -1_000_000, 1_000_000) } else { None },
        approval: None,
        steps: BTreeMap::new(),
    }
}

/// Reads `approval`, or another key of its form.
pub(super) fn read_approval(reader: &Reader<'_>, key: &str) -> Option<Approval> {
    let approval = reader.object(key, keys::APPROVAL)?;
    approval.need_items("by");
    let by = approval.texts("by");
    let expires = approval.positive_seconds("expires").unwrap_or(Approval::EXPIRES);
    (!by.is_empty()).then_some(Approval { by, expires })
}

/// Reads `pools`: slots by name.
pub(super) fn read_pools(root: &Reader<'_>) -> BTreeMap<String, usize> {
    let Some(node) = root.get("pools") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(root.report, &root.of("pools"), node, "an object");
        return BTreeMap::new();
    };
    let slots = |entry: &Entry| match entry.node.value {
        Value::Int(slots @ 1..=1_000) => Some((entry.key.clone(), usize::try_from(slots).ok()?)),
        _ => {
            let message = format!("pool `{}` has no number of slots", entry.key);
            root.report.error(codes::INVALID_VALUE, message, entry.node.span, "expected 1 to 1000");
            None
        }
    };
    entries.iter().filter_map(slots).collect()
}

/// Reports pools that steps take slots of and that are not declared.
pub(crate) fn report_unknown_pools(
    pools: &BTreeMap<String, usize>,
    project: &Execution,
    schedules: &[Schedule],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let head = Origin { file: HEAD_FILE.to_owned(), line: 1, column: 1 };
    let of_schedules = schedules.iter().map(|schedule| (&schedule.execution, &schedule.origin));
    for (execution, origin) in [(project, &head)].into_iter().chain(of_schedules) {
        let named = execution.steps.values().chain([execution]).filter_map(|level| level.pool.as_ref());
        for pool in named.filter(|pool| !pools.contains_key(*pool)) {
            let label = Label {
                file: origin.file.clone(),
                line: origin.line,
                column: origin.column,
                length: 0,
                text: String::new(),
            };
            let found = Diagnostic::error(
                codes::UNKNOWN_REFERENCE,
                format!("a step takes a slot of pool `{pool}`, which does not exist"),
            );
            let near = nearest(pool, pools.keys().map(String::as_str));
            diagnostics
                .push(found.with_label(label).with_nearest(near).with_help("declare it under `pools:` in `baton.yml`"));
        }
    }
}

fn read_retries(reader: &Reader<'_>) -> Retries {
    let default = Retries::default();
    let attempts = reader.whole("attempts", 1, 1_000).and_then(|count| u32::try_from(count).ok());
    let seconds = |key| reader.seconds(key).map(|seconds| seconds as f64);
    let jitter = reader.number("jitter");
    if let Some(node) = reader.get("jitter").filter(|_| jitter.is_some_and(|share| !(0.0..=1.0).contains(&share))) {
        let message = format!("{} is {}", reader.of("jitter"), jitter.unwrap_or_default());
        reader.report.error(codes::OUT_OF_RANGE, message, node.span, "expected 0 to 1");
    }
    Retries {
        attempts: attempts.unwrap_or(default.attempts),
        backoff: seconds("backoff").unwrap_or(default.backoff),
        max: seconds("max").unwrap_or(default.max),
        jitter: jitter.unwrap_or(default.jitter),
    }
}

fn read_steps(reader: &Reader<'_>) -> BTreeMap<AssetName, Execution> {
    let Some(node) = reader.get("steps") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(reader.report, &reader.of("steps"), node, "an object");
        return BTreeMap::new();
    };
    let mut steps = BTreeMap::new();
    for entry in entries {
        let what = format!("step `{}`", entry.key);
        let step = Reader::open(reader.report, &what, entry.key_span, &entry.node, keys::STEP);
        let name = reader.refer(&entry.key, entry.key_span, "says how to try", &Kind::ALL);
        let read = |step: Reader<'_>| Execution { approval: read_approval(&step, "approval"), ..read_policy(&step) };
        steps.extend(name.zip(step.map(read)));
    }
    steps
}
