//! The command line as an installer meets it: exit codes, and words that say where and what. Needs no media.

use std::path::Path;
use std::process::{Command, Output};

fn doorward(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorward")).args(arguments).output().expect("the binary was built for this test")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory is ours");
    path.display().to_string()
}

fn hub_toml(directory: &Path, listen: &str) -> String {
    let state = directory.join("state");
    written(directory, "hub.toml", &format!("[server]\nlisten = {listen:?}\nstate-directory = {state:?}\n"))
}

fn door_toml(directory: &Path, more: &str) -> String {
    let credential = directory.join("credential");
    let text = format!(
        "[hub]\naddress = \"http://127.0.0.1:9\"\ncredential = {{ file = {credential:?} }}\n\
         [[button]]\nid = \"one\"\nlabel = \"One\"\nreceiver = {{ group = \"flat-1\" }}\n\
         [panel.page]\nlisten = \"127.0.0.1:0\"\n{more}"
    );
    written(directory, "door.toml", &text)
}

#[test]
fn a_wrong_word_is_a_usage_error() {
    assert_eq!(doorward(&["open-sesame"]).status.code(), Some(64));
    assert_eq!(doorward(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_broken_configuration_is_refused_with_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = door_toml(directory.path(), "[call]\nincomming = \"ring\"\n");
    for arguments in [["check", &path].as_slice(), ["run", "--config", &path].as_slice()] {
        let output = doorward(arguments);
        assert_eq!(output.status.code(), Some(78), "{}", error_of(&output));
        assert!(error_of(&output).contains("door.toml:11:1: call.incomming"), "{}", error_of(&output));
        assert!(error_of(&output).contains("incoming"), "{}", error_of(&output));
    }
}

#[test]
fn a_hub_without_tls_stays_on_this_machine() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = doorward(&["hub", "--config", &hub_toml(directory.path(), "0.0.0.0:0")]);
    assert_eq!(output.status.code(), Some(78), "{}", error_of(&output));
    assert!(error_of(&output).contains("tls"), "{}", error_of(&output));
}

#[test]
fn a_door_without_its_credential_says_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = doorward(&["run", "--config", &door_toml(directory.path(), "")]);
    assert!(!output.status.success());
    assert!(error_of(&output).contains("the door's credential"), "{}", error_of(&output));
}

#[test]
fn a_user_is_added_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = hub_toml(directory.path(), "127.0.0.1:0");
    let add = ["hub", "--config", &config, "user", "add", "anna", "--name", "Anna"];
    assert_eq!(doorward(&add).status.code(), Some(0));
    let again = doorward(&add);
    assert_eq!(again.status.code(), Some(64), "{}", error_of(&again));
    assert!(error_of(&again).contains("anna"), "{}", error_of(&again));
}

#[test]
fn an_enrolment_that_fails_leaves_the_credential_that_was_there() {
    use std::io::Write;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = door_toml(directory.path(), "");
    written(directory.path(), "credential", "the one there was\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["enrol", "--config", &config])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    child.stdin.take().expect("it is piped").write_all(b"not-a-token\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(!output.status.success());
    assert!(error_of(&output).contains("was not reached"), "{}", error_of(&output));
    let kept = std::fs::read_to_string(directory.path().join("credential")).expect("it is still there");
    assert_eq!(kept, "the one there was\n");
    assert!(!directory.path().join("credential.new").exists());
}

/// A door whose lines are on a chip that no machine has.
fn wired_door_toml(directory: &Path) -> String {
    let credential = written(directory, "credential", "0123456789abcdef0123456789abcdef\n");
    let text = format!(
        "[hub]\naddress = \"http://127.0.0.1:9\"\ncredential = {{ file = {credential:?} }}\n\
         [[button]]\nid = \"one\"\nlabel = \"One\"\nreceiver = {{ group = \"flat-1\" }}\n\
         [panel.gpio.chardev]\nbutton.one.line = \"no-such-chip:0\"\nrelay.line = \"no-such-chip:1\"\n\
         [strip.ws2812]\nspi = {{ spidev = \"/dev/no-such-bus\" }}\n\
         [camera.v4l2]\npath = \"/dev/no-such-camera\"\n[microphone.alsa]\ncard = \"NoSuch\"\n[speaker.alsa]\ncard = \"NoSuch\"\n\
         [sounds]\nringing = \"/nowhere/no-such-sound.ogg\"\n"
    );
    written(directory, "door.toml", &text)
}

#[test]
fn missing_hardware_is_listed_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = doorward(&["check", "--hardware", &wired_door_toml(directory.path()), "--watch-buttons", "100ms"]);
    assert_eq!(output.status.code(), Some(69), "{}", error_of(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts = [
        ("button one", "no-such-chip:0"),
        ("relay", "no-such-chip:1"),
        ("light", "/dev/no-such-bus"),
        ("camera", "/dev/no-such-camera"),
        ("microphone", "card NoSuch, device 0"),
        ("speaker", "card NoSuch, device 0"),
        ("sound ringing", "/nowhere/no-such-sound.ogg"),
    ];
    for (part, place) in parts {
        let row = format!("{part:13}  {place}");
        let line = table.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{row}:\n{table}"));
        assert!(line.contains("  missing  "), "{line}");
    }
    for advice in ["dtparam=spi=on", "/dev/v4l/by-id", "arecord -l", "copy the file there"] {
        assert!(table.contains(advice), "{advice}:\n{table}");
    }
    assert!(table.contains("Watching every line for 100ms"), "{table}");
    assert_eq!(doorward(&["check", "--hardware", "--watch-buttons", "2d"]).status.code(), Some(64));
}

#[test]
fn a_relay_becomes_safe_whatever_else_is_wrong_with_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let page = door_toml(directory.path(), "[call]\nno-such-key = 1\n");
    assert_eq!(doorward(&["relay-safe", "--config", &page]).status.code(), Some(0), "there is no relay to make safe");
    let path = wired_door_toml(directory.path());
    let text = std::fs::read_to_string(&path).expect("it was just written");
    std::fs::write(&path, text.replace("[hub]", "[hut]")).expect("it is writable");
    let output = doorward(&["relay-safe", "--config", &path]);
    assert!(!output.status.success());
    assert!(error_of(&output).contains("the relay on no-such-chip:1: missing"), "{}", error_of(&output));
}

#[test]
fn the_light_of_a_station_that_is_out_of_order_is_tried_until_it_is_told_to_stop() {
    use std::io::BufRead;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let page = door_toml(directory.path(), "[call]\nno-such-key = 1\n");
    assert_eq!(doorward(&["out-of-order", "--config", &page]).status.code(), Some(0), "there is no light to blink");
    let path = wired_door_toml(directory.path());
    let text = std::fs::read_to_string(&path).expect("it was just written");
    std::fs::write(&path, text.replace("[hub]", "[hut]")).expect("it is writable");
    let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["out-of-order", "--config", &path])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let failed = errors.find(|line| line.as_ref().is_ok_and(|line| line.contains("the light failed")));
    assert!(failed.is_some(), "why it is dark is said");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("every system has kill").success());
    assert!(child.wait().expect("it is our child").success());
}

#[cfg(feature = "media")]
#[test]
fn a_door_without_its_lines_starts_and_says_what_is_missing() {
    use std::io::BufRead;

    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["run", "--config", &wired_door_toml(directory.path())])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut ready = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    output.read_line(&mut ready).expect("it starts");
    assert_eq!(ready, "ready\n");
    let mut missing =
        ["the relay cannot be switched", "a line cannot be read", "the light failed", "a sound file cannot be played"]
            .to_vec();
    let errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
    for line in errors.lines() {
        let line = line.expect("it is text");
        missing.retain(|part| !line.contains(part));
        if missing.is_empty() {
            break;
        }
    }
    assert!(child.try_wait().expect("it is our child").is_none(), "it stays up");
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
    assert_eq!(missing, Vec::<&str>::new());
}
