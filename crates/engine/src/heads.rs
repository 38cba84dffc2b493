//! Which heads of the published models follow the audio. Source: `g_aheads` in whisper.cpp, after openai/whisper.

use crate::align::Head;
use crate::weights_file::Dimensions;

/// Name, layers of the decoder, and layer and head of each.
type Known = (&'static str, usize, &'static [(usize, usize)]);

const KNOWN: [Known; 12] = [
    (
        "tiny.en",
        4,
        &[
            (1, 0),
            (2, 0),
            (2, 5),
            (3, 0),
            (3, 1),
            (3, 2),
            (3, 3),
            (3, 4),
        ],
    ),
    ("tiny", 4, &[(2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)]),
    ("base.en", 6, &[(3, 3), (4, 7), (5, 1), (5, 5), (5, 7)]),
    (
        "base",
        6,
        &[
            (3, 1),
            (4, 2),
            (4, 3),
            (4, 7),
            (5, 1),
            (5, 2),
            (5, 4),
            (5, 6),
        ],
    ),
    (
        "small.en",
        12,
        &[
            (6, 6),
            (7, 0),
            (7, 3),
            (7, 8),
            (8, 2),
            (8, 5),
            (8, 7),
            (9, 0),
            (9, 4),
            (9, 8),
            (9, 10),
            (10, 0),
            (10, 1),
            (10, 2),
            (10, 3),
            (10, 6),
            (10, 11),
            (11, 2),
            (11, 4),
        ],
    ),
    (
        "small",
        12,
        &[
            (5, 3),
            (5, 9),
            (8, 0),
            (8, 4),
            (8, 7),
            (8, 8),
            (9, 0),
            (9, 7),
            (9, 9),
            (10, 5),
        ],
    ),
    (
        "medium.en",
        24,
        &[
            (11, 4),
            (14, 1),
            (14, 12),
            (14, 14),
            (15, 4),
            (16, 0),
            (16, 4),
            (16, 9),
            (17, 12),
            (17, 14),
            (18, 7),
            (18, 10),
            (18, 15),
            (20, 0),
            (20, 3),
            (20, 9),
            (20, 14),
            (21, 12),
        ],
    ),
    (
        "medium",
        24,
        &[(13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4)],
    ),
    (
        "large-v1",
        32,
        &[
            (9, 19),
            (11, 2),
            (11, 4),
            (11, 17),
            (22, 7),
            (22, 11),
            (22, 17),
            (23, 2),
            (23, 15),
        ],
    ),
    (
        "large-v2",
        32,
        &[
            (10, 12),
            (13, 17),
            (16, 11),
            (16, 12),
            (16, 13),
            (17, 15),
            (17, 16),
            (18, 4),
            (18, 11),
            (18, 19),
            (19, 11),
            (21, 2),
            (21, 3),
            (22, 3),
            (22, 9),
            (22, 12),
            (23, 5),
            (23, 7),
            (23, 13),
            (25, 5),
            (26, 1),
            (26, 12),
            (27, 15),
        ],
    ),
    (
        "large-v3",
        32,
        &[
            (7, 0),
            (10, 17),
            (12, 18),
            (13, 12),
            (16, 1),
            (17, 14),
            (19, 11),
            (21, 4),
            (24, 1),
            (25, 6),
        ],
    ),
    (
        "large-v3-turbo",
        4,
        &[(2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14)],
    ),
];

/// The heads to align with, of weights with this name. A quantised form has those of what it was made of: `base-q5_1`
/// those of `base`. Of other weights, all heads of the last layer.
pub fn alignment_heads(name: &str, dimensions: &Dimensions) -> Vec<Head> {
    let is_of = |known: &str| {
        let rest = name.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-q"))
    };
    let layers = dimensions.text_layers;
    let known = KNOWN
        .iter()
        .find(|(known, their_layers, _)| is_of(known) && *their_layers == layers);
    if let Some((_, _, heads)) = known {
        let heads = heads.iter();
        return heads
            .map(|(layer, head)| Head {
                layer: *layer,
                head: *head,
            })
            .collect();
    }
    let layer = layers.saturating_sub(1);
    (0..dimensions.heads)
        .map(|head| Head { layer, head })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_go_by_name_and_layers() {
        let dimensions = Dimensions {
            vocabulary: 51_865,
            audio_context: 1_500,
            state: 512,
            heads: 8,
            audio_layers: 6,
            text_context: 448,
            text_layers: 6,
            mels: 80,
        };
        let first = |name| alignment_heads(name, &dimensions)[0];
        assert_eq!(first("base"), Head { layer: 3, head: 1 });
        assert_eq!(first("base-q5_1"), Head { layer: 3, head: 1 });
        assert_eq!(first("base.en"), Head { layer: 3, head: 3 });
        assert_eq!(first("ours"), Head { layer: 5, head: 0 });
        assert_eq!(first("tiny"), Head { layer: 5, head: 0 });
    }
}
