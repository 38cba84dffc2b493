//! Packets of Matroska and WebM files, from the first cluster to the last.
//!
//! Called by [`decode`](super). Reads element after element without a stack of open ones, so unknown sizes, joined files and
//! truncated recordings need no special handling. Skips everything but audio, however large. Never uses the file's index.

mod block;
mod ebml;
mod tracks;

use std::collections::VecDeque;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};

use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::source::Source;
use super::{AudioTrack, Pulled};
use ebml::{EBML, Header};
use tracks::MkvTrack;

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TRACKS: u32 = 0x1654_ae6b;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
/// Most bytes of an element that is read whole. Blocks of video are skipped.
const MAX_ELEMENT: u64 = 16 << 20;
/// Most bytes that the frames of one block may unpack to together; further ones are lost.
const MAX_UNPACKED: usize = 16 << 20;
/// Nanoseconds of a tick where the file does not say.
const DEFAULT_TICK: u64 = 1_000_000;
/// Bytes searched at a time for where to go on.
const SEARCH_BYTES: u64 = 1 << 16;
/// Bytes of a block's header at most: track number, time, flags.
const BLOCK_HEADER: u64 = 12;

/// Reads one Matroska file, and those joined to it.
pub(super) struct MkvReader {
    source: BufReader<Source>,
    at: u64,
    length: u64,
    /// Where a segment of known size ends.
    segment_end: Option<u64>,
    tick_ns: u64,
    cluster_time: i64,
    tracks: Vec<MkvTrack>,
    queue: VecDeque<Pulled>,
    /// Bytes were skipped that are no elements.
    damaged: bool,
}

impl MkvReader {
    /// Reads up to the tracks.
    pub(super) fn open(source: Source) -> io::Result<Self> {
        let length = source.length();
        let mut reader = Self {
            source: BufReader::new(source),
            at: 0,
            length,
            segment_end: None,
            tick_ns: DEFAULT_TICK,
            cluster_time: 0,
            tracks: Vec::new(),
            queue: VecDeque::new(),
            damaged: false,
        };
        while reader.tracks.is_empty() {
            if matches!(reader.step()?, Some(Pulled::End { .. })) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        reader.queue.clear();
        Ok(reader)
    }

    /// The tracks with sound, in the order of the file.
    pub(super) fn audio_tracks(&self) -> Vec<AudioTrack> {
        self.tracks
            .iter()
            .filter(|track| track.is_audio)
            .map(MkvTrack::to_audio_track)
            .collect()
    }

    /// The next packet or event.
    pub(super) fn next(&mut self) -> io::Result<Pulled> {
        loop {
            if let Some(pulled) = self.queue.pop_front() {
                return Ok(pulled);
            }
            if let Some(pulled) = self.step()? {
                return Ok(pulled);
            }
        }
    }

    /// Reads one element.
    fn step(&mut self) -> io::Result<Option<Pulled>> {
        let begin = self.at;
        let header = match self.header() {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Some(self.end(begin))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Ok(Some(Pulled::End { truncated: true }));
            }
            Err(error) => return Err(error),
        };

        match header.id {
            EBML if begin > 0 => {
                self.segment_end = None;
                self.tick_ns = DEFAULT_TICK;
                self.cluster_time = 0;
                self.skip(&header)
            }
            SEGMENT => {
                self.segment_end = header.size.map(|size| self.at.saturating_add(size));
                Ok(None)
            }
            CLUSTER | BLOCK_GROUP => Ok(None),
            TRACKS => {
                let Some(content) = self.content(&header)? else {
                    return Ok(None);
                };
                let is_first = self.tracks.is_empty();
                self.tracks = tracks::read(&content);
                Ok((!is_first).then_some(Pulled::NewTracks))
            }
            INFO => {
                let Some(content) = self.content(&header)? else {
                    return Ok(None);
                };
                let tick = ebml::find(&content, ebml::TIMESTAMP_SCALE).map(ebml::unsigned);
                self.tick_ns = tick.filter(|tick| *tick > 0).unwrap_or(DEFAULT_TICK);
                Ok(None)
            }
            TIMESTAMP => {
                let Some(content) = self.content(&header)? else {
                    return Ok(None);
                };
                self.cluster_time = i64::try_from(ebml::unsigned(&content)).unwrap_or(i64::MAX);
                Ok(None)
            }
            SIMPLE_BLOCK | BLOCK => self.block(&header),
            _ if ebml::is_known(header.id) => self.skip(&header),
            _ => self.resynchronise(begin),
        }
    }

    /// A block of a track with sound is read, any other is skipped.
    fn block(&mut self, header: &Header) -> io::Result<Option<Pulled>> {
        let Some(size) = header.size else {
            return self.resynchronise(self.at);
        };
        let begin = self.at;
        let head = self.read(size.min(BLOCK_HEADER))?;
        let Some(head) = head.as_deref().and_then(block::BlockHead::read) else {
            return self.skip_to(begin, size);
        };

        let ticks = self.cluster_time.saturating_add(i64::from(head.time));
        let seconds = ticks as f64 * self.tick_ns as f64 / 1e9;
        let Some(track) = self.tracks.iter().find(|track| track.number == head.track) else {
            return self.skip_to(begin, size);
        };
        if !track.is_audio || size > MAX_ELEMENT {
            self.queue.push_back(Pulled::Other { at: Some(seconds) });
            return self.skip_to(begin, size);
        }

        let id = track.id();
        let encodings = track.encodings.clone();
        self.seek(begin)?;
        let Some(content) = self.read(size)? else {
            return Ok(Some(Pulled::End { truncated: true }));
        };
        let after_damage = std::mem::take(&mut self.damaged);
        let frames = block::frames(&content[head.length..], head.lacing);
        let mut room = MAX_UNPACKED;
        for (index, frame) in frames.into_iter().enumerate() {
            // A block has up to 256 frames, and each may unpack to a thousand times its size.
            let unpacked = if room > 0 {
                encodings.decode(frame)
            } else {
                None
            };
            let packet = unpacked.map(|data| {
                room = room.saturating_sub(data.len());
                Packet::new(id, Timestamp::new(0), Duration::new(0), data)
            });
            let at = (index == 0).then_some(seconds);
            self.queue.push_back(match packet {
                Some(packet) => Pulled::Packet {
                    packet,
                    at,
                    seconds: None,
                    after_damage: after_damage && index == 0,
                },
                None => Pulled::Broken { track: id, at },
            });
        }
        Ok(None)
    }

    fn end(&self, begin: u64) -> Pulled {
        Pulled::End {
            truncated: self.segment_end.is_some_and(|end| end > begin),
        }
    }

    /// Skips to the next cluster or file, because there is no element here.
    fn resynchronise(&mut self, begin: u64) -> io::Result<Option<Pulled>> {
        self.damaged = true;
        self.seek(begin + 1)?;
        loop {
            let start = self.at;
            self.source.get_ref().begin_portion();
            let mut window = Vec::new();
            self.source
                .by_ref()
                .take(SEARCH_BYTES)
                .read_to_end(&mut window)?;
            self.at += window.len() as u64;

            let found = window.windows(4).position(|four| {
                let id = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
                id == CLUSTER || id == EBML
            });
            if let Some(found) = found {
                self.seek(start + found as u64)?;
                return Ok(None);
            }
            if window.len() < 4 {
                return Ok(Some(Pulled::End { truncated: true }));
            }
            // An id may lie across the edge.
            let overlap = if (window.len() as u64) < SEARCH_BYTES {
                0
            } else {
                3
            };
            self.seek(self.at - overlap)?;
        }
    }

    /// The next element's id and size; `None` at the end of the file.
    fn header(&mut self) -> io::Result<Option<Header>> {
        if self.at >= self.length {
            return Ok(None);
        }
        let header = Header::read(&mut self.source)?;
        self.at += header.length;
        Ok(Some(header))
    }

    /// The content of an element; `None` when it is too large or not there.
    fn content(&mut self, header: &Header) -> io::Result<Option<Vec<u8>>> {
        match header.size {
            Some(size) if size <= MAX_ELEMENT => self.read(size),
            _ => {
                self.skip(header)?;
                Ok(None)
            }
        }
    }

    fn read(&mut self, size: u64) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let count = self.source.by_ref().take(size).read_to_end(&mut content)? as u64;
        self.at += count;
        Ok((count == size).then_some(content))
    }

    fn skip(&mut self, header: &Header) -> io::Result<Option<Pulled>> {
        match header.size {
            Some(size) => self.skip_to(self.at, size),
            // Its children follow.
            None => Ok(None),
        }
    }

    fn skip_to(&mut self, begin: u64, size: u64) -> io::Result<Option<Pulled>> {
        let end = begin.saturating_add(size);
        if end > self.length {
            return Ok(Some(Pulled::End { truncated: true }));
        }
        self.seek(end)?;
        Ok(None)
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        let delta = to as i64 - self.at as i64;
        if delta.unsigned_abs() < 1 << 16 {
            self.source.seek_relative(delta)?;
        } else {
            self.source.seek(SeekFrom::Start(to))?;
        }
        self.at = to;
        Ok(())
    }
}
