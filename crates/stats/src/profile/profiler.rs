//! One pass over record batches: each column is turned into a plain slice and fed to its sketches.
//!
//! Cost is kept down by three habits: a value that is already among the frequent values has been seen by the
//! distinct sketch and (for text) by the range, so a hit touches nothing else; numbers are buffered to chunks of a
//! fixed size, so sorting and moments run over whole chunks and do not depend on how rows were cut into batches; and
//! no type is looked at twice in a batch.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::column::ColumnProfile;
use super::hash::{hash_bytes, hash_word};
use super::kind::{Lane, ValueKind};
use super::moments::Moments;
use super::quantiles::CHUNK;
use super::table::TableProfile;
use super::values::{append_real, append_whole, for_each_text, plain_array};
use crate::error::StatsError;

/// Collects the profile of a table from its batches.
#[derive(Debug)]
pub struct Profiler {
    rows: u64,
    columns: Vec<Collector>,
    whole: Vec<i64>,
    real: Vec<f64>,
}

/// A column with the numbers that do not fill a chunk yet.
#[derive(Debug)]
struct Collector {
    profile: ColumnProfile,
    pending: Vec<f64>,
}

impl Profiler {
    /// Starts a profile of tables with this schema.
    pub fn new(schema: &Schema) -> Self {
        let columns = schema.fields().iter().map(|field| {
            let kind = ValueKind::of(field.data_type());
            Collector {
                profile: ColumnProfile::new(field.name(), field.data_type().to_string(), kind),
                pending: Vec::new(),
            }
        });
        Self { rows: 0, columns: columns.collect(), whole: Vec::new(), real: Vec::new() }
    }

    /// Takes in the rows of a batch of the schema.
    ///
    /// # Errors
    /// [`StatsError::BatchShape`] when the batch has another number of columns, [`StatsError::ProfileTypes`] when a
    /// column has values of another kind.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<(), StatsError> {
        if batch.num_columns() != self.columns.len() {
            return Err(StatsError::BatchShape { expected: self.columns.len(), found: batch.num_columns() });
        }
        for (collector, array) in self.columns.iter_mut().zip(batch.columns()) {
            collector.update(array, &mut self.whole, &mut self.real)?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Ends the pass.
    pub fn finish(self) -> TableProfile {
        TableProfile { rows: self.rows, columns: self.columns.into_iter().map(Collector::finish).collect() }
    }
}

impl Collector {
    fn update(&mut self, array: &ArrayRef, whole: &mut Vec<i64>, real: &mut Vec<f64>) -> Result<(), StatsError> {
        self.ensure_kind(array)?;
        let array = plain_array(array)?;
        self.profile.rows += array.len() as u64;
        self.profile.nulls += array.logical_null_count() as u64;
        match self.profile.kind.lane() {
            Lane::Whole => {
                whole.clear();
                append_whole(&array, whole)?;
                self.take_whole(whole);
            }
            Lane::Real => {
                real.clear();
                append_real(&array, real)?;
                self.take_real(real);
            }
            Lane::Text => self.take_texts(&array),
            Lane::None => {}
        }
        Ok(())
    }

    fn ensure_kind(&self, array: &ArrayRef) -> Result<(), StatsError> {
        if ValueKind::of(array.data_type()) == self.profile.kind {
            return Ok(());
        }
        Err(StatsError::ProfileTypes {
            column: self.profile.name.clone(),
            left: self.profile.data_type.clone(),
            right: array.data_type().to_string(),
        })
    }

    fn take_whole(&mut self, values: &[i64]) {
        let profile = &mut self.profile;
        profile.range.take_whole(values);
        for value in values {
            let word = *value as u64;
            let hash = hash_word(word);
            if profile.frequent.record_word(word, hash) {
                profile.distinct.insert(hash);
            }
        }
        self.buffer(values.iter().map(|value| *value as f64));
    }

    fn take_real(&mut self, values: &mut Vec<f64>) {
        let profile = &mut self.profile;
        if !values.iter().all(|value| value.is_finite()) {
            profile.nans += values.iter().filter(|value| value.is_nan()).count() as u64;
            profile.infinites += values.iter().filter(|value| value.is_infinite()).count() as u64;
            values.retain(|value| value.is_finite());
        }
        profile.range.take_real(values);
        for value in values.iter() {
            // Adding zero makes the negative zero the positive one.
            let word = (*value + 0.0).to_bits();
            let hash = hash_word(word);
            if profile.frequent.record_word(word, hash) {
                profile.distinct.insert(hash);
            }
        }
        self.buffer(values.iter().copied());
    }

    fn take_texts(&mut self, array: &ArrayRef) {
        let profile = &mut self.profile;
        for_each_text(array, |text| {
            let hash = hash_bytes(text.as_bytes());
            if profile.frequent.record_text(text, hash) {
                profile.distinct.insert(hash);
                profile.range.take_text(text);
            }
            profile.lengths.take(text.chars().count() as u64);
        });
    }

    fn buffer(&mut self, mut values: impl ExactSizeIterator<Item = f64>) {
        while values.len() > 0 {
            let room = CHUNK - self.pending.len();
            self.pending.extend(values.by_ref().take(room));
            if self.pending.len() == CHUNK {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.profile.moments.merge(&Moments::of(&self.pending));
        self.profile.quantiles.insert_chunk(&mut self.pending);
    }

    fn finish(mut self) -> ColumnProfile {
        self.flush();
        self.profile
    }
}
