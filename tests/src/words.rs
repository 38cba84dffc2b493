//! Compares spoken and transcribed text.

/// Words that differ (substituted, left out or added) over words of the reference. Case and punctuation do not count.
pub fn word_error_rate(reference: &str, hypothesis: &str) -> f64 {
    let (reference, hypothesis) = (words(reference), words(hypothesis));
    let mut row: Vec<usize> = (0..=hypothesis.len()).collect();
    for (i, expected) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, found) in hypothesis.iter().enumerate() {
            let substituted = diagonal + usize::from(expected != found);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[hypothesis.len()] as f64 / reference.len().max(1) as f64
}

/// Whether two texts have the same words.
pub fn same_words(a: &str, b: &str) -> bool {
    words(a) == words(b)
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_word() {
        let check = |reference, hypothesis, errors: f64| {
            let rate = word_error_rate(reference, hypothesis);
            assert!((rate - errors / 4.0).abs() < 1e-9, "{hypothesis}: {rate}");
        };
        check("a b c d", "A, b. C d!", 0.0);
        check("a b c d", "a x c d", 1.0);
        check("a b c d", "a c d", 1.0);
        check("a b c d", "a b b c d", 1.0);
        check("a b c d", "", 4.0);
    }
}
