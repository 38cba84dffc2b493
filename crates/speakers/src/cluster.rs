//! From embeddings to voices: which pieces belong to one speaker, and how many speakers there are.

use crate::{
    Bounds,
    embedding::DIMENSIONS,
    linkage::{Group, cluster, dot},
};

/// Mean cosine distance at which two clusters are two speakers.
const STOP: f32 = 0.64;
/// Pieces shorter than this do not found a speaker.
const FOUNDING_SECONDS: f32 = 1.0;
/// A speaker speaks at least so long …
const LEAST_SECONDS: f32 = 3.5;
/// … and at least this share of all speech.
const LEAST_SHARE: f32 = 0.005;
/// A group that speaks at most this share of what each of two others speaks …
const MIXTURE_SHARE: f32 = 0.5;
/// … and that is at least this near to the middle between them has pieces in which both of them speak.
const MIXTURE: f32 = 0.65;
/// Cosine from which on a known voice and a speaker are the same person.
const SAME_VOICE: f32 = 0.5;
/// Times that pieces are given to the nearest speaker.
const ROUNDS: usize = 2;
/// Steps by which the distance is lowered until there are enough speakers.
const FINER: f32 = 0.04;

/// One embedded piece.
#[derive(Clone)]
pub(crate) struct Voice {
    /// Of length 1.
    pub(crate) vector: Vec<f32>,
    /// Length of the sound that was embedded.
    pub(crate) embedded_seconds: f32,
    /// Duration of its speech.
    pub(crate) seconds: f32,
}

/// The mean vector of each speaker, of length 1. Their number is within `bounds` if the voices allow it. `progress` is called
/// often; `None` once it returns false.
pub(crate) fn speakers(
    voices: &[Voice],
    bounds: Bounds,
    progress: &mut dyn FnMut() -> bool,
) -> Option<Vec<Vec<f32>>> {
    let long: Vec<usize> = (0..voices.len())
        .filter(|index| voices[*index].embedded_seconds >= FOUNDING_SECONDS)
        .collect();
    // A recording of short answers has no other pieces.
    let founding = if long.is_empty() {
        (0..voices.len()).collect()
    } else {
        long
    };
    let vectors: Vec<&[f32]> = founding
        .iter()
        .map(|index| voices[*index].vector.as_slice())
        .collect();

    let least = bounds.min.unwrap_or(1);
    let mut stop = STOP;
    let mut large = |stop: f32| {
        let groups = cluster(&vectors, stop, progress)?;
        Some(large_enough(groups, &founding, voices))
    };
    let all = large(stop)?;
    let mut groups = without_mixtures(all.clone(), &founding, voices);
    if groups.len() < least && all.len() == least {
        // There are more speakers, as the client knows: one of them sounds like a mixture.
        groups = all;
    }
    while groups.len() < least && stop > FINER {
        stop -= FINER;
        groups = without_mixtures(large(stop)?, &founding, voices);
    }
    if let Some(most) = bounds.max {
        groups = merge_down(groups, most.max(1));
    }

    let mut centroids: Vec<Vec<f32>> = groups.iter().map(|group| unit(&group.sum)).collect();
    let mut labels = assign(voices, &centroids);
    for _ in 1..ROUNDS {
        centroids = means(voices, &labels, &centroids);
        labels = assign(voices, &centroids);
    }
    Some(means(voices, &labels, &centroids))
}

/// The speaker that each known voice belongs to, if any: the nearest pairs first, each speaker once.
pub(crate) fn recognise(known: &[Option<Vec<f32>>], centroids: &[Vec<f32>]) -> Vec<Option<usize>> {
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (index, voice) in known.iter().enumerate() {
        let Some(voice) = voice else { continue };
        for (speaker, centroid) in centroids.iter().enumerate() {
            let likeness = dot(voice, centroid);
            if likeness >= SAME_VOICE {
                pairs.push((likeness, index, speaker));
            }
        }
    }
    // The sort is stable, so of equal pairs the first one counts.
    pairs.sort_by(|left, right| right.0.total_cmp(&left.0));

    let mut found = vec![None; known.len()];
    for (_, index, speaker) in pairs {
        if found[index].is_none() && !found.contains(&Some(speaker)) {
            found[index] = Some(speaker);
        }
    }
    found
}

/// The groups that speak long enough; the largest if none does.
fn large_enough(groups: Vec<Group>, founding: &[usize], voices: &[Voice]) -> Vec<Group> {
    let seconds = |group: &Group| seconds_of(group, founding, voices);
    let total: f32 = groups.iter().map(seconds).sum();
    let least = LEAST_SECONDS.max(total * LEAST_SHARE);

    let longest = groups.iter().map(seconds).fold(0.0, f32::max);
    let least = least.min(longest);
    groups
        .into_iter()
        .filter(|group| seconds(group) >= least)
        .collect()
}

/// Leaves out groups of pieces in which two speakers are heard, one after the other. In a quick conversation there are
/// many, and they are alike.
fn without_mixtures(groups: Vec<Group>, founding: &[usize], voices: &[Voice]) -> Vec<Group> {
    let described: Vec<(f32, Vec<f32>)> = groups
        .iter()
        .map(|group| (seconds_of(group, founding, voices), unit(&group.sum)))
        .collect();
    let is_mixture = |(seconds, centroid): &(f32, Vec<f32>)| {
        let larger: Vec<&Vec<f32>> = described
            .iter()
            .filter(|(other, _)| *seconds <= other * MIXTURE_SHARE)
            .map(|(_, other)| other)
            .collect();
        larger.iter().enumerate().any(|(index, left)| {
            larger[index + 1..].iter().any(|right| {
                let both: Vec<f32> = left.iter().zip(*right).map(|(a, b)| a + b).collect();
                dot(centroid, &unit(&both)) >= MIXTURE
            })
        })
    };

    let is_one_voice: Vec<bool> = described.iter().map(|own| !is_mixture(own)).collect();
    groups
        .into_iter()
        .zip(is_one_voice)
        .filter_map(|(group, is_one)| is_one.then_some(group))
        .collect()
}

/// How long the pieces of a group are together.
fn seconds_of(group: &Group, founding: &[usize], voices: &[Voice]) -> f32 {
    let members = group.members.iter();
    members
        .map(|member| voices[founding[*member]].seconds)
        .sum()
}

/// Merges the nearest groups until there are at most `most`.
fn merge_down(mut groups: Vec<Group>, most: usize) -> Vec<Group> {
    while groups.len() > most {
        let mut best = (f32::INFINITY, 0, 1);
        for left in 0..groups.len() {
            for right in left + 1..groups.len() {
                let distance = groups[left].distance(&groups[right]);
                if distance < best.0 {
                    best = (distance, left, right);
                }
            }
        }
        let (_, left, right) = best;
        let taken = groups.remove(right);
        groups[left].merge(taken);
    }
    groups.sort_by_key(|group| group.members.first().copied());
    groups
}

/// The nearest speaker of each piece; of equally near ones the first.
pub(crate) fn assign(voices: &[Voice], centroids: &[Vec<f32>]) -> Vec<usize> {
    let nearest = |voice: &Voice| {
        let mut best = (0, f32::NEG_INFINITY);
        for (label, centroid) in centroids.iter().enumerate() {
            let likeness = dot(centroid, &voice.vector);
            if likeness > best.1 {
                best = (label, likeness);
            }
        }
        best.0
    };
    voices.iter().map(nearest).collect()
}

/// The mean vector of each speaker, weighed by seconds; the old one where nothing is left of it.
fn means(voices: &[Voice], labels: &[usize], old: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut sums = vec![vec![0.0; DIMENSIONS]; old.len()];
    for (voice, label) in voices.iter().zip(labels) {
        for (sum, value) in sums[*label].iter_mut().zip(&voice.vector) {
            *sum += value * voice.seconds;
        }
    }
    let known = sums.iter().zip(old);
    known
        .map(|(sum, old)| {
            if sum.iter().any(|value| *value != 0.0) {
                unit(sum)
            } else {
                old.clone()
            }
        })
        .collect()
}

fn unit(sum: &[f32]) -> Vec<f32> {
    let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    let scale = 1.0 / length.max(f32::EPSILON);
    sum.iter().map(|value| value * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice of 2 s, near the axis of its speaker; `seed` moves it a little.
    fn voice(speaker: usize, seed: usize) -> Voice {
        let mut vector = vec![0.0; DIMENSIONS];
        vector[speaker] = 1.0;
        vector[20 + (speaker * 7 + seed * 13) % 150] += 0.5;
        Voice {
            vector: unit(&vector),
            embedded_seconds: 2.0,
            seconds: 2.0,
        }
    }

    fn dialogue(speakers: usize, turns: usize) -> Vec<Voice> {
        (0..turns)
            .map(|turn| voice(turn % speakers, turn))
            .collect()
    }

    fn labels(voices: &[Voice], bounds: Bounds) -> Vec<usize> {
        assign(voices, &speakers(voices, bounds, &mut || true).unwrap())
    }

    fn count(labels: &[usize]) -> usize {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        labels.len()
    }

    #[test]
    fn as_many_speakers_are_found_as_there_are_voices() {
        for speakers_there in 1..8 {
            let labels = labels(&dialogue(speakers_there, 100), Bounds::default());
            assert_eq!(count(&labels), speakers_there);
            for turn in speakers_there..100 {
                assert_eq!(labels[turn], labels[turn - speakers_there]);
            }
        }
    }

    /// Sound of 2 s in which these speakers are heard, with noise of its own.
    fn sound(speakers: &[usize], noise: f32, seed: usize) -> Voice {
        let mut vector = vec![0.0; DIMENSIONS];
        for speaker in speakers {
            vector[*speaker] = 1.0;
        }
        vector[20 + seed] = noise;
        Voice {
            vector: unit(&vector),
            embedded_seconds: 2.0,
            seconds: 2.0,
        }
    }

    #[test]
    fn sound_in_which_two_speakers_are_heard_is_no_speaker() {
        let dialogue = (0..80).map(|turn| sound(&[turn % 2], 1.0, turn));
        let with_ten = |more: &dyn Fn(usize) -> Voice, bounds: Bounds| {
            let voices: Vec<Voice> = dialogue.clone().chain((80..90).map(more)).collect();
            count(&labels(&voices, bounds))
        };
        let free = Bounds::default();
        let mixture = |turn| sound(&[0, 1], 1.5, turn);
        assert_eq!(with_ten(&mixture, free), 2);
        assert_eq!(with_ten(&|turn| sound(&[2], 1.0, turn), free), 3);

        // The client knows that there is a third one.
        let three = Bounds {
            min: Some(3),
            max: Some(3),
        };
        assert_eq!(with_ten(&mixture, three), 3);
    }

    #[test]
    fn a_bound_that_holds_changes_nothing() {
        let voices = dialogue(3, 60);
        let free = labels(&voices, Bounds::default());
        let bounds = Bounds {
            min: Some(2),
            max: Some(5),
        };
        assert_eq!(labels(&voices, bounds), free);
    }

    #[test]
    fn more_speakers_than_the_most_are_merged() {
        let bounds = Bounds {
            min: None,
            max: Some(2),
        };
        assert_eq!(count(&labels(&dialogue(5, 60), bounds)), 2);
    }

    #[test]
    fn the_least_number_invents_no_speaker() {
        let bounds = Bounds {
            min: Some(4),
            max: None,
        };
        let same: Vec<Voice> = (0..30).map(|_| voice(0, 1)).collect();
        assert_eq!(count(&labels(&same, bounds)), 1);
    }

    #[test]
    fn clustering_can_be_stopped() {
        let bounds = Bounds {
            min: Some(4),
            max: None,
        };
        let voices = dialogue(2, 300);
        let mut calls = 0;
        speakers(&voices, bounds, &mut || {
            calls += 1;
            true
        });
        // The distance is lowered again and again, and each time takes some steps.
        assert!(calls > 20, "{calls} calls");
        assert!(speakers(&voices, bounds, &mut || false).is_none());
    }

    #[test]
    fn a_long_recording_is_clustered_in_blocks_with_the_same_speakers() {
        let labels = labels(&dialogue(5, 7001), Bounds::default());
        assert_eq!(count(&labels), 5);
    }

    #[test]
    fn no_voice_is_no_speaker() {
        assert!(labels(&[], Bounds::default()).is_empty());
    }

    #[test]
    fn known_voices_are_recognised_once_each() {
        let centroids = speakers(&dialogue(3, 60), Bounds::default(), &mut || true).unwrap();
        let known = [2, 0, 0, 9].map(|speaker| Some(voice(speaker, 5).vector));
        assert_eq!(
            recognise(&known, &centroids),
            [Some(2), Some(0), None, None]
        );
        assert_eq!(recognise(&[None], &centroids), [None]);
        assert_eq!(recognise(&known, &[]), [None; 4]);
    }
}
