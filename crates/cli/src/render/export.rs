//! Deliveries as text: what one would come to, and what the last came to.

use baton_orchestrator::{DatedDelivery, ExportPreview};

use super::table::count;
use crate::instant;

/// How many rows would go where.
pub(crate) fn export_preview(preview: &ExportPreview) -> String {
    let (export, environment) = (&preview.export, &preview.environment);
    let Some(delivery) = &preview.delivery else {
        return format!("export `{export}` has no rows in environment `{environment}` yet\n");
    };
    if preview.up_to_date {
        return format!("{} holds what environment `{environment}` has: nothing is to be delivered\n", delivery.to);
    }
    let since = match &delivery.since {
        Some(since) => format!("what changed since {since}"),
        None => "all rows".to_owned(),
    };
    let mut text = format!("export `{export}` would deliver {since} to {}\n", delivery.to);
    let parts = [("new", delivery.inserted), ("changed", delivery.updated), ("gone", delivery.deleted)];
    for (word, number) in parts {
        text.push_str(&format!("  {word:<8} {}\n", count(number)));
    }
    text
}

/// When, what and where to.
pub(crate) fn last_delivery(delivery: &DatedDelivery) -> String {
    let what = delivery.report.as_ref().map_or_else(|| "delivered".to_owned(), |report| report.detail());
    format!("{what}, {}", instant::show(delivery.at))
}
