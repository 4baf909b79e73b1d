//! What is expected of a flow, and alarms, as they are written.

use super::{At, RawIdentity, count};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

/// What is expected when (报送时限). What is not there in time raises an alarm.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSchedule {
    /// The days on which it is due.
    #[schemars(extend("x-required" = true))]
    pub every: Option<At<RawEvery>>,
    /// With `every = "week"`: which days of it.
    pub weekdays: Vec<RawWeekday>,
    /// With `every = "month"` or `"quarter"`: by which day after the tax period (所属期) ends, counted from 1.
    pub day: Option<At<NonZeroU32>>,
    /// The time of that day by which it is due in the flow's zone, as `17:30`; absent, the end of the day.
    pub time: Option<At<String>>,
    /// Hours before that time from which on something counts for it; absent, from the beginning of the day (of the
    /// one before where it is due at midnight), or of the day after the tax period.
    pub opens_hours_before: Option<NonZeroU32>,
    /// Minutes by which it may come later without an alarm.
    pub grace_minutes: u32,
    /// Hours after which a late one (迟报) counts as missed (未报).
    pub missed_after_hours: NonZeroU32,
    /// What becomes of a day on which no work is done.
    pub on_holiday: RawOnHoliday,
    /// The calendar of holidays and make-up working days, such as `cn`: a folder `calendars/NAME` with a file for each year,
    /// or one that ships with the program. Absent, only Saturdays and Sundays are off.
    pub calendar: Option<At<String>>,
}

impl Default for RawSchedule {
    fn default() -> Self {
        Self {
            every: None,
            weekdays: Vec::new(),
            day: None,
            time: None,
            opens_hours_before: None,
            grace_minutes: 0,
            missed_after_hours: count(24),
            on_holiday: RawOnHoliday::After,
            calendar: None,
        }
    }
}

/// The days of a schedule.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawEvery {
    /// Each working day of the calendar, make-up days (调休) included.
    Workday,
    /// Some days of each week.
    Week,
    /// Once for each month, after its end.
    Month,
    /// Once for each quarter, after its end.
    Quarter,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawWeekday {
    /// 星期一.
    Monday,
    /// 星期二.
    Tuesday,
    /// 星期三.
    Wednesday,
    /// 星期四.
    Thursday,
    /// 星期五.
    Friday,
    /// 星期六.
    Saturday,
    /// 星期日.
    Sunday,
}

/// What becomes of a day on which no work is done.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawOnHoliday {
    /// It is expected all the same.
    Expect,
    /// Nothing is expected for it.
    Skip,
    /// It is due on the last working day before.
    Before,
    /// It is due on the next working day (顺延).
    After,
}

/// When alarms are raised, when they are told of, and to whom.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAlarms {
    /// How often everything is looked at.
    pub evaluation_interval_ms: NonZeroU32,
    /// How long a cause must last before its alarm is raised.
    pub raise_after_ms: u32,
    /// How long a cause must be gone before its alarm is closed.
    pub clear_after_ms: u32,
    /// Other times for one kind of alarm, under its name, such as `"destination.down"`.
    pub hold: BTreeMap<String, At<RawHold>>,
    /// Days of the same weekday that must be known before a volume is judged, and days with records before shares are.
    pub history_days_min: NonZeroU32,
    /// Deviations (of the median absolute kind) from the median of its weekday beyond which a day's volume is an alarm.
    pub volume_deviations_max: NonZeroU32,
    /// Percentage points by which the share of empty values or of a code may leave its own median.
    pub share_change_percent_max: NonZeroU32,
    /// Records of a day that a share is judged by, at least.
    pub share_records_min: NonZeroU32,
    /// Percentage of refused records of the last hour or two beyond which it is an alarm.
    pub refused_percent_max: NonZeroU32,
    /// Records of that time without which nothing is judged.
    pub refused_records_min: NonZeroU32,
    /// Requests of one partner turned away within ten seconds for being over its limits, beyond which it floods.
    pub throttled_max: NonZeroU32,
    /// Age of the oldest delivery that was not acknowledged, beyond which its destination counts as down.
    pub undelivered_ms_max: NonZeroU32,
    /// Free bytes of the data folder's disk below which operators are warned; `limits.free_bytes_min` stops taking in.
    pub disk_free_bytes_min: NonZeroU64,
    /// By how much the clock may jump between two looks.
    pub clock_jump_ms_max: NonZeroU32,
    /// Days after which the key of the receipts is due for its successor.
    pub receipt_key_days_max: NonZeroU32,
    /// Times of the day in which alarms are raised but told of later.
    pub quiet: Vec<At<RawQuiet>>,
    /// Who is told of alarms, each under a name of its own.
    pub webhook: BTreeMap<String, At<RawWebhook>>,
}

impl Default for RawAlarms {
    fn default() -> Self {
        Self {
            evaluation_interval_ms: count(2_000),
            raise_after_ms: 3_000,
            clear_after_ms: 30_000,
            hold: BTreeMap::new(),
            history_days_min: count(4),
            volume_deviations_max: count(6),
            share_change_percent_max: count(20),
            share_records_min: count(100),
            refused_percent_max: count(20),
            refused_records_min: count(20),
            throttled_max: count(10),
            undelivered_ms_max: count(15 * 60_000),
            disk_free_bytes_min: super::large(2 << 30),
            clock_jump_ms_max: count(5_000),
            receipt_key_days_max: count(365),
            quiet: Vec::new(),
            webhook: BTreeMap::new(),
        }
    }
}

/// Times of one kind of alarm.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHold {
    /// How long its cause must last; absent, as for all.
    pub raise_after_ms: Option<u32>,
    /// How long its cause must be gone; absent, as for all.
    pub clear_after_ms: Option<u32>,
}

/// Quiet hours.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawQuiet {
    /// Their beginning, as `22:00`.
    #[schemars(extend("x-required" = true))]
    pub from: Option<At<String>>,
    /// Their end; before the beginning, it is that of the next day.
    #[schemars(extend("x-required" = true))]
    pub to: Option<At<String>>,
    /// IANA time zone; `Asia/Shanghai` unless given.
    pub zone: Option<At<String>>,
    /// Only for these kinds of alarms; empty, for all.
    pub kinds: Vec<At<String>>,
    /// Only for these flows; empty, for all.
    pub flows: Vec<At<String>>,
}

/// One who is told of alarms: a JSON document for each, `POST`ed over TLS and signed.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawWebhook {
    /// Address: `https://HOST[:PORT]/PATH`.
    #[schemars(extend("x-required" = true))]
    pub url: Option<At<String>>,
    /// PEM files of the authorities that its server certificate must chain to; at least one.
    #[schemars(extend("x-required" = true))]
    pub authorities: Vec<At<PathBuf>>,
    /// SHA-256 digests of its server's public key, of which one must match. Empty: chain and host name decide alone.
    pub server_keys_sha256: Vec<At<String>>,
    /// Client identity to present, where it asks for one.
    pub identity: Option<At<RawIdentity>>,
    /// File of the secret that signs (HMAC-SHA-256), from 32 to 1024 bytes, readable by its owner alone; taken as it is.
    #[schemars(extend("x-required" = true))]
    pub secret: Option<At<PathBuf>>,
    /// Time for one attempt.
    pub timeout_ms: NonZeroU32,
    /// Only these kinds of alarms; empty, all.
    pub kinds: Vec<At<String>>,
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self {
            url: None,
            authorities: Vec::new(),
            server_keys_sha256: Vec::new(),
            identity: None,
            secret: None,
            timeout_ms: count(10_000),
            kinds: Vec::new(),
        }
    }
}
