//! The console: pages for people on the operators' listener, made on the server, in Chinese and English.
//!
//! # How to add a page
//!
//! 1. A file here with `pub async fn page(view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault>`: it reads what it
//!    shows through the same functions as the API, makes its markup with [`maud::html!`], and answers with
//!    [`layout::page`].
//! 2. A row `page(…)` in [`super::routes::ROUTES`], with its word in the menu if it has one. The menu, `/v1` and the
//!    test that walks every page in a browser know it from there.
//!
//! # What every page keeps to
//!
//! - **Words.** [`Lang`] says each text in the reader's language: `lang.of(words::FLOW)` for what several pages name,
//!   `lang.say("中文", "English")` for a page's own sentence. Both languages always stand side by side.
//! - **Figures.** [`figures`] has the one way in which times, counts, sizes, shares and amounts are written.
//! - **Parts.** [`parts`] has what pages share: states by word, shape and colour; tables; forms of changes.
//! - **Changes.** [`parts::form`] posts to the address of the API that does it, with the guard's token, and comes back
//!   to the page with what came of it ([`super::acts`]). There is no second way to change anything.
//! - **Live.** Whatever [`parts::live`] encloses is asked for again, by the page's own address with `part=` its id, whenever
//!   [`live`] says so; the page answers with it alone ([`layout::part`]), and makes nothing else for it. Forms stand
//!   outside of it, so that nobody loses what they type.
//! - **Policy.** Nothing from elsewhere, no script and no style within a page ([`layout`]): a chart is markup or
//!   is drawn by `assets/console.js` from an element's `data-` attributes.
//! - **Everyone.** A state is never colour alone; whatever can be pointed at can be reached by keyboard; a page is
//!   readable at 390 pixels.

pub mod alarms;
pub mod assets;
pub mod audit;
pub mod changes;
pub mod chart;
pub mod dead_letters;
pub mod deeds;
pub mod deliveries;
pub mod exchange;
pub mod exchanges;
pub mod fields;
pub mod figures;
pub mod flow;
pub mod handover;
pub mod layout;
pub mod live;
pub mod map;
pub mod names;
pub mod now;
pub mod partner;
pub mod parts;
pub mod prose;
pub mod raw;
pub mod record;
pub mod words;

pub use words::{Lang, Text, text};
