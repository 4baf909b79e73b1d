//! The one list of kinds of alarms. A kind that stands here has a page in `pages/`; a test holds the two together.

use std::fmt;
use std::str::FromStr;

/// A kind of alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `feed.late` (迟报): a feed is not there in time.
    FeedLate,
    /// `feed.missed` (未报): a feed did not come at all.
    FeedMissed,
    /// `volume.drift`: a day's volume is far from that of such days.
    VolumeDrift,
    /// `null-share.drift`: values are empty far more often, or less, than they were.
    NullShareDrift,
    /// `code-list.drift`: codes occur far more often, or less, than they did.
    CodeListDrift,
    /// `refusals.high`: too much is refused.
    RefusalsHigh,
    /// `delivery.slow`: deliveries take longer than was promised.
    DeliverySlow,
    /// `destination.down`: a receiver does not take what it is sent.
    DestinationDown,
    /// `partner.flooding` (限流): a partner is turned away again and again.
    PartnerFlooding,
    /// `certificate.expiring`: a certificate ends soon or has ended.
    CertificateExpiring,
    /// `revocation-list.expiring`: a revocation list is due for the next.
    RevocationListExpiring,
    /// `disk.low`: the data folder's disk fills up.
    DiskLow,
    /// `clock.wrong`: the clock jumps, or nothing keeps it right.
    ClockWrong,
    /// `chain.broken`: the chain of evidence does not hold.
    ChainBroken,
    /// `receipts-key.ending`: the key of the receipts is due for its successor.
    ReceiptsKeyEnding,
    /// `reconciliation.unmet`: records that should meet do not.
    ReconciliationUnmet,
    /// `calendar.missing`: the holidays of a year are not known.
    CalendarMissing,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::FeedLate,
        Self::FeedMissed,
        Self::VolumeDrift,
        Self::NullShareDrift,
        Self::CodeListDrift,
        Self::RefusalsHigh,
        Self::DeliverySlow,
        Self::DestinationDown,
        Self::PartnerFlooding,
        Self::CertificateExpiring,
        Self::RevocationListExpiring,
        Self::DiskLow,
        Self::ClockWrong,
        Self::ChainBroken,
        Self::ReceiptsKeyEnding,
        Self::ReconciliationUnmet,
        Self::CalendarMissing,
    ];

    /// The stable id.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Its title in Chinese and English.
    pub fn title(self) -> (&'static str, &'static str) {
        (self.row().1, self.row().2)
    }

    /// What to do about it, in English and Chinese.
    pub fn page(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::FeedLate => ("feed.late", "迟报", "a feed is late", include_str!("pages/feed.late.md")),
            Self::FeedMissed => ("feed.missed", "未报", "a feed did not come", include_str!("pages/feed.missed.md")),
            Self::VolumeDrift => ("volume.drift", "报送数量异常", "the volume of a feed is unusual", include_str!("pages/volume.drift.md")),
            Self::NullShareDrift => {
                ("null-share.drift", "空值比例异常", "the share of empty values is unusual", include_str!("pages/null-share.drift.md"))
            }
            Self::CodeListDrift => {
                ("code-list.drift", "代码分布异常", "the shares of codes are unusual", include_str!("pages/code-list.drift.md"))
            }
            Self::RefusalsHigh => ("refusals.high", "退回率过高", "too much is refused", include_str!("pages/refusals.high.md")),
            Self::DeliverySlow => {
                ("delivery.slow", "投递超过承诺时限", "deliveries take longer than promised", include_str!("pages/delivery.slow.md"))
            }
            Self::DestinationDown => {
                ("destination.down", "接收方不可用", "a receiver takes nothing", include_str!("pages/destination.down.md"))
            }
            Self::PartnerFlooding => (
                "partner.flooding",
                "接入单位持续被限流",
                "a partner is turned away again and again",
                include_str!("pages/partner.flooding.md"),
            ),
            Self::CertificateExpiring => {
                ("certificate.expiring", "证书即将到期", "a certificate ends soon", include_str!("pages/certificate.expiring.md"))
            }
            Self::RevocationListExpiring => (
                "revocation-list.expiring",
                "吊销列表即将到期",
                "a revocation list is due for the next",
                include_str!("pages/revocation-list.expiring.md"),
            ),
            Self::DiskLow => ("disk.low", "磁盘空间不足", "the disk fills up", include_str!("pages/disk.low.md")),
            Self::ClockWrong => ("clock.wrong", "时钟异常", "the clock is not to be trusted", include_str!("pages/clock.wrong.md")),
            Self::ChainBroken => {
                ("chain.broken", "存证链不完整", "the chain of evidence does not hold", include_str!("pages/chain.broken.md"))
            }
            Self::ReceiptsKeyEnding => (
                "receipts-key.ending",
                "签收凭证密钥应更换",
                "the key of the receipts is due for its successor",
                include_str!("pages/receipts-key.ending.md"),
            ),
            Self::ReconciliationUnmet => {
                ("reconciliation.unmet", "核对不符", "records that should meet do not", include_str!("pages/reconciliation.unmet.md"))
            }
            Self::CalendarMissing => {
                ("calendar.missing", "缺少节假日日历", "the holidays of a year are not known", include_str!("pages/calendar.missing.md"))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no kind of alarm; there are {}", known()))
    }
}
