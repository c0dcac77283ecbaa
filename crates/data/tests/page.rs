//! The quality page in a real browser, offline, on a desk and on a phone, light and dark.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{infoclimat, memory, put, run, text};
use meteoctl_data::quality::{self, QualitySpec};
use serde_json::{Value, json};

fn chromium() -> Option<&'static str> {
    let found =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        eprintln!("skipped: no Chromium is installed");
    }
    found
}

fn browse(chromium: &str, folder: &Path, arguments: &[&str]) -> String {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=5000",
    ];
    let output = Command::new(chromium).args(quiet).arg(profile).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn it_opens_offline_and_fits_a_phone() {
    let Some(chromium) = chromium() else { return };
    let store = memory();
    let entries: Vec<Value> = (0..200).map(|row| json!({"dh_utc": format!("2024-10-{:02} {:02}:00:00", 5 + row / 24, row % 24), "temperature": format!("{}", row % 24), "humidite": "80"})).collect();
    put(&store, "raw/1.jsonl", json!({"stations": [{"id": "X", "name": "</script><b>& \"X\""}], "hourly": {"X": entries}}).to_string())
        .await;
    run(&store, &infoclimat()).await;
    let spec: QualitySpec = serde_json::from_value(json!({"dataset": "out/data.json", "output": "out/q.json"})).unwrap();
    quality::run(&store, &spec, "2024-11-01T00:00:00Z".parse().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let page = text(&store, &spec.page_key()).await;
    // A probe behind the page's own code: how wide it is, and which colour it has.
    let probe = "<script>document.title = [innerWidth, document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor, document.querySelectorAll('svg').length].join(' ')</script>";
    std::fs::write(folder.path().join("page.html"), page + probe).unwrap();
    let address = format!("file://{}", folder.path().join("page.html").display());
    for (scheme, background) in
        [("--blink-settings=preferredColorScheme=1", "rgb(246, 247, 249)"), ("--blink-settings=preferredColorScheme=0", "rgb(18, 22, 28)")]
    {
        for size in ["--window-size=1200,900", "--window-size=500,900"] {
            let dom = browse(chromium, folder.path(), &[scheme, size, "--dump-dom", &address]);
            assert!(dom.contains("data-ready=\"yes\""), "the page's code did not run to its end");
            let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap();
            let mut words = title.splitn(3, ' ');
            let (inner, whole): (u32, u32) = (words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap());
            assert!(whole <= inner, "{whole} pixels of page in {inner}");
            let rest = words.next().unwrap();
            assert_eq!(rest, format!("{background} 3"), "colour and drawings");
        }
        let shot = folder.path().join("shot.png");
        browse(chromium, folder.path(), &[scheme, "--window-size=500,1600", &format!("--screenshot={}", shot.display()), &address]);
        let bytes = std::fs::read(&shot).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{} bytes", bytes.len());
    }
}
