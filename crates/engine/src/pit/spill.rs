//! Joins whose sort keys exceed the memory limit: entries go to one file for each part of the entities, and the
//! parts are joined one after the other.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use super::PitOptions;
use super::entries::{Candidate, Entry, Probe, Side, bucket_bits, bucket_of};
use super::merge::Sweep;
use crate::error::EngineError;

/// Joins part by part; `bytes` is what all entries would take.
pub(super) fn join(
    sweep: &Sweep<'_>,
    probes: &Side<'_>,
    candidates: &Side<'_>,
    bytes: usize,
    options: &PitOptions,
) -> Result<(), EngineError> {
    let spill = Spill { options };
    // A part is read, cut into buckets and sorted: about twice its size, and parts differ in size.
    let parts = (4 * bytes / options.memory_limit_bytes.max(1)).next_power_of_two().clamp(2, 1024);
    let bits = parts.trailing_zeros();
    let left = spill.write::<Probe>(probes, bits)?;
    let right = spill.write::<Candidate>(candidates, bits)?;
    for (left, right) in left.into_iter().zip(right) {
        let probes = spill.read::<Probe>(left, bits)?;
        let candidates = spill.read::<Candidate>(right, bits)?;
        sweep.run(probes, candidates);
    }
    Ok(())
}

struct Spill<'a> {
    options: &'a PitOptions,
}

impl Spill<'_> {
    /// One nameless file for each part; the system removes them when they are closed.
    fn write<E: Entry>(&self, side: &Side<'_>, bits: u32) -> Result<Vec<File>, EngineError> {
        std::fs::create_dir_all(&self.options.spill_dir).map_err(|error| self.failed(&error))?;
        let open =
            || tempfile::tempfile_in(&self.options.spill_dir).map(|file| BufWriter::with_capacity(1 << 16, file));
        let mut files: Vec<BufWriter<File>> =
            (0..1usize << bits).map(|_| open()).collect::<Result<_, _>>().map_err(|error| self.failed(&error))?;
        let mut outcome = Ok(());
        side.visit(&side.morsels(), |entry: E| {
            let file = &mut files[bucket_of(entry.entity(), bits)];
            for word in &entry.words()[..E::WORDS] {
                if let Err(error) = file.write_all(&word.to_le_bytes()) {
                    outcome = Err(error);
                }
            }
        });
        outcome.map_err(|error| self.failed(&error))?;
        files.into_iter().map(|file| self.rewound(file)).collect()
    }

    fn rewound(&self, file: BufWriter<File>) -> Result<File, EngineError> {
        let mut file = file.into_inner().map_err(|error| self.failed(error.error()))?;
        file.rewind().map_err(|error| self.failed(&error))?;
        Ok(file)
    }

    /// The entries of one part in buckets by the bits that follow the part's.
    fn read<E: Entry>(&self, file: File, part_bits: u32) -> Result<Vec<Vec<Vec<E>>>, EngineError> {
        let bits = bucket_bits(self.options.memory_limit_bytes / 4);
        let mut buckets: Vec<Vec<E>> = (0..1usize << bits).map(|_| Vec::new()).collect();
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut bytes = vec![0u8; E::WORDS * 8];
        let mut words = [0u64; 4];
        loop {
            match reader.read_exact(&mut bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(self.failed(&error)),
            }
            for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = chunk.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte));
            }
            let entry = E::from_words(&words);
            buckets[bucket_of(entry.entity() << part_bits, bits)].push(entry);
        }
        Ok(buckets.into_iter().map(|bucket| vec![bucket]).collect())
    }

    fn failed(&self, error: &std::io::Error) -> EngineError {
        EngineError::Spill { folder: self.options.spill_dir.display().to_string(), reason: error.to_string() }
    }
}
