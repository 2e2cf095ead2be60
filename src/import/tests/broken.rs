//! What is wrong is told with its place, and without a value.
use super::*;

#[test]
fn unknown_words_and_broken_values_name_their_place() {
    for (option, words) in [
        (
            "--no-such x",
            "line 1: --no-such is no option of docker run or podman run that is known here",
        ),
        ("-dx", "line 1: -x is no option"),
        ("-v a:b", "line 1: --volume: is not SOURCE:TARGET"),
        ("--cpus many", "line 1: --cpus: is no number"),
        ("--memory=lots", "line 1: --memory: is no size"),
        (
            "--mount type=bind,source=/a",
            "line 1: --mount: has no absolute target",
        ),
        ("--add-host x", "line 1: --add-host: is not NAME:ADDRESS"),
        (
            "--stop-timeout x",
            "line 1: --stop-timeout: is no number of seconds",
        ),
    ] {
        let told = refuse(&LINE.replace("-dit", &format!("-d {option}")));
        assert!(told.starts_with(words), "{told}");
    }
    assert_eq!(
        refuse(
            &LINE
                .replace("    registry.example.com/oms:feature_3.3.1-ce\n", "")
                .replace("registry.example.com/oms:feature_3.3.1-ce", "")
        ),
        "line 4: no image stands at the end of the line"
    );
    assert_eq!(refuse("docker run --name"), "line 1: --name has no value");
    assert!(refuse("docker ps").starts_with("nothing that runs a container"));
    assert!(refuse("").starts_with("nothing that runs a container"));
    assert!(
        refuse("docker run -d --name web -v /a:/usr/share nginx")
            .starts_with("the container web is not OMS")
    );
}

#[test]
fn broken_json_names_its_place_and_shows_no_value() {
    let whole = inspect().to_string();
    assert!(
        refuse(&whole[..whole.len() - 3]).starts_with("line 1, column "),
        "{}",
        refuse(&whole[..whole.len() - 3])
    );
    assert!(refuse("[{\n\"a\": x}]").starts_with("line 2, column 6: "));
    let mut wrong = inspect();
    wrong[0]["HostConfig"]["Memory"] = json!("canary");
    let told = refuse(&wrong.to_string());
    assert!(
        told.starts_with("HostConfig.Memory: ") && !told.contains("canary"),
        "{told}"
    );
    assert!(refuse("[]").starts_with("there is no container"));
    assert!(refuse("[{\"Id\": \"x\", \"RepoTags\": []}]").starts_with("there is no container"));
    let two = json!([inspect()[0], {"Name": "/other"}]).to_string();
    assert!(
        refuse(&two).starts_with("2 containers were given (oms_test, other)"),
        "{}",
        refuse(&two)
    );
    assert_eq!(
        cut_notes(&import(&format!("\u{feff}{LINE}"))),
        cut_notes(&import(LINE))
    );
    let prompt = format!("[root@box ~]# {LINE}");
    assert_eq!(
        cut_notes(&import(&prompt.replace('\n', "\r\n"))),
        cut_notes(&import(LINE))
    );
}
