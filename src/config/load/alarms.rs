//! The checks of schedules, of calendars, and of the alarms in `portolan.toml`.

use super::super::alarms::{Alarms, Hold, QuietHours, Thresholds, Webhook};
use super::super::raw::{At, RawAlarms, RawEvery, RawHold, RawOnHoliday, RawQuiet, RawSchedule, RawWebhook, RawWeekday};
use super::{Checker, NamedFile, Problem, milliseconds, size, transposed};
use crate::alarms::Kind;
use crate::config::{FILES_PER_FOLDER_MAX, ZONE_DEFAULT};
use crate::domain::{Digest, Name};
use crate::schedule::calendar::{embedded, year_of};
use crate::schedule::{Calendar, Every, OnHoliday, Schedule};
use jiff::SignedDuration;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Webhooks of a gateway.
pub const WEBHOOKS_MAX: usize = 16;
/// Bytes of the secret of a webhook.
const SECRET_BYTES: std::ops::RangeInclusive<u64> = 32..=1024;
/// The last day after a quarter by which something may be due: the next quarter's shortest end.
const QUARTER_DAY_MAX: u32 = 90;
const MONTH_DAY_MAX: u32 = 31;

/// Calendars by name: those that ship with the program, and over them the folder's `calendars/NAME/YEAR.toml`.
pub(super) fn calendars(folder: &Path, problems: &mut Vec<Problem>) -> BTreeMap<Name, Calendar> {
    let mut note = |file: &Path, message: String| problems.push(Problem { file: file.to_owned(), line: 0, message });
    let mut calendars = BTreeMap::new();
    match embedded() {
        Ok(shipped) => calendars.extend(shipped.into_iter().filter_map(|(name, calendar)| Some((name.parse().ok()?, calendar)))),
        Err(message) => note(folder, message),
    }
    for path in entries(&folder.join("calendars"), &mut note) {
        let Some(name) = name_of(&path).and_then(|name| name.parse::<Name>().ok()) else {
            note(&path, "a calendar is a folder with a name of a-z, 0-9 and -".to_owned());
            continue;
        };
        let calendar = calendars.entry(name).or_default();
        for file in entries(&path, &mut note) {
            let added = match name_of(&file).and_then(year_of) {
                Some(year) => super::read_bytes(&file)
                    .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned()))
                    .and_then(|text| calendar.add(year, &text)),
                None => Err("a year's file is named as 2026.toml".to_owned()),
            };
            added.unwrap_or_else(|message| note(&file, message));
        }
    }
    calendars
}

/// What is in a folder, hidden entries left out; nothing where there is none.
fn entries(folder: &Path, note: &mut impl FnMut(&Path, String)) -> Vec<PathBuf> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            note(folder, format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = read.flatten().map(|entry| entry.path()).take(FILES_PER_FOLDER_MAX).collect();
    paths.retain(|path| name_of(path).is_some_and(|name| !name.starts_with('.')));
    paths.sort();
    paths
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

impl Checker<'_> {
    /// A schedule; `calendars` are those that it may name.
    pub(super) fn schedule(&mut self, at: &At<RawSchedule>, calendars: &BTreeMap<Name, Calendar>) -> Option<Schedule> {
        let raw = at.value();
        let every = self.page.required(raw.every.as_ref(), "every", at.span());
        let every = every.and_then(|every| self.every(*every.value(), at));
        let time = raw.time.as_ref().map(|time| self.time(time, "time"));
        let calendar = raw.calendar.as_ref().map(|name| {
            let known = self.page.parsed::<Name>(name)?;
            if !calendars.contains_key(&known) {
                let names: Vec<&str> = calendars.keys().map(Name::as_str).collect();
                self.page.note(name.span(), format!("`calendar`: there is no folder calendars/{known}; there are {}", names.join(", ")));
                return None;
            }
            Some(known)
        });
        Some(Schedule {
            every: every?,
            time: transposed(time)?,
            opens_before: raw.opens_hours_before.map(|hours| SignedDuration::from_hours(i64::from(hours.get()))),
            grace: SignedDuration::from_mins(i64::from(raw.grace_minutes)),
            missed_after: SignedDuration::from_hours(i64::from(raw.missed_after_hours.get())),
            on_holiday: match raw.on_holiday {
                RawOnHoliday::Expect => OnHoliday::Expect,
                RawOnHoliday::Skip => OnHoliday::Skip,
                RawOnHoliday::Before => OnHoliday::Before,
                RawOnHoliday::After => OnHoliday::After,
            },
            calendar: transposed(calendar)?,
        })
    }

    fn every(&mut self, every: RawEvery, at: &At<RawSchedule>) -> Option<Every> {
        let raw = at.value();
        let weekly = matches!(every, RawEvery::Week);
        let after_period = matches!(every, RawEvery::Month | RawEvery::Quarter);
        if weekly == raw.weekdays.is_empty() {
            self.page.note(at.span(), "`weekdays` goes with `every = \"week\"`, and with nothing else");
        }
        if after_period != raw.day.is_some() {
            self.page.note(at.span(), "`day` goes with `every = \"month\"` or `\"quarter\"`, and with nothing else");
        }
        match every {
            RawEvery::Workday => Some(Every::Workday),
            RawEvery::Week => Some(Every::Week(raw.weekdays.iter().copied().map(weekday).collect())),
            RawEvery::Month => self.day(raw.day.as_ref()?, MONTH_DAY_MAX).map(Every::Month),
            RawEvery::Quarter => self.day(raw.day.as_ref()?, QUARTER_DAY_MAX).map(Every::Quarter),
        }
    }

    fn day(&mut self, day: &At<NonZeroU32>, max: u32) -> Option<u8> {
        let fits = u8::try_from(day.value().get()).ok().filter(|number| u32::from(*number) <= max);
        if fits.is_none() {
            self.page.note(day.span(), format!("`day` must be from 1 to {max}"));
        }
        fits
    }

    pub(super) fn time(&mut self, text: &At<String>, key: &str) -> Option<Time> {
        let parsed = text.value().parse::<Time>().ok().filter(|_| text.value().contains(':'));
        if parsed.is_none() {
            self.page.note(text.span(), format!("`{key}`: {:?} is no time of day; write it as 17:30", text.value()));
        }
        parsed
    }

    pub(super) fn alarms(&mut self, at: &At<RawAlarms>) -> Option<Alarms> {
        let raw = at.value();
        let hold = Hold { raise_after: span(raw.raise_after_ms), clear_after: span(raw.clear_after_ms) };
        let holds: Vec<_> = raw.hold.iter().map(|(kind, at)| self.hold(kind, at, hold)).collect();
        let quiet: Vec<_> = raw.quiet.iter().map(|at| self.quiet(at)).collect();
        if raw.webhook.len() > WEBHOOKS_MAX {
            self.page.note(at.span(), format!("more than {WEBHOOKS_MAX} webhooks"));
        }
        let webhooks: Vec<_> = raw.webhook.iter().map(|(name, at)| self.webhook(name, at)).collect();
        let percent = |number: NonZeroU32| f64::from(number.get()) / 100.0;
        Some(Alarms {
            evaluation_interval: milliseconds(raw.evaluation_interval_ms),
            hold,
            holds: holds.into_iter().collect::<Option<_>>()?,
            thresholds: Thresholds {
                history_days_min: size(raw.history_days_min),
                volume_deviations_max: f64::from(raw.volume_deviations_max.get()),
                share_change_max: percent(raw.share_change_percent_max),
                share_records_min: u64::from(raw.share_records_min.get()),
                refused_share_max: percent(raw.refused_percent_max),
                refused_records_min: u64::from(raw.refused_records_min.get()),
                throttled_max: u64::from(raw.throttled_max.get()),
                undelivered_max: milliseconds(raw.undelivered_ms_max),
                disk_free_bytes_min: raw.disk_free_bytes_min.get(),
                clock_jump_max: milliseconds(raw.clock_jump_ms_max),
                receipt_key_days_max: i64::from(raw.receipt_key_days_max.get()),
            },
            quiet: quiet.into_iter().collect::<Option<_>>()?,
            webhooks: webhooks.into_iter().collect::<Option<_>>()?,
        })
    }

    fn hold(&mut self, kind: &str, at: &At<RawHold>, usual: Hold) -> Option<(Kind, Hold)> {
        let kind = kind.parse::<Kind>().map_err(|message| self.page.note(at.span(), message)).ok()?;
        let raise_after = at.value().raise_after_ms.map_or(usual.raise_after, span);
        let clear_after = at.value().clear_after_ms.map_or(usual.clear_after, span);
        Some((kind, Hold { raise_after, clear_after }))
    }

    fn kinds(&mut self, raw: &[At<String>]) -> Option<Vec<Kind>> {
        let read: Vec<_> = raw.iter().map(|kind| self.page.parsed::<Kind>(kind)).collect();
        read.into_iter().collect()
    }

    fn quiet(&mut self, at: &At<RawQuiet>) -> Option<QuietHours> {
        let raw = at.value();
        let from = self.page.required(raw.from.as_ref(), "from", at.span());
        let from = from.and_then(|time| self.time(time, "from"));
        let to = self.page.required(raw.to.as_ref(), "to", at.span());
        let to = to.and_then(|time| self.time(time, "to"));
        let zone = match &raw.zone {
            Some(zone) => self.zone(zone),
            None => Some(ZONE_DEFAULT.to_owned()),
        };
        let kinds = self.kinds(&raw.kinds);
        let flows: Vec<_> = raw.flows.iter().map(|flow| self.page.parsed::<Name>(flow)).collect();
        Some(QuietHours {
            from: from?,
            to: to?,
            zone: TimeZone::get(&zone?).ok()?,
            kinds: kinds?,
            flows: flows.into_iter().collect::<Option<_>>()?,
        })
    }

    fn webhook(&mut self, name: &str, at: &At<RawWebhook>) -> Option<(Name, Arc<Webhook>)> {
        let raw = at.value();
        let name = self.name(name, at.span());
        let url = self.page.required(raw.url.as_ref(), "url", at.span());
        let url = url.and_then(|url| self.https(url));
        if raw.authorities.is_empty() {
            self.page.missing("authorities", at.span());
        }
        let authorities = self.files(&raw.authorities);
        let server_keys: Vec<_> = raw.server_keys_sha256.iter().map(|digest| self.page.parsed::<Digest>(digest)).collect();
        let identity = raw.identity.as_ref().map(|identity| self.identity(identity));
        let secret = self.page.required(raw.secret.as_ref(), "secret", at.span());
        let secret = secret.and_then(|path| self.secret(path));
        let kinds = self.kinds(&raw.kinds);
        let webhook = Webhook {
            name: name.clone()?,
            url: url?,
            authorities: authorities?,
            server_keys: server_keys.into_iter().collect::<Option<_>>()?,
            identity: transposed(identity)?,
            secret: secret?,
            timeout: milliseconds(raw.timeout_ms),
            kinds: kinds?,
        };
        Some((name?, Arc::new(webhook)))
    }

    fn secret(&mut self, path: &At<PathBuf>) -> Option<NamedFile> {
        let file = self.file(path)?;
        let found = fs::metadata(&file).map_err(|error| format!("cannot be read: {error}")).and_then(|metadata| {
            let open = metadata.permissions().mode() & 0o077 != 0;
            match (open, SECRET_BYTES.contains(&metadata.len())) {
                (true, _) => Err("can be read by others than its owner: chmod 600 it".to_owned()),
                (_, false) => Err(format!("must have from {} to {} bytes", SECRET_BYTES.start(), SECRET_BYTES.end())),
                _ => Ok(()),
            }
        });
        found.map_err(|message| self.page.note(path.span(), format!("`secret`: {} {message}", file.display()))).ok()?;
        Some(file)
    }
}

fn span(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

fn weekday(raw: RawWeekday) -> Weekday {
    match raw {
        RawWeekday::Monday => Weekday::Monday,
        RawWeekday::Tuesday => Weekday::Tuesday,
        RawWeekday::Wednesday => Weekday::Wednesday,
        RawWeekday::Thursday => Weekday::Thursday,
        RawWeekday::Friday => Weekday::Friday,
        RawWeekday::Saturday => Weekday::Saturday,
        RawWeekday::Sunday => Weekday::Sunday,
    }
}
