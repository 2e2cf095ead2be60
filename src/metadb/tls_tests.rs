use super::*;

/// Of a CA; nobody has what it would sign.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUE2CCYFvvfQcmYQSh2JnOegwN5d4wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI5MDk1NDE2WhgPMjEyNjExMDUwOTU0MTZa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG+QDfoGo
lISgYre+4Ff6F3Lm01V+chn/cuMc8BrOwBjTD+4v0plYv6ZpUsfS3DpcUbe6LcwW
0HlsCXUixVXr5KNTMFEwHQYDVR0OBBYEFEOcycg6fNLZ/MaepZiWQZs8WX1WMB8G
A1UdIwQYMBaAFEOcycg6fNLZ/MaepZiWQZs8WX1WMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAKwBeDHoqSsAKH6ZIUW86ac98MUnKQ75DElU3+ca
pLvWAiEAmV1GEDcOpH1B5u6Se9jlcem4yw9hNR+lzSr/Lr7kqZ4=
-----END CERTIFICATE-----
";
/// Its key, for nothing but these tests.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0LaMeZ5YhO3tZnOW
xGpwoeo+61obP8+0J57FpdUS2FahRANCAAQb5AN+gaiUhKBit77gV/oXcubTVX5y
Gf9y4xzwGs7AGNMP7i/SmVi/pmlSx9LcOlxRt7otzBbQeWwJdSLFVevk
-----END PRIVATE KEY-----
";

fn texts(authority: Option<&str>, client: Option<(&str, &str)>) -> TlsTexts {
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    TlsTexts {
        authorities: authority.map(bytes),
        client: client.map(|(certificate, key)| (bytes(certificate), bytes(key))),
    }
}

fn build(mode: TlsMode, texts: &TlsTexts) -> Result<(), TlsTextError> {
    TlsRules::build(mode, texts).map(drop)
}

#[test]
fn what_proves_who_answers_needs_something_to_prove_it_by() {
    for mode in [TlsMode::VerifyCa, TlsMode::VerifyIdentity] {
        for (authority, judged) in [
            (None, Err(TlsTextError::NoAuthority)),
            (Some(""), Err(TlsTextError::Authority)),
            (Some("no certificate"), Err(TlsTextError::Authority)),
            (Some(KEY), Err(TlsTextError::Authority)),
            (Some(CA), Ok(())),
        ] {
            assert_eq!(
                build(mode, &texts(authority, None)),
                judged,
                "{authority:?}"
            );
        }
        let bundle = [CA, CA].concat();
        assert_eq!(build(mode, &texts(Some(&bundle), None)), Ok(()));
    }
    for mode in [TlsMode::Prefer, TlsMode::Require] {
        assert_eq!(build(mode, &texts(None, None)), Ok(()));
    }
}

#[test]
fn a_certificate_of_our_own_comes_with_its_key() {
    let judge = |certificate, key| build(TlsMode::Require, &texts(None, Some((certificate, key))));
    assert_eq!(judge(CA, KEY), Ok(()));
    assert_eq!(judge("", KEY), Err(TlsTextError::Certificate));
    assert_eq!(judge(CA, CA), Err(TlsTextError::PrivateKey));
    assert_eq!(judge(CA, ""), Err(TlsTextError::PrivateKey));
}

#[test]
fn a_name_that_no_certificate_bears_is_trouble_only_where_it_is_looked_at() {
    for (host, is_name) in [
        ("metadb.oms.svc", true),
        ("10.0.0.1", true),
        ("fd00::1", true),
        ("not a name", false),
    ] {
        let name = |mode| {
            let rules = TlsRules::build(mode, &texts(Some(CA), None)).unwrap();
            rules.name_server(host)
        };
        assert_eq!(name(TlsMode::VerifyIdentity).is_some(), is_name, "{host}");
        assert!(name(TlsMode::VerifyCa).is_some(), "{host}");
    }
}
