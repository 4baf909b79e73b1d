//! How long an alarm takes.

use portolan::alarms::watch::ENDINGS_INTERVAL;
use portolan::config::Config;
use portolan::ops::console::live::INTERVAL;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_cause_is_told_within_ten_seconds() {
    let config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example")).unwrap();
    let alarms = &config.gateway.alarms;
    // At worst a look has just missed it, what ends was just read, the hold ends just after a look, and open pages have just been
    // told to look again.
    let longest = alarms.evaluation_interval + ENDINGS_INTERVAL.max(alarms.evaluation_interval) + alarms.hold.raise_after + INTERVAL;
    assert!(longest <= Duration::from_secs(10), "{longest:?}");
}
