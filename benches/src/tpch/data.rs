//! The eight tables as Parquet, from the generator crate.

use std::fs::{self, File};
use std::path::Path;

use arrow::record_batch::RecordBatchReader;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

use crate::Outcome;

/// Writes the tables of a scale factor into `folder`, those that are not there yet.
pub(super) fn write(folder: &Path, scale: u32) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let factor = f64::from(scale);
    let whole = |name, rows: &mut dyn RecordBatchReader| write_table(folder, name, rows);
    whole("region", &mut RegionArrow::new(RegionGenerator::new(factor, 1, 1)))?;
    whole("nation", &mut NationArrow::new(NationGenerator::new(factor, 1, 1)))?;
    whole("supplier", &mut SupplierArrow::new(SupplierGenerator::new(factor, 1, 1)))?;
    whole("customer", &mut CustomerArrow::new(CustomerGenerator::new(factor, 1, 1)))?;
    whole("part", &mut PartArrow::new(PartGenerator::new(factor, 1, 1)))?;
    whole("partsupp", &mut PartSuppArrow::new(PartSuppGenerator::new(factor, 1, 1)))?;
    whole("orders", &mut OrderArrow::new(OrderGenerator::new(factor, 1, 1)))?;
    whole("lineitem", &mut LineItemArrow::new(LineItemGenerator::new(factor, 1, 1)))
}

/// Written beside and renamed, so that a file that is there is whole.
fn write_table(folder: &Path, name: &str, rows: &mut dyn RecordBatchReader) -> Outcome<()> {
    let (path, unfinished) = (folder.join(format!("{name}.parquet")), folder.join(format!("{name}.unfinished")));
    if path.exists() {
        return Ok(());
    }
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(File::create(&unfinished)?, rows.schema(), Some(properties))?;
    for batch in rows {
        writer.write(&batch?)?;
    }
    writer.close()?;
    fs::rename(unfinished, path)?;
    Ok(())
}
