//! SQL strings, and the names of the databases that the agent makes. No I/O.
use crate::protocol::hex::hash_text;

/// `text` as an SQL string. Back-slashes are escaped, so `NO_BACKSLASH_ESCAPES` must be off in the session.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{1a}' => out.push_str("\\Z"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The kinds of databases that the agent makes beside a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A dump loaded for a restore, before the swap.
    Restore,
    /// The tables that a restore replaced.
    Safety,
    /// A dump loaded for a verification.
    Verify,
    /// The probe's scratch databases.
    Probe,
}

impl Beside {
    /// What stands between the live name and the suffix.
    pub fn infix(self) -> &'static str {
        match self {
            Self::Restore => "__omsrestore_",
            Self::Safety => "__omsnew_",
            Self::Verify => "__omsverify_",
            Self::Probe => "__omsprobe_",
        }
    }

    /// Name of the database beside `live`.
    pub fn name(self, live: &str, suffix: &str) -> String {
        format!("{live}{}{suffix}", self.infix())
    }

    /// The suffix of `name` if it is a database of this kind beside `live`.
    pub fn suffix_of<'n>(self, live: &str, name: &'n str) -> Option<&'n str> {
        let suffix = name.strip_prefix(live)?.strip_prefix(self.infix())?;
        let well_formed =
            !suffix.is_empty() && suffix.bytes().all(|b| b.is_ascii_digit() || b == b'_');
        well_formed.then_some(suffix)
    }
}

/// Suffix of a probe's databases. Each upgrade has its own: two that look at one MetaDB hold no lock yet, and must not
/// drop what the other tries. Five digits, which is what the names of live databases leave room for.
pub fn find_probe_suffix(upgrade_uid: &str) -> String {
    let hash = hash_text(upgrade_uid);
    let number = hash.bytes().take(8).fold(0_u32, |sum, digit| {
        sum.wrapping_mul(31).wrapping_add(u32::from(digit))
    });
    (FIRST_PROBE + number % (100_000 - FIRST_PROBE)).to_string()
}

/// Smaller numbers were the attempts of former versions, whose leftovers are anybody's to drop.
const FIRST_PROBE: u32 = 10_000;

/// Whether a suffix is one of the upgrade's own, or a former version's.
pub fn is_own_probe(suffix: &str, own: &str) -> bool {
    let number = suffix.split('_').next().unwrap_or_default();
    let is_former = number.parse().is_ok_and(|number: u32| number < FIRST_PROBE);
    number == own || is_former
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_back_slashes_are_escaped() {
        assert_eq!(literal("it's \\ ok"), r"'it\'s \\ ok'");
    }

    #[test]
    fn only_own_names_are_recognised() {
        assert_eq!(Beside::Restore.name("oms_rm", "3"), "oms_rm__omsrestore_3");
        assert_eq!(
            Beside::Restore.suffix_of("oms_rm", "oms_rm__omsrestore_3"),
            Some("3")
        );
        assert_eq!(
            Beside::Safety.suffix_of("oms_rm", "oms_rm__omsnew_3_2"),
            Some("3_2")
        );
        for foreign in [
            "oms_rm",
            "oms_rm__omsrestore_",
            "oms_rm__omsrestore_x",
            "oms_cm__omsrestore_1",
            "oms_rm2__omsrestore_1",
        ] {
            assert_eq!(
                Beside::Restore.suffix_of("oms_rm", foreign),
                None,
                "{foreign}"
            );
        }
    }

    #[test]
    fn each_upgrade_has_its_own_suffix_and_drops_no_other() {
        let (one, other) = (find_probe_suffix("uid-1"), find_probe_suffix("uid-2"));
        assert_eq!((one.len(), other.len()), (5, 5));
        for (suffix, own) in [
            (one.as_str(), true),
            (&format!("{one}_2"), true),
            ("3", true),
            ("3_2", true),
            (&other, false),
            (&format!("{other}_2"), false),
            ("123456789012", false),
        ] {
            assert_eq!(is_own_probe(suffix, &one), own, "{suffix}");
        }
    }
}
