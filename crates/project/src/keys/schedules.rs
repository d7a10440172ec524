//! Keys of schedules, of how steps are tried, and of channels.

use super::{DESCRIPTION, NAME, OWNER};
use crate::shape::Form::{Duration, Flag, List, Map, Number, Object, Text, Whole, Words};
use crate::shape::{Shape, key, needed};

pub(crate) const CATCH_UPS: &[&str] = &["latest", "all", "none"];
pub(crate) const MATCHES: &[&str] = &["any", "all"];
pub(crate) const FAILURES: &[&str] = &["skip_downstream", "continue", "stop"];
pub(crate) const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
pub(crate) const WAYS: &[&str] = &["webhook", "slack", "pagerduty", "alertmanager", "email", "openlineage"];
pub(crate) const OCCASIONS: &[&str] = &["failure", "late", "approval", "recovery"];

const RETRY: &str = "Tries of a step that failed for a reason that may pass.";
const TIMEOUT: &str = "Most time of one try of a step; none when left out.";
const POOL: &str = "The pool of which a step takes a slot while it runs; declared under `pools:` in `baton.yml`.";
const PRIORITY: &str =
    "Of steps that wait for a slot of a pool the greater goes first, then who waits longer; default 0.";
const STEP_APPROVAL: &str = "Whose word the step waits for in a run; what reads it waits, too.";
const ON_FAILURE: &str = "What a failed step means: `skip_downstream` (default) skips what reads it, `continue` goes on with \
                          the last good version, `stop` begins nothing more.";

pub(crate) const SCHEDULE: Shape = &[
    needed("name", Text, NAME),
    key("owner", Text, OWNER),
    key("description", Text, DESCRIPTION),
    key("environments", List(&Text), "Where it runs; every environment that a server is started for when left out."),
    key("select", List(&Text), "What it runs, as with `baton run --select`; all when left out."),
    key("exclude", List(&Text), "What it leaves out, in the same grammar."),
    key("cron", List(&Text), "Cron lines in `timezone`: minute hour day month weekday."),
    key("every", Duration, "Runs so often, such as `5s` or `15m`, counted from midnight UTC."),
    key("timezone", Text, "Time zone of `cron` and `blackouts`, such as `Europe/Zurich`; default UTC."),
    key("on", Object(ON_COMMIT), "Runs when assets have a new version."),
    key("freshness", Object(DEADLINE), "Runs when an asset had no new version for so long."),
    key(
        "files",
        Text,
        "Runs when files come or change: a glob relative to the project, or one in a store, `s3://bucket/folder/*.csv`.",
    ),
    key(
        "catch_up",
        Words(CATCH_UPS),
        "What becomes of ticks that passed while no server ran: `latest` (default) runs the newest, `all` each, `none` none.",
    ),
    key("blackouts", List(&Object(BLACKOUT)), "When it does not run."),
    key("paused", Flag, "Whether it is switched off; default false."),
    key(
        "priority",
        Whole,
        "Of two waiting runs, and of steps that wait for a slot, the greater goes first; default 0.",
    ),
    key("approval", Object(APPROVAL), "Whose word each run waits for before it does anything."),
    key("retries", Object(RETRIES), RETRY),
    key("timeout", Duration, TIMEOUT),
    key("on_failure", Words(FAILURES), ON_FAILURE),
    key("pool", Text, POOL),
    key("steps", Map(&Object(STEP)), "How the steps of single assets are tried, by name."),
    key("notify", List(&Text), "Channels that hear of failure, lateness and recovery."),
    key("late_after", Duration, "A run that has not ended so long after it was due is late."),
];

pub(crate) const ON_COMMIT: Shape = &[
    needed("commit", List(&Text), "The assets."),
    key("match", Words(MATCHES), "Whether `any` of them (default) is enough, or `all` must be new since the last run."),
];

pub(crate) const DEADLINE: Shape =
    &[needed("asset", Text, "The asset."), needed("within", Duration, "Time since its newest version.")];

pub(crate) const BLACKOUT: Shape = &[
    needed("from", Text, "When it begins: a time of day (`22:00`) or an instant (`2026-12-24`, `2026-12-24T18:00`)."),
    needed("until", Text, "When it ends, in the same form; a time of day before `from` is that of the next day."),
    key("days", List(&Words(WEEKDAYS)), "With times of day: the weekdays on which it begins; every day when left out."),
];

pub(crate) const RETRIES: Shape = &[
    key("attempts", Whole, "Tries in all, the first included; default 3."),
    key("backoff", Duration, "Time before the second try; each further one waits twice as long; default 2s."),
    key("max", Duration, "Most time between two tries; default 1m."),
    key("jitter", Number, "Share of a wait that is left to chance, 0 to 1; default 0.2."),
];

pub(crate) const STEP: Shape = &[
    key("retries", Object(RETRIES), RETRY),
    key("timeout", Duration, TIMEOUT),
    key("on_failure", Words(FAILURES), ON_FAILURE),
    key("pool", Text, POOL),
    key("priority", Whole, PRIORITY),
    key("approval", Object(APPROVAL), STEP_APPROVAL),
];

pub(crate) const APPROVAL: Shape = &[
    needed("by", List(&Text), "Owners, as the project names them; the word of one of them is enough."),
    key("expires", Duration, "How long is waited; then it has failed. Default 1d."),
];

pub(crate) const EXECUTION: Shape = &[
    key("retries", Object(RETRIES), RETRY),
    key("timeout", Duration, TIMEOUT),
    key("on_failure", Words(FAILURES), ON_FAILURE),
    key("pool", Text, POOL),
    key("priority", Whole, PRIORITY),
    key("steps", Map(&Object(STEP)), "How the steps of single assets are tried, by name."),
];

pub(crate) const CHANNEL: Shape = &[
    needed("name", Text, "Name of the channel, unique among channels."),
    needed("kind", Words(WAYS), "How it is spoken to."),
    key(
        "url",
        Text,
        "Where to; secrets as `${env:NAME}` or `${file:PATH}`. For `email`: `smtp://host:25`, or `smtps://user:${env:PASSWORD}@host`.",
    ),
    key("token", Text, "For `webhook` and `openlineage`: a bearer token, by reference."),
    key("routing_key", Text, "For `pagerduty`: the integration's key, by reference."),
    key("from", Text, "For `email`: the sender."),
    key("to", List(&Text), "For `email`: the receivers."),
    key(
        "hears",
        List(&Words(OCCASIONS)),
        "What it hears of: `failure`, `late`, `approval`, `recovery`; all when left out.",
    ),
];
