//! Opus with more than two channels: a packet holds several streams of one or two channels each (RFC 7845, family 1 and 255).
//!
//! Called by [`codec`](super::codec). Takes the packet apart and decodes each stream by itself. Never reorders channels: they are
//! mixed to one.

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::errors::{Error, Result};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia_adapter_libopus::OpusDecoder;

use super::{OPUS_RATE, Shape};

const MAGIC: &[u8] = b"OpusHead";
const FAMILY_AT: usize = 18;
const DAMAGED: Error = Error::DecodeError("opus: the streams of a packet do not fit");

/// One decoder for each stream.
pub(super) struct OpusStreams {
    decoders: Vec<Box<dyn AudioDecoder>>,
    channels: Vec<usize>,
}

impl OpusStreams {
    /// `head` is the identification header. `None` when it describes a single stream.
    pub(super) fn new(head: &[u8]) -> Option<Result<Self>> {
        let &[family, streams, coupled] = head
            .strip_prefix(MAGIC)?
            .get(FAMILY_AT - MAGIC.len()..)?
            .first_chunk::<3>()?;
        if family == 0
            || streams == 0
            || coupled > streams
            || usize::from(streams) + usize::from(coupled) <= 2
        {
            return None;
        }

        let channels: Vec<usize> = (0..streams)
            .map(|index| if index < coupled { 2 } else { 1 })
            .collect();
        let decoders = channels
            .iter()
            .map(|&channels| decoder(channels))
            .collect::<Result<_>>();
        Some(decoders.map(|decoders| Self { decoders, channels }))
    }

    /// Decodes a packet of all streams into interleaved samples.
    pub(super) fn decode(&mut self, packet: &[u8], block: &mut Vec<f32>) -> Result<Shape> {
        let count = self.channels.iter().sum::<usize>();
        let mut rest = packet;
        let mut first = 0;
        let last = self.decoders.len() - 1;
        for (index, decoder) in self.decoders.iter_mut().enumerate() {
            let (stream, behind) = if index == last {
                (rest.to_vec(), &[][..])
            } else {
                split(rest).ok_or(DAMAGED)?
            };
            rest = behind;

            let channels = self.channels[index];
            let mut samples: Vec<f32> = Vec::new();
            let packet = Packet::new(0, Timestamp::new(0), Duration::new(0), stream);
            decoder
                .decode(&packet)?
                .copy_to_vec_interleaved(&mut samples);
            let frames = samples.len() / channels;
            if index == 0 {
                block.clear();
                block.resize(frames * count, 0.0);
            }
            for (frame, samples) in block
                .chunks_exact_mut(count)
                .zip(samples.chunks_exact(channels))
            {
                frame[first..first + channels].copy_from_slice(samples);
            }
            first += channels;
        }
        Ok(Shape {
            rate: OPUS_RATE,
            channels: count,
        })
    }
}

fn decoder(channels: usize) -> Result<Box<dyn AudioDecoder>> {
    let layout = if channels == 2 {
        CHANNEL_LAYOUT_STEREO
    } else {
        CHANNEL_LAYOUT_MONO
    };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_OPUS)
        .with_sample_rate(OPUS_RATE)
        .with_channels(layout);
    OpusDecoder::try_registry_new(&parameters, &AudioDecoderOptions::default())
}

/// Takes the first stream off a packet, and gives it the form that it would have alone (RFC 6716, appendix B).
fn split(packet: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (&toc, rest) = packet.split_first()?;
    let mut head = vec![toc];
    let (body, behind) = match toc & 3 {
        0 => {
            let (size, rest) = size(rest)?;
            rest.split_at_checked(size)?
        }
        1 => {
            let (size, rest) = size(rest)?;
            rest.split_at_checked(2 * size)?
        }
        2 => {
            let (first, after_first) = size(rest)?;
            head.extend(&rest[..rest.len() - after_first.len()]);
            let (second, rest) = size(after_first)?;
            rest.split_at_checked(first + second)?
        }
        _ => {
            let (&shape, mut rest) = rest.split_first()?;
            head.push(shape);
            let mut padding = 0;
            if shape & 0x40 != 0 {
                loop {
                    let (&byte, behind) = rest.split_first()?;
                    rest = behind;
                    head.push(byte);
                    padding += if byte == 255 { 254 } else { usize::from(byte) };
                    if byte != 255 {
                        break;
                    }
                }
            }
            let count = usize::from(shape & 0x3f);
            if count == 0 {
                return None;
            }
            let mut total = 0;
            if shape & 0x80 != 0 {
                for _ in 0..count - 1 {
                    let (frame, behind) = size(rest)?;
                    head.extend(&rest[..rest.len() - behind.len()]);
                    rest = behind;
                    total += frame;
                }
            }
            let (frame, behind) = size(rest)?;
            total += if shape & 0x80 != 0 {
                frame
            } else {
                frame * count
            };
            behind.split_at_checked(total + padding)?
        }
    };

    head.extend(body);

    Some((head, behind))
}

/// A frame's size in one or two bytes.
fn size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 252 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(second) * 4 + usize::from(first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &[u8], stream: &[u8], behind: &[u8]) {
        let (split, rest) = split(packet).unwrap();
        assert_eq!((split.as_slice(), rest), (stream, behind), "{packet:?}");
    }

    #[test]
    fn every_form_of_packet_is_taken_apart() {
        check(&[0x78, 2, 1, 2, 9], &[0x78, 1, 2], &[9]);
        check(&[0x79, 1, 1, 2, 9], &[0x79, 1, 2], &[9]);
        check(&[0x7a, 1, 2, 1, 2, 3, 9], &[0x7a, 1, 1, 2, 3], &[9]);
        // Two frames of one size with a byte of padding, then three frames of sizes of their own.
        check(
            &[0x7b, 0x42, 1, 1, 5, 6, 0, 9],
            &[0x7b, 0x42, 1, 5, 6, 0],
            &[9],
        );
        check(
            &[0x7b, 0x83, 1, 2, 1, 5, 6, 7, 8, 9],
            &[0x7b, 0x83, 1, 2, 5, 6, 7, 8],
            &[9],
        );
        assert!(split(&[0x78, 5, 1]).is_none() && split(&[]).is_none());
    }
}
