//! The decoder: tokens in, the logits of the next token out, for many sequences in one step.
//!
//! A row's result depends on its own sequence alone, so a sequence gets the same logits in any company.

use std::sync::Arc;

use rten_simd::f16;

use crate::cache::{Heard, Sequence, Weights, sized};
use crate::encoder::Check;
use crate::kernels::{self, HEAD, Norm, Then, TokenRows};
use crate::layers::{FeedForward, Loader};
use crate::matrix::{Gemm, Linear};
use crate::vocabulary::Token;
use crate::{LoadError, RunError};

/// The decoder's weights.
pub(crate) struct Decoder {
    /// A row for each token.
    embeddings: Vec<f16>,
    /// What is added to each token for its place.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    /// From a row to logits.
    vocabulary: Linear,
    width: usize,
    context: usize,
}

struct Layer {
    own_norm: Norm,
    /// Queries, keys and values of the text so far.
    own_in: Linear,
    own_out: Linear,
    audio_norm: Norm,
    audio_query: Linear,
    /// Keys and values of the audio, computed once for a span.
    audio_keys_values: Linear,
    audio_out: Linear,
    feed_forward: FeedForward,
}

/// Tokens that a sequence goes on with.
pub(crate) struct Feed<'a> {
    pub(crate) sequence: &'a mut Sequence,
    pub(crate) tokens: &'a [Token],
}

/// Sees the attention to the audio: layer, head, row of the step, weights of the frames.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(usize, usize, usize, &[f32]);

/// A row of a step: its sequence and its place in it.
#[derive(Clone, Copy)]
struct Row {
    feed: usize,
    position: usize,
}

impl Decoder {
    pub(crate) fn load(loader: &mut Loader<'_>) -> Result<Self, LoadError> {
        let dimensions = loader.dimensions();
        let width = dimensions.state;
        let embeddings = loader.tensor(
            "decoder.token_embedding.weight",
            &[dimensions.vocabulary, width],
        )?;
        let vocabulary = loader.pack(&embeddings, vec![0.0; dimensions.vocabulary]);
        let positions = loader.tensor(
            "decoder.positional_embedding",
            &[dimensions.text_context, width],
        )?;
        let layers = (0..dimensions.text_layers)
            .map(|at| Layer::load(loader, &format!("decoder.blocks.{at}"), width))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            embeddings: embeddings.into_iter().map(f16::from_f32).collect(),
            positions,
            layers,
            norm: loader.norm("decoder.ln", width)?,
            vocabulary,
            width,
            context: dimensions.text_context,
        })
    }

    /// What the decoder keeps of the encoder's output.
    pub(crate) fn hear(
        &self,
        encoded: &[f32],
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<Arc<Heard>, RunError> {
        let frames = encoded.len() / self.width;
        let mut projected = vec![0.0; 2 * encoded.len()];
        let mut heard = Heard::new(frames);
        for layer in &self.layers {
            layer
                .audio_keys_values
                .apply(encoded, Then::Store, &mut projected, gemm);
            let fast_kernels = gemm.avx512.filter(|_| layer.audio_keys_values.is_integer());
            heard.push_layer(&projected, self.width, fast_kernels);
            check()?;
        }
        Ok(Arc::new(heard))
    }

    /// How many tokens a sequence can have.
    pub(crate) fn context(&self) -> usize {
        self.context
    }

    /// Appends tokens to each sequence. The decoder's row after the last one of each, for `logits`.
    pub(crate) fn step(
        &self,
        feeds: &mut [Feed<'_>],
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<Vec<f32>, RunError> {
        let rows = self.run(feeds, gemm, check, &mut |_, _, _, _| ())?;

        let mut last = Vec::with_capacity(feeds.len() * self.width);
        let mut end = 0;
        for feed in &*feeds {
            end += feed.tokens.len();
            last.extend_from_slice(&rows[(end - 1) * self.width..end * self.width]);
        }
        Ok(last)
    }

    /// The logits of rows, one row after the other.
    pub(crate) fn logits(&self, rows: &[f32], logits: &mut Vec<f32>, gemm: &mut Gemm) {
        let count = rows.len() / self.width;
        logits.resize(count * self.vocabulary.outputs(), 0.0);
        self.vocabulary.apply(rows, Then::Store, logits, gemm);
    }

    /// Values of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// As `step`, but shows the attention to the audio instead of computing logits.
    pub(crate) fn watch(
        &self,
        feed: Feed<'_>,
        gemm: &mut Gemm,
        check: Check<'_>,
        watch: Watch<'_>,
    ) -> Result<(), RunError> {
        self.run(&mut [feed], gemm, check, watch).map(|_| ())
    }

    fn run(
        &self,
        feeds: &mut [Feed<'_>],
        gemm: &mut Gemm,
        check: Check<'_>,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>, RunError> {
        let mut rows = Vec::new();
        let mut values = Vec::new();
        for (index, feed) in feeds.iter_mut().enumerate() {
            for token in feed.tokens {
                let position = feed.sequence.length();
                feed.sequence.push(2 * self.layers.len() * self.width);
                rows.push(Row {
                    feed: index,
                    position,
                });
                self.embed(*token, position, &mut values);
            }
        }

        let mut work = Work::new(values.len());
        for (at, layer) in self.layers.iter().enumerate() {
            layer.attend_to_text(at, &rows, &mut values, feeds, &mut work, gemm);
            layer.attend_to_audio(at, &rows, &mut values, feeds, &mut work, gemm, watch);
            layer.feed_forward.apply(&mut values, gemm);
            check()?;
        }
        self.norm.apply(&values, &mut work.normed);
        Ok(work.normed)
    }

    fn embed(&self, token: Token, position: usize, values: &mut Vec<f32>) {
        let embedding = &self.embeddings[token as usize * self.width..][..self.width];
        let place = &self.positions[position * self.width..][..self.width];
        let sums = embedding.iter().zip(place);
        values.extend(sums.map(|(value, place)| value.to_f32() + place));
    }
}

/// Memory of one step.
struct Work {
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    scores: Vec<f32>,
    weights: Weights,
}

impl Work {
    fn new(values: usize) -> Self {
        Self {
            normed: vec![0.0; values],
            projected: vec![0.0; 3 * values],
            attended: vec![0.0; values],
            scores: Vec::new(),
            weights: Weights::default(),
        }
    }
}

impl Layer {
    fn load(loader: &mut Loader<'_>, name: &str, width: usize) -> Result<Self, LoadError> {
        let audio = format!("{name}.cross_attn");
        Ok(Self {
            own_norm: loader.norm(&format!("{name}.attn_ln"), width)?,
            own_in: loader.projections(&format!("{name}.attn"), width)?,
            own_out: loader.linear(&format!("{name}.attn.out"), width, width)?,
            audio_norm: loader.norm(&format!("{name}.cross_attn_ln"), width)?,
            audio_query: loader.linear(&format!("{audio}.query"), width, width)?,
            audio_keys_values: loader.keys_and_values(&audio, width)?,
            audio_out: loader.linear(&format!("{audio}.out"), width, width)?,
            feed_forward: FeedForward::load(loader, name, width)?,
        })
    }

    fn attend_to_text(
        &self,
        layer: usize,
        rows: &[Row],
        values: &mut [f32],
        feeds: &mut [Feed<'_>],
        work: &mut Work,
        gemm: &mut Gemm,
    ) {
        let width = values.len() / rows.len();
        self.own_norm.apply(values, &mut work.normed);
        self.own_in
            .apply(&work.normed, Then::Store, &mut work.projected, gemm);

        let projected = work.projected.chunks_exact(3 * width);
        let attended = work.attended.chunks_exact_mut(width);
        for ((row, projected), attended) in rows.iter().zip(projected).zip(attended) {
            let sequence = &mut *feeds[row.feed].sequence;
            let own = &mut sequence.new_token(row.position)[2 * layer * width..];
            own[..2 * width].copy_from_slice(&projected[width..]);

            let tokens = sequence.tokens(row.position + 1);
            let scores = sized(&mut work.scores, row.position + 1);
            for head in (0..width).step_by(HEAD) {
                let part = |first| TokenRows {
                    tokens,
                    offset: first + head,
                };
                let keys = part(2 * layer * width);
                kernels::score_tokens(&projected[head..][..HEAD], keys, scores);
                kernels::weights_of(scores);
                let values = part((2 * layer + 1) * width);
                kernels::weigh_tokens(scores, values, &mut attended[head..][..HEAD]);
            }
        }
        self.own_out.apply(&work.attended, Then::Add, values, gemm);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a layer works on, and on what"
    )]
    fn attend_to_audio(
        &self,
        layer: usize,
        rows: &[Row],
        values: &mut [f32],
        feeds: &[Feed<'_>],
        work: &mut Work,
        gemm: &mut Gemm,
        watch: Watch<'_>,
    ) {
        let width = values.len() / rows.len();
        self.audio_norm.apply(values, &mut work.normed);
        let queries = &mut work.projected[..values.len()];
        self.audio_query
            .apply(&work.normed, Then::Store, queries, gemm);

        // Rows over one span follow each other, so each head's keys and values are read from memory once for all of them.
        let mut first = 0;
        let heard_of = |row: &Row| &feeds[row.feed].sequence.heard;
        for span in rows.chunk_by(|a, b| Arc::ptr_eq(heard_of(a), heard_of(b))) {
            let heard = heard_of(&span[0]);
            for (head, heard_head) in heard.layer(layer).iter().enumerate() {
                for row in first..first + span.len() {
                    let place = row * width + head * HEAD..row * width + (head + 1) * HEAD;
                    let attended = &mut work.attended[place.clone()];
                    heard_head.attend(&queries[place], &mut work.weights, attended);
                    watch(layer, head, row, &work.weights.frames[..heard.frames()]);
                }
            }
            first += span.len();
        }
        self.audio_out
            .apply(&work.attended, Then::Add, values, gemm);
    }
}
