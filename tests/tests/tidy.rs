//! The house rules, checked: every file says what it is, none tells two stories, no test sleeps,
//! and clocks are read only where clocks are read.
#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};

use voiced_tests::daemon::root;

/// Longest file, and longest file of a model or a table.
const LONGEST: usize = 400;
const LONGEST_MODEL: usize = 800;
/// File names that say nothing.
const VAGUE: [&str; 6] = ["utils", "common", "helpers", "manager", "handler", "types"];

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in [
        "agent",
        "pipeline",
        "asr",
        "llm",
        "tts",
        "transport",
        "tests",
    ] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "found the sources");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

#[test]
fn every_file_says_what_it_is() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not", path.display());
    }
}

#[test]
fn no_file_tells_two_stories() {
    for path in sources().into_iter().filter(|path| !is_test(path)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let most = if path.to_string_lossy().contains("voxtral") || name == "codec" {
            LONGEST_MODEL
        } else {
            LONGEST
        };
        // Tests inside the file do not count: they tell the same story.
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("mod tests {"))
            .count();
        assert!(lines <= most, "{} has {lines} lines", path.display());
        assert!(!VAGUE.contains(&name), "{} is a vague name", path.display());
        assert_ne!(name, "mod", "{}", path.display());
    }
}

#[test]
fn no_test_sleeps_and_clocks_have_their_place() {
    // The callers of the whole-daemon tests live in real time; pacers and clocks read it.
    let clocks = ["clock.rs", "pacer.rs", "caller.rs"];
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        if is_test(&path) && name != "tidy.rs" {
            for sleep in ["time::sleep", "thread::sleep", " sleep("] {
                assert!(!text.contains(sleep), "{} sleeps", path.display());
            }
        }
        if path.starts_with(root().join("agent/core")) || path.starts_with(root().join("pipeline"))
        {
            let reads = text.contains("Instant::now") && !clocks.contains(&name) && !is_test(&path);
            assert!(!reads, "{} reads a clock", path.display());
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    for path in sources() {
        if path.ends_with("tests/tests/tidy.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["todo", "unimplemented"].map(|word| format!("{word}!(")) {
            assert!(!text.contains(&word), "{} has {word}", path.display());
        }
    }
}
