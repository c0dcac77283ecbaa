//! A headless Chromium, spoken to over a pipe in the DevTools protocol.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a browser may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser; it ends with this value.
pub struct Browser {
    process: Child,
    asks: ChildStdin,
    told: Receiver<Value>,
    asked: u64,
}

impl Browser {
    /// Starts `program` with a profile of its own in `folder`.
    pub fn start(program: &Path, folder: &Path) -> Browser {
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
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
        ];
        // The protocol runs over descriptors 3 and 4; a shell lays them over input and output.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 1>/dev/null", "sh"]).arg(program).args(quiet).arg(profile);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (asks, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                if tell.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        Browser { process, asks, told, asked: 0 }
    }

    /// An empty tab of this many points, which is a phone's or not, for a person who likes it `light` or `dark`.
    pub fn tab(&mut self, (width, height): (u64, u64), phone: bool, scheme: &str) -> Tab<'_> {
        let target = self.ask(None, "Target.createTarget", json!({"url": "about:blank"})).0["targetId"].clone();
        let session = self.ask(None, "Target.attachToTarget", json!({"targetId": target, "flatten": true})).0["sessionId"].clone();
        let mut tab = Tab { browser: self, session, events: Vec::new() };
        let offline = json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        tab.ask("Network.enable", json!({}));
        tab.ask("Network.emulateNetworkConditions", offline);
        tab.ask("Runtime.enable", json!({}));
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone});
        tab.ask("Emulation.setDeviceMetricsOverride", screen);
        tab.ask("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}));
        tab
    }

    /// Asks and waits for the answer; what the browser told meanwhile comes with it.
    fn ask(&mut self, session: Option<&Value>, method: &str, parameters: Value) -> (Value, Vec<Value>) {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = session.clone();
        }
        self.asks.write_all(format!("{message}\0").as_bytes()).unwrap();
        let mut events = Vec::new();
        loop {
            let told = self.told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: the browser does not answer"));
            if told["id"] != self.asked {
                events.push(told);
                continue;
            }
            assert!(told.get("error").is_none(), "{method}: {told}");
            return (told["result"].clone(), events);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One tab, without a network.
pub struct Tab<'a> {
    browser: &'a mut Browser,
    session: Value,
    events: Vec<Value>,
}

impl Tab<'_> {
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let (answer, events) = self.browser.ask(Some(&self.session), method, parameters);
        self.events.extend(events.into_iter().filter(|event| event["sessionId"] == self.session));
        answer
    }

    /// Opens a file and waits until its code says that it is ready.
    pub fn open(&mut self, file: &Path) {
        let answer = self.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        assert!(answer.get("errorText").is_none(), "{answer}");
        let begin = Instant::now();
        while self.evaluate("document.documentElement?.dataset.ready ?? \"\"") != "yes" {
            assert!(begin.elapsed() < PATIENCE, "the page's code did not run to its end: {:?}", self.faults());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The value of an expression of JavaScript.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// What the page is from top to bottom, a PNG in base64.
    pub fn picture(&mut self) -> String {
        let answer = self.ask("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        answer["data"].as_str().unwrap().to_owned()
    }

    /// Addresses that were asked for.
    pub fn requests(&self) -> Vec<&str> {
        let events = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        events.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }

    /// What the page's code threw or complained of.
    pub fn faults(&self) -> Vec<&Value> {
        let is_fault = |event: &&Value| {
            event["method"] == "Runtime.exceptionThrown"
                || event["method"] == "Runtime.consoleAPICalled" && event["params"]["type"] == "error"
        };
        self.events.iter().filter(is_fault).collect()
    }
}
