//! Values of options of `docker run`, and of fields of `docker inspect`.
use crate::import::container::{Mount, Port};

/// `SOURCE:TARGET[:OPTIONS]`, or a target alone for a volume without a name.
pub(crate) fn read_volume(value: &str) -> Result<Mount, &'static str> {
    let mut parts = value.split(':');
    let (first, second, options) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err("has more than three parts between colons");
    }
    let (source, target) = match (first, second) {
        (Some(source), Some(target)) => (Some(source.to_owned()), target),
        (Some(target), None) => (None, target),
        (None, _) => return Err("is empty"),
    };
    if !target.starts_with('/') || source.as_deref() == Some("") {
        return Err("is not SOURCE:TARGET[:OPTIONS] with an absolute target");
    }
    Ok(Mount {
        is_volume: source.as_deref().is_none_or(is_volume_name),
        source,
        target: trim_path(target),
        read_only: options.is_some_and(|all| all.split(',').any(|option| option == "ro")),
    })
}

/// `type=bind,source=/a,target=/b,readonly`.
pub(crate) fn read_mount(value: &str) -> Result<Mount, &'static str> {
    let (mut kind, mut source, mut target, mut read_only) = ("volume", None, None, false);
    for part in value.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        match key {
            "type" => kind = value,
            "source" | "src" => source = Some(value.to_owned()),
            "target" | "destination" | "dst" => target = Some(trim_path(value)),
            "readonly" | "ro" => read_only = value != "false" && value != "0",
            _ => {}
        }
    }
    if !["bind", "volume"].contains(&kind) {
        return Err("is of a type that is neither bind nor volume");
    }
    let target = target
        .filter(|path| path.starts_with('/'))
        .ok_or("has no absolute target")?;
    if kind == "bind" && source.is_none() {
        return Err("is of type bind and has no source");
    }
    Ok(Mount {
        source,
        target,
        read_only,
        is_volume: kind == "volume",
    })
}

fn trim_path(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { path } else { trimmed }.to_owned()
}

/// Docker takes what is no path for the name of a volume.
fn is_volume_name(source: &str) -> bool {
    source.starts_with(|first: char| first.is_ascii_alphanumeric()) && !source.contains('/')
}

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`; ranges are not read.
pub(crate) fn read_port(value: &str) -> Result<Port, &'static str> {
    let (ports, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let mut parts = ports.rsplit(':');
    let number = |text: &str| text.parse::<u16>().ok().map(i32::from);
    let container = parts
        .next()
        .and_then(number)
        .ok_or("is not one port, or HOST:CONTAINER")?;
    let host = match parts.next() {
        None | Some("") => None,
        Some(text) => Some(number(text).ok_or("is not one port, or HOST:CONTAINER")?),
    };
    Ok(Port {
        container,
        host,
        is_udp: protocol == "udp",
    })
}

/// `16g`, `512m`, `1.5G`, `1073741824`: bytes.
pub(crate) fn read_size(value: &str) -> Option<u64> {
    let lower = value.to_ascii_lowercase();
    let bare = lower.trim_end_matches("ib").trim_end_matches('b');
    let (number, factor) = match bare.chars().last()? {
        'k' => (&bare[..bare.len() - 1], 10),
        'm' => (&bare[..bare.len() - 1], 20),
        'g' => (&bare[..bare.len() - 1], 30),
        't' => (&bare[..bare.len() - 1], 40),
        _ => (bare, 0),
    };
    let thousandths = read_thousandths(number.trim())?;
    thousandths.checked_mul(1 << factor).map(|size| size / 1000)
}

/// `1`, `1.5`, `0.25`: thousandths.
pub(crate) fn read_thousandths(value: &str) -> Option<u64> {
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if part.len() > 3 && part[3..].chars().any(|digit| digit != '0') {
        return None;
    }
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(part.parse().ok()?)
}

/// Bytes as Kubernetes writes them: `16Gi`, `512Mi`, `1000`.
pub(crate) fn write_bytes(bytes: u64) -> String {
    for (unit, shift) in [("Gi", 30), ("Mi", 20), ("Ki", 10)] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Thousandths of a CPU as Kubernetes writes them: `2`, `1500m`.
pub(crate) fn write_cpus(thousandths: u64) -> String {
    match thousandths % 1000 {
        0 => (thousandths / 1000).to_string(),
        _ => format!("{thousandths}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_and_mounts() {
        let mount = read_volume("/data/oms/oms_run:/home/ds/run/:ro,Z").unwrap();
        assert_eq!(mount.source.as_deref(), Some("/data/oms/oms_run"));
        assert!(mount.target == "/home/ds/run" && mount.read_only && !mount.is_volume);
        let named = read_volume("oms_logs:/home/admin/logs").unwrap();
        assert!(named.is_volume && !named.read_only);
        let nameless = read_volume("/home/admin/logs").unwrap();
        assert!(nameless.is_volume && nameless.source.is_none());
        for path in [
            "./logs:/l",
            "~/logs:/l",
            "$PWD/logs:/l",
            "{Mounted data disk}:/l",
        ] {
            assert!(!read_volume(path).unwrap().is_volume, "{path}");
        }
        for wrong in ["", "a:b", ":/b", "/a:/b:ro:x"] {
            assert!(read_volume(wrong).is_err(), "{wrong}");
        }
        let bound = read_mount("type=bind,src=/a,dst=/b/,readonly").unwrap();
        assert!(bound.read_only && !bound.is_volume && bound.target == "/b");
        assert!(
            read_mount("source=v,target=/b,readonly=false")
                .unwrap()
                .is_volume
        );
        for wrong in [
            "type=tmpfs,target=/b",
            "type=bind,target=/b",
            "type=bind,source=/a",
            "source=a,target=b",
        ] {
            assert!(read_mount(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ports() {
        let read = |text| read_port(text).map(|port| (port.container, port.host, port.is_udp));
        assert_eq!(read("8089"), Ok((8089, None, false)));
        assert_eq!(read("18089:8089"), Ok((8089, Some(18089), false)));
        assert_eq!(read("127.0.0.1:53:5353/udp"), Ok((5353, Some(53), true)));
        assert_eq!(read("127.0.0.1::80/tcp"), Ok((80, None, false)));
        assert!(read("8000-8009:8000-8009").is_err() && read("").is_err());
    }

    #[test]
    fn sizes_and_cpus() {
        for (text, bytes, written) in [
            ("16g", 16 << 30, "16Gi"),
            ("512M", 512 << 20, "512Mi"),
            ("1.5gb", 3 << 29, "1536Mi"),
            ("64Kib", 64 << 10, "64Ki"),
            ("1000", 1000, "1000"),
            ("1000b", 1000, "1000"),
        ] {
            assert_eq!(read_size(text), Some(bytes), "{text}");
            assert_eq!(write_bytes(bytes), written);
        }
        assert_eq!(write_bytes(0), "0");
        for (text, thousandths, written) in [
            ("8", 8000, "8"),
            ("1.5", 1500, "1500m"),
            ("0.250", 250, "250m"),
            ("2.0000", 2000, "2"),
        ] {
            assert_eq!(read_thousandths(text), Some(thousandths), "{text}");
            assert_eq!(write_cpus(thousandths), written);
        }
        for wrong in ["", "x", "-1", "1.0001", "g", "99999999999999999999g", "1.x"] {
            assert_eq!(read_size(wrong), None, "{wrong}");
        }
    }
}
