//! Every kind of alarm has its page.

use portolan::alarms::Kind;
use portolan::fault::FaultCode;
use std::collections::BTreeSet;
use std::path::Path;

const ENGLISH: [&str; 4] = ["**Meaning.** ", "**Cause.** ", "**What the operator does.** ", "**How it is cleared.** "];
const CHINESE: [&str; 4] = ["**含义**：", "**原因**：", "**值班员怎么办**：", "**如何解除**："];

#[test]
fn every_kind_has_a_whole_page_in_both_languages() {
    for kind in Kind::ALL {
        let rest = kind.page().strip_prefix(&format!("# {kind}\n\n## English\n\n")).unwrap_or_else(|| panic!("{kind}: the title"));
        let (english, chinese) = rest.split_once("\n\n## 中文\n\n").unwrap_or_else(|| panic!("{kind}: no `## 中文`"));
        for (section, labels) in [(english, ENGLISH), (chinese, CHINESE)] {
            let parts: Vec<&str> = section.trim_end().split("\n\n").collect();
            assert_eq!(parts.len(), labels.len(), "{kind}");
            for (part, label) in parts.iter().zip(labels) {
                assert!(part.strip_prefix(label).is_some_and(|text| text.chars().count() > 8), "{kind}: {label}");
            }
        }
    }
}

#[test]
fn no_page_is_without_a_kind_and_no_kind_is_a_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/alarms/pages");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<String> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(pages, Kind::ALL.map(|kind| kind.to_string()).into());
    assert!(Kind::ALL.iter().all(|kind| kind.as_str().parse::<FaultCode>().is_err()));
}

#[test]
fn a_key_that_a_page_names_is_a_key_of_the_configuration() {
    let reference = portolan::config::reference();
    let looks_like_a_key =
        |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    for kind in Kind::ALL {
        for key in kind.page().split('`').skip(1).step_by(2).filter(looks_like_a_key) {
            assert!(reference.contains(&format!("| `{key}` |")), "{kind}.md names `{key}`");
        }
    }
}
