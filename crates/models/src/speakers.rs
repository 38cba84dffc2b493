//! Who says what: gives the turns of speakers to the words of a transcript. Called by the store when a job ends.
//!
//! A word belongs to the turn that it overlaps most, or to the nearest one. A segment is split where the speaker changes.
//! Pure functions: the same turns give the same result, whichever worker finishes last.

mod heard;
mod nearby;
mod parts;
mod words;

use serde::{Deserialize, Serialize};

use crate::{JobResult, Segment};
use heard::heard_speakers;
use nearby::TurnIndex;
use words::{speaker_of, speakers_of_words};

pub(crate) use parts::cut;

/// Longest name of a speaker, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 64;

/// A stretch in which one speaker speaks, as a worker found it. Turns may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeakerTurn {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Number of the speaker, from 0.
    pub speaker: u32,
}

/// A speaker of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Speaker {
    /// `A`, `B` and so on, in the order of their first words.
    pub speaker: String,
    /// How long the speaker speaks, in seconds.
    pub seconds: f64,
    /// When the speaker speaks. Turns of different speakers overlap where both speak.
    pub turns: Vec<Turn>,
}

/// When a speaker speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Turn {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
}

/// What speakers are called.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpeakerNames<'a> {
    /// Numbers of the speakers that were recognised, with their names.
    pub known: &'a [(u32, String)],
    /// Names of the others, in the order of their first words; further ones are `A`, `B` and so on.
    pub in_order: &'a [String],
}

impl SpeakerNames<'_> {
    /// The name of a speaker. `numbers` are the speakers up to this one, in the order of their first words.
    fn name_of(&self, number: u32, numbers: &[u32]) -> String {
        let known = |number: u32| self.known.iter().find(|(known, _)| *known == number);
        if let Some((_, name)) = known(number) {
            return name.clone();
        }
        let mut others = numbers.iter().filter(|number| known(**number).is_none());
        let index = others.position(|other| *other == number).unwrap_or(0);
        self.name_of_other(index)
    }

    /// The name of a speaker that was not recognised: the one that was given, else the next free letter.
    fn name_of_other(&self, index: usize) -> String {
        match index.checked_sub(self.in_order.len()) {
            None => self.in_order[index].clone(),
            Some(further) => {
                let is_free = |letter: &String| {
                    !self.in_order.contains(letter)
                        && !self.known.iter().any(|(_, name)| name == letter)
                };
                let free = (0..).map(name).filter(is_free);
                free.skip(further).take(1).collect()
            }
        }
    }
}

impl JobResult {
    /// Names the speaker of each word and segment. Speakers without a word within their turns are left out. `keeps_words` says
    /// whether the client asked for words as well.
    pub fn name_speakers(
        &mut self,
        turns: &[SpeakerTurn],
        names: SpeakerNames<'_>,
        keeps_words: bool,
    ) {
        let segments = std::mem::take(&mut self.segments);
        let all = TurnIndex::new(turns);
        let index = all.of(&heard_speakers(&segments, &all));
        let mut numbers: Vec<u32> = Vec::new();
        for segment in segments {
            for (speaker, part) in split(segment, &index) {
                self.segments
                    .push(named(part, speaker, names, &mut numbers));
            }
        }

        for (id, segment) in self.segments.iter_mut().enumerate() {
            segment.id = id as u32;
            if !keeps_words {
                segment.words = None;
            }
        }
        self.speakers = numbers
            .iter()
            .map(|number| speaker(names.name_of(*number, &numbers), *number, turns))
            .collect();
    }
}

/// The name of a speaker where none is recognised.
pub(crate) fn speaker_name(index: usize, names: &[String]) -> String {
    let names = SpeakerNames {
        known: &[],
        in_order: names,
    };
    names.name_of_other(index)
}

/// `A` to `Z`, then `AA` and so on.
fn name(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", name(more - 1)),
    }
}

fn speaker(name: String, number: u32, turns: &[SpeakerTurn]) -> Speaker {
    let own = turns.iter().filter(|turn| turn.speaker == number);
    let turns = own.map(|turn| Turn {
        start: turn.start,
        end: turn.end,
    });
    Speaker::of_turns(name, turns.collect())
}

impl Speaker {
    pub(crate) fn of_turns(speaker: String, turns: Vec<Turn>) -> Self {
        let seconds: f64 = turns.iter().map(|turn| turn.end - turn.start).sum();
        Self {
            speaker,
            seconds: (seconds * 1000.0).round() / 1000.0,
            turns,
        }
    }
}

/// The segment with the name of its speaker, whose number joins `numbers` if it is new.
fn named(
    mut segment: Segment,
    speaker: Option<u32>,
    names: SpeakerNames<'_>,
    numbers: &mut Vec<u32>,
) -> Segment {
    let Some(number) = speaker else {
        return segment;
    };
    if !numbers.contains(&number) {
        numbers.push(number);
    }
    segment.name_speaker(&names.name_of(number, numbers));
    segment
}

impl Segment {
    /// Names who speaks in it.
    pub(crate) fn name_speaker(&mut self, name: &str) {
        for word in self.words.iter_mut().flatten() {
            word.speaker = Some(name.to_owned());
        }
        self.speaker = Some(name.to_owned());
    }
}

/// The parts of a segment, each with its speaker.
fn split(segment: Segment, turns: &TurnIndex) -> Vec<(Option<u32>, Segment)> {
    let words = segment.words.as_deref().unwrap_or_default();
    let turns = turns.around(&segment);
    let speakers = speakers_of_words(words, &turns);
    let is_one = speakers.windows(2).all(|pair| pair[0] == pair[1]);
    let Some(first) = speakers.first().filter(|_| !is_one) else {
        let speaker = speakers
            .first()
            .copied()
            .unwrap_or_else(|| speaker_of(segment.start, segment.end, &turns));
        return vec![(speaker, segment)];
    };

    let mut parts = vec![(*first, Vec::new())];
    for (word, speaker) in words.iter().zip(&speakers) {
        match parts.last_mut() {
            Some((last, words)) if last == speaker => words.push(word.clone()),
            _ => parts.push((*speaker, vec![word.clone()])),
        }
    }
    let (speakers, words): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    speakers.into_iter().zip(cut(&segment, words)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    fn turn(start: f64, end: f64, speaker: u32) -> SpeakerTurn {
        SpeakerTurn {
            start,
            end,
            speaker,
        }
    }

    /// A segment whose words take half a second each.
    fn segment(start: f64, text: &str) -> Segment {
        let words: Vec<Word> = text
            .split(' ')
            .enumerate()
            .map(|(index, word)| Word {
                word: word.to_owned(),
                start: start + index as f64 * 0.5,
                end: start + index as f64 * 0.5 + 0.4,
                probability: 0.9,
                speaker: None,
            })
            .collect();
        Segment {
            start,
            end: words.last().unwrap().end,
            text: text.to_owned(),
            tokens: vec![1],
            words: Some(words),
            ..Segment::default()
        }
    }

    fn check(segments: &[Segment], turns: &[SpeakerTurn], expected: &[(&str, &str)]) {
        let mut result = JobResult {
            segments: segments.to_vec(),
            ..JobResult::default()
        };
        result.name_speakers(turns, SpeakerNames::default(), true);
        let found: Vec<(&str, &str)> = result
            .segments
            .iter()
            .map(|segment| {
                let speaker = segment.speaker.as_deref().unwrap_or("-");
                (speaker, segment.text.as_str())
            })
            .collect();
        assert_eq!(found, expected);
        let ids: Vec<u32> = result.segments.iter().map(|segment| segment.id).collect();
        assert_eq!(ids, (0..ids.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_segment_is_split_where_the_speaker_changes() {
        let turns = [turn(0.0, 1.0, 7), turn(1.0, 1.45, 3), turn(1.45, 9.0, 7)];
        check(
            &[segment(0.0, "Are you sure? Yes. Then we go.")],
            &turns,
            &[("A", "Are you"), ("B", "sure?"), ("A", "Yes. Then we go.")],
        );
    }

    #[test]
    fn words_that_two_turns_cover_go_with_the_rest_of_their_sentence() {
        let turns = [turn(0.0, 2.0, 0), turn(0.9, 4.0, 1)];
        check(
            &[segment(0.0, "Well then. And I am in Texas.")],
            &turns,
            &[("A", "Well then."), ("B", "And I am in Texas.")],
        );
        check(
            &[segment(0.0, "I come from here myself. Yes.")],
            &[turn(0.0, 2.5, 0), turn(1.5, 4.0, 1)],
            &[("A", "I come from here myself."), ("B", "Yes.")],
        );
    }

    #[test]
    fn words_between_turns_go_to_the_nearest() {
        let turns = [turn(0.0, 0.4, 0), turn(1.8, 3.0, 1)];
        check(
            &[segment(0.0, "one two three four")],
            &turns,
            &[("A", "one two"), ("B", "three four")],
        );
    }

    #[test]
    fn speakers_are_named_by_their_first_words_and_the_silent_are_left_out() {
        let turns = [turn(0.0, 0.4, 5), turn(4.0, 5.0, 2), turn(8.0, 9.0, 1)];
        let mut result = JobResult {
            segments: vec![segment(4.0, "first"), segment(8.0, "second")],
            ..JobResult::default()
        };
        result.name_speakers(&turns, SpeakerNames::default(), false);
        let names: Vec<&str> = result.speakers.iter().map(|s| s.speaker.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
        assert_eq!(
            result.speakers[1].turns,
            [Turn {
                start: 8.0,
                end: 9.0
            }]
        );
        assert!(
            result
                .segments
                .iter()
                .all(|segment| segment.words.is_none())
        );
    }

    #[test]
    fn text_without_spaces_is_split_between_its_characters() {
        let mut chinese = segment(0.0, "你好 再见");
        chinese.text = "你好，再见".to_owned();
        let turns = [turn(0.0, 0.4, 0), turn(0.5, 1.0, 1)];
        check(&[chinese], &turns, &[("A", "你好，"), ("B", "再见")]);
    }

    #[test]
    fn without_turns_there_are_no_speakers() {
        check(&[segment(0.0, "hello")], &[], &[("-", "hello")]);
    }

    #[test]
    fn given_names_come_first_and_letters_do_not_repeat_them() {
        let names = ["Anna", "A"].map(str::to_owned);
        let found: Vec<String> = (0..4).map(|index| speaker_name(index, &names)).collect();
        assert_eq!(found, ["Anna", "A", "B", "C"]);
    }

    #[test]
    fn recognised_speakers_have_their_names_and_the_others_the_rest() {
        let turns: Vec<SpeakerTurn> = (0..4)
            .map(|number| turn(f64::from(number), f64::from(number) + 0.9, number))
            .collect();
        let mut result = JobResult {
            segments: vec![segment(0.0, "one two three four five six seven eight")],
            ..JobResult::default()
        };
        let names = SpeakerNames {
            known: &[(1, "A".to_owned()), (9, "Absent".to_owned())],
            in_order: &["Anna".to_owned()],
        };
        result.name_speakers(&turns, names, false);

        let found: Vec<&str> = result.speakers.iter().map(|s| s.speaker.as_str()).collect();
        assert_eq!(found, ["Anna", "A", "B", "C"]);
        let of_segments = result.segments.iter().filter_map(|s| s.speaker.as_deref());
        assert_eq!(of_segments.collect::<Vec<_>>(), found);
    }

    #[test]
    fn names_go_on_after_z() {
        let names: Vec<String> = [0, 25, 26, 51, 52].map(name).to_vec();
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA"]);
    }
}
