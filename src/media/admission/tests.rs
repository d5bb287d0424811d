//! Honest answers pass, of hostile ones nothing or only the harmless part.

use super::*;

const PRINT: &str = "AB:CD:EF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC";

fn open() -> IceSettings {
    IceSettings { loopback: false, min_port: 0, max_port: 0, relay_only: false }
}

fn alone() -> IceSettings {
    IceSettings { loopback: true, ..open() }
}

fn honest() -> String {
    let transport = format!(
        "a=ice-ufrag:Yb3x\r\na=ice-pwd:abcdefghijklmnopqrstuv12\r\na=fingerprint:sha-256 {PRINT}\r\na=setup:active\r\n"
    );
    format!(
        "v=0\r\no=- 46 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE video0 audio1\r\na=msid-semantic: WMS\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n{transport}a=mid:video0\r\n\
         a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:98 rtx/90000\r\n\
         a=fmtp:98 apt=96\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\n{transport}a=mid:audio1\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=rtpmap:97 OPUS/48000/2\r\na=fmtp:97 minptime=10;useinbandfec=1\r\na=ssrc:1234 cname:x\r\n"
    )
}

#[test]
fn an_honest_answer_stays_as_it_is() {
    assert_eq!(answer(&honest(), &open()).as_deref(), Some(honest().as_str()));
}

#[test]
fn one_set_of_secrets_for_both_sections_is_enough() {
    let lines = ["a=ice-ufrag:Yb3x", "a=ice-pwd:abcdefghijklmnopqrstuv12", "a=setup:active"];
    let mut sdp = honest();
    for line in lines {
        sdp = sdp.replace(&format!("{line}\r\n"), "");
        sdp = sdp.replacen("a=group", &format!("{line}\r\na=group"), 1);
    }
    assert!(answer(&sdp, &open()).is_some());
}

#[test]
fn what_is_not_needed_is_left_out() {
    let unwanted = [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "a=sctp-port:5000",
        "a=simulcast:recv a;b",
        "a=rid:a recv",
        "a=ice-lite",
        "k=clear:secret",
        "i=words",
        "a=candidate:1 1 udp 1 127.0.0.1 9 typ host",
        "a=candidate:1 1 udp 1 169.254.169.254 80 typ host",
        "a=candidate:1 1 udp 1 evil.example 80 typ host",
        "nonsense",
        "",
    ];
    for line in unwanted {
        let sdp = honest().replace("a=rtcp-mux\r\n", &format!("a=rtcp-mux\r\n{line}\r\n"));
        assert_eq!(answer(&sdp, &open()).as_deref(), Some(honest().as_str()), "{line}");
    }
    let near = "a=candidate:1 1 udp 1 192.0.2.4 4000 typ host\r\n";
    assert!(answer(&(honest() + near), &open()).is_some_and(|sdp| sdp.ends_with(near)));
    let many = answer(&(honest() + &near.repeat(100)), &open()).expect("the rest is honest");
    assert_eq!(many.matches(near).count(), MOST_CANDIDATES);
}

#[test]
fn another_shape_is_no_answer() {
    for (from, to) in [
        ("v=0", "v=1"),
        ("m=video", "m=audio"),
        ("m=audio", "m=application"),
        ("m=audio", "m=video"),
        ("m=audio 9 ", "m=audio 65536 "),
        ("SAVPF 97", "SAVPF 128"),
        ("SAVPF 97", "SAVPF"),
        ("UDP/TLS/RTP/SAVPF 97", "RTP/AVP 97"),
        ("m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF 97\r\nm=audio"),
        ("a=ice-pwd", "a=nothing"),
        ("a=ice-pwd:abcdefghijkl", "a=ice-pwd:"),
        ("a=ice-ufrag:Yb3x", "a=ice-ufrag:Y b3"),
        ("a=ice-ufrag:Yb3x", "a=ice-ufrag:Yb3"),
        ("a=fingerprint", "a=nothing"),
        ("sha-256", "sha-1"),
        ("AB:CD", "AB"),
        ("a=setup:active", "a=setup:actpass"),
        ("a=setup", "a=ice-ufrag:again\r\na=setup"),
        ("a=mid:audio1", "a=mid:video0"),
        ("a=mid:audio1", "a=nothing"),
        ("BUNDLE video0 audio1", "BUNDLE video0 audio2"),
        ("BUNDLE video0", "LS video0"),
        ("a=sendrecv", "a=sendrecv\r\na=sendonly"),
        ("a=rtpmap:97", "a=rtpmap:970"),
        ("a=ssrc:1234", "a=ssrc:99999999999"),
        ("s=-", "s=\u{7}"),
        ("s=-", "s=é"),
    ] {
        let sdp = honest().replace(from, to);
        assert_ne!(sdp, honest(), "{from}");
        assert_eq!(answer(&sdp, &open()), None, "{from} → {to}");
    }
    assert_eq!(answer("", &open()), None);
    assert_eq!(answer(&(honest() + &"a=mid\r\n".repeat(MOST_LINES)), &open()), None);
    assert_eq!(answer(&(honest() + &"a".repeat(LONGEST_LINE + 1)), &open()), None);
    assert_eq!(answer(&(honest() + &"a=x\r\n".repeat(20_000)), &open()), None);
}

fn host(address: &str) -> String {
    format!("candidate:1 1 UDP 2015363327 {address} 40000 typ host")
}

#[test]
fn candidates_point_at_machines_in_a_network() {
    for (address, good, good_alone) in [
        ("192.0.2.7", true, true),
        ("10.1.2.3", true, true),
        ("2001:db8::1", true, true),
        ("fd00::1", true, true),
        ("127.0.0.1", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("0.0.0.0", false, false),
        ("0.1.2.3", false, false),
        ("::", false, false),
        ("255.255.255.255", false, false),
        ("224.0.0.251", false, false),
        ("ff02::fb", false, false),
        ("169.254.169.254", false, false),
        ("::ffff:169.254.169.254", false, false),
        ("fe80::1", false, false),
        ("fec0::1", false, false),
        ("192.0.2.07", false, false),
    ] {
        assert_eq!(candidate(&host(address), &open()), good, "{address}");
        assert_eq!(candidate(&host(address), &alone()), good_alone, "{address}");
        assert_eq!(told(&host(address), &open()), good.then(|| host(address)), "{address}");
        assert_eq!(told(&host(address), &alone()), good_alone.then(|| host(address)), "{address}");
    }
}

#[test]
fn names_are_those_of_browsers() {
    assert!(candidate(&host("01234567-89ab-cdef-0123-456789abcdef.local"), &open()));
    for name in
        ["router.local", "01234567-89ab-cdef-0123-456789abcdeg.local", "hub.example", ".local", "a-b-c-d-e.local"]
    {
        assert!(!candidate(&host(name), &open()), "{name}");
    }
}

#[test]
fn what_is_no_candidate() {
    for text in [
        "",
        "candidate:",
        "candidate:1 1 UDP",
        "candidate:1 1 TCP 1 192.0.2.7 9 typ host tcptype active",
        "candidate:1 2 UDP 1 192.0.2.7 4000 typ host",
        "candidate:1 1 UDP 1 192.0.2.7 0 typ host",
        "candidate:1 1 UDP 1 192.0.2.7 70000 typ host",
        "candidate:1 1 UDP 1 192.0.2.7 4000 typ other",
        "candidate:1 1 UDP 1 192.0.2.7 4000 host",
        "candidate:1 1 UDP x 192.0.2.7 4000 typ host",
        "candidate:ü 1 UDP 1 192.0.2.7 4000 typ host",
        "candidate:1 1 UDP 1 192.0.2.7 4000 typ host\r\na=x",
    ] {
        assert!(!candidate(text, &open()), "{text:?}");
    }
    assert!(!candidate(&(host("192.0.2.7") + &" x y".repeat(200)), &open()));
    assert!(candidate(&(host("192.0.2.7") + " generation 0 ufrag Yb3x network-id 1"), &open()));
}

#[test]
fn a_door_that_only_relays_tells_nothing_else() {
    let hidden = IceSettings { relay_only: true, ..open() };
    assert_eq!(told(&host("192.0.2.7"), &hidden), None);
    assert_eq!(
        told("candidate:3 1 UDP 5 198.51.100.1 50000 typ relay raddr 192.0.2.7 rport 40000", &hidden).as_deref(),
        Some("candidate:3 1 UDP 5 198.51.100.1 50000 typ relay raddr 0.0.0.0 rport 0")
    );
}
