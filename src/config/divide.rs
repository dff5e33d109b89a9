//! Whole documents in pieces, so that they load in the memory of their jobs: for `promop check`, and for the gate on loading
//! thousands of jobs (`cargo bench --bench config -- document`). `promop run` loads jobs one by one.

use crate::wire::yaml::{self, Data, Node};
use memchr::memmem;

/// The frame of a document and its jobs, so that the trees of thousands of jobs need not stand beside each other. Only if all of the
/// frame is plain block style: its lines are what they seem to be. (The jobs are read as such only, too.)
pub(super) fn divide(text: &[u8]) -> Option<(Vec<u8>, Vec<&[u8]>)> {
    const KEY: &[u8] = b"scrape_configs:\n";
    let is_key = |at: &usize| *at == 0 || text.get(at - 1) == Some(&b'\n');
    let start = memmem::find_iter(text, KEY).find(is_key)?;
    let (head, rest) = text.split_at_checked(start)?;
    let rest = rest
        .get(KEY.len()..)
        .filter(|rest| rest.starts_with(b"- "))?;
    let is_next_key = |at: &usize| !matches!(rest.get(at + 1), None | Some(b'-' | b' '));
    let end = memchr::memchr_iter(b'\n', rest).find(is_next_key);
    let (jobs, tail) = rest.split_at_checked(end.map_or(rest.len(), |at| at + 1))?;
    let is_frame = |text: &[u8]| {
        text.is_empty()
            || yaml::parse_block(text).is_some_and(|node| !has_key(&node, "scrape_configs"))
    };
    if !is_frame(head) || !is_frame(tail) {
        return None;
    }
    let mut starts: Vec<usize> = memmem::find_iter(jobs, b"\n- ").map(|at| at + 1).collect();
    starts.push(jobs.len());
    let mut from = 0;
    let jobs = starts
        .into_iter()
        .map(|to| jobs.get(std::mem::replace(&mut from, to)..to));
    Some(([head, tail].concat(), jobs.collect::<Option<_>>()?))
}

fn has_key(node: &Node<'_>, name: &str) -> bool {
    let Data::Mapping(pairs) = &node.data else {
        return false;
    };
    let is_name = |key: &Node<'_>| matches!(&key.data, Data::Scalar(text, _) if text == name);
    pairs.iter().any(|(key, _)| is_name(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<(&str, &[&str])>) {
        let divided = divide(text.as_bytes());
        let want = want.map(|(frame, jobs)| {
            let jobs = jobs.iter().map(|job| job.as_bytes()).collect();
            (frame.as_bytes().to_vec(), jobs)
        });
        assert_eq!(divided, want, "{text:?}");
    }

    #[test]
    fn documents_are_divided_where_their_lines_are_what_they_seem() {
        let jobs = "scrape_configs:\n- job_name: a\n  params:\n    x:\n    - y\n- job_name: b\n";
        let each = [
            "- job_name: a\n  params:\n    x:\n    - y\n",
            "- job_name: b\n",
        ];
        let (head, tail) = ("global:\n  scrape_interval: 5s\n", "rule_files:\n- a\n");
        check(jobs, Some(("", &each)));
        check(
            &format!("{head}{jobs}{tail}"),
            Some((&[head, tail].concat(), &each)),
        );
        check(jobs.trim_end(), Some(("", &[each[0], "- job_name: b"])));
        for not_plain in [
            "global: 'a\nscrape_configs:\n- job_name: b\nc'\n",
            "global: |\n  a\nscrape_configs:\n- job_name: b\n",
            "scrape_configs: []\nscrape_configs:\n- job_name: b\n",
            "scrape_configs:\n- job_name: b\nscrape_configs: []\n",
            "# jobs\nscrape_configs:\n- job_name: b\n",
            "scrape_configs:\n  - job_name: b\n...\n",
            "scrape_configs:\n",
            "global:\nscrape_configs:\n- job_name: b\n",
            "x: y\n",
            "",
        ] {
            check(not_plain, None);
        }
    }
}
