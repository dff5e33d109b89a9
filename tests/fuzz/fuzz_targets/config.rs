//! The loader never panics, and what it prints loads again and is printed the same. (Not always to equal jobs: as upstream, a
//! value that was reset to nothing is not printed, and then has its default again.)
#![no_main]

use prometheus_operator_receiver::config::{Config, Context, Loader, print};
use prometheus_operator_receiver::rt::files::MemoryFiles;

libfuzzer_sys::fuzz_target!(
    // Panics of the YAML reader are caught by us, and must not end the fuzzer before.
    init: std::panic::set_hook(Box::new(|_| {})),
    |input: &[u8]| {
        let Some(first) = load(input) else { return };
        let Some(again) = reload(&first) else { return };
        let jobs = |config: &Config| config.jobs.iter().map(|job| print::job(job)).collect::<Vec<_>>();
        if let Some(third) = reload(&again)
            && jobs(&again) == jobs(&third)
        {
            return;
        }
        eprintln!("{}", print::document(&again));
        std::process::abort();
    }
);

fn load(text: &[u8]) -> Option<Config> {
    let files = MemoryFiles::default();
    let cx = Context { path: "", files: &files, env: &|_| None };
    Loader::new().load(text, &cx).ok()
}

fn reload(config: &Config) -> Option<Config> {
    load(print::document(config).as_bytes())
}
