//! How the channels of a recording are transcribed, and how the transcripts of several channels are
//! merged.
//!
//! Called by the store when a job ends. A pure function of the transcripts.

use serde::{Deserialize, Serialize};

use crate::speakers::{cut, speaker_name};
use crate::{Segment, Speaker, Turn, Word};

/// Shortest pause between two words in which an answer of another channel cuts a segment, in seconds.
const CUTTING_PAUSE: f64 = 0.3;
/// Longest pause within a turn, in seconds.
const TURN_PAUSE: f64 = 0.5;

/// What becomes of the channels of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// They are mixed.
    #[default]
    Mix,
    /// Each is transcribed by itself and is a speaker.
    Split,
}

/// The transcript of a recording whose channels were transcribed by themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedChannels {
    /// The segments of all channels in the order of time, each with its speaker.
    pub segments: Vec<Segment>,
    /// The channels with words, in order.
    pub speakers: Vec<Speaker>,
}

/// Merges the segments of channels. The first channel has the first of the `names`, or `A`. A segment is cut where another channel
/// speaks in a pause of it, so that answers come after their questions.
pub fn merge_channels(channels: Vec<Vec<Segment>>, names: &[String]) -> MergedChannels {
    let middles: Vec<Vec<f64>> = channels.iter().map(|own| middles(own)).collect();
    let mut merged = MergedChannels::default();

    for (index, channel) in channels.into_iter().enumerate() {
        let others = middles.iter().enumerate();
        let others: Vec<&Vec<f64>> = others
            .filter(|(other, _)| *other != index)
            .map(|(_, middles)| middles)
            .collect();
        let name = speaker_name(index, names);
        let mut own: Vec<Segment> = channel
            .iter()
            .flat_map(|segment| cut_at_answers(segment, &others))
            .collect();
        for segment in &mut own {
            segment.name_speaker(&name);
        }
        if !own.is_empty() {
            let turns = turns(&own);
            merged.speakers.push(Speaker::of_turns(name, turns));
        }
        merged.segments.extend(own);
    }

    // Segments with the same start are ordered by channel.
    merged
        .segments
        .sort_by(|left, right| left.start.total_cmp(&right.start));
    merged
}

/// The middle of each word of a channel, in order.
fn middles(segments: &[Segment]) -> Vec<f64> {
    let words = segments
        .iter()
        .flat_map(|segment| segment.words.iter().flatten());
    let mut middles: Vec<f64> = words.map(|word| word.start.midpoint(word.end)).collect();
    middles.sort_by(f64::total_cmp);
    middles
}

fn cut_at_answers(segment: &Segment, others: &[&Vec<f64>]) -> Vec<Segment> {
    let words = segment.words.as_deref().unwrap_or_default();
    let is_answered = |left: &Word, right: &Word| {
        right.start - left.end >= CUTTING_PAUSE
            && others.iter().any(|middles| {
                let next = middles.partition_point(|middle| *middle <= left.end);
                middles
                    .get(next)
                    .is_some_and(|middle| *middle < right.start)
            })
    };
    let groups: Vec<Vec<Word>> = words
        .chunk_by(|left, right| !is_answered(left, right))
        .map(<[Word]>::to_vec)
        .collect();
    if groups.len() < 2 {
        return vec![segment.clone()];
    }
    cut(segment, groups)
}

/// When a channel speaks: its words, or its segments where words are not known.
fn turns(segments: &[Segment]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut add = |start: f64, end: f64| match turns.last_mut() {
        Some(last) if start - last.end <= TURN_PAUSE => last.end = last.end.max(end),
        _ => turns.push(Turn { start, end }),
    };
    for segment in segments {
        match segment.words.as_deref() {
            None | Some([]) => add(segment.start, segment.end),
            Some(words) => words.iter().for_each(|word| add(word.start, word.end)),
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of words with their starts; each takes 0.3 s.
    fn segment(words: &[(f64, &str)]) -> Segment {
        let text: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        let words: Vec<Word> = words
            .iter()
            .map(|(start, word)| Word {
                word: (*word).to_owned(),
                start: *start,
                end: start + 0.3,
                probability: 0.9,
                speaker: None,
            })
            .collect();
        Segment {
            start: words[0].start,
            end: words[words.len() - 1].end,
            text: text.join(" "),
            words: Some(words),
            ..Segment::default()
        }
    }

    fn check(channels: Vec<Vec<Segment>>, names: &[&str], expected: &[(&str, &str)]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let merged = merge_channels(channels, &names);
        let found: Vec<(&str, &str)> = merged
            .segments
            .iter()
            .map(|segment| (segment.speaker.as_deref().unwrap_or("-"), &*segment.text))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_answer_comes_after_its_question() {
        let left = segment(&[(0.0, "Sure?"), (2.0, "Then"), (2.4, "go.")]);
        let right = segment(&[(1.0, "Yes.")]);
        check(
            vec![vec![left], vec![right]],
            &[],
            &[("A", "Sure?"), ("B", "Yes."), ("A", "Then go.")],
        );
    }

    #[test]
    fn talk_at_the_same_time_cuts_no_sentence() {
        let left = segment(&[(0.0, "I"), (0.4, "went"), (0.8, "there.")]);
        let right = segment(&[(0.3, "Mhm.")]);
        check(
            vec![vec![left], vec![right]],
            &["Agent", "Client"],
            &[("Agent", "I went there."), ("Client", "Mhm.")],
        );
    }

    #[test]
    fn a_silent_channel_keeps_its_name_for_itself() {
        let right = segment(&[(0.0, "Hello?"), (0.5, "Hello?"), (3.0, "Well.")]);
        let merged = merge_channels(vec![Vec::new(), vec![right]], &[]);
        assert_eq!(merged.segments[0].speaker.as_deref(), Some("B"));
        let [only] = merged.speakers.as_slice() else {
            panic!("{:?}", merged.speakers)
        };
        assert_eq!((only.speaker.as_str(), only.turns.len()), ("B", 2));
        assert!((only.seconds - 1.1).abs() < 1e-9);
    }
}
