//! The corpus of the fuzz targets, as ordinary tests: what a hostile resident may say, and what of it is let through. `make fuzz`
//! searches for more.

use std::path::PathBuf;

use doorward::media::admission;
use doorward::media::pipeline::IceSettings;

const OPEN: IceSettings = IceSettings { loopback: false, min_port: 0, max_port: 0, relay_only: false };

/// Names and texts; a name says whether it is good.
fn corpus(target: &str) -> Vec<(String, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found: Vec<(String, String)> = entries
        .map(|entry| entry.expect("it can be read"))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, std::fs::read_to_string(entry.path()).ok()?)))
        .collect();
    found.sort();
    assert!(found.len() >= 15, "the corpus of {target} is there");
    found
}

/// Every piece of a text, and the text with each piece twice: what a fuzzer tries first.
fn mutilated(text: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let few = lines.len().min(60);
    let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    (0..few).flat_map(move |at| {
        let without: String =
            lines.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, line)| line.as_str()).collect();
        let twice: String = lines
            .iter()
            .enumerate()
            .map(|(index, line)| if index == at { line.repeat(2) } else { line.clone() })
            .collect();
        let cut = lines[at].chars().take(lines[at].len() / 2).collect::<String>();
        let cut: String =
            lines.iter().enumerate().map(|(index, line)| if index == at { cut.as_str() } else { line }).collect();
        [without, twice, cut]
    })
}

fn is_harmless(through: &str) {
    assert_eq!(admission::answer(through, &OPEN).as_deref(), Some(through), "what is through is through");
    assert!(!through.contains("a=crypto") && !through.contains("127.0.0.1 9 typ") && !through.contains('\u{1b}'));
}

#[test]
fn answers() {
    for (name, sdp) in corpus("answer") {
        let through = admission::answer(&sdp, &OPEN);
        assert_eq!(through.is_some(), name.starts_with("good"), "{name}");
        through.iter().for_each(|through| is_harmless(through));
        mutilated(&sdp).filter_map(|sdp| admission::answer(&sdp, &OPEN)).for_each(|through| is_harmless(&through));
    }
}

#[test]
fn candidates() {
    for (name, text) in corpus("candidate") {
        assert_eq!(admission::candidate(&text, &OPEN), name.starts_with("good"), "{name}");
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = admission::candidate(&text[..end], &OPEN);
            let _ = admission::told(&text[..end], &IceSettings { relay_only: true, ..OPEN });
        }
    }
}
