//! The readers against pages that nobody would write: mutated goldens from a fixed seed, and hostile ones.
//!
//! `mutated_pages_are_read_as_upstream_reads_them` compares with upstream itself. It is ignored by default; to run it, set
//! `TEXTPARSE_ORACLE` to a program that reads pages from stdin and writes what Prometheus' parser makes of each to stdout, both
//! as the functions `send` and `receive` here do, in the form of `canonical`. `TEXTPARSE_PAGES` says how many pages a format
//! gets (50 000), `TEXTPARSE_SEED` where the generator starts.

mod canonical;
mod hostile;
mod mutate;

use canonical::canonical;
use mutate::{Page, Pages};
use prometheus_operator_receiver::textparse::Format;
use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Command, Stdio};

const FORMATS: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::Protobuf];

#[test]
fn mutated_pages_end() {
    for format in FORMATS {
        let mut pages = Pages::new(format, 1);
        for _ in 0..2000 {
            let page = pages.next();
            let entries = canonical(&page).lines().count();
            // A line makes one entry, and up to one histogram; a byte of protobuf at most one series.
            assert!(entries <= 2 * page.bytes.len() + 2, "{page:?}");
        }
    }
}

#[test]
#[ignore = "needs upstream: see the head of this file"]
fn mutated_pages_are_read_as_upstream_reads_them() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let oracle = std::env::var("TEXTPARSE_ORACLE").expect("TEXTPARSE_ORACLE");
    let (n, seed) = (
        number("TEXTPARSE_PAGES", 50_000),
        number("TEXTPARSE_SEED", 7),
    );
    let mut differing = 0;
    for format in FORMATS {
        let mut child = Command::new(&oracle)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = BufWriter::new(child.stdin.take().unwrap());
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let sender = std::thread::spawn(move || {
            let mut pages = Pages::new(format, seed);
            for _ in 0..n {
                send(&mut to, &pages.next());
            }
        });
        let mut pages = Pages::new(format, seed);
        let (mut equal, mut broken, mut failing) = (0, 0, 0);
        for i in 0..n {
            let page = pages.next();
            let (ours, theirs) = (canonical(&page), receive(&mut from));
            if theirs.ends_with("PANIC\n") || theirs == "HANG\n" {
                broken += 1;
            } else if ours == theirs || labels_sorted(&ours) == labels_sorted(&theirs) {
                equal += 1;
                failing += u64::from(theirs.ends_with("ERROR\n"));
            } else {
                differing += 1;
                if differing <= 20 {
                    println!("page {i}: {page:?}\n--- ours\n{ours}--- upstream\n{theirs}");
                }
            }
        }
        sender.join().unwrap();
        child.wait().unwrap();
        println!(
            "{format:?}: {equal} of {n} pages equal ({failing} of them end in an error); upstream panics or hangs on {broken}"
        );
    }
    assert_eq!(differing, 0);
}

/// Upstream does not keep the order of labels of one name where there are more than twelve labels.
fn labels_sorted(text: &str) -> String {
    let sorted = text.split_inclusive(['{', '}']).map(|piece| {
        let mut labels: Vec<_> = piece.split(',').collect();
        labels.sort_unstable();
        labels.join(",")
    });
    sorted.collect()
}

fn send(to: &mut impl Write, page: &Page) {
    let mut meta = vec![page.flags()];
    meta.extend_from_slice(page.content_type.as_bytes());
    for part in [&meta, &page.bytes] {
        to.write_all(&(part.len() as u32).to_le_bytes()).unwrap();
        to.write_all(part).unwrap();
    }
    to.flush().unwrap();
}

fn receive(from: &mut impl Read) -> String {
    let mut length = [0; 4];
    from.read_exact(&mut length).unwrap();
    let mut text = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}
