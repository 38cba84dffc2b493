//! Channels that are split: each has its own region of the spool.

use super::*;

/// Prepares `bytes` with its channels split.
fn split(bytes: &[u8]) -> (Recording, Vec<Vec<f32>>) {
    let dir = tempfile::tempdir().unwrap();
    let (input, spool) = (dir.path().join("input"), dir.path().join("spool"));
    std::fs::write(&input, bytes).unwrap();
    let selection = Selection {
        track: AUTOMATIC,
        splits_channels: true,
    };
    let recording = prepare(&input, &spool, &Limits::default(), selection, &Never).unwrap();

    let samples = samples_of(&spool).unwrap();
    assert!(recording.fits(samples));
    let length = samples / recording.channels;
    let channels = (0..recording.channels).map(|channel| {
        let place = Span::whole(channel * length, (channel + 1) * length);
        read_span(&spool, &place).unwrap()
    });
    (recording.clone(), channels.collect())
}

/// A tone of its own in each channel, one after the other, so that none repeats another. Half a second each.
fn in_turn(rate: u32, channels: u16) -> Vec<u8> {
    let frames = rate / 2;
    (0..channels)
        .flat_map(|turn| {
            let gains: Vec<f32> = (0..channels)
                .map(|channel| f32::from(u8::from(channel == turn)))
                .collect();
            tone(rate, frames, &gains)
        })
        .collect()
}

#[test]
fn each_channel_has_its_own_sound() {
    for (rate, channels) in [(8_000, 2), (16_000, 2), (44_100, 3), (48_000, 8)] {
        let (recording, found) = split(&Wav::pcm(rate, channels).bytes(&in_turn(rate, channels)));
        assert_eq!(recording.channels, u64::from(channels));
        assert_eq!(recording.duration_ms, u64::from(channels) * 500);
        for (index, samples) in found.iter().enumerate() {
            let own = rms(&samples[index * 8_000 + 500..(index + 1) * 8_000 - 500]);
            let all = rms(samples) * f32::from(channels).sqrt();
            assert!((own - 0.3535).abs() < 0.02, "channel {index}: {own}");
            assert!((all - 0.3535).abs() < 0.02, "channel {index}: {all}");
        }
    }
}

#[test]
fn channels_beyond_the_eighth_are_in_the_eighth() {
    let (recording, found) = split(&Wav::pcm(16_000, 12).bytes(&in_turn(16_000, 12)));
    assert_eq!(recording.channels, 8);
    assert!(rms(&found[7][11 * 8_000..]) > 0.05);
}

#[test]
fn a_quiet_channel_is_stored_louder_beside_a_loud_one() {
    let mut data = tone(16_000, 16_000, &[1.0, 0.0]);
    data.extend(tone(16_000, 16_000, &[0.0, 0.005]));
    let (_, found) = split(&Wav::pcm(16_000, 2).bytes(&data));
    assert!(rms(&found[0][1_000..15_000]) > 0.3);
    assert!(rms(&found[1][17_000..31_000]) > 0.1, "raised from -52 dB");
}

#[test]
fn lengths_that_are_no_milliseconds_are_filled_up() {
    for frames in [1, 15, 16, 17, 16_001] {
        let (_, found) = split(&Wav::pcm(16_000, 2).bytes(&tone(16_000, frames, &[1.0, 0.5])));
        assert_eq!(found[0].len(), frames.next_multiple_of(16) as usize);
    }
}

#[test]
fn one_channel_stays_one() {
    let (recording, found) = split(&Wav::pcm(16_000, 1).bytes(&tone(16_000, 16_000, &[1.0])));
    assert_eq!((recording.channels, found.len()), (1, 1));
    assert!(!recording.is_one_sound);
}

#[test]
fn the_same_sound_in_all_channels_is_kept_once() {
    let (recording, found) =
        split(&Wav::pcm(16_000, 3).bytes(&tone(16_000, 32_000, &[0.5, 1.0, 0.5])));
    assert!(recording.is_one_sound);
    assert!(rms(&found[1]) > 0.3);
    assert!(
        found[0]
            .iter()
            .chain(&found[2])
            .all(|sample| *sample == 0.0)
    );
}
