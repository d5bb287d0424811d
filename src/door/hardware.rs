//! `doorward check --hardware`: opens every device that the configuration names, and says what is wrong and what to do.
//!
//! Nothing is changed but what opening changes: the relay is set to its safe level, the light glows and the speaker sounds for
//! a moment.

mod trial;
pub mod tune;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;
use crate::config::door::DoorConfig;
use crate::config::light::{SpiTable, StripTable};
use crate::config::panel::{GpioTable, PanelTable};
use crate::media::worker::WorkerCommand;
use crate::panel::fault::{Fault, FaultKind};
use crate::panel::gpio::chardev::Chardev;
use crate::panel::gpio::inputs::Inputs;
use crate::panel::gpio::rppal::Rppal;
use crate::panel::gpio::{InputPin, Pins};
use crate::panel::noise::Noise;
use crate::panel::wiring::Wiring;
use crate::panel::{Input, Lines, Rgb};

use super::panel::strip_opener;

/// How the names of the installer's own sounds begin.
const SOUND: &str = "sound ";

/// How long the light glows to be seen.
const GLOW: Duration = Duration::from_millis(700);

/// What was found of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which part of the door.
    pub part: String,
    /// Where it is, as the configuration has it.
    pub place: String,
    /// How it is, or why it does not work.
    pub state: Result<String, Fault>,
    /// Its device, for whose permission somebody must care.
    pub device: Option<PathBuf>,
}

/// Opens everything; a media worker tries camera, microphone and speaker. Needs a running tokio.
pub async fn check(config: &DoorConfig, worker: WorkerCommand) -> Vec<Finding> {
    let mut findings = match &config.panel {
        PanelTable::Gpio(GpioTable::Chardev(table)) => check_lines(Chardev, &table.wiring(), "/dev/gpiochip0"),
        PanelTable::Gpio(GpioTable::Rppal(table)) => check_lines(Rppal, &table.wiring(), "/dev/gpiomem"),
        PanelTable::Page(page) => {
            let listening = tokio::net::TcpListener::bind(page.listen).await;
            let place = page.listen.to_string();
            let state = listening.map(|_| "can be served".to_owned()).map_err(|error| Fault::of_io(&place, &error));
            vec![Finding { part: "panel page".to_owned(), place, state, device: None }]
        }
    };
    findings.extend(check_strip(config).await);
    findings.extend(trial::check(config, worker).await);
    findings
}

fn check_lines<P: Pins>(mut pins: P, wiring: &Wiring<P::Name>, device: &str) -> Vec<Finding> {
    let device = Some(PathBuf::from(device));
    let mut findings = Vec::new();
    for (input, line) in &wiring.inputs {
        let level = pins.input(line).and_then(|mut pin| pin.is_active());
        let state = level.map(|active| if active { "active now" } else { "at rest" }.to_owned());
        findings.push(Finding { part: input.to_string(), place: line.line.to_string(), state, device: device.clone() });
    }
    if let Some(line) = &wiring.relay {
        let state = pins.output(line, false).map(|_| "without current".to_owned());
        findings.push(Finding { part: "relay".to_owned(), place: line.line.to_string(), state, device });
    }
    findings
}

async fn check_strip(config: &DoorConfig) -> Option<Finding> {
    let spi = |spi: &SpiTable| match spi {
        SpiTable::Rppal(bus) => PathBuf::from(format!("/dev/spidev{}.{}", bus.bus, bus.select)),
        SpiTable::Spidev(path) => path.clone(),
    };
    let (place, device) = match &config.strip {
        StripTable::Apa102(table) => (table.spi.name().to_string(), Some(spi(&table.spi))),
        StripTable::LedClass(table) => {
            let device = table.leds.first().map(|led| Path::new("/sys/class/leds").join(led).join("brightness"));
            (table.leds.join(", "), device)
        }
        StripTable::Lamps(table) => {
            let lines: Vec<String> = table.lines.iter().map(ToString::to_string).collect();
            (lines.join(", "), Some(PathBuf::from("/dev/gpiochip0")))
        }
        StripTable::None(_) => return None,
        StripTable::Ws2812(table) => (table.spi.name().to_string(), Some(spi(&table.spi))),
    };
    let leds = usize::from(config.light.leds);
    // Half of the light, so that lamps which are on or off are on, and within any limit of current.
    let glow = Rgb { red: 64, green: 64, blue: 64 };
    let shown = strip_opener(&config.strip)().and_then(|mut wire| wire.write(&vec![glow; leds]).map(|()| wire));
    let state = match shown {
        Ok(mut wire) => {
            tokio::time::sleep(GLOW).await;
            wire.write(&vec![Rgb::default(); leds]).map(|()| format!("{leds} LEDs were written: did they all glow?"))
        }
        Err(fault) => Err(fault),
    };
    Some(Finding { part: "light".to_owned(), place, state, device })
}

/// Watches every line for this long, and says how clean it is.
pub async fn watch(config: &DoorConfig, lasting: Duration) -> String {
    let lines: Box<dyn Lines> = match &config.panel {
        PanelTable::Gpio(GpioTable::Chardev(table)) => Box::new(Inputs::new(Chardev, table.wiring().inputs)),
        PanelTable::Gpio(GpioTable::Rppal(table)) => Box::new(Inputs::new(Rppal, table.wiring().inputs)),
        PanelTable::Page(_) => return "The page's buttons make no noise.\n".to_owned(),
    };
    watch_lines(lines, config, lasting).await
}

async fn watch_lines(mut lines: Box<dyn Lines>, config: &DoorConfig, lasting: Duration) -> String {
    let timing = (&config.gestures).into();
    let mut seen: Vec<(Input, Noise)> = Vec::new();
    let mut failed = String::new();
    let end = tokio::time::sleep(lasting);
    tokio::pin!(end);
    loop {
        let edge = tokio::select! {
            edge = lines.next_edge() => edge,
            () = &mut end => break,
        };
        match edge {
            Ok(edge) => {
                let place = seen.iter().position(|(input, _)| *input == edge.input).unwrap_or_else(|| {
                    seen.push((edge.input.clone(), Noise::new(timing)));
                    seen.len() - 1
                });
                seen[place].1.changed(edge.active, edge.at);
            }
            Err(error) => writeln!(failed, "{error}").unwrap_or_default(),
        }
    }
    let now = clock::now();
    let mut report = failed;
    for (input, noise) in &mut seen {
        noise.ended(now);
        let advice = noise.advice().map(|advice| format!("\n    {advice}")).unwrap_or_default();
        writeln!(report, "{input}: {noise}{advice}").unwrap_or_default();
    }
    report
}

/// The findings as a table. `groups` is the text of `/etc/group`.
#[must_use]
pub fn table(findings: &[Finding], groups: &str) -> String {
    let width = |of: fn(&Finding) -> &str| findings.iter().map(|finding| of(finding).chars().count()).max();
    let parts = width(|finding| &finding.part).unwrap_or_default();
    let places = width(|finding| &finding.place).unwrap_or_default().min(40);
    let mut table = String::new();
    for finding in findings {
        let Finding { part, place, state, device } = finding;
        let (kind, words) = match state {
            Ok(words) => ("works".to_owned(), words.clone()),
            Err(fault) => (fault.kind.to_string(), fault.message.clone()),
        };
        writeln!(table, "{part:parts$}  {place:places$}  {kind:13}  {words}").unwrap_or_default();
        if let Err(fault) = state {
            let advice = advice(fault.kind, part, device.as_deref(), groups);
            writeln!(table, "{:parts$}  → {advice}", "").unwrap_or_default();
        }
    }
    table
}

fn advice(kind: FaultKind, part: &str, device: Option<&Path>, groups: &str) -> String {
    match kind {
        FaultKind::Busy => "end what uses it; if that is doorward: systemctl stop doorward".to_owned(),
        FaultKind::Missing if part.starts_with(SOUND) => "copy the file there, or mend its path".to_owned(),
        FaultKind::NoPermission if part.starts_with(SOUND) => "let the service read it: chmod a+r".to_owned(),
        FaultKind::WrongFormat if part.starts_with(SOUND) => {
            "WAV and Ogg of at most 30 s can be played: ffmpeg -i FILE -t 30 sound.ogg".to_owned()
        }
        FaultKind::Failed => "see the end of `dmesg`".to_owned(),
        FaultKind::Missing => match (part, device) {
            ("light", Some(path)) if path.starts_with("/dev") && !path.to_string_lossy().contains("gpiochip") => {
                "there is no such SPI device: on a Raspberry Pi add dtparam=spi=on to config.txt and restart".to_owned()
            }
            ("light", Some(path)) if path.starts_with("/sys") => "ls /sys/class/leds says which there are".to_owned(),
            ("camera", Some(path)) if path.starts_with("/dev") => {
                "plug it in; `ls -l /dev/v4l/by-id /dev/v4l/by-path` lists the cameras that are there".to_owned()
            }
            ("microphone" | "speaker", Some(path)) if path.starts_with("/dev") => {
                "plug it in; `arecord -l` and `aplay -l` list the cards and devices that are there".to_owned()
            }
            ("camera" | "microphone", Some(_)) => "copy the file there, or mend its path".to_owned(),
            ("speaker", Some(_)) => "make the folder, or mend the path".to_owned(),
            ("camera", None) => "`cam --list` prints the cameras that libcamera finds".to_owned(),
            ("microphone" | "speaker", None) => "`pw-cli ls Node` prints the nodes that are there".to_owned(),
            _lines => "`gpioinfo` lists all chips and lines".to_owned(),
        },
        FaultKind::NoPermission => permission(device, groups),
        FaultKind::WrongFormat if part == "camera" => {
            "`v4l2-ctl --list-formats-ext --device PATH` prints its formats, sizes and rates: choose one of them"
                .to_owned()
        }
        FaultKind::WrongFormat => "it cannot do what the configuration asks of it".to_owned(),
    }
}

/// Which group may use a device.
fn permission(device: Option<&Path>, groups: &str) -> String {
    let Some(found) = device.and_then(|device| fs::metadata(device).ok()) else {
        return "run it as the service's user, or as root".to_owned();
    };
    let name = groups.lines().find_map(|line| {
        let mut words = line.split(':');
        let name = words.next()?;
        (words.nth(1)?.parse() == Ok(found.gid())).then(|| name.to_owned())
    });
    match name {
        Some(name) if name != "root" && found.mode() & 0o060 == 0o060 => {
            format!("join the group {name}: usermod --append --groups {name} USER (the service has it already)")
        }
        Some(_) | None => {
            "no group may use it: install the udev rule 60-doorward.rules, or run this as root".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_table_says_what_to_do() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let device = directory.path().join("spidev0.0");
        fs::write(&device, "").expect("it is writable");
        fs::set_permissions(&device, fs::Permissions::from_mode(0o660)).expect("it is ours");
        let gid = fs::metadata(&device).expect("it is there").gid();
        let finding = |part: &str, place: &str, state, device: &str| Finding {
            part: part.to_owned(),
            place: place.to_owned(),
            state,
            device: (!device.is_empty()).then(|| device.into()),
        };
        let fault = |kind, message: &str| Err(Fault::new(kind, message));
        let findings = [
            finding("button flat-1", "GPIO17", Ok("at rest".to_owned()), ""),
            finding("tamper", "GPIO4", fault(FaultKind::Busy, "/dev/gpiochip0:4 is used by w1"), ""),
            finding("relay", "GPIO99", fault(FaultKind::Missing, "no line has the name \"GPIO99\""), ""),
            finding("light", "/dev/spidev0.0", fault(FaultKind::NoPermission, "denied"), &device.to_string_lossy()),
            finding("light", "/dev/spidev1.0", fault(FaultKind::Missing, "not found"), "/dev/spidev1.0"),
        ];
        insta::assert_snapshot!(table(&findings, &format!("daemon:x:1:\nspi:x:{gid}:\n")));
        let nobodys = table(&findings[3..4], "daemon:x:1:\n");
        assert!(nobodys.contains("60-doorward.rules"), "{nobodys}");
    }
}
