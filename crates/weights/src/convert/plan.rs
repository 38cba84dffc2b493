//! Maps rows of CTranslate2 tensors to ggml tensors, from shapes alone, so that a model that does not fit is refused early.

use std::io::{self, Write};

use crate::ctranslate2::{Model, Tensor};
use crate::ggml::{Element, Hyperparameters};
use crate::{WeightsError, vocabulary};

/// The kernel width of both convolutions.
const KERNEL: u64 = 3;
/// Vocabulary sizes whisper.cpp knows: English, multilingual, multilingual with Cantonese (large-v3).
const VOCABULARIES: [u64; 3] = [51_864, 51_865, 51_866];
/// More layers or a wider model than any Whisper (32 and 1280) by far.
const MAX_SIZE: u64 = 10_000;

/// One tensor of the ggml file.
#[derive(Debug)]
pub(crate) struct Planned {
    name: String,
    /// Shape in the ggml file, outermost first.
    dims: Vec<u64>,
    /// What its elements become.
    pub(crate) element: Element,
    /// Where they come from.
    pub(crate) source: Tensor,
    /// The first row of the source that is taken.
    pub(crate) first_row: u64,
    /// How many rows are taken.
    pub(crate) rows: u64,
}

impl Planned {
    /// Writes the header before the tensor's data.
    pub(crate) fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        let fixed = [
            self.dims.len() as i32,
            self.name.len() as i32,
            self.element.id(),
        ];
        for word in fixed
            .into_iter()
            .chain(self.dims.iter().rev().map(|dim| *dim as i32))
        {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(self.name.as_bytes())
    }

    /// Bytes this tensor takes in the file.
    pub(crate) fn written_bytes(&self) -> u64 {
        let header = 4 * (3 + self.dims.len()) + self.name.len();
        header as u64 + self.rows * self.source.row_len() * self.element.size()
    }
}

/// Reads the model's sizes from its tensors' shapes.
pub(crate) fn hyperparameters(model: &mut Model) -> Result<Hyperparameters, WeightsError> {
    let audio = model.tensor("encoder/position_encodings/encodings")?;
    let text = model.tensor("decoder/position_encodings/encodings")?;
    let embeddings = model.tensor("decoder/embeddings/weight")?;
    let n_mels = model.tensor("encoder/conv1/weight")?.row_len() / KERNEL;

    if !VOCABULARIES.contains(&embeddings.rows()) {
        let problem = format!(
            "it has {} tokens, a Whisper model has one of {VOCABULARIES:?}",
            embeddings.rows()
        );
        return Err(model.problem(problem));
    }
    if n_mels != 80 && n_mels != 128 {
        return Err(model.problem(format!(
            "it takes {n_mels} mel bands, Whisper models take 80 or 128"
        )));
    }
    let sizes = [audio.rows(), audio.row_len(), text.rows(), text.row_len()];
    if sizes.iter().any(|size| !(1..=MAX_SIZE).contains(size)) {
        return Err(model.problem(format!("its contexts and widths cannot be {sizes:?}")));
    }
    let (audio_layers, text_layers) = (layers(model, "encoder"), layers(model, "decoder"));
    if audio_layers == 0 || text_layers == 0 {
        return Err(model.problem("its encoder or decoder has no layers"));
    }
    Ok(Hyperparameters {
        n_vocab: embeddings.rows() as i32,
        n_audio_ctx: audio.rows() as i32,
        n_audio_state: audio.row_len() as i32,
        n_audio_head: heads(model, "encoder", audio.row_len())?,
        n_audio_layer: audio_layers,
        n_text_ctx: text.rows() as i32,
        n_text_state: text.row_len() as i32,
        n_text_head: heads(model, "decoder", text.row_len())?,
        n_text_layer: text_layers,
        n_mels: n_mels as i32,
    })
}

/// Lists the tensors of the ggml file. Errors if one is missing or has another shape than the sizes ask for.
pub(crate) fn tensors(
    model: &Model,
    parameters: &Hyperparameters,
) -> Result<Vec<Planned>, WeightsError> {
    let (audio, text) = (
        parameters.n_audio_state as u64,
        parameters.n_text_state as u64,
    );
    let mut plan = Plan {
        model,
        tensors: Vec::new(),
    };
    debug_assert!(vocabulary::TOKENS < parameters.n_vocab as usize);

    plan.positions("decoder", parameters.n_text_ctx as u64, text)?;
    plan.positions("encoder", parameters.n_audio_ctx as u64, audio)?;
    let dims = vec![parameters.n_vocab as u64, text];
    plan.add(
        "decoder.token_embedding.weight",
        "decoder/embeddings/weight",
        dims,
        Element::F16,
    )?;
    for layer in 0..parameters.n_text_layer {
        let (ggml, ct2) = (
            format!("decoder.blocks.{layer}"),
            format!("decoder/layer_{layer}"),
        );
        plan.feed_forward(&ggml, &ct2, text)?;
        plan.self_attention(&ggml, &ct2, text)?;
        plan.cross_attention(&ggml, &ct2, text, audio)?;
    }
    plan.norm("decoder.ln", "decoder/layer_norm", text)?;
    plan.convolution("conv1", audio, parameters.n_mels as u64)?;
    plan.convolution("conv2", audio, audio)?;
    for layer in 0..parameters.n_audio_layer {
        let (ggml, ct2) = (
            format!("encoder.blocks.{layer}"),
            format!("encoder/layer_{layer}"),
        );
        plan.feed_forward(&ggml, &ct2, audio)?;
        plan.self_attention(&ggml, &ct2, audio)?;
    }
    plan.norm("encoder.ln_post", "encoder/layer_norm", audio)?;
    Ok(plan.tensors)
}

fn layers(model: &Model, side: &str) -> i32 {
    let present = |layer: &i32| {
        model
            .find(&format!("{side}/layer_{layer}/ffn/linear_0/weight"))
            .is_some()
    };
    (0..MAX_SIZE as i32).take_while(present).count() as i32
}

/// The recorded count of heads; models converted before it was recorded have 64 values a head, as all of Whisper's.
fn heads(model: &mut Model, side: &str, state: u64) -> Result<i32, WeightsError> {
    let heads = model
        .scalar(&format!("{side}/num_heads"))?
        .map_or(state / 64, |heads| u64::try_from(heads).unwrap_or(0));
    if heads == 0 || !state.is_multiple_of(heads) {
        return Err(model.problem(format!(
            "its {side} cannot have {heads} heads for {state} values"
        )));
    }
    Ok(heads as i32)
}

struct Plan<'a> {
    model: &'a Model,
    tensors: Vec<Planned>,
}

impl Plan<'_> {
    fn positions(&mut self, side: &str, context: u64, state: u64) -> Result<(), WeightsError> {
        let source = format!("{side}/position_encodings/encodings");
        self.add(
            &format!("{side}.positional_embedding"),
            &source,
            vec![context, state],
            Element::F32,
        )
    }

    fn feed_forward(&mut self, ggml: &str, ct2: &str, state: u64) -> Result<(), WeightsError> {
        let inner = self
            .model
            .tensor(&format!("{ct2}/ffn/linear_0/weight"))?
            .rows();
        self.norm(
            &format!("{ggml}.mlp_ln"),
            &format!("{ct2}/ffn/layer_norm"),
            state,
        )?;
        self.linear(
            &format!("{ggml}.mlp.0"),
            &format!("{ct2}/ffn/linear_0"),
            [inner, state],
        )?;
        self.linear(
            &format!("{ggml}.mlp.2"),
            &format!("{ct2}/ffn/linear_1"),
            [state, inner],
        )
    }

    /// CTranslate2 joins query, key and value into one matrix. Whisper's key has no bias: the joined one is zero there.
    fn self_attention(&mut self, ggml: &str, ct2: &str, state: u64) -> Result<(), WeightsError> {
        let joined = format!("{ct2}/self_attention/linear_0");
        self.norm(
            &format!("{ggml}.attn_ln"),
            &format!("{ct2}/self_attention/layer_norm"),
            state,
        )?;
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            let part = Part {
                index: part as u64,
                of: 3,
                bias: name != "key",
            };
            self.linear_part(
                &format!("{ggml}.attn.{name}"),
                &joined,
                [state, state],
                part,
            )?;
        }
        self.linear(
            &format!("{ggml}.attn.out"),
            &format!("{ct2}/self_attention/linear_1"),
            [state, state],
        )
    }

    fn cross_attention(
        &mut self,
        ggml: &str,
        ct2: &str,
        state: u64,
        audio: u64,
    ) -> Result<(), WeightsError> {
        let joined = format!("{ct2}/attention/linear_1");
        self.norm(
            &format!("{ggml}.cross_attn_ln"),
            &format!("{ct2}/attention/layer_norm"),
            state,
        )?;
        self.linear(
            &format!("{ggml}.cross_attn.query"),
            &format!("{ct2}/attention/linear_0"),
            [state, state],
        )?;
        for (part, name) in ["key", "value"].into_iter().enumerate() {
            let part = Part {
                index: part as u64,
                of: 2,
                bias: name != "key",
            };
            self.linear_part(
                &format!("{ggml}.cross_attn.{name}"),
                &joined,
                [state, audio],
                part,
            )?;
        }
        self.linear(
            &format!("{ggml}.cross_attn.out"),
            &format!("{ct2}/attention/linear_2"),
            [state, state],
        )
    }

    /// whisper.cpp adds a convolution's bias as a column, and wants it in single precision.
    fn convolution(&mut self, name: &str, state: u64, channels: u64) -> Result<(), WeightsError> {
        let (ggml, ct2) = (format!("encoder.{name}"), format!("encoder/{name}"));
        let dims = vec![state, channels, KERNEL];
        self.add(
            &format!("{ggml}.weight"),
            &format!("{ct2}/weight"),
            dims,
            Element::F16,
        )?;
        self.add(
            &format!("{ggml}.bias"),
            &format!("{ct2}/bias"),
            vec![state, 1],
            Element::F32,
        )
    }

    fn norm(&mut self, ggml: &str, ct2: &str, state: u64) -> Result<(), WeightsError> {
        self.add(
            &format!("{ggml}.weight"),
            &format!("{ct2}/gamma"),
            vec![state],
            Element::F32,
        )?;
        self.add(
            &format!("{ggml}.bias"),
            &format!("{ct2}/beta"),
            vec![state],
            Element::F32,
        )
    }

    fn linear(&mut self, ggml: &str, ct2: &str, dims: [u64; 2]) -> Result<(), WeightsError> {
        self.linear_part(
            ggml,
            ct2,
            dims,
            Part {
                index: 0,
                of: 1,
                bias: true,
            },
        )
    }

    fn linear_part(
        &mut self,
        ggml: &str,
        ct2: &str,
        dims: [u64; 2],
        part: Part,
    ) -> Result<(), WeightsError> {
        self.add_part(
            &format!("{ggml}.weight"),
            &format!("{ct2}/weight"),
            dims.to_vec(),
            Element::F16,
            part,
        )?;
        if part.bias {
            self.add_part(
                &format!("{ggml}.bias"),
                &format!("{ct2}/bias"),
                vec![dims[0]],
                Element::F32,
                part,
            )?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        ggml: &str,
        ct2: &str,
        dims: Vec<u64>,
        element: Element,
    ) -> Result<(), WeightsError> {
        self.add_part(
            ggml,
            ct2,
            dims,
            element,
            Part {
                index: 0,
                of: 1,
                bias: false,
            },
        )
    }

    fn add_part(
        &mut self,
        ggml: &str,
        ct2: &str,
        dims: Vec<u64>,
        element: Element,
        part: Part,
    ) -> Result<(), WeightsError> {
        let source = self.model.tensor(ct2)?;
        let rows = dims[0];
        let row_len: u64 = dims[1..].iter().product();
        if source.rows() != rows * part.of || source.row_len() != row_len {
            let found = &source.dims;
            return Err(self.model.problem(format!(
                "the tensor {ct2} has the shape {found:?}, which fits no Whisper"
            )));
        }
        self.tensors.push(Planned {
            name: ggml.to_owned(),
            dims,
            element,
            source,
            first_row: part.index * rows,
            rows,
        });
        Ok(())
    }
}

/// A share of a tensor that CTranslate2 joined from several.
#[derive(Clone, Copy)]
struct Part {
    index: u64,
    of: u64,
    /// Whether a linear layer's part has a bias of its own.
    bias: bool,
}
