//! Values as people write them: times and sizes with units, networks.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// A time: a number with `ms`, `s`, `m`, `h` or `d`; without a unit, seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let ms_per_unit: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of time; use ms, s, m, h or d, as in 90s or 24h"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "not a time; write it as 90s, 15m or 24h".to_owned())?;
    let ms = number
        .checked_mul(ms_per_unit)
        .filter(|ms| *ms <= 3_650 * 86_400_000);
    ms.map(Duration::from_millis)
        .ok_or_else(|| "longer than ten years".to_owned())
}

/// A size: a number with `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (of 1024); without a unit,
/// bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let bytes_per_unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of size; use kB, MB, GB, KiB, MiB or GiB, as in 500MB or 2GiB"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "not a size; write it as 1048576, 500MB or 2GiB".to_owned())?;
    number
        .checked_mul(bytes_per_unit)
        .ok_or_else(|| "more bytes than can be counted".to_owned())
}

/// A network in CIDR notation; a single address is a network of one.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        format!("`{text}` is not a network; write it as 10.1.0.0/16, 192.168.1.5 or fd00::/8")
    })
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_units() {
        for (text, ms) in [
            ("0", 0),
            ("60", 60_000),
            ("90s", 90_000),
            ("500ms", 500),
            ("24h", 86_400_000),
            ("2 d", 172_800_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in ["", "soon", "-1s", "1.5h", "3 weeks", "99999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("500MB", 500_000_000),
            ("2GiB", 2 << 30),
            ("1 kb", 1000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "big", "-1", "2 GiBs", "99999999999TiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
