//! Reader of an exposure.

use baton_core::asset::{Column, Exposure};
use baton_core::{Definition, Kind};

use crate::reader::Reader;

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    let nodes = reader.need_items("depends_on").iter();
    let depends_on = nodes
        .filter_map(|node| {
            let text = reader.as_text("depends_on", node)?;
            reader.refer(&text, node.span, "depends on", &Kind::ALL)
        })
        .collect();
    Some(Definition::Exposure(Exposure { depends_on, url: reader.text("url"), export: None }))
}
