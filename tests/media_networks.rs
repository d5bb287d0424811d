//! Picture and sound through bad networks: a real worker, a real TURN server and residents made of webrtcbin, with the kernel's own
//! packet filter between them. What a fault costs is printed; asserted is that it is survived.

#![cfg(feature = "media")]

mod media_door;
mod networks;
mod resident;

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::ids::PeerId;
use doorward::media::pipeline::{CameraSource, VideoSettings};
use doorward::media::protocol::{Order, Report};
use doorward::signaling::protocol::Signal;

use media_door::{Door, recovered};
use networks::detour::Detour;
use networks::{Town, in_town};

/// A resident in a conversation: it sees, hears and is heard.
async fn talking(door: &mut Door, number: u32) -> PeerId {
    let peer = door.join_and_see(number).await;
    door.order(Order::OpenGate { peer });
    door.resident(peer).talk(1000);
    door.hears(peer, 440.0).await;
    door.speaker_plays(1000.0).await;
    peer
}

fn lost(door: &Door) -> Vec<String> {
    door.reports()
        .filter_map(|report| match report {
            Report::Lost { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

fn way(door: &Door, peer: PeerId) -> Option<String> {
    let ways = door.reports().filter_map(|report| match report {
        Report::Path { peer: of, way, .. } if *of == peer => way.in_use.clone(),
        _ => None,
    });
    ways.last()
}

#[test]
fn lost_packets_cost_quality_and_not_the_call() {
    in_town("lost_packets_cost_quality_and_not_the_call", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let peer = talking(&mut door, 1).await;
        for percent in [1, 5, 10, 30] {
            town.fault(&format!("meta l4proto udp numgen random mod 100 < {percent}"));
            let (began, pictures, sound) =
                (Instant::now(), door.resident(peer).pictures(), door.resident(peer).sound_packets());
            let packets = 150 * (100 - percent) / 100;
            door.until("sound through loss", |door| door.resident(peer).sound_packets() >= sound + packets).await;
            let rate = |count: u64| count as f64 / began.elapsed().as_secs_f64();
            let (seen, heard) =
                (door.resident(peer).pictures() - pictures, door.resident(peer).sound_packets() - sound);
            println!("{percent} % loss: {:.1} pictures and {:.1} packets of sound a second", rate(seen), rate(heard));
            // One key picture in half a second, and those after it until the next packet is missing.
            door.pictures(peer, if percent < 30 { 10 } else { 1 }).await;
        }
        town.mend();
        door.hears(peer, 440.0).await;
        door.pictures(peer, 25).await;
        assert_eq!(lost(&door), [""; 0]);
    });
}

/// A picture that does not compress to nothing.
fn busy_film(directory: &std::path::Path) -> std::path::PathBuf {
    use gstreamer::prelude::*;
    gstreamer::init().expect("GStreamer is installed where the feature `media` is built");
    let path = directory.join("busy.webm");
    let text = format!(
        "videotestsrc num-buffers=60 pattern=zone-plate kx2=24 ky2=24 kt=7 ! video/x-raw,width=640,height=480,framerate=15/1 \
         ! vp8enc deadline=1 cpu-used=8 target-bitrate=6000000 ! webmmux ! filesink location={}",
        path.display()
    );
    let pipeline = gstreamer::parse::launch(&text).expect("a pipeline");
    pipeline.set_state(gstreamer::State::Playing).expect("it plays");
    let end = pipeline.bus().expect("a pipeline has one").timed_pop_filtered(
        gstreamer::ClockTime::from_seconds(60),
        &[gstreamer::MessageType::Eos, gstreamer::MessageType::Error],
    );
    assert_eq!(end.map(|message| message.type_()), Some(gstreamer::MessageType::Eos));
    pipeline.set_state(gstreamer::State::Null).expect("it stops");
    path
}

/// Kilobits per second of picture at the phone, over three seconds of sound.
async fn kilobits(door: &mut Door, peer: PeerId) -> u64 {
    let (began, bytes) = (Instant::now(), door.resident(peer).picture_bytes());
    door.until("three seconds", |_| began.elapsed() >= Duration::from_secs(3)).await;
    (door.resident(peer).picture_bytes() - bytes) * 8 / 3_000
}

#[test]
fn the_picture_follows_the_room_there_is() {
    in_town("the_picture_follows_the_room_there_is", |town: Town| async move {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let film = busy_film(directory.path());
        let mut door = town
            .door(|settings| {
                settings.camera = CameraSource::File(film);
                settings.video = VideoSettings {
                    width: 640,
                    height: 480,
                    frame_rate: 15,
                    bitrate: 1200,
                    bitrate_floor: 100,
                    ..settings.video.clone()
                };
            })
            .await;
        town.narrow("2mbit");
        let peer = talking(&mut door, 1).await;
        let wide = kilobits(&mut door, peer).await;
        town.narrow("300kbit");
        let began = Instant::now();
        let mut narrow = wide;
        while narrow > 300 || door.resident(peer).width() > 480 {
            let width = door.resident(peer).width();
            assert!(began.elapsed() < Duration::from_secs(40), "it stays at {narrow} kbit/s and {width} pixels");
            narrow = kilobits(&mut door, peer).await;
        }
        println!(
            "2 Mbit/s to 300 kbit/s: from {wide} to {narrow} kbit/s in {:.0} s, {} pixels wide",
            began.elapsed().as_secs_f64(),
            door.resident(peer).width()
        );
        door.pictures(peer, 10).await;
        door.hears(peer, 440.0).await;
        town.narrow("2mbit");
        let began = Instant::now();
        let mut again = 0;
        while again < 450 {
            assert!(began.elapsed() < Duration::from_secs(60), "it stays at {again} kbit/s");
            again = kilobits(&mut door, peer).await;
        }
        println!("300 kbit/s to 2 Mbit/s: {again} kbit/s after {:.0} s", began.elapsed().as_secs_f64());
        assert_eq!(lost(&door), [""; 0]);
    });
}

#[test]
fn a_blackout_is_over_when_the_network_is_back() {
    in_town("a_blackout_is_over_when_the_network_is_back", |town: Town| async move {
        let long = std::env::var_os("DOORWARD_SOAK").is_some();
        let mut door = town.door(|_| {}).await;
        let peer = talking(&mut door, 1).await;
        town.fault("meta l4proto udp");
        let began = Instant::now();
        door.until("the loss", |door| !lost(door).is_empty()).await;
        recovered("blackout", "noticed", began.elapsed());
        let dark = Duration::from_secs(if long { 60 } else { 6 });
        let back = Instant::now() + dark;
        let again = door
            .replaced(peer, |_| {
                if Instant::now() >= back {
                    town.mend()
                }
            })
            .await;
        recovered("blackout over", "picture again", back.elapsed());
        door.hears(again, 440.0).await;
    });
}

#[test]
fn a_way_that_leads_in_one_direction_only_is_no_way() {
    in_town("a_way_that_leads_in_one_direction_only_is_no_way", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let peer = talking(&mut door, 1).await;
        // To the phone: the door is heard no more, and hears all the same. Only the phone can notice, and ask.
        town.fault("ip daddr 198.51.100.128/25 meta l4proto udp");
        let pictures = door.resident(peer).pictures();
        let began = Instant::now();
        door.until("two seconds", |_| began.elapsed() >= Duration::from_secs(2)).await;
        assert!(door.resident(peer).pictures() <= pictures + 5 && lost(&door).is_empty());
        town.mend();
        // To the door.
        let pictures = door.resident(peer).pictures();
        door.until("pictures again", |door| door.resident(peer).pictures() > pictures).await;
        door.speaker_plays(1000.0).await;
        town.fault("ip daddr 198.51.100.0/25 meta l4proto udp");
        let began = Instant::now();
        door.until("the loss", |door| !lost(door).is_empty()).await;
        recovered("nothing reaches the door", "noticed", began.elapsed());
        let mended = Instant::now();
        town.mend();
        door.replaced(peer, |_| {}).await;
        recovered("the way to the door open again", "picture again", mended.elapsed());
    });
}

#[test]
fn another_address_of_the_door_is_used_at_once() {
    in_town("another_address_of_the_door_is_used_at_once", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let peer = talking(&mut door, 1).await;
        let began = Instant::now();
        town.readdress("door", "198.51.100.2/25", "198.51.100.3/25", "198.51.100.1");
        let again = door.replaced(peer, |_| {}).await;
        recovered("another address of the door", "picture again", began.elapsed());
        assert!(lost(&door)[0].contains("address"), "{:?}", lost(&door));
        door.hears(again, 440.0).await;
        door.until("the way", |door| way(door, again).is_some_and(|way| way.contains("198.51.100.3"))).await;
    });
}

#[test]
fn another_address_of_the_phone_is_used_within_seconds() {
    in_town("another_address_of_the_phone_is_used_within_seconds", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let peer = talking(&mut door, 1).await;
        let began = Instant::now();
        town.readdress("phone", "198.51.100.130/25", "198.51.100.131/25", "198.51.100.129");
        door.replaced(peer, |_| {}).await;
        recovered("another address of the phone", "picture again", began.elapsed());
    });
}

#[test]
fn without_udp_the_relay_is_reached_by_tcp() {
    in_town("without_udp_the_relay_is_reached_by_tcp", |mut town: Town| async move {
        town.start_server();
        let mut door = town.door(|_| {}).await;
        door.ice_servers = town.turn("tcp");
        let peer = talking(&mut door, 1).await;
        door.until("the way", |door| way(door, peer).is_some()).await;
        assert!(!way(&door, peer).unwrap_or_default().starts_with("relay"), "{:?}", way(&door, peer));
        town.fault("meta l4proto udp");
        town.fault_at_server("meta l4proto udp iifname top");
        town.fault_at_server("meta l4proto udp iifname tod");
        let blocked = Instant::now();
        let again = door.replaced(peer, |_| {}).await;
        recovered("UDP blocked, TURN over TCP", "picture again", blocked.elapsed());
        door.until("the way", |door| way(door, again).is_some()).await;
        println!("without UDP: {}", way(&door, again).unwrap_or_default());
        assert!(way(&door, again).is_some_and(|way| way.starts_with("relay")));
        door.hears(again, 440.0).await;
        town.kill_server();
    });
}

#[test]
fn the_shipped_relay_reaches_no_private_network() {
    in_town("the_shipped_relay_reaches_no_private_network", |mut town: Town| async move {
        town.start_server();
        for private in ["10.0.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "172.16.0.1", "192.168.1.1", "224.0.0.1"]
        {
            assert!(!town.relays_to(private), "{private}");
        }
        assert!(town.relays_to("198.51.100.2"));
    });
}

#[test]
fn a_relay_that_dies_is_replaced_when_it_is_back() {
    in_town("a_relay_that_dies_is_replaced_when_it_is_back", |mut town: Town| async move {
        town.start_server();
        // No direct way.
        town.fault("meta l4proto udp");
        let mut door = town.door(|_| {}).await;
        door.ice_servers = town.turn("udp");
        let peer = talking(&mut door, 1).await;
        town.kill_server();
        let began = Instant::now();
        door.until("the loss", |door| !lost(door).is_empty()).await;
        recovered("TURN server killed", "noticed", began.elapsed());
        town.start_server();
        let began = Instant::now();
        door.replaced(peer, |_| {}).await;
        recovered("TURN server back", "picture again", began.elapsed());
        town.kill_server();
    });
}

#[test]
fn hidden_addresses_are_no_hindrance() {
    in_town("hidden_addresses_are_no_hindrance", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        door.tamper_candidates = Some(Box::new(|candidate| {
            let mut words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
            words[4] = "01234567-89ab-cdef-0123-456789abcdef.local".to_owned();
            words.join(" ")
        }));
        let peer = talking(&mut door, 1).await;
        door.until("the way", |door| way(door, peer).is_some()).await;
        println!("hidden addresses: {}", way(&door, peer).unwrap_or_default());
    });
}

#[test]
fn delay_and_jitter_cost_time_and_not_the_call() {
    in_town("delay_and_jitter_cost_time_and_not_the_call", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let detour = Arc::new(Detour::open(60..120).await);
        town.fault(&format!("ip saddr 198.51.100.130 udp sport != {}", detour.address.port()));
        let led = detour.clone();
        door.tamper_candidates = Some(Box::new(move |candidate| led.lead(candidate)));
        let peer = talking(&mut door, 1).await;
        door.until("the way", |door| way(door, peer).is_some()).await;
        assert!(way(&door, peer).unwrap_or_default().contains(&detour.address.to_string()), "{:?}", way(&door, peer));
        let (began, carried) = (Instant::now(), detour.carried());
        door.pictures(peer, 100).await;
        door.hears(peer, 440.0).await;
        door.speaker_plays(1000.0).await;
        println!(
            "60 to 120 ms each way, out of order: 100 pictures in {:.1} s, {} packets, longest gap {} pictures",
            began.elapsed().as_secs_f64(),
            detour.carried() - carried,
            door.resident(peer).longest_gap()
        );
        assert!(detour.carried() - carried > 200, "the packets go that way");
        assert_eq!(lost(&door), [""; 0]);
    });
}

#[test]
fn no_way_at_all_ends_in_fifteen_seconds_with_a_reason() {
    in_town("no_way_at_all_ends_in_fifteen_seconds_with_a_reason", |town: Town| async move {
        town.fault("meta l4proto udp");
        let mut door = town.door(|_| {}).await;
        let peer = door.join(1);
        let began = Instant::now();
        door.until("the end", |door| !lost(door).is_empty()).await;
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let notes = door.reports().find_map(|report| match report {
            Report::Path { peer: of, way, .. } if *of == peer => Some(way.notes.join("; ")),
            _ => None,
        });
        assert!(notes.as_ref().is_some_and(|notes| notes.contains("no TURN server")), "{notes:?}");
        println!(
            "no way: after {:.1} s, {}; {}",
            began.elapsed().as_secs_f64(),
            lost(&door)[0],
            notes.unwrap_or_default()
        );
    });
}

/// What of the signals reaches a resident, for the candidates that must stay here.
#[test]
fn no_address_that_leads_nowhere_is_told() {
    in_town("no_address_that_leads_nowhere_is_told", |town: Town| async move {
        let mut door = town.door(|_| {}).await;
        let peer = PeerId(7);
        door.order(Order::AddPeer { session_id: media_door::CALL, peer, ice_servers: Vec::new() });
        let is_candidate = |signal: &Signal| matches!(signal, Signal::Candidate { .. });
        door.until("a candidate", |door| door.unclaimed.iter().any(|(_, signal)| is_candidate(signal))).await;
        let began = Instant::now();
        door.until("all candidates", |_| began.elapsed() > Duration::from_secs(1)).await;
        for (_, signal) in &door.unclaimed {
            if let Signal::Candidate { candidate, .. } = signal {
                let words: Vec<&str> = candidate.expose().split(' ').collect();
                assert_eq!(words[4], "198.51.100.2", "{words:?}");
            }
        }
    });
}
