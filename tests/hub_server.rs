//! The hub as a server: TLS, what it refuses to do without, and the app it hands out.

mod hub_house;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use doorward::config::hub::{HubConfig, TlsTable};
use doorward::hub::HubError;
use hub_house::{DEADLINE, House};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// A certificate for this machine, signed by itself. The certificate, PEM.
fn certify(directory: &Path) -> (TlsTable, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("it can be made");
    let (certificate, key) = (directory.join("hub.pem"), directory.join("hub.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("it is writable");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("it is writable");
    (TlsTable { certificate, key }, made.cert.pem())
}

async fn refusal(config: HubConfig) -> HubError {
    let refused = doorward::hub::run(config, |address| panic!("it listens at {address}"), std::future::pending());
    tokio::time::timeout(DEADLINE, refused).await.expect("at once").expect_err("it is refused")
}

#[tokio::test]
async fn s10_beyond_loopback_it_listens_only_with_tls() {
    let state = tempfile::tempdir().expect("a temporary directory");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let mut config = HubConfig::default();
        config.server.listen = address.parse().expect("an address");
        config.server.state_directory = state.path().join("state");
        let error = refusal(config).await;
        assert_eq!(error.exit_code(), 78);
        assert!(matches!(error, HubError::Exposed(_)), "{error}");
    }
    assert!(!state.path().join("state").exists(), "nothing is touched before");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let (tls, _) = certify(state.path());
    let other = tempfile::tempdir().expect("a temporary directory");
    let (foreign, _) = certify(other.path());
    for (certificate, key, word) in [
        (state.path().join("none.pem"), tls.key.clone(), "none.pem"),
        (tls.key.clone(), tls.key.clone(), "certificate and key"),
        (tls.certificate.clone(), tls.certificate.clone(), "hub.pem"),
        (tls.certificate.clone(), foreign.key, "certificate and key"),
    ] {
        let mut config = HubConfig { tls: Some(TlsTable { certificate, key }), ..HubConfig::default() };
        config.server.state_directory = state.path().to_owned();
        let error = refusal(config).await;
        assert_eq!(error.exit_code(), 78);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn with_a_certificate_everything_goes_through_tls() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (tls, certificate) = certify(directory.path());
    let mut config = HubConfig { tls: Some(tls), ..HubConfig::default() };
    config.server.listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let house = House::with(config).await;
    let url = |path: &str| format!("https://localhost:{}{path}", house.address.port());
    let trusting = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("it is one");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusting]).build().expect("it can be built");
    let health = client.get(url("/healthz")).send().await.expect("it is trusted");
    assert_eq!(health.text().await.expect("a body"), r#"{"status":"ok"}"#);
    let stranger = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("it can be built");
    assert!(stranger.get(url("/healthz")).send().await.is_err());
    // Without TLS there is nothing to be had, and a handshake that is never finished is not waited for.
    let plain = format!("http://127.0.0.1:{}/healthz", house.address.port());
    assert!(client.get(plain).send().await.is_err());
    let begun = std::time::Instant::now();
    let mut mute = TcpStream::connect(("127.0.0.1", house.address.port())).await.expect("it listens");
    let mut nothing = [0; 16];
    let closed = tokio::time::timeout(DEADLINE, mute.read(&mut nothing)).await.expect("it is closed in time");
    assert!(matches!(closed, Ok(0) | Err(_)) && begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_app_is_handed_out_with_its_policies() {
    let house = House::new().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("no TLS is needed");
    let url = |path: &str| format!("http://{}{path}", house.address);
    let page = client.get(url("/")).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let header = |name: &str| page.headers()[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!((&header("cache-control")[..], &header("x-content-type-options")[..]), ("no-cache", "nosniff"));
    for policy in ["default-src 'self'", "frame-ancestors 'none'", "media-src 'self' blob:"] {
        assert!(header("content-security-policy").contains(policy), "{policy}");
    }
    assert!(header("permissions-policy").contains("camera=()"));
    let tag = header("etag");
    let again = client.get(url("/index.html")).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(again.status(), 304);
    for (file, mime) in [
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ] {
        let answer = client.get(url(file)).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
            (200, mime.as_bytes()),
            "{file}"
        );
    }
    for file in ["/tsconfig.json", "/types.d.ts", "/panel/panel.js", "/node_modules/x.js", "/nothing"] {
        assert_eq!(client.get(url(file)).send().await.expect("an answer").status(), 404, "{file}");
    }
}

#[tokio::test]
async fn two_hubs_on_one_address_are_one_too_many() {
    let house = House::new().await;
    let mut config = house.config.clone();
    config.server.listen = house.address;
    let error = refusal(config).await;
    assert_eq!(error.exit_code(), 71);
    assert!(matches!(error, HubError::Listen { .. }), "{error}");
}
