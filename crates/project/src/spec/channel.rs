//! Reader of channels: the section `channels`.

use baton_core::AssetName;
use baton_core::asset::Origin;
use baton_core::channel::{Channel, Occasion, SecretText, Way};
use baton_diagnostics::{Diagnostic, codes};

use crate::keys;
use crate::reader::Reader;
use crate::report::Report;
use crate::spec::open_named;
use crate::yaml::Node;

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// A channel as found in a file; without `channel` when it is too broken to be used, so that its name is still known.
#[derive(Debug)]
pub(crate) struct FoundChannel {
    pub(crate) name: AssetName,
    pub(crate) channel: Option<Channel>,
}

/// Reads an entry of `channels`; `None` when it has no name.
pub(super) fn read(report: &Report, node: &Node) -> Option<FoundChannel> {
    let (reader, name) = open_named(report, node, "channel", keys::CHANNEL);
    let reader = reader?;
    reader.need("kind");
    let hears = reader.words("hears", keys::OCCASIONS).into_iter().map(occasion).collect();
    let way = read_way(&reader);
    let place = report.place(reader.at());
    let origin = Origin { file: place.file, line: place.span.line, column: place.span.column };
    let name = name?;
    let channel = way.map(|way| Channel { name: name.clone(), way, hears, origin });
    Some(FoundChannel { name, channel })
}

fn read_way(reader: &Reader<'_>) -> Option<Way> {
    match reader.word("kind", keys::WAYS)? {
        "slack" => Some(Way::Slack { url: need_secret(reader, "url")? }),
        "alertmanager" => Some(Way::Alertmanager { url: need_secret(reader, "url")? }),
        "pagerduty" => {
            let routing_key = need_secret(reader, "routing_key");
            let url = if reader.has("url") { need_secret(reader, "url")? } else { SecretText(PAGERDUTY.to_owned()) };
            Some(Way::Pagerduty { url, routing_key: routing_key? })
        }
        "email" => {
            let (url, from) = (need_secret(reader, "url"), reader.need_text("from"));
            reader.need_items("to");
            Some(Way::Email { to: reader.texts("to"), url: url?, from: from? })
        }
        word => {
            let token = if reader.has("token") { Some(need_secret(reader, "token")?) } else { None };
            let url = need_secret(reader, "url")?;
            Some(if word == "openlineage" { Way::OpenLineage { url, token } } else { Way::Webhook { url, token } })
        }
    }
}

/// A needed text whose references to secrets are well formed.
fn need_secret(reader: &Reader<'_>, key: &str) -> Option<SecretText> {
    let text = SecretText(reader.need_text(key)?);
    if let Err(wrong) = text.references() {
        let span = reader.get(key).map_or(reader.at(), |node| node.span);
        let message = format!("{} holds `{wrong}`, which is no reference to a secret", reader.of(key));
        let diagnostic = Diagnostic::error(codes::INVALID_VALUE, message)
            .with_label(reader.report.place(span).label(""))
            .with_help("write `${env:NAME}` or `${file:PATH}`");
        reader.report.push(diagnostic);
        return None;
    }
    Some(text)
}

fn occasion(word: &str) -> Occasion {
    match word {
        "late" => Occasion::Late,
        "approval" => Occasion::Approval,
        "recovery" => Occasion::Recovery,
        _ => Occasion::Failure,
    }
}

/// Reports channels of one name.
pub(crate) fn report_doubles(found: &[FoundChannel], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: std::collections::BTreeMap<&str, &Origin> = Default::default();
    for channel in found.iter().filter_map(|found| found.channel.as_ref()) {
        match seen.get(channel.name.as_str()) {
            Some(first) => diagnostics.push(super::declared_twice("channel", &channel.name, first, &channel.origin)),
            None => {
                seen.insert(&channel.name, &channel.origin);
            }
        }
    }
}
