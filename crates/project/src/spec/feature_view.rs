//! Reader of a feature view.

use baton_core::Definition;
use baton_core::asset::{Column, FeatureView};

use crate::reader::Reader;
use crate::spec::READABLE;

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    reader.need_items("entity");
    let from = reader.reference("from", "reads", READABLE);
    let time = reader.need_text("time");
    let entity = reader.texts("entity");
    let ttl = reader.seconds("ttl").unwrap_or(0);
    let online = reader.flag("online").unwrap_or(false);
    let features = reader.texts("features");
    Some(Definition::FeatureView(FeatureView { entity, from: from?, time: time?, ttl, online, features }))
}
