//! Packets to samples, by symphonia's codecs and libopus.
//!
//! Called by [`decode`](super). A packet that a decoder rejects is decoded again by a new one: after the seam of joined
//! recordings the old decoder rejects everything. Panics are caught. Never trims the end of a packet: counts in a header
//! are wrong too often.

use std::sync::LazyLock;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Result;
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;
use symphonia_adapter_libopus::OpusDecoder;

use super::opus_streams::OpusStreams;
use super::{MAX_CHANNELS, OPUS_RATE, Shape, aac_config, guarded};

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<OpusDecoder>();
    registry
});

/// The decoder of one track.
pub(super) struct Codec {
    parameters: AudioCodecParameters,
    decoder: Decoder,
}

enum Decoder {
    Plain(Box<dyn AudioDecoder>),
    Streams(OpusStreams),
}

impl Codec {
    /// Makes a decoder, or says why there is none.
    pub(super) fn new(parameters: &AudioCodecParameters) -> Result<Self> {
        let parameters = adapted(parameters);
        let decoder = make(&parameters)?;
        Ok(Self {
            parameters,
            decoder,
        })
    }

    /// Decodes a packet into interleaved samples.
    pub(super) fn decode(&mut self, mut packet: Packet, block: &mut Vec<f32>) -> Result<Shape> {
        // Counts of samples in a header are wrong in files that were joined, piped or edited.
        packet.trim_end = Duration::ZERO;
        if let Ok(shape) = decode(&mut self.decoder, &packet, block) {
            return Ok(shape);
        }

        // Its state is unknown now, so it is replaced even if the new one fails too.
        self.decoder = make(&self.parameters)?;
        let again = decode(&mut self.decoder, &packet, block);
        if again.is_err() {
            block.clear();
        }
        again
    }
}

fn decode(decoder: &mut Decoder, packet: &Packet, block: &mut Vec<f32>) -> Result<Shape> {
    block.clear();
    guarded(|| match decoder {
        Decoder::Streams(streams) => streams.decode(&packet.data, block),
        Decoder::Plain(decoder) => {
            let buffer = decoder.decode(packet)?;
            let shape = Shape {
                rate: buffer.spec().rate(),
                channels: buffer.num_planes(),
            };
            if shape.channels <= MAX_CHANNELS {
                buffer.copy_to_vec_interleaved::<f32>(block);
            }
            Ok(shape)
        }
    })
}

fn make(parameters: &AudioCodecParameters) -> Result<Decoder> {
    guarded(|| {
        if parameters.codec == CODEC_ID_OPUS
            && let Some(streams) = parameters.extra_data.as_deref().and_then(OpusStreams::new)
        {
            return streams.map(Decoder::Streams);
        }
        CODECS
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map(Decoder::Plain)
    })
}

/// The parameters as the decoders want them.
fn adapted(parameters: &AudioCodecParameters) -> AudioCodecParameters {
    let mut parameters = parameters.clone();
    if parameters.codec == CODEC_ID_OPUS {
        // WebM may state the rate of the recording; Opus itself always decodes at 48 kHz.
        parameters.sample_rate = Some(OPUS_RATE);
    }
    if parameters.codec == CODEC_ID_AAC
        && let Some(core) = parameters
            .extra_data
            .as_deref()
            .and_then(aac_config::core_of)
    {
        parameters
            .with_sample_rate(core.rate)
            .with_extra_data(core.config.into_boxed_slice());
        if core.channels > 0 {
            parameters.with_channels(Channels::Discrete(core.channels));
        }
    }
    parameters
}
