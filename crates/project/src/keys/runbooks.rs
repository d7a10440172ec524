//! Keys of runbooks.

use super::{DESCRIPTION, NAME, OWNER};
use crate::shape::Form::{Duration, Either, Flag, List, Object, Text, Whole, Words};
use crate::shape::{Shape, key, needed};

pub(crate) const SIGNALS: &[&str] = &["check", "freshness", "volume", "drift", "performance", "failure"];
/// What a step does: one of these keys.
pub(crate) const ACTIONS: [&str; 8] = ["rerun", "backfill", "rollback", "pause", "resume", "scale", "notify", "check"];

pub(crate) const RUNBOOK: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key(
        "on",
        Object(ON_INCIDENT),
        "Incidents that it is for: its safe steps are done when one opens in a scheduled run.",
    ),
    key("notify", List(&Text), "Channels that hear when it waits for somebody, and when a step fails."),
    needed("steps", List(&Object(RUNBOOK_STEP)), "What is done, in order; a step that fails ends it."),
];

pub(crate) const ON_INCIDENT: Shape = &[
    key("assets", List(&Text), "At one of these assets; any when left out."),
    key("signals", List(&Words(SIGNALS)), "Of one of these kinds; any when left out."),
];

pub(crate) const RUNBOOK_STEP: Shape = &[
    key("name", Text, "What it is called; what it does, when left out."),
    key("rerun", List(&Text), "Runs these assets, as `baton run --select` does."),
    key("backfill", Object(BACKFILL_STEP), "Computes the last time of an incremental table again, with what reads it."),
    key("rollback", Text, "Moves the environment back to this tag or commit; `previous` is the one before the newest."),
    key("pause", Object(PAUSE_STEP), "Holds a schedule or an export back."),
    key("resume", Object(RESUME_STEP), "Lets a schedule or an export go on."),
    key("scale", Object(SCALE_STEP), "Gives a pool another number of slots."),
    key("notify", List(&Text), "Tells these channels what `message` says."),
    key("message", Text, "With `notify`: what is told."),
    key("check", Text, "A query: the runbook goes on only when its first value is true."),
    key("if", Text, "A query: the step is done only when its first value is true."),
    key(
        "approve",
        Either(&[Text, Object(super::APPROVAL)]),
        "Whose word it waits for: `owner` is the runbook's, or `{by: [..], expires: 4h}`.",
    ),
    key("safe", Flag, "Whether it may be done without anybody when an incident opens; default false."),
];

pub(crate) const BACKFILL_STEP: Shape = &[
    needed("table", Text, "The incremental table."),
    needed("last", Duration, "How much of its time before the clock."),
];

pub(crate) const PAUSE_STEP: Shape = &[
    key("schedule", Text, "The schedule; or give `export`."),
    key("export", Text, "The export; or give `schedule`."),
    key("for", Duration, "How long; until it is resumed when left out."),
];

pub(crate) const RESUME_STEP: Shape =
    &[key("schedule", Text, "The schedule; or give `export`."), key("export", Text, "The export; or give `schedule`.")];

pub(crate) const SCALE_STEP: Shape = &[
    needed("pool", Text, "The pool."),
    needed("slots", Whole, "How many slots it has, from 1 to 1000."),
    key("for", Duration, "How long; until it is scaled again when left out."),
];
