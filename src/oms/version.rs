//! Versions of OMS Community Edition: reading them out of image tags, and which may be upgraded
//! to which. No I/O.
use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of OMS Community Edition, e.g. 3.3.1 or 4.0.0 with bug-fix build 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OmsVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
    /// Bug-fix build (`_bp1` is 1); 0 for the release itself.
    pub build: u16,
}

impl OmsVersion {
    /// The release `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
            build: 0,
        }
    }

    /// The same release without its bug-fix build: what upgrade paths are stated for.
    pub fn release(self) -> Self {
        Self { build: 0, ..self }
    }
}

impl fmt::Display for OmsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}-CE", self.major, self.minor, self.patch)?;
        if self.build > 0 {
            write!(f, "_BP{}", self.build)?;
        }
        Ok(())
    }
}

/// Upgrades that one documented procedure describes, the one that this operator carries out: the target, and the
/// versions from which it is reached in one step.
///
/// 4.0.0: its upgrade guide and FAQ. 4.1.0: its guide is the same word for word, and names one source more (oms-doc,
/// branch V4.1.0). 4.1.1 has no upgrade at all (fresh installation), and later ones have other procedures.
pub const UPGRADE_PATHS: &[(OmsVersion, &[OmsVersion])] = &[
    (
        OmsVersion::new(4, 0, 0),
        &[
            OmsVersion::new(3, 2, 2),
            OmsVersion::new(3, 3, 0),
            OmsVersion::new(3, 3, 1),
        ],
    ),
    (
        OmsVersion::new(4, 1, 0),
        &[
            OmsVersion::new(3, 2, 2),
            OmsVersion::new(3, 3, 0),
            OmsVersion::new(3, 3, 1),
            OmsVersion::new(4, 0, 0),
        ],
    ),
];

/// From which releases this one is reached in one documented step; bug-fix builds count as their release. Empty where
/// no such upgrade is documented.
pub fn list_sources(target: OmsVersion) -> &'static [OmsVersion] {
    let path = UPGRADE_PATHS
        .iter()
        .find(|(release, _)| *release == target.release());
    path.map_or(&[], |(_, sources)| sources)
}

/// True when the guide knows this upgrade; bug-fix builds count as their release.
pub fn is_upgrade_supported(source: OmsVersion, target: OmsVersion) -> bool {
    list_sources(target).contains(&source.release())
}

/// Last version that cannot run on hosts with cgroup v2 (troubleshooting guide: server status
/// abnormal, resolved in versions later than V4.2.4).
pub const LAST_NEEDING_CGROUP_V1: OmsVersion = OmsVersion::new(4, 2, 4);

/// True when the host of this version must run cgroup v1.
pub fn needs_cgroup_v1(version: OmsVersion) -> bool {
    version.release() <= LAST_NEEDING_CGROUP_V1
}

/// Reads a version out of an image reference or a bare tag, e.g. `registry/oms:feature_3.3.1-ce`,
/// `3.3.1-ce`, `feature_4.0.0-ce_bp1`, `feature_3.3.0-bp1`, `oms:4.0.0-ce@sha256:…`.
///
/// `None` when the tag has no `x.y.z`, or where tag or repository name the Enterprise Edition, which carries the same
/// numbers: an unknown version stays unknown. An edition that is not named is the Community Edition: it has been
/// published under such tags (`oms-all-in-one:feature_3.3.0-bp1`), the other one in no public registry.
pub fn parse_image_version(image: &str) -> Option<OmsVersion> {
    let without_digest = image.split('@').next().unwrap_or(image);
    let last = without_digest.rsplit('/').next()?;
    // Without a colon only a bare tag may be meant; a repository name such as `oms` has no numbers.
    let last = last.to_ascii_lowercase();
    let (repository, tag) = last.rsplit_once(':').unwrap_or(("", &last));
    let split = |text: &'_ str| -> Vec<String> {
        let words = text.split(['_', '-']).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let words = split(tag);
    let is_enterprise = |word: &String| matches!(word.as_str(), "ee" | "enterprise");
    if words.iter().chain(&split(repository)).any(is_enterprise) {
        return None;
    }
    let mut numbered = words
        .iter()
        .enumerate()
        .filter_map(|(i, word)| Some((i, parse_numbers(word.strip_prefix('v').unwrap_or(word))?)));
    let (at, version) = numbered.next()?;
    if numbered.next().is_some() {
        return None;
    }
    let builds = words.get(at + 1..)?.iter();
    let build = builds
        .filter_map(|word| word.strip_prefix("bp")?.parse().ok())
        .next_back()
        .unwrap_or(0);
    Some(OmsVersion { build, ..version })
}

/// Reads a version as people write it, e.g. `3.3.1` or `4.0.0_BP1`.
pub fn parse_version(text: &str) -> Option<OmsVersion> {
    match text.split_once("_BP") {
        None => parse_numbers(text),
        Some((release, build)) => Some(OmsVersion {
            build: parse_number(build)?,
            ..parse_numbers(release)?
        }),
    }
}

fn parse_numbers(word: &str) -> Option<OmsVersion> {
    let mut parts = word.split('.');
    let version = OmsVersion::new(
        parse_number(parts.next()?)?,
        parse_number(parts.next()?)?,
        parse_number(parts.next()?)?,
    );
    parts.next().is_none().then_some(version)
}

fn parse_number(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u16, minor: u16, patch: u16, build: u16) -> Option<OmsVersion> {
        Some(OmsVersion {
            build,
            ..OmsVersion::new(major, minor, patch)
        })
    }

    #[test]
    fn reads_the_tags_that_are_in_use() {
        for (image, expected) in [
            (
                "reg.docker.alibaba-inc.com/oceanbase/oms:feature_3.3.1-ce",
                version(3, 3, 1, 0),
            ),
            ("3.3.1-ce", version(3, 3, 1, 0)),
            ("feature_4.0.0-ce_bp1", version(4, 0, 0, 1)),
            ("registry:5000/oms:feature_4.2.11_ce", version(4, 2, 11, 0)),
            ("localhost/oms-standin:4.0.0-ce", version(4, 0, 0, 0)),
            ("r/oms:V4.0.0-CE@sha256:00aa", version(4, 0, 0, 0)),
            ("oms:4.0.0-ce-20230401", version(4, 0, 0, 0)),
            (
                "reg.docker.alibaba-inc.com/oboms/oms-all-in-one:feature_3.3.0-bp1",
                version(3, 3, 0, 1),
            ),
            ("oms:4.0.0", version(4, 0, 0, 0)),
            ("oceanbase/oms-ce:feature_4.2.11_ce", version(4, 2, 11, 0)),
        ] {
            assert_eq!(parse_image_version(image), expected, "{image}");
        }
    }

    #[test]
    fn leaves_unknown_what_is_not_said() {
        for image in [
            "",
            "oms",
            "oms:latest",
            "r/oms@sha256:3310",
            "oms-ee:4.0.0",
            "oms:4.0-ce",
            "oms:4.0.0.1-ce",
            "oms:feature_4.0.0-ee",
            "oms:3.3.1-to-4.0.0-ce",
            "registry:5000/oms",
            "oms:99999.0.0-ce",
            "3.3.1-ce.example.com/oms",
        ] {
            assert_eq!(parse_image_version(image), None, "{image}");
        }
    }

    #[test]
    fn knows_the_documented_paths_only() {
        let release = |text: &str| parse_version(text).unwrap();
        for (source, target, supported) in [
            ("3.2.2", "4.0.0_BP1", true),
            ("3.3.0_BP1", "4.0.0", true),
            ("3.2.1", "4.0.0", false),
            ("4.0.0", "4.0.0", false),
            ("3.3.1", "4.1.0", true),
            ("4.0.0_BP1", "4.1.0", true),
            ("4.1.0", "4.0.0", false),
            ("4.1.0", "4.1.1", false),
            ("3.2.2", "3.3.1", false),
        ] {
            let found = is_upgrade_supported(release(source), release(target));
            assert_eq!(found, supported, "{source} to {target}");
        }
    }

    #[test]
    fn reads_a_version_as_people_write_it() {
        assert_eq!(parse_version("3.3.1"), version(3, 3, 1, 0));
        assert_eq!(parse_version("4.0.0_BP1"), version(4, 0, 0, 1));
        for text in ["", "3.3", "3.3.1-ce", "4.0.0_BP", "v4.0.0", "4.0.0_BPx"] {
            assert_eq!(parse_version(text), None, "{text}");
        }
    }
}
