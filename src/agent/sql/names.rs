//! SQL strings, and the names of the databases that the agent makes. No I/O.

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
}
