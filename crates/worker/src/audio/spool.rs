//! The spool: decoded audio on disk as 16 kHz signed 16-bit little-endian samples, without a header. Channels that are
//! transcribed by themselves follow each other.
//!
//! Written once by [`prepare`](super::prepare), then read span by span by the task code. Never creates, renames or removes
//! the file: the caller owns its name and its lock.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Span;

const BYTES_PER_SAMPLE: u64 = 2;
const FULL_SCALE: f32 = 32_768.0;
/// Samples that are moved at a time: a whole number of frames of the speech detector.
const BLOCK_SAMPLES: u64 = 32 * 1024;

/// Bytes that a writer collects before it writes them.
const BUFFERED_BYTES: usize = 64 * 1024;

/// Appends samples to a spool file through a buffer. Several may write to one file, each in a region of its own.
pub(super) struct SpoolWriter<'a> {
    file: &'a File,
    next_byte: u64,
    bytes: Vec<u8>,
    samples: u64,
}

impl<'a> SpoolWriter<'a> {
    /// Empties the file in place, so that a lock the caller holds on it stays valid.
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        file.set_len(0)?;
        Ok(Self::at(file, 0))
    }

    /// Writes from a sample on, and leaves what is before it alone.
    pub(super) fn at(file: &'a File, sample: u64) -> Self {
        Self {
            file,
            next_byte: sample * BYTES_PER_SAMPLE,
            bytes: Vec::new(),
            samples: 0,
        }
    }

    pub(super) fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
        self.bytes.extend(bytes);
        self.samples += samples.len() as u64;
        if self.bytes.len() >= BUFFERED_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Appends this many samples of silence.
    pub(super) fn skip(&mut self, samples: u64) -> io::Result<()> {
        self.flush()?;
        self.next_byte += samples * BYTES_PER_SAMPLE;
        self.samples += samples;
        Ok(())
    }

    /// Samples written until now.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Hands everything to the operating system. The caller makes it durable.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.samples)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.next_byte))?;
        self.file.write_all(&self.bytes)?;
        self.next_byte += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}

/// Joins `channels` regions of a spool. They start `stride` samples apart, and the first `length`
/// samples of each are kept. `edit` gets the number of the region, the position in it and the
/// samples there before they are stored.
pub(super) fn join_regions(
    mut file: &File,
    channels: usize,
    stride: u64,
    length: u64,
    mut edit: impl FnMut(usize, u64, &mut [i16]) -> io::Result<()>,
) -> io::Result<()> {
    // What was not written is silence.
    file.set_len(((channels as u64 - 1) * stride + length) * BYTES_PER_SAMPLE)?;
    let mut bytes = Vec::new();
    let mut samples = Vec::new();

    for channel in 0..channels {
        let mut place = 0;
        while place < length {
            let count = (length - place).min(BLOCK_SAMPLES);
            let from = channel as u64 * stride + place;
            bytes.resize((count * BYTES_PER_SAMPLE) as usize, 0);
            file.seek(SeekFrom::Start(from * BYTES_PER_SAMPLE))?;
            file.read_exact(&mut bytes)?;

            samples.clear();
            samples.extend(bytes.as_chunks().0.iter().copied().map(i16::from_le_bytes));
            edit(channel, place, &mut samples)?;

            bytes.clear();
            bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            let to = channel as u64 * length + place;
            file.seek(SeekFrom::Start(to * BYTES_PER_SAMPLE))?;
            file.write_all(&bytes)?;
            place += count;
        }
    }
    file.set_len(channels as u64 * length * BYTES_PER_SAMPLE)
}

/// Turns a sample of -1..1 into 16 bits. What is outside is clamped; NaN becomes 0.
pub(super) fn quantise(sample: f32) -> i16 {
    (sample * FULL_SCALE).round() as i16
}

/// How many samples a spool has.
pub fn samples_of(spool: &Path) -> io::Result<u64> {
    Ok(fs::metadata(spool)?.len() / BYTES_PER_SAMPLE)
}

/// A source of the bytes of a spool.
pub trait SpoolBytes {
    /// The number of bytes.
    fn bytes(&self) -> u64;

    /// Says that nothing from the offset `end` on will be read soon.
    fn need_until(&mut self, _end: u64) {}

    /// Fills `buffer` from a place on.
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// An open spool, read at any place.
pub struct Spool {
    source: Box<dyn SpoolBytes>,
    samples: u64,
    bytes: Vec<u8>,
}

impl Spool {
    /// Opens the spool at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self::of(LocalSpool { file, bytes }))
    }

    /// The spool with these bytes.
    pub fn of(source: impl SpoolBytes + 'static) -> Self {
        Self {
            samples: source.bytes() / BYTES_PER_SAMPLE,
            source: Box::new(source),
            bytes: Vec::new(),
        }
    }

    /// How many samples it has.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Says that no sample from the index `end` on will be read soon.
    pub fn need_until(&mut self, end: u64) {
        self.source.need_until(end.saturating_mul(BYTES_PER_SAMPLE));
    }

    /// Fills `buffer` with the samples, of -1..1, from an index on.
    pub fn read(&mut self, from: u64, buffer: &mut [f32]) -> io::Result<()> {
        self.bytes
            .resize(buffer.len() * BYTES_PER_SAMPLE as usize, 0);
        self.source
            .read_exact_at(&mut self.bytes, from * BYTES_PER_SAMPLE)?;
        for (sample, bytes) in buffer.iter_mut().zip(self.bytes.as_chunks().0) {
            *sample = f32::from(i16::from_le_bytes(*bytes)) / FULL_SCALE;
        }
        Ok(())
    }

    /// Reads one span as samples of -1..1, stretch after stretch.
    ///
    /// Fails with [`io::ErrorKind::UnexpectedEof`] when the spool is shorter than the span's end.
    pub fn read_span(&mut self, span: &Span) -> io::Result<Vec<f32>> {
        let end = span.stretches.last().map_or(0, |last| last.end_sample);
        self.need_until(end);
        let samples = self.read_stretches(span);
        self.need_until(u64::MAX);
        samples
    }

    fn read_stretches(&mut self, span: &Span) -> io::Result<Vec<f32>> {
        let mut read = Vec::new();
        for stretch in &span.stretches {
            let samples = stretch
                .end_sample
                .checked_sub(stretch.start_sample)
                .ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the span ends before it starts",
                    )
                })?;
            // Checked before the buffer is made: a wrong span must not allocate more than the spool holds.
            if stretch.end_sample > self.samples {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the span ends after the spool",
                ));
            }
            let from = read.len();
            read.resize(from + samples as usize, 0.0);
            self.read(stretch.start_sample, &mut read[from..])?;
        }

        Ok(read)
    }
}

/// Reads one span of the spool at `path`.
pub fn read_span(path: &Path, span: &Span) -> io::Result<Vec<f32>> {
    Spool::open(path)?.read_span(span)
}

/// A spool in a file of this machine.
struct LocalSpool {
    file: File,
    bytes: u64,
}

impl SpoolBytes for LocalSpool {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stretch;
    use super::*;

    #[test]
    fn a_span_of_two_stretches_leaves_out_what_is_between() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let file = File::create(&path).unwrap();
        let mut writer = SpoolWriter::new(&file).unwrap();
        writer.write(&[0, 16_384, -32_768, 8_192]).unwrap();
        writer.finish().unwrap();

        let stretch = |start_sample| Stretch {
            start_sample,
            end_sample: start_sample + 1,
        };
        assert_eq!(
            read_span(
                &path,
                &Span {
                    stretches: vec![stretch(1), stretch(3)],
                    doubtful: false
                }
            )
            .unwrap(),
            [0.5, 0.25]
        );
    }

    #[test]
    fn a_span_reads_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        let file = File::create(&path).unwrap();
        let mut writer = SpoolWriter::new(&file).unwrap();
        writer.write(&[0, 16_384, -32_768, 8_192]).unwrap();
        assert_eq!(writer.finish().unwrap(), 4);

        assert_eq!(read_span(&path, &Span::whole(1, 3)).unwrap(), [0.5, -1.0]);
        assert!(read_span(&path, &Span::whole(2, 2)).unwrap().is_empty());
    }

    #[test]
    fn a_span_outside_the_spool_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        File::create(&path).unwrap();

        let beyond = read_span(&path, &Span::whole(0, u64::MAX / 4)).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        let reversed = read_span(&path, &Span::whole(2, 1)).unwrap_err();
        assert_eq!(reversed.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_spool_is_emptied_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool");
        std::fs::write(&path, b"left over").unwrap();
        let held = File::options().write(true).open(&path).unwrap();
        SpoolWriter::new(&held).unwrap().finish().unwrap();
        assert_eq!(held.metadata().unwrap().len(), 0);
    }

    #[test]
    fn samples_outside_the_range_are_clamped() {
        assert_eq!(quantise(2.0), i16::MAX);
        assert_eq!(quantise(-2.0), i16::MIN);
        assert_eq!(quantise(f32::NAN), 0);
    }
}
