use super::*;
use crate::exporters::{Format, Lines};

/// A receiver with a folder, an exporter and a target that does not answer. Returns the names of its threads.
fn start(folder: &std::path::Path) -> Running {
    let jobs = folder.join("jobs.txt");
    let job = "- {job_name: a, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: ['127.0.0.1:1']}]}";
    std::fs::write(&jobs, job).unwrap();
    let settings = Settings {
        source: Source::Folder(folder.to_owned()),
        additional_scrape_configs: Some(jobs),
        web_listen_address: None,
        min_scrape_interval: Duration::from_millis(100),
        ..Settings::default()
    };
    let lines = Lines::new(
        "x",
        io::sink(),
        Format::Readable,
        translate::Settings::default(),
    );
    Receiver::builder(settings).exporter(lines).start().unwrap()
}

/// The thread of this name panics: `/-/healthy` fails and names it.
#[track_caller]
fn check(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path());
    let overview = Arc::clone(running.overview.as_ref().unwrap());
    let (_holds, held) = crate::rt::stop::pair();
    let end = SystemClock.now() + Duration::from_secs(30);
    while overview.status().scraping.started == 0 {
        assert!(SystemClock.now() < end, "nothing is scraped");
        held.wait(Duration::from_millis(20));
    }
    assert_eq!(overview.health(), Ok(()));
    let mut pulses = overview.pulses.iter();
    pulses.find(|pulse| pulse.name() == name).unwrap().kill();
    let want = format!("thread {name} has ended");
    let is_named = || {
        overview
            .health()
            .is_err_and(|trouble| trouble.contains(&want))
    };
    while !is_named() {
        assert!(SystemClock.now() < end, "{name}: {:?}", overview.health());
        running.reload();
        held.wait(Duration::from_millis(20));
    }
    drop(running);
    assert_eq!(overview.health(), Ok(()), "it was told to end");
}

#[test]
fn a_dead_thread_is_unhealthy() {
    for name in [
        "supervisor",
        "prepare",
        "targets",
        "discovery",
        "kube/keeper",
        "export-x",
    ] {
        check(name);
    }
}
