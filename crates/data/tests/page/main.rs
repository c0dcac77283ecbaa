//! The quality page in a real browser, offline, on a desk and on a phone, light and dark.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod browser;
#[path = "../common/mod.rs"]
mod common;

use std::path::PathBuf;

use base64::Engine;
use browser::Browser;
use common::{infoclimat, memory, put, run, text};
use meteoctl_data::quality::{self, QualitySpec};
use serde_json::{Value, json};

fn chromium() -> Option<PathBuf> {
    let given = std::env::var_os("METEOCTL_TEST_CHROMIUM").map(PathBuf::from);
    let installed = || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    let found = given.or_else(|| installed().into_iter().find(|path| path.exists()));
    if found.is_none() {
        eprintln!("skipped: no Chromium is there; `cargo xtask test` fetches one");
    }
    found
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

/// Leaves a picture in the folder `METEOCTL_TEST_PICTURES`, for somebody who wants to look.
fn keep(picture: &str, name: &str) {
    if let Some(folder) = std::env::var_os("METEOCTL_TEST_PICTURES") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
        std::fs::write(PathBuf::from(folder).join(name), bytes).unwrap();
    }
}

/// What the page says of itself once its code has run: sizes, colours, what is drawn.
const PROBE: &str = r##"(() => {
const wide = [...document.querySelectorAll("main *")].filter(e => !e.closest(".scroll, pre, svg") && e.getBoundingClientRect().right > innerWidth + .5);
const targets = [...document.querySelectorAll("button, summary")].filter(e => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().height < 43.5);
const charts = document.querySelectorAll("#charts svg");
charts[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
return {
  inner: innerWidth, whole: document.documentElement.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 60)), targets: targets.length,
  background: getComputedStyle(document.body).backgroundColor,
  charts: charts.length, narrow: [...charts].filter(c => c.getBoundingClientRect().width < c.viewBox.baseVal.width * .98).length,
  red: document.querySelectorAll("svg [fill='var(--fail)']").length, gaps: document.querySelectorAll("#gaps title").length,
  judged: document.querySelector("header p, #head p").textContent,
  read: document.querySelector("#charts .chart-head span").textContent, name: document.querySelector("#pick small").textContent,
};
})()"##;

#[tokio::test]
async fn it_opens_offline_and_fits_a_phone() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, page().await).unwrap();
    let mut browser = Browser::start(&chromium, folder.path());
    let mut pictures = Vec::new();
    for (scheme, background) in [("light", "rgb(244, 246, 248)"), ("dark", "rgb(17, 22, 28)")] {
        for (size, phone) in [((1200, 900), false), ((390, 844), true)] {
            let mut tab = browser.tab(size, phone, scheme);
            tab.open(&file);
            let found = tab.evaluate(PROBE);
            assert_eq!(found["inner"], size.0, "the page takes the screen's width");
            assert!(found["whole"].as_u64().unwrap() <= size.0, "nothing to scroll sideways: {found}");
            assert_eq!(found["wide"], json!([]), "nothing sticks out");
            assert_eq!((&found["targets"], &found["narrow"]), (&json!(0), &json!(0)), "{found}");
            assert_eq!(found["background"], background);
            // Temperature, humidity, direction and rain; the spike is red; the gap tells its hours.
            assert_eq!((&found["charts"], &found["gaps"]), (&json!(4), &json!(1)), "{found}");
            assert!(found["red"].as_u64().unwrap() >= 2, "{found}");
            assert!(found["judged"].as_str().unwrap().starts_with("190 records of 1 station, judged on"), "{found}");
            assert_eq!(found["name"], "</script><b>& \"X\"");
            assert!(found["read"].as_str().unwrap().ends_with("°C, good"), "{found}");
            let picture = tab.picture();
            assert!(picture.starts_with("iVBORw0KGgo") && picture.len() > 30_000, "{} bytes of picture", picture.len());
            keep(&picture, &format!("{scheme}-{}.png", size.0));
            pictures.push(picture);
            assert_eq!(tab.requests(), [format!("file://{}", file.display())], "it needs nothing but itself");
            assert!(tab.faults().is_empty(), "{:?}", tab.faults());
        }
    }
    let differ = |one: usize, other: usize| pictures[one] != pictures[other];
    assert!(differ(0, 2) && differ(1, 3) && differ(0, 1), "light and dark, desk and phone look different");
}
