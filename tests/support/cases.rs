//! Cases in a file of their own: `[[case]]` tables of TOML.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The cases of a file, of which there must be some.
pub fn cases<T: DeserializeOwned>(text: &str) -> Vec<T> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cases<T> {
        case: Vec<T>,
    }
    let Cases { case } = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    assert!(!case.is_empty(), "no cases");
    case
}
