//! The program `promop`: flags in, exit code out. What it does is in the library; only this folder knows the
//! environment, standard output, signals and exit codes.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this is where they belong

mod cli;
mod commands;
mod flags;
mod input;
mod logging;
mod otlp_env;
mod selector;
mod settings;
mod signal;

use cli::Command;
use commands::{check, generate, run};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Fine = 0,
    Failure = 1,
    Usage = 2,
    Rejected = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The YAML reader panics at some texts; the library makes errors of it, so that nothing is printed.
fn quiet_panics_of_the_yaml_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let from = panic.location().map_or("", |location| location.file());
        if !from.contains("libyaml-safer") {
            usual(panic);
        }
    }));
}

fn main() -> ExitCode {
    quiet_panics_of_the_yaml_reader();
    let command = match cli::parse_args(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(mistake) => {
            eprintln!("promop: {mistake}\nTry promop help.");
            return Exit::Usage.into();
        }
    };
    let done = match command {
        Command::Check(file) => check::check(&file),
        Command::Generate(args) => generate::generate(&args),
        Command::Run(args) => run::run(&args),
        Command::Version => print(&version()),
        Command::Help(text) => print(&text),
    };
    done.unwrap_or_else(|err| {
        eprintln!("promop: {err}");
        Exit::Failure
    })
    .into()
}

fn version() -> String {
    let (version, os, arch) = (
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    format!("promop {version} ({arch}-{os})\n")
}

/// To the standard output; its reader may have ended, as `head` does when it has enough.
///
/// # Errors
/// It cannot be written, for example because a disk is full.
fn print(text: &str) -> Result<Exit, String> {
    let mut to = std::io::stdout();
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(err) if err.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {err}")),
        _ => Ok(Exit::Fine),
    }
}
