//! Bounds that the measured error rates are held to.

use std::fs;
use std::path::Path;

use crate::{Result, Sum};

/// Which bounds of `file` the sets exceed, a sentence each. A set without bounds, or a bound without its set, is one too.
///
/// `file` has a line for each set: its name, its error rates in percent with 0.25 s and without tolerance, and the least number of
/// recordings whose speakers are counted right.
pub(crate) fn exceeded(file: &Path, sums: &[(String, Sum)]) -> Result<Vec<String>> {
    let mut bounds = Vec::new();
    for line in fs::read_to_string(file)?.lines().skip(1) {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default().to_owned();
        let numbers = fields
            .map(str::parse)
            .collect::<std::result::Result<Vec<f64>, _>>()?;
        let [lenient, exact, counts] = numbers[..] else {
            return Err(format!("{}: not three numbers in {line:?}", file.display()).into());
        };
        bounds.push((name, lenient, exact, counts));
    }

    let mut exceeded = Vec::new();
    for (name, sum) in sums {
        let Some((_, lenient, exact, counts)) = bounds.iter().find(|bound| bound.0 == *name) else {
            exceeded.push(format!("{name} has no bounds"));
            continue;
        };
        let rates = [
            ("with 0.25 s", sum.lenient.rate(), lenient),
            ("without tolerance", sum.exact.rate(), exact),
        ];
        for (what, rate, most) in rates {
            let rate = rate * 100.0;
            if rate.is_nan() || rate > *most {
                exceeded.push(format!("{name}: {rate:.1} % {what}, at most {most}"));
            }
        }
        let right = sum.right_counts();
        if (right as f64) < *counts {
            exceeded.push(format!("{name}: {right} counts right, at least {counts}"));
        }
    }
    let is_missing = |name: &str| sums.iter().all(|(set, _)| set != name);
    let missing = bounds.iter().filter(|bound| is_missing(&bound.0));
    exceeded.extend(missing.map(|bound| format!("{} was not measured", bound.0)));
    Ok(exceeded)
}
