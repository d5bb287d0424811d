//! Every mistake an installer can make in a configuration file, and what is said about it; and that what is shipped has none.

use std::fmt::Write as _;
use std::path::Path;

use doorward::config::Configuration;
use doorward::config::door::DoorConfig;
use doorward::config::hub::HubConfig;

const HUB: &str = "[hub]\naddress = \"https://hub.my-house.net\"\ncredential = { credential = \"hub\" }\n";
const BUTTON: &str = "[[button]]\nid = \"a\"\nlabel = \"A\"\nreceiver = { group = \"a\" }\n";

/// What is said about each of these texts, one below the other.
fn said(cases: &[&str], complaints: impl Fn(&str) -> String) -> String {
    let mut all = String::new();
    for case in cases {
        let said = complaints(case);
        assert!(!said.is_empty(), "nothing is said about {case:?}");
        writeln!(all, "-- {}\n{said}", case.trim_end().replace('\n', "\n-- ")).expect("a text takes everything");
    }
    all
}

fn about_door(text: &str) -> String {
    DoorConfig::parse("door.toml", text).err().map(|said| said.to_string()).unwrap_or_default()
}

/// The same, with hub and button where they are not what it is about.
fn about_rest(text: &str) -> String {
    about_door(&format!("{text}\n{HUB}{BUTTON}"))
}

fn about_hub(text: &str) -> String {
    HubConfig::parse("hub.toml", text).err().map(|said| said.to_string()).unwrap_or_default()
}

#[test]
fn no_toml_at_all() {
    let cases = [
        "[door\n",
        "[door]\nname = \"Front\n",
        "[door]\nname = Front\n",
        "[door]\nname = \"a\"\nname = \"b\"\n",
        "[log]\n[door]\n[log]\n",
    ];
    insta::assert_snapshot!(said(&cases, about_rest));
}

#[test]
fn unknown_and_missing_keys() {
    let cases =
        ["", HUB, BUTTON, "[hub]\n[[button]]\n[calls]\n", "call = 5\n[hub]\nadress = \"\"\n", "[button]\nid = \"a\"\n"];
    insta::assert_snapshot!(said(&cases, about_door));
}

#[test]
fn wrong_types_one_per_table() {
    let cases = [
        "[echo]\nmode = \"duplex\"\n",
        "[release]\nlock = \"open\"\n",
        "[release]\npulse = 3\n",
        "[release]\nhours = [{ button = \"a\", days = [\"monday\"], from = \"8\", until = \"12:00\" }]\n",
        "[door]\nname = 5\nstate-directory = 6\n",
        "[gestures]\nconfirm = 5\n[call]\nearly-picture = \"yes\"\n[light]\nleds = -1\n[log]\nlevel = \"verbose\"\n",
        "[gestures]\nhold = \"2 s\"\n",
        "[gestures]\nhold = \"1.5s\"\n",
        "[call]\ntype = \"vidoe\"\n",
        "[call]\npress-again = \"nothing\"\nincoming = true\n",
        "[call]\nincoming = \"autoanswer\"\n",
        "[call]\nsecond-button = \"wait\"\n",
        "[panel]\n",
        "[panel.chardev]\n",
        "[panel.page]\nlisten = \"localhost\"\n",
        "[camera.test]\npath = \"/a.png\"\n",
        "[camera.test]\n[camera.file]\npath = \"/a.png\"\n",
        "[camera.file]\n",
        "[camera]\n",
        "camera = \"test\"\n",
        "[microphone.tset]\n",
        "[speaker.file]\npath = 3\n",
        "[video]\ncodec = \"h264\"\n",
        "[video]\nwidth = 70000\n",
        "[video]\nbitrate = \"1500k\"\n",
        "[ice]\nmin-port = 65536\n",
    ];
    insta::assert_snapshot!(said(&cases, about_rest));
}

#[test]
fn wrong_lines() {
    let chardev = |lines: &str| format!("[panel.gpio.chardev]\n{lines}\n");
    let rppal = |lines: &str| format!("[panel.gpio.rppal]\n{lines}\n");
    let good = "button.a.line = \"GPIO17\"";
    let cases = [
        "[panel.gpio]\n".to_owned(),
        "[panel.gpio.sysfs]\n".to_owned(),
        "[panel.page]\n[panel.gpio.chardev]\nbutton.a.line = \"GPIO17\"\n".to_owned(),
        chardev(""),
        chardev("button.a = \"GPIO17\""),
        chardev("button.a = {}"),
        chardev("button.a.line = 17"),
        chardev("button.a.line = \"17\""),
        chardev("button.a.line = \"/dev/gpiochip0\""),
        chardev("button.a = { line = \"GPIO17\", active = \"ground\" }"),
        chardev("button.a = { line = \"GPIO17\", bias = \"up\" }"),
        chardev("button.a = { line = \"GPIO17\", debounce = \"5ms\" }"),
        chardev("button.b.line = \"GPIO17\""),
        chardev(&format!("{good}\nbutton.b.line = \"gpiochip0:1\"")),
        chardev(&format!("{good}\ntamper.line = \"GPIO4\"\nrelay.line = \"GPIO17\"\ndoor-contact.line = \"GPIO4\"")),
        chardev(&format!("{good}\nrelay = {{ line = \"GPIO4\", bias = \"pull-up\" }}")),
        rppal("button.a.line = \"GPIO17\""),
        rppal("button.a.line = 300"),
        rppal("button.a.line = 54\nrelay.line = 54"),
    ];
    insta::assert_snapshot!(said(&cases.each_ref().map(String::as_str), about_rest));
}

#[test]
fn wrong_lights() {
    let cases = [
        "[light]\nnight = { from = \"22\", until = \"06:00\", brightness = 10 }\n",
        "[light]\nnight = { from = \"22:00\", until = \"24:00\", brightness = 10 }\n",
        "[light]\nnight = { from = \"22:00\" }\n",
        "[light]\ngamma = \"2.2\"\n",
        "[strip.ws2811]\n",
        "[strip.ws2812]\n",
        "[strip.ws2812]\nspi = \"/dev/spidev0.0\"\n",
        "[strip.ws2812]\nspi = { spidev = \"spidev0.0\" }\ncolours = \"grb\"\n",
        "[strip.ws2812]\nspi = { spidev = \"spidev0.0\" }\n",
        "[strip.apa102]\nspi = { rppal = { bus = 7, select = 3 } }\n",
        "[strip.apa102]\nspi = { spidev = \"/dev/spidev0.0\" }\n[strip.none]\n",
        "[strip.lamps]\nlines = [\"GPIO5\", \"GPIO5\"]\n",
        "[light]\nleds = 1\n[strip.led-class]\nleds = [\"../brightness\"]\n",
    ];
    insta::assert_snapshot!(said(&cases, about_rest));
}

#[test]
fn wrong_cameras_and_sound_cards() {
    let camera = |lines: &str| format!("[camera.v4l2]\n{lines}\n");
    let card = |lines: &str| format!("[microphone.alsa]\n{lines}\n");
    let cases = [
        camera(""),
        camera("path = 0"),
        camera("path = \"video0\""),
        camera("device = \"/dev/video0\""),
        camera("path = \"/dev/video0\"\nformat = \"yuyv\""),
        camera("path = \"/dev/video0\"\nwidth = 640"),
        camera("path = \"/dev/video0\"\nwidth = 8000\nheight = 10\nframe-rate = 0"),
        camera("path = \"/dev/video0\"\nframe-rate = 29.97"),
        "[camera.libcamera]\n".to_owned(),
        "[camera.libcamera]\nid = \"\"\nheight = 480\n".to_owned(),
        card(""),
        card("card = 1"),
        card("card = \"1\""),
        card("card = \"hw:1,0\""),
        card("card = \"hw:CARD=Device\""),
        card("card = \"Device\"\ndevice = \"0\""),
        card("card = \"Device\"\nrate = 48\nchannels = 0"),
        card("card = \"Device\"\nplug = \"plughw\""),
        "[speaker.alsa]\ncard = 0\n".to_owned(),
        "[speaker.alsa]\ncard = \"Device\"\n[speaker.discard]\n".to_owned(),
        "[microphone.pipewire]\n".to_owned(),
        "[speaker.pipewire]\nnode = \" \"\n".to_owned(),
        "[speaker.pulse]\n".to_owned(),
    ];
    insta::assert_snapshot!(said(&cases.each_ref().map(String::as_str), about_rest));
}

/// The back ends of the shipped file that are off by default.
#[test]
fn the_shipped_back_ends_can_be_used() {
    let shipped = include_str!("../config/door.toml");
    let line = "[panel.gpio.chardev]\nbutton.flat-1.line = \"GPIO17\"\n";
    for (table, rest) in [
        ("panel.gpio.chardev", ""),
        ("panel.gpio.rppal", ""),
        ("camera.v4l2", line),
        ("camera.libcamera", line),
        ("microphone.alsa", line),
        ("microphone.pipewire", line),
        ("speaker.alsa", line),
        ("speaker.pipewire", line),
        ("sounds", line),
        ("strip.ws2812", line),
        ("strip.apa102", line),
        ("strip.lamps", &format!("{line}[light]\nleds = 3\n")),
        ("strip.led-class", &format!("{line}[light]\nleds = 1\n")),
    ] {
        let lines = shipped.lines().skip_while(|line| *line != format!("#[{table}]"));
        let lines = lines.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("# "));
        let text: String = lines.map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
        let button = "[[button]]\nid = \"flat-1\"\nlabel = \"A\"\nreceiver = { group = \"a\" }\n";
        let text = format!("{text}{rest}{HUB}{button}");
        DoorConfig::parse("door.toml", &text).unwrap_or_else(|said| panic!("[{table}]\n{said}"));
    }
}

#[test]
fn wrong_hubs_and_buttons() {
    let hub =
        |address: &str, credential: &str| format!("[hub]\naddress = {address}\ncredential = {credential}\n{BUTTON}");
    let good = "\"https://hub.my-house.net\"";
    let button = |lines: &str| format!("{HUB}[[button]]\n{lines}\n");
    let cases = [
        hub("\"hub.my-house.net\"", "{ file = \"/etc/hub\" }"),
        hub("\"http://192.168.1.5:8080\"", "{ file = \"/etc/hub\" }"),
        hub("\"https://hub.example.org\"", "{ file = \"/etc/hub\" }"),
        hub("\"https://hub:70000\"", "{ file = \"hub\" }"),
        hub(good, "\"0123456789abcdef\""),
        hub(good, "{ value = \"0123456789abcdef\" }"),
        hub(good, "{ credential = \"changeme\" }"),
        hub(good, "{ credential = \"../shadow\" }"),
        hub(good, "{ file = \"/a\", credential = \"b\" }"),
        button("id = \"flat 1\"\nlabel = \"A\"\nreceiver = { group = \"a\" }"),
        button("id = \"a\"\nlabel = \"\"\nreceiver = { group = \"a\" }"),
        button("id = \"a\"\nlable = \"A\"\nreceiver = { group = \"a\" }"),
        button("id = \"a\"\nlabel = \"A\"\nreceiver = \"a\""),
        button("id = \"a\"\nlabel = \"A\"\nreceiver = { team = \"a\" }"),
        button("id = \"a\"\nlabel = \"A\"\nreceiver = { user = \"a/b\" }"),
        button("id = \"a\"\nlabel = \"A\"\nreceiver = { group = \"a\", user = \"b\" }"),
        format!("{HUB}{BUTTON}{BUTTON}"),
        format!("{HUB}{BUTTON}[[button]]\n[[button]]\nid = 5\n"),
    ];
    insta::assert_snapshot!(said(&cases.each_ref().map(String::as_str), about_door));
}

#[test]
fn values_out_of_range_all_at_once() {
    let cases = [
        "[door]\nname = \" Front\"\nstate-directory = \"state\"\n",
        "[gestures]\nconfirm = \"1s\"\nlockout = \"0s\"\nhold = \"6s\"\nstuck = \"4s\"\n",
        "[gestures]\nhold = \"5s\"\nstuck = \"5s\"\n",
        "[call]\ndial-deadline = \"1s\"\nconnect-deadline = \"1h\"\nmedia-grace = \"1ms\"\nmaximum-duration = \"2h\"\n",
        "[panel.page]\nlisten = \"0.0.0.0:8481\"\n",
        "[camera.file]\npath = \"a.png\"\n[microphone.test]\nhertz = 10\n[speaker.file]\npath = \"a.wav\"\n",
        "[microphone.file]\npath = \"a.wav\"\n",
        "[video]\nwidth = 641\nheight = 2000\nframe-rate = 60\nbitrate = 5\n",
        "[ice]\nmin-port = 50000\n",
        "[ice]\nmin-port = 50000\nmax-port = 50001\n",
        "[ice]\nmin-port = 80\nmax-port = 50001\n",
        "[light]\nleds = 65\nbrightness = 0\nmilliamperes = 20\ngamma = 0.5\ntop = 66\n",
        "[light]\ntop = 12\nnight = { from = \"06:00\", until = \"06:00\", brightness = 0 }\n",
        "[release]\npulse = \"31s\"\nopened-within = \"3m\"\nleft-open-after = \"1s\"\ntamper-inhibits = \"2d\"\n",
        "[release]\npulse = \"20s\"\n",
        "[release]\nhours = [{ button = \"b\", days = [], from = \"12:00\", until = \"08:00\" }]\n",
    ];
    insta::assert_snapshot!(said(&cases, about_rest));
}

#[test]
fn wrong_files_of_hubs() {
    let cases = [
        "[server]\nlisten = \"0.0.0.0:8443\"\nstate-directory = \"state\"\nmax-connections = 1\nheartbeat = \"5m\"\n",
        "[server]\nlisten = 8080\n",
        "[tls]\ncertificate = \"/etc/a.pem\"\n",
        "[call]\nring-timeout = \"1s\"\nmax-viewers = 40\n",
        "[[ice]]\nurls = [\"http://a\"]\n[[ice]]\nurls = []\ncredential = \"s3cret\"\n",
        "[[ice]]\nurls = [\"turn:a\"]\n[[ice]]\nurls = [\"turn:a\"]\nusername = \"a\"\nsecret = { file = \"/s\" }\n",
        "[[ice]]\nurls = [\"turn:a\"]\nsecret = { file = \"s\" }\n[[ice]]\nurls = [\"turns:a\"]\nusername = \"a\"\n",
        "[history]\nkeep = \"forever\"\n[log]\nlevel = \"loud\"\n[serve]\n",
    ];
    let said = said(&cases, about_hub);
    assert!(!said.lines().any(|line| !line.starts_with("--") && line.contains("s3cret")), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_file_that_is_not_there_or_no_text() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = DoorConfig::load(&directory.path().join("door.toml")).expect_err("it is not there").to_string();
    assert!(said.contains("door.toml:1:1\n  found:   no readable file: No such file"), "{said}");
    std::fs::write(directory.path().join("door.toml"), b"name = \"\xff\"").expect("it is writable");
    let said = DoorConfig::load(&directory.path().join("door.toml")).expect_err("it is no text").to_string();
    assert!(said.contains("allowed: a TOML file in UTF-8"), "{said}");
}

#[test]
fn files_named_in_it_and_not_there_are_warnings() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("door.toml");
    std::fs::write(&path, format!("[camera.file]\npath = \"/nowhere/a.png\"\n{HUB}{BUTTON}")).expect("it is writable");
    assert!(DoorConfig::load(&path).is_ok(), "the file may come later");
    let said = DoorConfig::check(&path);
    assert!(!said.has_errors());
    assert!(said.to_string().contains(":2:8: warning: camera.file.path\n"), "{said}");
}

#[test]
fn sounds_that_cannot_be_played_are_errors_to_who_checks_and_nothing_to_who_starts() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path().join(name), bytes).expect("it is writable");
        directory.path().join(name).display().to_string()
    };
    let (wav, ogg) = (file("a.wav", b"RIFF\x24\0\0\0WAVEfmt "), file("a.ogg", b"OggS\0\x02\0\0\0\0\0\0"));
    let (mp3, empty) = (file("a.mp3", b"ID3\x04\0\0\0\0\0\0\0\0"), file("empty.wav", b""));
    let path = directory.path().join("door.toml");
    let mut sounds = format!("[sounds]\nringing = \"{wav}\"\nbusy = \"{ogg}\"\n{HUB}{BUTTON}");
    std::fs::write(&path, &sounds).expect("it is writable");
    assert!(DoorConfig::check(&path).is_empty(), "{}", DoorConfig::check(&path));
    sounds = format!("[sounds]\nringing = \"{mp3}\"\nbusy = \"{empty}\"\nended = \"/nowhere.ogg\"\n{HUB}{BUTTON}");
    std::fs::write(&path, &sounds).expect("it is writable");
    assert!(DoorConfig::load(&path).is_ok(), "the door has tones");
    let said = DoorConfig::check(&path);
    assert!(said.has_errors());
    let said = said.to_string();
    for words in [
        ":2:11: sounds.ringing\n",
        "found:   a file that begins with \"ID3\\u{4}\"",
        ":3:8: sounds.busy\n",
        "found:   a file that ends at once",
        ":4:9: sounds.ended\n",
        "found:   No such file or directory",
        "allowed: a WAV or Ogg file that the service can read",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn wrong_sounds() {
    let cases = ["[sounds]\nringback = \"/a.ogg\"\n", "[sounds]\nringing = \"a.ogg\"\n", "sounds.busy = 5\n"];
    insta::assert_snapshot!(said(&cases, about_rest));
}

#[test]
fn the_shipped_files_are_whole_and_say_the_defaults() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    HubConfig::load(&config.join("hub.toml")).expect("it is shipped");
    let shipped = DoorConfig::load(&config.join("door.toml")).expect("it is shipped");
    let minimal = "[hub]\naddress = \"http://127.0.0.1:8080\"\ncredential.credential = \"hub-credential\"\n\
                   [[button]]\nid = \"flat-1\"\nlabel = \"Flat 1\"\nreceiver.group = \"flat-1\"\n";
    let minimal = DoorConfig::parse("door.toml", minimal).expect("everything else has a default");
    assert_eq!(shipped, minimal);

    // Its comments, uncommented (`#key` and `#[table]` are TOML, `# text` is prose), but for the second of two kinds and for
    // what is off by default.
    let text = std::fs::read_to_string(config.join("door.toml")).expect("it was just read");
    let mut whole = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.starts_with('[') || line.starts_with("#[") {
            skipping = [".file]", ".gpio.", ".v4l2]", ".libcamera]", ".alsa]", ".pipewire]", "[sounds]"]
                .iter()
                .any(|kind| line.contains(kind))
                || (line.contains("[strip.") && !line.contains("[strip.none]"));
        }
        let optional = ["#state-directory", "#ca-file", "#night", "#socket"].iter().any(|key| line.starts_with(key));
        if !skipping && !optional {
            let bare = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
            writeln!(whole, "{bare}").expect("a text takes everything");
        }
    }
    assert_eq!(DoorConfig::parse("door.toml", &whole).unwrap_or_else(|said| panic!("{said}")), minimal);
}

#[test]
fn every_key_is_explained_in_the_shipped_file() {
    let shipped = include_str!("../config/door.toml");
    // Serde names the keys of a table when it meets one that it does not know.
    for table in [
        "door",
        "hub",
        "gestures",
        "call",
        "video",
        "ice",
        "light",
        "log",
        "sounds",
        "panel.page",
        "camera.v4l2",
        "camera.libcamera",
        "microphone.test",
        "microphone.alsa",
        "microphone.pipewire",
        "speaker.alsa",
        "speaker.pipewire",
        "panel.gpio.chardev",
        "panel.gpio.rppal",
        "strip.ws2812",
        "strip.apa102",
        "strip.lamps",
        "strip.led-class",
        "panel.gpio.chardev",
        "panel.gpio.rppal",
    ] {
        let said = about_door(&format!("[{table}]\nno-such-key = 1\n"));
        let keys = said
            .lines()
            .skip_while(|line| !line.contains("unknown key"))
            .find_map(|line| line.strip_prefix("  allowed: "));
        for key in keys.expect("the known keys are named").split(", ").map(|key| key.trim_matches('`')) {
            let explained = shipped
                .lines()
                .map(|line| line.trim_start_matches('#'))
                .any(|line| line.starts_with(&format!("{key} = ")) || line.starts_with(&format!("{key}.")));
            assert!(explained, "[{table}] {key} is not in config/door.toml");
        }
    }
}

#[test]
fn the_guide_is_right() {
    let guide = include_str!("../docs/configuration.md");
    let block = |language: &str| {
        let rest = guide.split_once(&format!("```{language}\n")).expect("the guide has this block").1;
        rest.split_once("```").expect("the block ends").0
    };
    DoorConfig::parse("door.toml", block("toml")).expect("the guide's example is whole");
    let wrong = "[hub]\nadress = \"https://hub.my-house.net\"\n\n[[button]]\nid = \"a\"\nlabel = \"A\"\nreceiver.group = \"a\"\n\
                 [call]\ndial-deadline = \"15h\"\n";
    assert_eq!(about_door(wrong), block("text"));
}
