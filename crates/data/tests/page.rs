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

/// A page of one station with a spike, a gap and a name that wants to break out of the page.
async fn page() -> String {
    let store = memory();
    let entry = |row: i64| {
        let when = format!("2024-10-{:02} {:02}:00:00", 5 + row / 24, row % 24);
        let temperature = if row == 60 { 58 } else { row % 24 };
        json!({"dh_utc": when, "temperature": temperature.to_string(), "humidite": "80", "vent_direction": (row * 7 % 360).to_string(), "pluie_1h": (row % 5).to_string()})
    };
    let entries: Vec<Value> = (0..200).filter(|row| !(100..110).contains(row)).map(entry).collect();
    let record = json!({"stations": [{"id": "X", "name": "</script><b>& \"X\""}], "hourly": {"X": entries}, "PM": 1});
    put(&store, "raw/1.jsonl", record.to_string()).await;
    run(&store, &infoclimat()).await;
    let spec: QualitySpec =
        serde_json::from_value(json!({"dataset": "out/data.json", "output": "out/q.json", "fail": {"minRecords": 1000}})).unwrap();
    quality::run(&store, &spec, "2024-11-01T00:00:00Z".parse().unwrap(), &|_, _| ()).await.unwrap();
    text(&store, &spec.page_key()).await
}

/// What the page says of itself once its code has run: sizes, colours, what is drawn, what went wrong.
const PROBE: &str = r##"<script>{
const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll, pre, svg") && e.getBoundingClientRect().right > innerWidth + .5);
const targets = [...document.querySelectorAll("button, summary")].filter(e => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 43.5);
const charts = document.querySelectorAll("#charts svg");
charts[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
document.title = "probe " + JSON.stringify({
  page: [innerWidth, document.documentElement.scrollWidth], wide: wide.map(e => e.outerHTML.slice(0, 60)), targets: targets.length,
  background: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
  charts: charts.length, narrow: [...charts].filter(c => c.getBoundingClientRect().width < c.viewBox.baseVal.width * .98).length,
  red: document.querySelectorAll("svg [fill='var(--fail)']").length, amber: document.querySelectorAll("#gaps title").length,
  read: document.querySelector("#charts .chart-head span").textContent, name: document.querySelector("#pick small").textContent,
  loaded: performance.getEntriesByType("resource").length, failed: window.failures ?? 0,
});
}</script>"##;

/// The page with a listener for its faults in front and the probe behind.
fn probed(page: &str) -> String {
    page.replacen("<head>", "<head><script>addEventListener('error', () => window.failures = (window.failures ?? 0) + 1)</script>", 1)
        + PROBE
}

fn told(dom: &str) -> Value {
    assert!(dom.contains("data-ready=\"yes\""), "the page's code did not run to its end");
    let title = dom.split("<title>probe ").nth(1).and_then(|rest| rest.split("</title>").next()).expect("the probe ran");
    serde_json::from_str(&title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).unwrap()
}

#[tokio::test]
async fn it_opens_offline_and_fits_a_phone() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("page.html"), probed(&page().await)).unwrap();
    // A browser's window is never as narrow as a phone: a frame is.
    let phone = "<body style=\"margin:0\"><iframe id=f src=page.html style=\"width:390px;height:844px;border:0\"></iframe><script>f.onload = () => { document.title = f.contentDocument.title; document.documentElement.dataset.ready = f.contentDocument.documentElement.dataset.ready }</script>";
    std::fs::write(file("phone.html"), phone).unwrap();
    for (scheme, background) in
        [("--blink-settings=preferredColorScheme=1", "rgb(244, 246, 248)"), ("--blink-settings=preferredColorScheme=0", "rgb(17, 22, 28)")]
    {
        for (name, width) in [("page.html", None), ("phone.html", Some(390))] {
            let address = format!("file://{}", file(name).display());
            let found = told(&browse(
                chromium,
                folder.path(),
                &[scheme, "--allow-file-access-from-files", "--window-size=1200,900", "--dump-dom", &address],
            ));
            let (inner, whole) = (found["page"][0].as_u64().unwrap(), found["page"][1].as_u64().unwrap());
            assert!(width.is_none_or(|width| width == inner), "{inner} pixels of window");
            assert!(whole <= inner, "{whole} pixels of page in {inner}");
            assert_eq!(found["wide"], json!([]), "nothing sticks out");
            assert_eq!(
                (&found["targets"], &found["narrow"], &found["failed"], &found["loaded"]),
                (&json!(0), &json!(0), &json!(0), &json!(0)),
                "{found}"
            );
            assert_eq!(found["background"], background);
            // Temperature, humidity, direction and rain; the spike is red; the gap tells its hours.
            assert_eq!((&found["charts"], &found["amber"]), (&json!(4), &json!(1)), "{found}");
            assert!(found["red"].as_u64().unwrap() >= 2, "{found}");
            assert_eq!(found["name"], "</script><b>& \"X\"");
            assert!(found["read"].as_str().unwrap().ends_with("°C, good"), "{found}");
            let shot = file("shot.png");
            let picture = format!("--screenshot={}", shot.display());
            browse(chromium, folder.path(), &[scheme, "--window-size=500,1600", &picture, &address]);
            let bytes = std::fs::read(&shot).unwrap();
            assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{} bytes", bytes.len());
        }
    }
}
